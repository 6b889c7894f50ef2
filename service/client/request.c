#include "service/client/request.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "service/client/shape.h"

enum {
    KEY_INDEX_LEN = 2,
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

/* -- items: each member of the caller's structures into its column or entries -- */

static uint64_t number_of(const struct member *member, const void *at)
{
    uint64_t number = member->form == MEMBER_U8    ? *(const uint8_t *)at
                      : member->form == MEMBER_U16 ? *(const uint16_t *)at
                                                   : *(const uint64_t *)at;
    return number != 0 ? number : member->or_0;
}

static void put_column(struct encoder *e, const struct wire_field *f, void *message,
                       const struct members *members, const struct member *member,
                       const uint8_t *items)
{
    ProtobufCBinaryData *col = (void *)((char *)message + f->at);
    column(e, col, f->width);
    for (size_t i = 0; !e->failed && i < e->n; i++) {
        const void *at = items + i * members->size + member->at;
        if (member->form == MEMBER_POINTER) {
            put(e, col, f->width, i, *(const uint8_t *const *)at, member->name);
        } else if (member->form == MEMBER_OCTETS) {
            put(e, col, f->width, i, at, member->name);
        } else {
            put_number(e, col, f->width, i, number_of(member, at), member->name);
        }
    }
}

static void put_entries(struct encoder *e, const struct wire_field *f, void *message,
                        const struct members *members, const struct member *member,
                        const uint8_t *items)
{
    struct entries x = entries(e);
    for (size_t i = 0; !e->failed && i < e->n; i++) {
        const struct ecka_bytes *value = (const void *)(items + i * members->size + member->at);
        put_entry(e, &x, i, *value, f->width, member->name);
    }
    if (f->form == WIRE_SHARED) {
        share_if_same(e, &x);
    }
    if (f->optional) {
        drop_if_empty(e, &x);
    }
    *(ProtobufCBinaryData **)(void *)((char *)message + f->at) = x.ptr;
    *(size_t *)(void *)((char *)message + f->n_at) = x.n;
}

static void put_items(struct encoder *e, const struct client_shape *shape, const void *items,
                      void *message)
{
    const struct members *members = &shape->items;
    for (size_t k = 0; !e->failed && k < members->count; k++) {
        const struct member *member = &members->list[k];
        const struct wire_field *f = wire_field_at(wire_shape(shape->op)->in, member->field);
        (f->form == WIRE_COLUMN ? put_column : put_entries)(e, f, message, members, member, items);
    }
}

/* -- what is the request's own -- */

static void check_curve(struct encoder *e, enum ecka_curve curve)
{
    if (curve < ECKA_P256 || curve > ECKA_FRP256V1) {
        fail(e, "curve is none of enum ecka_curve");
    }
}

/* The name as protobuf-c's type; it is only read. */
static char *label(struct encoder *e, const char *text)
{
    size_t len = text != NULL ? strlen(text) : 0;
    if (len == 0 || len > WIRE_LABEL_MAX) {
        fail(e, "key_label has %zu bytes, expected 1 to %d", len, WIRE_LABEL_MAX);
    }
    return (char *)(uintptr_t)text;
}

static Ecka__V1__Custody custody(struct encoder *e, enum ecka_custody asked)
{
    if (asked < ECKA_CUSTODY_NONE || asked > ECKA_CUSTODY_MEMORY) {
        fail(e, "custody is none of enum ecka_custody");
    }
    return (Ecka__V1__Custody)asked;
}

static void put_agree(struct encoder *e, const struct ecka_request *r, Ecka__V1__Agree *m)
{
    check_curve(e, r->curve);
    if (r->length == 0 || r->length > WIRE_AGREED_MAX) {
        fail(e, "length is %u, expected 1 to %d", r->length, WIRE_AGREED_MAX);
    }
    m->curve = (Ecka__V1__Curve)r->curve;
    m->length = r->length;
    m->custody = custody(e, r->custody);
}

static void put_own(struct encoder *e, const struct ecka_request *r, Ecka__V1__Request *msg)
{
    switch (r->op) {
    case ECKA_VERIFY:
        check_curve(e, r->curve);
        msg->verify->curve = (Ecka__V1__Curve)r->curve;
        put_keys(e, msg->verify, r->items.verify);
        break;
    case ECKA_ESTABLISH:
        if (r->sr_key_id == NULL) {
            fail(e, "sr_key_id is NULL");
        }
        msg->establish->sr_key_id =
            (ProtobufCBinaryData){ECKA_ID_LEN, (uint8_t *)(uintptr_t)r->sr_key_id};
        msg->establish->custody = custody(e, r->custody);
        break;
    case ECKA_SIGN:
        msg->sign->key_label = label(e, r->key_label);
        break;
    case ECKA_AGREE:
        put_agree(e, r, msg->agree);
        break;
    case ECKA_REWRAP:
        msg->rewrap->kek_label = label(e, r->key_label);
        break;
    default: /* nothing but items */
        break;
    }
}

/* -- the envelope -- */

enum wire_op request_wire_op(enum ecka_op op)
{
    return client_shape(op)->op;
}

static void check_count(struct encoder *e, const struct ecka_request *r,
                        const struct wire_shape *shape)
{
    if (shape == NULL) {
        fail(e, "op is none of enum ecka_op");
    } else if (shape->items_max == 0) {
        if (r->count != 0) {
            fail(e, "count is %zu; %s takes no items", r->count, shape->name);
        }
    } else if (r->count == 0 || r->count > shape->items_max) {
        fail(e, "count is %zu, expected 1 to %zu", r->count, shape->items_max);
    } else if (r->items.verify == NULL) { /* every member of the union is a pointer */
        fail(e, "items is NULL");
    }
}

/* The operation's message, in the arena. */
static void encode_op(struct encoder *e, const struct ecka_request *r, Ecka__V1__Request *msg)
{
    const struct client_shape *shape = client_shape(r->op);
    const ProtobufCMessageDescriptor *descriptor = wire_shape(shape->op)->request;
    ProtobufCMessage *message = take(e, 1, descriptor->sizeof_message);
    if (message == NULL) {
        return;
    }
    protobuf_c_message_init(descriptor, message);
    msg->op_case = (Ecka__V1__Request__OpCase)shape->op;
    msg->info = (void *)message; /* every member of the oneof is a pointer */
    put_own(e, r, msg);
    put_items(e, shape, r->items.verify, message);
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
    out->len = 0;
    detail[0] = '\0';
    arena_reset(arena);
    check_count(&e, request, wire_shape(request_wire_op(request->op)));
    if (e.failed) {
        return STATUS_BAD_REQUEST;
    }
    msg.version = WIRE_VERSION;
    encode_op(&e, request, &msg);
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
