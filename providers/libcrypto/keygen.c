/*
 * Key pairs: k by rejection sampling from the caller's DRBG, Q = kG by libcrypto's constant-time
 * multiplication, and a consistency check a batch.
 *
 * The check: (k_1 + ... + k_m) G = Q_1 + ... + Q_m for the m new pairs of each curve, computed
 * after Q was encoded and decoded again, so one wrong pair fails it at the price of one
 * multiplication. Then no pair of that curve leaves the batch.
 */
#include <openssl/err.h>

#include "providers/core/scalar.h"
#include "providers/core/secret.h"
#include "providers/libcrypto/internal.h"

/* Sums over one curve's pairs of this batch. */
struct pair_sums {
    BIGNUM *k;
    EC_POINT *Q;
    size_t pairs;
};

static bool pair_sums_init(struct pair_sums *s, struct curve_ctx *c)
{
    s->k = BN_secure_new();
    s->Q = EC_POINT_new(c->group);
    if (s->k == NULL || s->Q == NULL) {
        return false;
    }
    BN_zero(s->k);
    BN_set_flags(s->k, BN_FLG_CONSTTIME);
    return EC_POINT_set_to_infinity(c->group, s->Q) == 1;
}

static void pair_sums_fini(struct pair_sums *s)
{
    BN_clear_free(s->k);
    EC_POINT_free(s->Q);
}

/* Adds a pair, whose Q is decoded from what the caller will see. */
static bool pair_sums_add(struct pair_sums *s, struct curve_ctx *c, const BIGNUM *k,
                          const uint8_t Q[static EC_POINT_LEN], BN_CTX *bn)
{
    if (s->pairs++ == 0 && !pair_sums_init(s, c)) {
        return false;
    }
    const BIGNUM *n = EC_GROUP_get0_order(c->group);
    return s->k != NULL && s->Q != NULL && point_import(c, Q, bn) == STATUS_OK &&
           BN_mod_add_quick(s->k, s->k, k, n) == 1 &&
           EC_POINT_add(c->group, s->Q, s->Q, c->point, bn) == 1;
}

static bool pair_sums_agree(const struct pair_sums *s, struct curve_ctx *c, BN_CTX *bn)
{
    if (s->k == NULL || s->Q == NULL) {
        return false; /* the sums could not even be set up */
    }
    EC_POINT *kG = EC_POINT_new(c->group);
    bool agree = kG != NULL && EC_POINT_mul(c->group, kG, s->k, NULL, NULL, bn) == 1 &&
                 EC_POINT_cmp(c->group, kG, s->Q, bn) == 0;
    EC_POINT_clear_free(kG);
    return agree;
}

static enum status generate_one(struct curve_ctx *c, struct drbg *drbg,
                                const struct keygen_item *item, struct pair_sums *sums, BN_CTX *bn)
{
    TRY(scalar_draw(c->params, drbg, item->k));
    enum status status = STATUS_INTERNAL;
    BIGNUM *k = BN_secure_new();
    EC_POINT *Q = EC_POINT_new(c->group);
    if (k != NULL && Q != NULL && BN_bin2bn(item->k, EC_SCALAR_LEN, k) != NULL) {
        BN_set_flags(k, BN_FLG_CONSTTIME);
        if (EC_POINT_mul(c->group, Q, k, NULL, NULL, bn) == 1 &&
            EC_POINT_point2oct(c->group, Q, POINT_CONVERSION_UNCOMPRESSED, item->Q, EC_POINT_LEN,
                               bn) == EC_POINT_LEN &&
            pair_sums_add(sums, c, k, item->Q, bn)) {
            status = STATUS_OK;
        }
    }
    EC_POINT_clear_free(Q);
    BN_clear_free(k);
    return status;
}

static void check_pairs(struct libcrypto_ctx *ctx, const struct pair_sums sums[static CURVE_COUNT],
                        size_t n, const struct keygen_item items[], enum status out[], BN_CTX *bn)
{
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        if (sums[c].pairs == 0 || pair_sums_agree(&sums[c], &ctx->curve[c], bn)) {
            continue;
        }
        for (size_t i = 0; i < n; i++) {
            if (items[i].curve == (enum curve)c) {
                out[i] = STATUS_INTERNAL;
            }
        }
    }
}

void libcrypto_keygen(void *vctx, struct drbg *drbg, size_t n, const struct keygen_item items[],
                      enum status out[])
{
    struct libcrypto_ctx *ctx = vctx;
    struct pair_sums sums[CURVE_COUNT] = {0};
    BN_CTX *bn = BN_CTX_secure_new();
    ERR_clear_error(); /* what is in the queue afterwards is ours */
    for (size_t i = 0; i < n; i++) {
        struct curve_ctx *c = curve_ctx(ctx, items[i].curve);
        out[i] = c == NULL    ? STATUS_BAD_CURVE
                 : bn == NULL ? STATUS_INTERNAL
                              : generate_one(c, drbg, &items[i], &sums[items[i].curve], bn);
    }
    if (bn != NULL) {
        check_pairs(ctx, sums, n, items, out, bn);
    }
    for (size_t i = 0; i < n; i++) {
        if (out[i] != STATUS_OK) {
            ERR_clear_error();
            secret_wipe(items[i].k, EC_SCALAR_LEN);
            secret_wipe(items[i].Q, EC_POINT_LEN);
        }
    }
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        pair_sums_fini(&sums[c]);
    }
    BN_CTX_free(bn);
}
