#include "service/client/request.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    COUNTER_LEN = 5,
    TAR_LEN = 3,
    SPI_LEN = 2,
    EXPIRY_LEN = 8,
    KEY_INDEX_LEN = 2,
    DEFAULT_KEY_USAGE = 0x10,
    DEFAULT_SPI = 0x1639,
    ID_TAG = 2 << 3, /* field 2 of Request, wire type varint */
    DEADLINE_TAG = 3 << 3,
};

struct encoder {
    struct arena *arena;
    size_t n; /* items */
    char *detail;
    bool failed; /* the first failure stays in detail; what follows does nothing */
};

__attribute__((format(printf, 2, 3))) static void fail(struct encoder *e, const char *format, ...)
{
    if (e->failed) {
        return;
    }
    va_list ap;
    va_start(ap, format);
    (void)vsnprintf(e->detail, WIRE_DETAIL_MAX, format, ap);
    va_end(ap);
    e->failed = true;
}

static void *take(struct encoder *e, size_t count, size_t size)
{
    void *p = e->failed ? NULL : arena_alloc(e->arena, count, size);
    if (p == NULL) {
        fail(e, "the request exceeds a frame of %d bytes; send fewer items", WIRE_FRAME_MAX);
    }
    return p;
}

/* -- columns: values of one width back to back -- */

static void column(struct encoder *e, ProtobufCBinaryData *out, size_t width)
{
    out->data = take(e, e->n, width);
    out->len = out->data == NULL ? 0 : e->n * width;
}

static void put(struct encoder *e, ProtobufCBinaryData *col, size_t width, size_t i,
                const uint8_t *value, const char *field)
{
    if (value == NULL) {
        fail(e, "%s of item %zu is NULL", field, i);
        return;
    }
    if (!e->failed) {
        memcpy(col->data + width * i, value, width);
    }
}

static void put_number(struct encoder *e, ProtobufCBinaryData *col, size_t width, size_t i,
                       uint64_t value, const char *field)
{
    if (width < sizeof value && value >> (8 * width) != 0) {
        fail(e, "%s of item %zu exceeds %zu bytes", field, i, width);
    }
    if (!e->failed) {
        struct writer w = writer_of(col->data + width * i, width);
        put_be(&w, value, width);
    }
}

/* -- entries: values of varying length -- */

struct entries {
    size_t n;
    ProtobufCBinaryData *ptr;
};

static struct entries entries(struct encoder *e)
{
    struct entries out = {0, take(e, e->n, sizeof *out.ptr)};
    out.n = out.ptr == NULL ? 0 : e->n;
    return out;
}

static void put_entry(struct encoder *e, struct entries *to, size_t i, struct ecka_bytes value,
                      size_t max, const char *field)
{
    if (value.len > max) {
        fail(e, "%s of item %zu has %zu bytes, the limit is %zu", field, i, value.len, max);
    } else if (value.ptr == NULL && value.len != 0) {
        fail(e, "%s of item %zu is NULL", field, i);
    }
    if (!e->failed && to->ptr != NULL) {
        /* packed, never written to: the cast only meets protobuf-c's type */
        to->ptr[i] = (ProtobufCBinaryData){value.len, (uint8_t *)(uintptr_t)value.ptr};
    }
}

/* Drops the entries when all are empty: that is how an absent field travels. */
static void drop_if_empty(const struct encoder *e, struct entries *x)
{
    for (size_t i = 0; !e->failed && i < x->n; i++) {
        if (x->ptr[i].len != 0) {
            return;
        }
    }
    x->n = 0;
}

/* One entry for all items when all are the same. */
static void share_if_same(const struct encoder *e, struct entries *x)
{
    for (size_t i = 1; !e->failed && i < x->n; i++) {
        if (!span_eq(span_of(x->ptr[i].data, x->ptr[i].len),
                     span_of(x->ptr[0].data, x->ptr[0].len))) {
            return;
        }
    }
    x->n = x->n == 0 ? 0 : 1;
}

/* -- Verify: each public key once, known again by its address -- */

struct key_table {
    const uint8_t **key;
    uint16_t *index;
    size_t mask; /* a power of two less one, at least twice the items: short probes */
    uint16_t count;
};

