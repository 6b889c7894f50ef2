/*
 * Keys, encodings and signatures go both ways between ecka.so and the default provider, on curves
 * that the kernels have and on others; and what is refused there is refused here.
 */
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/encoder.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <string.h>

#include "tests/unit/ossl/ossl_test.h"

enum { SIG_MAX = 160, MSG = 100 };

static const char *const groups[] = {"P-256",     "brainpoolP256r1", "P-384", "P-521",
                                     "secp256k1", "brainpoolP512t1", "B-283", "P-224"};
static const char *const digests[] = {"SHA256", "SHA384", "SHA512", "SHA224", "SHA1", "SHA3-256"};

static EVP_PKEY *generate(OSSL_LIB_CTX *libctx, const char *group, const char *encoding,
                          const char *form)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(libctx, "EC", NULL);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)(uintptr_t)group, 0),
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_EC_ENCODING, (char *)(uintptr_t)encoding,
                                         0),
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                         (char *)(uintptr_t)form, 0),
        OSSL_PARAM_construct_end(),
    };
    assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_params(ctx, params), 1);
    assert_int_equal(EVP_PKEY_generate(ctx, &key), 1);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

/* The key as `from` writes it, read by `to`. */
static EVP_PKEY *carried(const EVP_PKEY *key, OSSL_LIB_CTX *to, const char *structure,
                         bool private_half)
{
    EVP_PKEY *out = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    const int selection = private_half ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY;
    OSSL_ENCODER_CTX *encoder =
        OSSL_ENCODER_CTX_new_for_pkey(key, selection, "PEM", structure, NULL);
    assert_non_null(encoder);
    assert_int_equal(OSSL_ENCODER_to_bio(encoder, bio), 1);
    OSSL_ENCODER_CTX_free(encoder);
    out = private_half ? PEM_read_bio_PrivateKey_ex(bio, NULL, NULL, NULL, to, NULL)
                       : PEM_read_bio_PUBKEY_ex(bio, NULL, NULL, NULL, to, NULL);
    assert_non_null(out);
    BIO_free(bio);
    return out;
}

static size_t sign(OSSL_LIB_CTX *libctx, EVP_PKEY *key, const char *digest, const uint8_t *msg,
                   uint8_t sig[static SIG_MAX])
{
    size_t len = SIG_MAX;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit_ex(ctx, NULL, digest, libctx, NULL, key, NULL), 1);
    assert_int_equal(EVP_DigestSign(ctx, sig, &len, msg, MSG), 1);
    EVP_MD_CTX_free(ctx);
    return len;
}

/* In two parts, and the context copied between them. */
static int verify(OSSL_LIB_CTX *libctx, EVP_PKEY *key, const char *digest, const uint8_t *msg,
                  const uint8_t *sig, size_t len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new(), *copy = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit_ex(ctx, NULL, digest, libctx, NULL, key, NULL), 1);
    assert_int_equal(EVP_DigestVerifyUpdate(ctx, msg, MSG / 2), 1);
    assert_int_equal(EVP_MD_CTX_copy_ex(copy, ctx), 1);
    EVP_MD_CTX_free(ctx);
    assert_int_equal(EVP_DigestVerifyUpdate(copy, msg + MSG / 2, MSG - MSG / 2), 1);
    const int verdict = EVP_DigestVerifyFinal(copy, sig, len);
    EVP_MD_CTX_free(copy);
    return verdict;
}

/* Signed in `from`, verified in `to` and in `from`; and one bit away it is invalid in both. */
static void check_signature(OSSL_LIB_CTX *from, EVP_PKEY *key, OSSL_LIB_CTX *to, EVP_PKEY *public,
                            const char *digest)
{
    uint8_t msg[MSG], sig[SIG_MAX];
    assert_int_equal(RAND_bytes(msg, sizeof msg), 1);
    const size_t len = sign(from, key, digest, msg, sig);
    assert_int_equal(verify(to, public, digest, msg, sig, len), 1);
    assert_int_equal(verify(from, key, digest, msg, sig, len), 1);
    msg[MSG - 1] ^= 1;
    assert_int_equal(verify(to, public, digest, msg, sig, len), 0);
    assert_int_equal(verify(from, key, digest, msg, sig, len), 0);
}

static size_t derive(OSSL_LIB_CTX *libctx, EVP_PKEY *own, EVP_PKEY *peer, uint8_t *out, size_t max)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(libctx, own, NULL);
    size_t len = max;
    assert_int_equal(EVP_PKEY_derive_init(ctx), 1);
    assert_int_equal(EVP_PKEY_derive_set_peer(ctx, peer), 1);
    assert_int_equal(EVP_PKEY_derive(ctx, out, &len), 1);
    EVP_PKEY_CTX_free(ctx);
    return len;
}

