/*
 * Confidence intervals by the method of batch means: a run is divided into batches, the mean of
 * each is taken for one observation, and Student's t of those gives the interval of their mean. It
 * asks that batches are long enough to be all but independent; single operations are not.
 */
#ifndef BENCH_HSM_INTERVAL_H
#define BENCH_HSM_INTERVAL_H

#include <stdbool.h>
#include <stddef.h>

#include "bench/figure.h"
#include "bench/histogram.h"

enum { INTERVAL_BATCHES_MIN = FIGURE_ROUNDS_MIN };

/* The mean with its 95 % interval; fewer than INTERVAL_BATCHES_MIN give no figure. Negative values
 * are missing ones. */
struct figure interval_of(size_t n, const double batches[]);

/* The median of ours over theirs, batch by batch, where neither is missing, as bench/figure.h takes
 * it: one batch in which somebody else had the machine moves a mean of ratios far. */
struct figure interval_of_ratio(size_t n, const double ours[], const double theirs[]);

/* Half of the interval, of the mean; 1 when there is no figure. */
double interval_width(const struct figure *f);

/*
 * A percentile's 95 % interval by order statistics: the values at those ranks between which so many
 * of n independent values lie below the true percentile with that probability (normal
 * approximation of the binomial). False when there are too few values for one.
 */
bool interval_of_percentile(const struct histogram *h, unsigned per_mille, uint64_t *low,
                            uint64_t *high);

#endif
