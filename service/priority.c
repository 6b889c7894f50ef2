#include "service/priority.h"

enum batch_kind priority_first_kind(enum wire_op op)
{
    switch (op) {
    case WIRE_OP_VERIFY_CHAIN:
        return KIND_VERIFY_CHAIN;
    case WIRE_OP_ESTABLISH:
        return KIND_ESTABLISH_CHAIN;
    case WIRE_OP_CONFIRM:
        return KIND_CONFIRM;
    case WIRE_OP_SCP80_WRAP:
        return KIND_WRAP;
    case WIRE_OP_SCP80_UNWRAP:
        return KIND_UNWRAP;
    default:
        return KIND_VERIFY;
    }
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

void priority_order(const enum wire_op ops[], size_t count, enum batch_kind out[static KIND_COUNT])
{
    static const enum wire_op by_default[] = {WIRE_OP_CONFIRM,      WIRE_OP_SCP80_WRAP,
                                              WIRE_OP_SCP80_UNWRAP, WIRE_OP_ESTABLISH,
                                              WIRE_OP_VERIFY_CHAIN, WIRE_OP_VERIFY};
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        n = add_op(ops[i], out, n);
    }
    for (size_t i = 0; i < sizeof(by_default) / sizeof(*by_default); i++) {
        n = add_op(by_default[i], out, n);
    }
}
