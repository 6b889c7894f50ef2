/*
 * The wire's one place where lengths are looked at. A rule is a line: the field, its width, how
 * many it must hold. The first rule that is broken names its field and ends the request; no value
 * is judged here.
 */
#include "proto/wire/wire.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    POINT = 65,
    EID = 16,
    DIGEST = 32,
    SIGNATURE = 64,
    COUNTER = 5,
    TAR = 3,
    SPI = 2,
    EXPIRY = 8,
    RECEIPT = 16,
    KCVS = 9,
    KEY_INDEX = 2,
    SHA256_ID = 32,
};

static const struct {
    enum wire_op op;
    const char *name;
} ops[] = {
    {WIRE_OP_VERIFY, "Verify"},
    {WIRE_OP_VERIFY_CHAIN, "VerifyChain"},
    {WIRE_OP_ESTABLISH, "Establish"},
    {WIRE_OP_CONFIRM, "Confirm"},
    {WIRE_OP_SCP80_WRAP, "Scp80Wrap"},
    {WIRE_OP_SCP80_UNWRAP, "Scp80Unwrap"},
    {WIRE_OP_INFO, "Info"},
};

const char *wire_op_name(enum wire_op op)
{
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (ops[i].op == op) {
            return ops[i].name;
        }
    }
    return NULL;
}

enum wire_op wire_op_from_name(const char *name)
{
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (strcmp(ops[i].name, name) == 0) {
            return ops[i].op;
        }
    }
    return WIRE_OP_NONE;
}

typedef const ProtobufCBinaryData bin;

/* What a set of rules is checked against, and where the first complaint goes. */
struct check {
    const char *op;
    char *detail;
};

__attribute__((format(printf, 2, 3))) static enum status refuse(const struct check *c,
                                                                const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = c->op == NULL ? 0 : snprintf(c->detail, WIRE_DETAIL_MAX, "%s: ", c->op);
    (void)vsnprintf(c->detail + n, WIRE_DETAIL_MAX - (size_t)n, format, args);
    va_end(args);
    return STATUS_BAD_REQUEST;
}

/* A column of exactly n values. */
static enum status column(const struct check *c, const char *field, bin b, size_t width, size_t n)
{
    if (b.len != width * n) {
        return refuse(c, "%s has %zu bytes, expected %zu (%zu x %zu)", field, b.len, width * n, n,
                      width);
    }
    return STATUS_OK;
}

static enum status optional_column(const struct check *c, const char *field, bin b, size_t width,
                                   size_t n)
{
    return b.len == 0 ? STATUS_OK : column(c, field, b, width, n);
}

/* The column that says how many items there are. */
static enum status count(const struct check *c, const char *field, bin b, size_t width, size_t max,
                         uint32_t *n)
{
    if (b.len == 0 || b.len % width != 0) {
        return refuse(c, "%s has %zu bytes, expected a multiple of %zu above 0", field, b.len,
                      width);
    }
    if (b.len / width > max) {
        return refuse(c, "%s holds %zu items, the limit is %zu", field, b.len / width, max);
    }
    *n = (uint32_t)(b.len / width);
    return STATUS_OK;
}

/* A repeated field of exactly n entries, each of at most max bytes. */
static enum status entries(const struct check *c, const char *field, bin *e, size_t have, size_t n,
                           size_t max)
{
    if (have != n) {
        return refuse(c, "%s has %zu entries, expected %zu", field, have, n);
    }
    for (size_t i = 0; i < have; i++) {
        if (e[i].len > max) {
            return refuse(c, "%s[%zu] has %zu bytes, the limit is %zu", field, i, e[i].len, max);
        }
    }
    return STATUS_OK;
}

static enum status optional_entries(const struct check *c, const char *field, bin *e, size_t have,
                                    size_t n, size_t max)
{
    return have == 0 ? STATUS_OK : entries(c, field, e, have, n, max);
}

/* One entry for all items, or one an item. */
static enum status shared_entries(const struct check *c, const char *field, bin *e, size_t have,
                                  size_t n, size_t max)
{
    return entries(c, field, e, have, have == 1 ? 1 : n, max);
}

static enum status check_verify(const struct check *c, const Ecka__V1__Verify *m, uint32_t *n)
{
    uint32_t keys = 0;
    TRY(count(c, "digests", m->digests, DIGEST, WIRE_VERIFY_ITEMS_MAX, n));
    TRY(column(c, "signatures", m->signatures, SIGNATURE, *n));
    TRY(count(c, "public_keys", m->public_keys, POINT, WIRE_VERIFY_ITEMS_MAX, &keys));
    if (m->key_index.len == 0 && keys != 1 && keys != *n) {
        return refuse(c, "key_index is missing: %u public_keys for %u items", keys, *n);
    }
    return optional_column(c, "key_index", m->key_index, KEY_INDEX, *n);
}

static enum status check_chain(const struct check *c, const Ecka__V1__VerifyChain *m, uint32_t *n)
{
    TRY(count(c, "eids", m->eids, EID, WIRE_ITEMS_MAX, n));
    TRY(entries(c, "ecasd_certs", m->ecasd_certs, m->n_ecasd_certs, *n, WIRE_CERT_MAX));
    return shared_entries(c, "eums", m->eums, m->n_eums, *n, WIRE_EUM_MAX);
}

