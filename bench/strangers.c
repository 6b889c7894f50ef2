#include "bench/strangers.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <openssl/rand.h>
#include <stdlib.h>

enum { FIELD_LEN = EC_SCALAR_LEN };

static void need(bool ok)
{
    if (!ok) {
        ERR_print_errors_fp(stderr);
        abort();
    }
}

struct maker {
    EC_GROUP *group;
    const BIGNUM *n;
    const EC_POINT *G;
    EC_POINT *Q;
    BIGNUM *d, *r, *inverse, *s, *e; /* inverse: of the nonce */
    BN_CTX *ctx;
};

static void encode(struct maker *m, const EC_POINT *P, uint8_t out[static EC_POINT_LEN])
{
    need(EC_POINT_point2oct(m->group, P, POINT_CONVERSION_UNCOMPRESSED, out, EC_POINT_LEN,
                            m->ctx) == EC_POINT_LEN);
}

static void maker_init(struct maker *m, enum curve curve)
{
    uint8_t R[EC_POINT_LEN];
    m->group = EC_GROUP_new_by_curve_name(curve == CURVE_P256 ? NID_X9_62_prime256v1
                                                              : NID_brainpoolP256r1);
    need(m->group != NULL);
    m->n = EC_GROUP_get0_order(m->group);
    m->G = EC_GROUP_get0_generator(m->group);
    m->Q = EC_POINT_new(m->group);
    m->ctx = BN_CTX_new();
    m->d = BN_new();
    m->r = BN_new();
    m->inverse = BN_new();
    m->s = BN_new();
    m->e = BN_new();
    need(m->Q != NULL && m->ctx != NULL && m->e != NULL);
    /* the nonce, its inverse and r */
    need(BN_rand_range(m->d, m->n) == 1);
    need(EC_POINT_mul(m->group, m->Q, m->d, NULL, NULL, m->ctx) == 1);
    encode(m, m->Q, R);
    need(BN_bin2bn(R + 1, FIELD_LEN, m->r) != NULL && BN_nnmod(m->r, m->r, m->n, m->ctx) == 1);
    need(BN_mod_inverse(m->inverse, m->d, m->n, m->ctx) != NULL);
    /* the first key */
    need(BN_rand_range(m->d, m->n) == 1);
    need(EC_POINT_mul(m->group, m->Q, m->d, NULL, NULL, m->ctx) == 1);
}

static void maker_fini(struct maker *m)
{
    BN_free(m->d);
    BN_free(m->r);
    BN_free(m->inverse);
    BN_free(m->s);
    BN_free(m->e);
    BN_CTX_free(m->ctx);
    EC_POINT_free(m->Q);
    EC_GROUP_free(m->group);
}

static void make(struct maker *m, struct stranger *out)
{
    encode(m, m->Q, out->Q);
    need(RAND_bytes(out->digest, SHA256_LEN) == 1);
    need(BN_bin2bn(out->digest, SHA256_LEN, m->e) != NULL);
    need(BN_mod_mul(m->s, m->r, m->d, m->n, m->ctx) == 1);
    need(BN_mod_add(m->s, m->s, m->e, m->n, m->ctx) == 1);
    need(BN_mod_mul(m->s, m->s, m->inverse, m->n, m->ctx) == 1);
    need(BN_bn2binpad(m->r, out->signature, FIELD_LEN) == FIELD_LEN);
    need(BN_bn2binpad(m->s, out->signature + FIELD_LEN, FIELD_LEN) == FIELD_LEN);
    need(EC_POINT_add(m->group, m->Q, m->Q, m->G, m->ctx) == 1 && BN_add_word(m->d, 1) == 1);
}

struct stranger *strangers_new(enum curve curve, size_t n)
{
    struct maker m;
    struct stranger *out = calloc(n, sizeof *out);
    need(out != NULL);
    maker_init(&m, curve);
    for (size_t i = 0; i < n; i++) {
        make(&m, &out[i]);
    }
    maker_fini(&m);
    return out;
}
