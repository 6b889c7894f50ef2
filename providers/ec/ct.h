/*
 * Masks that choose between secrets: all ones or zero, and unknown to the compiler.
 *
 * A compiler that can prove that a mask has two values may turn the selection by it into a branch.
 * Every mask therefore passes ct_barrier(), which mixes in a zero that must be read from memory:
 * what was read is not known to be zero.
 */
#ifndef PROVIDERS_EC_CT_H
#define PROVIDERS_EC_CT_H

#include <stdint.h>

static volatile const uint64_t ct_zero;

static inline uint64_t ct_barrier(uint64_t mask)
{
    return mask ^ ct_zero;
}

/* All ones where the lowest bit is 1, else zero. */
static inline uint64_t ct_mask(uint64_t bit)
{
    return ct_barrier(0 - (bit & 1));
}

/* All ones where a == b. */
static inline uint64_t ct_equal(uint64_t a, uint64_t b)
{
    const uint64_t x = a ^ b;
    return ct_mask(~(x | (0 - x)) >> 63); /* x | -x has the top bit unless x is 0 */
}

/* b where the mask is all ones, a where it is zero. */
static inline uint64_t ct_select(uint64_t mask, uint64_t a, uint64_t b)
{
    return a ^ (mask & (a ^ b));
}

#endif