static enum status check_establish(const struct check *c, const Ecka__V1__Establish *m, uint32_t *n)
{
    TRY(count(c, "eids", m->eids, EID, WIRE_ITEMS_MAX, n));
    TRY(column(c, "sr_key_id", m->sr_key_id, SHA256_ID, 1));
    TRY(entries(c, "ecasd_certs", m->ecasd_certs, m->n_ecasd_certs, *n, WIRE_CERT_MAX));
    TRY(shared_entries(c, "eums", m->eums, m->n_eums, *n, WIRE_EUM_MAX));
    TRY(entries(c, "rcs", m->rcs, m->n_rcs, *n, WIRE_ID_MAX));
    TRY(column(c, "kvns", m->kvns, 1, *n));
    TRY(column(c, "scenarios", m->scenarios, 1, *n));
    TRY(optional_column(c, "counters", m->counters, COUNTER, *n));
    TRY(optional_entries(c, "host_ids", m->host_ids, m->n_host_ids, *n, WIRE_ID_MAX));
    TRY(optional_entries(c, "sins", m->sins, m->n_sins, *n, WIRE_ID_MAX));
    TRY(optional_entries(c, "sdins", m->sdins, m->n_sdins, *n, WIRE_ID_MAX));
    TRY(column(c, "expiries", m->expiries, EXPIRY, *n));
    return optional_column(c, "key_usages", m->key_usages, 1, *n);
}

static enum status check_confirm(const struct check *c, const Ecka__V1__Confirm *m, uint32_t *n)
{
    TRY(count(c, "eids", m->eids, EID, WIRE_ITEMS_MAX, n));
    TRY(entries(c, "tickets", m->tickets, m->n_tickets, *n, WIRE_TICKET_MAX));
    TRY(column(c, "receipts", m->receipts, RECEIPT, *n));
    return optional_entries(c, "drs", m->drs, m->n_drs, *n, WIRE_ID_MAX);
}

static enum status check_wrap(const struct check *c, const Ecka__V1__Scp80Wrap *m, uint32_t *n)
{
    TRY(count(c, "eids", m->eids, EID, WIRE_ITEMS_MAX, n));
    TRY(entries(c, "key_sets", m->key_sets, m->n_key_sets, *n, WIRE_KEY_SET_MAX));
    TRY(column(c, "kvns", m->kvns, 1, *n));
    TRY(optional_column(c, "spis", m->spis, SPI, *n));
    TRY(column(c, "tars", m->tars, TAR, *n));
    TRY(column(c, "counters", m->counters, COUNTER, *n));
    return entries(c, "payloads", m->payloads, m->n_payloads, *n, WIRE_PAYLOAD_MAX);
}

static enum status check_unwrap(const struct check *c, const Ecka__V1__Scp80Unwrap *m, uint32_t *n)
{
    TRY(count(c, "eids", m->eids, EID, WIRE_ITEMS_MAX, n));
    TRY(entries(c, "key_sets", m->key_sets, m->n_key_sets, *n, WIRE_KEY_SET_MAX));
    TRY(column(c, "kvns", m->kvns, 1, *n));
    return entries(c, "packets", m->packets, m->n_packets, *n, WIRE_PACKET_MAX);
}

static enum status check_op(const struct check *c, const Ecka__V1__Request *m, uint32_t *n)
{
    switch (m->op_case) {
    case ECKA__V1__REQUEST__OP_VERIFY:
        return check_verify(c, m->verify, n);
    case ECKA__V1__REQUEST__OP_VERIFY_CHAIN:
        return check_chain(c, m->verify_chain, n);
    case ECKA__V1__REQUEST__OP_ESTABLISH:
        return check_establish(c, m->establish, n);
    case ECKA__V1__REQUEST__OP_CONFIRM:
        return check_confirm(c, m->confirm, n);
    case ECKA__V1__REQUEST__OP_SCP80_WRAP:
        return check_wrap(c, m->scp80_wrap, n);
    case ECKA__V1__REQUEST__OP_SCP80_UNWRAP:
        return check_unwrap(c, m->scp80_unwrap, n);
    default:
        *n = 0;
        return STATUS_OK;
    }
}

enum status wire_request_decode(struct arena *arena, struct span frame, struct wire_request *out,
                                char detail[static WIRE_DETAIL_MAX])
{
    struct check c = {NULL, detail};
    *out = (struct wire_request){0};
    detail[0] = '\0';
    if (frame.len > WIRE_FRAME_MAX) {
        return refuse(&c, "the frame has %zu bytes, the limit is %d", frame.len, WIRE_FRAME_MAX);
    }
    out->msg = ecka__v1__request__unpack(&arena->allocator, frame.len, frame.ptr);
    if (out->msg == NULL) {
        return refuse(&c, "the frame is no ecka.v1.Request, or holds too many fields");
    }
    if (out->msg->version != WIRE_VERSION) {
        (void)refuse(&c, "version is %u, this server speaks %d", out->msg->version, WIRE_VERSION);
        return STATUS_UNSUPPORTED_VERSION;
    }
    if (out->msg->id == 0) {
        return refuse(&c, "id is 0");
    }
    enum wire_op op = (enum wire_op)out->msg->op_case;
    c.op = wire_op_name(op);
    if (c.op == NULL) {
        (void)refuse(&c, "op is missing or unknown");
        return STATUS_UNKNOWN_OPERATION;
    }
    TRY(check_op(&c, out->msg, &out->items));
    out->op = op;
    return STATUS_OK;
}

