/*
 * The dice of a run: SplitMix64. A run is what its seed makes it.
 */
#ifndef SMSR_DICE_H
#define SMSR_DICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dice {
    uint64_t state;
};

static inline uint64_t dice_u64(struct dice *d)
{
    uint64_t z = d->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* In [0, n), n not 0; the bias of a 64-bit number is nothing here. */
static inline size_t dice_below(struct dice *d, size_t n)
{
    return (size_t)(dice_u64(d) % n);
}

/* True once in n times. */
static inline bool dice_one_in(struct dice *d, size_t n)
{
    return dice_below(d, n) == 0;
}

static inline void dice_bytes(struct dice *d, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        out[i] = (uint8_t)dice_u64(d);
    }
}

#endif
