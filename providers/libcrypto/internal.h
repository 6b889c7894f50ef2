/*
 * What the files of the libcrypto backend share: one thread's context.
 */
#ifndef PROVIDERS_LIBCRYPTO_INTERNAL_H
#define PROVIDERS_LIBCRYPTO_INTERNAL_H

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include "providers/core/curves.h"
#include "providers/provider.h"

enum { KEY_CACHE_SLOTS = 64 };

/* A public key ready to verify with, kept while its slot is not claimed by another. */
struct cached_key {
    enum curve curve; /* CURVE_NONE: free */
    uint8_t point[EC_POINT_LEN];
    EVP_PKEY *pkey;
    EVP_PKEY_CTX *verify;
};

struct curve_ctx {
    const struct curve_params *params;
    EC_GROUP *group;
    EVP_PKEY *domain; /* the parameters alone; a public key is a copy of it with a point */
    EC_POINT *point;  /* scratch of point_import() */
};

struct libcrypto_ctx {
    struct curve_ctx curve[CURVE_COUNT];
    BN_CTX *bn; /* for public values; secret ones take a BN_CTX_secure_new() a batch */
    struct cached_key cache[KEY_CACHE_SLOTS];
};

/* The curve's context; NULL for what is no curve. */
struct curve_ctx *curve_ctx(struct libcrypto_ctx *ctx, enum curve curve);

MUST_CHECK enum status curve_ctx_init(struct curve_ctx *c, enum curve curve, BN_CTX *bn);
void curve_ctx_fini(struct curve_ctx *c);

/*
 * Decodes a point into c->point and checks it: 04, x and y below p, on the curve. So it is of order
 * n, since the cofactor is 1 and infinity has no such form. BAD_POINT, INTERNAL.
 */
MUST_CHECK enum status point_import(struct curve_ctx *c, const uint8_t point[static EC_POINT_LEN],
                                    BN_CTX *bn);

/* Empties the thread's error queue; whether it held this reason (EC_R_...) of libcrypto's EC. */
bool ec_errors_hold(int reason);

void key_cache_fini(struct libcrypto_ctx *ctx);

void libcrypto_verify_vartime(void *ctx, size_t n, const struct verify_item items[],
                              enum status out[]);
void libcrypto_keygen(void *ctx, struct drbg *drbg, size_t n, const struct keygen_item items[],
                      enum status out[]);
void libcrypto_ecka(void *ctx, size_t n, const struct ecka_item items[], enum status out[]);

#endif