static void check_agreement(OSSL_LIB_CTX *from, EVP_PKEY *a, OSSL_LIB_CTX *to, EVP_PKEY *a_there,
                            const char *group)
{
    uint8_t here[128] = {0}, there[128] = {0};
    EVP_PKEY *b_there = generate(to, group, "named_curve", "uncompressed");
    EVP_PKEY *b = carried(b_there, from, "SubjectPublicKeyInfo", false);
    const size_t len = derive(from, a, b, here, sizeof here);
    assert_int_equal(derive(to, b_there, a_there, there, sizeof there), len);
    assert_memory_equal(here, there, sizeof here);
    EVP_PKEY_free(b);
    EVP_PKEY_free(b_there);
}

static void check_way(OSSL_LIB_CTX *from, OSSL_LIB_CTX *to, const char *group, const char *encoding,
                      const char *form)
{
    EVP_PKEY *key = generate(from, group, encoding, form);
    EVP_PKEY *public = carried(key, to, "SubjectPublicKeyInfo", false);
    EVP_PKEY *pkcs8 = carried(key, to, "PrivateKeyInfo", true);
    EVP_PKEY *sec1 = carried(key, to, "type-specific", true);
    assert_int_equal(EVP_PKEY_eq(key, public), 1);
    assert_int_equal(EVP_PKEY_eq(pkcs8, sec1), 1);
    assert_int_equal(EVP_PKEY_eq(public, sec1), 1);
    assert_int_equal(EVP_PKEY_get_bits(key), EVP_PKEY_get_bits(public));
    assert_int_equal(EVP_PKEY_get_size(key), EVP_PKEY_get_size(public));
    for (size_t i = 0; i < sizeof digests / sizeof digests[0]; i++) {
        check_signature(from, key, to, public, digests[i]);
        check_signature(to, sec1, from, key, digests[i]);
    }
    check_agreement(from, key, to, public, group);
    EVP_PKEY_free(key);
    EVP_PKEY_free(public);
    EVP_PKEY_free(pkcs8);
    EVP_PKEY_free(sec1);
}

static void both_ways(void **state)
{
    const struct contexts *c = *state;
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        check_way(c->plain, c->with, groups[i], "named_curve", "uncompressed");
        check_way(c->with, c->plain, groups[i], "named_curve", "uncompressed");
    }
}

static void compressed_points_and_explicit_parameters(void **state)
{
    const struct contexts *c = *state;
    for (size_t i = 0; i < 3; i++) {
        check_way(c->plain, c->with, groups[i], "named_curve", "compressed");
        check_way(c->with, c->plain, groups[i], "named_curve", "compressed");
        check_way(c->plain, c->with, groups[i], "explicit", "uncompressed");
        check_way(c->with, c->plain, groups[i], "explicit", "uncompressed");
    }
}

static void the_kernels_take_theirs_and_leave_the_rest(void **state)
{
    const struct contexts *c = *state;
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        const bool ours = i < 2;
        EVP_PKEY *key = generate(c->with, groups[i], "named_curve", "uncompressed");
        assert_string_equal(home_of(key), "ecka");
        const uint64_t kernel = counter(c, "verify_kernel"), other = counter(c, "verify_delegated");
        check_signature(c->with, key, c->with, key, "SHA256");
        assert_int_equal(counter(c, "verify_kernel") - kernel, ours ? 4 : 0);
        assert_int_equal(counter(c, "verify_delegated") - other, ours ? 0 : 4);
        EVP_PKEY_free(key);
    }
}

/* Encodings that a lax reader takes: judged as the default provider judges them. */
static void encodings_that_are_not_der(void **state)
{
    const struct contexts *c = *state;
    EVP_PKEY *key = generate(c->plain, "P-256", "named_curve", "uncompressed");
    EVP_PKEY *with = carried(key, c->with, "SubjectPublicKeyInfo", false);
    uint8_t msg[MSG] = {0}, good[SIG_MAX], bad[SIG_MAX];
    size_t accepted = 0;
    const size_t len = sign(c->plain, key, "SHA256", msg, good);
    for (size_t at = 0; at < len; at++) {
        static const uint8_t changes[] = {0x01, 0x80, 0x7F, 0xFF};
        for (size_t i = 0; i < sizeof changes; i++) {
            memcpy(bad, good, len);
            bad[at] ^= changes[i];
            assert_int_equal(verify(c->with, with, "SHA256", msg, bad, len) == 1,
                             verify(c->plain, key, "SHA256", msg, bad, len) == 1);
        }
        /* cut short, and with a byte more in front of each byte */
        accepted += verify(c->with, with, "SHA256", msg, good, at) == 1;
        memcpy(bad, good, at);
        bad[at] = 0;
        memcpy(bad + at + 1, good + at, len - at);
        for (size_t grown = 0; grown < 2; grown++) {
            bad[1] = (uint8_t)(good[1] + grown);
            assert_int_equal(verify(c->with, with, "SHA256", msg, bad, len + 1) == 1,
                             verify(c->plain, key, "SHA256", msg, bad, len + 1) == 1);
        }
    }
    assert_int_equal(accepted, 0);
    assert_int_equal(verify(c->with, with, "SHA256", msg, good, len), 1);
    ERR_clear_error();
    EVP_PKEY_free(with);
    EVP_PKEY_free(key);
}

