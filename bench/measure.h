/*
 * Measuring two ways of doing the same work against each other, on one thread.
 *
 * Every round runs each case both ways, one right after the other, so that a busy or throttled
 * machine slows both; the ratio is taken round by round.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stddef.h>

struct bench_case {
    const char *name;
    const char *peer;
    size_t items; /* done by one call of either */
    void (*ours)(void *arg);
    void (*theirs)(void *arg);
    void *arg;
};

struct bench_result {
    double items_per_s; /* medians over the rounds */
    double peer_items_per_s;
    double ratio;     /* ours / theirs */
    double ratio_low; /* 10th and 90th percentile of the rounds */
    double ratio_high;
    size_t rounds;
};

enum { BENCH_ROUNDS_MIN = 5, BENCH_ROUNDS_MAX = 1000, BENCH_SLICE_MS = 20 };

/* As many rounds as fit the time, BENCH_ROUNDS_MIN at least. */
void bench_measure(size_t n, const struct bench_case cases[], struct bench_result out[],
                   double seconds);

#endif
