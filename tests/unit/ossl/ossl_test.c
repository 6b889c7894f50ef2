#include "tests/unit/ossl/ossl_test.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <stdlib.h>
#include <string.h>

OSSL_LIB_CTX *context_with_ecka(OSSL_PROVIDER **standard, OSSL_PROVIDER **ecka)
{
    OSSL_LIB_CTX *libctx = OSSL_LIB_CTX_new();
    assert_non_null(libctx);
    assert_int_equal(OSSL_PROVIDER_set_default_search_path(libctx, getenv("ECKA_SO")), 1);
    *standard = OSSL_PROVIDER_load(libctx, "default");
    *ecka = OSSL_PROVIDER_load(libctx, "ecka");
    if (*ecka == NULL) {
        ERR_print_errors_fp(stderr);
    }
    assert_non_null(*standard);
    assert_non_null(*ecka);
    assert_int_equal(EVP_set_default_properties(libctx, "?provider=ecka"), 1);
    return libctx;
}

int contexts_open(void **state)
{
    static struct contexts c;
    c.plain = OSSL_LIB_CTX_new();
    c.plain_default = OSSL_PROVIDER_load(c.plain, "default");
    c.with = context_with_ecka(&c.with_default, &c.ecka);
    *state = &c;
    return c.plain_default != NULL ? 0 : -1;
}

int contexts_close(void **state)
{
    struct contexts *c = *state;
    (void)OSSL_PROVIDER_unload(c->ecka);
    (void)OSSL_PROVIDER_unload(c->with_default);
    (void)OSSL_PROVIDER_unload(c->plain_default);
    OSSL_LIB_CTX_free(c->with);
    OSSL_LIB_CTX_free(c->plain);
    return 0;
}

uint64_t counter(const struct contexts *c, const char *name)
{
    uint64_t value = UINT64_MAX;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_uint64(name, &value),
        OSSL_PARAM_construct_end(),
    };
    assert_int_equal(OSSL_PROVIDER_get_params(c->ecka, params), 1);
    assert_true(OSSL_PARAM_modified(params));
    return value;
}

EVP_PKEY *key_of(OSSL_LIB_CTX *libctx, const char *group, const uint8_t *point, size_t point_len,
                 const uint8_t *priv, size_t priv_len)
{
    EVP_PKEY *key = NULL;
    BIGNUM *d = priv != NULL ? BN_bin2bn(priv, (int)priv_len, NULL) : NULL;
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(libctx, "EC", NULL);
    assert_non_null(bld);
    assert_non_null(ctx);
    assert_int_equal(OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, group, 0), 1);
    if (point != NULL) {
        assert_int_equal(
            OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, point_len), 1);
    }
    if (d != NULL) {
        assert_int_equal(OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, d), 1);
    }
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
    assert_non_null(params);
    assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
    if (EVP_PKEY_fromdata(ctx, &key, d != NULL ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params) !=
        1) {
        key = NULL;
    }
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(bld);
    EVP_PKEY_CTX_free(ctx);
    BN_clear_free(d);
    return key;
}

int verify_raw(OSSL_LIB_CTX *libctx, EVP_PKEY *key, const uint8_t *sig, size_t sig_len,
               const uint8_t *digest, size_t digest_len)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(libctx, key, NULL);
    assert_non_null(ctx);
    assert_int_equal(EVP_PKEY_verify_init(ctx), 1);
    const int verdict = EVP_PKEY_verify(ctx, sig, sig_len, digest, digest_len);
    EVP_PKEY_CTX_free(ctx);
    return verdict;
}

const char *home_of(const EVP_PKEY *key)
{
    return OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(key));
}
