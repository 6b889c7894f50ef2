/*
 * The eight-lane key generation and agreement against Wycheproof, libcrypto and an oracle of big
 * numbers: every lane, every batch size up to 17 and the 64 that share an inversion, the scalars at
 * which an addition degenerates, and bad items that leave their neighbours alone.
 */
#include <malloc.h>
#include <openssl/bn.h>

#include "providers/ec/ifma/ecka_base.h"
#include "providers/ec/ifma/ifma.h"
#include "tests/unit/ec/seeded.h"
#include "tests/unit/providers/oracle.h"
#include "tests/unit/providers/provider_test.h"

enum {
    LANES = 8,
    SIZES = 17, /* every batch size up to here */
    CHUNK = 64, /* items that share an inversion */
    BATCH_MAX = 1000,
    EDGE = 64, /* scalars from each end */
    EXIT_SKIPPED = 77,
};

struct world {
    struct ifma_scratch scratch;
    struct provider *libcrypto;
};

/* One batch with room for everything; k and peer are pointers, so that items may share them. */
struct batch {
    enum curve curve;
    size_t n;
    const uint8_t *k[BATCH_MAX], *peer[BATCH_MAX];
    uint8_t k_bytes[BATCH_MAX][EC_SCALAR_LEN], peer_bytes[BATCH_MAX][EC_POINT_LEN];
    uint8_t Q[BATCH_MAX][EC_POINT_LEN], z[BATCH_MAX][ECDH_Z_LEN];
    enum status base_status[BATCH_MAX], ecka_status[BATCH_MAX];
};

static struct batch batch; /* too large for a stack */

static struct ec_scratch *scratch_of(struct world *w)
{
    return (struct ec_scratch *)(void *)&w->scratch;
}

static int world_new(void **state)
{
    static struct world w;
    const struct provider_ops *const *ops = provider_backends();
    while (*ops != NULL && strcmp((*ops)->name, "libcrypto") != 0) {
        ops++;
    }
    *state = &w;
    return secret_init() == STATUS_OK && *ops != NULL &&
                   provider_new_with(&w.libcrypto, *ops) == STATUS_OK &&
                   ecka_global_init() == STATUS_OK && ecka_scratch_new(&w.scratch.ecka) == STATUS_OK
               ? 0
               : -1;
}

static int world_free(void **state)
{
    struct world *w = *state;
    provider_free(&w->libcrypto);
    ecka_scratch_free(&w->scratch.ecka);
    return 0;
}

static void agree(struct world *w)
{
    uint8_t *z[BATCH_MAX];
    memset(batch.z, 0xA5, sizeof batch.z); /* so that zeros are seen to be written */
    for (size_t i = 0; i < batch.n; i++) {
        z[i] = batch.z[i];
        batch.ecka_status[i] = STATUS_INTERNAL;
    }
    ifma_ecka(scratch_of(w), batch.curve, batch.n, batch.k, batch.peer, z, batch.ecka_status);
}

static void generate(struct world *w)
{
    uint8_t *Q[BATCH_MAX];
    memset(batch.Q, 0xA5, sizeof batch.Q);
    for (size_t i = 0; i < batch.n; i++) {
        Q[i] = batch.Q[i];
        batch.base_status[i] = STATUS_INTERNAL;
    }
    ifma_mul_base(scratch_of(w), batch.curve, batch.n, batch.k, Q, batch.base_status);
}

static enum status reference(struct world *w, size_t i, uint8_t z[static ECDH_Z_LEN])
{
    const struct ecka_item item = {batch.curve, batch.k[i], batch.peer[i], z};
    enum status out = STATUS_INTERNAL;
    provider_ecka(w->libcrypto, 1, &item, &out);
    return out;
}

/* Every item of the batch is libcrypto's. */
static void assert_as_libcrypto(struct world *w)
{
    agree(w);
    for (size_t i = 0; i < batch.n; i++) {
        uint8_t z[ECDH_Z_LEN];
        assert_status(curve_name(batch.curve), batch.ecka_status[i], reference(w, i, z));
        assert_bytes(curve_name(batch.curve), batch.z[i], z, sizeof z);
    }
}

static void fill_random(enum curve curve, size_t n)
{
    batch.curve = curve;
    batch.n = n;
    for (size_t i = 0; i < n; i++) {
        do {
            seeded_bytes(batch.k_bytes[i], EC_SCALAR_LEN);
        } while (!scalar_in_range(curve_params(curve), batch.k_bytes[i]));
        batch.k[i] = batch.k_bytes[i];
        batch.peer[i] = batch.peer_bytes[i];
    }
}

