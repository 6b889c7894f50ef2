/*
 * How quiet the machine was: a child process that runs the same short loop four times a second
 * while something else is measured, and what other processes took meanwhile.
 *
 * The loop's time is its own processor time, so that waiting for a processor does not count; what
 * moves it is the processor itself: its clock, a neighbour on the same core or the same cache, a
 * hypervisor that gives the machine less. It takes some 0.5 percent of one core.
 */
#ifndef BENCH_NOISE_H
#define BENCH_NOISE_H

#include <stddef.h>

struct noise;

struct noise_figures {
    size_t samples;
    double spread_percent; /* 90th less 10th percentile of the loop's time, of its median */
    double others_percent; /* of all cores, taken by processes that are not ours; -1: unknown */
    double steal_percent;  /* of all cores, taken by other guests of the host; -1: unknown */
};

/* NULL when no process can be made: nothing is known then, and nothing fails. */
struct noise *noise_start(void);

/* So far, without what others took: that is known when all children of this process have ended. */
struct noise_figures noise_read(const struct noise *noise);

/* Ends it; all there is to know. */
struct noise_figures noise_stop(struct noise **noise);

#endif
