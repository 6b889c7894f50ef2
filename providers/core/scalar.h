/*
 * Secret scalars modulo the order n of a curve, byte by byte: drawing and adding.
 */
#ifndef PROVIDERS_CORE_SCALAR_H
#define PROVIDERS_CORE_SCALAR_H

#include "providers/core/curves.h"
#include "providers/core/random.h"

/* A uniform k in [1, n-1] by rejection sampling. INTERNAL; k is zero then. */
MUST_CHECK enum status scalar_draw(const struct curve_params *c, struct drbg *drbg,
                                   uint8_t k[static FIELD_LEN]);

/* out = a + b mod n, for a and b below n; constant time. */
void scalar_add(const struct curve_params *c, uint8_t out[static FIELD_LEN],
                const uint8_t a[static FIELD_LEN], const uint8_t b[static FIELD_LEN]);

#endif