/* Points whose logarithms are random; kG by the function under test, which other tests check. */
static void fill_peers(struct world *w)
{
    generate(w);
    memcpy(batch.peer_bytes, batch.Q, sizeof batch.Q);
    for (size_t i = 0; i < batch.n; i++) {
        seeded_bytes(batch.k_bytes[i] + 1, EC_SCALAR_LEN - 1); /* below n still, and not 0 */
        batch.k_bytes[i][0] >>= 1;
    }
}

/* -- published cases -- */

static void load_case(size_t i, const struct vector *c)
{
    batch.k[i] = vector_bytes(c, "private", EC_SCALAR_LEN);
    batch.peer[i] = vector_bytes(c, "public", EC_POINT_LEN);
}

static void assert_case(size_t i, const struct vector *c)
{
    if (vector_is(c, "result", "invalid")) {
        assert_status(vector_name(c), batch.ecka_status[i], STATUS_BAD_POINT);
        assert_zero(vector_name(c), batch.z[i], ECDH_Z_LEN);
    } else {
        assert_status(vector_name(c), batch.ecka_status[i], STATUS_OK);
        assert_bytes(vector_name(c), batch.z[i], vector_bytes(c, "shared", ECDH_Z_LEN), ECDH_Z_LEN);
    }
}

static void check_cases(struct world *w, const struct vectors *v, size_t first, size_t n)
{
    batch.n = n;
    for (size_t i = 0; i < n; i++) {
        load_case(i, vectors_at(v, first + i));
    }
    agree(w);
    for (size_t i = 0; i < n; i++) {
        assert_case(i, vectors_at(v, first + i));
    }
}

static void check_wycheproof(struct world *w, enum curve curve, const char *file, size_t at_least)
{
    struct vectors *v = vectors_open(file);
    const size_t count = vectors_count(v);
    assert_true(count >= at_least && count <= BATCH_MAX);
    batch.curve = curve;
    check_cases(w, v, 0, count);
    for (size_t i = 0, n = 1; i < count; n = n % SIZES + 1) { /* every size */
        const size_t take = n < count - i ? n : count - i;
        check_cases(w, v, i, take);
        i += take;
    }
    for (size_t i = 0; i < count; i++) { /* every lane */
        batch.n = LANES;
        for (size_t lane = 0; lane < LANES; lane++) {
            load_case(lane, vectors_at(v, i));
        }
        agree(w);
        for (size_t lane = 0; lane < LANES; lane++) {
            assert_case(lane, vectors_at(v, i));
        }
    }
    vectors_close(&v);
}

static void wycheproof_p256(void **state)
{
    check_wycheproof(*state, CURVE_P256, "wycheproof_ecdh_p256", 349);
}

static void wycheproof_brainpool(void **state)
{
    check_wycheproof(*state, CURVE_BRAINPOOLP256R1, "wycheproof_ecdh_brainpoolP256r1", 536);
}

/* -- scalars at the edges -- */

static void put_bn(size_t i, const BIGNUM *k)
{
    assert_int_equal(BN_bn2binpad(k, batch.k_bytes[i], EC_SCALAR_LEN), EC_SCALAR_LEN);
    batch.k[i] = batch.k_bytes[i];
}

/*
 * 1..64, n-64..n-1, and the k at which key generation's last addition is one of equal points: its
 * last term is T = u 2^252 G, u odd, the sum before it k - T, and k - T = T mod n for
 * k = 2 T - n. Those k that are no such k only add to the cases.
 */
static size_t fill_edges(enum curve curve)
{
    enum { LAST_WINDOW = 252, TOPS = 16 };
    size_t count = 0;
    BIGNUM *n = BN_bin2bn(curve_params(curve)->n, FIELD_LEN, NULL), *k = BN_new();
    assert_true(n != NULL && k != NULL);
    for (BN_ULONG i = 1; i <= EDGE; i++) {
        assert_int_equal(BN_set_word(k, i), 1);
        put_bn(count++, k);
        assert_int_equal(BN_sub(k, n, k), 1);
        put_bn(count++, k);
    }
    for (BN_ULONG u = 1; u < TOPS; u++) {
        assert_true(BN_set_word(k, u) == 1 && BN_lshift(k, k, LAST_WINDOW + 1) == 1 &&
                    BN_sub(k, k, n) == 1);
        if (!BN_is_negative(k) && !BN_is_zero(k) && BN_cmp(k, n) < 0) {
            put_bn(count++, k);
            assert_int_equal(BN_sub(k, n, k), 1);
            put_bn(count++, k);
        }
    }
    BN_free(n);
    BN_free(k);
    batch.curve = curve;
    return batch.n = count;
}

