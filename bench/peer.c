#include "bench/peer.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct peer_key {
    EVP_PKEY *key;
    EVP_PKEY_CTX *verify;
    EVP_PKEY_CTX *sign;
    EVP_PKEY_CTX *keygen;
};

static void need(int ok)
{
    if (ok <= 0) {
        ERR_print_errors_fp(stderr);
        abort();
    }
}

static const char *group_name(enum curve curve)
{
    need(curve == CURVE_P256 || curve == CURVE_BRAINPOOLP256R1);
    return curve == CURVE_P256 ? "prime256v1" : "brainpoolP256r1";
}

static EVP_PKEY *load(enum curve curve, const uint8_t *k, const uint8_t *Q)
{
    EVP_PKEY *key = NULL;
    BIGNUM *d = k != NULL ? BN_bin2bn(k, EC_SCALAR_LEN, NULL) : NULL;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    need((d != NULL) == (k != NULL) && build != NULL && ctx != NULL);
    need(OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, group_name(curve), 0));
    need(OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, Q, EC_POINT_LEN));
    need(d == NULL || OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, d));
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    need(EVP_PKEY_fromdata_init(ctx));
    need(EVP_PKEY_fromdata(ctx, &key, d != NULL ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params));
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(ctx);
    BN_clear_free(d);
    return key;
}

struct peer_key *peer_key_new(enum curve curve, const uint8_t *k,
                              const uint8_t Q[static EC_POINT_LEN])
{
    struct peer_key *p = calloc(1, sizeof *p);
    need(p != NULL);
    p->key = load(curve, k, Q);
    EVP_PKEY_CTX *check = EVP_PKEY_CTX_new_from_pkey(NULL, p->key, NULL);
    need(check != NULL);
    need(EVP_PKEY_public_check(check));
    EVP_PKEY_CTX_free(check);
    p->verify = EVP_PKEY_CTX_new_from_pkey(NULL, p->key, NULL);
    p->sign = EVP_PKEY_CTX_new_from_pkey(NULL, p->key, NULL);
    p->keygen = EVP_PKEY_CTX_new_from_pkey(NULL, p->key, NULL); /* the key as parameters */
    need(p->verify != NULL && p->sign != NULL && p->keygen != NULL);
    need(EVP_PKEY_verify_init(p->verify));
    need(EVP_PKEY_sign_init(p->sign));
    need(EVP_PKEY_keygen_init(p->keygen));
    return p;
}

void peer_key_free(struct peer_key *p)
{
    EVP_PKEY_CTX_free(p->verify);
    EVP_PKEY_CTX_free(p->sign);
    EVP_PKEY_CTX_free(p->keygen);
    EVP_PKEY_free(p->key);
    free(p);
}

void peer_sign(struct peer_key *p, const uint8_t digest[static SHA256_LEN],
               struct peer_signature *out)
{
    out->der_len = sizeof out->der;
    need(EVP_PKEY_sign(p->sign, out->der, &out->der_len, digest, SHA256_LEN));
    const uint8_t *der = out->der;
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)out->der_len);
    need(sig != NULL);
    need(BN_bn2binpad(ECDSA_SIG_get0_r(sig), out->raw, EC_SIGNATURE_LEN / 2));
    need(
        BN_bn2binpad(ECDSA_SIG_get0_s(sig), out->raw + EC_SIGNATURE_LEN / 2, EC_SIGNATURE_LEN / 2));
    ECDSA_SIG_free(sig);
}

void peer_verify(struct peer_key *p, const uint8_t digest[static SHA256_LEN],
                 const struct peer_signature *signature)
{
    need(EVP_PKEY_verify(p->verify, signature->der, signature->der_len, digest, SHA256_LEN));
}

/* INTEGER, 02 L [00] value: without leading zeros, and a zero before a first bit that is set. */
static uint8_t *put_integer(uint8_t *out, const uint8_t value[static EC_SCALAR_LEN])
{
    size_t len = EC_SCALAR_LEN;
    while (len > 1 && value[EC_SCALAR_LEN - len] == 0) {
        len--;
    }
    const uint8_t *first = value + EC_SCALAR_LEN - len;
    const size_t pad = first[0] >> 7;
    *out++ = 0x02;
    *out++ = (uint8_t)(len + pad);
    *out = 0;
    memcpy(out + pad, first, len);
    return out + pad + len;
}

bool peer_verify_raw(struct peer_key *p, const uint8_t digest[static SHA256_LEN],
                     const uint8_t raw[static EC_SIGNATURE_LEN])
{
    uint8_t der[PEER_DER_MAX];
    uint8_t *end = put_integer(put_integer(der + 2, raw), raw + EC_SIGNATURE_LEN / 2);
    der[0] = 0x30;
    der[1] = (uint8_t)(end - der - 2);
    return EVP_PKEY_verify(p->verify, der, (size_t)(end - der), digest, SHA256_LEN) == 1;
}

void peer_agree(struct peer_key *p)
{
    uint8_t z[ECDH_Z_LEN];
    size_t z_len = sizeof z;
    EVP_PKEY *ephemeral = NULL;
    need(EVP_PKEY_keygen(p->keygen, &ephemeral));
    EVP_PKEY_CTX *derive = EVP_PKEY_CTX_new_from_pkey(NULL, ephemeral, NULL);
    need(derive != NULL);
    need(EVP_PKEY_derive_init(derive));
    need(EVP_PKEY_derive_set_peer_ex(derive, p->key, 0)); /* the point was checked once */
    need(EVP_PKEY_derive(derive, z, &z_len));
    EVP_PKEY_CTX_free(derive);
    EVP_PKEY_free(ephemeral);
}
