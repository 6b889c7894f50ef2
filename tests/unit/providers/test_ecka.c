/* Key agreement and key generation against published answers and an oracle of big numbers. */
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>

#include "tests/unit/providers/oracle.h"
#include "tests/unit/providers/provider_test.h"

enum { BATCH_MAX = 17 };

/* The n cases from `first` in one batch; each item's fate is its own. */
static void check_batch(struct fixture *f, enum curve curve, const struct vectors *v, size_t first,
                        size_t n, const char *peer)
{
    struct ecka_item items[BATCH_MAX] = {0};
    enum status out[BATCH_MAX];
    uint8_t z[BATCH_MAX][ECDH_Z_LEN];
    memset(z, 0xA5, sizeof z);
    for (size_t i = 0; i < n; i++) {
        const struct vector *c = vectors_at(v, first + i);
        items[i] = (struct ecka_item){curve, vector_bytes(c, "private", EC_SCALAR_LEN),
                                      vector_bytes(c, peer, EC_POINT_LEN), z[i]};
        out[i] = STATUS_INTERNAL;
    }
    provider_ecka(f->provider, n, items, out);
    for (size_t i = 0; i < n; i++) {
        const struct vector *c = vectors_at(v, first + i);
        if (vector_has(c, "result") && vector_is(c, "result", "invalid")) {
            assert_status(vector_name(c), out[i], STATUS_BAD_POINT);
            assert_zero(vector_name(c), z[i], ECDH_Z_LEN);
        } else {
            assert_status(vector_name(c), out[i], STATUS_OK);
            assert_bytes(vector_name(c), z[i], vector_bytes(c, "shared", ECDH_Z_LEN), ECDH_Z_LEN);
        }
    }
}

static void check_file(struct fixture *f, enum curve curve, const char *file, const char *peer,
                       size_t at_least)
{
    struct vectors *v = vectors_open(file);
    size_t first = 0;
    while (!vector_has(vectors_at(v, first), "private")) { /* frp256v1 starts with signatures */
        first++;
    }
    assert_true(vectors_count(v) - first >= at_least);
    for (size_t i = first, n = 1; i < vectors_count(v); n = n % BATCH_MAX + 1) {
        size_t take = n < vectors_count(v) - i ? n : vectors_count(v) - i;
        check_batch(f, curve, v, i, take, peer);
        i += take;
    }
    vectors_close(&v);
}

static void wycheproof_p256(void **state)
{
    check_file(*state, CURVE_P256, "wycheproof_ecdh_p256", "public", 349);
}

static void wycheproof_brainpool(void **state)
{
    check_file(*state, CURVE_BRAINPOOLP256R1, "wycheproof_ecdh_brainpoolP256r1", "public", 536);
}

static void rfc7027(void **state)
{
    check_file(*state, CURVE_BRAINPOOLP256R1, "ecdh_brainpoolP256r1", "peer", 3);
}

static void frp256v1_by_plain_integers(void **state)
{
    check_file(*state, CURVE_FRP256V1, "frp256v1", "peer", 20);
}

static void recorded_agreements(void **state)
{
    struct fixture *f = *state;
    struct vectors *v = vectors_open("ecdh_x963");
    size_t agreements = 0;
    for (size_t i = 0; i < vectors_count(v); i++) {
        const struct vector *c = vectors_at(v, i);
        uint8_t z[ECDH_Z_LEN];
        if (vector_hex(c, "private").len == 0) {
            continue;
        }
        agreements++;
        assert_status(vector_name(c),
                      agree_one(f, CURVE_P256, vector_bytes(c, "private", EC_SCALAR_LEN),
                                vector_bytes(c, "peer", EC_POINT_LEN), z),
                      STATUS_OK);
        assert_bytes(vector_name(c), z, vector_bytes(c, "z", ECDH_Z_LEN), ECDH_Z_LEN);
    }
    assert_int_equal(agreements, 4);
    vectors_close(&v);
}

/* k * P from the provider is the oracle's, for random k and P and for the scalars at the edges. */
static void agrees_with_the_oracle(void **state)
{
    struct fixture *f = *state;
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        enum curve curve = (enum curve)c;
        uint8_t k[6][EC_SCALAR_LEN] = {{0}}, unused[EC_POINT_LEN], peer[EC_POINT_LEN];
        uint8_t expected[EC_POINT_LEN], z[ECDH_Z_LEN];
        k[0][EC_SCALAR_LEN - 1] = 1;
        k[1][EC_SCALAR_LEN - 1] = 2;
        oracle_order(curve, -1, k[2]);
        oracle_order(curve, -2, k[3]);
        k[4][0] = 0x80;
        new_pair(f, curve, k[5], unused);
        for (size_t i = 0; i < 6; i++) {
            uint8_t peer_k[EC_SCALAR_LEN];
            new_pair(f, curve, peer_k, peer);
            assert_true(oracle_mul(curve, k[i], peer, expected));
            assert_status(curve_name(c), agree_one(f, curve, k[i], peer, z), STATUS_OK);
            assert_bytes(curve_name(c), z, expected + 1, ECDH_Z_LEN);
        }
    }
}

