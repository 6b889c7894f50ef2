/*
 * How hot a key is: a count of uses that halves with each generation, packed with the generation in
 * which it was last written, so that ageing costs nothing until somebody looks.
 *
 * Written by any thread with plain atomic stores: a use lost between two threads does not matter.
 */
#ifndef PROVIDERS_EC_TABLES_HEAT_H
#define PROVIDERS_EC_TABLES_HEAT_H

#include <stdatomic.h>
#include <stdint.h>

enum { HEAT_BITS = 32 };

static inline uint32_t heat_of(uint64_t packed, uint32_t generation)
{
    uint32_t age = generation - (uint32_t)(packed >> HEAT_BITS);
    return age < HEAT_BITS ? (uint32_t)packed >> age : 0;
}

static inline uint64_t heat_pack(uint32_t heat, uint32_t generation)
{
    return (uint64_t)generation << HEAT_BITS | heat;
}

static inline uint32_t heat_read(const _Atomic uint64_t *heat, uint32_t generation)
{
    return heat_of(atomic_load_explicit(heat, memory_order_relaxed), generation);
}

/* Adds uses and returns the new heat. */
static inline uint32_t heat_add(_Atomic uint64_t *heat, uint32_t uses, uint32_t generation)
{
    uint32_t old = heat_read(heat, generation);
    uint32_t sum = old > UINT32_MAX - uses ? UINT32_MAX : old + uses;
    atomic_store_explicit(heat, heat_pack(sum, generation), memory_order_relaxed);
    return sum;
}

#endif
