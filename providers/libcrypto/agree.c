/*
 * ECKA-EG's Z: the x-coordinate of k * peer.
 *
 * EC_POINT_mul() of one point by one scalar runs libcrypto's constant-time code: a Montgomery
 * ladder, or for P-256 its windowed method with masked look-ups. Everything that holds a secret is
 * wiped when the batch ends: k, x and the temporaries live in a secure BN_CTX and in points freed
 * with a wipe.
 */
#include <openssl/err.h>

#include "providers/core/secret.h"
#include "providers/libcrypto/internal.h"

/* k * peer, peer in c->point, into z. BAD_POINT for infinity, INTERNAL. */
static enum status multiply(struct curve_ctx *c, const BIGNUM *k, EC_POINT *product, BIGNUM *x,
                            uint8_t z[static ECDH_Z_LEN], BN_CTX *bn)
{
    if (EC_POINT_mul(c->group, product, NULL, c->point, k, bn) != 1) {
        return STATUS_INTERNAL;
    }
    if (EC_POINT_is_at_infinity(c->group, product) == 1) {
        return STATUS_BAD_POINT;
    }
    if (EC_POINT_get_affine_coordinates(c->group, product, x, NULL, bn) != 1 ||
        BN_bn2binpad(x, z, ECDH_Z_LEN) != ECDH_Z_LEN) {
        return STATUS_INTERNAL;
    }
    return STATUS_OK;
}

static enum status agree_one(struct libcrypto_ctx *ctx, const struct ecka_item *item, BN_CTX *bn)
{
    struct curve_ctx *c = curve_ctx(ctx, item->curve);
    if (c == NULL) {
        return STATUS_BAD_CURVE;
    }
    TRY(point_import(c, item->peer, ctx->bn));
    if (!scalar_in_range(c->params, item->k)) {
        return STATUS_BAD_SCALAR;
    }
    enum status status = STATUS_INTERNAL;
    BIGNUM *k = BN_secure_new();
    BIGNUM *x = BN_secure_new();
    EC_POINT *product = EC_POINT_new(c->group);
    if (k != NULL && x != NULL && product != NULL && BN_bin2bn(item->k, EC_SCALAR_LEN, k) != NULL) {
        BN_set_flags(k, BN_FLG_CONSTTIME);
        status = multiply(c, k, product, x, item->z, bn);
    }
    EC_POINT_clear_free(product);
    BN_clear_free(x);
    BN_clear_free(k);
    return status;
}

void libcrypto_ecka(void *ctx, size_t n, const struct ecka_item items[], enum status out[])
{
    BN_CTX *bn = BN_CTX_secure_new();
    ERR_clear_error(); /* what is in the queue afterwards is ours */
    for (size_t i = 0; i < n; i++) {
        out[i] = bn != NULL ? agree_one(ctx, &items[i], bn) : STATUS_INTERNAL;
        if (out[i] != STATUS_OK) {
            ERR_clear_error();
            secret_wipe(items[i].z, ECDH_Z_LEN);
        }
    }
    BN_CTX_free(bn);
}
