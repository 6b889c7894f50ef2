/* ECDSA verification against published signatures, an independent signer, and what must not pass.
 */
#include <openssl/ec.h>
#include <openssl/evp.h>

#include "tests/unit/providers/oracle.h"
#include "tests/unit/providers/provider_test.h"

enum { BATCH_MAX = 17 };

static const uint8_t all_ones[32] = {
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
};

static struct verify_item item_of(enum curve curve, const struct vector *c)
{
    return (struct verify_item){curve, vector_bytes(c, "public", EC_POINT_LEN),
                                vector_bytes(c, "digest", SHA256_LEN),
                                vector_bytes(c, "signature", EC_SIGNATURE_LEN)};
}

/* The n cases from `first` in one batch, with a key that is no point somewhere among them. */
static void check_batch(struct fixture *f, enum curve curve, const struct vectors *v, size_t first,
                        size_t n)
{
    struct verify_item items[BATCH_MAX + 1];
    enum status out[BATCH_MAX + 1];
    uint8_t no_point[EC_POINT_LEN];
    const size_t odd_one = first % (n + 1);
    for (size_t i = 0, next = first; i < n + 1; i++) {
        items[i] = item_of(curve, vectors_at(v, i == odd_one ? first : next++));
        out[i] = STATUS_INTERNAL;
    }
    memcpy(no_point, items[odd_one].public_key, EC_POINT_LEN);
    no_point[EC_POINT_LEN - 1] ^= 1;
    items[odd_one].public_key = no_point;
    provider_verify_vartime(f->provider, n + 1, items, out);
    for (size_t i = 0, next = first; i < n + 1; i++) {
        if (i == odd_one) {
            assert_status("the key that is no point", out[i], STATUS_BAD_POINT);
            continue;
        }
        const struct vector *c = vectors_at(v, next++);
        bool valid = vector_is(c, "result", "valid");
        assert_true(valid || vector_is(c, "result", "invalid"));
        assert_status(vector_name(c), out[i], valid ? STATUS_OK : STATUS_SIGNATURE_INVALID);
    }
}

/* Twice, in batches of 1..17 that fall differently each time: more keys than any cache holds. */
static void check_file(struct fixture *f, enum curve curve, const char *file, size_t at_least)
{
    struct vectors *v = vectors_open(file);
    size_t cases = 0;
    while (cases < vectors_count(v) && vector_has(vectors_at(v, cases), "signature")) {
        cases++;
    }
    assert_true(cases >= at_least);
    for (size_t pass = 0; pass < 2; pass++) {
        for (size_t i = 0, n = 1 + 8 * pass; i < cases; n = n % BATCH_MAX + 1) {
            size_t take = n < cases - i ? n : cases - i;
            check_batch(f, curve, v, i, take);
            i += take;
        }
    }
    vectors_close(&v);
}

static void wycheproof_p256_plain(void **state)
{
    check_file(*state, CURVE_P256, "wycheproof_ecdsa_p256_plain", 241);
}

static void wycheproof_p256_der(void **state)
{
    check_file(*state, CURVE_P256, "wycheproof_ecdsa_p256_der", 249);
}

static void wycheproof_brainpool(void **state)
{
    check_file(*state, CURVE_BRAINPOOLP256R1, "wycheproof_ecdsa_brainpoolP256r1_der", 254);
}

static void frp256v1_by_plain_integers(void **state)
{
    check_file(*state, CURVE_FRP256V1, "frp256v1", 40);
}

/* The recorded signature over the recorded bytes; then each of digest, r and s with one bit
 * flipped. */
static void check_recorded(struct fixture *f, const uint8_t *key, const struct vector *c,
                           const char *signed_name, const char *signature_name)
{
    uint8_t digest[SHA256_LEN], signature[EC_SIGNATURE_LEN];
    assert_status(signed_name, sym_sha256(f->sym, vector_hex(c, signed_name), digest), STATUS_OK);
    memcpy(signature, vector_bytes(c, signature_name, EC_SIGNATURE_LEN), sizeof signature);
    assert_status(signed_name, verify_one(f, CURVE_P256, key, digest, signature), STATUS_OK);
    digest[7] ^= 0x10;
    assert_status(signed_name, verify_one(f, CURVE_P256, key, digest, signature),
                  STATUS_SIGNATURE_INVALID);
    digest[7] ^= 0x10;
    for (size_t at = 15; at < EC_SIGNATURE_LEN; at += FIELD_LEN) {
        signature[at] ^= 0x04;
        assert_status(signed_name, verify_one(f, CURVE_P256, key, digest, signature),
                      STATUS_SIGNATURE_INVALID);
        signature[at] ^= 0x04;
    }
}

static void recorded_sm_sr_change(void **state)
{
    struct fixture *f = *state;
    struct vectors *v = vectors_open("sgp02_recording");
    const struct vector *keys = vectors_find(v, "keys");
    const uint8_t *ci = vector_bytes(keys, "pk_ci_ecdsa", EC_POINT_LEN);
    const uint8_t *sr = vector_bytes(keys, "pk_sr_ecdsa", EC_POINT_LEN);
    check_recorded(f, ci, vectors_find(v, "store-data-1"), "cert_sr_tbs", "cert_sr_signature");
    check_recorded(f, ci, vectors_find(v, "store-data-1"), "cert_dp_tbs", "cert_dp_signature");
    check_recorded(f, sr, vectors_find(v, "store-data-2"), "signed", "signature");
    vectors_close(&v);
}

