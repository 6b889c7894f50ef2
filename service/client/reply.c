#include "service/client/reply.h"

#include <stdlib.h>

/*
 * The one block: the reply, its arrays, then the octets and strings that they point to. Its
 * size is bounded before anything is copied, and the copying checks it again.
 */
struct block {
    uint8_t *next;
    size_t left;
};

static void *take(struct block *b, size_t size)
{
    if (size > b->left) {
        abort(); /* size_of() is wrong: a defect of this file, not of the reply */
    }
    void *p = b->next;
    b->next += size;
    b->left -= size;
    return p;
}

static struct ecka_bytes copy_bytes(struct block *b, ProtobufCBinaryData from)
{
    if (from.len == 0) {
        return (struct ecka_bytes){NULL, 0};
    }
    return (struct ecka_bytes){memcpy(take(b, from.len), from.data, from.len), from.len};
}

static const char *copy_string(struct block *b, const char *from)
{
    size_t size = strlen(from) + 1;
    return memcpy(take(b, size), from, size);
}

/* -- sizes -- */

static size_t entries_size(const ProtobufCBinaryData *entries, size_t n)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += entries[i].len;
    }
    return sum;
}

static size_t info_size(const Ecka__V1__InfoResult *m)
{
    size_t sum = sizeof(struct ecka_info) + m->n_custodians * sizeof(struct ecka_custodian_info) +
                 m->n_curves * sizeof(enum ecka_curve) + m->n_eum_ids * ECKA_ID_LEN +
                 strlen(m->version) + 1 + strlen(m->backend) + 1 + strlen(m->backend_refused) + 1 +
                 strlen(m->principal) + 1;
    for (size_t i = 0; i < m->n_custodians; i++) {
        const Ecka__V1__CustodianInfo *c = m->custodians[i];
        sum += strlen(c->name) + 1 + strlen(c->token) + 1 + strlen(c->backend) + 1 +
               strlen(c->backend_refused) + 1 + c->n_sr_key_ids * ECKA_ID_LEN;
    }
    return sum;
}

static size_t result_size(const Ecka__V1__Reply *msg, size_t n)
{
    switch (msg->result_case) {
    case ECKA__V1__REPLY__RESULT_VERIFY:
        return n * sizeof(int);
    case ECKA__V1__REPLY__RESULT_VERIFY_CHAIN:
        return n * sizeof(struct ecka_chain_result);
    case ECKA__V1__REPLY__RESULT_ESTABLISH:
        return n * sizeof(struct ecka_establish_result) + entries_size(msg->establish->crts, n) +
               entries_size(msg->establish->store_data, n) +
               entries_size(msg->establish->tickets, n);
    case ECKA__V1__REPLY__RESULT_CONFIRM:
        return n * sizeof(struct ecka_confirm_result) + entries_size(msg->confirm->key_sets, n);
    case ECKA__V1__REPLY__RESULT_SCP80_WRAP:
        return n * sizeof(struct ecka_scp80_wrap_result) +
               entries_size(msg->scp80_wrap->packets, n);
    case ECKA__V1__REPLY__RESULT_SCP80_UNWRAP:
        return n * sizeof(struct ecka_scp80_unwrap_result) +
               entries_size(msg->scp80_unwrap->payloads, n);
    case ECKA__V1__REPLY__RESULT_INFO:
        return info_size(msg->info);
    default:
        return 0;
    }
}

/* -- results, an operation each -- */

static const int *copy_verify(struct block *b, const Ecka__V1__VerifyResult *m, size_t n)
{
    int *out = take(b, n * sizeof *out);
    for (size_t i = 0; i < n; i++) {
        out[i] = m->item_status.data[i];
    }
    return out;
}

static const struct ecka_chain_result *copy_chain(struct block *b,
                                                  const Ecka__V1__VerifyChainResult *m, size_t n)
{
    struct ecka_chain_result *out = take(b, n * sizeof *out);
    for (size_t i = 0; i < n; i++) {
        out[i].status = m->item_status.data[i];
        out[i].curve = (enum ecka_curve)m->curves.data[i];
        memcpy(out[i].pk_ecasd, wire_col(&m->pk_ecasd, ECKA_POINT_LEN, i), ECKA_POINT_LEN);
    }
    return out;
}

