/*
 * What the files of the cache share.
 *
 * Reading and reclaiming: a reader announces the epoch in which it enters and 0 when it leaves. A
 * table is taken out of the index first, then the epoch is advanced, and it is freed once every
 * reader has left or announced a later epoch. The announcement, the index and the epoch are
 * sequentially consistent: a reader that found the old pointer announced itself, in that one order,
 * before the pointer was replaced, so the builder that looks afterwards sees the announcement.
 */
#ifndef PROVIDERS_EC_TABLES_INTERNAL_H
#define PROVIDERS_EC_TABLES_INTERNAL_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "providers/ec/tables/cache.h"
#include "providers/ec/tables/ghost.h"
#include "providers/ec/tables/heat.h"

enum {
    CACHE_LINE = 64,
    INDEX_BUCKETS = 1 << 11,
    INDEX_WAYS = 8,   /* pointers: a bucket is a cache line; a key may stand in two buckets */
    PENDING_MAX = 64, /* keys of a batch whose uses are counted together */
    WISHES_MAX = 8,   /* keys that a reader remembers to want a table */
    KEY_WORDS = 8,    /* x and y */
    MEMO_MAX = 64,    /* points of a batch remembered by their address */
};

struct table_key {
    uint64_t hash;
    uint64_t xy[KEY_WORDS]; /* as they stand in memory */
    enum curve curve;
};

/* A key that has a table. What readers look at never changes; a wider table is a new entry. */
struct entry {
    struct table_key key;
    enum ec_table_level level;
    struct ec_table *table;
    size_t bytes;
    alignas(CACHE_LINE) _Atomic uint64_t heat; /* apart from what all threads only read */
    /* The builder's. */
    bool pinned;
    size_t place; /* in ec_cache.entries */
    uint64_t retired_in;
    struct entry *next_retired;
};

struct wish {
    struct table_key key;
    uint32_t heat;
};

/* What others see of a reader; a line of its own. Counts go on when the place changes hands. */
struct reader_place {
    alignas(CACHE_LINE) _Atomic uint64_t announced; /* 0: in no batch */
    _Atomic uint64_t hits, misses;                  /* written by the reader alone */
    atomic_bool taken;
};

struct pending {
    struct entry *entry;
    uint32_t uses;
};

/* An address names a point for the length of a batch. */
struct memo {
    const uint8_t *point;
    struct entry *entry;
    enum curve curve;
    uint64_t batch;
};

struct ec_cache_reader {
    struct ec_cache *cache;
    struct reader_place *place;
    uint32_t generation; /* of this batch */
    uint64_t batch;      /* its number, so that no memo outlives it */
    struct memo memo[MEMO_MAX];
    uint64_t hits, misses;
    struct pending pending[PENDING_MAX];
    uint8_t touched[PENDING_MAX]; /* the pending places in use */
    size_t touched_count;
    struct wish wishes[WISHES_MAX];
    size_t wish_count;
};

struct pin {
    struct table_key key;
    bool tried; /* a table was begun for it, or could not be */
};

/* A table under construction. */
struct construction {
    struct ec_build *build; /* NULL: none */
    struct table_key key;
    enum ec_table_level level;
    size_t bytes;
    uint32_t heat;      /* when it was begun */
    size_t points_left; /* a builder that needs more is broken and is given up */
};

struct ec_cache {
    const struct ec_kernel *kernel;
    uint64_t hash_key[KEY_WORDS + 2];
    _Atomic size_t budget;
    _Atomic uint64_t uses; /* of all keys; sets the generation */
    _Atomic uint64_t epoch;
    atomic_flag building;   /* held by the one builder */
    atomic_bool unfinished; /* there is work beyond readers' wishes */
    struct reader_place readers[EC_CACHE_READERS_MAX];
    struct ghost ghost;
    alignas(CACHE_LINE) _Atomic(struct entry *) index[INDEX_BUCKETS][INDEX_WAYS];

    /* Under `building`; atomic where ec_cache_stats() reads. */
    struct entry *entries[EC_CACHE_KEYS_MAX];
    size_t entry_count;
    size_t hand; /* where the search for a victim begins */
    struct entry *retired;
    struct construction now;
    struct pin pins[EC_CACHE_PINS_MAX];
    size_t pin_count;
    _Atomic size_t bytes;
    _Atomic uint64_t tables[EC_TABLE_LEVELS];
    _Atomic uint64_t builds, evictions;
};

/* The level that so hot a key is worth. */
enum ec_table_level level_worth(uint32_t heat);

/* key's point in the form of SEC 1. */
void key_point(const struct table_key *key, uint8_t point[static EC_POINT_LEN]);

/* The hash is keyed a process, so that nobody can aim keys at an issuer's place. */
void key_init(struct table_key *key, const struct ec_cache *cache, enum curve curve,
              const uint8_t point[static EC_POINT_LEN]);

/* The key's entry; NULL when it has none. By a reader in its batch, or by the builder. */
struct entry *index_find(struct ec_cache *cache, const struct table_key *key);
/* False when both its buckets are full. Builder. */
bool index_insert(struct ec_cache *cache, struct entry *entry);
/* Replaces the entry's place in the index; by may be NULL. Builder. */
void index_replace(struct ec_cache *cache, struct entry *entry, struct entry *by);

/* builder.c; `building` is held. */

/* Serves the first wish that can be served. Wishes that cannot are dropped. */
void builder_start(struct ec_cache *cache, struct ec_cache_reader *reader);
/* Frees, evicts over budget, continues the construction. */
void builder_step(struct ec_cache *cache, struct ec_scratch *scratch, size_t points);
void builder_reclaim(struct ec_cache *cache);
/* Whether work is left that no wish asks for. */
bool builder_unfinished(const struct ec_cache *cache);
MUST_CHECK enum status builder_pin(struct ec_cache *cache, const struct table_key *key,
                                   struct ec_scratch *scratch);
void entry_free(struct ec_cache *cache, struct entry *entry);

#endif
