/*
 * The group formulas over small primes, enumerated completely: every pair of points, infinity and
 * opposites included, in every Jacobian form, against a table of the group made with integers.
 */
#include <openssl/bn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "providers/ec/ifma/ifma.h"
#include "tests/unit/ec/tiny_ops.h"

enum { PRIME_MAX = 64, ORDER_MAX = 2 * PRIME_MAX, R_BITS = 260, LIMB_BITS = 52 };

/* y^2 = x^3 - 3 x + b over GF(p), of prime order n: point i is i times a generator, 0 infinity. */
struct group {
    unsigned p, b, n;
    unsigned x[ORDER_MAX], y[ORDER_MAX];
    struct ec52_modulus m;
};

/* -- the modulus, as tools/ec_constants.py makes it -- */

static void limbs(const BIGNUM *v, uint64_t out[EC52_LIMBS])
{
    memset(out, 0, EC52_LIMBS * sizeof out[0]);
    for (int bit = 0; bit < R_BITS; bit++) {
        out[bit / LIMB_BITS] |= (uint64_t)BN_is_bit_set(v, bit) << bit % LIMB_BITS;
    }
}

/* 2^bits mod m. */
static void power(unsigned bits, const BIGNUM *m, BN_CTX *ctx, uint64_t out[EC52_LIMBS])
{
    BIGNUM *v = BN_new();
    assert_int_equal(BN_set_bit(v, (int)bits), 1);
    assert_int_equal(BN_nnmod(v, v, m, ctx), 1);
    limbs(v, out);
    BN_free(v);
}

static void make_modulus(struct ec52_modulus *out, unsigned p)
{
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *m = BN_new(), *v = BN_new(), *rest = BN_new();
    uint64_t row[EC52_LIMBS];
    assert_int_equal(BN_set_word(m, p), 1);
    limbs(m, out->m);
    power(R_BITS, m, ctx, out->one);
    power(2 * R_BITS, m, ctx, out->rr);
    for (unsigned i = 0; i < EC52_WEAK; i++) { /* the largest multiple of m <= i 2^255 */
        BN_zero(v);
        assert_int_equal(BN_set_bit(v, 255), 1);
        assert_int_equal(BN_mul_word(v, i), 1);
        assert_int_equal(BN_nnmod(rest, v, m, ctx), 1);
        assert_int_equal(BN_sub(v, v, rest), 1);
        limbs(v, row);
        for (size_t l = 0; l < EC52_LIMBS; l++) {
            out->weak[l][i] = row[l];
        }
    }
    uint64_t inverse = 1; /* Newton's: each step doubles the bits that are right */
    for (unsigned i = 0; i < 6; i++) {
        inverse *= 2 - p * inverse;
    }
    out->inv = (0 - inverse) & ((1ULL << LIMB_BITS) - 1);
    BN_free(m);
    BN_free(v);
    BN_free(rest);
    BN_CTX_free(ctx);
}

/* -- the group, with integers -- */

static unsigned power_mod(unsigned a, unsigned e, unsigned p)
{
    unsigned r = 1;
    for (; e > 0; e >>= 1, a = a * a % p) {
        r = e & 1 ? r * a % p : r;
    }
    return r;
}

static unsigned inverse_mod(unsigned a, unsigned p)
{
    return power_mod(a, p - 2, p);
}

/* P + Q of finite points with P != -Q. */
static void add_points(const struct group *g, const unsigned P[2], const unsigned Q[2],
                       unsigned out[2])
{
    const unsigned p = g->p;
    unsigned slope;
    if (P[0] == Q[0]) {
        slope = (3 * P[0] * P[0] + p - 3) % p * inverse_mod(2 * P[1] % p, p) % p;
    } else {
        slope = (Q[1] + p - P[1]) * inverse_mod((Q[0] + p - P[0]) % p, p) % p;
    }
    const unsigned x = (slope * slope + 2 * p - P[0] - Q[0]) % p;
    const unsigned y = (slope * (P[0] + p - x) + p - P[1]) % p;
    out[0] = x;
    out[1] = y;
}

/* Points of the curve, infinity among them; some finite one comes back in P. */
static unsigned count_points(unsigned p, unsigned b, unsigned P[2])
{
    unsigned count = 1;
    for (unsigned x = 0; x < p; x++) {
        for (unsigned y = 0; y < p; y++) {
            if ((y * y + 3 * x) % p == (x * x % p * x + b) % p) {
                count++;
                P[0] = x;
                P[1] = y;
            }
        }
    }
    return count;
}

static bool is_prime(unsigned n)
{
    for (unsigned d = 2; d * d <= n; d++) {
        if (n % d == 0) {
            return false;
        }
    }
    return n > 1;
}

