/*
 * Inverses modulo an odd number below 2^256, by divsteps: D. J. Bernstein and B.-Y. Yang, "Fast
 * constant-time gcd computation and modular inversion", TCHES 2019(3), with the start at delta =
 * 1/2 that needs fewer steps (590 for numbers of 256 bits, against 741).
 *
 * Of the modulus only m and inv are read. Numbers are four words, least significant first, plain
 * (not in Montgomery form), x below m; out may be x. 0 gives 0. A prime modulus is assumed: what
 * has a common divisor with m has no inverse, and the result then means nothing. Any thread.
 */
#ifndef PROVIDERS_EC_MODINV64_H
#define PROVIDERS_EC_MODINV64_H

#include "providers/ec/constants.h"

/* For public x; about 1 us. */
void modinv64_vartime(const struct ec64_modulus *m, uint64_t out[static EC64_LIMBS],
                      const uint64_t x[static EC64_LIMBS]);

/* For secret x: no branch, no address depends on it. About twice as long. */
void modinv64(const struct ec64_modulus *m, uint64_t out[static EC64_LIMBS],
              const uint64_t x[static EC64_LIMBS]);

#endif
