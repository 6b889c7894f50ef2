/*
 * What follows from the results for eckad's configuration.
 */
#ifndef BENCH_HSM_ADVICE_H
#define BENCH_HSM_ADVICE_H

#include "bench/hsm/curve.h"
#include "bench/hsm/plan.h"
#include "bench/hsm/target.h"

enum { ADVICE_MAX = 4, ADVICE_BECAUSE_MAX = 400, ADVICE_YAML_MAX = 4096 };

struct advice {
    size_t n;
    unsigned custodians;
    struct {
        char because[ADVICE_BECAUSE_MAX], yaml[ADVICE_YAML_MAX];
    } of[ADVICE_MAX];
};

/* curve: of the best load, or NULL. */
void advice_make(struct advice *out, const struct plan *plan, const struct target *target,
                 const struct hsm_curve *curve);

/* How many processes are worth having, and their case; 1 and NULL where nothing tells. */
unsigned advice_processes(const struct plan *plan, const struct hsm_case **best);

#endif
