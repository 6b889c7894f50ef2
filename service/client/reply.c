#include "service/client/reply.h"

#include <stdlib.h>

#include "service/client/shape.h"

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

static struct ecka_bytes copy_bytes(struct block *b, struct span from)
{
    if (from.len == 0) {
        return (struct ecka_bytes){NULL, 0};
    }
    return (struct ecka_bytes){memcpy(take(b, from.len), from.ptr, from.len), from.len};
}

static const char *copy_string(struct block *b, const char *from)
{
    size_t size = strlen(from) + 1;
    return memcpy(take(b, size), from, size);
}

/* -- sizes -- */

static size_t entries_size(const void *message, const struct wire_field *f)
{
    size_t n;
    size_t sum = 0;
    const ProtobufCBinaryData *entries = wire_entries(message, f, &n);
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
               strlen(c->backend_refused) + 1 + strlen(c->group) + 1 + strlen(c->audit) + 1 +
               c->n_sr_key_ids * ECKA_ID_LEN;
    }
    return sum;
}

/* Members of the oneof are pointers, all alike. */
static const void *result_of(const Ecka__V1__Reply *msg)
{
    return msg->info;
}

static size_t result_size(const Ecka__V1__Reply *msg, const struct client_shape *shape, size_t n)
{
    if (msg->result_case == ECKA__V1__REPLY__RESULT__NOT_SET) {
        return 0;
    }
    if (shape->op == WIRE_OP_INFO) {
        return info_size(msg->info);
    }
    struct wire_fields fields = wire_shape(shape->op)->out;
    size_t sum = n * shape->results.size;
    for (size_t i = 0; i < fields.count; i++) {
        const struct wire_field *f = &fields.list[i];
        sum += f->form == WIRE_ENTRIES ? entries_size(result_of(msg), f) : 0;
    }
    return sum;
}

/* -- results -- */

static void copy_member(struct block *b, const struct member *member, struct span octets, void *at)
{
    switch (member->form) {
    case MEMBER_BYTES:
        *(struct ecka_bytes *)at = copy_bytes(b, octets);
        break;
    case MEMBER_OCTETS:
        memcpy(at, octets.ptr, octets.len);
        break;
    case MEMBER_U8:
        *(uint8_t *)at = octets.ptr[0];
        break;
    case MEMBER_U64:
        *(uint64_t *)at = load_be(octets.ptr, octets.len);
        break;
    case MEMBER_INT:
        *(int *)at = octets.ptr[0];
        break;
    case MEMBER_U16: /* of items alone */
    case MEMBER_POINTER:
        break;
    }
}

static const void *copy_items(struct block *b, const Ecka__V1__Reply *msg,
                              const struct client_shape *shape, size_t n)
{
    const struct members *results = &shape->results;
    uint8_t *out = take(b, n * results->size);
    for (size_t k = 0; k < results->count; k++) {
        const struct member *member = &results->list[k];
        const struct wire_field *f = wire_field_at(wire_shape(shape->op)->out, member->field);
        for (size_t i = 0; i < n; i++) {
            copy_member(b, member, wire_octets(result_of(msg), f, i),
                        out + i * results->size + member->at);
        }
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
        .audit = copy_string(b, c->audit),
        .restarts = c->restarts,
        .group = copy_string(b, c->group),
        .weight = c->weight,
        .breaker = c->breaker,
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
    const struct client_shape *shape = client_shape(op);
    size_t n = msg->status == STATUS_OK ? items : 0;
    struct ecka_reply *out =
        reply_new(&b, space, op, (int)msg->status, result_size(msg, shape, n), msg->detail);
    if (out == NULL) {
        return NULL;
    }
    out->count = n;
    out->retry_after_us = msg->retry_after_us;
    if (msg->result_case != ECKA__V1__REPLY__RESULT__NOT_SET) {
        /* every member of the union is a pointer */
        out->items.info =
            shape->op == WIRE_OP_INFO ? copy_info(&b, msg->info) : copy_items(&b, msg, shape, n);
    }
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
