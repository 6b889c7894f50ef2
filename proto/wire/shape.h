/*
 * The shape of each operation: which columns and entries its request and its result hold, of which
 * width. One table, by which requests and replies are checked, results laid out, and columns turned
 * into items and back, in eckad and in libecka. Constant data; any thread.
 */
#ifndef PROTO_WIRE_SHAPE_H
#define PROTO_WIRE_SHAPE_H

#include <stdbool.h>

#include "proto/wire/wire.h"

enum wire_form {
    WIRE_COLUMN,  /* bytes: N values of width bytes */
    WIRE_ENTRIES, /* repeated bytes: N values of at most width bytes */
    WIRE_SHARED,  /* repeated bytes: N values of at most width bytes, or one for all */
    WIRE_VALUE,   /* bytes: one value of width bytes, for all */
    WIRE_LABEL,   /* string: 1 to width bytes, for all */
    WIRE_NUMBER,  /* uint32 or enum: 1 to width, for all; 0 too when optional */
    WIRE_KEYS,    /* the two of Verify whose length says how many keys there are; see wire.c */
};

struct wire_field {
    const char *name;
    enum wire_form form;
    bool optional; /* may be left out; columns and entries are then empty */
    size_t width;
    size_t at;   /* in the message's structure */
    size_t n_at; /* of entries: where their number is */
};

struct wire_fields {
    const struct wire_field *list;
    size_t count;
};

struct wire_shape {
    enum wire_op op;
    const char *name;
    size_t items_max;                                   /* 0: it has no items */
    const ProtobufCMessageDescriptor *request, *result; /* the messages of the oneofs */
    struct wire_fields in;                              /* the first is a column: its N is N */
    struct wire_fields
        out; /* the first is item_status; Info's are no columns and stand in wire.c */
};

/* NULL when there is no such operation. */
const struct wire_shape *wire_shape(enum wire_op op);

/* The field at this offset of its message; there is one. */
const struct wire_field *wire_field_at(struct wire_fields fields, size_t at);

/* The operation's message in a request. Members of the oneof are pointers, all alike. */
static inline const void *wire_body(const struct wire_request *request)
{
    return request->msg->info;
}

static inline const ProtobufCBinaryData *wire_column(const void *message,
                                                     const struct wire_field *f)
{
    return (const void *)((const char *)message + f->at);
}

static inline ProtobufCBinaryData *wire_entries(const void *message, const struct wire_field *f,
                                                size_t *n)
{
    *n = *(const size_t *)(const void *)((const char *)message + f->n_at);
    return *(ProtobufCBinaryData *const *)(const void *)((const char *)message + f->at);
}

static inline uint32_t wire_number(const void *message, const struct wire_field *f)
{
    uint32_t number; /* an enum of protobuf-c has its size */
    memcpy(&number, (const char *)message + f->at, sizeof(number));
    return number;
}

static inline char *wire_label(const void *message, const struct wire_field *f)
{
    return *(char *const *)(const void *)((const char *)message + f->at);
}

/* The octets that item i has in a field of a checked message; empty where it was left out. */
static inline struct span wire_octets(const void *message, const struct wire_field *f, size_t i)
{
    if (f->form == WIRE_ENTRIES || f->form == WIRE_SHARED) {
        size_t n;
        const ProtobufCBinaryData *entries = wire_entries(message, f, &n);
        return wire_entry(entries, n, i);
    }
    const ProtobufCBinaryData *column = wire_column(message, f);
    if (column->len == 0) {
        return (struct span){NULL, 0};
    }
    return span_of(wire_col(column, f->width, f->form == WIRE_VALUE ? 0 : i), f->width);
}

#endif