/* A key pair, and the oracle's signature over this digest with a fresh nonce. */
struct signed_digest {
    uint8_t d[EC_SCALAR_LEN], Q[EC_POINT_LEN];
    uint8_t digest[SHA256_LEN], signature[EC_SIGNATURE_LEN];
};

static void sign_fresh(struct fixture *f, enum curve curve, struct signed_digest *s)
{
    uint8_t nonce[EC_SCALAR_LEN], unused[EC_POINT_LEN];
    new_pair(f, curve, s->d, s->Q);
    new_pair(f, curve, nonce, unused);
    oracle_sign(curve, s->d, s->digest, nonce, s->signature);
}

static void digests_are_reduced(void **state)
{
    struct fixture *f = *state;
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        enum curve curve = (enum curve)c;
        struct signed_digest s;
        uint8_t digests[6][SHA256_LEN] = {{0}};
        oracle_order(curve, -1, digests[1]);
        oracle_order(curve, 0, digests[2]);
        oracle_order(curve, 1, digests[3]);
        memcpy(digests[4], all_ones, sizeof all_ones);
        assert_status("random", drbg_bytes(f->drbg, digests[5], SHA256_LEN), STATUS_OK);
        for (size_t i = 0; i < 6; i++) {
            memcpy(s.digest, digests[i], SHA256_LEN);
            sign_fresh(f, curve, &s);
            assert_status(curve_name(c), verify_one(f, curve, s.Q, s.digest, s.signature),
                          STATUS_OK);
            s.digest[SHA256_LEN - 1] ^= 1;
            assert_status(curve_name(c), verify_one(f, curve, s.Q, s.digest, s.signature),
                          STATUS_SIGNATURE_INVALID);
        }
        /* n and 0 are the same digest to ECDSA: what signs one verifies the other. */
        memcpy(s.digest, digests[2], SHA256_LEN);
        sign_fresh(f, curve, &s);
        assert_status(curve_name(c), verify_one(f, curve, s.Q, digests[0], s.signature), STATUS_OK);
    }
}

static void r_and_s_have_their_range(void **state)
{
    struct fixture *f = *state;
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        enum curve curve = (enum curve)c;
        struct signed_digest s = {.digest = {1}};
        sign_fresh(f, curve, &s);
        uint8_t bad[4][FIELD_LEN] = {{0}};
        oracle_order(curve, 0, bad[1]);
        oracle_order(curve, 1, bad[2]);
        memcpy(bad[3], all_ones, sizeof all_ones);
        for (size_t i = 0; i < 4 * 2; i++) {
            uint8_t signature[EC_SIGNATURE_LEN];
            memcpy(signature, s.signature, sizeof signature);
            memcpy(signature + i % 2 * FIELD_LEN, bad[i / 2], FIELD_LEN);
            assert_status(curve_name(c), verify_one(f, curve, s.Q, s.digest, signature),
                          STATUS_SIGNATURE_INVALID);
        }
        assert_status(curve_name(c), verify_one(f, curve, s.Q, s.digest, s.signature), STATUS_OK);
    }
}

/* s + n means the same as s to who does not look; where it fits 32 bytes it must not verify. */
static void s_plus_n_is_not_s(void **state)
{
    struct fixture *f = *state;
    struct vectors *v = vectors_open("wycheproof_ecdsa_brainpoolP256r1_der");
    uint8_t n[FIELD_LEN];
    size_t tried = 0;
    oracle_order(CURVE_BRAINPOOLP256R1, 0, n);
    for (size_t i = 0; i < vectors_count(v); i++) {
        struct verify_item item = item_of(CURVE_BRAINPOOLP256R1, vectors_at(v, i));
        uint8_t signature[EC_SIGNATURE_LEN];
        memcpy(signature, item.signature, sizeof signature);
        unsigned carry = 0;
        for (size_t b = FIELD_LEN; b-- > 0;) {
            carry += (unsigned)signature[FIELD_LEN + b] + n[b];
            signature[FIELD_LEN + b] = (uint8_t)carry;
            carry >>= 8;
        }
        if (carry == 0) {
            tried++;
            assert_status("s + n",
                          verify_one(f, item.curve, item.public_key, item.digest, signature),
                          STATUS_SIGNATURE_INVALID);
        }
    }
    assert_true(tried > 10);
    vectors_close(&v);
}

