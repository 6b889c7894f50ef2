/* Compiled with the kernels' flags; called only where ifma_unusable() is NULL. */
#include "tests/unit/ec/fe8_ops.h"

#include "providers/ec/ifma/fe8.h"

static struct fe8 in(const struct lanes *a)
{
    struct fe8 r;
    for (int i = 0; i < FE8_LIMBS; i++) {
        r.v[i] = _mm512_loadu_si512(a->v[i]);
    }
    return r;
}

static void out_of(struct lanes *out, struct fe8 a)
{
    for (int i = 0; i < FE8_LIMBS; i++) {
        _mm512_storeu_si512(out->v[i], a.v[i]);
    }
}

FE8_INLINE struct fe8 compute(struct fe8_mod mod, enum fe8_op op, struct fe8 a, struct fe8 b,
                              unsigned k)
{
    switch (op) {
    case FE8_OP_MUL:
        return fe8_mul(mod, a, b);
    case FE8_OP_SQR:
        return fe8_sqr(mod, a);
    case FE8_OP_ADD:
        return fe8_add(a, b);
    case FE8_OP_SUB:
        return fe8_sub(mod, a, b, k);
    case FE8_OP_NEG:
        return fe8_neg(mod, a, k);
    case FE8_OP_WEAK:
        return fe8_weak(mod, a);
    case FE8_OP_FULL:
        return fe8_full(mod, a);
    case FE8_OP_SELECT:
        return fe8_select((__mmask8)k, a, b);
    case FE8_OP_TO_MONT:
        return fe8_to_mont(mod, a);
    case FE8_OP_FROM_MONT:
        return fe8_from_mont(mod, a);
    case FE8_OP_WORDS: {
        __m512i w[WORDS];
        fe8_to_words(w, a);
        return fe8_from_words(w);
    }
    }
    return fe8_zero();
}

static const struct ec52_modulus *modulus(enum field f)
{
    switch (f) {
    case FIELD_P256_N:
        return &ec52_curves[CURVE_P256].n;
    case FIELD_BRAINPOOL_P:
        return &ec52_curves[CURVE_BRAINPOOLP256R1].p;
    case FIELD_BRAINPOOL_N:
        return &ec52_curves[CURVE_BRAINPOOLP256R1].n;
    case FIELD_FRP_P:
        return &ec52_curves[CURVE_FRP256V1].p;
    case FIELD_FRP_N:
        return &ec52_curves[CURVE_FRP256V1].n;
    default:
        return &ec52_curves[CURVE_P256].p;
    }
}

void fe8_ops_apply(enum field f, enum fe8_op op, const struct lanes *a, const struct lanes *b,
                   unsigned k, struct lanes *out)
{
    const struct ec52_modulus *m = modulus(f);
    if (f == FIELD_P256_P) {
        out_of(out, compute((struct fe8_mod){m, true}, op, in(a), in(b), k));
    } else {
        out_of(out, compute((struct fe8_mod){m, false}, op, in(a), in(b), k));
    }
}

unsigned fe8_ops_is_zero(enum field f, const struct lanes *a)
{
    return fe8_is_zero((struct fe8_mod){modulus(f), f == FIELD_P256_P}, in(a));
}

unsigned fe8_ops_equal(const struct lanes *a, const struct lanes *b)
{
    return fe8_limbs_equal(in(a), in(b));
}

unsigned fe8_ops_less(const struct lanes *a, const struct lanes *b)
{
    return fe8_limbs_less(in(a), in(b));
}

void fe8_ops_load_be(const uint8_t *const bytes[LANES], struct lanes *out)
{
    out_of(out, fe8_load_be(bytes));
}

void fe8_ops_store_be(uint8_t *const out[LANES], const struct lanes *a)
{
    fe8_store_be(out, in(a));
}

void fe8_ops_transpose(uint64_t out[LANES][LANES], const uint64_t rows[LANES][LANES])
{
    __m512i a[LANES], b[LANES];
    for (int i = 0; i < LANES; i++) {
        a[i] = _mm512_loadu_si512(rows[i]);
    }
    fe8_transpose(b, a);
    for (int i = 0; i < LANES; i++) {
        _mm512_storeu_si512(out[i], b[i]);
    }
}
