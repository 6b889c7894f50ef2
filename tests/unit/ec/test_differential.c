/*
 * Every kernel and backend against libcrypto on random and edge-biased cases.
 *
 * A run is a sequence of batches; batch number i of a seed is made from both alone, so any failure
 * is had again with ECKA_SEED and ECKA_FIRST, which are printed, and a long run goes on where
 * another ended. With ECKA_TEST_LONG it runs to CASES_LONG cases, or for ECKA_TEST_MINUTES.
 */
#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "providers/libcrypto/backend.h"
#include "tests/unit/ec/forge.h"
#include "tests/unit/ec/subject.h"

enum {
    KEYS = 24,   /* a curve's keys that come again and again */
    NONCES = 48, /* a curve's signatures share these, so that making one is cheap */
    BATCH_MAX = 200,
    CASES_LONG = 10 * 1000 * 1000,
    MINUTES_LONG = 24 * 60, /* if nobody says less */
    SECONDS = 8,            /* of a short run, or CASES */
    CASES = 12 * 1000,      /* of a short run */
    SLOW_SHARE = 8,         /* subjects without lanes take one batch in so many */
};

struct key {
    BIGNUM *d;
    uint8_t Q[EC_POINT_LEN];
};

struct nonce {
    BIGNUM *r, *inverse;
};

/* Keys and nonces of one curve: random ones and such as 1, n - 1, 2^i. */
struct bed {
    struct forge forge;
    struct key keys[KEYS];
    struct nonce nonces[NONCES];
};

static struct subject subjects[SUBJECTS_MAX];
static size_t subject_count;
static struct provider *libcrypto;
static struct bed beds[CURVE_COUNT];
static uint64_t seed;
static bool long_run;

static void must(int ok)
{
    assert_int_equal(ok, 1);
}

static void scalar(struct forge *f, struct prng *prng, BIGNUM *out)
{
    (prng_below(prng, 2) ? forge_random : forge_edge)(f, prng, out);
}

static void make_bed(enum curve curve)
{
    struct bed *b = &beds[curve];
    struct prng prng = {seed ^ (uint64_t)curve << 32};
    forge_open(&b->forge, curve);
    for (size_t i = 0; i < KEYS; i++) {
        b->keys[i].d = BN_new();
        scalar(&b->forge, &prng, b->keys[i].d);
        forge_point(&b->forge, b->keys[i].d, b->keys[i].Q);
    }
    for (size_t i = 0; i < NONCES; i++) {
        uint8_t R[EC_POINT_LEN];
        BIGNUM *k = BN_new();
        scalar(&b->forge, &prng, k);
        forge_point(&b->forge, k, R);
        struct nonce *nonce = &b->nonces[i];
        nonce->r = BN_bin2bn(R + 1, FIELD_LEN, NULL);
        must(BN_nnmod(nonce->r, nonce->r, b->forge.n, b->forge.bn));
        nonce->inverse = BN_mod_inverse(NULL, k, b->forge.n, b->forge.bn);
        assert_non_null(nonce->inverse);
        BN_free(k);
    }
}

static void free_bed(enum curve curve)
{
    struct bed *b = &beds[curve];
    for (size_t i = 0; i < KEYS; i++) {
        BN_free(b->keys[i].d);
    }
    for (size_t i = 0; i < NONCES; i++) {
        BN_free(b->nonces[i].r);
        BN_free(b->nonces[i].inverse);
    }
    forge_close(&b->forge);
}

/* -- cases -- */

/* A number of 256 bits: random, or about 0, n, p or 2^256. */
static void any_number(const struct forge *f, struct prng *prng, uint8_t out[static FIELD_LEN])
{
    const size_t kind = prng_below(prng, 8);
    prng_bytes(prng, out, FIELD_LEN);
    if (kind > 3) {
        return;
    }
    BIGNUM *v = BN_new();
    assert_non_null(kind < 2 ? BN_copy(v, kind == 0 ? f->n : f->p) : v);
    if (kind == 2) {
        must(BN_set_bit(v, 8 * FIELD_LEN));
    }
    const BN_ULONG delta = prng_below(prng, 4);
    must(kind == 2 || (kind < 3 && prng_below(prng, 2)) ? BN_sub_word(v, 1 + delta)
                                                        : BN_add_word(v, delta));
    assert_int_equal(BN_bn2binpad(v, out, FIELD_LEN), FIELD_LEN);
    BN_free(v);
}

