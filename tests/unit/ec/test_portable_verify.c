/* Verification by the portable kernel: published signatures, libcrypto, and points that must not
 * meet in a sum. */
#include <openssl/bn.h>

#include "tests/unit/ec/portable_test.h"

enum { BATCH_MAX = 17, RANDOM_KEYS = 6, RANDOM_ROUNDS = 60 };

static struct verify_item item_of(enum curve curve, const struct vector *c)
{
    return (struct verify_item){curve, vector_bytes(c, "public", EC_POINT_LEN),
                                vector_bytes(c, "digest", SHA256_LEN),
                                vector_bytes(c, "signature", EC_SIGNATURE_LEN)};
}

/* In batches of 1, 2, ... 17 items, and then in ones that fall differently. */
static void check_file(struct kernel_world *w, enum curve curve, const char *file, size_t at_least)
{
    struct vectors *v = vectors_open(file);
    size_t cases = 0;
    while (cases < vectors_count(v) && vector_has(vectors_at(v, cases), "signature")) {
        cases++;
    }
    assert_true(cases >= at_least);
    for (size_t i = 0, n = 1; i < cases; n = n % BATCH_MAX + 1) {
        struct verify_item items[BATCH_MAX];
        enum status want[BATCH_MAX];
        const size_t take = n < cases - i ? n : cases - i;
        for (size_t j = 0; j < take; j++) {
            const struct vector *c = vectors_at(v, i + j);
            const bool valid = vector_is(c, "result", "valid");
            assert_true(valid || vector_is(c, "result", "invalid"));
            items[j] = item_of(curve, c);
            want[j] = valid ? STATUS_OK : STATUS_SIGNATURE_INVALID;
        }
        check_verify(w, file, take, items, want);
        i += take;
    }
    vectors_close(&v);
}

static void published(void **state)
{
    check_file(*state, CURVE_P256, "wycheproof_ecdsa_p256_plain", 241);
    check_file(*state, CURVE_P256, "wycheproof_ecdsa_p256_der", 249);
    check_file(*state, CURVE_BRAINPOOLP256R1, "wycheproof_ecdsa_brainpoolP256r1_der", 254);
    check_file(*state, CURVE_FRP256V1, "frp256v1", 40);
}

/* A case's storage; its item points into it. */
struct signed_case {
    uint8_t d[EC_SCALAR_LEN], Q[EC_POINT_LEN];
    uint8_t digest[SHA256_LEN], signature[EC_SIGNATURE_LEN];
};

static struct verify_item item_from(enum curve curve, const struct signed_case *s)
{
    return (struct verify_item){curve, s->Q, s->digest, s->signature};
}

static void check_one(struct kernel_world *w, const char *what, enum curve curve,
                      const struct signed_case *s, enum status want)
{
    const struct verify_item item = item_from(curve, s);
    check_verify(w, what, 1, &item, &want);
}

static void sign(struct kernel_world *w, enum curve curve, struct signed_case *s)
{
    uint8_t nonce[EC_SCALAR_LEN], unused[EC_POINT_LEN];
    seeded_pair(w, curve, nonce, unused);
    oracle_sign(curve, s->d, s->digest, nonce, s->signature);
}

/* Valid signatures, and ones with a bit flipped in the digest, in r, in s or in the key's y. */
static void random_batches(void **state)
{
    struct kernel_world *w = *state;
    for (unsigned round = 0; round < RANDOM_ROUNDS; round++) {
        const enum curve curve = (enum curve)(CURVE_P256 + round % (CURVE_COUNT - 1));
        static struct signed_case keys[CURVE_COUNT][RANDOM_KEYS];
        struct signed_case cases[BATCH_MAX];
        struct verify_item items[BATCH_MAX];
        const size_t n = 1 + round % BATCH_MAX;
        for (size_t i = 0; i < n; i++) {
            struct signed_case *key = &keys[curve][i % RANDOM_KEYS];
            if (key->Q[0] == 0) {
                seeded_pair(w, curve, key->d, key->Q);
            }
            cases[i] = *key;
            seeded_bytes(cases[i].digest, SHA256_LEN);
            sign(w, curve, &cases[i]);
            const uint64_t word = seeded_word();
            uint8_t *const field[] = {cases[i].digest, cases[i].signature,
                                      cases[i].signature + FIELD_LEN, cases[i].Q + 1 + FIELD_LEN};
            if (word % 8 < 4) {
                field[word % 8][word >> 8 & 31] ^= (uint8_t)(1 << (word >> 16 & 7));
            }
            items[i] = item_from(curve, &cases[i]);
        }
        check_verify(w, "random", n, items, NULL);
    }
}