static void keys_must_be_points(void **state)
{
    struct fixture *f = *state;
    static const uint8_t forms[] = {0x00, 0x01, 0x02, 0x03, 0x05, 0x06, 0x07, 0xFF};
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        enum curve curve = (enum curve)c;
        struct signed_digest s = {.digest = {2}};
        sign_fresh(f, curve, &s);
        uint8_t Q[EC_POINT_LEN], x_plus_p[EC_POINT_LEN];
        for (size_t i = 0; i < sizeof forms; i++) {
            memcpy(Q, s.Q, sizeof Q);
            Q[0] = forms[i];
            assert_status(curve_name(c), verify_one(f, curve, Q, s.digest, s.signature),
                          STATUS_BAD_POINT);
        }
        memset(Q, 0, sizeof Q);
        assert_status("all zero", verify_one(f, curve, Q, s.digest, s.signature), STATUS_BAD_POINT);
        Q[0] = POINT_UNCOMPRESSED;
        assert_status("(0, 0)", verify_one(f, curve, Q, s.digest, s.signature), STATUS_BAD_POINT);
        oracle_small_point(curve, Q, x_plus_p);
        assert_status("small x", verify_one(f, curve, Q, s.digest, s.signature),
                      STATUS_SIGNATURE_INVALID);
        assert_status("x + p", verify_one(f, curve, x_plus_p, s.digest, s.signature),
                      STATUS_BAD_POINT);
        /* The right key on the wrong curve, right after it was used on its own. */
        assert_status("own curve", verify_one(f, curve, s.Q, s.digest, s.signature), STATUS_OK);
        enum curve other = curve == CURVE_P256 ? CURVE_FRP256V1 : CURVE_P256;
        assert_status("wrong curve", verify_one(f, other, s.Q, s.digest, s.signature),
                      STATUS_BAD_POINT);
        for (size_t i = 0; i < 3; i++) {
            static const enum curve none[] = {CURVE_NONE, CURVE_COUNT, (enum curve)77};
            assert_status("no curve", verify_one(f, none[i], s.Q, s.digest, s.signature),
                          STATUS_BAD_CURVE);
        }
    }
}

/* The negated key (x, p - y) shares x with the right one, and maybe its place in a cache. */
static void a_negated_key_is_another_key(void **state)
{
    struct fixture *f = *state;
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        enum curve curve = (enum curve)c;
        struct signed_digest s = {.digest = {3}};
        sign_fresh(f, curve, &s);
        uint8_t minus_one[EC_SCALAR_LEN], negated[EC_POINT_LEN];
        oracle_order(curve, -1, minus_one);
        assert_true(oracle_mul(curve, minus_one, s.Q, negated));
        assert_bytes("x", negated + 1, s.Q + 1, FIELD_LEN);
        for (size_t i = 0; i < 2; i++) {
            assert_status("Q", verify_one(f, curve, s.Q, s.digest, s.signature), STATUS_OK);
            assert_status("-Q", verify_one(f, curve, negated, s.digest, s.signature),
                          STATUS_SIGNATURE_INVALID);
        }
    }
}

/* libcrypto as signer: EVP, DER taken apart. */
static void libcrypto_signs(struct fixture *f, enum curve curve, const char *group)
{
    EVP_PKEY *pkey = EVP_EC_gen(group);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    uint8_t Q[EC_POINT_LEN], digest[SHA256_LEN], der[80], signature[EC_SIGNATURE_LEN];
    size_t Q_len = 0, der_len = sizeof der;
    assert_status("random", drbg_bytes(f->drbg, digest, sizeof digest), STATUS_OK);
    assert_int_equal(EVP_PKEY_get_octet_string_param(pkey, "pub", Q, sizeof Q, &Q_len), 1);
    assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
    assert_int_equal(EVP_PKEY_sign(ctx, der, &der_len, digest, sizeof digest), 1);
    const uint8_t *p = der;
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)der_len);
    assert_non_null(sig);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(sig), signature, FIELD_LEN), FIELD_LEN);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(sig), signature + FIELD_LEN, FIELD_LEN),
                     FIELD_LEN);
    assert_status(group, verify_one(f, curve, Q, digest, signature), STATUS_OK);
    digest[0] ^= 0x80;
    assert_status(group, verify_one(f, curve, Q, digest, signature), STATUS_SIGNATURE_INVALID);
    ECDSA_SIG_free(sig);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(pkey);
}

static void what_libcrypto_signs_verifies(void **state)
{
    for (size_t i = 0; i < 40; i++) {
        libcrypto_signs(*state, CURVE_P256, "P-256");
        libcrypto_signs(*state, CURVE_BRAINPOOLP256R1, "brainpoolP256r1");
    }
}

static void an_empty_batch_is_fine(void **state)
{
    struct fixture *f = *state;
    provider_verify_vartime(f->provider, 0, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wycheproof_p256_plain),
        cmocka_unit_test(wycheproof_p256_der),
        cmocka_unit_test(wycheproof_brainpool),
        cmocka_unit_test(frp256v1_by_plain_integers),
        cmocka_unit_test(recorded_sm_sr_change),
        cmocka_unit_test(digests_are_reduced),
        cmocka_unit_test(r_and_s_have_their_range),
        cmocka_unit_test(s_plus_n_is_not_s),
        cmocka_unit_test(keys_must_be_points),
        cmocka_unit_test(a_negated_key_is_another_key),
        cmocka_unit_test(what_libcrypto_signs_verifies),
        cmocka_unit_test(an_empty_batch_is_fine),
    };
    return cmocka_run_group_tests(tests, fixture_new, fixture_free);
}
