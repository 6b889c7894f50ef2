/* The readers' side: finding tables and counting uses. What is built and evicted: builder.c. */
#include "providers/ec/tables/cache.h"

#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "providers/core/curves.h"
#include "providers/ec/tables/internal.h"

enum { PENDING_SHIFT = 44 }; /* bits of the hash that neither bucket uses */

enum ec_table_level level_worth(uint32_t heat)
{
    return heat >= EC_CACHE_WIDE_USES     ? EC_TABLE_WIDE
           : heat >= EC_CACHE_MEDIUM_USES ? EC_TABLE_MEDIUM
           : heat >= EC_CACHE_SMALL_USES  ? EC_TABLE_SMALL
                                          : EC_TABLE_NONE;
}

enum status ec_cache_new(struct ec_cache **out, const struct ec_kernel *kernel, size_t budget)
{
    *out = NULL;
    struct ec_cache *c = aligned_alloc(alignof(struct ec_cache), sizeof *c);
    if (c == NULL) {
        return STATUS_INTERNAL;
    }
    memset(c, 0, sizeof *c); /* a valid start for every atomic of ours */
    c->kernel = kernel;
    atomic_init(&c->budget, budget);
    atomic_init(&c->epoch, 1); /* 0 is what a reader outside a batch announces */
    atomic_flag_clear(&c->building);
    if (getentropy(c->hash_key, sizeof c->hash_key) != 0) {
        free(c);
        return STATUS_INTERNAL;
    }
    *out = c;
    return STATUS_OK;
}

void ec_cache_free(struct ec_cache **cache)
{
    struct ec_cache *c = *cache;
    if (c == NULL) {
        return;
    }
    builder_reclaim(c);
    for (size_t i = 0; i < c->entry_count; i++) {
        entry_free(c, c->entries[i]);
    }
    c->kernel->build_free(&c->now.build);
    free(c);
    *cache = NULL;
}

static struct reader_place *take_place(struct ec_cache *c)
{
    for (size_t i = 0; i < EC_CACHE_READERS_MAX; i++) {
        bool taken = false;
        if (atomic_compare_exchange_strong(&c->readers[i].taken, &taken, true)) {
            return &c->readers[i];
        }
    }
    return NULL;
}

enum status ec_cache_reader_new(struct ec_cache_reader **out, struct ec_cache *cache)
{
    *out = NULL;
    struct ec_cache_reader *r = calloc(1, sizeof *r);
    struct reader_place *place = r != NULL ? take_place(cache) : NULL;
    if (place == NULL) {
        free(r);
        return STATUS_INTERNAL;
    }
    r->cache = cache;
    r->place = place;
    r->hits = atomic_load_explicit(&place->hits, memory_order_relaxed);
    r->misses = atomic_load_explicit(&place->misses, memory_order_relaxed);
    *out = r;
    return STATUS_OK;
}

void ec_cache_reader_free(struct ec_cache_reader **reader)
{
    if (*reader != NULL) {
        atomic_store(&(*reader)->place->taken, false);
        free(*reader);
        *reader = NULL;
    }
}

void ec_cache_enter(struct ec_cache_reader *r)
{
    uint64_t uses = atomic_load_explicit(&r->cache->uses, memory_order_relaxed);
    r->batch++;
    r->generation = (uint32_t)(uses / EC_CACHE_HALF_LIFE_USES);
    atomic_store(&r->place->announced, atomic_load(&r->cache->epoch));
}

/* Remembers the key, in place of a colder one when there is no room. */
static void wish(struct ec_cache_reader *r, const struct table_key *key, uint32_t heat)
{
    size_t coldest = 0;
    for (size_t i = 0; i < r->wish_count; i++) {
        if (r->wishes[i].key.hash == key->hash) {
            r->wishes[i].heat = heat;
            return;
        }
        if (r->wishes[i].heat < r->wishes[coldest].heat) {
            coldest = i;
        }
    }
    if (r->wish_count < WISHES_MAX) {
        r->wishes[r->wish_count++] = (struct wish){*key, heat};
    } else if (r->wishes[coldest].heat < heat) {
        r->wishes[coldest] = (struct wish){*key, heat};
    }
}

/* Tells the entry of the batch's uses: once a batch, since all threads write that line. */
static void pending_flush(struct ec_cache_reader *r, struct pending *p)
{
    uint32_t heat = heat_add(&p->entry->heat, p->uses, r->generation);
    if (level_worth(heat) > p->entry->level) {
        wish(r, &p->entry->key, heat);
    }
    *p = (struct pending){NULL, 0};
}

static void pending_add(struct ec_cache_reader *r, struct entry *e)
{
    size_t place = (size_t)(e->key.hash >> PENDING_SHIFT) % PENDING_MAX;
    struct pending *p = &r->pending[place];
    if (p->entry == NULL) {
        r->touched[r->touched_count++] = (uint8_t)place;
    } else if (p->entry != e) {
        pending_flush(r, p);
    }
    p->entry = e;
    p->uses++;
}

