/*
 * Uses of keys that have no table, in a fixed table of fingerprints.
 *
 * A newcomer takes the place of the coldest key of its bucket. So a stream of keys seen once runs
 * through one place a bucket and leaves the keys seen twice where they are. Any thread, no lock;
 * two threads in one place may lose a count.
 */
#ifndef PROVIDERS_EC_TABLES_GHOST_H
#define PROVIDERS_EC_TABLES_GHOST_H

#include <stdatomic.h>
#include <stdint.h>

enum {
    GHOST_BUCKETS = 1 << 12,
    GHOST_WAYS = 8, /* of 8 bytes: a bucket is a cache line */
};

struct ghost {
    _Alignas(64) _Atomic uint64_t slot[GHOST_BUCKETS][GHOST_WAYS];
};

/* Counts a use of the key with this hash; how many it has had, halved a generation. */
uint32_t ghost_use(struct ghost *g, uint64_t hash, uint32_t generation);

/* Forgets the key's uses. */
void ghost_forget(struct ghost *g, uint64_t hash);

#endif