static void scalars_have_their_range(void **state)
{
    struct fixture *f = *state;
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        enum curve curve = (enum curve)c;
        uint8_t bad[4][EC_SCALAR_LEN] = {{0}}, k[EC_SCALAR_LEN], Q[EC_POINT_LEN], z[ECDH_Z_LEN];
        oracle_order(curve, 0, bad[1]);
        oracle_order(curve, 1, bad[2]);
        memset(bad[3], 0xFF, sizeof bad[3]);
        new_pair(f, curve, k, Q);
        for (size_t i = 0; i < 4; i++) {
            assert_status(curve_name(c), agree_one(f, curve, bad[i], Q, z), STATUS_BAD_SCALAR);
            assert_zero("z", z, sizeof z);
        }
    }
}

static void peers_must_be_points(void **state)
{
    struct fixture *f = *state;
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        enum curve curve = (enum curve)c;
        uint8_t k[EC_SCALAR_LEN], Q[EC_POINT_LEN], x_plus_p[EC_POINT_LEN], z[ECDH_Z_LEN];
        new_pair(f, curve, k, Q);
        Q[EC_POINT_LEN - 1] ^= 1;
        assert_status("off the curve", agree_one(f, curve, k, Q, z), STATUS_BAD_POINT);
        assert_zero("z", z, sizeof z);
        memset(Q, 0, sizeof Q);
        assert_status("infinity's form", agree_one(f, curve, k, Q, z), STATUS_BAD_POINT);
        oracle_small_point(curve, Q, x_plus_p);
        assert_status("small x", agree_one(f, curve, k, Q, z), STATUS_OK);
        assert_status("x + p", agree_one(f, curve, k, x_plus_p, z), STATUS_BAD_POINT);
        Q[0] = 0x06; /* the hybrid form, which libcrypto alone would take */
        Q[0] |= Q[EC_POINT_LEN - 1] & 1;
        assert_status("hybrid", agree_one(f, curve, k, Q, z), STATUS_BAD_POINT);
        assert_status("no curve", agree_one(f, CURVE_COUNT, k, Q, z), STATUS_BAD_CURVE);
        assert_zero("z", z, sizeof z);
    }
}

/* A batch over all curves with unknown ones between: each pair is kG by the oracle, and new. */
static void pairs_are_consistent(void **state)
{
    struct fixture *f = *state;
    enum { ITEMS = 12 };
    struct keygen_item items[ITEMS];
    enum status out[ITEMS];
    uint8_t k[ITEMS][EC_SCALAR_LEN], Q[ITEMS][EC_POINT_LEN], expected[EC_POINT_LEN];
    memset(k, 0xA5, sizeof k);
    memset(Q, 0xA5, sizeof Q);
    for (size_t i = 0; i < ITEMS; i++) {
        items[i] = (struct keygen_item){(enum curve)(i % (CURVE_COUNT + 1)), k[i], Q[i]};
    }
    provider_keygen(f->provider, f->drbg, ITEMS, items, out);
    for (size_t i = 0; i < ITEMS; i++) {
        if (curve_params(items[i].curve) == NULL) {
            assert_status("no curve", out[i], STATUS_BAD_CURVE);
            assert_zero("k", k[i], sizeof k[i]);
            assert_zero("Q", Q[i], sizeof Q[i]);
            continue;
        }
        assert_status(curve_name(items[i].curve), out[i], STATUS_OK);
        assert_true(scalar_in_range(curve_params(items[i].curve), k[i]));
        assert_true(oracle_mul(items[i].curve, k[i], NULL, expected));
        assert_bytes(curve_name(items[i].curve), Q[i], expected, sizeof expected);
        for (size_t j = 0; j < i; j++) {
            assert_memory_not_equal(k[i], k[j], EC_SCALAR_LEN);
        }
    }
}