/* Issuers' points come many times in a batch, and often from one place in memory. */
static struct memo *memo_of(struct ec_cache_reader *r, const uint8_t *point)
{
    uintptr_t address = (uintptr_t)point;
    return &r->memo[(address ^ address / MEMO_MAX) % MEMO_MAX];
}

const struct ec_table *ec_cache_use(struct ec_cache_reader *r, enum curve curve,
                                    const uint8_t point[static EC_POINT_LEN])
{
    struct table_key key;
    struct memo *memo = memo_of(r, point);
    if (memo->batch == r->batch && memo->point == point && memo->curve == curve) {
        r->hits++;
        pending_add(r, memo->entry);
        return memo->entry->table;
    }
    if (point[0] != POINT_UNCOMPRESSED) {
        r->misses++;
        return NULL;
    }
    key_init(&key, r->cache, curve, point);
    struct entry *e = index_find(r->cache, &key);
    if (e != NULL) {
        r->hits++;
        pending_add(r, e);
        *memo = (struct memo){point, e, curve, r->batch};
        return e->table;
    }
    r->misses++;
    uint32_t uses = ghost_use(&r->cache->ghost, key.hash, r->generation);
    if (uses >= EC_CACHE_SMALL_USES) {
        wish(r, &key, uses);
    }
    return NULL;
}

void ec_cache_leave(struct ec_cache_reader *r)
{
    for (size_t i = 0; i < r->touched_count; i++) {
        pending_flush(r, &r->pending[r->touched[i]]);
    }
    r->touched_count = 0;
    struct reader_place *p = r->place;
    uint64_t before = atomic_load_explicit(&p->hits, memory_order_relaxed) +
                      atomic_load_explicit(&p->misses, memory_order_relaxed);
    atomic_fetch_add_explicit(&r->cache->uses, r->hits + r->misses - before, memory_order_relaxed);
    atomic_store_explicit(&p->hits, r->hits, memory_order_relaxed);
    atomic_store_explicit(&p->misses, r->misses, memory_order_relaxed);
    atomic_store(&p->announced, 0);
}

void ec_cache_work(struct ec_cache_reader *r, struct ec_scratch *scratch, size_t items)
{
    struct ec_cache *c = r->cache;
    if (r->wish_count == 0 && !atomic_load_explicit(&c->unfinished, memory_order_relaxed)) {
        return;
    }
    if (atomic_flag_test_and_set_explicit(&c->building, memory_order_acquire)) {
        return; /* another thread is at it */
    }
    size_t points = items * EC_CACHE_STEP_POINTS_ITEM;
    points = points < EC_CACHE_STEP_POINTS_MIN   ? EC_CACHE_STEP_POINTS_MIN
             : points > EC_CACHE_STEP_POINTS_MAX ? EC_CACHE_STEP_POINTS_MAX
                                                 : points;
    builder_reclaim(c);
    builder_start(c, r);
    builder_step(c, scratch, points);
    atomic_store_explicit(&c->unfinished, builder_unfinished(c), memory_order_relaxed);
    atomic_flag_clear_explicit(&c->building, memory_order_release);
}

enum status ec_cache_pin(struct ec_cache *cache, enum curve curve,
                         const uint8_t point[static EC_POINT_LEN], struct ec_scratch *scratch)
{
    struct table_key key;
    if (point[0] != POINT_UNCOMPRESSED) {
        return STATUS_BAD_POINT;
    }
    key_init(&key, cache, curve, point);
    while (atomic_flag_test_and_set_explicit(&cache->building, memory_order_acquire)) {
        (void)usleep(1); /* a step is short, and this is start-up */
    }
    enum status s = builder_pin(cache, &key, scratch);
    atomic_store_explicit(&cache->unfinished, builder_unfinished(cache), memory_order_relaxed);
    atomic_flag_clear_explicit(&cache->building, memory_order_release);
    return s;
}

void ec_cache_set_budget(struct ec_cache *cache, size_t bytes)
{
    atomic_store_explicit(&cache->budget, bytes, memory_order_relaxed);
    atomic_store_explicit(&cache->unfinished, true, memory_order_relaxed);
}

void ec_cache_stats(const struct ec_cache *c, struct provider_stats *out)
{
    out->hits = out->misses = 0;
    for (size_t i = 0; i < EC_CACHE_READERS_MAX; i++) {
        out->hits += atomic_load_explicit(&c->readers[i].hits, memory_order_relaxed);
        out->misses += atomic_load_explicit(&c->readers[i].misses, memory_order_relaxed);
    }
    out->tables_small = atomic_load_explicit(&c->tables[EC_TABLE_SMALL], memory_order_relaxed);
    out->tables_medium = atomic_load_explicit(&c->tables[EC_TABLE_MEDIUM], memory_order_relaxed);
    out->tables_wide = atomic_load_explicit(&c->tables[EC_TABLE_WIDE], memory_order_relaxed);
    out->bytes = atomic_load_explicit(&c->bytes, memory_order_relaxed);
    out->budget = atomic_load_explicit(&c->budget, memory_order_relaxed);
    out->builds = atomic_load_explicit(&c->builds, memory_order_relaxed);
    out->evictions = atomic_load_explicit(&c->evictions, memory_order_relaxed);
}
