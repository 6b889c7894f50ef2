/*
 * Verification with tables (known.c, one.c) and the tables' builder, against published signatures
 * and libcrypto: every batch size and lane, every width of table, and what no sum of affine points
 * can do. The kernel's way out for those, the verification without a table, is libcrypto here, and
 * counted.
 */
#include <stdio.h>

#include "providers/ec/ifma/ifma.h"
#include "providers/ec/ifma/table8.h"
#include "providers/libcrypto/backend.h"
#include "tests/unit/ec/prng.h"
#include "tests/unit/providers/oracle.h"
#include "tests/unit/providers/provider_test.h"

enum {
    BATCH_MAX = 300, /* more than two chunks, and a lane */
    SIZES_TO = 17,   /* every batch size up to this, and some above */
    KEYS = 5,
    POOL = 24,
    SKIPPED = 77,
    ALL_AT_ONCE = 1 << 30, /* more point operations than any table takes */
};

struct world {
    struct ifma_scratch scratch;
    struct provider *libcrypto;
    struct drbg *drbg;
    struct prng prng;
};

static struct world world;
static size_t fallbacks; /* items that the kernel gave up */

/* In its place by the linker's --wrap. */
void __wrap_ifma_verify_unknown_vartime(struct ec_scratch *s, enum curve curve, size_t n,
                                        const struct verify_item *const items[], enum status out[]);

void __wrap_ifma_verify_unknown_vartime(struct ec_scratch *s, enum curve curve, size_t n,
                                        const struct verify_item *const items[], enum status out[])
{
    assert_ptr_equal(s, &world.scratch);
    fallbacks += n;
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(items[i]->curve, curve);
        provider_verify_vartime(world.libcrypto, 1, items[i], &out[i]);
    }
}

static struct ec_scratch *scratch(void)
{
    return (struct ec_scratch *)(void *)&world.scratch;
}

static struct ec_table *table_of(enum curve curve, const uint8_t Q[EC_POINT_LEN],
                                 enum ec_table_level level, size_t points)
{
    struct ec_build *b = NULL;
    struct ec_table *t = NULL;
    assert_status("build", ifma_build_begin(&b, curve, Q, level), STATUS_OK);
    while (t == NULL) {
        t = ifma_build_step(b, scratch(), points);
    }
    ifma_build_free(&b);
    assert_null(b);
    return t;
}

/* A batch in the making. */
struct batch {
    size_t n;
    struct verify_item item[BATCH_MAX];
    const struct verify_item *items[BATCH_MAX];
    const struct ec_table *tables[BATCH_MAX];
    enum status want[BATCH_MAX];
};

static void batch_add(struct batch *b, struct verify_item item, const struct ec_table *t,
                      enum status want)
{
    assert_true(b->n < BATCH_MAX);
    b->item[b->n] = item;
    b->items[b->n] = &b->item[b->n];
    b->tables[b->n] = t;
    b->want[b->n++] = want;
}

/* As a batch, and item by item. */
static void batch_check(const char *what, enum curve curve, const struct batch *b)
{
    enum status out[BATCH_MAX];
    for (size_t i = 0; i < b->n; i++) {
        out[i] = STATUS_INTERNAL;
    }
    ifma_verify_known_vartime(scratch(), curve, b->n, b->items, b->tables, out);
    for (size_t i = 0; i < b->n; i++) {
        if (out[i] != b->want[i]) {
            fail_msg("%s, item %zu of %zu: got %s, want %s", what, i, b->n, status_name(out[i]),
                     status_name(b->want[i]));
        }
        assert_status(what, ifma_verify_one_vartime(scratch(), curve, b->items[i], b->tables[i]),
                      b->want[i]);
    }
}

static enum ec_table_level some_level(void)
{
    return (enum ec_table_level)(EC_TABLE_SMALL + prng_below(&world.prng, EC_TABLE_LEVELS - 1));
}

static bool cases_at(const struct vectors *v, size_t i)
{
    return i < vectors_count(v) && vector_has(vectors_at(v, i), "signature");
}

