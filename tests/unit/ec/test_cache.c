/*
 * Story: keys earn tables by use and keep them by heat; a crowd of strangers changes nothing; and
 * readers go on while a builder replaces what they read.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "providers/ec/tables/cache.h"
#include "tests/unit/ec/fake_kernel.h"

enum {
    ROOM = 100 << 20,
    ENTRY_SLACK = 1000, /* more than what the cache keeps beside a table */
    BATCH = 64,
    STRANGERS = 100000,
    MEDIUM = EC_CACHE_MEDIUM_USES,
};

struct bed {
    struct ec_cache *cache;
    struct ec_cache_reader *reader;
};

static struct bed bed_new(size_t budget)
{
    struct bed b = {0};
    assert_int_equal(ec_cache_new(&b.cache, &fake_kernel, budget), STATUS_OK);
    assert_int_equal(ec_cache_reader_new(&b.reader, b.cache), STATUS_OK);
    fake_log = (struct fake_log){0};
    return b;
}

static void bed_free(struct bed *b)
{
    ec_cache_reader_free(&b->reader);
    ec_cache_free(&b->cache);
    assert_null(b->cache);
    assert_int_equal(atomic_load(&fake_tables_alive), 0);
}

/* One batch that uses the key so many times; the level of its table at the end of the batch. */
static enum ec_table_level use(struct bed *b, uint32_t number, size_t times)
{
    uint8_t point[EC_POINT_LEN];
    const struct ec_table *t = NULL;
    fake_point(point, number);
    ec_cache_enter(b->reader);
    for (size_t i = 0; i < times; i++) {
        t = ec_cache_use(b->reader, CURVE_P256, point);
    }
    enum ec_table_level level = EC_TABLE_NONE;
    if (t != NULL) {
        fake_table_check(t, CURVE_P256, point);
        level = t->level;
    }
    ec_cache_leave(b->reader);
    return level;
}

static void work(struct bed *b, size_t steps)
{
    for (size_t i = 0; i < steps; i++) {
        ec_cache_work(b->reader, NULL, BATCH);
    }
}

/* Uses the key and lets everything be built that it earned. */
static enum ec_table_level heat(struct bed *b, uint32_t number, size_t times)
{
    (void)use(b, number, times);
    work(b, 64);
    return use(b, number, 1);
}

static struct provider_stats stats(const struct bed *b)
{
    struct provider_stats s = {0};
    ec_cache_stats(b->cache, &s);
    return s;
}

static void a_key_earns_its_table_by_use(void **state)
{
    (void)state;
    struct bed b = bed_new(ROOM);
    assert_int_equal(heat(&b, 1, EC_CACHE_SMALL_USES - 1), EC_TABLE_NONE); /* and that was one */
    assert_int_equal(heat(&b, 1, 1), EC_TABLE_SMALL);
    assert_int_equal(heat(&b, 1, EC_CACHE_MEDIUM_USES), EC_TABLE_MEDIUM);
    assert_int_equal(stats(&b).builds, 2);
    assert_int_equal(heat(&b, 1, EC_CACHE_WIDE_USES), EC_TABLE_WIDE);
    assert_int_equal(heat(&b, 2, EC_CACHE_MEDIUM_USES), EC_TABLE_MEDIUM); /* no detour */
    struct provider_stats s = stats(&b);
    assert_int_equal(s.tables_small, 0);
    assert_int_equal(s.tables_medium, 1);
    assert_int_equal(s.tables_wide, 1);
    assert_int_equal(s.builds, 4);
    assert_int_equal(s.evictions, 0);
    assert_in_range(s.bytes, FAKE_WIDE_BYTES + FAKE_MEDIUM_BYTES,
                    FAKE_WIDE_BYTES + FAKE_MEDIUM_BYTES + 2 * ENTRY_SLACK);
    assert_int_equal(atomic_load(&fake_tables_alive), 2); /* the narrower ones were freed */
    bed_free(&b);
}

