/*
 * Wycheproof and other published values through EVP with ecka.so loaded: the results are those of
 * the vectors and those of the default provider.
 */
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>

#include "providers/ossl/der.h"
#include "tests/unit/ossl/ossl_test.h"

enum {
    POINT = 65,
    DIGEST = 32,
    Z = 32,
    ROUNDS = 20, /* enough uses of a key for its table */
};

static void check_ecdsa(const struct contexts *c, const char *file, const char *group,
                        size_t at_least)
{
    struct vectors *v = vectors_open(file);
    const uint64_t before = counter(c, "verify_kernel");
    size_t asked = 0;
    assert_true(vectors_count(v) >= at_least);
    for (size_t i = 0; i < vectors_count(v); i++) {
        const struct vector *t = vectors_at(v, i);
        const uint8_t *point = vector_bytes(t, "public", POINT);
        const uint8_t *digest = vector_bytes(t, "digest", DIGEST);
        uint8_t der[DER_SIGNATURE_MAX];
        const size_t len = der_write_signature(der, vector_bytes(t, "signature", DER_RS_LEN));
        EVP_PKEY *plain = key_of(c->plain, group, point, POINT, NULL, 0);
        EVP_PKEY *with = key_of(c->with, group, point, POINT, NULL, 0);
        assert_non_null(plain);
        assert_non_null(with);
        assert_string_equal(home_of(plain), "default");
        assert_string_equal(home_of(with), "ecka");
        const bool valid = vector_is(t, "result", "valid");
        for (size_t round = 0; round < (i == 0 ? ROUNDS : 1); round++, asked++) {
            assert_int_equal(verify_raw(c->with, with, der, len, digest, DIGEST) == 1, valid);
        }
        assert_int_equal(verify_raw(c->plain, plain, der, len, digest, DIGEST) == 1, valid);
        EVP_PKEY_free(plain);
        EVP_PKEY_free(with);
    }
    assert_int_equal(counter(c, "verify_kernel"), before + asked); /* the kernels judged each */
    vectors_close(&v);
}

static void ecdsa_p256(void **state)
{
    check_ecdsa(*state, "wycheproof_ecdsa_p256_plain", "P-256", 241);
    check_ecdsa(*state, "wycheproof_ecdsa_p256_der", "P-256", 249);
}

static void ecdsa_brainpool(void **state)
{
    check_ecdsa(*state, "wycheproof_ecdsa_brainpoolP256r1_der", "brainpoolP256r1", 254);
}

/* Whether Z came out; a peer that is on no curve makes no key. */
static bool derive(OSSL_LIB_CTX *libctx, const char *group, const struct vector *t,
                   uint8_t z[static Z])
{
    const struct span priv = vector_hex(t, "private");
    EVP_PKEY *own = key_of(libctx, group, NULL, 0, priv.ptr, priv.len);
    EVP_PKEY *peer = key_of(libctx, group, vector_bytes(t, "public", POINT), POINT, NULL, 0);
    EVP_PKEY_CTX *ctx = own != NULL ? EVP_PKEY_CTX_new_from_pkey(libctx, own, NULL) : NULL;
    size_t len = Z;
    const bool made = ctx != NULL && peer != NULL && EVP_PKEY_derive_init(ctx) == 1 &&
                      EVP_PKEY_derive_set_peer(ctx, peer) == 1 &&
                      EVP_PKEY_derive(ctx, z, &len) == 1;
    assert_true(!made || len == Z);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(peer);
    EVP_PKEY_free(own);
    return made;
}

static void check_ecdh(const struct contexts *c, const char *file, const char *group,
                       size_t at_least)
{
    struct vectors *v = vectors_open(file);
    assert_true(vectors_count(v) >= at_least);
    for (size_t i = 0; i < vectors_count(v); i++) {
        const struct vector *t = vectors_at(v, i);
        const bool valid = vector_is(t, "result", "valid");
        uint8_t plain[Z] = {0}, with[Z] = {0};
        assert_int_equal(derive(c->with, group, t, with), valid);
        assert_int_equal(derive(c->plain, group, t, plain), valid);
        assert_memory_equal(plain, with, Z);
        if (valid) {
            assert_memory_equal(with, vector_bytes(t, "shared", Z), Z);
        }
    }
    vectors_close(&v);
}

