/*
 * Story: a batch that mixes curves, known and unknown keys and nonsense is answered in order; key
 * pairs that are not pairs do not leave; a backend that lies is found out and replaced.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "providers/core/curves.h"
#include "providers/core/random.h"
#include "providers/core/scalar.h"
#include "providers/core/secret.h"
#include "providers/ec/backend.h"
#include "providers/ec/check.h"
#include "providers/libcrypto/backend.h"
#include "providers/registry.h"
#include "tests/unit/ec/fake_kernel.h"
#include "tests/unit/providers/oracle.h"

EC_BACKEND(fake, fake_kernel, "fake");

enum { BATCH_MAX = 700 }; /* more than two chunks */

struct material {
    uint8_t point[EC_POINT_LEN], digest[SHA256_LEN], signature[EC_SIGNATURE_LEN];
};

static struct material material[BATCH_MAX];
static struct verify_item items[BATCH_MAX];
static enum status out[BATCH_MAX];

static void set_item(size_t i, enum curve curve, uint32_t key, bool good)
{
    struct material *m = &material[i];
    fake_point(m->point, key);
    m->digest[0] = 1;
    m->signature[0] = good ? 1 : 2;
    items[i] = (struct verify_item){curve, m->point, m->digest, m->signature};
}

static struct provider *fake_provider(void)
{
    struct provider *p = NULL;
    assert_int_equal(provider_new_with(&p, &ec_backend_fake), STATUS_OK);
    fake_log = (struct fake_log){0};
    return p;
}

/* Gives the keys 1..3 on each curve a table. */
static void make_known(struct provider *p)
{
    for (size_t round = 0; round < 64; round++) {
        for (size_t i = 0; i < 90; i++) {
            set_item(i, (enum curve)(1 + i % 3), 1 + (uint32_t)(i / 3 % 3), true);
        }
        provider_verify_vartime(p, 90, items, out);
    }
    fake_log = (struct fake_log){0};
}

static void mixed_batches_are_answered_in_order(void **state)
{
    (void)state;
    struct provider *p = fake_provider();
    enum status expected[BATCH_MAX];
    uint32_t seed = 1;
    make_known(p);
    for (size_t n = 0; n <= BATCH_MAX; n += n < 40 ? 1 : 110) {
        for (size_t i = 0; i < n; i++) {
            seed = seed * 1664525 + 1013904223;
            uint32_t r = seed >> 8;
            bool good = r % 2 == 0;
            enum curve curve = (enum curve)(r / 2 % 5); /* two of five are no curve */
            set_item(i, curve, r / 10 % 2 == 0 ? 1 + r / 20 % 3 : r, good);
            bool off_curve = r / 1000 % 8 == 0;
            if (off_curve) {
                material[i].point[1] = FAKE_OFF_CURVE;
            }
            expected[i] = curve == CURVE_NONE || curve >= CURVE_COUNT ? STATUS_BAD_CURVE
                          : off_curve                                 ? STATUS_BAD_POINT
                          : good                                      ? STATUS_OK
                                                                      : STATUS_SIGNATURE_INVALID;
            out[i] = STATUS_INTERNAL;
        }
        provider_verify_vartime(p, n, items, out);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(out[i], expected[i]);
        }
    }
    provider_free(&p);
}

static void each_part_goes_to_its_function(void **state)
{
    (void)state;
    struct provider *p = fake_provider();
    make_known(p);
    set_item(0, CURVE_P256, 1, true);
    provider_verify_vartime(p, 1, items, out);
    assert_int_equal(fake_log.calls, 1);
    assert_int_equal(fake_log.call[0].call, FAKE_ONE);

    fake_log = (struct fake_log){0};
    set_item(0, CURVE_P256, 1, true);
    set_item(1, CURVE_FRP256V1, 77777, true);
    set_item(2, CURVE_P256, 88888, true);
    set_item(3, CURVE_P256, 2, true);
    set_item(4, CURVE_BRAINPOOLP256R1, 3, true);
    set_item(5, CURVE_P256, 1, false);
    provider_verify_vartime(p, 6, items, out);
    assert_int_equal(fake_log.calls, 4);
    size_t known = 0, unknown = 0, one = 0;
    for (size_t i = 0; i < fake_log.calls; i++) {
        size_t n = fake_log.call[i].n;
        enum fake_call call = fake_log.call[i].call;
        known += call == FAKE_KNOWN ? n : 0;
        unknown += call == FAKE_UNKNOWN ? n : 0;
        one += call == FAKE_ONE ? n : 0;
    }
    assert_int_equal(known, 3);
    assert_int_equal(unknown, 2);
    assert_int_equal(one, 1);
    assert_int_equal(out[5], STATUS_SIGNATURE_INVALID);
    provider_free(&p);
}

