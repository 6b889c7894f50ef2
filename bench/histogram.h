/*
 * Times in nanoseconds, counted in log-linear buckets: every power of two is divided into 64 equal
 * steps, so that a percentile is at most 1/64 above the truth, from 1 ns to hours. Recording is a
 * few instructions and no memory is ever taken.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_STEP_BITS = 6,
    HISTOGRAM_STEPS = 1 << HISTOGRAM_STEP_BITS,
    /* Values below 2^6 have a bucket each; then 64 steps a power of two up to 2^44 ns, 4.9 h. */
    HISTOGRAM_TOP_BITS = 44,
    HISTOGRAM_BUCKETS = (HISTOGRAM_TOP_BITS - HISTOGRAM_STEP_BITS + 1) << HISTOGRAM_STEP_BITS,
};

struct histogram {
    uint64_t count, max;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_record(struct histogram *h, uint64_t ns);
void histogram_add(struct histogram *h, const struct histogram *more);

/* The rank-th smallest value, from 1; 0 when there are none. */
uint64_t histogram_rank(const struct histogram *h, uint64_t rank);

/* The time that so many per mille of the values do not exceed; 0 when there are none. */
uint64_t histogram_per_mille(const struct histogram *h, unsigned per_mille);

#endif