static struct key_table key_table(struct encoder *e)
{
    struct key_table t = {.mask = 1};
    while (t.mask + 1 < 2 * e->n) {
        t.mask = 2 * t.mask + 1;
    }
    t.key = take(e, t.mask + 1, sizeof *t.key);
    t.index = take(e, t.mask + 1, sizeof *t.index);
    return t;
}

/* The index of a key, given to it at first sight; *fresh tells. */
static uint16_t key_index(struct key_table *t, const uint8_t *key, bool *fresh)
{
    const uint64_t golden = 0x9E3779B97F4A7C15; /* 2^64 / phi: spreads addresses that lie in rows */
    size_t at = (size_t)(((uint64_t)(uintptr_t)key * golden) >> 32) & t->mask;
    while (t->key[at] != NULL && t->key[at] != key) {
        at = (at + 1) & t->mask;
    }
    *fresh = t->key[at] == NULL;
    if (*fresh) {
        t->key[at] = key;
        t->index[at] = t->count++;
    }
    return t->index[at];
}

static void put_keys(struct encoder *e, Ecka__V1__Verify *m, const struct ecka_verify_item *items)
{
    struct key_table table = key_table(e);
    column(e, &m->public_keys, ECKA_POINT_LEN);
    column(e, &m->key_index, KEY_INDEX_LEN);
    for (size_t i = 0; !e->failed && i < e->n; i++) {
        if (items[i].public_key == NULL) {
            fail(e, "public_key of item %zu is NULL", i);
            return;
        }
        bool fresh;
        uint16_t k = key_index(&table, items[i].public_key, &fresh);
        if (fresh) {
            put(e, &m->public_keys, ECKA_POINT_LEN, k, items[i].public_key, "public_key");
        }
        put_number(e, &m->key_index, KEY_INDEX_LEN, i, k, "public_key");
    }
    if (!e->failed) {
        m->public_keys.len = (size_t)table.count * ECKA_POINT_LEN;
        if (table.count == 1 || table.count == e->n) {
            m->key_index = (ProtobufCBinaryData){0, NULL}; /* the order says it */
        }
    }
}

static void encode_verify(struct encoder *e, const struct ecka_request *r, Ecka__V1__Verify *m)
{
    const struct ecka_verify_item *items = r->items.verify;
    if (r->curve < ECKA_P256 || r->curve > ECKA_FRP256V1) {
        fail(e, "curve is none of enum ecka_curve");
    }
    m->curve = (Ecka__V1__Curve)r->curve;
    put_keys(e, m, items);
    column(e, &m->digests, ECKA_DIGEST_LEN);
    column(e, &m->signatures, ECKA_SIGNATURE_LEN);
    for (size_t i = 0; !e->failed && i < e->n; i++) {
        put(e, &m->digests, ECKA_DIGEST_LEN, i, items[i].digest, "digest");
        put(e, &m->signatures, ECKA_SIGNATURE_LEN, i, items[i].signature, "signature");
    }
}

/* -- VerifyChain and Establish -- */

struct chain_columns {
    ProtobufCBinaryData eids;
    struct entries ecasd_certs, eums;
};

static void chain_begin(struct encoder *e, struct chain_columns *c)
{
    column(e, &c->eids, ECKA_EID_LEN);
    c->ecasd_certs = entries(e);
    c->eums = entries(e);
}

static void chain_put(struct encoder *e, struct chain_columns *c, size_t i,
                      const struct ecka_chain_item *item)
{
    put(e, &c->eids, ECKA_EID_LEN, i, item->eid, "eid");
    put_entry(e, &c->ecasd_certs, i, item->ecasd_cert, WIRE_CERT_MAX, "ecasd_cert");
    put_entry(e, &c->eums, i, item->eum, WIRE_EUM_MAX, "eum");
}

static void encode_chain(struct encoder *e, const struct ecka_request *r, Ecka__V1__VerifyChain *m)
{
    struct chain_columns c;
    chain_begin(e, &c);
    for (size_t i = 0; !e->failed && i < e->n; i++) {
        chain_put(e, &c, i, &r->items.chain[i]);
    }
    share_if_same(e, &c.eums);
    m->eids = c.eids;
    m->n_ecasd_certs = c.ecasd_certs.n;
    m->ecasd_certs = c.ecasd_certs.ptr;
    m->n_eums = c.eums.n;
    m->eums = c.eums.ptr;
}

