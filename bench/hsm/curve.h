/*
 * Latency against load: open loops at several rates, and the knee, the largest rate that the token
 * carries whole and in bounded time.
 */
#ifndef BENCH_HSM_CURVE_H
#define BENCH_HSM_CURVE_H

#include <jansson.h>

#include "bench/hsm/case.h"
#include "bench/hsm/target.h"
#include "bench/knee.h"

enum { CURVE_POINTS_MAX = 3 * KNEE_STEPS + 4 }; /* each three times at most */

struct curve_point {
    double offered, achieved, not_ok;
    struct histogram latency;
};

struct hsm_curve {
    struct hsm_load load;
    size_t n;
    struct curve_point points[CURVE_POINTS_MAX];
    struct hsm_case knee; /* the largest load that is carried; figure.samples 0: none was found */
};

/* closed: the rate of the same load in a closed loop. False: nothing could be measured. */
bool curve_measure(struct hsm_curve *out, const struct target *target, const struct hsm_load *load,
                   double closed, double seconds);

json_t *curve_json(const struct hsm_curve *c);

#endif
