/*
 * The domain parameters of the three curves, and the range checks that every backend makes first.
 */
#ifndef PROVIDERS_CORE_CURVES_H
#define PROVIDERS_CORE_CURVES_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/curve.h"

enum {
    FIELD_LEN = 32, /* all three fields and orders have 256 bits */
    POINT_LEN = 1 + 2 * FIELD_LEN,
    POINT_UNCOMPRESSED = 0x04, /* SEC 1, 2.3.3 */
};

/* y^2 = x^3 + ax + b over GF(p), G of prime order n, cofactor 1; big-endian. */
struct curve_params {
    uint8_t p[FIELD_LEN], a[FIELD_LEN], b[FIELD_LEN], n[FIELD_LEN];
    uint8_t gx[FIELD_LEN], gy[FIELD_LEN];
};

/* NULL for what is no curve. */
const struct curve_params *curve_params(enum curve curve);

/* Whether k is in [1, n-1], in constant time but for the answer. */
bool scalar_in_range(const struct curve_params *c, const uint8_t k[static FIELD_LEN]);

/* Whether the point starts with 04 and its coordinates are below p. Not: whether it is on the
 * curve. */
bool point_form_ok(const struct curve_params *c, const uint8_t point[static POINT_LEN]);

#endif
