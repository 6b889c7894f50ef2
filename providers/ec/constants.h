/*
 * What the kernels know of the three curves, in Montgomery form: constants.c is made by
 * tools/ec_constants.py, and a test holds it fresh.
 *
 * Every curve is computed with a = -3: brainpoolP256r1 on its twist P256t1, into which in_x and
 * in_y lead (x * in_x, y * in_y) and from which out_x and out_y lead back; they are 1 elsewhere.
 */
#ifndef PROVIDERS_EC_CONSTANTS_H
#define PROVIDERS_EC_CONSTANTS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/curve.h"

enum { EC52_LIMBS = 5, EC64_LIMBS = 4, EC52_WEAK = 16 };

struct ec52_modulus {                     /* R = 2^260 */
    uint64_t m[EC52_LIMBS];               /* the modulus, limbs of 52 bits */
    uint64_t inv;                         /* -m^-1 mod 2^52 */
    uint64_t one[EC52_LIMBS];             /* R mod m */
    uint64_t rr[EC52_LIMBS];              /* R^2 mod m */
    uint64_t weak[EC52_LIMBS][EC52_WEAK]; /* limb, then i: the largest multiple of m <= i 2^255 */
};

struct ec52_curve {
    struct ec52_modulus p, n;
    uint64_t b[EC52_LIMBS], gx[EC52_LIMBS], gy[EC52_LIMBS];
    uint64_t in_x[EC52_LIMBS], in_y[EC52_LIMBS], out_x[EC52_LIMBS], out_y[EC52_LIMBS];
    uint64_t p_minus_n[EC52_LIMBS]; /* plain; 0 where p < n: then no r + n is below p, and r may be
                                       >= p */
    bool twisted;
};

struct ec64_modulus { /* R = 2^256 */
    uint64_t m[EC64_LIMBS];
    uint64_t inv; /* -m^-1 mod 2^64 */
    uint64_t one[EC64_LIMBS], rr[EC64_LIMBS];
};

struct ec64_curve {
    struct ec64_modulus p, n;
    uint64_t b[EC64_LIMBS], gx[EC64_LIMBS], gy[EC64_LIMBS];
    uint64_t in_x[EC64_LIMBS], in_y[EC64_LIMBS], out_x[EC64_LIMBS], out_y[EC64_LIMBS];
    uint64_t p_minus_n[EC64_LIMBS];
    bool twisted;
};

extern const struct ec52_curve ec52_curves[CURVE_COUNT];
extern const struct ec64_curve ec64_curves[CURVE_COUNT];

#endif
