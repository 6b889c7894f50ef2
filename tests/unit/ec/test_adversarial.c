/*
 * What somebody who chooses key, digest and signature can bring about, over every kernel and
 * backend: sums that meet themselves or infinity, values at the ends of their ranges, keys that are
 * none. Each case has its answer by construction, and libcrypto must give the same.
 */
#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/ec/forge.h"
#include "tests/unit/ec/subject.h"

enum { DECK_MAX = 4096, NEIGHBOURS = 17 };

static struct subject subjects[SUBJECTS_MAX];
static size_t subject_count;
static uint64_t seed;
static struct deck *decks[CURVE_COUNT];

/* The cases of one curve, and a word on each. */
struct deck {
    struct forge forge;
    struct prng prng;
    size_t n;
    struct forged cases[DECK_MAX];
    const char *what[DECK_MAX];
};

static struct deck *deck_new(enum curve curve)
{
    struct deck *d = calloc(1, sizeof *d);
    assert_non_null(d);
    forge_open(&d->forge, curve);
    d->prng.state = seed + (uint64_t)curve;
    return d;
}

static void deck_free(struct deck *d)
{
    forge_close(&d->forge);
    free(d);
}

static struct forged *next(struct deck *d, const char *what)
{
    assert_true(d->n < DECK_MAX);
    d->what[d->n] = what;
    return &d->cases[d->n];
}

static BIGNUM *number(struct deck *d)
{
    BIGNUM *v = BN_CTX_get(d->forge.bn);
    assert_non_null(v);
    return v;
}

static void must(int ok)
{
    assert_int_equal(ok, 1);
}

/* -- the cases -- */

static void scalars(struct deck *d, const char *what, const BIGNUM *key, const BIGNUM *u1,
                    const BIGNUM *u2)
{
    if (forge_scalars(&d->forge, key, u1, u2, next(d, what))) {
        d->n++;
    }
}

/* Scalar number i of those that reach the ends of windows, of n and of the sum's tree. */
enum { SPECIAL = 10 };
static void special(struct deck *d, unsigned i, BIGNUM *out)
{
    static const unsigned small[] = {1, 2, 3, 16};
    if (i < 4) {
        must(BN_set_word(out, small[i]));
    } else if (i < 8) {
        assert_non_null(BN_copy(out, d->forge.n));
        must(BN_sub_word(out, small[i - 4]));
    } else {
        must(BN_rshift1(out, d->forge.n));
        must(BN_add_word(out, i - 8));
    }
}

/* Q = +-G and other known multiples, every pair of special u1 and u2; u1 = 0 too. */
static void add_special_scalars(struct deck *d)
{
    BIGNUM *key = number(d), *u1 = number(d), *u2 = number(d);
    for (unsigned k = 0; k < SPECIAL + 1; k++) {
        if (k < SPECIAL) {
            special(d, k, key);
        } else {
            forge_random(&d->forge, &d->prng, key);
        }
        for (unsigned i = 0; i < SPECIAL; i++) {
            special(d, i, u2);
            BN_zero(u1);
            scalars(d, "u1 = 0", key, u1, u2);
            for (unsigned j = 0; j<SPECIAL; j += k> 2 ? 2 : 1) {
                special(d, j, u1);
                scalars(d, "special scalars", key, u1, u2);
            }
        }
    }
}

/* u1 G = +-u2 Q: the tree's root adds a point to itself, or to its opposite. */
static void add_meetings(struct deck *d)
{
    BIGNUM *key = number(d), *u1 = number(d), *u2 = number(d);
    for (unsigned i = 0; i < 64; i++) {
        (i % 2 == 0 ? forge_random : forge_edge)(&d->forge, &d->prng, key);
        (i % 4 < 2 ? forge_random : forge_edge)(&d->forge, &d->prng, u2);
        must(BN_mod_mul(u1, u2, key, d->forge.n, d->forge.bn));
        scalars(d, "u1 G = u2 Q", key, u1, u2);
        must(BN_sub(u1, d->forge.n, u1));
        scalars(d, "u1 G = -u2 Q", key, u1, u2);
    }
}