/* The range checks at each end, and the parameters against libcrypto's own of the named curves. */
static void ranges_and_parameters(void **state)
{
    (void)state;
    static const int nids[] = {
        [CURVE_P256] = NID_X9_62_prime256v1, [CURVE_BRAINPOOLP256R1] = NID_brainpoolP256r1};
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        const struct curve_params *params = curve_params((enum curve)c);
        uint8_t k[EC_SCALAR_LEN] = {0};
        assert_false(scalar_in_range(params, k));
        k[EC_SCALAR_LEN - 1] = 1;
        assert_true(scalar_in_range(params, k));
        k[EC_SCALAR_LEN - 1] = 0;
        k[0] = 1;
        assert_true(scalar_in_range(params, k));
        for (int delta = -2; delta <= 2; delta++) {
            oracle_order((enum curve)c, delta, k);
            assert_int_equal(scalar_in_range(params, k), delta < 0);
        }
        memset(k, 0xFF, sizeof k);
        assert_false(scalar_in_range(params, k));
        if (c < sizeof nids / sizeof nids[0]) {
            EC_GROUP *group = EC_GROUP_new_by_curve_name(nids[c]);
            BIGNUM *p = BN_new(), *a = BN_new(), *b = BN_new();
            uint8_t bytes[FIELD_LEN];
            assert_int_equal(EC_GROUP_get_curve(group, p, a, b, NULL), 1);
            assert_int_equal(BN_bn2binpad(p, bytes, FIELD_LEN), FIELD_LEN);
            assert_bytes("p", params->p, bytes, FIELD_LEN);
            assert_int_equal(BN_bn2binpad(a, bytes, FIELD_LEN), FIELD_LEN);
            assert_bytes("a", params->a, bytes, FIELD_LEN);
            assert_int_equal(BN_bn2binpad(b, bytes, FIELD_LEN), FIELD_LEN);
            assert_bytes("b", params->b, bytes, FIELD_LEN);
            BN_free(p);
            BN_free(a);
            BN_free(b);
            EC_GROUP_free(group);
        }
    }
    assert_null(curve_params(CURVE_NONE));
    assert_null(curve_params(CURVE_COUNT));
}

/* Two generators with the same personalisation still differ: the OS seeds each. */
static void generators_differ(void **state)
{
    struct fixture *f = *state;
    struct drbg *twin = NULL, *plain = NULL;
    uint8_t a[32], b[32], c[32];
    static uint8_t large[200000];
    assert_status("twin", drbg_new(&twin, span_of("test", 4)), STATUS_OK);
    assert_status("plain", drbg_new(&plain, span_of(NULL, 0)), STATUS_OK);
    assert_status("a", drbg_bytes(f->drbg, a, sizeof a), STATUS_OK);
    assert_status("b", drbg_bytes(twin, b, sizeof b), STATUS_OK);
    assert_status("c", drbg_bytes(plain, c, sizeof c), STATUS_OK);
    assert_memory_not_equal(a, b, sizeof a);
    assert_memory_not_equal(a, c, sizeof a);
    assert_memory_not_equal(b, c, sizeof b);
    /* More than one request of the mechanism, to the last byte. */
    assert_status("large", drbg_bytes(plain, large, sizeof large), STATUS_OK);
    size_t zeros = 0;
    for (size_t i = sizeof large - 64; i < sizeof large; i++) {
        zeros += large[i] == 0;
    }
    assert_true(zeros < 32);
    drbg_free(&twin);
    drbg_free(&plain);
    assert_null(plain);
}

static void locked_memory(void **state)
{
    (void)state;
    uint64_t *p = secret_alloc(5, sizeof *p + 1);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % 16, 0);
    assert_zero("fresh", p, 45);
    memset(p, 0x5A, 45);
    secret_wipe(p, 45);
    assert_zero("wiped", p, 45);
    secret_free(&p);
    assert_null(p);
    secret_free(&p);
    assert_null(secret_alloc(SIZE_MAX / 2, 3));
    assert_null(secret_alloc(SIZE_MAX, 1));
    assert_int_equal(secret_equal("abc", "abc", 3), 1);
    assert_int_equal(secret_equal("abc", "abd", 3), 0);
    assert_int_equal(secret_equal("abc", "xbc", 3), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wycheproof_p256),
        cmocka_unit_test(wycheproof_brainpool),
        cmocka_unit_test(rfc7027),
        cmocka_unit_test(frp256v1_by_plain_integers),
        cmocka_unit_test(recorded_agreements),
        cmocka_unit_test(agrees_with_the_oracle),
        cmocka_unit_test(scalars_have_their_range),
        cmocka_unit_test(peers_must_be_points),
        cmocka_unit_test(pairs_are_consistent),
        cmocka_unit_test(ranges_and_parameters),
        cmocka_unit_test(generators_differ),
        cmocka_unit_test(locked_memory),
    };
    return cmocka_run_group_tests(tests, fixture_new, fixture_free);
}
