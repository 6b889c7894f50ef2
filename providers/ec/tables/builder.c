/*
 * The builder's side: who gets a table, who loses one, and when memory is given back. Everything
 * here runs under `building`, a bounded step at a time.
 */
#include <stdlib.h>

#include "providers/ec/tables/internal.h"

enum {
    /* Entries looked at for a victim, from a hand that goes round: enough to find cold ones, few
     * enough that a stream of candidates costs little. */
    VICTIMS_WINDOW = 64,

    /* A newcomer is admitted when it is hotter than the victim by a quarter: equals do not chase
     * each other out. */
    MARGIN_DIVISOR = 4,

    TABLE_ENTRY_LEN = 64,  /* two coordinates */
    POINTS_PER_ENTRY = 8,  /* far more operations than any builder needs */
    EVICTIONS_A_STEP = 16, /* when the budget was lowered */
    PIN_STEP_POINTS = 1 << 14,
};

static uint32_t generation_now(const struct ec_cache *c)
{
    return (uint32_t)(atomic_load_explicit(&c->uses, memory_order_relaxed) /
                      EC_CACHE_HALF_LIFE_USES);
}

static size_t budget_of(const struct ec_cache *c)
{
    return atomic_load_explicit(&c->budget, memory_order_relaxed);
}

static size_t bytes_of(const struct ec_cache *c)
{
    return atomic_load_explicit(&c->bytes, memory_order_relaxed);
}

static void count(_Atomic uint64_t *counter, bool up)
{
    uint64_t n = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, up ? n + 1 : n - 1, memory_order_relaxed);
}

static void bytes_add(struct ec_cache *c, size_t bytes)
{
    atomic_store_explicit(&c->bytes, bytes_of(c) + bytes, memory_order_relaxed);
}

static void bytes_sub(struct ec_cache *c, size_t bytes)
{
    atomic_store_explicit(&c->bytes, bytes_of(c) - bytes, memory_order_relaxed);
}

/* -- entries -- */

void entry_free(struct ec_cache *c, struct entry *e)
{
    c->kernel->table_free(&e->table);
    free(e);
}

static void entry_keep(struct ec_cache *c, struct entry *e, size_t place)
{
    e->place = place;
    c->entries[place] = e;
    count(&c->tables[e->level], true);
}

/* The entry is out of the index already: no reader that enters from now on finds it. */
static void entry_retire(struct ec_cache *c, struct entry *e)
{
    count(&c->tables[e->level], false);
    bytes_sub(c, e->bytes);
    e->retired_in = atomic_fetch_add(&c->epoch, 1);
    e->next_retired = c->retired;
    c->retired = e;
}

static void entry_evict(struct ec_cache *c, struct entry *e)
{
    index_replace(c, e, NULL);
    struct entry *last = c->entries[--c->entry_count];
    last->place = e->place;
    c->entries[e->place] = last;
    entry_retire(c, e);
    count(&c->evictions, true);
}

/* The earliest epoch that a reader may still be in. */
static uint64_t oldest_reader(struct ec_cache *c)
{
    uint64_t oldest = UINT64_MAX;
    for (size_t i = 0; i < EC_CACHE_READERS_MAX; i++) {
        uint64_t announced = atomic_load(&c->readers[i].announced);
        if (announced != 0 && announced < oldest) {
            oldest = announced;
        }
    }
    return oldest;
}

void builder_reclaim(struct ec_cache *c)
{
    if (c->retired == NULL) {
        return;
    }
    uint64_t oldest = oldest_reader(c);
    struct entry **link = &c->retired;
    while (*link != NULL) {
        struct entry *e = *link;
        if (e->retired_in < oldest) {
            *link = e->next_retired;
            entry_free(c, e);
        } else {
            link = &e->next_retired;
        }
    }
}

/* -- room -- */

static bool is_victim(const struct entry *e, uint32_t heat, uint32_t generation, uint64_t spared)
{
    uint32_t its = heat_read(&e->heat, generation);
    return !e->pinned && e->key.hash != spared && heat > its && heat - its > its / MARGIN_DIVISOR;
}

static struct entry *window_entry(const struct ec_cache *c, size_t i)
{
    return c->entries[(c->hand + i) % c->entry_count];
}

static size_t window_len(const struct ec_cache *c)
{
    return c->entry_count < VICTIMS_WINDOW ? c->entry_count : VICTIMS_WINDOW;
}