/* Q = +-2^j G: entries of Q's table are entries of G's. */
static void add_powers(struct deck *d)
{
    BIGNUM *key = number(d), *u1 = number(d), *u2 = number(d);
    for (int j = 0; j < 256; j += 3) {
        BN_zero(key);
        must(BN_set_bit(key, j));
        must(BN_nnmod(key, key, d->forge.n, d->forge.bn));
        if (j % 2 != 0) {
            must(BN_sub(key, d->forge.n, key));
        }
        forge_edge(&d->forge, &d->prng, u1);
        forge_edge(&d->forge, &d->prng, u2);
        scalars(d, "Q = +-2^j G", key, u1, u2);
        scalars(d, "Q = +-2^j G, u1 = u2", key, u1, u1);
    }
}

static void add_digests(struct deck *d)
{
    BIGNUM *key = number(d), *k = number(d), *e = number(d);
    for (unsigned i = 0; i < 24; i++) {
        uint8_t digest[SHA256_LEN] = {0}; /* 0, n - 1, n, n + 1, 2^256 - 1, n + random */
        assert_non_null(BN_copy(e, d->forge.n));
        must(i % 6 == 1 ? BN_sub_word(e, 1) : BN_add_word(e, i % 6 == 3));
        if (i % 6 == 5) {
            must(BN_add_word(e, prng_word(&d->prng) >> 33));
        }
        if (i % 6 != 0) {
            assert_int_equal(BN_bn2binpad(e, digest, sizeof digest), SHA256_LEN);
        }
        if (i % 6 == 4) {
            memset(digest, 0xFF, sizeof digest);
        }
        forge_random(&d->forge, &d->prng, key);
        forge_random(&d->forge, &d->prng, k);
        assert_true(forge_sign(&d->forge, key, k, digest, next(d, "digest at its ends")));
        d->n++;
        d->cases[d->n] = d->cases[d->n - 1];
        next(d, "digest, one bit off")->want = STATUS_SIGNATURE_INVALID;
        d->cases[d->n++].digest[SHA256_LEN - 1] ^= 1;
    }
}

/* The first point from x on, and its r: x + shift, which may be negative. */
static void add_sum(struct deck *d, const char *what, const BIGNUM *from, const BIGNUM *shift,
                    enum status want)
{
    BIGNUM *x = number(d), *r = number(d);
    assert_non_null(BN_copy(x, from));
    for (;; must(BN_add_word(x, 1))) {
        must(BN_add(r, x, shift));
        if (forge_sum(&d->forge, &d->prng, x, r, want, next(d, what))) {
            break;
        }
    }
    d->n++;
    ERR_clear_error();
}

/* x of the sum where x mod n, x mod p and the 256 bits of r part ways. */
static void add_sums_at_the_edge(struct deck *d)
{
    BIGNUM *from = number(d), *shift = number(d), *gap = number(d);
    const struct forge *f = &d->forge;
    must(BN_sub(gap, f->p, f->n));
    for (unsigned i = 0; i < 8; i++) {
        must(BN_set_word(from, 1 + 1000 * i));
        BN_zero(shift);
        add_sum(d, "x = r, small", from, shift, STATUS_OK);
        if (BN_is_negative(gap)) { /* n > p: r = x + p is below n, and is not x mod n */
            assert_non_null(BN_copy(shift, f->p));
            add_sum(d, "x = r - p", from, shift, STATUS_SIGNATURE_INVALID);
            continue;
        }
        assert_non_null(BN_copy(shift, gap)); /* r + n = x + p */
        add_sum(d, "x = r + n - p", from, shift, STATUS_SIGNATURE_INVALID);
        must(BN_add(from, from, f->n));
        must(BN_sub(shift, shift, f->p)); /* -n */
        add_sum(d, "x = r + n", from, shift, STATUS_OK);
        must(BN_sub(from, f->p, BN_value_one()));
        must(BN_sub_word(from, 100 * (i + 1)));
        add_sum(d, "x = r + n, below p", from, shift, STATUS_OK);
    }
}