static void uses_are_counted_as_hits_and_misses(void **state)
{
    (void)state;
    struct bed b = bed_new(ROOM);
    (void)heat(&b, 1, EC_CACHE_SMALL_USES);
    (void)use(&b, 1, 100);
    (void)use(&b, 2, 3);
    assert_int_equal(stats(&b).misses, EC_CACHE_SMALL_USES + 3);
    assert_int_equal(stats(&b).hits, 1 + 100);
    ec_cache_reader_free(&b.reader); /* what it counted stays */
    assert_int_equal(stats(&b).hits, 1 + 100);
    assert_int_equal(ec_cache_reader_new(&b.reader, b.cache), STATUS_OK);
    (void)use(&b, 1, 1);
    assert_int_equal(stats(&b).hits, 1 + 100 + 1);
    bed_free(&b);
}

static void building_happens_in_bounded_steps_after_batches(void **state)
{
    (void)state;
    struct bed b = bed_new(ROOM);
    (void)use(&b, 1, EC_CACHE_WIDE_USES);
    assert_int_equal(fake_log.longest_step, 0); /* nothing inside the batch */
    assert_int_equal(use(&b, 1, 1), EC_TABLE_NONE);
    size_t steps = 0;
    for (; use(&b, 1, 1) == EC_TABLE_NONE; steps++) {
        ec_cache_work(b.reader, NULL, 1);
        assert_true(steps < FAKE_WIDE_POINTS);
    }
    assert_int_equal(fake_log.longest_step, EC_CACHE_STEP_POINTS_MIN);
    assert_true(steps >= FAKE_WIDE_POINTS / EC_CACHE_STEP_POINTS_MIN);
    (void)use(&b, 2, EC_CACHE_WIDE_USES);
    ec_cache_work(b.reader, NULL, 1 << 20);
    assert_int_equal(fake_log.longest_step, EC_CACHE_STEP_POINTS_MAX);
    bed_free(&b);
}

static void the_same_point_on_another_curve_is_another_key(void **state)
{
    (void)state;
    struct bed b = bed_new(ROOM);
    uint8_t point[EC_POINT_LEN];
    assert_int_equal(heat(&b, 1, EC_CACHE_SMALL_USES), EC_TABLE_SMALL);
    fake_point(point, 1);
    ec_cache_enter(b.reader);
    assert_null(ec_cache_use(b.reader, CURVE_FRP256V1, point));
    point[0] = 0x02; /* no uncompressed point */
    assert_null(ec_cache_use(b.reader, CURVE_P256, point));
    ec_cache_leave(b.reader);
    bed_free(&b);
}

static void a_point_on_no_curve_gets_nothing_and_delays_nobody(void **state)
{
    (void)state;
    struct bed b = bed_new(ROOM);
    uint8_t point[EC_POINT_LEN];
    fake_point(point, 7);
    point[1] = FAKE_OFF_CURVE;
    ec_cache_enter(b.reader);
    for (size_t i = 0; i < 1000; i++) {
        assert_null(ec_cache_use(b.reader, CURVE_P256, point));
    }
    ec_cache_leave(b.reader);
    (void)use(&b, 1, EC_CACHE_SMALL_USES);
    work(&b, 1 + FAKE_SMALL_POINTS / (BATCH * EC_CACHE_STEP_POINTS_ITEM));
    assert_int_equal(use(&b, 1, 1), EC_TABLE_SMALL);
    assert_int_equal(stats(&b).builds, 1);
    bed_free(&b);
}

static void over_budget_the_colder_key_goes(void **state)
{
    (void)state;
    struct bed b = bed_new(2 * (FAKE_MEDIUM_BYTES + ENTRY_SLACK));
    assert_int_equal(heat(&b, 1, 4 * MEDIUM), EC_TABLE_MEDIUM);
    assert_int_equal(heat(&b, 2, 2 * MEDIUM), EC_TABLE_MEDIUM);
    assert_int_equal(heat(&b, 3, MEDIUM), EC_TABLE_NONE); /* colder than both: not admitted */
    assert_int_equal(stats(&b).evictions, 0);
    assert_int_equal(heat(&b, 3, 2 * MEDIUM),
                     EC_TABLE_MEDIUM); /* hotter than 2 by more than a quarter */
    assert_int_equal(use(&b, 1, 1), EC_TABLE_MEDIUM);
    assert_int_equal(use(&b, 2, 1), EC_TABLE_NONE);
    struct provider_stats s = stats(&b);
    assert_int_equal(s.evictions, 1);
    assert_true(s.bytes <= s.budget);
    bed_free(&b);
}

