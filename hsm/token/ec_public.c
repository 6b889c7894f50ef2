#include "hsm/token/ec_public.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <string.h>

EVP_PKEY *ec_public(const struct token_key *key)
{
    const char *group = key->curve == CURVE_P256 ? "prime256v1" : "brainpoolP256r1";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)key->point,
                                          sizeof key->point),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY *out = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &out, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        out = NULL;
    }
    EVP_PKEY_CTX_free(ctx);
    return out;
}

size_t ecdsa_der(const uint8_t signature[static EC_SIGNATURE_LEN],
                 uint8_t out[static ECDSA_DER_MAX])
{
    const int half = EC_SIGNATURE_LEN / 2;
    unsigned char *der = NULL;
    BIGNUM *r = BN_bin2bn(signature, half, NULL), *s = BN_bin2bn(signature + half, half, NULL);
    ECDSA_SIG *sig = ECDSA_SIG_new();
    int len = 0;

    if (r != NULL && s != NULL && sig != NULL && ECDSA_SIG_set0(sig, r, s) == 1) {
        r = s = NULL; /* taken */
        len = i2d_ECDSA_SIG(sig, &der);
    }
    if (len > 0 && len <= ECDSA_DER_MAX) {
        memcpy(out, der, (size_t)len);
    }
    OPENSSL_free(der);
    ECDSA_SIG_free(sig);
    BN_free(r);
    BN_free(s);
    return len > 0 && len <= ECDSA_DER_MAX ? (size_t)len : 0;
}

bool ecdsa_verifies(EVP_PKEY *key, const uint8_t digest[static SHA256_LEN], const uint8_t *der,
                    size_t len)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    bool ok = ctx != NULL && EVP_PKEY_verify_init(ctx) == 1 &&
              EVP_PKEY_verify(ctx, der, len, digest, SHA256_LEN) == 1;
    EVP_PKEY_CTX_free(ctx);
    return ok;
}
