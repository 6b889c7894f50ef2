/*
 * Checks on points in plain C, one at a time: independent of the kernels, so that they can be held
 * against what the kernels compute. Public values only: variable time.
 */
#ifndef PROVIDERS_EC_CHECK_H
#define PROVIDERS_EC_CHECK_H

#include "providers/provider.h"

/* OK, BAD_POINT, BAD_CURVE. */
MUST_CHECK enum status ec_check_point_vartime(enum curve curve,
                                              const uint8_t point[static EC_POINT_LEN]);

/* Whether S = P + Q, for points of the curve none of which is infinity; false for P = -Q. */
bool ec_check_sum_vartime(enum curve curve, const uint8_t P[static EC_POINT_LEN],
                          const uint8_t Q[static EC_POINT_LEN],
                          const uint8_t S[static EC_POINT_LEN]);

#endif