static const struct ecka_establish_result *
copy_establish(struct block *b, const Ecka__V1__EstablishResult *m, size_t n)
{
    struct ecka_establish_result *out = take(b, n * sizeof *out);
    for (size_t i = 0; i < n; i++) {
        out[i].status = m->item_status.data[i];
        memcpy(out[i].epk, wire_col(&m->epks, ECKA_POINT_LEN, i), ECKA_POINT_LEN);
        memcpy(out[i].signature, wire_col(&m->signatures, ECKA_SIGNATURE_LEN, i),
               ECKA_SIGNATURE_LEN);
        memcpy(out[i].custody, wire_col(&m->custody, ECKA_CUSTODY_LEN, i), ECKA_CUSTODY_LEN);
        out[i].crt = copy_bytes(b, m->crts[i]);
        out[i].store_data = copy_bytes(b, m->store_data[i]);
        out[i].ticket = copy_bytes(b, m->tickets[i]);
    }
    return out;
}

static const struct ecka_confirm_result *copy_confirm(struct block *b,
                                                      const Ecka__V1__ConfirmResult *m, size_t n)
{
    struct ecka_confirm_result *out = take(b, n * sizeof *out);
    for (size_t i = 0; i < n; i++) {
        out[i].status = m->item_status.data[i];
        memcpy(out[i].kcvs, wire_col(&m->kcvs, ECKA_KCVS_LEN, i), ECKA_KCVS_LEN);
        memcpy(out[i].custody, wire_col(&m->custody, ECKA_CUSTODY_LEN, i), ECKA_CUSTODY_LEN);
        out[i].key_set = copy_bytes(b, m->key_sets[i]);
    }
    return out;
}

static const struct ecka_scp80_wrap_result *copy_wrap(struct block *b,
                                                      const Ecka__V1__Scp80WrapResult *m, size_t n)
{
    struct ecka_scp80_wrap_result *out = take(b, n * sizeof *out);
    for (size_t i = 0; i < n; i++) {
        out[i].status = m->item_status.data[i];
        out[i].packet = copy_bytes(b, m->packets[i]);
    }
    return out;
}

static const struct ecka_scp80_unwrap_result *
copy_unwrap(struct block *b, const Ecka__V1__Scp80UnwrapResult *m, size_t n)
{
    enum { COUNTER_LEN = 5 };
    struct ecka_scp80_unwrap_result *out = take(b, n * sizeof *out);
    for (size_t i = 0; i < n; i++) {
        out[i].status = m->item_status.data[i];
        out[i].por_status = m->por_status.data[i];
        memcpy(out[i].tar, wire_col(&m->tars, sizeof out[i].tar, i), sizeof out[i].tar);
        out[i].counter = load_be(wire_col(&m->counters, COUNTER_LEN, i), COUNTER_LEN);
        out[i].payload = copy_bytes(b, m->payloads[i]);
    }
    return out;
}

/* Entries of ECKA_ID_LEN each become one column. */
static const uint8_t *copy_ids(struct block *b, const ProtobufCBinaryData *ids, size_t n)
{
    uint8_t *out = take(b, n * ECKA_ID_LEN);
    for (size_t i = 0; i < n; i++) {
        memcpy(out + i * ECKA_ID_LEN, ids[i].data, ECKA_ID_LEN);
    }
    return out;
}

static struct ecka_custodian_info copy_custodian(struct block *b, const Ecka__V1__CustodianInfo *c)
{
    return (struct ecka_custodian_info){
        .name = copy_string(b, c->name),
        .token = copy_string(b, c->token),
        .backend = copy_string(b, c->backend),
        .backend_refused = copy_string(b, c->backend_refused),
        .up = c->up,
        .sr_key_count = c->n_sr_key_ids,
        .sr_key_ids = copy_ids(b, c->sr_key_ids, c->n_sr_key_ids),
        .ticket_generation = c->ticket_generation,
        .keyset_generation = c->keyset_generation,
        .restarts = c->restarts,
    };
}

