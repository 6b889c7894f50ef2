/*
 * The wire's one place where lengths are looked at. Which field has which length stands in shape.c;
 * what that means stands here. The first field that is not as it must be names itself and ends the
 * request; no value is judged.
 */
#include "proto/wire/wire.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/wire/shape.h"

enum { SHA256_ID = 32 };

const char *wire_op_name(enum wire_op op)
{
    const struct wire_shape *shape = wire_shape(op);
    return shape != NULL ? shape->name : NULL;
}

enum wire_op wire_op_from_name(const char *name)
{
    for (enum wire_op op = WIRE_OP_FIRST; op < WIRE_OP_END; op++) {
        if (strcmp(wire_op_name(op), name) == 0) {
            return op;
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

static enum status label(const struct check *c, const char *field, const char *text, size_t max)
{
    size_t len = strlen(text);
    if (len == 0 || len > max) {
        return refuse(c, "%s has %zu bytes, expected 1 to %zu", field, len, max);
    }
    return STATUS_OK;
}

static enum status number(const struct check *c, const struct wire_field *f, uint32_t value)
{
    uint32_t min = f->optional ? 0 : 1;
    if (value < min || value > f->width) {
        return refuse(c, "%s is %u, expected %u to %zu", f->name, value, min, f->width);
    }
    return STATUS_OK;
}

static enum status field(const struct check *c, const struct wire_field *f, const void *m, size_t n)
{
    size_t have;
    bin *list;
    switch (f->form) {
    case WIRE_COLUMN:
        if (f->optional && wire_column(m, f)->len == 0) {
            return STATUS_OK;
        }
        return column(c, f->name, *wire_column(m, f), f->width, n);
    case WIRE_ENTRIES:
    case WIRE_SHARED:
        list = wire_entries(m, f, &have);
        if ((f->optional && have == 0) || (f->form == WIRE_SHARED && have == 1)) {
            n = have;
        }
        return entries(c, f->name, list, have, n, f->width);
    case WIRE_VALUE:
        return column(c, f->name, *wire_column(m, f), f->width, 1);
    case WIRE_LABEL:
        return label(c, f->name, wire_label(m, f), f->width);
    case WIRE_NUMBER:
        return number(c, f, wire_number(m, f));
    case WIRE_KEYS:
        break;
    }
    return STATUS_OK;
}

static enum status check_fields(const struct check *c, struct wire_fields fields, const void *m,
                                size_t n)
{
    for (size_t i = 0; i < fields.count; i++) {
        TRY(field(c, &fields.list[i], m, n));
    }
    return STATUS_OK;
}

/* K keys for N items: one for all, one each, or each item says which. */
static enum status check_keys(const struct check *c, const Ecka__V1__Verify *m, uint32_t n)
{
    enum { POINT = 65, KEY_INDEX = 2 };
    uint32_t keys = 0;
    TRY(count(c, "public_keys", m->public_keys, POINT, WIRE_VERIFY_ITEMS_MAX, &keys));
    if (m->key_index.len == 0) {
        return keys == 1 || keys == n
                   ? STATUS_OK
                   : refuse(c, "key_index is missing: %u public_keys for %u items", keys, n);
    }
    return column(c, "key_index", m->key_index, KEY_INDEX, n);
}

static enum status check_request(const struct check *c, const struct wire_shape *shape,
                                 struct wire_request *r)
{
    const void *m = wire_body(r);
    if (shape->items_max == 0) {
        return STATUS_OK;
    }
    const struct wire_field *first = shape->in.list;
    TRY(count(c, first->name, *wire_column(m, first), first->width, shape->items_max, &r->items));
    TRY(check_fields(c, shape->in, m, r->items));
    return shape->op == WIRE_OP_VERIFY ? check_keys(c, m, r->items) : STATUS_OK;
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
    const struct wire_shape *shape = wire_shape((enum wire_op)out->msg->op_case);
    if (shape == NULL) {
        (void)refuse(&c, "op is missing or unknown");
        return STATUS_UNKNOWN_OPERATION;
    }
    c.op = shape->name;
    TRY(check_request(&c, shape, out));
    out->op = shape->op;
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
    const struct wire_shape *shape = wire_shape(op);
    if (shape == NULL) {
        return STATUS_BAD_REQUEST;
    }
    if (op == WIRE_OP_INFO) {
        return check_info(&c, reply->info);
    }
    /* Members of the oneof are pointers, all alike. */
    return check_fields(&c, shape->out, reply->info, items);
}