struct establish_columns {
    struct chain_columns chain;
    struct entries rcs, host_ids, sins, sdins;
};

static void establish_put(struct encoder *e, Ecka__V1__Establish *m, struct establish_columns *c,
                          size_t i, const struct ecka_establish_item *item)
{
    chain_put(e, &c->chain, i, &item->chain);
    put_entry(e, &c->rcs, i, item->rc, WIRE_ID_MAX, "rc");
    put_entry(e, &c->host_ids, i, item->host_id, WIRE_ID_MAX, "host_id");
    put_entry(e, &c->sins, i, item->sin, WIRE_ID_MAX, "sin");
    put_entry(e, &c->sdins, i, item->sdin, WIRE_ID_MAX, "sdin");
    put_number(e, &m->kvns, 1, i, item->kvn, "kvn");
    put_number(e, &m->scenarios, 1, i, item->scenario, "scenario");
    put_number(e, &m->key_usages, 1, i, item->key_usage != 0 ? item->key_usage : DEFAULT_KEY_USAGE,
               "key_usage");
    put_number(e, &m->counters, COUNTER_LEN, i, item->counter, "counter");
    put_number(e, &m->expiries, EXPIRY_LEN, i, item->expiry, "expiry");
}

static void encode_establish(struct encoder *e, const struct ecka_request *r,
                             Ecka__V1__Establish *m)
{
    if (r->sr_key_id == NULL) {
        fail(e, "sr_key_id is NULL");
    }
    struct establish_columns c;
    chain_begin(e, &c.chain);
    c.rcs = entries(e);
    c.host_ids = entries(e);
    c.sins = entries(e);
    c.sdins = entries(e);
    column(e, &m->kvns, 1);
    column(e, &m->scenarios, 1);
    column(e, &m->key_usages, 1);
    column(e, &m->counters, COUNTER_LEN);
    column(e, &m->expiries, EXPIRY_LEN);
    for (size_t i = 0; !e->failed && i < e->n; i++) {
        establish_put(e, m, &c, i, &r->items.establish[i]);
    }
    share_if_same(e, &c.chain.eums);
    drop_if_empty(e, &c.host_ids);
    drop_if_empty(e, &c.sins);
    drop_if_empty(e, &c.sdins);
    m->sr_key_id = (ProtobufCBinaryData){ECKA_ID_LEN, (uint8_t *)(uintptr_t)r->sr_key_id};
    m->eids = c.chain.eids;
    m->n_ecasd_certs = c.chain.ecasd_certs.n;
    m->ecasd_certs = c.chain.ecasd_certs.ptr;
    m->n_eums = c.chain.eums.n;
    m->eums = c.chain.eums.ptr;
    m->n_rcs = c.rcs.n;
    m->rcs = c.rcs.ptr;
    m->n_host_ids = c.host_ids.n;
    m->host_ids = c.host_ids.ptr;
    m->n_sins = c.sins.n;
    m->sins = c.sins.ptr;
    m->n_sdins = c.sdins.n;
    m->sdins = c.sdins.ptr;
}

/* -- Confirm -- */

static void encode_confirm(struct encoder *e, const struct ecka_request *r, Ecka__V1__Confirm *m)
{
    struct entries tickets = entries(e);
    struct entries drs = entries(e);
    column(e, &m->eids, ECKA_EID_LEN);
    column(e, &m->receipts, ECKA_RECEIPT_LEN);
    for (size_t i = 0; !e->failed && i < e->n; i++) {
        const struct ecka_confirm_item *item = &r->items.confirm[i];
        put_entry(e, &tickets, i, item->ticket, WIRE_TICKET_MAX, "ticket");
        put_entry(e, &drs, i, item->dr, WIRE_ID_MAX, "dr");
        put(e, &m->eids, ECKA_EID_LEN, i, item->eid, "eid");
        put(e, &m->receipts, ECKA_RECEIPT_LEN, i, item->receipt, "receipt");
    }
    drop_if_empty(e, &drs);
    m->n_tickets = tickets.n;
    m->tickets = tickets.ptr;
    m->n_drs = drs.n;
    m->drs = drs.ptr;
}

/* -- Scp80Wrap and Scp80Unwrap -- */

