#include "providers/ec/tables/ghost.h"

#include <stddef.h>

/*
 * A slot: fingerprint (32 bits), generation (16), count (16); 0 is free. Two keys that share bucket
 * and fingerprint, 2^-44 a pair, are counted together, which costs a table too early.
 */
enum { COUNT_BITS = 16, GENERATION_BITS = 16, FINGERPRINT_SHIFT = COUNT_BITS + GENERATION_BITS };

static uint64_t slot_pack(uint64_t hash, uint32_t generation, uint32_t count)
{
    return hash >> FINGERPRINT_SHIFT << FINGERPRINT_SHIFT |
           (uint64_t)(generation & UINT16_MAX) << COUNT_BITS | count;
}

static uint32_t slot_count(uint64_t slot, uint32_t generation)
{
    uint32_t age = (generation - (uint32_t)(slot >> COUNT_BITS)) & UINT16_MAX;
    return age < COUNT_BITS ? (uint32_t)(slot & UINT16_MAX) >> age : 0;
}

static _Atomic uint64_t *bucket_of(struct ghost *g, uint64_t hash)
{
    return g->slot[hash % GHOST_BUCKETS];
}

static uint64_t slot_load(_Atomic uint64_t *slot)
{
    return atomic_load_explicit(slot, memory_order_relaxed); /* nothing else hangs on it */
}

static int is_of(uint64_t slot, uint64_t hash)
{
    return slot != 0 && slot >> FINGERPRINT_SHIFT == hash >> FINGERPRINT_SHIFT;
}

uint32_t ghost_use(struct ghost *g, uint64_t hash, uint32_t generation)
{
    _Atomic uint64_t *bucket = bucket_of(g, hash);
    size_t place = 0;
    uint32_t count = 0, coldest = UINT32_MAX;
    for (size_t i = 0; i < GHOST_WAYS; i++) {
        uint64_t slot = slot_load(&bucket[i]);
        uint32_t its = slot_count(slot, generation);
        if (is_of(slot, hash)) {
            place = i;
            count = its;
            break;
        }
        if (its < coldest) {
            coldest = its;
            place = i;
        }
    }
    count += count < UINT16_MAX;
    atomic_store_explicit(&bucket[place], slot_pack(hash, generation, count), memory_order_relaxed);
    return count;
}

void ghost_forget(struct ghost *g, uint64_t hash)
{
    _Atomic uint64_t *bucket = bucket_of(g, hash);
    for (size_t i = 0; i < GHOST_WAYS; i++) {
        if (is_of(slot_load(&bucket[i]), hash)) {
            atomic_store_explicit(&bucket[i], 0, memory_order_relaxed);
        }
    }
}
