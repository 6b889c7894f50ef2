/*
 * The eight-lane group formulas (pt8.h) over any small prime, behind plain functions: residues go
 * in and out as small integers.
 */
#ifndef TESTS_UNIT_EC_TINY_OPS_H
#define TESTS_UNIT_EC_TINY_OPS_H

#include <stddef.h>
#include <stdint.h>

#include "providers/ec/constants.h"

enum { TINY_LANES = 8 };

/* (X / Z^2, Y / Z^3), or affine points, whose z are not looked at. */
struct tiny_points {
    uint64_t x[TINY_LANES], y[TINY_LANES], z[TINY_LANES];
};

/* Affine results; nonsense in the lanes of the mask. */
struct tiny_result {
    uint64_t x[TINY_LANES], y[TINY_LANES];
    unsigned exceptional;
};

/* With `lifted`, every residue enters as large as the formulas allow instead of below m. */
void tiny_dbl(const struct ec52_modulus *m, bool lifted, const struct tiny_points *p,
              struct tiny_result *out);
/* Two doublings in flight: of p into out[0], of q into out[1]. */
void tiny_dbl_pair(const struct ec52_modulus *m, bool lifted, const struct tiny_points *p,
                   const struct tiny_points *q, struct tiny_result out[2]);
void tiny_madd(const struct ec52_modulus *m, bool lifted, const struct tiny_points *p,
               const struct tiny_points *q, struct tiny_result *out);
void tiny_add(const struct ec52_modulus *m, bool lifted, const struct tiny_points *p,
              const struct tiny_points *q, struct tiny_result *out);
/* 2 (p + q) + p: whether an exceptional lane stays one. */
void tiny_sequel(const struct ec52_modulus *m, const struct tiny_points *p,
                 const struct tiny_points *q, struct tiny_result *out);

/* 1 / a, and a / 2. */
void tiny_inverse(const struct ec52_modulus *m, const uint64_t a[TINY_LANES],
                  uint64_t out[TINY_LANES]);
void tiny_half(const struct ec52_modulus *m, bool lifted, const uint64_t a[TINY_LANES],
               uint64_t out[TINY_LANES]);
/* n vectors at once, in place; no element is 0. */
enum { TINY_BATCH_MAX = 16 };
void tiny_inverse_batch(const struct ec52_modulus *m, size_t n, uint64_t a[][TINY_LANES]);

#endif
