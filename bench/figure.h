/*
 * A figure and how well it is known: the median of rounds, and a confidence interval of that median
 * by order statistics.
 *
 * The interval assumes nothing about how rounds are distributed: the true median lies between the
 * k-th smallest and the k-th largest of n independent rounds with a probability that the binomial
 * distribution gives. The narrowest such pair that reaches FIGURE_CONFIDENCE is taken; with fewer
 * than FIGURE_ROUNDS_MIN rounds none does, and no figure may be stated.
 */
#ifndef BENCH_FIGURE_H
#define BENCH_FIGURE_H

#include <stddef.h>
#include <stdint.h>

#define FIGURE_CONFIDENCE 0.95

enum { FIGURE_ROUNDS_MIN = 6 }; /* 1 - 2 / 2^6 = 0.969; of five it is 0.938 */

struct figure {
    double value, low, high;
    double confidence; /* that the interval reaches: at least FIGURE_CONFIDENCE */
    size_t samples;    /* 0: there is no figure */
};

/* Sorts the values. Fewer than FIGURE_ROUNDS_MIN give no figure. */
struct figure figure_of(size_t n, double values[]);

/* A share, so many of n, with its Wilson interval: also where it is 0 of many. */
struct figure figure_of_share(uint64_t count, uint64_t n);

#endif