/* A case that verifies, to spoil. */
static struct forged *good(struct deck *d, const char *what)
{
    BIGNUM *key = number(d), *k = number(d);
    uint8_t digest[SHA256_LEN];
    prng_bytes(&d->prng, digest, sizeof digest);
    forge_random(&d->forge, &d->prng, key);
    forge_random(&d->forge, &d->prng, k);
    struct forged *c = next(d, what);
    assert_true(forge_sign(&d->forge, key, k, digest, c));
    d->n++;
    return c;
}

static void store(const BIGNUM *v, uint8_t out[static FIELD_LEN])
{
    assert_int_equal(BN_bn2binpad(v, out, FIELD_LEN), FIELD_LEN);
}

/* r or s, or both, in {0, n, n + 1, p, 2^256 - 1}, or larger by n where that fits 32 bytes. */
static void add_ranges(struct deck *d)
{
    BIGNUM *v = number(d);
    uint8_t bad[5][FIELD_LEN] = {{0}};
    store(d->forge.n, bad[1]);
    assert_non_null(BN_copy(v, d->forge.n));
    must(BN_add_word(v, 1));
    store(v, bad[2]);
    memset(bad[3], 0xFF, FIELD_LEN);
    store(d->forge.p, bad[4]);
    const bool p_is_scalar = BN_cmp(d->forge.p, d->forge.n) < 0;
    for (size_t i = 0; i < 5; i++) {
        for (unsigned which = 1; which < 4; which++) {
            if (i == 4 && p_is_scalar) {
                continue;
            }
            struct forged *c = good(d, "r or s out of range");
            c->want = STATUS_SIGNATURE_INVALID;
            memcpy(c->signature, which & 1 ? bad[i] : c->signature, FIELD_LEN);
            memcpy(c->signature + FIELD_LEN, which & 2 ? bad[i] : c->signature + FIELD_LEN,
                   FIELD_LEN);
        }
    }
    for (unsigned i = 0; i < 32; i++) {
        struct forged *c = good(d, "r + n or s + n");
        uint8_t *half = c->signature + (i % 2) * FIELD_LEN;
        assert_non_null(BN_bin2bn(half, FIELD_LEN, v));
        must(BN_add(v, v, d->forge.n));
        if (BN_num_bits(v) <= 8 * FIELD_LEN) {
            store(v, half);
            c->want = STATUS_SIGNATURE_INVALID;
        }
    }
}

/* One bit of each part off, a key of the other sign, n - s (which is right). */
static void add_tampered(struct deck *d)
{
    BIGNUM *v = number(d);
    for (unsigned bit = 0; bit < 256; bit += 5) {
        struct forged *c = good(d, "one bit of the digest off");
        c->digest[bit / 8] ^= (uint8_t)(1U << bit % 8);
        c->want = STATUS_SIGNATURE_INVALID;
        c = good(d, "one bit of r or s off");
        c->signature[bit / 4] ^= (uint8_t)(1U << bit % 8);
        c->want = STATUS_SIGNATURE_INVALID;
    }
    for (unsigned i = 0; i < 8; i++) {
        struct forged *c = good(d, "n - s");
        assert_non_null(BN_bin2bn(c->signature + FIELD_LEN, FIELD_LEN, v));
        must(BN_sub(v, d->forge.n, v));
        store(v, c->signature + FIELD_LEN);
        c = good(d, "-Q");
        assert_non_null(BN_bin2bn(c->Q + 1 + FIELD_LEN, FIELD_LEN, v));
        must(BN_sub(v, d->forge.p, v));
        store(v, c->Q + 1 + FIELD_LEN);
        c->want = STATUS_SIGNATURE_INVALID;
        c = good(d, "r and s exchanged");
        uint8_t r[FIELD_LEN];
        memcpy(r, c->signature, FIELD_LEN);
        memcpy(c->signature, c->signature + FIELD_LEN, FIELD_LEN);
        memcpy(c->signature + FIELD_LEN, r, FIELD_LEN);
        c->want = STATUS_SIGNATURE_INVALID;
    }
}

static struct forged *bad_key(struct deck *d, const char *what)
{
    struct forged *c = good(d, what);
    c->want = STATUS_BAD_POINT;
    return c;
}