/* More than a chunk at once, with invalid neighbours. */
static void a_large_batch(void **state)
{
    struct kernel_world *w = *state;
    enum { LARGE = 150 };
    static struct signed_case cases[LARGE];
    struct verify_item items[LARGE];
    enum status want[LARGE];
    struct signed_case key = {.d = {0}};
    seeded_pair(w, CURVE_P256, key.d, key.Q);
    for (size_t i = 0; i < LARGE; i++) {
        cases[i] = key;
        seeded_bytes(cases[i].digest, SHA256_LEN);
        sign(w, CURVE_P256, &cases[i]);
        want[i] = STATUS_OK;
        if (i % 7 == 3) {
            memset(cases[i].signature + i % 2 * FIELD_LEN, i % 3 == 0 ? 0xFF : 0, FIELD_LEN);
            want[i] = STATUS_SIGNATURE_INVALID;
        } else if (i % 7 == 5) {
            cases[i].digest[0] ^= 1;
            want[i] = STATUS_SIGNATURE_INVALID;
        }
        items[i] = item_from(CURVE_P256, &cases[i]);
    }
    check_verify(w, "large", LARGE, items, want);
    const struct verify_item *pointers[LARGE];
    const struct ec_table *tables[LARGE];
    enum status out[LARGE];
    for (size_t i = 0; i < LARGE; i++) {
        pointers[i] = &items[i];
        tables[i] = table_of(w, CURVE_P256, key.Q, (enum ec_table_level)(1 + i % 3));
    }
    ec_kernel_portable.verify_known_vartime(w->scratch, CURVE_P256, LARGE, pointers, tables, out);
    for (size_t i = 0; i < LARGE; i++) {
        assert_status("large, known", out[i], want[i]);
    }
}

/* out = a b^exponent mod n, exponent 1 or -1; negated where asked. */
static void mod_n(enum curve curve, uint8_t out[static EC_SCALAR_LEN], const uint8_t *a,
                  const uint8_t *b, int exponent, bool negate)
{
    BN_CTX *bn = BN_CTX_new();
    BIGNUM *n = BN_bin2bn(curve_params(curve)->n, FIELD_LEN, NULL);
    BIGNUM *x = BN_bin2bn(a, EC_SCALAR_LEN, NULL), *y = BN_bin2bn(b, EC_SCALAR_LEN, NULL);
    assert_true(bn != NULL && n != NULL && x != NULL && y != NULL);
    if (exponent < 0) {
        assert_non_null(BN_mod_inverse(y, y, n, bn));
    }
    assert_int_equal(BN_mod_mul(x, x, y, n, bn), 1);
    if (negate) {
        assert_int_equal(BN_mod_sub(x, n, x, n, bn), 1);
    }
    assert_int_equal(BN_bn2binpad(x, out, EC_SCALAR_LEN), EC_SCALAR_LEN);
    BN_free(x);
    BN_free(y);
    BN_free(n);
    BN_CTX_free(bn);
}

