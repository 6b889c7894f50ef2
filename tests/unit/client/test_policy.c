/* What a client decides, on a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "service/client/policy.h"

enum { NOW = 1000000, NONE = 3 };

static size_t choose(const struct policy_endpoint e[3], uint32_t avoid, size_t first)
{
    return policy_choose(e, 3, avoid, first, NOW);
}

static void the_least_outstanding_is_chosen(void **state)
{
    (void)state;
    struct policy_endpoint e[3] = {{.up = true, .outstanding = 5},
                                   {.up = true, .outstanding = 4},
                                   {.up = true, .outstanding = 6}};
    for (size_t first = 0; first < 3; first++) {
        assert_int_equal(choose(e, 0, first), 1);
        assert_int_equal(choose(e, 2, first), 0);
        assert_int_equal(choose(e, 3, first), 2);
        assert_int_equal(choose(e, 7, first), NONE);
    }
}

static void equals_take_turns(void **state)
{
    (void)state;
    struct policy_endpoint e[3] = {{.up = true}, {.up = true}, {.up = true}};
    for (size_t first = 0; first < 3; first++) {
        assert_int_equal(choose(e, 0, first), first);
    }
    e[0].outstanding = 1;
    assert_int_equal(choose(e, 0, 0), 1);
    assert_int_equal(choose(e, 0, 2), 2);
}

static void only_usable_ones_are_chosen(void **state)
{
    (void)state;
    const struct policy_endpoint good = {.up = true, .outstanding = 9};
    const struct policy_endpoint bad[] = {
        {.up = false},
        {.up = true, .draining = true},
        {.up = true, .blocked = true},
        {.up = true, .busy_until = NOW + 1},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct policy_endpoint one[3] = {bad[i], good, bad[i]};
        const struct policy_endpoint none[3] = {bad[i], bad[i], bad[i]};
        assert_int_equal(choose(one, 0, i % 3), 1);
        assert_int_equal(choose(none, 0, i % 3), NONE);
    }
    const struct policy_endpoint over = {.up = true, .busy_until = NOW};
    assert_true(policy_usable(&over, NOW));
}

static void busy_means_a_while(void **state)
{
    (void)state;
    assert_int_equal(policy_busy_until(2500, NOW), NOW + 2500);
    assert_int_equal(policy_busy_until(0, NOW), NOW + POLICY_PAUSE_MIN_US);
    assert_int_equal(policy_busy_until(UINT64_MAX, NOW), NOW + POLICY_PAUSE_MAX_US);
}

static void some_statuses_are_worth_another_attempt(void **state)
{
    (void)state;
    for (unsigned code = 0; code < 256; code++) {
        enum status s = (enum status)code;
        bool waits = s == STATUS_DISCONNECTED || s == STATUS_DRAINING;
        bool moves = waits || s == STATUS_BUSY || s == STATUS_UNAVAILABLE;
        assert_int_equal(policy_again(s, 1, false), waits);
        assert_int_equal(policy_again(s, 1, true), moves);
        assert_int_equal(policy_again(s, POLICY_ATTEMPTS_MAX - 1, true), moves);
        assert_false(policy_again(s, POLICY_ATTEMPTS_MAX, true));
    }
}

static void silence_is_probed_and_then_believed(void **state)
{
    (void)state;
    const struct policy_heartbeat h = {.interval = 100, .timeout = 250};
    assert_int_equal(policy_pulse(&h, NOW, 0, NOW), PULSE_FINE);
    assert_int_equal(policy_pulse(&h, NOW, 0, NOW + 99), PULSE_FINE);
    assert_int_equal(policy_pulse_at(&h, NOW, 0), NOW + 100);
    assert_int_equal(policy_pulse(&h, NOW, 0, NOW + 100), PULSE_PROBE);

    assert_int_equal(policy_pulse(&h, NOW, NOW + 100, NOW + 249), PULSE_FINE);
    assert_int_equal(policy_pulse_at(&h, NOW, NOW + 100), NOW + 250);
    assert_int_equal(policy_pulse(&h, NOW, NOW + 100, NOW + 250), PULSE_GONE);

    /* a caller that looks away for an hour finds silence that nobody probed */
    assert_int_equal(policy_pulse(&h, NOW, 0, NOW + 3600000000), PULSE_PROBE);
    assert_int_equal(policy_pulse(&h, NOW, NOW + 3600000000, NOW + 3600000149), PULSE_FINE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_outstanding_is_chosen),
        cmocka_unit_test(equals_take_turns),
        cmocka_unit_test(only_usable_ones_are_chosen),
        cmocka_unit_test(busy_means_a_while),
        cmocka_unit_test(some_statuses_are_worth_another_attempt),
        cmocka_unit_test(silence_is_probed_and_then_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