static void ecdh_p256(void **state)
{
    check_ecdh(*state, "wycheproof_ecdh_p256", "P-256", 80);
}

static void ecdh_brainpool(void **state)
{
    check_ecdh(*state, "wycheproof_ecdh_brainpoolP256r1", "brainpoolP256r1", 80);
}

static void octets(OSSL_PARAM *p, const char *name, struct span s)
{
    *p = OSSL_PARAM_construct_octet_string(name, (void *)(uintptr_t)s.ptr, s.len);
}

static bool kdf(OSSL_LIB_CTX *libctx, const char *name, const OSSL_PARAM params[], uint8_t *out,
                size_t len)
{
    EVP_KDF *alg = EVP_KDF_fetch(libctx, name, "provider=ecka");
    assert_non_null(alg);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(alg);
    assert_non_null(ctx);
    const bool made = EVP_KDF_derive(ctx, out, len, params) == 1;
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(alg);
    return made;
}

static void x963(void **state)
{
    const struct contexts *c = *state;
    struct vectors *v = vectors_open("x963_cavp");
    char sha256[] = "SHA256";
    for (size_t i = 0; i < vectors_count(v); i++) {
        const struct vector *t = vectors_at(v, i);
        const struct span expected = vector_hex(t, "key_data");
        uint8_t out[1024];
        OSSL_PARAM params[4] = {OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, sha256, 0)};
        octets(&params[1], OSSL_KDF_PARAM_SECRET, vector_hex(t, "z"));
        octets(&params[2], OSSL_KDF_PARAM_INFO, vector_hex(t, "shared_info"));
        params[3] = OSSL_PARAM_construct_end();
        assert_true(expected.len <= sizeof out);
        assert_true(kdf(c->with, "X963KDF", params, out, expected.len));
        assert_memory_equal(out, expected.ptr, expected.len);
    }
    vectors_close(&v);
}

static void ecka_eg(void **state)
{
    const struct contexts *c = *state;
    struct vectors *v = vectors_open("ecdh_x963");
    char group[] = "P-256";
    size_t tried = 0;
    for (size_t i = 0; i < vectors_count(v); i++) {
        const struct vector *t = vectors_at(v, i);
        const struct span priv = vector_hex(t, "private"), expected = vector_hex(t, "key_data");
        if (priv.len == 0) {
            continue;
        }
        uint8_t out[64], peer[POINT];
        memcpy(peer, vector_bytes(t, "peer", POINT), POINT);
        OSSL_PARAM params[5] = {
            OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0)};
        octets(&params[1], OSSL_KDF_PARAM_SECRET, priv);
        octets(&params[2], "peer", span_of(peer, POINT));
        octets(&params[3], OSSL_KDF_PARAM_INFO, vector_hex(t, "shared_info"));
        params[4] = OSSL_PARAM_construct_end();
        assert_true(kdf(c->with, "ECKA-EG", params, out, expected.len));
        assert_memory_equal(out, expected.ptr, expected.len);
        peer[POINT - 1] ^= 1;
        assert_false(kdf(c->with, "ECKA-EG", params, out, expected.len));
        params[2] = OSSL_PARAM_construct_end(); /* no peer */
        assert_false(kdf(c->with, "ECKA-EG", params, out, expected.len));
        tried++;
    }
    assert_true(tried >= 4);
    vectors_close(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ecdsa_p256), cmocka_unit_test(ecdsa_brainpool),
        cmocka_unit_test(ecdh_p256),  cmocka_unit_test(ecdh_brainpool),
        cmocka_unit_test(x963),       cmocka_unit_test(ecka_eg),
    };
    return cmocka_run_group_tests(tests, contexts_open, contexts_close);
}
