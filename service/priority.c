#include "service/priority.h"

enum { OPS = WIRE_OP_END - WIRE_OP_FIRST - 1 }; /* Info makes no items */

/* In the default order. */
static const struct {
    enum wire_op op;
    enum batch_kind first; /* kind of its items */
} ops[] = {
    {WIRE_OP_CONFIRM, KIND_CONFIRM},
    {WIRE_OP_SCP80_WRAP, KIND_WRAP},
    {WIRE_OP_SCP80_UNWRAP, KIND_UNWRAP},
    {WIRE_OP_KEY_SET_CREATE, KIND_KEY_SET_CREATE},
    {WIRE_OP_SCP03_UNWRAP, KIND_SCP03_UNWRAP},
    {WIRE_OP_SCP03_WRAP, KIND_SCP03_WRAP},
    {WIRE_OP_SCP03_OPEN, KIND_SCP03_OPEN},
    {WIRE_OP_SIGN, KIND_SIGN},
    {WIRE_OP_AGREE, KIND_AGREE},
    {WIRE_OP_ESTABLISH, KIND_ESTABLISH_CHAIN},
    {WIRE_OP_VERIFY_CHAIN, KIND_VERIFY_CHAIN},
    {WIRE_OP_VERIFY, KIND_VERIFY},
    {WIRE_OP_RESEAL, KIND_RESEAL},
    {WIRE_OP_REWRAP, KIND_REWRAP},
};
_Static_assert(sizeof(ops) / sizeof(*ops) == OPS, "each operation with items has a place");

enum batch_kind priority_first_kind(enum wire_op op)
{
    for (size_t i = 0; i < OPS; i++) {
        if (ops[i].op == op) {
            return ops[i].first;
        }
    }
    return KIND_VERIFY; /* a frame without an operation is refused by nobody's queue */
}

static size_t add(enum batch_kind kind, enum batch_kind out[static KIND_COUNT], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (out[i] == kind) {
            return n;
        }
    }
    out[n] = kind;
    return n + 1;
}

static size_t add_op(enum wire_op op, enum batch_kind out[static KIND_COUNT], size_t n)
{
    n = add(priority_first_kind(op), out, n);
    return op == WIRE_OP_ESTABLISH ? add(KIND_ESTABLISH, out, n) : n;
}

void priority_order(const enum wire_op given[], size_t count,
                    enum batch_kind out[static KIND_COUNT])
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        n = add_op(given[i], out, n);
    }
    for (size_t i = 0; i < OPS; i++) {
        n = add_op(ops[i].op, out, n);
    }
}