static void encode_wrap(struct encoder *e, const struct ecka_request *r, Ecka__V1__Scp80Wrap *m)
{
    struct entries key_sets = entries(e);
    struct entries payloads = entries(e);
    column(e, &m->eids, ECKA_EID_LEN);
    column(e, &m->kvns, 1);
    column(e, &m->spis, SPI_LEN);
    column(e, &m->tars, TAR_LEN);
    column(e, &m->counters, COUNTER_LEN);
    for (size_t i = 0; !e->failed && i < e->n; i++) {
        const struct ecka_scp80_wrap_item *item = &r->items.wrap[i];
        put_entry(e, &key_sets, i, item->key_set, WIRE_KEY_SET_MAX, "key_set");
        put_entry(e, &payloads, i, item->payload, WIRE_PAYLOAD_MAX, "payload");
        put(e, &m->eids, ECKA_EID_LEN, i, item->eid, "eid");
        put_number(e, &m->kvns, 1, i, item->kvn, "kvn");
        put_number(e, &m->spis, SPI_LEN, i, item->spi != 0 ? item->spi : DEFAULT_SPI, "spi");
        put(e, &m->tars, TAR_LEN, i, item->tar, "tar");
        put_number(e, &m->counters, COUNTER_LEN, i, item->counter, "counter");
    }
    m->n_key_sets = key_sets.n;
    m->key_sets = key_sets.ptr;
    m->n_payloads = payloads.n;
    m->payloads = payloads.ptr;
}

static void encode_unwrap(struct encoder *e, const struct ecka_request *r, Ecka__V1__Scp80Unwrap *m)
{
    struct entries key_sets = entries(e);
    struct entries packets = entries(e);
    column(e, &m->eids, ECKA_EID_LEN);
    column(e, &m->kvns, 1);
    for (size_t i = 0; !e->failed && i < e->n; i++) {
        const struct ecka_scp80_unwrap_item *item = &r->items.unwrap[i];
        put_entry(e, &key_sets, i, item->key_set, WIRE_KEY_SET_MAX, "key_set");
        put_entry(e, &packets, i, item->packet, WIRE_PACKET_MAX, "packet");
        put(e, &m->eids, ECKA_EID_LEN, i, item->eid, "eid");
        put_number(e, &m->kvns, 1, i, item->kvn, "kvn");
    }
    m->n_key_sets = key_sets.n;
    m->key_sets = key_sets.ptr;
    m->n_packets = packets.n;
    m->packets = packets.ptr;
}

/* -- the envelope -- */

union op_message { /* on the stack while its request is packed */
    Ecka__V1__Verify verify;
    Ecka__V1__VerifyChain chain;
    Ecka__V1__Establish establish;
    Ecka__V1__Confirm confirm;
    Ecka__V1__Scp80Wrap wrap;
    Ecka__V1__Scp80Unwrap unwrap;
    Ecka__V1__Info info;
};

enum wire_op request_wire_op(enum ecka_op op)
{
    static const enum wire_op wire[] = {
        [ECKA_VERIFY] = WIRE_OP_VERIFY,
        [ECKA_VERIFY_CHAIN] = WIRE_OP_VERIFY_CHAIN,
        [ECKA_ESTABLISH] = WIRE_OP_ESTABLISH,
        [ECKA_CONFIRM] = WIRE_OP_CONFIRM,
        [ECKA_SCP80_WRAP] = WIRE_OP_SCP80_WRAP,
        [ECKA_SCP80_UNWRAP] = WIRE_OP_SCP80_UNWRAP,
        [ECKA_INFO] = WIRE_OP_INFO,
    };
    return (size_t)op < sizeof wire / sizeof *wire ? wire[op] : WIRE_OP_NONE;
}

static void check_count(struct encoder *e, const struct ecka_request *r)
{
    size_t max = r->op == ECKA_VERIFY ? WIRE_VERIFY_ITEMS_MAX : WIRE_ITEMS_MAX;
    if (request_wire_op(r->op) == WIRE_OP_NONE) {
        fail(e, "op is none of enum ecka_op");
    } else if (r->op == ECKA_INFO) {
        if (r->count != 0) {
            fail(e, "count is %zu; Info takes no items", r->count);
        }
    } else if (r->count == 0 || r->count > max) {
        fail(e, "count is %zu, expected 1 to %zu", r->count, max);
    } else if (r->items.verify == NULL) { /* every member of the union is a pointer */
        fail(e, "items is NULL");
    }
}