static void statistics_and_budget_reach_the_cache(void **state)
{
    (void)state;
    struct provider_stats s = {0};
    struct provider *p = fake_provider();
    make_known(p);
    ec_backend_fake.stats(&s);
    assert_true(s.hits > 0 && s.misses > 0 && s.builds >= 9);
    assert_int_equal(s.budget, PROVIDER_TABLE_BUDGET);
    ec_backend_fake.set_table_budget(FAKE_MEDIUM_BYTES);
    for (size_t i = 0; i < 4; i++) {
        provider_verify_vartime(p, 1, items, out);
    }
    ec_backend_fake.stats(&s);
    assert_int_equal(s.budget, FAKE_MEDIUM_BYTES);
    assert_true(s.bytes <= s.budget);
    ec_backend_fake.set_table_budget(PROVIDER_TABLE_BUDGET);
    provider_free(&p);
}

/* -- key pairs -- */

static struct drbg *drbg;

struct pairs {
    uint8_t k[5][EC_SCALAR_LEN], Q[5][EC_POINT_LEN];
    struct keygen_item items[5];
    enum status out[5];
};

/* Three pairs on P-256 around one on brainpoolP256r1 and one on no curve. */
static void make_pairs(struct provider *p, struct pairs *pairs)
{
    static const enum curve curves[5] = {CURVE_P256, CURVE_BRAINPOOLP256R1, CURVE_P256, CURVE_COUNT,
                                         CURVE_P256};
    memset(pairs, 0xA5, sizeof *pairs);
    for (size_t i = 0; i < 5; i++) {
        pairs->items[i] = (struct keygen_item){curves[i], pairs->k[i], pairs->Q[i]};
    }
    provider_keygen(p, drbg, 5, pairs->items, pairs->out);
}

static bool zero(const uint8_t *p, size_t len)
{
    uint8_t any = 0;
    for (size_t i = 0; i < len; i++) {
        any |= p[i];
    }
    return any == 0;
}

static void key_pairs_are_pairs(void **state)
{
    (void)state;
    struct provider *p = fake_provider();
    struct pairs pairs;
    make_pairs(p, &pairs);
    for (size_t i = 0; i < 5; i++) {
        if (pairs.items[i].curve == CURVE_COUNT) {
            assert_int_equal(pairs.out[i], STATUS_BAD_CURVE);
            assert_true(zero(pairs.k[i], EC_SCALAR_LEN) && zero(pairs.Q[i], EC_POINT_LEN));
            continue;
        }
        const struct curve_params *params = curve_params(pairs.items[i].curve);
        uint8_t G[EC_POINT_LEN] = {POINT_UNCOMPRESSED}, z[ECDH_Z_LEN];
        memcpy(G + 1, params->gx, FIELD_LEN);
        memcpy(G + 1 + FIELD_LEN, params->gy, FIELD_LEN);
        const struct ecka_item agree = {pairs.items[i].curve, pairs.k[i], G, z};
        enum status agreed = STATUS_INTERNAL;
        provider_ecka(p, 1, &agree, &agreed);
        assert_int_equal(pairs.out[i], STATUS_OK);
        assert_int_equal(agreed, STATUS_OK);
        assert_memory_equal(z, pairs.Q[i] + 1, ECDH_Z_LEN);
    }
    provider_free(&p);
}

static void false_pairs_do_not_leave(struct provider *p)
{
    struct pairs pairs;
    make_pairs(p, &pairs);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(pairs.out[i], i == 3 ? STATUS_BAD_CURVE : STATUS_INTERNAL);
        assert_true(zero(pairs.k[i], EC_SCALAR_LEN) && zero(pairs.Q[i], EC_POINT_LEN));
    }
}

static void a_slip_or_another_scalar_is_noticed(void **state)
{
    (void)state;
    struct provider *p = fake_provider();
    fake_mul_base_slips = true;
    false_pairs_do_not_leave(p);
    fake_mul_base_slips = false;
    /* floor((a+b)/2) is floor(a/2) + floor(b/2) unless both are odd: try until all are noticed */
    fake_mul_base_other_scalar = true;
    size_t noticed = 0;
    for (size_t i = 0; i < 64; i++) {
        struct pairs pairs;
        make_pairs(p, &pairs);
        noticed += pairs.out[0] == STATUS_INTERNAL;
    }
    fake_mul_base_other_scalar = false;
    assert_in_range(noticed, 16, 64);
    provider_free(&p);
}

