/*
 * Which cases are measured, and which of them side by side: a group for each operation on each
 * curve.
 */
#ifndef BENCH_HSM_PLAN_H
#define BENCH_HSM_PLAN_H

#include "bench/hsm/case.h"

enum { SWEEP_MAX = 8, PLAN_GROUPS_MAX = 2 * OP_COUNT };

struct sweep {
    size_t n;
    unsigned of[SWEEP_MAX];
};

struct plan_options {
    struct sweep processes, threads, sessions;
    const char *only; /* part of an id; NULL: all */
    bool quick;       /* other operations than the one swept by one process and one thread */
    bool service, service_signs;
    bool raw; /* the plain loop is there to compare with */
};

struct plan_group {
    struct hsm_case *cases;
    size_t n;
};

struct plan {
    struct hsm_case *cases;
    size_t n, groups_n;
    struct plan_group groups[PLAN_GROUPS_MAX];
};

/* False: there is no case. */
bool plan_make(struct plan *plan, const struct plan_options *options);
void plan_free(struct plan *plan);

/* A case of what is swept, ECDSA signatures on P-256, through the lane direct with one session a
 * thread; NULL: there is none, or it has no figure. */
const struct hsm_case *plan_find(const struct plan *plan, unsigned processes, unsigned threads);

#endif
