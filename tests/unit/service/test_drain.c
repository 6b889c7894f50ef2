/*
 * When to come back, on a clock of the test's: the measured rate, idleness, a stall, the bounds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "service/drain.h"

enum { MS = 1000, S = 1000 * MS };

/* One item done each interval_us, for as long; there is always work. The clock at the end. */
static uint64_t run(struct drain *d, uint64_t now, uint64_t interval_us, uint64_t for_us)
{
    for (uint64_t end = now + for_us; now < end; now += interval_us) {
        drain_done(d, now + interval_us, 1);
        drain_add(d, now + interval_us, 1);
    }
    return now;
}

static void it_is_half_of_what_waits_at_the_measured_rate(void **state)
{
    (void)state;
    static const struct {
        uint64_t interval_us;
        size_t waiting;
    } cases[] = {{10, 1000}, {100, 1000}, {100, 4000}, {2000, 50}, {50 * MS, 20}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct drain d = {0};
        drain_add(&d, 0, cases[i].waiting);
        uint64_t now = run(&d, 0, cases[i].interval_us, 2 * S);
        uint64_t expected = cases[i].interval_us * cases[i].waiting / 2;
        assert_in_range(drain_after_us(&d, now), expected * 9 / 10, expected * 11 / 10);
    }
}

static void a_change_of_pace_shows_soon(void **state)
{
    (void)state;
    struct drain d = {0};
    drain_add(&d, 0, 1000);
    uint64_t now = run(&d, 0, 100, 2 * S);
    now = run(&d, now, 1 * MS, 2 * S); /* a custodian of two is lost, say */
    assert_in_range(drain_after_us(&d, now), 450 * MS, 550 * MS);
    now = run(&d, now, 100, 2 * S);
    assert_in_range(drain_after_us(&d, now), 45 * MS, 55 * MS);
}

static void idle_time_is_no_slowness(void **state)
{
    (void)state;
    struct drain d = {0};
    drain_add(&d, 0, 100);
    uint64_t now = run(&d, 0, 1 * MS, 1 * S);
    uint64_t busy = drain_after_us(&d, now);
    drain_done(&d, now, 100);
    now += 3600 * (uint64_t)S;
    drain_add(&d, now, 100);
    assert_in_range(drain_after_us(&d, now), busy / 2, busy); /* the hundred went at once */
}

static void a_stall_sends_clients_further_away(void **state)
{
    (void)state;
    struct drain d = {0};
    drain_add(&d, 0, 100);
    uint64_t now = run(&d, 0, 1 * MS, 1 * S);
    uint64_t last = drain_after_us(&d, now);
    for (int i = 0; i < 5; i++) {
        now += 500 * MS;
        assert_true(drain_after_us(&d, now) > last);
        last = drain_after_us(&d, now);
    }
    assert_int_equal(drain_after_us(&d, now + 3600 * (uint64_t)S), DRAIN_AFTER_MAX_US);
}

static void it_has_bounds_and_a_first_answer(void **state)
{
    (void)state;
    struct drain d = {0};
    assert_int_equal(drain_after_us(&d, 0), DRAIN_AFTER_UNKNOWN_US);
    drain_add(&d, 5, 10);
    assert_int_equal(drain_after_us(&d, 5), DRAIN_AFTER_UNKNOWN_US);
    drain_done(&d, 6, 10);
    assert_int_equal(drain_after_us(&d, 7), DRAIN_AFTER_MIN_US);
    drain_done(&d, 6, 0);
    assert_int_equal(d.waiting, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_half_of_what_waits_at_the_measured_rate),
        cmocka_unit_test(a_change_of_pace_shows_soon),
        cmocka_unit_test(idle_time_is_no_slowness),
        cmocka_unit_test(a_stall_sends_clients_further_away),
        cmocka_unit_test(it_has_bounds_and_a_first_answer),
    };
    return cmocka_run_group_tests_name("drain", tests, NULL, NULL);
}