static void a_tight_budget_gives_narrower_tables(void **state)
{
    (void)state;
    struct bed b = bed_new(FAKE_SMALL_BYTES + ENTRY_SLACK);
    assert_int_equal(heat(&b, 1, EC_CACHE_WIDE_USES), EC_TABLE_SMALL);
    bed_free(&b);
    b = bed_new(ENTRY_SLACK);
    assert_int_equal(heat(&b, 1, EC_CACHE_WIDE_USES), EC_TABLE_NONE);
    assert_int_equal(stats(&b).builds, 0);
    bed_free(&b);
}

static void a_smaller_budget_takes_effect(void **state)
{
    (void)state;
    struct bed b = bed_new(ROOM);
    for (uint32_t key = 0; key < 40; key++) {
        assert_int_equal(heat(&b, key, MEDIUM + 10 * key), EC_TABLE_MEDIUM);
    }
    ec_cache_set_budget(b.cache, 4 * (FAKE_MEDIUM_BYTES + ENTRY_SLACK));
    work(&b, 64);
    struct provider_stats s = stats(&b);
    assert_int_equal(s.tables_medium, 4);
    assert_true(s.bytes <= s.budget);
    assert_int_equal(use(&b, 39, 1), EC_TABLE_MEDIUM); /* the hottest are left */
    assert_int_equal(use(&b, 0, 1), EC_TABLE_NONE);
    bed_free(&b);
}

static void strangers_build_nothing_and_evict_nobody(void **state)
{
    (void)state;
    struct bed b = bed_new(3 * (FAKE_MEDIUM_BYTES + ENTRY_SLACK)); /* full with three keys */
    for (uint32_t key = 1; key <= 3; key++) {
        assert_int_equal(heat(&b, key, EC_CACHE_MEDIUM_USES), EC_TABLE_MEDIUM);
    }
    (void)use(&b, 4, EC_CACHE_SMALL_USES - 2); /* on its way, and must not be forgotten */
    for (uint32_t i = 0; i < STRANGERS; i++) {
        assert_int_equal(use(&b, 1000 + i, 1), EC_TABLE_NONE);
        ec_cache_work(b.reader, NULL, 1);
    }
    assert_int_equal(stats(&b).builds, 3);
    assert_int_equal(stats(&b).evictions, 0);
    ec_cache_set_budget(b.cache, ROOM);
    assert_int_equal(heat(&b, 4, 2), EC_TABLE_SMALL);
    for (uint32_t key = 1; key <= 3; key++) {
        assert_int_equal(use(&b, key, 1), EC_TABLE_MEDIUM);
    }
    bed_free(&b);
}

static void heat_fades(void **state)
{
    (void)state;
    struct bed b = bed_new(FAKE_MEDIUM_BYTES + ENTRY_SLACK);
    assert_int_equal(heat(&b, 1, 1000), EC_TABLE_MEDIUM);
    assert_int_equal(heat(&b, 2, 200), EC_TABLE_NONE);
    const uint8_t nobody[EC_POINT_LEN] = {0}; /* counts as a use, and as no key's */
    for (uint32_t i = 0; i < 5 * EC_CACHE_HALF_LIFE_USES; i += 1 << 10) { /* 1000 becomes 31 */
        ec_cache_enter(b.reader);
        for (size_t j = 0; j < 1 << 10; j++) {
            (void)ec_cache_use(b.reader, CURVE_P256, nobody);
        }
        ec_cache_leave(b.reader);
    }
    assert_int_equal(heat(&b, 2, 200), EC_TABLE_MEDIUM);
    bed_free(&b);
}

