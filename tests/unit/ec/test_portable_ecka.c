/* Secret multiplications by the portable kernel: published agreements, edges of k, the oracle. */
#include <openssl/bn.h>

#include "tests/unit/ec/portable_test.h"

enum { BATCH_MAX = 17, LARGE = 150, SMALL_SCALARS = 40 };

static const struct ec_kernel *const kernel = &ec_kernel_portable;

static enum status agree(struct kernel_world *w, enum curve curve, const uint8_t *k,
                         const uint8_t *peer, uint8_t z[static ECDH_Z_LEN])
{
    enum status out = STATUS_INTERNAL;
    memset(z, 0xA5, ECDH_Z_LEN); /* so that zeros are seen to be written */
    kernel->ecka(w->scratch, curve, 1, &k, &peer, &z, &out);
    return out;
}

static enum status multiply(struct kernel_world *w, enum curve curve, const uint8_t *k,
                            uint8_t Q[static EC_POINT_LEN])
{
    enum status out = STATUS_INTERNAL;
    memset(Q, 0xA5, EC_POINT_LEN);
    kernel->mul_base(w->scratch, curve, 1, &k, &Q, &out);
    return out;
}

static void check_agreement(struct kernel_world *w, enum curve curve, const char *what,
                            const uint8_t *k, const uint8_t *peer)
{
    uint8_t z[ECDH_Z_LEN], want[EC_POINT_LEN];
    assert_true(oracle_mul(curve, k, peer, want));
    assert_status(what, agree(w, curve, k, peer, z), STATUS_OK);
    assert_bytes(what, z, want + 1, ECDH_Z_LEN);
}

static void check_scalar(struct kernel_world *w, enum curve curve, const char *what,
                         const uint8_t *k, const uint8_t *peer)
{
    uint8_t Q[EC_POINT_LEN], want[EC_POINT_LEN];
    assert_true(oracle_mul(curve, k, NULL, want));
    assert_status(what, multiply(w, curve, k, Q), STATUS_OK);
    assert_bytes(what, Q, want, EC_POINT_LEN);
    check_agreement(w, curve, what, k, peer);
}

/* k where the last addition doubles, for G and for another point; and the neighbours of both. */
static void check_doublings(struct kernel_world *w, enum curve curve, const uint8_t *peer)
{
    BIGNUM *n = BN_bin2bn(curve_params(curve)->n, FIELD_LEN, NULL), *k = BN_new();
    BIGNUM *top = BN_new();
    assert_true(n != NULL && k != NULL && top != NULL);
    for (int delta = -2; delta <= 2; delta++) {
        uint8_t bytes[EC_SCALAR_LEN];
        for (int i = 0; i < 4; i++) {
            if (i < 2) { /* 2^256 - n */
                assert_int_equal(BN_set_bit(top, 256), 1);
                assert_int_equal(BN_sub(k, top, n), 1);
                BN_zero(top);
            } else { /* n - 2 (n mod 2^5) */
                assert_non_null(BN_copy(k, n));
                assert_int_equal(BN_sub_word(k, 2 * BN_mod_word(n, 32)), 1);
            }
            assert_int_equal(
                delta < 0 ? BN_sub_word(k, (BN_ULONG)-delta) : BN_add_word(k, (BN_ULONG)delta), 1);
            if (i % 2 == 1) {
                assert_int_equal(BN_sub(k, n, k), 1);
            }
            if (BN_is_zero(k) || BN_cmp(k, n) == 0) {
                continue; /* FRP256v1 has n = 1 mod 32: n - 2 and its neighbours */
            }
            assert_int_equal(BN_bn2binpad(k, bytes, EC_SCALAR_LEN), EC_SCALAR_LEN);
            check_scalar(w, curve, "a k that doubles", bytes, peer);
        }
    }
    BN_free(n);
    BN_free(k);
    BN_free(top);
}

static void edges_of_k(void **state)
{
    struct kernel_world *w = *state;
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        const enum curve curve = (enum curve)c;
        uint8_t d[EC_SCALAR_LEN], peer[EC_POINT_LEN], k[EC_SCALAR_LEN];
        seeded_pair(w, curve, d, peer);
        for (int i = 1; i <= SMALL_SCALARS; i++) {
            memset(k, 0, sizeof k);
            k[EC_SCALAR_LEN - 1] = (uint8_t)i;
            check_scalar(w, curve, "small", k, peer);
            oracle_order(curve, -i, k);
            check_scalar(w, curve, "near n", k, peer);
        }
        for (int bit = 0; bit < 255; bit += 2) { /* 2^254 < n on every curve */
            memset(k, 0, sizeof k);
            k[EC_SCALAR_LEN - 1 - bit / 8] = (uint8_t)(1 << bit % 8);
            check_scalar(w, curve, "power of two", k, peer);
        }
        check_doublings(w, curve, peer);
    }
}

static void scalars_have_their_range(void **state)
{
    struct kernel_world *w = *state;
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        const enum curve curve = (enum curve)c;
        uint8_t bad[4][EC_SCALAR_LEN] = {{0}}, d[EC_SCALAR_LEN], peer[EC_POINT_LEN];
        uint8_t Q[EC_POINT_LEN], z[ECDH_Z_LEN];
        seeded_pair(w, curve, d, peer);
        oracle_order(curve, 0, bad[1]);
        oracle_order(curve, 1, bad[2]);
        memset(bad[3], 0xFF, EC_SCALAR_LEN);
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
            assert_status("k", multiply(w, curve, bad[i], Q), STATUS_BAD_SCALAR);
            assert_zero("Q", Q, sizeof Q);
            assert_status("k", agree(w, curve, bad[i], peer, z), STATUS_BAD_SCALAR);
            assert_zero("z", z, sizeof z);
        }
    }
}