static void edge_scalars(void **state)
{
    struct world *w = *state;
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        uint8_t peer[EC_POINT_LEN], want[EC_POINT_LEN];
        fill_random((enum curve)c, 1);
        generate(w);
        memcpy(peer, batch.Q[0], sizeof peer);
        assert_true(fill_edges((enum curve)c) > 2 * EDGE);
        for (size_t i = 0; i < batch.n; i++) {
            batch.peer[i] = peer;
        }
        assert_as_libcrypto(w);
        generate(w);
        for (size_t i = 0; i < batch.n; i++) {
            assert_status(curve_name(c), batch.base_status[i], STATUS_OK);
            assert_true(oracle_mul(batch.curve, batch.k[i], NULL, want));
            assert_bytes(curve_name(c), batch.Q[i], want, sizeof want);
        }
    }
}

static void scalars_out_of_range(void **state)
{
    struct world *w = *state;
    enum { KINDS = 4, ITEMS = 11 };
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        uint8_t bad[KINDS][EC_SCALAR_LEN] = {{0}}, Q[ITEMS][EC_POINT_LEN], z[ITEMS][ECDH_Z_LEN];
        oracle_order((enum curve)c, 0, bad[1]);
        oracle_order((enum curve)c, 1, bad[2]);
        memset(bad[3], 0xFF, sizeof bad[3]);
        fill_random((enum curve)c, ITEMS);
        fill_peers(w);
        generate(w);
        agree(w);
        memcpy(Q, batch.Q, sizeof Q);
        memcpy(z, batch.z, sizeof z);
        for (size_t at = 0; at < ITEMS; at++) {
            batch.k[at] = bad[at % KINDS];
            generate(w);
            agree(w);
            assert_status("kG", batch.base_status[at], STATUS_BAD_SCALAR);
            assert_status("z", batch.ecka_status[at], STATUS_BAD_SCALAR);
            assert_zero("kG", batch.Q[at], EC_POINT_LEN);
            assert_zero("z", batch.z[at], ECDH_Z_LEN);
            batch.k[at] = batch.k_bytes[at];
            for (size_t i = 0; i < ITEMS; i++) {
                if (i != at) {
                    assert_bytes("a neighbour's kG", batch.Q[i], Q[i], EC_POINT_LEN);
                    assert_bytes("a neighbour's z", batch.z[i], z[i], ECDH_Z_LEN);
                }
            }
        }
    }
}

/* -- points that are none -- */

enum { BAD_POINTS = 8 };

static void make_bad_points(enum curve curve, const uint8_t good[static EC_POINT_LEN],
                            uint8_t bad[BAD_POINTS][EC_POINT_LEN])
{
    const uint8_t *p = curve_params(curve)->p;
    for (size_t i = 0; i < BAD_POINTS; i++) {
        memcpy(bad[i], good, EC_POINT_LEN);
    }
    bad[0][EC_POINT_LEN - 1] ^= 1;                 /* off the curve */
    bad[1][FIELD_LEN] ^= 1;                        /* x of another */
    bad[2][0] = 0x06 | (good[64] & 1);             /* hybrid */
    bad[3][0] = 0x02 | (good[64] & 1);             /* compressed */
    memset(bad[4], 0, EC_POINT_LEN);               /* infinity's form */
    memset(bad[5] + 1, 0, 2 * FIELD_LEN);          /* (0, 0) */
    memcpy(bad[6] + 1 + FIELD_LEN, p, FIELD_LEN);  /* y = p */
    oracle_small_point(curve, bad[7], bad[7 - 1]); /* a good one, and x + p */
    memcpy(bad[7], bad[6], EC_POINT_LEN);
    memcpy(bad[6], good, EC_POINT_LEN);
    memcpy(bad[6] + 1 + FIELD_LEN, p, FIELD_LEN);
}

static void points_that_are_none(void **state)
{
    struct world *w = *state;
    enum { ITEMS = 11 };
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        uint8_t bad[BAD_POINTS][EC_POINT_LEN], z[ITEMS][ECDH_Z_LEN];
        const uint8_t zero[EC_SCALAR_LEN] = {0};
        fill_random((enum curve)c, ITEMS);
        fill_peers(w);
        assert_as_libcrypto(w);
        memcpy(z, batch.z, sizeof z);
        make_bad_points((enum curve)c, batch.peer[0], bad);
        for (size_t at = 0; at < ITEMS * BAD_POINTS; at++) {
            const size_t item = at % ITEMS;
            batch.peer[item] = bad[at / ITEMS];
            batch.k[item] = at % 2 == 0 ? batch.k_bytes[item] : zero; /* the point comes first */
            agree(w);
            assert_status("z", batch.ecka_status[item], STATUS_BAD_POINT);
            assert_zero("z", batch.z[item], ECDH_Z_LEN);
            batch.peer[item] = batch.peer_bytes[item];
            batch.k[item] = batch.k_bytes[item];
            for (size_t i = 0; i < ITEMS; i++) {
                if (i != item) {
                    assert_status("a neighbour", batch.ecka_status[i], STATUS_OK);
                    assert_bytes("a neighbour", batch.z[i], z[i], ECDH_Z_LEN);
                }
            }
        }
    }
}