static struct entry *coldest_victim(const struct ec_cache *c, uint32_t heat, uint32_t generation,
                                    uint64_t spared)
{
    struct entry *coldest = NULL;
    uint32_t least = UINT32_MAX;
    for (size_t i = 0; i < window_len(c); i++) {
        struct entry *e = window_entry(c, i);
        uint32_t its = heat_read(&e->heat, generation);
        if (is_victim(e, heat, generation, spared) && its < least) {
            least = its;
            coldest = e;
        }
    }
    return coldest;
}

/* Bytes that victims of the window would give. */
static size_t victims_bytes(const struct ec_cache *c, uint32_t heat, uint32_t generation,
                            uint64_t spared)
{
    size_t bytes = 0;
    for (size_t i = 0; i < window_len(c); i++) {
        const struct entry *e = window_entry(c, i);
        bytes += is_victim(e, heat, generation, spared) ? e->bytes : 0;
    }
    return bytes;
}

/* Evicts until a table of so many bytes fits; nothing is evicted when that would not be enough. */
static bool make_room(struct ec_cache *c, size_t bytes, uint32_t heat, uint64_t spared)
{
    const size_t budget = budget_of(c);
    const uint32_t generation = generation_now(c);
    if (bytes_of(c) + bytes <= budget && c->entry_count < EC_CACHE_KEYS_MAX) {
        return true;
    }
    if (bytes > budget || c->entry_count == 0) {
        return false;
    }
    c->hand = (c->hand + VICTIMS_WINDOW) % c->entry_count;
    size_t given = victims_bytes(c, heat, generation, spared);
    if (given == 0 || bytes_of(c) + bytes > budget + given) {
        return false;
    }
    while (bytes_of(c) + bytes > budget || c->entry_count == EC_CACHE_KEYS_MAX) {
        struct entry *victim = coldest_victim(c, heat, generation, spared);
        if (victim == NULL) {
            return false;
        }
        entry_evict(c, victim);
    }
    return true;
}

/* A lowered budget: the coldest go, whatever is hotter or not. */
static void shrink(struct ec_cache *c)
{
    for (size_t i = 0; i < EVICTIONS_A_STEP && bytes_of(c) > budget_of(c); i++) {
        c->hand = c->entry_count != 0 ? (c->hand + VICTIMS_WINDOW) % c->entry_count : 0;
        struct entry *victim = coldest_victim(c, UINT32_MAX, generation_now(c), 0);
        if (victim == NULL) {
            return;
        }
        entry_evict(c, victim);
    }
}

/* -- construction -- */

static struct pin *pin_of(struct ec_cache *c, const struct table_key *key)
{
    for (size_t i = 0; i < c->pin_count; i++) {
        if (c->pins[i].key.hash == key->hash) {
            return &c->pins[i];
        }
    }
    return NULL;
}

/* NO_SPACE when the level does not fit, BAD_POINT, INTERNAL. */
static enum status begin_level(struct ec_cache *c, const struct table_key *key,
                               enum ec_table_level level, uint32_t heat)
{
    struct ec_build *build = NULL;
    size_t bytes = c->kernel->table_bytes(key->curve, level) + sizeof(struct entry);
    uint8_t point[EC_POINT_LEN];
    if (!make_room(c, bytes, heat, key->hash)) {
        return STATUS_NO_SPACE;
    }
    key_point(key, point);
    TRY(c->kernel->build_begin(&build, key->curve, point, level));
    c->now = (struct construction){
        .build = build,
        .key = *key,
        .level = level,
        .bytes = bytes,
        .heat = heat,
        .points_left = POINTS_PER_ENTRY * (bytes / TABLE_ENTRY_LEN) + PIN_STEP_POINTS,
    };
    bytes_add(c, bytes);
    return STATUS_OK;
}

/* Begins the widest table up to `level` that fits and is wider than what the key has. */
static enum status begin(struct ec_cache *c, const struct table_key *key, enum ec_table_level level,
                         uint32_t heat)
{
    const struct entry *e = index_find(c, key);
    const enum ec_table_level has = e != NULL ? e->level : EC_TABLE_NONE;
    enum status s = STATUS_OK; /* nothing to do */
    for (; level > has; level--) {
        s = begin_level(c, key, level, heat);
        if (s != STATUS_NO_SPACE) {
            break;
        }
    }
    return s;
}

static struct entry *entry_new(const struct ec_cache *c, struct ec_table *table)
{
    struct entry *e = aligned_alloc(alignof(struct entry), sizeof *e);
    if (e != NULL) {
        memset(e, 0, sizeof *e);
        e->key = c->now.key;
        e->level = c->now.level;
        e->bytes = c->now.bytes;
        e->table = table;
    }
    return e;
}