/* Tables are kept from one case to the next with the same key. */
static void check_file(enum curve curve, const char *file, size_t at_least)
{
    struct vectors *v = vectors_open(file);
    struct batch *b = calloc(1, sizeof *b);
    struct ec_table *owned[SIZES_TO];
    size_t cases = 0;
    for (size_t size = 1; cases_at(v, cases); size = size % SIZES_TO + 1) {
        size_t tables = 0;
        const uint8_t *last = NULL;
        b->n = 0;
        for (; b->n < size && cases_at(v, cases); cases++) {
            const struct vector *c = vectors_at(v, cases);
            const uint8_t *Q = vector_bytes(c, "public", EC_POINT_LEN);
            const struct verify_item item = {curve, Q, vector_bytes(c, "digest", SHA256_LEN),
                                             vector_bytes(c, "signature", EC_SIGNATURE_LEN)};
            if (last == NULL || memcmp(last, Q, EC_POINT_LEN) != 0) {
                owned[tables++] = table_of(curve, Q, some_level(), ALL_AT_ONCE);
                last = Q;
            }
            batch_add(b, item, owned[tables - 1],
                      vector_is(c, "result", "valid") ? STATUS_OK : STATUS_SIGNATURE_INVALID);
        }
        batch_check(file, curve, b);
        while (tables > 0) {
            ifma_table_free(&owned[--tables]);
        }
    }
    assert_true(cases >= at_least);
    free(b);
    vectors_close(&v);
}

static void wycheproof_p256(void **state)
{
    (void)state;
    check_file(CURVE_P256, "wycheproof_ecdsa_p256_plain", 241);
    check_file(CURVE_P256, "wycheproof_ecdsa_p256_der", 249);
}

static void wycheproof_brainpool(void **state)
{
    (void)state;
    check_file(CURVE_BRAINPOOLP256R1, "wycheproof_ecdsa_brainpoolP256r1_der", 254);
}

static void frp256v1(void **state)
{
    (void)state;
    check_file(CURVE_FRP256V1, "frp256v1", 40);
}

/* Keys with a table each, and signatures by them. */
struct pool {
    uint8_t Q[KEYS][EC_POINT_LEN];
    struct ec_table *table[KEYS];
    size_t key[POOL];
    uint8_t digest[POOL][SHA256_LEN], bad_digest[POOL][SHA256_LEN],
        signature[POOL][EC_SIGNATURE_LEN];
};

static void random_scalar(uint8_t k[static EC_SCALAR_LEN])
{
    prng_bytes(&world.prng, k, EC_SCALAR_LEN);
    k[0] &= 0x7F; /* below every n */
    k[EC_SCALAR_LEN - 1] |= 1;
}

static void pool_init(struct pool *p, enum curve curve)
{
    uint8_t d[KEYS][EC_SCALAR_LEN], nonce[EC_SCALAR_LEN];
    for (size_t i = 0; i < KEYS; i++) {
        random_scalar(d[i]);
        assert_true(oracle_mul(curve, d[i], NULL, p->Q[i]));
        p->table[i] = table_of(curve, p->Q[i], (enum ec_table_level)(EC_TABLE_SMALL + i % 3), 777);
    }
    for (size_t i = 0; i < POOL; i++) {
        p->key[i] = prng_below(&world.prng, KEYS);
        prng_bytes(&world.prng, p->digest[i], SHA256_LEN);
        random_scalar(nonce);
        oracle_sign(curve, d[p->key[i]], p->digest[i], nonce, p->signature[i]);
        memcpy(p->bad_digest[i], p->digest[i], SHA256_LEN);
        p->bad_digest[i][prng_below(&world.prng, SHA256_LEN)] ^= 1;
    }
}

static void pool_fini(struct pool *p)
{
    for (size_t i = 0; i < KEYS; i++) {
        ifma_table_free(&p->table[i]);
    }
}

static struct verify_item pool_item(const struct pool *p, enum curve curve, size_t i, bool good)
{
    return (struct verify_item){curve, p->Q[p->key[i]], good ? p->digest[i] : p->bad_digest[i],
                                p->signature[i]};
}

