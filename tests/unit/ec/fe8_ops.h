/*
 * The eight-lane field behind plain functions, so that a test compiled for any machine can call it
 * after it asked ifma_unusable() whether this one may.
 */
#ifndef TESTS_UNIT_EC_FE8_OPS_H
#define TESTS_UNIT_EC_FE8_OPS_H

#include <stddef.h>
#include <stdint.h>

enum { LANES = 8, LIMBS = 5, WORDS = 4 };

/* As in struct fe8: limb, then lane. */
struct lanes {
    uint64_t v[LIMBS][LANES];
};

enum field {
    FIELD_P256_P, /* the special form of P-256 */
    FIELD_P256_P_GENERIC,
    FIELD_P256_N,
    FIELD_BRAINPOOL_P,
    FIELD_BRAINPOOL_N,
    FIELD_FRP_P,
    FIELD_FRP_N,
    FIELDS
};

enum fe8_op {
    FE8_OP_MUL,
    FE8_OP_SQR,
    FE8_OP_ADD,
    FE8_OP_SUB, /* a - b + k m */
    FE8_OP_NEG,
    FE8_OP_WEAK,
    FE8_OP_FULL,
    FE8_OP_SELECT, /* k is the mask */
    FE8_OP_TO_MONT,
    FE8_OP_FROM_MONT,
    FE8_OP_WORDS, /* to four words and back */
};

void fe8_ops_apply(enum field f, enum fe8_op op, const struct lanes *a, const struct lanes *b,
                   unsigned k, struct lanes *out);

/* Masks of lanes. */
unsigned fe8_ops_is_zero(enum field f, const struct lanes *a);
unsigned fe8_ops_equal(const struct lanes *a, const struct lanes *b);
unsigned fe8_ops_less(const struct lanes *a, const struct lanes *b);

void fe8_ops_load_be(const uint8_t *const in[LANES], struct lanes *out);
void fe8_ops_store_be(uint8_t *const out[LANES], const struct lanes *a);
void fe8_ops_transpose(uint64_t out[LANES][LANES], const uint64_t in[LANES][LANES]);

#endif