static void add_bad_keys(struct deck *d)
{
    static const uint8_t forms[] = {0x00, 0x01, 0x02, 0x03, 0x05, 0x06, 0x07, 0xFF};
    for (size_t i = 0; i < sizeof forms; i++) {
        bad_key(d, "form of the key")->Q[0] = forms[i];
    }
    for (unsigned bit = 0; bit < 2 * 256; bit += 16) { /* off the curve, or not below p */
        struct forged *c = good(d, "one bit of the key off");
        c->Q[1 + bit / 8] ^= (uint8_t)(1U << bit / 16 % 8);
        EC_POINT *P = EC_POINT_new(d->forge.group);
        const bool on = EC_POINT_oct2point(d->forge.group, P, c->Q, EC_POINT_LEN, d->forge.bn) == 1;
        c->want = on ? STATUS_SIGNATURE_INVALID : STATUS_BAD_POINT;
        EC_POINT_free(P);
        ERR_clear_error();
    }
    struct forged *c = bad_key(d, "(0, 0)");
    memset(c->Q + 1, 0, EC_POINT_LEN - 1);
    memset(bad_key(d, "x = 2^256 - 1")->Q + 1, 0xFF, FIELD_LEN);
    memset(bad_key(d, "y = 2^256 - 1")->Q + 1 + FIELD_LEN, 0xFF, FIELD_LEN);
    store(d->forge.p, bad_key(d, "x = p")->Q + 1);
    store(d->forge.p, bad_key(d, "y = p")->Q + 1 + FIELD_LEN);
    c = bad_key(d, "a bad key and r = 0");
    c->Q[EC_POINT_LEN - 1] ^= 1;
    memset(c->signature, 0, FIELD_LEN);
    c = bad_key(d, "a bad key and s = 2^256 - 1");
    c->Q[EC_POINT_LEN - 1] ^= 1;
    memset(c->signature + FIELD_LEN, 0xFF, FIELD_LEN);
}

/* A point with a small x is a key; the same with x + p is none, though it is on the curve mod p. */
static void add_large_x(struct deck *d)
{
    BIGNUM *x = number(d), *r = number(d);
    EC_POINT *P = EC_POINT_new(d->forge.group);
    unsigned found = 0;
    for (BN_ULONG i = 0; found < 3; i++) {
        must(BN_set_word(x, i));
        if (EC_POINT_set_compressed_coordinates(d->forge.group, P, x, 0, d->forge.bn) != 1) {
            ERR_clear_error();
            continue;
        }
        struct forged *c = good(d, "key with a small x");
        assert_int_equal(EC_POINT_point2oct(d->forge.group, P, POINT_CONVERSION_UNCOMPRESSED, c->Q,
                                            EC_POINT_LEN, d->forge.bn),
                         EC_POINT_LEN);
        c->want = STATUS_SIGNATURE_INVALID;
        d->cases[d->n] = *c;
        c = next(d, "key with x + p");
        must(BN_add(r, x, d->forge.p));
        store(r, c->Q + 1);
        c->want = STATUS_BAD_POINT;
        d->n++;
        found++;
    }
    EC_POINT_free(P);
}

static struct deck *full_deck(enum curve curve)
{
    struct deck *d = deck_new(curve);
    void (*const adders[])(struct deck *) = {
        add_special_scalars, add_meetings, add_powers,   add_digests, add_sums_at_the_edge,
        add_ranges,          add_tampered, add_bad_keys, add_large_x,
    };
    for (size_t i = 0; i < sizeof adders / sizeof adders[0]; i++) {
        BN_CTX_start(d->forge.bn);
        adders[i](d);
        BN_CTX_end(d->forge.bn);
    }
    return d;
}

/* -- asking -- */

/* Cases by number, in one batch. */
static void check(const struct subject *s, const struct deck *d, size_t n, const size_t number[])
{
    static struct verify_item items[DECK_MAX];
    static enum status out[DECK_MAX];
    for (size_t i = 0; i < n; i++) {
        items[i] = forged_item(&d->cases[number[i]]);
        out[i] = STATUS_INTERNAL;
    }
    subject_verify(s, n, items, out);
    for (size_t i = 0; i < n; i++) {
        const struct forged *c = &d->cases[number[i]];
        if (out[i] != c->want) {
            fail_msg("%s, %s, case %zu (%s) at place %zu of %zu: %s instead of %s", s->name,
                     curve_name((unsigned)c->curve), number[i], d->what[number[i]], i, n,
                     status_name(out[i]), status_name(c->want));
        }
    }
}