static void check_sizes(enum curve curve)
{
    static const size_t larger[] = {64, 127, 128, 129, 256, BATCH_MAX};
    struct pool p;
    struct batch *b = calloc(1, sizeof *b);
    pool_init(&p, curve);
    fallbacks = 0;
    for (size_t i = 0; i < SIZES_TO + sizeof larger / sizeof *larger; i++) {
        const size_t size = i < SIZES_TO ? i + 1 : larger[i - SIZES_TO];
        for (b->n = 0; b->n < size;) {
            const size_t at = prng_below(&world.prng, POOL);
            const bool good = prng_below(&world.prng, 4) != 0;
            batch_add(b, pool_item(&p, curve, at, good), p.table[p.key[at]],
                      good ? STATUS_OK : STATUS_SIGNATURE_INVALID);
        }
        batch_check("size", curve, b);
    }
    assert_int_equal(fallbacks, 0);
    free(b);
    pool_fini(&p);
}

/* One bad lane of a full group, each in turn, and one good. */
static void check_lanes(enum curve curve)
{
    enum { GROUP = 8 };
    struct pool p;
    struct batch *b = calloc(1, sizeof *b);
    pool_init(&p, curve);
    for (size_t odd = 0; odd < 2 * GROUP; odd++) {
        b->n = 0;
        for (size_t i = 0; i < GROUP; i++) {
            const bool good = (i == odd % GROUP) == (odd >= GROUP);
            batch_add(b, pool_item(&p, curve, 0, good), p.table[p.key[0]],
                      good ? STATUS_OK : STATUS_SIGNATURE_INVALID);
        }
        batch_check("lane", curve, b);
    }
    free(b);
    pool_fini(&p);
}

static void every_size_and_lane(void **state)
{
    (void)state;
    for (enum curve curve = CURVE_P256; curve < CURVE_COUNT; curve++) {
        check_sizes(curve);
        check_lanes(curve);
    }
}

static void r_and_s_have_their_range(void **state)
{
    (void)state;
    for (enum curve curve = CURVE_P256; curve < CURVE_COUNT; curve++) {
        struct pool p;
        struct batch *b = calloc(1, sizeof *b);
        uint8_t bad[4][FIELD_LEN] = {{0}}, signature[8][EC_SIGNATURE_LEN];
        pool_init(&p, curve);
        oracle_order(curve, 0, bad[1]);
        oracle_order(curve, 1, bad[2]);
        memset(bad[3], 0xFF, FIELD_LEN);
        for (size_t i = 0; i < 8; i++) {
            struct verify_item item = pool_item(&p, curve, i, true);
            batch_add(b, item, p.table[p.key[i]], STATUS_OK);
            memcpy(signature[i], item.signature, EC_SIGNATURE_LEN);
            memcpy(signature[i] + i % 2 * FIELD_LEN, bad[i / 2], FIELD_LEN);
            item.signature = signature[i];
            batch_add(b, item, p.table[p.key[i]], STATUS_SIGNATURE_INVALID);
        }
        batch_check("range", curve, b);
        free(b);
        pool_fini(&p);
    }
}

/* A signature by d over a digest, both as they are; its table goes with it. */
static void add_signed(struct batch *b, enum curve curve, const uint8_t d[EC_SCALAR_LEN],
                       const uint8_t Q[EC_POINT_LEN], const struct ec_table *t,
                       const uint8_t digest[SHA256_LEN], uint8_t signature[EC_SIGNATURE_LEN])
{
    uint8_t nonce[EC_SCALAR_LEN];
    random_scalar(nonce);
    oracle_sign(curve, d, digest, nonce, signature);
    batch_add(b, (struct verify_item){curve, Q, digest, signature}, t, STATUS_OK);
}

