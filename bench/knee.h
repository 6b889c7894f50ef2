/*
 * The knee of a server: the largest open-loop load that it answers whole and in bounded time.
 *
 * Beyond it a queue grows as long as the load lasts. It is found by bisection between nothing and
 * somewhat more than what a closed loop gets out of the server. A busy machine stumbles, and then a
 * load looks like too much that is not: so it counts as too much when it fails three times, and in
 * the end a little more is tried once again.
 */
#ifndef BENCH_KNEE_H
#define BENCH_KNEE_H

#include "bench/load.h"

enum { KNEE_STEPS = 12, KNEE_P99_MS = 50 };

struct knee_step {
    double rate, achieved; /* pieces of work a second: offered, and answered well */
    double p50_ms, p99_ms, p999_ms, bad_share;
    bool sustained;
};

struct knee {
    double closed_rate; /* pieces of work a second in a closed loop */
    double rate;        /* of the knee */
    struct load_result at;
    size_t steps;
    struct knee_step step[KNEE_STEPS];
};

/* Puts the load of step->rate on something and fills in the rest. False: nothing more can be
 * measured. */
typedef bool knee_try(void *arg, struct knee_step *step);

/* The search by itself, whatever the load is put on; `at` is left alone. closed_rate: what a closed
 * loop gets. False: nothing can be measured, or no load is sustained, and *out has the steps. */
bool knee_search(double closed_rate, knee_try *try, void *arg, struct knee *out);

/* options: rate is set here. False when the server cannot be reached, or fails whatever the load.
 */
bool knee_find(const struct load_options *options, const struct load_source *source,
               struct knee *out);

#endif