/* u1 G = u2 Q means e = r d, u1 G = -u2 Q means e = -r d: a valid signature, and infinity. */
static void check_meeting(struct kernel_world *w, enum curve curve, struct signed_case *s)
{
    uint8_t nonce[EC_SCALAR_LEN], point[EC_POINT_LEN], r[EC_SCALAR_LEN];
    seeded_pair(w, curve, nonce, point);
    memset(s->digest, 0, SHA256_LEN);
    oracle_sign(curve, s->d, s->digest, nonce, s->signature); /* r depends on the nonce alone */
    memcpy(r, s->signature, sizeof r);
    mod_n(curve, s->digest, r, s->d, 1, false);
    oracle_sign(curve, s->d, s->digest, nonce, s->signature);
    check_one(w, "u1 G = u2 Q", curve, s, STATUS_OK);
    mod_n(curve, s->digest, r, s->d, 1, true);
    check_one(w, "u1 G = -u2 Q", curve, s, STATUS_SIGNATURE_INVALID);
}

static void points_meet(void **state)
{
    struct kernel_world *w = *state;
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        const enum curve curve = (enum curve)c;
        static const int offsets[] = {1, 2, 3, -1, -2}; /* Q = +-G among others */
        struct signed_case s = {.d = {0}};
        for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
            if (offsets[i] < 0) {
                oracle_order(curve, offsets[i], s.d);
            } else {
                memset(s.d, 0, sizeof s.d);
                s.d[EC_SCALAR_LEN - 1] = (uint8_t)offsets[i];
            }
            assert_true(oracle_mul(curve, s.d, NULL, s.Q));
            seeded_bytes(s.digest, SHA256_LEN);
            sign(w, curve, &s);
            check_one(w, "Q near G", curve, &s, STATUS_OK);
            s.digest[3] ^= 2;
            check_one(w, "Q near G", curve, &s, STATUS_SIGNATURE_INVALID);
            check_meeting(w, curve, &s);
        }
        seeded_pair(w, curve, s.d, s.Q);
        check_meeting(w, curve, &s);
    }
}

/* Many such items among ordinary ones of one batch. */
static void meeting_neighbours(void **state)
{
    struct kernel_world *w = *state;
    struct signed_case cases[BATCH_MAX];
    struct verify_item items[BATCH_MAX];
    enum status want[BATCH_MAX];
    struct signed_case key = {.d = {0}};
    uint8_t r[EC_SCALAR_LEN];
    seeded_pair(w, CURVE_BRAINPOOLP256R1, key.d, key.Q);
    for (size_t i = 0; i < BATCH_MAX; i++) {
        cases[i] = key;
        seeded_bytes(cases[i].digest, SHA256_LEN);
        sign(w, CURVE_BRAINPOOLP256R1, &cases[i]);
        want[i] = STATUS_OK;
        if (i % 2 == 0) {
            memcpy(r, cases[i].signature, sizeof r);
            mod_n(CURVE_BRAINPOOLP256R1, cases[i].digest, r, key.d, 1, true);
            want[i] = STATUS_SIGNATURE_INVALID;
        }
        items[i] = item_from(CURVE_BRAINPOOLP256R1, &cases[i]);
    }
    check_verify(w, "meeting neighbours", BATCH_MAX, items, want);
}

static void digests_are_reduced(void **state)
{
    struct kernel_world *w = *state;
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        const enum curve curve = (enum curve)c;
        struct signed_case s = {.d = {0}};
        uint8_t digests[6][SHA256_LEN] = {{0}};
        seeded_pair(w, curve, s.d, s.Q);
        oracle_order(curve, -1, digests[1]);
        oracle_order(curve, 0, digests[2]);
        oracle_order(curve, 1, digests[3]);
        memset(digests[4], 0xFF, SHA256_LEN);
        digests[5][SHA256_LEN - 1] = 1;
        for (size_t i = 0; i < sizeof digests / sizeof digests[0]; i++) {
            memcpy(s.digest, digests[i], SHA256_LEN);
            sign(w, curve, &s);
            check_one(w, "digest", curve, &s, STATUS_OK);
            s.digest[SHA256_LEN - 1] ^= 1;
            check_one(w, "digest", curve, &s, STATUS_SIGNATURE_INVALID);
        }
        memcpy(s.digest, digests[2], SHA256_LEN); /* n and 0 mean the same */
        sign(w, curve, &s);
        memset(s.digest, 0, SHA256_LEN);
        check_one(w, "n for 0", curve, &s, STATUS_OK);
    }
}