/* u1 = 0 for the digests 0 and n; digests past n are reduced. */
static void extreme_digests(void **state)
{
    (void)state;
    for (enum curve curve = CURVE_P256; curve < CURVE_COUNT; curve++) {
        uint8_t digest[5][SHA256_LEN] = {{0}}, signature[5 * 3][EC_SIGNATURE_LEN];
        uint8_t d[EC_SCALAR_LEN], Q[EC_POINT_LEN];
        struct ec_table *t[3];
        struct batch *b = calloc(1, sizeof *b);
        random_scalar(d);
        assert_true(oracle_mul(curve, d, NULL, Q));
        oracle_order(curve, -1, digest[1]);
        oracle_order(curve, 0, digest[2]);
        oracle_order(curve, 1, digest[3]);
        memset(digest[4], 0xFF, SHA256_LEN);
        for (size_t level = 0; level < 3; level++) {
            t[level] = table_of(curve, Q, (enum ec_table_level)(EC_TABLE_SMALL + level), 4096);
            for (size_t i = 0; i < 5; i++) {
                add_signed(b, curve, d, Q, t[level], digest[i], signature[5 * level + i]);
            }
        }
        fallbacks = 0;
        batch_check("digest", curve, b);
        assert_int_equal(fallbacks, 0);
        free(b);
        for (size_t level = 0; level < 3; level++) {
            ifma_table_free(&t[level]);
        }
    }
}

/* n - a. */
static void negate(enum curve curve, const uint8_t a[static EC_SCALAR_LEN],
                   uint8_t out[static EC_SCALAR_LEN])
{
    int borrow = 0;
    oracle_order(curve, 0, out);
    for (size_t i = EC_SCALAR_LEN; i-- > 0;) {
        const int d = out[i] - a[i] - borrow;
        borrow = d < 0;
        out[i] = (uint8_t)d;
    }
    assert_int_equal(borrow, 0);
}

/*
 * Q = G and Q = -G. Digests: random ones; r d, for which u1 G = u2 Q; and -r d, for which the sum
 * is infinity, which is an invalid signature, and which neither tree nor lanes can add.
 */
static void check_generator(enum curve curve, bool negated)
{
    uint8_t d[EC_SCALAR_LEN] = {0}, Q[EC_POINT_LEN];
    uint8_t digest[16][SHA256_LEN], signature[16][EC_SIGNATURE_LEN];
    struct batch *b = calloc(1, sizeof *b);
    d[EC_SCALAR_LEN - 1] = 1;
    if (negated) {
        oracle_order(curve, -1, d);
    }
    assert_true(oracle_mul(curve, d, NULL, Q));
    struct ec_table *t = table_of(curve, Q, some_level(), 100);
    for (size_t i = 0; i < 8; i++) {
        uint8_t nonce[EC_SCALAR_LEN], R[EC_POINT_LEN];
        prng_bytes(&world.prng, digest[i], SHA256_LEN);
        add_signed(b, curve, d, Q, t, digest[i], signature[i]);
        /* r of a nonce: x below n, as nearly all are (else another nonce) */
        do {
            random_scalar(nonce);
            assert_true(oracle_mul(curve, nonce, NULL, R));
        } while (R[1] >= 0xA0); /* every n starts with more */
        memcpy(digest[8 + i], R + 1, SHA256_LEN);
        if (i % 2 == 1) {
            negate(curve, R + 1, digest[8 + i]);
        }
        oracle_sign(curve, d, digest[8 + i], nonce, signature[8 + i]);
        if ((i % 2 == 1) != negated) { /* e = -r d: s = 0 to the signer, anything to us */
            memcpy(signature[8 + i], R + 1, FIELD_LEN);
            random_scalar(signature[8 + i] + FIELD_LEN);
        }
        batch_add(b, (struct verify_item){curve, Q, digest[8 + i], signature[8 + i]}, t,
                  (i % 2 == 1) != negated ? STATUS_SIGNATURE_INVALID : STATUS_OK);
    }
    fallbacks = 0;
    enum status out[16];
    ifma_verify_known_vartime(scratch(), curve, b->n, b->items, b->tables, out);
    assert_int_equal(fallbacks, 4); /* the sums at infinity, and nobody else */
    batch_check("generator", curve, b);
    ifma_table_free(&t);
    free(b);
}

