/*
 * The results as text that fits a terminal of 80 columns.
 */
#ifndef BENCH_HSM_SUMMARY_H
#define BENCH_HSM_SUMMARY_H

#include "bench/hsm/advice.h"
#include "bench/hsm/curve.h"
#include "bench/hsm/plan.h"
#include "bench/hsm/target.h"

void summary_print(const struct plan *plan, const struct target *target,
                   const struct hsm_curve curves[], size_t curves_n, const struct advice *advice);

#endif
