/*
 * The curves as libcrypto sees them: P-256 and brainpoolP256r1 by name, which selects its own code
 * for P-256, FRP256v1 by explicit parameters, since it has no name there.
 */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>

#include "providers/libcrypto/internal.h"

static const struct {
    int nid;
    const char *name;
} named[CURVE_COUNT] = {
    [CURVE_P256] = {NID_X9_62_prime256v1, SN_X9_62_prime256v1},
    [CURVE_BRAINPOOLP256R1] = {NID_brainpoolP256r1, SN_brainpoolP256r1},
};

struct curve_ctx *curve_ctx(struct libcrypto_ctx *ctx, enum curve curve)
{
    return curve > CURVE_NONE && curve < CURVE_COUNT ? &ctx->curve[curve] : NULL;
}

struct explicit_bns {
    BIGNUM *p, *a, *b, *n, *cofactor;
};

static bool explicit_bns_init(struct explicit_bns *v, const struct curve_params *params)
{
    v->p = BN_bin2bn(params->p, FIELD_LEN, NULL);
    v->a = BN_bin2bn(params->a, FIELD_LEN, NULL);
    v->b = BN_bin2bn(params->b, FIELD_LEN, NULL);
    v->n = BN_bin2bn(params->n, FIELD_LEN, NULL);
    v->cofactor = BN_new();
    return v->p != NULL && v->a != NULL && v->b != NULL && v->n != NULL && v->cofactor != NULL &&
           BN_one(v->cofactor) == 1;
}

static void explicit_bns_fini(struct explicit_bns *v)
{
    BN_free(v->p);
    BN_free(v->a);
    BN_free(v->b);
    BN_free(v->n);
    BN_free(v->cofactor);
}

static void encode_generator(const struct curve_params *params, uint8_t out[static EC_POINT_LEN])
{
    out[0] = POINT_UNCOMPRESSED;
    memcpy(out + 1, params->gx, FIELD_LEN);
    memcpy(out + 1 + FIELD_LEN, params->gy, FIELD_LEN);
}

static EC_GROUP *explicit_group(const struct explicit_bns *v, const uint8_t G[static EC_POINT_LEN],
                                BN_CTX *bn)
{
    EC_GROUP *group = EC_GROUP_new_curve_GFp(v->p, v->a, v->b, bn);
    EC_POINT *g = group != NULL ? EC_POINT_new(group) : NULL;
    bool good = g != NULL && EC_POINT_oct2point(group, g, G, EC_POINT_LEN, bn) == 1 &&
                EC_GROUP_set_generator(group, g, v->n, v->cofactor) == 1;
    EC_POINT_free(g);
    if (!good) {
        EC_GROUP_free(group);
        return NULL;
    }
    return group;
}

/* Domain parameters as libcrypto's providers take them. */
static OSSL_PARAM *explicit_params(const struct explicit_bns *v,
                                   const uint8_t G[static EC_POINT_LEN])
{
    OSSL_PARAM *params = NULL;
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    if (bld != NULL &&
        OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_EC_FIELD_TYPE, SN_X9_62_prime_field,
                                        0) == 1 &&
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_EC_P, v->p) == 1 &&
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_EC_A, v->a) == 1 &&
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_EC_B, v->b) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_EC_GENERATOR, G, EC_POINT_LEN) == 1 &&
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_EC_ORDER, v->n) == 1 &&
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_EC_COFACTOR, v->cofactor) == 1) {
        params = OSSL_PARAM_BLD_to_param(bld);
    }
    OSSL_PARAM_BLD_free(bld);
    return params;
}

static EVP_PKEY *domain_from(OSSL_PARAM *params)
{
    EVP_PKEY *pkey = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    if (ctx == NULL || params == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEY_PARAMETERS, params) != 1) {
        pkey = NULL;
    }
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

static void init_explicit(struct curve_ctx *c, BN_CTX *bn)
{
    struct explicit_bns v;
    uint8_t G[EC_POINT_LEN];
    encode_generator(c->params, G);
    if (explicit_bns_init(&v, c->params)) {
        OSSL_PARAM *params = explicit_params(&v, G);
        c->group = explicit_group(&v, G, bn);
        c->domain = domain_from(params);
        OSSL_PARAM_free(params);
    }
    explicit_bns_fini(&v);
}

static void init_named(struct curve_ctx *c, enum curve curve)
{
    char name[32];
    (void)snprintf(name, sizeof name, "%s", named[curve].name);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, name, 0),
        OSSL_PARAM_construct_end(),
    };
    c->group = EC_GROUP_new_by_curve_name_ex(NULL, NULL, named[curve].nid);
    c->domain = domain_from(params);
}

enum status curve_ctx_init(struct curve_ctx *c, enum curve curve, BN_CTX *bn)
{
    c->params = curve_params(curve);
    if (named[curve].name != NULL) {
        init_named(c, curve);
    } else {
        init_explicit(c, bn);
    }
    c->point = c->group != NULL ? EC_POINT_new(c->group) : NULL;
    return c->point != NULL && c->domain != NULL ? STATUS_OK : STATUS_INTERNAL;
}

void curve_ctx_fini(struct curve_ctx *c)
{
    EC_POINT_free(c->point);
    EVP_PKEY_free(c->domain);
    EC_GROUP_free(c->group);
}

enum status point_import(struct curve_ctx *c, const uint8_t point[static EC_POINT_LEN], BN_CTX *bn)
{
    if (!point_form_ok(c->params, point)) {
        return STATUS_BAD_POINT;
    }
    if (EC_POINT_oct2point(c->group, c->point, point, EC_POINT_LEN, bn) == 1) {
        return STATUS_OK;
    }
    return ec_errors_hold(EC_R_POINT_IS_NOT_ON_CURVE) ? STATUS_BAD_POINT : STATUS_INTERNAL;
}

bool ec_errors_hold(int reason)
{
    bool found = false;
    for (unsigned long error = ERR_get_error(); error != 0; error = ERR_get_error()) {
        found = found || (ERR_GET_LIB(error) == ERR_LIB_EC && ERR_GET_REASON(error) == reason);
    }
    return found;
}