/* A valid signature of a digest with a key of the bed and one of its nonces. */
static void sign(struct bed *b, struct prng *prng, const struct key *key, struct forged *out)
{
    struct forge *f = &b->forge;
    const struct nonce *nonce = &b->nonces[prng_below(prng, NONCES)];
    BN_CTX_start(f->bn);
    BIGNUM *s = BN_CTX_get(f->bn), *e = BN_CTX_get(f->bn);
    assert_non_null(e);
    any_number(f, prng, out->digest);
    assert_non_null(BN_bin2bn(out->digest, SHA256_LEN, e));
    must(BN_mod_mul(s, nonce->r, key->d, f->n, f->bn));
    must(BN_mod_add(s, s, e, f->n, f->bn));
    must(BN_mod_mul(s, s, nonce->inverse, f->n, f->bn));
    out->curve = f->curve;
    memcpy(out->Q, key->Q, EC_POINT_LEN);
    assert_int_equal(BN_bn2binpad(nonce->r, out->signature, FIELD_LEN), FIELD_LEN);
    assert_int_equal(BN_bn2binpad(s, out->signature + FIELD_LEN, FIELD_LEN), FIELD_LEN);
    BN_CTX_end(f->bn);
}

/* The scalars of the sum chosen, with a key known or new. */
static void choose_scalars(struct bed *b, struct prng *prng, struct forged *out)
{
    struct forge *f = &b->forge;
    BN_CTX_start(f->bn);
    BIGNUM *d = BN_CTX_get(f->bn), *u1 = BN_CTX_get(f->bn), *u2 = BN_CTX_get(f->bn);
    assert_non_null(u2);
    do {
        scalar(f, prng, d);
        if (prng_below(prng, 2)) {
            assert_non_null(BN_copy(d, b->keys[prng_below(prng, KEYS)].d));
        }
        scalar(f, prng, u1);
        scalar(f, prng, u2);
        switch (prng_below(prng, 8)) {
        case 0:
            BN_zero(u1);
            break;
        case 1: /* the sum's halves are the same point, or opposite ones */
            must(BN_mod_mul(u1, u2, d, f->n, f->bn));
            must(prng_below(prng, 2) ? BN_sub(u1, f->n, u1) : 1);
            break;
        default:
            break;
        }
    } while (!forge_scalars(f, d, u1, u2, out));
    BN_CTX_end(f->bn);
}

/* Half of all cases stay as they are. */
static void spoil(const struct forge *f, struct prng *prng, struct forged *c)
{
    const size_t bit = prng_below(prng, 8 * FIELD_LEN);
    const uint8_t flip = (uint8_t)(1U << bit % 8);
    switch (prng_below(prng, 16)) {
    case 0:
        c->digest[bit / 8] ^= flip;
        break;
    case 1:
        c->signature[bit / 8] ^= flip;
        break;
    case 2:
        c->signature[FIELD_LEN + bit / 8] ^= flip;
        break;
    case 3:
        any_number(f, prng, c->signature);
        break;
    case 4:
        any_number(f, prng, c->signature + FIELD_LEN);
        break;
    case 5:
        any_number(f, prng, c->digest);
        break;
    case 6:
        c->Q[1 + bit / 4] ^= flip;
        break;
    case 7:
        any_number(f, prng, c->Q + 1 + prng_below(prng, 2) * FIELD_LEN);
        break;
    default:
        break;
    }
}

/* Most are P-256's, for which libcrypto is fast. */
static enum curve any_curve(struct prng *prng)
{
    const size_t i = prng_below(prng, 40);
    return i == 0 ? CURVE_FRP256V1 : i < 4 ? CURVE_BRAINPOOLP256R1 : CURVE_P256;
}

