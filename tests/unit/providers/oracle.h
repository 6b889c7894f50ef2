/*
 * An independent oracle for the three curves: textbook affine arithmetic on libcrypto's BIGNUMs,
 * with its own copy of the domain parameters and no EC_ function. Slow, variable time, for tests
 * alone.
 */
#ifndef TESTS_UNIT_PROVIDERS_ORACLE_H
#define TESTS_UNIT_PROVIDERS_ORACLE_H

#include "providers/core/curves.h"
#include "providers/provider.h"

/* k * P, with G for P where point is NULL; false for infinity. Big-endian k of 32 bytes. */
bool oracle_mul(enum curve curve, const uint8_t k[static EC_SCALAR_LEN], const uint8_t *point,
                uint8_t out[static EC_POINT_LEN]);

/* ECDSA with this nonce (SEC 1, 4.1.3); the digest is reduced mod n. */
void oracle_sign(enum curve curve, const uint8_t d[static EC_SCALAR_LEN],
                 const uint8_t digest[static SHA256_LEN], const uint8_t nonce[static EC_SCALAR_LEN],
                 uint8_t signature[static EC_SIGNATURE_LEN]);

/* A point whose x is small, and the same with x + p for x, which fits 32 bytes. */
void oracle_small_point(enum curve curve, uint8_t point[static EC_POINT_LEN],
                        uint8_t x_plus_p[static EC_POINT_LEN]);

/* n + delta, as 32 bytes. */
void oracle_order(enum curve curve, int delta, uint8_t out[static EC_SCALAR_LEN]);

#endif