static void all_at_once(const struct subject *s, const struct deck *d)
{
    size_t number[DECK_MAX];
    for (size_t i = 0; i < d->n; i++) {
        number[i] = i;
    }
    check(s, d, d->n, number);
    for (size_t i = d->n; i-- > 1;) { /* in another order */
        struct prng prng = {seed + i};
        const size_t j = prng_below(&prng, i + 1), swap = number[i];
        number[i] = number[j];
        number[j] = swap;
    }
    check(s, d, d->n, number);
}

static void one_by_one(const struct subject *s, const struct deck *d)
{
    for (size_t i = 0; i < d->n; i += s->slow ? 7 : 1) {
        check(s, d, 1, &i);
    }
}

static void on_every_curve(void (*ask)(const struct subject *, const struct deck *))
{
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        for (size_t i = 0; i < subject_count; i++) {
            ask(&subjects[i], decks[c]);
        }
    }
}

static void crafted_cases_in_one_batch(void **state)
{
    (void)state;
    on_every_curve(all_at_once);
}

static void crafted_cases_alone(void **state)
{
    (void)state;
    on_every_curve(one_by_one);
}

/* Sixteen good ones, and each kind of trouble at some place among them: the lane moves on. */
static void among_neighbours(const struct subject *s, const struct deck *d)
{
    size_t fine[NEIGHBOURS] = {0}, n = 0;
    for (size_t i = d->n; i-- > 0 && n < NEIGHBOURS;) {
        if (d->cases[i].want == STATUS_OK && strcmp(d->what[i], "n - s") == 0) {
            fine[n++] = i;
        }
    }
    assert_true(n >= 8);
    for (size_t i = 0, place = 0; i < d->n;
         i += s->slow ? 13 : 1, place = place + 1 < n ? place + 1 : 0) {
        const size_t kept = fine[place];
        fine[place] = i;
        check(s, d, n, fine);
        fine[place] = kept;
    }
}

static void a_neighbour_changes_nothing(void **state)
{
    (void)state;
    on_every_curve(among_neighbours);
}

/* All curves in one batch, hot keys beside keys seen once, in order. */
static void curves_and_keys_mixed(void **state)
{
    (void)state;
    enum { ROUNDS = 40, BATCH = 300 };
    static struct verify_item items[BATCH];
    static enum status out[BATCH];
    struct prng prng = {seed};
    for (size_t i = 0; i < subject_count; i++) {
        const struct subject *s = &subjects[i];
        for (size_t round = 0; round < (s->slow ? ROUNDS / 8 : ROUNDS); round++) {
            const struct forged *cases[BATCH];
            const size_t n = 1 + prng_below(&prng, BATCH);
            for (size_t j = 0; j < n; j++) {
                const struct deck *d = decks[CURVE_P256 + prng_below(&prng, CURVE_COUNT - 1)];
                const size_t hot = prng_below(&prng, 4); /* of each curve, every other item */
                cases[j] = &d->cases[prng_below(&prng, 2) ? hot : prng_below(&prng, d->n)];
                items[j] = forged_item(cases[j]);
                out[j] = STATUS_INTERNAL;
            }
            subject_verify(s, n, items, out);
            for (size_t j = 0; j < n; j++) {
                if (out[j] != cases[j]->want) {
                    fail_msg("%s: place %zu of %zu: %s instead of %s", s->name, j, n,
                             status_name(out[j]), status_name(cases[j]->want));
                }
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crafted_cases_in_one_batch),
        cmocka_unit_test(crafted_cases_alone),
        cmocka_unit_test(a_neighbour_changes_nothing),
        cmocka_unit_test(curves_and_keys_mixed),
    };
    seed = prng_seed("test_adversarial");
    subject_count = subjects_open(SUBJECT_ALL, subjects);
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        decks[c] = full_deck((enum curve)c);
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        deck_free(decks[c]);
    }
    subjects_close(subject_count, subjects);
    return failed;
}