static void agreement_keeps_order_and_wipes(void **state)
{
    (void)state;
    struct provider *p = fake_provider();
    struct pairs pairs;
    uint8_t z[4][ECDH_Z_LEN], off[EC_POINT_LEN];
    enum status st[4];
    make_pairs(p, &pairs);
    memcpy(off, pairs.Q[0], EC_POINT_LEN);
    off[EC_POINT_LEN - 1] ^= 1;
    memset(z, 0xA5, sizeof z);
    const struct ecka_item agree[4] = {{CURVE_P256, pairs.k[0], pairs.Q[2], z[0]},
                                       {CURVE_NONE, pairs.k[0], pairs.Q[2], z[1]},
                                       {CURVE_P256, pairs.k[2], off, z[2]},
                                       {CURVE_P256, pairs.k[2], pairs.Q[0], z[3]}};
    provider_ecka(p, 4, agree, st);
    assert_int_equal(st[0], STATUS_OK);
    assert_int_equal(st[1], STATUS_BAD_CURVE);
    assert_int_equal(st[2], STATUS_BAD_POINT);
    assert_int_equal(st[3], STATUS_OK);
    assert_memory_equal(z[0], z[3], ECDH_Z_LEN);
    assert_true(zero(z[1], ECDH_Z_LEN) && zero(z[2], ECDH_Z_LEN));
    provider_free(&p);
}

/* -- the plain checks -- */

static void scalars_add_modulo_n(void **state)
{
    (void)state;
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        const struct curve_params *params = curve_params((enum curve)c);
        uint8_t one[FIELD_LEN] = {[FIELD_LEN - 1] = 1}, minus_one[FIELD_LEN], sum[FIELD_LEN];
        memcpy(minus_one, params->n, FIELD_LEN);
        minus_one[FIELD_LEN - 1] -= 1; /* n is odd */
        scalar_add(params, sum, one, minus_one);
        assert_true(zero(sum, FIELD_LEN));
        scalar_add(params, sum, minus_one, minus_one); /* n - 2 */
        minus_one[FIELD_LEN - 1] -= 1;
        assert_memory_equal(sum, minus_one, FIELD_LEN);
        scalar_add(params, sum, sum, one);
        minus_one[FIELD_LEN - 1] += 1;
        assert_memory_equal(sum, minus_one, FIELD_LEN);
    }
}

static void negate(const struct curve_params *params, const uint8_t P[static EC_POINT_LEN],
                   uint8_t minus_P[static EC_POINT_LEN])
{
    int borrow = 0;
    memcpy(minus_P, P, EC_POINT_LEN);
    for (size_t i = FIELD_LEN; i-- > 0;) {
        int d = params->p[i] - P[1 + FIELD_LEN + i] - borrow;
        minus_P[1 + FIELD_LEN + i] = (uint8_t)d;
        borrow = d < 0;
    }
}

/* Against libcrypto and the oracle: points on the curve, off it, out of form, on another curve; P +
 * Q and 2 P. */
static void points_and_sums_are_checked(void **state)
{
    (void)state;
    void *reference = NULL;
    assert_int_equal(libcrypto_backend.thread_new(&reference), STATUS_OK);
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        const enum curve curve = (enum curve)c;
        const struct curve_params *params = curve_params(curve);
        uint8_t k[2][EC_SCALAR_LEN], Q[2][EC_POINT_LEN], bad[EC_POINT_LEN];
        const struct keygen_item pairs[2] = {{curve, k[0], Q[0]}, {curve, k[1], Q[1]}};
        enum status st[2];
        libcrypto_backend.keygen(reference, drbg, 2, pairs, st);
        assert_int_equal(ec_check_point_vartime(curve, Q[0]), STATUS_OK);
        assert_int_equal(ec_check_point_vartime((enum curve)(1 + c % 3), Q[0]), STATUS_BAD_POINT);
        for (size_t byte = 0; byte < EC_POINT_LEN; byte++) {
            memcpy(bad, Q[0], EC_POINT_LEN);
            bad[byte] ^= 0x10;
            assert_int_equal(ec_check_point_vartime(curve, bad), STATUS_BAD_POINT);
        }
        memcpy(bad + 1, params->p, FIELD_LEN);
        bad[0] = POINT_UNCOMPRESSED;
        assert_int_equal(ec_check_point_vartime(curve, bad), STATUS_BAD_POINT);

        for (size_t other = 0; other < 2; other++) { /* Q_0 + Q_0, then Q_0 + Q_1 */
            uint8_t sum[FIELD_LEN], S[EC_POINT_LEN], minus_S[EC_POINT_LEN];
            scalar_add(params, sum, k[0], k[other]);
            assert_true(oracle_mul(curve, sum, NULL, S));
            assert_true(ec_check_sum_vartime(curve, Q[0], Q[other], S));
            assert_false(ec_check_sum_vartime(curve, Q[0], Q[other], Q[other]));
            assert_false(ec_check_sum_vartime(curve, Q[0], Q[1 - other], S));
            negate(params, S, minus_S);
            assert_int_equal(ec_check_point_vartime(curve, minus_S), STATUS_OK);
            assert_false(ec_check_sum_vartime(curve, Q[0], Q[other], minus_S));
        }
        negate(params, Q[0], bad);
        assert_false(ec_check_sum_vartime(curve, Q[0], bad, Q[1])); /* infinity */
    }
    assert_int_equal(ec_check_point_vartime(CURVE_NONE, material[0].point), STATUS_BAD_CURVE);
    libcrypto_backend.thread_free(&reference);
}

