/*
 * ECDSA cases with chosen insides: the two scalars u1 and u2 of the sum u1 G + u2 Q, or the point
 * that the sum shall be. With libcrypto's groups, whose multiplication the kernels do not share.
 *
 * Failures end the program.
 */
#ifndef TESTS_UNIT_EC_FORGE_H
#define TESTS_UNIT_EC_FORGE_H

#include <openssl/bn.h>
#include <openssl/ec.h>

#include "providers/core/curves.h"
#include "providers/provider.h"
#include "tests/unit/ec/prng.h"

struct forge {
    enum curve curve;
    EC_GROUP *group;
    BN_CTX *bn;
    BIGNUM *p, *n;
};

/* A signature with its key and digest; want: OK or SIGNATURE_INVALID. */
struct forged {
    enum curve curve;
    uint8_t Q[EC_POINT_LEN];
    uint8_t digest[SHA256_LEN];
    uint8_t signature[EC_SIGNATURE_LEN];
    enum status want;
};

void forge_open(struct forge *f, enum curve curve);
void forge_close(struct forge *f);

struct verify_item forged_item(const struct forged *c);

/* d G; d is reduced and not 0. */
void forge_point(struct forge *f, const BIGNUM *d, uint8_t out[static EC_POINT_LEN]);

/*
 * With Q = d G: the case whose sum is u1 G + u2 Q, u2 not 0. When that is infinity, r is 1 and the
 * case invalid. False when r would be 0.
 */
bool forge_scalars(struct forge *f, const BIGNUM *d, const BIGNUM *u1, const BIGNUM *u2,
                   struct forged *out);

/*
 * The case whose sum is the point with this x (and some y), signed by a key made for it; r is
 * given, and want is what the caller says. u1 and u2 are random. False when there is no such point.
 */
bool forge_sum(struct forge *f, struct prng *prng, const BIGNUM *x, const BIGNUM *r,
               enum status want, struct forged *out);

/* ECDSA (SEC 1, 4.1.3) with d and nonce k of any digest. False where r or s would be 0. */
bool forge_sign(struct forge *f, const BIGNUM *d, const BIGNUM *k,
                const uint8_t digest[static SHA256_LEN], struct forged *out);

/* Below n, not 0: random, or with a likely look of trouble. */
void forge_random(struct forge *f, struct prng *prng, BIGNUM *out);
void forge_edge(struct forge *f, struct prng *prng, BIGNUM *out);

#endif