static void pinned_keys_stay(void **state)
{
    (void)state;
    struct bed b = bed_new(2 * (FAKE_MEDIUM_BYTES + ENTRY_SLACK));
    struct ec_scratch *scratch = NULL;
    uint8_t point[EC_POINT_LEN];
    assert_int_equal(fake_kernel.scratch_new(&scratch), STATUS_OK);
    fake_point(point, 1);
    assert_int_equal(ec_cache_pin(b.cache, CURVE_P256, point, scratch), STATUS_OK);
    assert_int_equal(stats(&b).tables_medium, 1); /* at once */
    assert_int_equal(ec_cache_pin(b.cache, CURVE_P256, point, scratch), STATUS_OK);
    assert_int_equal(stats(&b).builds, 1);
    assert_int_equal(heat(&b, 2, MEDIUM), EC_TABLE_MEDIUM);
    assert_int_equal(heat(&b, 3, 5000), EC_TABLE_MEDIUM); /* goes for 2, never for 1 */
    assert_int_equal(use(&b, 2, 1), EC_TABLE_NONE);
    assert_int_equal(use(&b, 1, 1), EC_TABLE_MEDIUM);

    fake_point(point, 9);
    assert_int_equal(ec_cache_pin(b.cache, CURVE_P256, point, scratch), STATUS_OK); /* for 3 */
    fake_point(point, 10);
    assert_int_equal(ec_cache_pin(b.cache, CURVE_P256, point, scratch), STATUS_NO_SPACE);
    point[1] = FAKE_OFF_CURVE;
    assert_int_equal(ec_cache_pin(b.cache, CURVE_P256, point, scratch), STATUS_NO_SPACE);
    ec_cache_set_budget(b.cache, ROOM);
    assert_int_equal(ec_cache_pin(b.cache, CURVE_P256, point, scratch), STATUS_BAD_POINT);
    assert_int_equal(heat(&b, 1, EC_CACHE_WIDE_USES), EC_TABLE_WIDE); /* still pinned, and grows */
    ec_cache_set_budget(b.cache, ENTRY_SLACK);
    work(&b, 16);
    assert_int_equal(use(&b, 1, 1), EC_TABLE_WIDE);
    assert_int_equal(use(&b, 9, 1), EC_TABLE_MEDIUM);
    fake_kernel.scratch_free(&scratch);
    bed_free(&b);
}

static void pins_may_be_left_to_the_workers(void **state)
{
    (void)state;
    struct bed b = bed_new(ROOM);
    uint8_t point[EC_POINT_LEN];
    for (uint32_t key = 0; key < 3; key++) {
        fake_point(point, key);
        assert_int_equal(ec_cache_pin(b.cache, CURVE_P256, point, NULL), STATUS_OK);
    }
    assert_int_equal(stats(&b).builds, 0);
    work(&b, 64);
    assert_int_equal(stats(&b).tables_medium, 3);
    ec_cache_set_budget(b.cache, ENTRY_SLACK);
    work(&b, 64);
    assert_int_equal(stats(&b).tables_medium, 3);
    bed_free(&b);
}

static void a_table_lives_while_a_reader_may_use_it(void **state)
{
    (void)state;
    struct bed b = bed_new(FAKE_MEDIUM_BYTES + ENTRY_SLACK);
    struct ec_cache_reader *slow = NULL;
    uint8_t point[EC_POINT_LEN];
    assert_int_equal(ec_cache_reader_new(&slow, b.cache), STATUS_OK);
    assert_int_equal(heat(&b, 1, MEDIUM), EC_TABLE_MEDIUM);
    fake_point(point, 1);
    ec_cache_enter(slow);
    const struct ec_table *held = ec_cache_use(slow, CURVE_P256, point);
    assert_non_null(held);
    assert_int_equal(heat(&b, 2, 2 * MEDIUM), EC_TABLE_MEDIUM); /* evicts 1 */
    assert_int_equal(stats(&b).evictions, 1);
    work(&b, 16);
    assert_int_equal(atomic_load(&fake_tables_alive), 2);
    fake_table_check(held, CURVE_P256, point);
    assert_ptr_equal(ec_cache_use(slow, CURVE_P256, point), held); /* this batch knows it */
    uint8_t elsewhere[EC_POINT_LEN];
    fake_point(elsewhere, 1);
    assert_null(ec_cache_use(slow, CURVE_P256, elsewhere)); /* no longer found */
    ec_cache_leave(slow);
    work(&b, 16);
    assert_int_equal(atomic_load(&fake_tables_alive), 1);
    ec_cache_reader_free(&slow);
    bed_free(&b);
}

