/*
 * Masks that choose between secrets: all ones or zero, and unknown to the compiler.
 *
 * A compiler that can prove that a mask has two values may turn the selection by it into a branch.
 * Every mask therefore passes ct_barrier(): an assembly statement of no instruction, which tells
 * the compiler that the value may have changed. (Mixing in a volatile zero would do as well, but
 * the loads cost: where they fall on the stack's addresses modulo a page, products take three times
 * as long.)
 */
#ifndef PROVIDERS_EC_CT_H
#define PROVIDERS_EC_CT_H

#include <stdint.h>

static inline uint64_t ct_barrier(uint64_t mask)
{
    __asm__("" : "+r"(mask));
    return mask;
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