static void peers_must_be_points(void **state)
{
    struct kernel_world *w = *state;
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        const enum curve curve = (enum curve)c;
        uint8_t d[EC_SCALAR_LEN], peer[EC_POINT_LEN], bad[EC_POINT_LEN], small[EC_POINT_LEN];
        uint8_t z[ECDH_Z_LEN];
        seeded_pair(w, curve, d, peer);
        for (size_t at = 0; at < EC_POINT_LEN; at++) {
            memcpy(bad, peer, sizeof bad);
            bad[at] ^= 0x20;
            assert_status("peer", agree(w, curve, d, bad, z), STATUS_BAD_POINT);
            assert_zero("z", z, sizeof z);
        }
        oracle_small_point(curve, small, bad);
        assert_status("x + p", agree(w, curve, d, bad, z), STATUS_BAD_POINT);
        check_agreement(w, curve, "small x", d, small);
    }
}

static void check_wycheproof(struct kernel_world *w, enum curve curve, const char *file)
{
    struct vectors *v = vectors_open(file);
    size_t valid = 0;
    for (size_t i = 0; i < vectors_count(v); i++) {
        const struct vector *c = vectors_at(v, i);
        uint8_t z[ECDH_Z_LEN];
        const enum status got = agree(w, curve, vector_bytes(c, "private", EC_SCALAR_LEN),
                                      vector_bytes(c, "public", EC_POINT_LEN), z);
        if (vector_is(c, "result", "valid")) {
            assert_status(vector_name(c), got, STATUS_OK);
            assert_bytes(vector_name(c), z, vector_bytes(c, "shared", ECDH_Z_LEN), ECDH_Z_LEN);
            valid++;
        } else {
            assert_true(got == STATUS_BAD_POINT || got == STATUS_BAD_SCALAR);
            assert_zero(vector_name(c), z, sizeof z);
        }
    }
    assert_true(valid > 50);
    vectors_close(&v);
}

static void published(void **state)
{
    check_wycheproof(*state, CURVE_P256, "wycheproof_ecdh_p256");
    check_wycheproof(*state, CURVE_BRAINPOOLP256R1, "wycheproof_ecdh_brainpoolP256r1");
}

/* Every size, with a bad scalar and a bad peer among the items: the others' results are the
 * reference's. */
static void check_batch(struct kernel_world *w, enum curve curve, size_t n)
{
    static uint8_t k[LARGE][EC_SCALAR_LEN], Q[LARGE][EC_POINT_LEN], peer[LARGE][EC_POINT_LEN];
    static uint8_t z[LARGE][ECDH_Z_LEN], want[LARGE][ECDH_Z_LEN];
    const uint8_t *ks[LARGE], *peers[LARGE];
    uint8_t *Qs[LARGE], *zs[LARGE];
    enum status out[LARGE], reference[LARGE], base[LARGE];
    struct ecka_item items[LARGE];
    for (size_t i = 0; i < n; i++) {
        uint8_t d[EC_SCALAR_LEN];
        seeded_pair(w, curve, k[i], Q[i]);
        seeded_pair(w, curve, d, peer[i]);
        if (i % 5 == 2) {
            memset(k[i], i % 2 != 0 ? 0 : 0xFF, EC_SCALAR_LEN);
        } else if (i % 5 == 4) {
            peer[i][40] ^= 1;
        }
        ks[i] = k[i], peers[i] = peer[i], Qs[i] = Q[i], zs[i] = z[i];
        items[i] = (struct ecka_item){curve, k[i], peer[i], want[i]};
    }
    provider_ecka(w->reference, n, items, reference);
    kernel->ecka(w->scratch, curve, n, ks, peers, zs, out);
    kernel->mul_base(w->scratch, curve, n, ks, Qs, base);
    for (size_t i = 0; i < n; i++) {
        assert_status("batch", out[i], reference[i]);
        assert_bytes("batch", z[i], want[i], ECDH_Z_LEN);
        assert_status("base", base[i], i % 5 == 2 ? STATUS_BAD_SCALAR : STATUS_OK);
        if (base[i] == STATUS_OK && i < BATCH_MAX) {
            uint8_t product[EC_POINT_LEN];
            assert_true(oracle_mul(curve, k[i], NULL, product));
            assert_bytes("base", Q[i], product, EC_POINT_LEN);
        }
    }
}

static void batches(void **state)
{
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        for (size_t n = 1; n <= BATCH_MAX; n++) {
            check_batch(*state, (enum curve)c, n);
        }
        check_batch(*state, (enum curve)c, LARGE);
    }
}

static void an_empty_batch_is_fine(void **state)
{
    struct kernel_world *w = *state;
    kernel->ecka(w->scratch, CURVE_P256, 0, NULL, NULL, NULL, NULL);
    kernel->mul_base(w->scratch, CURVE_P256, 0, NULL, NULL, NULL);
    kernel->verify_known_vartime(w->scratch, CURVE_P256, 0, NULL, NULL, NULL);
    kernel->verify_unknown_vartime(w->scratch, CURVE_P256, 0, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edges_of_k),
        cmocka_unit_test(scalars_have_their_range),
        cmocka_unit_test(peers_must_be_points),
        cmocka_unit_test(published),
        cmocka_unit_test(batches),
        cmocka_unit_test(an_empty_batch_is_fine),
    };
    seeded_start();
    return cmocka_run_group_tests(tests, kernel_world_new, kernel_world_free);
}
