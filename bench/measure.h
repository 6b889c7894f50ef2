/*
 * Measuring two ways of doing the same work against each other, on one thread.
 *
 * Every round runs each case both ways, one right after the other, so that a throttled machine
 * slows both; the ratio is taken round by round. Time is the thread's own: what other processes
 * take of the processor counts for nobody.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include "bench/figure.h"

struct bench_case {
    const char *name;
    const char *peer;
    void (*ours)(void *arg);
    void (*theirs)(void *arg);
    void *arg;
    size_t items;       /* done by one call of ours */
    size_t peer_items;  /* and by one of theirs */
    size_t calls;       /* of ours in a slice; 0: as many as fill BENCH_SLICE_MS */
    double floor;       /* the ratio asked for; 0: none */
    size_t table_bytes; /* of the key tables that ours reads; 0: none */
};

struct bench_result {
    struct figure items_per_s; /* of processor time */
    struct figure peer_items_per_s;
    struct figure ratio;   /* ours / theirs */
    double ticks_per_item; /* of the time stamp counter, median; 0 where there is none */
};

enum { BENCH_ROUNDS_MIN = FIGURE_ROUNDS_MIN, BENCH_ROUNDS_MAX = 25, BENCH_SLICE_MS = 20 };

/* As many rounds as fit the time, within the bounds above; each case runs once more before them. */
void bench_measure(size_t n, const struct bench_case cases[], struct bench_result out[],
                   double seconds);

double bench_now_s(void);
/* What this thread has had of the processor: a machine busy with others slows nobody here. */
double bench_cpu_s(void);

/* Sorts the values; the one that so many percent of them do not exceed. */
double bench_percentile(double *values, size_t n, size_t percent);

#endif