/* False when the curve is singular or its order is no odd prime. */
static bool make_group(struct group *g, unsigned p, unsigned b)
{
    unsigned P[2] = {0}, at[2];
    g->p = p;
    g->b = b;
    g->n = count_points(p, b, P);
    if ((27 * b % p * b) % p == 108 % p || g->n <= 3 || !is_prime(g->n)) {
        return false; /* 4 a^3 + 27 b^2 = 0 with a = -3 */
    }
    memcpy(at, P, sizeof at);
    for (unsigned i = 1; i < g->n; i++) {
        g->x[i] = at[0];
        g->y[i] = at[1];
        if (i + 1 < g->n) {
            add_points(g, at, P, at);
        }
    }
    assert_int_equal(g->x[1], g->x[g->n - 1]); /* (n - 1) P = -P */
    assert_int_equal(g->y[1] + g->y[g->n - 1], p);
    make_modulus(&g->m, p);
    return true;
}

/* -- cases, gathered until the lanes are full -- */

struct pair { /* points by number, with their Z */
    unsigned i, zi, j, zj;
};

struct gathered {
    const struct group *g;
    size_t n;
    struct pair pairs[TINY_LANES];
    struct tiny_points p, q;
    unsigned long done;
};

static void put(const struct group *g, struct tiny_points *to, size_t lane, unsigned i, unsigned z)
{
    if (i == 0) { /* infinity: any x and y with Y^2 = X^3, Z = 0 */
        to->x[lane] = z * z % g->p;
        to->y[lane] = z * z % g->p * z % g->p;
        to->z[lane] = 0;
        return;
    }
    to->x[lane] = (uint64_t)g->x[i] * z * z % g->p;
    to->y[lane] = (uint64_t)g->y[i] * z * z * z % g->p;
    to->z[lane] = z;
}

static void expect(const struct gathered *t, const char *what, const struct tiny_result *r,
                   size_t lane, unsigned sum, bool exceptional)
{
    const struct group *g = t->g;
    const struct pair *c = &t->pairs[lane];
    const bool flagged = (r->exceptional & 1U << lane) != 0;
    if (flagged != exceptional ||
        (!exceptional && (r->x[lane] != g->x[sum] || r->y[lane] != g->y[sum]))) {
        fail_msg("%s over %u, b = %u: %u (Z %u), %u (Z %u): (%u, %u), flagged %d; want %u", what,
                 g->p, g->b, c->i, c->zi, c->j, c->zj, (unsigned)r->x[lane], (unsigned)r->y[lane],
                 flagged, sum);
    }
}

typedef void check_fn(struct gathered *t, bool lifted);

static void check_dbl(struct gathered *t, bool lifted)
{
    struct tiny_result one, pair[2];
    tiny_dbl(&t->g->m, lifted, &t->p, &one);
    tiny_dbl_pair(&t->g->m, lifted, &t->p, &t->q, pair);
    for (size_t l = 0; l < TINY_LANES; l++) {
        const struct pair *c = &t->pairs[l];
        expect(t, "doubling", &one, l, 2 * c->i % t->g->n, c->i == 0);
        expect(t, "doubling, first of two", &pair[0], l, 2 * c->i % t->g->n, c->i == 0);
        expect(t, "doubling, second of two", &pair[1], l, 2 * c->j % t->g->n, c->j == 0);
    }
}

static bool add_is_exceptional(const struct gathered *t, const struct pair *c)
{
    return c->i == 0 || c->j == 0 || c->i == c->j || c->i + c->j == t->g->n;
}

static void check_madd(struct gathered *t, bool lifted)
{
    struct tiny_result r;
    tiny_madd(&t->g->m, lifted, &t->p, &t->q, &r);
    for (size_t l = 0; l < TINY_LANES; l++) {
        const struct pair *c = &t->pairs[l];
        expect(t, "mixed addition", &r, l, (c->i + c->j) % t->g->n, add_is_exceptional(t, c));
    }
}

static void check_add(struct gathered *t, bool lifted)
{
    struct tiny_result r;
    tiny_add(&t->g->m, lifted, &t->p, &t->q, &r);
    for (size_t l = 0; l < TINY_LANES; l++) {
        const struct pair *c = &t->pairs[l];
        expect(t, "addition", &r, l, (c->i + c->j) % t->g->n, add_is_exceptional(t, c));
    }
}

/* What was exceptional once stays so; 2 (P + Q) = +-P makes new ones. */
static void check_sequel(struct gathered *t, bool lifted)
{
    struct tiny_result r;
    (void)lifted;
    tiny_sequel(&t->g->m, &t->p, &t->q, &r);
    for (size_t l = 0; l < TINY_LANES; l++) {
        const struct pair *c = &t->pairs[l];
        const unsigned n = t->g->n, twice = 2 * (c->i + c->j) % n;
        const bool meets = twice == c->i || twice + c->i == n;
        expect(t, "sequel", &r, l, (twice + c->i) % n, add_is_exceptional(t, c) || meets);
    }
}

static void add_case(struct gathered *t, struct pair c, check_fn *check)
{
    t->pairs[t->n] = c;
    put(t->g, &t->p, t->n, c.i, c.zi);
    put(t->g, &t->q, t->n, c.j, c.zj);
    t->done++;
    if (++t->n == TINY_LANES) {
        check(t, false);
        check(t, true);
        t->n = 0;
    }
}

/* The lanes left over keep cases of the vector before: right ones too. */
static unsigned long finish(struct gathered *t, check_fn *check)
{
    if (t->n > 0) {
        check(t, false);
        check(t, true);
    }
    return t->done;
}