static void r_and_s_have_their_range(void **state)
{
    struct kernel_world *w = *state;
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        const enum curve curve = (enum curve)c;
        struct signed_case s = {.digest = {1}};
        uint8_t values[6][FIELD_LEN] = {{0}};
        seeded_pair(w, curve, s.d, s.Q);
        sign(w, curve, &s);
        values[1][FIELD_LEN - 1] = 1;
        oracle_order(curve, -1, values[2]);
        oracle_order(curve, 0, values[3]);
        oracle_order(curve, 1, values[4]);
        memset(values[5], 0xFF, FIELD_LEN);
        for (size_t i = 0; i < 6 * 7; i++) { /* each for r, with each or its own for s */
            struct signed_case bad = s;
            memcpy(bad.signature, values[i / 7], FIELD_LEN);
            if (i % 7 < 6) {
                memcpy(bad.signature + FIELD_LEN, values[i % 7], FIELD_LEN);
            }
            check_one(w, "r", curve, &bad, STATUS_SIGNATURE_INVALID);
            if (i % 7 == 6) {
                bad = s;
                memcpy(bad.signature + FIELD_LEN, values[i / 7], FIELD_LEN);
                check_one(w, "s", curve, &bad, STATUS_SIGNATURE_INVALID);
            }
        }
        check_one(w, "untouched", curve, &s, STATUS_OK);
    }
}

/* A point of the curve whose x is start, or the next above that has one. */
static void point_from(enum curve curve, BIGNUM *x, uint8_t point[static EC_POINT_LEN])
{
    const struct curve_params *c = curve_params(curve);
    BN_CTX *bn = BN_CTX_new();
    BIGNUM *p = BN_bin2bn(c->p, FIELD_LEN, NULL), *a = BN_bin2bn(c->a, FIELD_LEN, NULL);
    BIGNUM *b = BN_bin2bn(c->b, FIELD_LEN, NULL), *y = BN_new();
    assert_true(bn != NULL && p != NULL && a != NULL && b != NULL && y != NULL);
    for (;; assert_int_equal(BN_add_word(x, 1), 1)) {
        assert_int_equal(BN_mod_sqr(y, x, p, bn), 1);
        assert_int_equal(BN_mod_add(y, y, a, p, bn), 1);
        assert_int_equal(BN_mod_mul(y, y, x, p, bn), 1);
        assert_int_equal(BN_mod_add(y, y, b, p, bn), 1);
        if (BN_mod_sqrt(y, y, p, bn) != NULL) {
            break;
        }
    }
    assert_int_equal(BN_cmp(x, p), -1);
    point[0] = POINT_UNCOMPRESSED;
    assert_int_equal(BN_bn2binpad(x, point + 1, FIELD_LEN), FIELD_LEN);
    assert_int_equal(BN_bn2binpad(y, point + 1 + FIELD_LEN, FIELD_LEN), FIELD_LEN);
    BN_free(p);
    BN_free(a);
    BN_free(b);
    BN_free(y);
    BN_CTX_free(bn);
}

/* With digest 0 the sum is (r/s) Q: Q = (s/r) P makes it P. */
static void make_sum(enum curve curve, struct signed_case *s, const uint8_t r[static FIELD_LEN],
                     const uint8_t P[static EC_POINT_LEN])
{
    uint8_t factor[EC_SCALAR_LEN];
    memset(s, 0, sizeof *s);
    memcpy(s->signature, r, FIELD_LEN);
    memset(s->signature + FIELD_LEN, 0x35, FIELD_LEN);
    mod_n(curve, factor, s->signature + FIELD_LEN, r, -1, false);
    assert_true(oracle_mul(curve, factor, P, s->Q));
}