/* Points msg at the operation's message in u and fills it. */
static void encode_op(struct encoder *e, const struct ecka_request *r, Ecka__V1__Request *msg,
                      union op_message *u)
{
    msg->op_case = (Ecka__V1__Request__OpCase)request_wire_op(r->op);
    switch (r->op) {
    case ECKA_VERIFY:
        ecka__v1__verify__init(msg->verify = &u->verify);
        encode_verify(e, r, msg->verify);
        break;
    case ECKA_VERIFY_CHAIN:
        ecka__v1__verify_chain__init(msg->verify_chain = &u->chain);
        encode_chain(e, r, msg->verify_chain);
        break;
    case ECKA_ESTABLISH:
        ecka__v1__establish__init(msg->establish = &u->establish);
        encode_establish(e, r, msg->establish);
        break;
    case ECKA_CONFIRM:
        ecka__v1__confirm__init(msg->confirm = &u->confirm);
        encode_confirm(e, r, msg->confirm);
        break;
    case ECKA_SCP80_WRAP:
        ecka__v1__scp80_wrap__init(msg->scp80_wrap = &u->wrap);
        encode_wrap(e, r, msg->scp80_wrap);
        break;
    case ECKA_SCP80_UNWRAP:
        ecka__v1__scp80_unwrap__init(msg->scp80_unwrap = &u->unwrap);
        encode_unwrap(e, r, msg->scp80_unwrap);
        break;
    case ECKA_INFO:
        ecka__v1__info__init(msg->info = &u->info);
        break;
    }
}

/* -- frames -- */

void frame_fini(struct frame *f)
{
    free(f->ptr);
    *f = (struct frame){0};
}

/* Room for len bytes and a trailer; in powers of two, so that a slot's frame soon stops growing. */
static bool reserve(struct frame *f, size_t len)
{
    enum { CAP_MIN = 1024 };
    size_t cap = f->cap != 0 ? f->cap : CAP_MIN;
    while (cap < len + REQUEST_TRAILER_MAX) {
        cap *= 2;
    }
    if (cap == f->cap) {
        return true;
    }
    free(f->ptr); /* what was in it is not wanted */
    f->ptr = malloc(cap);
    f->cap = f->ptr != NULL ? cap : 0;
    return f->ptr != NULL;
}

enum status request_encode(struct arena *arena, const struct ecka_request *request,
                           struct frame *out, char detail[static WIRE_DETAIL_MAX])
{
    struct encoder e = {.arena = arena, .n = request->count, .detail = detail};
    Ecka__V1__Request msg = ECKA__V1__REQUEST__INIT;
    union op_message u;
    out->len = 0;
    detail[0] = '\0';
    arena_reset(arena);
    check_count(&e, request);
    if (e.failed) {
        return STATUS_BAD_REQUEST;
    }
    msg.version = WIRE_VERSION;
    encode_op(&e, request, &msg, &u);
    if (e.failed) {
        return STATUS_BAD_REQUEST;
    }
    size_t len = ecka__v1__request__get_packed_size(&msg);
    if (len > REQUEST_FRAME_MAX) {
        fail(&e, "the request has %zu bytes, a frame holds %d; send fewer items%s", len,
             REQUEST_FRAME_MAX, request->op == ECKA_VERIFY ? "" : ", or EUMs by their SHA-256");
        return STATUS_BAD_REQUEST;
    }
    if (!reserve(out, len)) {
        fail(&e, "memory is out in this process");
        return STATUS_INTERNAL;
    }
    out->len = ecka__v1__request__pack(&msg, out->ptr);
    return STATUS_OK;
}

static size_t put_varint(uint8_t *out, uint8_t tag, uint64_t value)
{
    enum { PAYLOAD_BITS = 7, MORE = 0x80 };
    size_t n = 0;
    out[n++] = tag;
    while (value >= MORE) {
        out[n++] = (uint8_t)(value | MORE);
        value >>= PAYLOAD_BITS;
    }
    out[n++] = (uint8_t)value;
    return n;
}

struct span request_finish(struct frame *f, uint64_t id, uint64_t deadline_us)
{
    size_t len = f->len;
    len += put_varint(f->ptr + len, ID_TAG, id);
    len += put_varint(f->ptr + len, DEADLINE_TAG, deadline_us);
    return span_of(f->ptr, len);
}