/* The finished table takes its key's place, or a free one. */
static void publish(struct ec_cache *c, struct ec_table *table)
{
    const uint32_t generation = generation_now(c);
    struct entry *old = index_find(c, &c->now.key);
    struct entry *e = entry_new(c, table);
    if (e == NULL) {
        c->kernel->table_free(&table);
        bytes_sub(c, c->now.bytes);
        return;
    }
    uint32_t heat = old != NULL ? heat_read(&old->heat, generation) : c->now.heat;
    atomic_init(&e->heat, heat_pack(heat, generation));
    e->pinned = pin_of(c, &e->key) != NULL;
    if (old != NULL) {
        entry_keep(c, e, old->place);
        index_replace(c, old, e);
        entry_retire(c, old);
    } else if (c->entry_count < EC_CACHE_KEYS_MAX && index_insert(c, e)) {
        entry_keep(c, e, c->entry_count++);
    } else {
        entry_free(c, e);
        bytes_sub(c, c->now.bytes);
        return;
    }
    count(&c->builds, true);
}

static void advance(struct ec_cache *c, struct ec_scratch *scratch, size_t points)
{
    struct construction *now = &c->now;
    struct ec_table *table = c->kernel->build_step(now->build, scratch, points);
    if (table != NULL) {
        publish(c, table);
    } else if (points < now->points_left) {
        now->points_left -= points;
        return;
    } else {
        bytes_sub(c, now->bytes);
    }
    c->kernel->build_free(&now->build);
    *now = (struct construction){0};
}

/* A pin that no worker has begun yet. */
static struct pin *next_pin(struct ec_cache *c)
{
    for (size_t i = 0; i < c->pin_count; i++) {
        if (!c->pins[i].tried) {
            return &c->pins[i];
        }
    }
    return NULL;
}

static struct wish take_hottest_wish(struct ec_cache_reader *r)
{
    size_t hottest = 0;
    for (size_t i = 1; i < r->wish_count; i++) {
        hottest = r->wishes[i].heat > r->wishes[hottest].heat ? i : hottest;
    }
    struct wish w = r->wishes[hottest];
    r->wishes[hottest] = r->wishes[--r->wish_count];
    return w;
}

void builder_start(struct ec_cache *c, struct ec_cache_reader *r)
{
    for (struct pin *pin = next_pin(c); pin != NULL && c->now.build == NULL; pin = next_pin(c)) {
        pin->tried = true;
        (void)begin(c, &pin->key, EC_TABLE_MEDIUM, UINT32_MAX); /* without a table it still works */
    }
    while (c->now.build == NULL && r->wish_count != 0) {
        struct wish w = take_hottest_wish(r);
        enum status s = begin(c, &w.key, level_worth(w.heat), w.heat);
        if (s == STATUS_BAD_POINT) {
            ghost_forget(&c->ghost, w.key.hash); /* the next attempt costs as many uses again */
        }
    }
}

void builder_step(struct ec_cache *c, struct ec_scratch *scratch, size_t points)
{
    shrink(c);
    if (c->now.build != NULL) {
        advance(c, scratch, points);
    }
}

bool builder_unfinished(const struct ec_cache *c)
{
    bool pins_left = false;
    for (size_t i = 0; i < c->pin_count; i++) {
        pins_left = pins_left || !c->pins[i].tried;
    }
    return c->now.build != NULL || c->retired != NULL || pins_left;
}

/* -- pins -- */

static void finish(struct ec_cache *c, struct ec_scratch *scratch)
{
    while (c->now.build != NULL) {
        advance(c, scratch, PIN_STEP_POINTS);
    }
}

enum status builder_pin(struct ec_cache *c, const struct table_key *key, struct ec_scratch *scratch)
{
    struct pin *pin = pin_of(c, key);
    if (pin == NULL) {
        if (c->pin_count == EC_CACHE_PINS_MAX) {
            return STATUS_NO_SPACE;
        }
        pin = &c->pins[c->pin_count++];
        *pin = (struct pin){*key, false};
    }
    struct entry *e = index_find(c, key);
    if (e != NULL) {
        e->pinned = true;
    }
    if (scratch == NULL) {
        return STATUS_OK;
    }
    finish(c, scratch); /* what another has begun */
    pin->tried = true;
    enum status s = begin(c, key, EC_TABLE_MEDIUM, UINT32_MAX);
    finish(c, scratch);
    builder_reclaim(c);
    if (s != STATUS_OK && index_find(c, key) == NULL) {
        *pin = c->pins[--c->pin_count];
        return s;
    }
    return index_find(c, key) != NULL ? STATUS_OK : STATUS_INTERNAL;
}