/* x in [n, p): r is x - n, and r + n is below p. One more on r is another signature. */
static void x_above_n(void **state)
{
    struct kernel_world *w = *state;
    for (unsigned c = CURVE_P256; c <= CURVE_BRAINPOOLP256R1; c++) {
        const enum curve curve = (enum curve)c;
        BIGNUM *n = BN_bin2bn(curve_params(curve)->n, FIELD_LEN, NULL), *x = BN_dup(n);
        for (size_t i = 0; i < 4; i++) {
            struct signed_case s;
            uint8_t P[EC_POINT_LEN], r[FIELD_LEN];
            assert_int_equal(BN_add_word(x, 1), 1);
            point_from(curve, x, P);
            BIGNUM *difference = BN_dup(x);
            assert_int_equal(BN_sub(difference, x, n), 1);
            assert_int_equal(BN_bn2binpad(difference, r, FIELD_LEN), FIELD_LEN);
            BN_free(difference);
            make_sum(curve, &s, r, P);
            check_one(w, "x = r + n", curve, &s, STATUS_OK);
            s.signature[FIELD_LEN - 1] ^= 1;
            check_one(w, "x != r + n", curve, &s, STATUS_SIGNATURE_INVALID);
        }
        BN_free(n);
        BN_free(x);
    }
}

/* FRP256v1 has n > p: an r in [p, n) is no x, though it is one modulo p. */
static void r_above_p(void **state)
{
    struct kernel_world *w = *state;
    struct signed_case s;
    uint8_t P[EC_POINT_LEN], x_plus_p[EC_POINT_LEN];
    oracle_small_point(CURVE_FRP256V1, P, x_plus_p);
    make_sum(CURVE_FRP256V1, &s, x_plus_p + 1, P);
    check_one(w, "r = x + p", CURVE_FRP256V1, &s, STATUS_SIGNATURE_INVALID);
    if (P[FIELD_LEN] != 0) { /* x = 0 is no r */
        make_sum(CURVE_FRP256V1, &s, P + 1, P);
        check_one(w, "r = x", CURVE_FRP256V1, &s, STATUS_OK);
    }
}

static void keys_must_be_points(void **state)
{
    struct kernel_world *w = *state;
    static const uint8_t forms[] = {0x00, 0x02, 0x03, 0x05, 0x06, 0x07, 0xFF};
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        const enum curve curve = (enum curve)c;
        struct signed_case s = {.digest = {2}}, bad;
        uint8_t small[EC_POINT_LEN];
        seeded_pair(w, curve, s.d, s.Q);
        sign(w, curve, &s);
        for (size_t i = 0; i < sizeof forms; i++) {
            bad = s;
            bad.Q[0] = forms[i];
            check_one(w, "form", curve, &bad, STATUS_BAD_POINT);
        }
        for (size_t at = 1; at < EC_POINT_LEN; at += 9) {
            bad = s;
            bad.Q[at] ^= 0x10;
            check_one(w, "off the curve", curve, &bad, STATUS_BAD_POINT);
        }
        bad = s;
        memset(bad.Q + 1, 0, EC_POINT_LEN - 1);
        check_one(w, "(0, 0)", curve, &bad, STATUS_BAD_POINT);
        oracle_small_point(curve, small, bad.Q);
        check_one(w, "x + p", curve, &bad, STATUS_BAD_POINT);
        memcpy(bad.Q, small, sizeof small);
        check_one(w, "small x", curve, &bad, STATUS_SIGNATURE_INVALID);
        check_one(w, "right", curve, &s, STATUS_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published),
        cmocka_unit_test(random_batches),
        cmocka_unit_test(a_large_batch),
        cmocka_unit_test(points_meet),
        cmocka_unit_test(meeting_neighbours),
        cmocka_unit_test(digests_are_reduced),
        cmocka_unit_test(r_and_s_have_their_range),
        cmocka_unit_test(x_above_n),
        cmocka_unit_test(r_above_p),
        cmocka_unit_test(keys_must_be_points),
    };
    seeded_start();
    return cmocka_run_group_tests(tests, kernel_world_new, kernel_world_free);
}