/* -- random items -- */

static void random_batches(struct world *w, enum curve curve, size_t n)
{
    uint8_t want[EC_POINT_LEN];
    fill_random(curve, n);
    generate(w);
    for (size_t i = 0; i < n; i++) {
        assert_status(curve_name(curve), batch.base_status[i], STATUS_OK);
    }
    const size_t one = seeded_word() % n; /* the oracle is slow */
    assert_true(oracle_mul(curve, batch.k[one], NULL, want));
    assert_bytes(curve_name(curve), batch.Q[one], want, sizeof want);
    /* And libcrypto takes them for points, and agrees on x(k' Q). */
    fill_peers(w);
    assert_as_libcrypto(w);
}

static void every_size(void **state)
{
    struct world *w = *state;
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        for (size_t n = 1; n <= SIZES; n++) {
            random_batches(w, (enum curve)c, n);
        }
        random_batches(w, (enum curve)c, CHUNK);
        random_batches(w, (enum curve)c, CHUNK + 1);
        random_batches(w, (enum curve)c, 2 * CHUNK + LANES + 3);
    }
}

/* kG is on both sides: x(k G) by the agreement is x of key generation's point. */
static void both_ways(void **state)
{
    struct world *w = *state;
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        uint8_t G[EC_POINT_LEN] = {0x04};
        memcpy(G + 1, curve_params((enum curve)c)->gx, FIELD_LEN);
        memcpy(G + 1 + FIELD_LEN, curve_params((enum curve)c)->gy, FIELD_LEN);
        fill_random((enum curve)c, BATCH_MAX);
        for (size_t i = 0; i < batch.n; i++) {
            batch.peer[i] = G;
        }
        generate(w);
        agree(w);
        for (size_t i = 0; i < batch.n; i++) {
            assert_status(curve_name(c), batch.ecka_status[i], STATUS_OK);
            assert_bytes(curve_name(c), batch.Q[i] + 1, batch.z[i], ECDH_Z_LEN);
        }
    }
}

static void nothing_to_do(void **state)
{
    batch.curve = CURVE_P256;
    batch.n = 0;
    generate(*state);
    agree(*state);
}

/* -- what stays behind -- */

/* Whether 8 bytes that only a secret has stand in the scratch. */
static bool scratch_holds(const struct world *w, uint64_t word)
{
    const uint64_t *p = (const uint64_t *)(const void *)w->scratch.ecka;
    const size_t words = malloc_usable_size(w->scratch.ecka) / sizeof *p;
    for (size_t i = 0; i < words; i++) {
        if (p[i] == word) {
            return true;
        }
    }
    return false;
}

static void secrets_are_wiped(void **state)
{
    struct world *w = *state;
    fill_random(CURVE_P256, LANES);
    for (size_t i = 0; i < LANES; i++) {
        batch.k_bytes[i][EC_SCALAR_LEN - 1] |= 1; /* an odd k is kept as it is */
    }
    fill_peers(w);
    for (size_t i = 0; i < LANES; i++) {
        batch.k_bytes[i][EC_SCALAR_LEN - 1] |= 1;
    }
    agree(w);
    for (size_t i = 0; i < LANES; i++) {
        uint64_t limb = 0; /* the lowest 52 bits */
        for (size_t j = EC_SCALAR_LEN - 7; j < EC_SCALAR_LEN; j++) {
            limb = limb << 8 | batch.k_bytes[i][j];
        }
        limb &= (1ULL << 52) - 1;
        assert_false(scratch_holds(w, limb));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wycheproof_p256),
        cmocka_unit_test(wycheproof_brainpool),
        cmocka_unit_test(edge_scalars),
        cmocka_unit_test(scalars_out_of_range),
        cmocka_unit_test(points_that_are_none),
        cmocka_unit_test(every_size),
        cmocka_unit_test(both_ways),
        cmocka_unit_test(nothing_to_do),
        cmocka_unit_test(secrets_are_wiped),
    };
    const char *unusable = ifma_unusable();
    if (unusable != NULL) {
        print_message("%s\n", unusable);
        return EXIT_SKIPPED;
    }
    seeded_start();
    return cmocka_run_group_tests(tests, world_new, world_free);
}