static void digests_of_any_length(void **state)
{
    const struct contexts *c = *state;
    uint8_t digest[64], sig[SIG_MAX];
    EVP_PKEY *key = generate(c->plain, "P-256", "named_curve", "uncompressed");
    EVP_PKEY *with = carried(key, c->with, "SubjectPublicKeyInfo", false);
    assert_int_equal(RAND_bytes(digest, sizeof digest), 1);
    for (size_t n = 1; n <= sizeof digest; n++) {
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(c->plain, key, NULL);
        size_t len = sizeof sig;
        assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
        assert_int_equal(EVP_PKEY_sign(ctx, sig, &len, digest, n), 1);
        EVP_PKEY_CTX_free(ctx);
        assert_int_equal(verify_raw(c->with, with, sig, len, digest, n), 1);
        digest[0] ^= 0x80;
        assert_int_equal(verify_raw(c->with, with, sig, len, digest, n), 0);
    }
    EVP_PKEY_free(with);
    EVP_PKEY_free(key);
}

static void keys_are_checked_copied_and_compared(void **state)
{
    const struct contexts *c = *state;
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        EVP_PKEY *key = generate(c->with, groups[i], "named_curve", "uncompressed");
        EVP_PKEY *other = generate(c->with, groups[i], "named_curve", "uncompressed");
        EVP_PKEY *copy = EVP_PKEY_dup(key), *blank = EVP_PKEY_new(), *template = NULL;
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(c->with, key, NULL);
        assert_int_equal(EVP_PKEY_check(ctx), 1);
        assert_int_equal(EVP_PKEY_public_check(ctx), 1);
        assert_int_equal(EVP_PKEY_param_check(ctx), 1);
        assert_int_equal(EVP_PKEY_eq(key, copy), 1);
        assert_int_equal(EVP_PKEY_eq(key, other), 0);
        assert_int_equal(EVP_PKEY_parameters_eq(key, other), 1);
        assert_int_equal(EVP_PKEY_copy_parameters(blank, key), 1);
        assert_int_equal(EVP_PKEY_parameters_eq(key, blank), 1);
        EVP_PKEY_CTX *again = EVP_PKEY_CTX_new_from_pkey(c->with, blank, NULL);
        assert_int_equal(EVP_PKEY_keygen_init(again), 1);
        assert_int_equal(EVP_PKEY_keygen(again, &template), 1);
        assert_int_equal(EVP_PKEY_parameters_eq(key, template), 1);
        check_signature(c->with, template, c->with, template, "SHA256");
        EVP_PKEY_CTX_free(again);
        EVP_PKEY_CTX_free(ctx);
        EVP_PKEY_free(template);
        EVP_PKEY_free(blank);
        EVP_PKEY_free(copy);
        EVP_PKEY_free(other);
        EVP_PKEY_free(key);
    }
}

/* As libssl does with a peer's share: the key under verification becomes another one. */
static void a_new_public_half_is_the_one_that_verifies(void **state)
{
    const struct contexts *c = *state;
    uint8_t msg[MSG] = {0}, sig[SIG_MAX], point[65];
    EVP_PKEY *a = generate(c->with, "P-256", "named_curve", "uncompressed");
    EVP_PKEY *b = generate(c->with, "P-256", "named_curve", "uncompressed");
    EVP_PKEY *public = carried(a, c->with, "SubjectPublicKeyInfo", false);
    size_t len = 0;
    assert_int_equal(
        EVP_PKEY_get_octet_string_param(b, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point, &len), 1);
    assert_int_equal(EVP_PKEY_set1_encoded_public_key(public, point, len), 1);
    len = sign(c->with, a, "SHA256", msg, sig);
    assert_int_equal(verify(c->with, public, "SHA256", msg, sig, len), 0);
    len = sign(c->with, b, "SHA256", msg, sig);
    assert_int_equal(verify(c->with, public, "SHA256", msg, sig, len), 1);
    EVP_PKEY_free(public);
    EVP_PKEY_free(b);
    EVP_PKEY_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways),
        cmocka_unit_test(compressed_points_and_explicit_parameters),
        cmocka_unit_test(the_kernels_take_theirs_and_leave_the_rest),
        cmocka_unit_test(encodings_that_are_not_der),
        cmocka_unit_test(digests_of_any_length),
        cmocka_unit_test(keys_are_checked_copied_and_compared),
        cmocka_unit_test(a_new_public_half_is_the_one_that_verifies),
    };
    return cmocka_run_group_tests(tests, contexts_open, contexts_close);
}