enum status wire_reply_decode(struct arena *arena, struct span frame, Ecka__V1__Reply **out)
{
    *out = frame.len > WIRE_FRAME_MAX
               ? NULL
               : ecka__v1__reply__unpack(&arena->allocator, frame.len, frame.ptr);
    return *out == NULL ? STATUS_BAD_REQUEST : STATUS_OK;
}

static enum status check_info(const struct check *c, const Ecka__V1__InfoResult *m)
{
    TRY(entries(c, "eum_ids", m->eum_ids, m->n_eum_ids, m->n_eum_ids, SHA256_ID));
    for (size_t i = 0; i < m->n_eum_ids; i++) {
        TRY(column(c, "eum_ids", m->eum_ids[i], SHA256_ID, 1));
    }
    for (size_t i = 0; i < m->n_custodians; i++) {
        const Ecka__V1__CustodianInfo *k = m->custodians[i];
        for (size_t j = 0; j < k->n_sr_key_ids; j++) {
            TRY(column(c, "sr_key_ids", k->sr_key_ids[j], SHA256_ID, 1));
        }
    }
    return STATUS_OK;
}

static enum status check_established(const struct check *c, const Ecka__V1__EstablishResult *m,
                                     uint32_t n)
{
    TRY(column(c, "item_status", m->item_status, 1, n));
    TRY(column(c, "epks", m->epks, POINT, n));
    TRY(column(c, "signatures", m->signatures, SIGNATURE, n));
    TRY(column(c, "custody", m->custody, CUSTODY_BYTES, n));
    TRY(entries(c, "crts", m->crts, m->n_crts, n, WIRE_CERT_MAX));
    TRY(entries(c, "store_data", m->store_data, m->n_store_data, n, WIRE_CERT_MAX));
    return entries(c, "tickets", m->tickets, m->n_tickets, n, WIRE_TICKET_MAX);
}

static enum status check_result(const struct check *c, const Ecka__V1__Reply *r, enum wire_op op,
                                uint32_t n)
{
    switch (op) {
    case WIRE_OP_VERIFY:
        return column(c, "item_status", r->verify->item_status, 1, n);
    case WIRE_OP_VERIFY_CHAIN:
        TRY(column(c, "item_status", r->verify_chain->item_status, 1, n));
        TRY(column(c, "curves", r->verify_chain->curves, 1, n));
        return column(c, "pk_ecasd", r->verify_chain->pk_ecasd, POINT, n);
    case WIRE_OP_ESTABLISH:
        return check_established(c, r->establish, n);
    case WIRE_OP_CONFIRM:
        TRY(column(c, "item_status", r->confirm->item_status, 1, n));
        TRY(column(c, "kcvs", r->confirm->kcvs, KCVS, n));
        TRY(column(c, "custody", r->confirm->custody, CUSTODY_BYTES, n));
        return entries(c, "key_sets", r->confirm->key_sets, r->confirm->n_key_sets, n,
                       WIRE_KEY_SET_MAX);
    case WIRE_OP_SCP80_WRAP:
        TRY(column(c, "item_status", r->scp80_wrap->item_status, 1, n));
        return entries(c, "packets", r->scp80_wrap->packets, r->scp80_wrap->n_packets, n,
                       WIRE_PACKET_MAX);
    case WIRE_OP_SCP80_UNWRAP:
        TRY(column(c, "item_status", r->scp80_unwrap->item_status, 1, n));
        TRY(column(c, "por_status", r->scp80_unwrap->por_status, 1, n));
        TRY(column(c, "tars", r->scp80_unwrap->tars, TAR, n));
        TRY(column(c, "counters", r->scp80_unwrap->counters, COUNTER, n));
        return entries(c, "payloads", r->scp80_unwrap->payloads, r->scp80_unwrap->n_payloads, n,
                       WIRE_PACKET_MAX);
    case WIRE_OP_INFO:
        return check_info(c, r->info);
    case WIRE_OP_NONE:
    case WIRE_OP_END:
        break;
    }
    return STATUS_BAD_REQUEST;
}

enum status wire_reply_check(const Ecka__V1__Reply *reply, enum wire_op op, uint32_t items)
{
    char detail[WIRE_DETAIL_MAX];
    struct check c = {NULL, detail};
    if (reply->status != STATUS_OK) {
        return reply->result_case == ECKA__V1__REPLY__RESULT__NOT_SET ? STATUS_OK
                                                                      : STATUS_BAD_REQUEST;
    }
    if ((int)reply->result_case != (int)op) {
        return STATUS_BAD_REQUEST;
    }
    return check_result(&c, reply, op, items);
}