static void make_case(struct prng *prng, struct forged *out)
{
    struct bed *b = &beds[any_curve(prng)];
    if (prng_below(prng, 8) == 0) {
        choose_scalars(b, prng, out);
    } else {
        sign(b, prng, &b->keys[prng_below(prng, KEYS)], out);
    }
    spoil(&b->forge, prng, out);
}

/* -- runs -- */

static void print_case(const struct forged *c)
{
    const struct {
        const char *name;
        const uint8_t *bytes;
        size_t len;
    } parts[] = {{"public", c->Q, EC_POINT_LEN},
                 {"digest", c->digest, SHA256_LEN},
                 {"signature", c->signature, EC_SIGNATURE_LEN}};
    print_error("curve = %s\n", curve_name((unsigned)c->curve));
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        print_error("%s = ", parts[i].name);
        for (size_t j = 0; j < parts[i].len; j++) {
            print_error("%02x", parts[i].bytes[j]);
        }
        print_error("\n");
    }
}

/* What libcrypto says, and each subject must say; the number of cases. */
static size_t check_batch(uint64_t number)
{
    static struct forged cases[BATCH_MAX];
    static struct verify_item items[BATCH_MAX];
    static enum status want[BATCH_MAX], out[BATCH_MAX];
    struct prng prng = {seed + number};
    prng.state = prng_word(&prng);
    const size_t n = 1 + prng_below(&prng, BATCH_MAX);
    for (size_t i = 0; i < n; i++) {
        make_case(&prng, &cases[i]);
        items[i] = forged_item(&cases[i]);
        want[i] = STATUS_INTERNAL;
    }
    provider_verify_vartime(libcrypto, n, items, want);
    for (size_t s = 0; s < subject_count; s++) {
        if (subjects[s].slow && number % SLOW_SHARE != s % SLOW_SHARE) {
            continue;
        }
        for (size_t i = 0; i < n; i++) {
            out[i] = STATUS_INTERNAL;
        }
        subject_verify(&subjects[s], n, items, out);
        for (size_t i = 0; i < n; i++) {
            if (out[i] != want[i]) {
                print_case(&cases[i]);
                fail_msg("%s: ECKA_SEED=0x%016llx ECKA_FIRST=%llu, case %zu of %zu: %s, libcrypto "
                         "says %s",
                         subjects[s].name, (unsigned long long)seed, (unsigned long long)number, i,
                         n, status_name(out[i]), status_name(want[i]));
            }
        }
    }
    return n;
}

static uint64_t environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL && text[0] != '\0' ? strtoull(text, NULL, 0) : otherwise;
}

static void verdicts_are_libcryptos(void **state)
{
    (void)state;
    const uint64_t first = environment("ECKA_FIRST", 0);
    const size_t cases_wanted = long_run ? CASES_LONG : CASES;
    const time_t seconds =
        long_run ? 60 * (time_t)environment("ECKA_TEST_MINUTES", MINUTES_LONG) : (time_t)SECONDS;
    const time_t end = time(NULL) + seconds;
    uint64_t number = first;
    size_t cases = 0;
    while (cases < cases_wanted && time(NULL) <= end) {
        cases += check_batch(number++);
        if (long_run && (number - first) % 1000 == 0) {
            print_message("ECKA_SEED=0x%016llx: %zu cases, next ECKA_FIRST=%llu\n",
                          (unsigned long long)seed, cases, (unsigned long long)number);
        }
    }
    print_message("ECKA_SEED=0x%016llx: %zu cases agree, ECKA_FIRST=%llu to %llu\n",
                  (unsigned long long)seed, cases, (unsigned long long)first,
                  (unsigned long long)number - 1);
    assert_true(cases > 0);
}

/* -- secret scalars: k G and x(k Q) -- */

enum { AGREEMENTS_MAX = 40, AGREEMENT_ROUNDS = 12 };

