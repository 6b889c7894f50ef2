/*
 * Where ecka.h keeps what the wire carries: for each operation its number on the wire, and which
 * member of an item or a result belongs to which field of proto/wire/shape.h. Constant data; any
 * thread.
 */
#ifndef SERVICE_CLIENT_SHAPE_H
#define SERVICE_CLIENT_SHAPE_H

#include "proto/wire/shape.h"
#include "service/client/ecka.h"

enum member_form {
    MEMBER_POINTER, /* const uint8_t *: to as many octets as the column is wide */
    MEMBER_OCTETS,  /* uint8_t[]: as many */
    MEMBER_BYTES,   /* struct ecka_bytes */
    MEMBER_U8,
    MEMBER_U16,
    MEMBER_U64,
    MEMBER_INT, /* int or an enum */
};

struct member {
    const char *name;
    enum member_form form;
    uint16_t or_0; /* what 0 stands for */
    size_t at;     /* in the item */
    size_t field;  /* in the message */
};

struct members {
    const struct member *list;
    size_t count;
    size_t size; /* bytes of the item or result that they are of */
};

struct client_shape {
    enum wire_op op; /* WIRE_OP_NONE: there is no such operation */
    struct members items;
    struct members results; /* none with Info, whose result is its own */
};

const struct client_shape *client_shape(enum ecka_op op);

#endif