/* -- a backend that lies -- */

static atomic_bool lying;

static void lies(void *ctx, size_t n, const struct verify_item batch[], enum status answer[])
{
    libcrypto_backend.verify_vartime(ctx, n, batch, answer);
    for (size_t i = 0; i < n && atomic_load(&lying); i++) {
        answer[i] = STATUS_OK;
    }
}

struct log {
    char text[4096];
};

static void append(void *arg, const char *sentence)
{
    struct log *log = arg;
    size_t used = strlen(log->text);
    (void)snprintf(log->text + used, sizeof log->text - used, "%s\n", sentence);
}

static struct provider_ops liar_ops(void)
{
    struct provider_ops liar = libcrypto_backend;
    liar.name = "liar";
    liar.verify_vartime = lies;
    return liar;
}

/* n signatures that are none, under a key that is one. */
static void bad_signatures(size_t n)
{
    const struct curve_params *params = curve_params(CURVE_P256);
    for (size_t i = 0; i < n; i++) {
        set_item(i, CURVE_P256, 0, false);
        memcpy(material[i].point + 1, params->gx, FIELD_LEN);
        memcpy(material[i].point + 1 + FIELD_LEN, params->gy, FIELD_LEN);
        memset(material[i].signature, 1, EC_SIGNATURE_LEN);
        out[i] = STATUS_INTERNAL;
    }
}

static void expect_refusals(struct provider *p, size_t n)
{
    bad_signatures(n);
    provider_verify_vartime(p, n, items, out);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(out[i], STATUS_SIGNATURE_INVALID);
    }
}

static void a_lying_backend_is_replaced_for_all_threads(void **state)
{
    (void)state;
    static struct provider_ops liar, spare, absurd;
    static const struct provider_ops *const all[] = {&liar, &absurd, &spare, &libcrypto_backend,
                                                     NULL};
    struct log log = {0};
    struct provider *a = NULL, *b = NULL, *fixed = NULL;
    struct provider_stats before, after;
    liar = liar_ops();
    spare = libcrypto_backend;
    spare.name = "spare";
    absurd = liar_ops(); /* lies by the time it is needed, and its tests say so */
    absurd.name = "absurd";
    provider_set_recheck(1);
    assert_int_equal(provider_select_from(all, NULL, append, &log), STATUS_OK);
    assert_string_equal(provider_name(), "liar");
    assert_int_equal(provider_new(&a), STATUS_OK);
    assert_int_equal(provider_new(&b), STATUS_OK);
    assert_int_equal(provider_new_with(&fixed, &spare), STATUS_OK);
    expect_refusals(a, 20);
    assert_null(strstr(log.text, PROVIDER_ALARM));

    provider_stats(&before);
    atomic_store(&lying, true);
    expect_refusals(a, 20); /* already this batch is answered by libcrypto */
    provider_stats(&after);
    assert_int_equal(after.mismatches, before.mismatches + 1);
    assert_int_equal(after.rechecks, before.rechecks + 1);
    assert_string_equal(provider_name(), "spare");
    assert_non_null(strstr(log.text, PROVIDER_ALARM "backend liar: a verdict differs"));
    assert_non_null(strstr(log.text, "backend absurd: known-answer test failed"));
    assert_non_null(strstr(log.text, PROVIDER_ALARM "backend spare: used in place of liar"));
    char refused[PROVIDER_REFUSED_MAX];
    provider_refused(refused);
    assert_string_equal(refused, "liar: a verdict differed from libcrypto's; "
                                 "absurd: a known-answer test failed");

    provider_set_recheck(0);
    expect_refusals(b, 20); /* the other thread's next batch */
    expect_refusals(a, 20);
    expect_refusals(fixed, 20);
    provider_stats(&before);
    assert_int_equal(before.mismatches, after.mismatches);
    atomic_store(&lying, false);
    provider_free(&a);
    provider_free(&b);
    provider_free(&fixed);
}

