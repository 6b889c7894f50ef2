/* What backend.c (verification, the family) and secrets.c (key generation, agreement) share. */
#ifndef PROVIDERS_EC_INTERNAL_H
#define PROVIDERS_EC_INTERNAL_H

#include "providers/ec/backend.h"
#include "providers/ec/tables/cache.h"

enum {
    EC_CHUNK = 256,                 /* items sorted at a time; a larger batch is several chunks */
    EC_PARTS_MAX = 2 * CURVE_COUNT, /* known and unknown keys of each curve */
};

/* A thread's context: the kernel's working memory, the reader and the sorted chunk. */
struct ec_thread {
    struct ec_family *family;
    struct ec_scratch *scratch;
    struct ec_cache_reader *reader;

    /* Of verification, by the item's place in the chunk. */
    uint8_t part[EC_CHUNK];
    const struct ec_table *table[EC_CHUNK];

    /* Sorted: those of a part stand together. */
    uint16_t order[EC_CHUNK];
    enum status status[EC_CHUNK + 1]; /* one more: the check of key generation */
    const struct verify_item *verify[EC_CHUNK];
    const struct ec_table *sorted_table[EC_CHUNK];
    const uint8_t *in[EC_CHUNK + 1];
    const uint8_t *peer[EC_CHUNK];
    uint8_t *result[EC_CHUNK + 1];
};

#endif