static void readers_are_limited(void **state)
{
    (void)state;
    struct bed b = bed_new(ROOM);
    struct ec_cache_reader *more[EC_CACHE_READERS_MAX] = {NULL};
    for (size_t i = 0; i < EC_CACHE_READERS_MAX - 1; i++) {
        assert_int_equal(ec_cache_reader_new(&more[i], b.cache), STATUS_OK);
    }
    struct ec_cache_reader *over = NULL;
    assert_int_equal(ec_cache_reader_new(&over, b.cache), STATUS_INTERNAL);
    ec_cache_reader_free(&more[0]);
    assert_int_equal(ec_cache_reader_new(&over, b.cache), STATUS_OK);
    ec_cache_reader_free(&over);
    for (size_t i = 0; i < EC_CACHE_READERS_MAX; i++) {
        ec_cache_reader_free(&more[i]);
    }
    bed_free(&b);
}

/* -- threads -- */

enum { THREADS = 4, THREAD_BATCHES = 3000, THREAD_KEYS = 40 };

struct walker {
    pthread_t thread;
    struct ec_cache *cache;
    uint32_t seed;
};

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223; /* Numerical Recipes' generator */
    return *seed >> 8;
}

/* Batches over keys whose popularity moves, so that tables come and go all the time. */
static void *walk(void *arg)
{
    struct walker *w = arg;
    struct ec_cache_reader *reader = NULL;
    if (ec_cache_reader_new(&reader, w->cache) != STATUS_OK) {
        abort();
    }
    for (uint32_t i = 0; i < THREAD_BATCHES; i++) {
        uint8_t point[BATCH][EC_POINT_LEN];
        const struct ec_table *table[BATCH];
        ec_cache_enter(reader);
        for (size_t j = 0; j < BATCH; j++) {
            fake_point(point[j], (i / 100 + next_random(&w->seed) % 5) % THREAD_KEYS);
            table[j] = ec_cache_use(reader, CURVE_P256, point[j]);
        }
        for (size_t j = 0; j < BATCH; j++) {
            if (table[j] != NULL) {
                fake_table_check(table[j], CURVE_P256, point[j]);
            }
        }
        ec_cache_leave(reader);
        ec_cache_work(reader, NULL, BATCH);
        if (i % 64 == 0) { /* room for nothing, then for five */
            ec_cache_set_budget(w->cache, i / 64 % 2 * 5 * (FAKE_MEDIUM_BYTES + ENTRY_SLACK));
        }
    }
    ec_cache_reader_free(&reader);
    return NULL;
}

static void readers_and_builders_share_the_cache(void **state)
{
    (void)state;
    struct bed b = bed_new(5 * (FAKE_MEDIUM_BYTES + ENTRY_SLACK));
    struct walker walkers[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        walkers[i] = (struct walker){.cache = b.cache, .seed = i};
        assert_int_equal(pthread_create(&walkers[i].thread, NULL, walk, &walkers[i]), 0);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(walkers[i].thread, NULL), 0);
    }
    struct provider_stats s = stats(&b);
    assert_int_equal(s.hits + s.misses, (uint64_t)THREADS * THREAD_BATCHES * BATCH);
    assert_true(s.builds > 5 && s.evictions > 5);
    bed_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_earns_its_table_by_use),
        cmocka_unit_test(uses_are_counted_as_hits_and_misses),
        cmocka_unit_test(building_happens_in_bounded_steps_after_batches),
        cmocka_unit_test(the_same_point_on_another_curve_is_another_key),
        cmocka_unit_test(a_point_on_no_curve_gets_nothing_and_delays_nobody),
        cmocka_unit_test(over_budget_the_colder_key_goes),
        cmocka_unit_test(a_tight_budget_gives_narrower_tables),
        cmocka_unit_test(a_smaller_budget_takes_effect),
        cmocka_unit_test(strangers_build_nothing_and_evict_nobody),
        cmocka_unit_test(heat_fades),
        cmocka_unit_test(pinned_keys_stay),
        cmocka_unit_test(pins_may_be_left_to_the_workers),
        cmocka_unit_test(a_table_lives_while_a_reader_may_use_it),
        cmocka_unit_test(readers_are_limited),
        cmocka_unit_test(readers_and_builders_share_the_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