/* -- enumerations; every one over every curve that fits -- */

typedef unsigned long enumerate_fn(const struct group *g);

static void over_all_curves(unsigned smallest, unsigned largest, enumerate_fn *enumerate)
{
    unsigned long cases = 0;
    unsigned curves = 0;
    struct group g;
    for (unsigned p = smallest; p <= largest; p++) {
        for (unsigned b = 1; is_prime(p) && b < p; b++) {
            if (make_group(&g, p, b)) {
                curves++;
                cases += enumerate(&g);
            }
        }
    }
    print_message("%u curves, %lu cases\n", curves, cases);
    assert_true(curves > 0 && cases > 1000);
}

/* Every point in every form, beside every other in some form. */
static unsigned long enumerate_dbl(const struct group *g)
{
    struct gathered t = {.g = g};
    for (unsigned i = 0; i < g->n; i++) {
        for (unsigned z = 1; z < g->p; z++) {
            add_case(&t, (struct pair){i, z, (i + z) % g->n, g->p - z}, check_dbl);
        }
    }
    return finish(&t, check_dbl);
}

/* Every point in every form, and every affine point. */
static unsigned long enumerate_madd(const struct group *g)
{
    struct gathered t = {.g = g};
    for (unsigned i = 0; i < g->n; i++) {
        for (unsigned z = 1; z < g->p; z++) {
            for (unsigned j = 1; j < g->n; j++) {
                add_case(&t, (struct pair){i, z, j, 1}, check_madd);
            }
        }
    }
    return finish(&t, check_madd);
}

static unsigned long enumerate_pairs(const struct group *g, check_fn *check)
{
    struct gathered t = {.g = g};
    for (unsigned i = 0; i < g->n; i++) {
        for (unsigned j = 0; j < g->n; j++) {
            for (unsigned z = 1; z < g->p; z++) {
                for (unsigned zj = 1; zj < g->p; zj++) {
                    add_case(&t, (struct pair){i, z, j, zj}, check);
                }
            }
        }
    }
    return finish(&t, check);
}

static unsigned long enumerate_add(const struct group *g)
{
    return enumerate_pairs(g, check_add);
}

static unsigned long enumerate_sequel(const struct group *g)
{
    return enumerate_pairs(g, check_sequel);
}

static void doublings(void **state)
{
    (void)state;
    over_all_curves(5, PRIME_MAX, enumerate_dbl);
}

static void mixed_additions(void **state)
{
    (void)state;
    over_all_curves(5, 23, enumerate_madd);
}

static void additions(void **state)
{
    (void)state;
    over_all_curves(5, 17, enumerate_add);
}

static void exceptions_stay(void **state)
{
    (void)state;
    over_all_curves(5, 11, enumerate_sequel);
}

/* -- the field's own helpers, over every residue of every small prime -- */

static void inverses_and_halves(void **state)
{
    (void)state;
    struct ec52_modulus m;
    for (unsigned p = 3; p <= PRIME_MAX; p++) {
        if (!is_prime(p)) {
            continue;
        }
        make_modulus(&m, p);
        for (unsigned a = 0; a < p; a += TINY_LANES) {
            uint64_t in[TINY_LANES], inverse[TINY_LANES], half[2][TINY_LANES];
            for (unsigned l = 0; l < TINY_LANES; l++) {
                in[l] = (a + l) % p;
            }
            tiny_inverse(&m, in, inverse);
            tiny_half(&m, false, in, half[0]);
            tiny_half(&m, true, in, half[1]);
            for (unsigned l = 0; l < TINY_LANES; l++) {
                assert_int_equal(in[l] * inverse[l] % p, in[l] != 0);
                assert_int_equal(2 * half[0][l] % p, in[l]);
                assert_int_equal(2 * half[1][l] % p, in[l]);
            }
        }
    }
}

static void batches_of_inverses(void **state)
{
    (void)state;
    const unsigned p = 61;
    struct ec52_modulus m;
    make_modulus(&m, p);
    for (size_t n = 1; n <= TINY_BATCH_MAX; n++) {
        uint64_t a[TINY_BATCH_MAX][TINY_LANES], inverse[TINY_BATCH_MAX][TINY_LANES];
        for (size_t i = 0; i < n; i++) {
            for (size_t l = 0; l < TINY_LANES; l++) {
                a[i][l] = inverse[i][l] = 1 + (7 * i + 11 * l + n) % (p - 1);
            }
        }
        tiny_inverse_batch(&m, n, inverse);
        for (size_t i = 0; i < n; i++) {
            for (size_t l = 0; l < TINY_LANES; l++) {
                assert_int_equal(a[i][l] * inverse[i][l] % p, 1);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inverses_and_halves), cmocka_unit_test(batches_of_inverses),
        cmocka_unit_test(doublings),           cmocka_unit_test(mixed_additions),
        cmocka_unit_test(additions),           cmocka_unit_test(exceptions_stay),
    };
    const char *why = ifma_unusable();
    if (why != NULL) {
        (void)printf("skipped: %s\n", why);
        return 77; /* meson's code for a skipped test */
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
