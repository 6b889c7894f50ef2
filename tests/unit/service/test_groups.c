/*
 * Which lane is next, and when a group's breaker opens and closes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "service/custody/groups.h"

enum { MS = 1000, LANES = 4 };

static char a[] = "a", b[] = "b", c[] = "c", d[] = "d", left[] = "left", right[] = "right";
static bool all[LANES] = {true, true, true, true};

/* Two groups of two, and weights 3, 1, 2, 2. */
static struct groups two_by_two(void)
{
    const struct config_custodian custodians[LANES] = {
        {.name = a, .group = left, .weight = 3},
        {.name = b, .group = left, .weight = 1},
        {.name = c, .group = right, .weight = 2},
        {.name = d, .group = right, .weight = 2},
    };
    struct groups g;
    groups_init(&g, custodians, LANES);
    return g;
}

static void a_custodian_without_a_group_is_one(void **state)
{
    const struct config_custodian custodians[3] = {
        {.name = a}, {.name = b, .group = left}, {.name = left}};
    struct groups g;
    (void)state;
    groups_init(&g, custodians, 3);
    assert_int_equal(g.count, 2);
    assert_string_equal(g.of[0]->name, "a");
    assert_ptr_equal(g.of[1], g.of[2]);
    assert_int_equal(g.weight[0], 1);
}

static void each_gets_its_share(void **state)
{
    struct groups g = two_by_two();
    size_t items[LANES] = {0};
    (void)state;
    for (unsigned i = 0; i < 8000; i++) {
        const size_t lane = groups_next(&g, all), n = 1 + (size_t)rand() % 48;
        assert_in_range(lane, 0, LANES - 1);
        groups_gave(&g, lane, n);
        items[lane] += n;
    }
    for (size_t i = 1; i < LANES; i++) { /* within what a batch or two are */
        const long long share = (long long)(items[0] * g.weight[i]) - (long long)(items[i] * 3);
        assert_true(llabs(share) < 1000);
    }
}

static void only_who_is_free_gets_any(void **state)
{
    struct groups g = two_by_two();
    bool free[LANES] = {false};
    (void)state;
    assert_int_equal(groups_next(&g, free), LANES);
    free[1] = true;
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(groups_next(&g, free), 1);
        groups_gave(&g, 1, 48);
    }
}

/* Who was away does not get all until it has caught up. */
static void an_absence_earns_nothing(void **state)
{
    struct groups g = two_by_two();
    bool free[LANES] = {false, false, true, true};
    unsigned batches[LANES] = {0};
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        groups_gave(&g, groups_next(&g, free), 8);
    }
    for (unsigned i = 0; i < 800; i++) {
        const size_t lane = groups_next(&g, all);
        groups_gave(&g, lane, 8);
        batches[lane]++;
    }
    assert_in_range(batches[0], 290, 310);
    assert_in_range(batches[1], 90, 110);
}

static void opens_after_failures_in_a_row(void **state)
{
    struct groups g = two_by_two();
    (void)state;
    for (unsigned i = 0; i < 100; i++) { /* never enough of them */
        for (unsigned k = 1; k < GROUP_FAILURES_MAX; k++) {
            assert_false(groups_result(&g, k % 2, false, 0));
        }
        assert_false(groups_result(&g, i % 2, true, 0));
    }
    for (unsigned k = 1; k < GROUP_FAILURES_MAX; k++) {
        assert_false(groups_result(&g, k % 2, false, 0));
    }
    assert_true(groups_result(&g, 0, false, 0)); /* of both lanes together */
    assert_false(groups_closed(&g, 0) || groups_closed(&g, 1));
    assert_true(groups_closed(&g, 2) && groups_closed(&g, 3));
    assert_int_equal(g.of[0]->openings, 1);
    for (unsigned i = 0; i < 100; i++) {
        const size_t lane = groups_next(&g, all);
        assert_in_range(lane, 2, 3);
        groups_gave(&g, lane, 48);
    }
    assert_false(groups_result(&g, 0, true, 0)); /* a batch from before says nothing */
    assert_false(groups_closed(&g, 0));
}

static void is_tried_after_a_pause_that_doubles(void **state)
{
    struct groups g = two_by_two();
    uint64_t now = 1000 * MS, pause = GROUP_PAUSE_MIN_US;
    (void)state;
    assert_int_equal(groups_due_us(&g, all), UINT64_MAX);
    for (unsigned k = 0; k < GROUP_FAILURES_MAX; k++) {
        (void)groups_result(&g, 3, false, now);
    }
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(groups_due_us(&g, all), now + pause);
        assert_int_equal(groups_due_us(&g, (bool[LANES]){true, true}), UINT64_MAX);
        assert_false(groups_probe_due(&g, 2, now + pause - 1));
        now += pause;
        assert_false(groups_probe_due(&g, 0, now)); /* not its group */
        assert_true(groups_probe_due(&g, 2, now));
        assert_false(groups_probe_due(&g, 3, now)); /* one at a time */
        assert_int_equal(g.of[2]->breaker, BREAKER_HALF_OPEN);
        assert_int_equal(groups_due_us(&g, all), UINT64_MAX);
        assert_false(groups_closed(&g, 2));
        assert_false(groups_probed(&g, 2, false, now));
        pause = 2 * pause < GROUP_PAUSE_MAX_US ? 2 * pause : (uint64_t)GROUP_PAUSE_MAX_US;
    }
    now += pause;
    assert_true(groups_probe_due(&g, 3, now));
    assert_true(groups_probed(&g, 3, true, now));
    assert_true(groups_closed(&g, 2) && groups_closed(&g, 3));
    assert_int_equal(g.of[2]->openings, 1);

    for (unsigned k = 0; k < GROUP_FAILURES_MAX; k++) { /* the next time it begins anew */
        assert_int_equal(groups_result(&g, 3, false, now), k == GROUP_FAILURES_MAX - 1);
    }
    assert_int_equal(groups_due_us(&g, all), now + GROUP_PAUSE_MIN_US);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_custodian_without_a_group_is_one),
        cmocka_unit_test(each_gets_its_share),
        cmocka_unit_test(only_who_is_free_gets_any),
        cmocka_unit_test(an_absence_earns_nothing),
        cmocka_unit_test(opens_after_failures_in_a_row),
        cmocka_unit_test(is_tried_after_a_pause_that_doubles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