static const struct ecka_info *copy_info(struct block *b, const Ecka__V1__InfoResult *m)
{
    /* arrays first, by falling alignment */
    struct ecka_info *out = take(b, sizeof *out);
    struct ecka_custodian_info *custodians = take(b, m->n_custodians * sizeof *custodians);
    enum ecka_curve *curves = take(b, m->n_curves * sizeof *curves);
    for (size_t i = 0; i < m->n_curves; i++) {
        curves[i] = (enum ecka_curve)m->curves[i];
    }
    for (size_t i = 0; i < m->n_custodians; i++) {
        custodians[i] = copy_custodian(b, m->custodians[i]);
    }
    *out = (struct ecka_info){
        .version = copy_string(b, m->version),
        .backend = copy_string(b, m->backend),
        .backend_refused = copy_string(b, m->backend_refused),
        .principal = copy_string(b, m->principal),
        .protocol = m->protocol,
        .max_items = m->max_items,
        .max_frame = m->max_frame,
        .curve_count = m->n_curves,
        .curves = curves,
        .custodian_count = m->n_custodians,
        .custodians = custodians,
        .eum_count = m->n_eum_ids,
        .eum_ids = copy_ids(b, m->eum_ids, m->n_eum_ids),
    };
    return out;
}

static void copy_result(struct block *b, const Ecka__V1__Reply *msg, size_t n,
                        struct ecka_reply *out)
{
    switch (msg->result_case) {
    case ECKA__V1__REPLY__RESULT_VERIFY:
        out->items.verify = copy_verify(b, msg->verify, n);
        break;
    case ECKA__V1__REPLY__RESULT_VERIFY_CHAIN:
        out->items.chain = copy_chain(b, msg->verify_chain, n);
        break;
    case ECKA__V1__REPLY__RESULT_ESTABLISH:
        out->items.establish = copy_establish(b, msg->establish, n);
        break;
    case ECKA__V1__REPLY__RESULT_CONFIRM:
        out->items.confirm = copy_confirm(b, msg->confirm, n);
        break;
    case ECKA__V1__REPLY__RESULT_SCP80_WRAP:
        out->items.wrap = copy_wrap(b, msg->scp80_wrap, n);
        break;
    case ECKA__V1__REPLY__RESULT_SCP80_UNWRAP:
        out->items.unwrap = copy_unwrap(b, msg->scp80_unwrap, n);
        break;
    case ECKA__V1__REPLY__RESULT_INFO:
        out->items.info = copy_info(b, msg->info);
        break;
    default:
        break;
    }
}

/* -- replies -- */

/* size bytes that hold zeros. */
static void *block_memory(struct reply_space *space, size_t size)
{
    enum { CAP_MIN = 1024 };
    if (space == NULL) {
        return calloc(1, size);
    }
    if (space->cap < size) {
        size_t cap = space->cap != 0 ? space->cap : CAP_MIN;
        while (cap < size) {
            cap *= 2;
        }
        free(space->ptr); /* what was in it is not wanted */
        space->ptr = malloc(cap);
        space->cap = space->ptr != NULL ? cap : 0;
    }
    return space->ptr != NULL ? memset(space->ptr, 0, size) : NULL;
}

void reply_space_fini(struct reply_space *space)
{
    free(space->ptr);
    *space = (struct reply_space){0};
}

static struct ecka_reply *reply_new(struct block *b, struct reply_space *space, enum ecka_op op,
                                    int status, size_t result_bytes, const char *detail)
{
    b->left = sizeof(struct ecka_reply) + result_bytes + strlen(detail) + 1;
    b->next = block_memory(space, b->left);
    if (b->next == NULL) {
        return NULL;
    }
    struct ecka_reply *out = take(b, sizeof *out);
    out->op = op;
    out->status = status;
    return out;
}

struct ecka_reply *reply_from_wire(struct reply_space *space, const Ecka__V1__Reply *msg,
                                   enum ecka_op op, size_t items)
{
    struct block b;
    size_t n = msg->status == STATUS_OK ? items : 0;
    struct ecka_reply *out =
        reply_new(&b, space, op, (int)msg->status, result_size(msg, n), msg->detail);
    if (out == NULL) {
        return NULL;
    }
    out->count = n;
    out->retry_after_us = msg->retry_after_us;
    copy_result(&b, msg, n, out);
    out->detail = copy_string(&b, msg->detail);
    return out;
}

struct ecka_reply *reply_local(struct reply_space *space, enum ecka_op op, int status,
                               const char *detail)
{
    struct block b;
    struct ecka_reply *out = reply_new(&b, space, op, status, 0, detail);
    if (out != NULL) {
        out->detail = copy_string(&b, detail);
    }
    return out;
}

void ecka_reply_free(struct ecka_reply **reply)
{
    if (reply != NULL) {
        free(*reply);
        *reply = NULL;
    }
}
