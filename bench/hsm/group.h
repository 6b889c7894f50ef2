/*
 * Cases that are compared with each other, measured side by side: each has its own processes, which
 * work in turns, a batch of one after a batch of the other, so that a machine that slows down slows
 * all of them. Ratios are taken batch by batch.
 */
#ifndef BENCH_HSM_GROUP_H
#define BENCH_HSM_GROUP_H

#include "bench/hsm/case.h"
#include "bench/hsm/target.h"

enum { GROUP_CASES_MAX = 96 };

struct pace {
    double slice;    /* seconds of a batch */
    size_t batches;  /* at least, before an interval may be narrow enough */
    size_t launches; /* of the processes of each case: two of them need not be alike */
    double narrow;   /* half the interval, of the mean: it is */
};

/*
 * Runs until all intervals are narrow or the time is over, and fills in what came of each case.
 * False: a module that stalled or died took all of them.
 */
bool group_run(struct hsm_case cases[], size_t n, const struct target *target,
               const struct pace *pace, double seconds);

/* Status and figure of a case whose crew has ended. */
void case_conclude(struct hsm_case *c);

#endif