struct agreements {
    size_t n;
    uint8_t k[AGREEMENTS_MAX][EC_SCALAR_LEN], peer[AGREEMENTS_MAX][EC_POINT_LEN];
    uint8_t Q[AGREEMENTS_MAX][EC_POINT_LEN], z[AGREEMENTS_MAX][ECDH_Z_LEN];
    const uint8_t *k_at[AGREEMENTS_MAX], *peer_at[AGREEMENTS_MAX];
    uint8_t *Q_at[AGREEMENTS_MAX], *z_at[AGREEMENTS_MAX];
    enum status made[AGREEMENTS_MAX], agreed[AGREEMENTS_MAX], want[AGREEMENTS_MAX];
    uint8_t want_z[AGREEMENTS_MAX][ECDH_Z_LEN];
};

static void make_agreements(struct agreements *a, struct bed *b, struct prng *prng)
{
    struct ecka_item items[AGREEMENTS_MAX];
    BIGNUM *k = BN_new();
    a->n = 1 + prng_below(prng, AGREEMENTS_MAX);
    for (size_t i = 0; i < a->n; i++) {
        scalar(&b->forge, prng, k);
        assert_int_equal(BN_bn2binpad(k, a->k[i], EC_SCALAR_LEN), EC_SCALAR_LEN);
        memcpy(a->peer[i], b->keys[prng_below(prng, KEYS)].Q, EC_POINT_LEN);
        if (prng_below(prng, 8) == 0) {
            a->peer[i][prng_below(prng, EC_POINT_LEN)] ^= 1;
        }
        a->k_at[i] = a->k[i];
        a->peer_at[i] = a->peer[i];
        a->Q_at[i] = a->Q[i];
        a->z_at[i] = a->z[i];
        a->made[i] = a->agreed[i] = a->want[i] = STATUS_INTERNAL;
        memset(a->z[i], 0xA5, ECDH_Z_LEN);
        items[i] = (struct ecka_item){b->forge.curve, a->k[i], a->peer[i], a->want_z[i]};
    }
    provider_ecka(libcrypto, a->n, items, a->want);
    BN_free(k);
}

static void check_agreements(const struct usable_kernel *u, struct agreements *a, struct bed *b)
{
    const enum curve curve = b->forge.curve;
    BIGNUM *k = BN_new();
    u->kernel->mul_base(u->scratch, curve, a->n, a->k_at, a->Q_at, a->made);
    u->kernel->ecka(u->scratch, curve, a->n, a->k_at, a->peer_at, a->z_at, a->agreed);
    for (size_t i = 0; i < a->n; i++) {
        uint8_t Q[EC_POINT_LEN];
        assert_non_null(BN_bin2bn(a->k[i], EC_SCALAR_LEN, k));
        forge_point(&b->forge, k, Q);
        assert_int_equal(a->made[i], STATUS_OK);
        assert_memory_equal(a->Q[i], Q, EC_POINT_LEN);
        assert_int_equal(a->agreed[i], a->want[i]);
        assert_memory_equal(a->z[i], a->want_z[i], ECDH_Z_LEN);
    }
    BN_free(k);
}

static void multiples_are_libcryptos(void **state)
{
    (void)state;
    struct usable_kernel usable[SUBJECTS_MAX];
    static struct agreements a;
    const size_t kernels = kernels_open(usable);
    const size_t rounds = long_run ? 100 * AGREEMENT_ROUNDS : AGREEMENT_ROUNDS;
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        for (size_t round = 0; round < rounds; round++) {
            for (size_t i = 0; i < kernels; i++) {
                struct prng prng = {seed + round};
                make_agreements(&a, &beds[c], &prng);
                check_agreements(&usable[i], &a, &beds[c]);
            }
        }
    }
    kernels_close(kernels, usable);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(multiples_are_libcryptos),
        cmocka_unit_test(verdicts_are_libcryptos),
    };
    seed = prng_seed("test_differential");
    long_run = getenv("ECKA_TEST_LONG") != NULL;
    subject_count = subjects_open(SUBJECT_ALL, subjects);
    if (provider_new_with(&libcrypto, &libcrypto_backend) != STATUS_OK) {
        return EXIT_FAILURE;
    }
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        make_bed((enum curve)c);
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        free_bed((enum curve)c);
    }
    provider_free(&libcrypto);
    subjects_close(subject_count, subjects);
    return failed;
}
