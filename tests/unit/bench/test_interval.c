/*
 * Intervals by batch means and of percentiles: known values, missing batches, and that they hold
 * the truth as often as they say.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bench/hsm/case.h"
#include "bench/hsm/interval.h"

enum { RUNS = 4000, BATCHES = 8, VALUES = 2000 };

static uint64_t state = 1;

static double uniform(void)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return ((double)(state >> 11) + 0.5) * 0x1p-53;
}

/* Box and Muller, 1958. */
static double normal(void)
{
    return sqrt(-2 * log(uniform())) * cos(2 * 3.14159265358979 * uniform());
}

static bool near(double a, double b)
{
    return fabs(a - b) < 5e-4;
}

/* Mean 3.5, standard deviation sqrt(3.5); t of 5 degrees of freedom is 2.570582. */
static void test_known_values(void **unused)
{
    const double batches[] = {1, 2, 3, 4, 5, 6};
    const struct figure f = interval_of(6, batches);
    const double half = 2.570582 * sqrt(3.5 / 6);
    (void)unused;
    assert_true(near(f.value, 3.5) && near(f.low, 3.5 - half) && near(f.high, 3.5 + half));
    assert_int_equal(f.samples, 6);
    assert_true(near(interval_width(&f), half / 3.5));
}

/* Twenty batches: t of 19 degrees of freedom is 2.093024, which is not in the table. */
static void test_more_than_the_table(void **unused)
{
    double batches[20];
    (void)unused;
    for (size_t i = 0; i < 20; i++) {
        batches[i] = i % 2 == 0 ? 99 : 101;
    }
    const struct figure f = interval_of(20, batches);
    assert_true(near(f.high - f.value, 2.093024 * sqrt(20.0 / 19 / 20)));
}

static void test_too_few_batches_have_no_figure(void **unused)
{
    const double batches[] = {5, -1, 5, 5, -1, 5, 5, 5};
    (void)unused;
    assert_int_equal(interval_of(7, batches).samples, 0);
    assert_int_equal(interval_of(8, batches).samples, 6);
    assert_true(near(interval_of(8, batches).value, 5));
    const struct figure none = {0};
    assert_true(interval_width(&none) >= 1);
}

static void test_a_ratio_is_taken_batch_by_batch(void **unused)
{
    const double ours[] = {2, 4, 6, -1, 8, 10, 12, 900}, theirs[] = {1, 2, 3, 4, 4, 5, 6, 3};
    (void)unused;
    const struct figure f = interval_of_ratio(8, ours, theirs);
    assert_int_equal(f.samples, 7);
    assert_true(near(f.value, 2)); /* one wild batch moves nothing */
}

static void test_intervals_hold_the_mean(void **unused)
{
    unsigned held = 0;
    (void)unused;
    for (unsigned run = 0; run < RUNS; run++) {
        double batches[BATCHES];
        for (unsigned i = 0; i < BATCHES; i++) {
            batches[i] = 1000 + 30 * normal();
        }
        const struct figure f = interval_of(BATCHES, batches);
        held += f.low <= 1000 && 1000 <= f.high ? 1 : 0;
    }
    assert_in_range(held, RUNS * 94 / 100, RUNS * 96 / 100);
}

/* The true percentile of an exponential distribution is -ln(1 - p); buckets are 1/64 wide. */
static void test_intervals_hold_the_percentile(void **unused)
{
    static struct histogram h;
    unsigned held = 0;
    (void)unused;
    for (unsigned run = 0; run < 400; run++) {
        uint64_t low, high;
        memset(&h, 0, sizeof h);
        for (unsigned i = 0; i < VALUES; i++) {
            histogram_record(&h, (uint64_t)(-log(uniform()) * 1e6));
        }
        assert_true(interval_of_percentile(&h, 950, &low, &high));
        const double truth = -log(0.05) * 1e6;
        held += (double)low * (1 - 1.0 / 64) <= truth && truth <= (double)high ? 1 : 0;
    }
    assert_in_range(held, 400 * 92 / 100, 400);
}

static void test_a_percentile_of_too_few_has_no_interval(void **unused)
{
    static struct histogram h;
    uint64_t low, high;
    (void)unused;
    assert_false(interval_of_percentile(&h, 500, &low, &high));
    for (unsigned i = 1; i <= 1000; i++) {
        histogram_record(&h, i);
    }
    assert_true(interval_of_percentile(&h, 500, &low, &high));
    assert_true(low < 500 && 500 < high);
    assert_true(interval_of_percentile(&h, 990, &low, &high));
    assert_false(interval_of_percentile(&h, 999, &low, &high));
}

static void test_errors_beyond_the_places_share_the_last(void **unused)
{
    struct hsm_error errors[ERRORS_MAX] = {{0}};
    uint64_t sum = 0;
    (void)unused;
    for (unsigned long code = 1; code <= 2 * ERRORS_MAX; code++) {
        case_count_error(errors, code, 2);
    }
    for (size_t i = 0; i < ERRORS_MAX; i++) {
        sum += errors[i].count;
    }
    assert_int_equal(errors[0].code, 1);
    assert_int_equal(sum, 4 * ERRORS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_values),
        cmocka_unit_test(test_more_than_the_table),
        cmocka_unit_test(test_too_few_batches_have_no_figure),
        cmocka_unit_test(test_a_ratio_is_taken_batch_by_batch),
        cmocka_unit_test(test_intervals_hold_the_mean),
        cmocka_unit_test(test_intervals_hold_the_percentile),
        cmocka_unit_test(test_a_percentile_of_too_few_has_no_interval),
        cmocka_unit_test(test_errors_beyond_the_places_share_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