static void generator_as_key(void **state)
{
    (void)state;
    for (enum curve curve = CURVE_P256; curve < CURVE_COUNT; curve++) {
        check_generator(curve, false);
        check_generator(curve, true);
    }
}

/* However small the steps, the table is the same; its points are those of the oracle. */
static void tables_do_not_depend_on_steps(void **state)
{
    static const size_t points[] = {1, 7, 100, 513, ALL_AT_ONCE};
    (void)state;
    for (enum curve curve = CURVE_P256; curve < CURVE_COUNT; curve++) {
        uint8_t d[EC_SCALAR_LEN], Q[EC_POINT_LEN];
        random_scalar(d);
        assert_true(oracle_mul(curve, d, NULL, Q));
        for (enum ec_table_level level = EC_TABLE_SMALL; level < EC_TABLE_LEVELS; level++) {
            struct ec_table *first = table_of(curve, Q, level, points[0]);
            const size_t bytes = ifma_table_bytes(curve, level) - sizeof(struct ifma_table);
            for (size_t i = 1; i < sizeof points / sizeof *points; i++) {
                struct ec_table *t = table_of(curve, Q, level, points[i]);
                assert_memory_equal(ifma_table_of(t)->entries, ifma_table_of(first)->entries,
                                    bytes);
                ifma_table_free(&t);
            }
            ifma_table_free(&first);
            assert_null(first);
        }
    }
}

static void only_points_get_tables(void **state)
{
    (void)state;
    for (enum curve curve = CURVE_P256; curve < CURVE_COUNT; curve++) {
        uint8_t d[EC_SCALAR_LEN], Q[EC_POINT_LEN], x_plus_p[EC_POINT_LEN];
        struct ec_build *b = NULL;
        oracle_small_point(curve, Q, x_plus_p);
        assert_status("x + p", ifma_build_begin(&b, curve, x_plus_p, EC_TABLE_SMALL),
                      STATUS_BAD_POINT);
        random_scalar(d);
        assert_true(oracle_mul(curve, d, NULL, Q));
        for (size_t i = 0; i < EC_POINT_LEN; i += 16) {
            Q[i] ^= 2;
            assert_status("no point", ifma_build_begin(&b, curve, Q, EC_TABLE_SMALL),
                          STATUS_BAD_POINT);
            assert_null(b);
            Q[i] ^= 2;
        }
        /* given up half way */
        assert_status("a point", ifma_build_begin(&b, curve, Q, EC_TABLE_MEDIUM), STATUS_OK);
        assert_null(ifma_build_step(b, scratch(), 500));
        ifma_build_free(&b);
        assert_null(b);
    }
}

static int setup(void **state)
{
    (void)state;
    world.prng.state = prng_seed("test_known");
    return secret_init() == STATUS_OK && ifma_global_init() == STATUS_OK &&
                   known_scratch_new(&world.scratch.known) == STATUS_OK &&
                   provider_new_with(&world.libcrypto, &libcrypto_backend) == STATUS_OK
               ? 0
               : -1;
}

static int teardown(void **state)
{
    (void)state;
    known_scratch_free(&world.scratch.known);
    provider_free(&world.libcrypto);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wycheproof_p256),
        cmocka_unit_test(wycheproof_brainpool),
        cmocka_unit_test(frp256v1),
        cmocka_unit_test(every_size_and_lane),
        cmocka_unit_test(r_and_s_have_their_range),
        cmocka_unit_test(extreme_digests),
        cmocka_unit_test(generator_as_key),
        cmocka_unit_test(tables_do_not_depend_on_steps),
        cmocka_unit_test(only_points_get_tables),
    };
    const char *why_not = ifma_unusable();
    if (why_not != NULL) {
        (void)fprintf(stderr, "skipped: %s\n", why_not);
        return SKIPPED;
    }
    return cmocka_run_group_tests(tests, setup, teardown);
}
