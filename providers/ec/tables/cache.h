/*
 * The key-table cache: which public keys have a table, decided by how much each is used.
 *
 * One cache a kernel family and process. Each thread that verifies owns a reader and brackets a
 * batch with ec_cache_enter() and ec_cache_leave(); between them ec_cache_use() finds tables
 * without a lock and counts what was asked for. After the batch ec_cache_work() spends a bounded
 * number of point operations on the table that is wanted most; whoever finds another thread at it
 * goes on at once. A table stays valid until its reader leaves, whatever other threads evict
 * meanwhile.
 *
 * A key earns its first table by EC_CACHE_SMALL_USES uses and wider ones by more, counted with a
 * half-life. Over budget, a key enters only by evicting keys colder than itself, so a stream of
 * keys each used once evicts nothing. Pinned keys are never evicted.
 *
 * It does not: check signatures, know curves beyond their number, start threads.
 */
#ifndef PROVIDERS_EC_TABLES_CACHE_H
#define PROVIDERS_EC_TABLES_CACHE_H

#include "providers/ec/kernel.h"

enum {
    /* Uses after which a level is worth its price. With the ifma kernel and P-256 a SMALL table
     * costs what 17 verifications without one do, and pays back after 20; MEDIUM costs 20 and saves
     * another quarter of the rest, WIDE 46 and a tenth. Each is begun when the key has been used
     * about as often as pays it back, or sooner where the price is small beside its gain. */
    EC_CACHE_SMALL_USES = 16,
    EC_CACHE_MEDIUM_USES = 128,
    EC_CACHE_WIDE_USES = 2048,

    /* Counts halve each time the cache has seen this many uses of any keys. */
    EC_CACHE_HALF_LIFE_USES = 1 << 18,

    /* Point operations after a batch: so many an item, within these bounds. Against some 50 that
     * an item costs, building takes at most a quarter of a large batch's time. */
    EC_CACHE_STEP_POINTS_ITEM = 16,
    EC_CACHE_STEP_POINTS_MIN = 256,
    EC_CACHE_STEP_POINTS_MAX = 4096,

    EC_CACHE_READERS_MAX = 256,
    EC_CACHE_KEYS_MAX = 8192,
    EC_CACHE_PINS_MAX = 1024,
};

struct ec_cache;
struct ec_cache_reader;

/* budget: bytes of tables, those under construction included. INTERNAL. */
MUST_CHECK enum status ec_cache_new(struct ec_cache **out, const struct ec_kernel *kernel,
                                    size_t budget);
/* When no reader is left. */
void ec_cache_free(struct ec_cache **cache);

/* INTERNAL, also when there are EC_CACHE_READERS_MAX. Any thread. */
MUST_CHECK enum status ec_cache_reader_new(struct ec_cache_reader **out, struct ec_cache *cache);
void ec_cache_reader_free(struct ec_cache_reader **reader);

/* Before and after a batch; no table found in between is used after the second. */
void ec_cache_enter(struct ec_cache_reader *reader);
void ec_cache_leave(struct ec_cache_reader *reader);

/* Counts a use of the key and gives its table; NULL when it has none. Until the reader leaves, the
 * bytes at this address stay as they are. */
const struct ec_table *ec_cache_use(struct ec_cache_reader *reader, enum curve curve,
                                    const uint8_t point[static EC_POINT_LEN]);

/* After a batch of so many items: builds, evicts and frees, a bounded step. Never waits. */
void ec_cache_work(struct ec_cache_reader *reader, struct ec_scratch *scratch, size_t items);

/*
 * The key gets a table that is never evicted: built at once with scratch, which may wait for
 * another thread's step, or by the workers when scratch is NULL. BAD_POINT, NO_SPACE (the budget
 * or EC_CACHE_PINS_MAX), INTERNAL.
 */
MUST_CHECK enum status ec_cache_pin(struct ec_cache *cache, enum curve curve,
                                    const uint8_t point[static EC_POINT_LEN],
                                    struct ec_scratch *scratch);

/* A smaller budget takes effect step by step in ec_cache_work(). Any thread. */
void ec_cache_set_budget(struct ec_cache *cache, size_t bytes);

/* Fills what a cache knows of; leaves the rest. Any thread; the numbers are of about one moment. */
void ec_cache_stats(const struct ec_cache *cache, struct provider_stats *out);

#endif
