#include "bench/hsm/group.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/hsm/crew.h"
#include "bench/hsm/interval.h"
#include "bench/measure.h"

enum { LOST_IN_A_ROW = 2 };

static const double agreement = 0.1;

struct group {
    size_t n;
    struct hsm_case *cases;
    struct crew crews[GROUP_CASES_MAX];
    bool runs[GROUP_CASES_MAX];
};

static void stop(struct group *g, size_t i)
{
    g->runs[i] = false;
    crew_end(&g->crews[i]);
}

/* A module that takes one worker after the other is not given more of them. */
static void start_all(struct group *g, const struct target *target)
{
    size_t lost = 0;
    for (size_t i = 0; i < g->n; i++) {
        struct hsm_case *c = &g->cases[i];
        if (hsm_interrupted) {
            case_end(c, CASE_SKIPPED, "interrupted");
        } else if (lost >= LOST_IN_A_ROW) {
            case_end(c, CASE_SKIPPED, "the module stalled or died in the cases before");
        } else if (c->status == CASE_OK) {
            g->runs[i] = crew_start(&g->crews[i], c, target);
            lost = g->crews[i].lost ? lost + 1 : 0;
        }
    }
}

static void batch(struct group *g, size_t i, size_t round, double slice)
{
    struct hsm_case *c = &g->cases[i];
    const double rate = crew_closed(&g->crews[i], (unsigned)round, slice);
    c->rate[round] = rate;
    c->batches = round + 1;
    if (!(rate > 0)) {
        c->rate[round] = -1;
        case_end(c, CASE_FAILED, "no operation succeeds any more");
        stop(g, i);
    }
}

/* One batch of each, by turns from either end, so that none is always the first. */
static void run_round(struct group *g, size_t round, double slice)
{
    for (size_t k = 0; k < g->n; k++) {
        const size_t i = round % 2 == 0 ? k : g->n - 1 - k;
        if (g->runs[i] && !hsm_interrupted) {
            batch(g, i, round, slice);
        }
    }
}

static bool any_runs(const struct group *g)
{
    bool any = false;
    for (size_t i = 0; i < g->n; i++) {
        any = any || g->runs[i];
    }
    return any;
}

static bool all_narrow(const struct group *g, double narrow)
{
    for (size_t i = 0; i < g->n; i++) {
        const struct hsm_case *c = &g->cases[i];
        const struct figure f = interval_of(c->batches, c->rate);
        if (g->runs[i] && interval_width(&f) > narrow) {
            return false;
        }
    }
    return true;
}

static void say_errors(struct hsm_case *c)
{
    const struct lane *lane = lane_of(c->load.lane);
    char text[CASE_WHY_MAX / 2] = "";
    size_t len = 0;
    for (size_t i = 0; i < ERRORS_MAX && c->errors[i].count != 0 && len < sizeof text; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s %llu", i == 0 ? "" : ", ",
                                lane->error_name(c->errors[i].code),
                                (unsigned long long)c->errors[i].count);
    }
    case_end(c, CASE_PARTIAL, "%llu operations failed beside %llu that did not: %s",
             (unsigned long long)c->failures, (unsigned long long)c->latency.count, text);
}

void case_conclude(struct hsm_case *c)
{
    c->figure = interval_of(c->batches, c->rate);
    if (c->figure.samples == 0 && (c->status == CASE_OK || c->latency.count == 0)) {
        case_end(c, CASE_SKIPPED, "the time was too short for an interval");
    } else if (c->status == CASE_FAILED || c->status == CASE_SKIPPED) {
        c->status = CASE_PARTIAL;
    }
    if (c->failures != 0) {
        say_errors(c);
    }
}

/* Whether the two ways to measure the same say the same, which is stated and judges nothing. */
static void say_agreement(struct hsm_case *c)
{
    const struct figure *r = &c->ratio;
    const bool agree = r->low >= 1 - agreement && r->high <= 1 + agreement;
    const bool differ = r->high < 1 - agreement || r->low > 1 + agreement;
    (void)snprintf(c->note, sizeof c->note, "%.3f (%.3f to %.3f) of a plain loop of C_Sign: %s",
                   c->ratio.value, c->ratio.low, c->ratio.high,
                   agree    ? "they agree within 10 percent"
                   : differ ? "they differ by more than 10 percent"
                            : "the interval is too wide to tell whether within 10 percent");
}

static void conclude(struct group *g)
{
    for (size_t i = 0; i < g->n; i++) {
        struct hsm_case *c = &g->cases[i];
        if (hsm_interrupted) {
            case_end(c, CASE_SKIPPED, "interrupted");
        }
        case_conclude(c);
    }
    for (size_t i = 0; i < g->n; i++) {
        struct hsm_case *c = &g->cases[i], *peer = &g->cases[c->peer];
        if (peer != c) {
            const size_t n = c->batches < peer->batches ? c->batches : peer->batches;
            c->ratio = interval_of_ratio(n, c->rate, peer->rate);
            if (peer->load.lane == LANE_RAW && c->ratio.samples != 0) {
                say_agreement(c);
            }
        }
    }
}

static bool all_lost(const struct group *g)
{
    bool lost = true;
    for (size_t i = 0; i < g->n; i++) {
        lost =
            lost && (g->cases[i].hidden || g->crews[i].lost || g->cases[i].status == CASE_SKIPPED);
    }
    return lost;
}

static void warm_up(struct group *g, const struct pace *pace)
{
    for (size_t i = 0; i < g->n; i++) {
        if (g->runs[i] && crew_warm_up(&g->crews[i], pace->slice) < 0) {
            stop(g, i);
        }
    }
}

/* Rounds with the processes that there are now: some at least, then until all intervals are narrow
 * or the time is over. How many there are then. */
static size_t run_launch(struct group *g, size_t round, const struct pace *pace, double end)
{
    const size_t least = round + (pace->batches + pace->launches - 1) / pace->launches;
    while (round < BATCHES_MAX && any_runs(g) && !hsm_interrupted) {
        if (round >= least && (bench_now_s() >= end || all_narrow(g, pace->narrow))) {
            break;
        }
        run_round(g, round++, pace->slice);
    }
    return round;
}

static void stop_all(struct group *g)
{
    for (size_t i = 0; i < g->n; i++) {
        stop(g, i);
    }
}

bool group_run(struct hsm_case cases[], size_t n, const struct target *target,
               const struct pace *pace, double seconds)
{
    struct group *g = calloc(1, sizeof *g);
    if (g == NULL) {
        abort();
    }
    *g = (struct group){.n = n < GROUP_CASES_MAX ? n : GROUP_CASES_MAX, .cases = cases};
    const double begin = bench_now_s();
    bool ok = true;
    size_t round = 0;
    for (size_t launch = 1; ok && launch <= pace->launches && !hsm_interrupted; launch++) {
        start_all(g, target);
        warm_up(g, pace);
        round =
            run_launch(g, round, pace, begin + seconds * (double)launch / (double)pace->launches);
        ok = !all_lost(g);
        stop_all(g);
    }
    conclude(g);
    free(g);
    return ok || hsm_interrupted;
}
