/*
 * The interval of a median: ranks by the binomial distribution, and that it covers the truth as
 * often as it says.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bench/figure.h"

static void close_to(double a, double b, double by)
{
    if (!(fabs(a - b) <= by)) {
        fail_msg("%.9g is not %.9g", a, b);
    }
}

/* n, n - 1, ..., 1 */
static struct figure of_first(size_t n)
{
    double values[64];
    for (size_t i = 0; i < n; i++) {
        values[i] = (double)(n - i);
    }
    return figure_of(n, values);
}

/* Ranks and confidences of a table of the sign test's interval (Conover, Table A3: b(n, 1/2)). */
static void ranks_are_the_binomials(void **state)
{
    static const struct {
        size_t n, k;
        double confidence;
    } known[] = {{6, 1, 0.96875},   {7, 1, 0.984375},  {8, 1, 0.9921875}, {9, 2, 0.9609375},
                 {11, 2, 0.988281}, {20, 6, 0.958611}, {25, 8, 0.956715}};
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        const size_t n = known[i].n;
        const struct figure f = of_first(n);
        close_to(f.low, (double)known[i].k, 0);
        close_to(f.high, (double)(n + 1 - known[i].k), 0);
        close_to(f.value, (double)(n + 1) / 2, 0);
        close_to(f.confidence, known[i].confidence, 1e-6);
        assert_int_equal(f.samples, n);
    }
}

static void too_few_rounds_give_no_figure(void **state)
{
    (void)state;
    for (size_t n = 0; n < FIGURE_ROUNDS_MIN; n++) {
        assert_int_equal(of_first(n).samples, 0);
    }
    assert_int_equal(of_first(FIGURE_ROUNDS_MIN).samples, FIGURE_ROUNDS_MIN);
}

/* 10,000 times 11 rounds of a skewed distribution whose median is ln 2. */
static void it_covers_the_median_as_often_as_it_says(void **state)
{
    enum { TIMES = 10000, ROUNDS = 11 };
    double values[ROUNDS], said = 0;
    int covered = 0;
    (void)state;
    srand48(1);
    for (int i = 0; i < TIMES; i++) {
        for (size_t j = 0; j < ROUNDS; j++) {
            values[j] = -log1p(-drand48());
        }
        const struct figure f = figure_of(ROUNDS, values);
        covered += f.low <= M_LN2 && M_LN2 <= f.high ? 1 : 0;
        said = f.confidence;
    }
    close_to((double)covered / TIMES, said, 0.005); /* four standard deviations */
}

/* Newcombe 1998, Table I, method 3. */
static void shares_are_wilsons(void **state)
{
    (void)state;
    const struct figure f = figure_of_share(81, 263), none = figure_of_share(0, 20);
    close_to(f.low, 0.2553, 5e-5);
    close_to(f.high, 0.3662, 5e-5);
    close_to(none.low, 0, 0);
    close_to(none.high, 0.1611, 5e-5);
    close_to(figure_of_share(29, 29).high, 1, 0);
    assert_int_equal(figure_of_share(0, 0).samples, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_are_the_binomials),
        cmocka_unit_test(too_few_rounds_give_no_figure),
        cmocka_unit_test(it_covers_the_median_as_often_as_it_says),
        cmocka_unit_test(shares_are_wilsons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