static void without_another_backend_libcrypto_remains(void **state)
{
    (void)state;
    static struct provider_ops liar;
    static const struct provider_ops *const all[] = {&liar, NULL};
    struct log log = {0};
    struct provider *p = NULL;
    liar = liar_ops();
    provider_set_recheck(1);
    assert_int_equal(provider_select_from(all, "liar", append, &log), STATUS_OK);
    assert_int_equal(provider_new(&p), STATUS_OK);
    atomic_store(&lying, true);
    expect_refusals(p, 3);
    expect_refusals(p, 3);
    assert_string_equal(provider_name(), "libcrypto");
    atomic_store(&lying, false);
    provider_free(&p);
}

static void the_share_of_rechecks_is_the_one_asked_for(void **state)
{
    (void)state;
    enum { ONE_IN = 8, BATCHES = 200, BATCH = 10 };
    static struct provider_ops honest;
    static const struct provider_ops *const all[] = {&honest, NULL};
    struct provider_stats before, after;
    struct provider *p = NULL;
    honest = liar_ops();
    assert_int_equal(provider_select_from(all, NULL, NULL, NULL), STATUS_OK);
    for (uint32_t one_in = 0; one_in <= ONE_IN; one_in += ONE_IN) {
        provider_set_recheck(one_in);
        assert_int_equal(provider_new(&p), STATUS_OK);
        provider_stats(&before);
        for (size_t i = 0; i < BATCHES; i++) {
            expect_refusals(p, BATCH);
        }
        provider_stats(&after);
        uint64_t share = after.rechecks - before.rechecks;
        if (one_in == 0) {
            assert_int_equal(share, 0);
        } else { /* 250 gaps of 0..14: five standard deviations are 45 */
            assert_in_range(share, BATCHES * BATCH / ONE_IN - 60, BATCHES * BATCH / ONE_IN + 60);
        }
        provider_free(&p);
    }
    provider_set_recheck(PROVIDER_RECHECK_ONE_IN);
}

static void pins_go_to_a_backend_that_has_tables(void **state)
{
    (void)state;
    static const struct provider_ops *const plain[] = {&libcrypto_backend, NULL};
    uint8_t G[EC_POINT_LEN] = {POINT_UNCOMPRESSED};
    struct provider_stats before = {0}, after = {0};
    memcpy(G + 1, curve_params(CURVE_P256)->gx, FIELD_LEN);
    memcpy(G + 1 + FIELD_LEN, curve_params(CURVE_P256)->gy, FIELD_LEN);
    assert_int_equal(provider_select_from(plain, NULL, NULL, NULL), STATUS_OK);
    assert_int_equal(provider_pin_key(CURVE_P256, G), STATUS_OK); /* no tables: nothing to do */
    ec_backend_fake.stats(&before);
    assert_int_equal(ec_backend_fake.pin_key(CURVE_P256, G, true), STATUS_OK);
    ec_backend_fake.stats(&after);
    assert_true(after.builds > before.builds);
    G[EC_POINT_LEN - 1] ^= 1;
    assert_int_equal(ec_backend_fake.pin_key(CURVE_P256, G, true), STATUS_BAD_POINT);
    assert_int_equal(ec_backend_fake.pin_key(CURVE_NONE, G, true), STATUS_BAD_CURVE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mixed_batches_are_answered_in_order),
        cmocka_unit_test(each_part_goes_to_its_function),
        cmocka_unit_test(statistics_and_budget_reach_the_cache),
        cmocka_unit_test(key_pairs_are_pairs),
        cmocka_unit_test(a_slip_or_another_scalar_is_noticed),
        cmocka_unit_test(agreement_keeps_order_and_wipes),
        cmocka_unit_test(scalars_add_modulo_n),
        cmocka_unit_test(points_and_sums_are_checked),
        cmocka_unit_test(a_lying_backend_is_replaced_for_all_threads),
        cmocka_unit_test(without_another_backend_libcrypto_remains),
        cmocka_unit_test(the_share_of_rechecks_is_the_one_asked_for),
        cmocka_unit_test(pins_go_to_a_backend_that_has_tables),
    };
    if (secret_init() != STATUS_OK || drbg_new(&drbg, span_of("test", 4)) != STATUS_OK) {
        return EXIT_FAILURE;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    drbg_free(&drbg);
    return failed;
}
