/*
 * A divstep takes (delta, f, g) with f odd to
 *
 *     (1 - delta, g, (g - f) / 2)            where delta > 0 and g is odd,
 *     (1 + delta, f, (g + (g mod 2) f) / 2)  otherwise.
 *
 * From f = m, g = x it ends at g = 0, f = +-gcd(m, x). Which way 62 divsteps go depends on delta
 * and the lowest 62 bits of f and g alone: so they are made on words, and collected in a matrix t
 * with (f', g') = t (f, g) / 2^62, which is then applied to the long numbers once. Beside f and g
 * run d and e, from 0 and 1, with d x = f and e x = g modulo m at all times, so that d ends as
 * +-1/x.
 *
 * delta is kept as zeta = -delta - 1/2: an integer as delta starts at 1/2, negative where delta >
 * 0.
 *
 * Long numbers have five limbs of 62 bits: limbs 0 to 3 in [0, 2^62), the top one signed.
 */
#include "providers/ec/modinv64.h"

#include <stdbool.h>

#include "providers/core/secret.h"
#include "providers/ec/ct.h"

typedef __int128 i128;

enum {
    LIMBS = 5,
    LIMB_BITS = 62,
    STEPS_MAX = 590, /* for m < 2^256 and delta = 1/2, by the convex hull argument of the paper */
    ROUNDS = (STEPS_MAX + LIMB_BITS - 1) / LIMB_BITS,
    ZETA_START = -1,
};

#define LIMB_MASK ((1ULL << LIMB_BITS) - 1)

struct wide {
    int64_t v[LIMBS];
};

/* 62 divsteps: f' = (u f + v g) / 2^62, g' = (q f + r g) / 2^62. |u| + |v| and |q| + |r| <= 2^62,
 * as each step doubles the one row and adds one row to the other at most. */
struct matrix {
    int64_t u, v, q, r;
};

static struct wide wide_from_words(const uint64_t w[static EC64_LIMBS])
{
    return (struct wide){{(int64_t)(w[0] & LIMB_MASK),
                          (int64_t)((w[0] >> 62 | w[1] << 2) & LIMB_MASK),
                          (int64_t)((w[1] >> 60 | w[2] << 4) & LIMB_MASK),
                          (int64_t)((w[2] >> 58 | w[3] << 6) & LIMB_MASK), (int64_t)(w[3] >> 56)}};
}

/* Of a number in [0, 2^256). */
static void wide_to_words(uint64_t w[static EC64_LIMBS], const struct wide *a)
{
    uint64_t v[LIMBS];
    for (int i = 0; i < LIMBS; i++) {
        v[i] = (uint64_t)a->v[i];
    }
    w[0] = v[0] | v[1] << 62;
    w[1] = v[1] >> 2 | v[2] << 60;
    w[2] = v[2] >> 4 | v[3] << 58;
    w[3] = v[3] >> 6 | v[4] << 56;
}

/* (a ^ negate) - negate + (m & add), masks; limbs in their ranges again. */
static void negate_and_add(struct wide *a, const struct wide *m, int64_t negate, int64_t add)
{
    int64_t carry = 0;
    for (int i = 0; i < LIMBS - 1; i++) {
        carry += (a->v[i] ^ negate) - negate + (m->v[i] & add); /* below 2^63 in magnitude */
        a->v[i] = (int64_t)((uint64_t)carry & LIMB_MASK);
        carry >>= LIMB_BITS;
    }
    a->v[LIMBS - 1] = (a->v[LIMBS - 1] ^ negate) - negate + (m->v[LIMBS - 1] & add) + carry;
}

static int64_t sign_mask(int64_t a)
{
    return (int64_t)ct_mask((uint64_t)a >> 63);
}

/* d in (-2m, m), or -d where sign (f's highest limb) is negative, as a number in [0, m). */
static void normalise(struct wide *d, const struct wide *m, int64_t sign)
{
    negate_and_add(d, m, 0, sign_mask(d->v[LIMBS - 1])); /* (-m, m) */
    negate_and_add(d, m, sign_mask(sign), 0);
    negate_and_add(d, m, 0, sign_mask(d->v[LIMBS - 1])); /* [0, m) */
}

/* Applies t to f and g, of len limbs: the division by 2^62 is exact. |f| and |g| never exceed m. */
static void update_fg(int len, struct wide *f, struct wide *g, const struct matrix *t)
{
    i128 a = (i128)t->u * f->v[0] + (i128)t->v * g->v[0];
    i128 b = (i128)t->q * f->v[0] + (i128)t->r * g->v[0];
    for (int i = 1; i < len; i++) {
        a = (a >> LIMB_BITS) + (i128)t->u * f->v[i] + (i128)t->v * g->v[i];
        b = (b >> LIMB_BITS) + (i128)t->q * f->v[i] + (i128)t->r * g->v[i];
        f->v[i - 1] = (int64_t)((uint64_t)a & LIMB_MASK);
        g->v[i - 1] = (int64_t)((uint64_t)b & LIMB_MASK);
    }
    f->v[len - 1] = (int64_t)(a >> LIMB_BITS);
    g->v[len - 1] = (int64_t)(b >> LIMB_BITS);
}

/*
 * Applies t to d and e modulo m; both stay in (-2m, m). A negative one first counts as m more,
 * which brings it into (-m, m): then |u d + v e| < 2^62 m. Subtracting j m, j in [0, 2^62), makes
 * the lowest limb zero, so that the quotient by 2^62 lies in (-2m, m) again.
 */
static void update_de(struct wide *d, struct wide *e, const struct matrix *t, const struct wide *m,
                      uint64_t m_inv)
{
    const int64_t d_negative = sign_mask(d->v[LIMBS - 1]), e_negative = sign_mask(e->v[LIMBS - 1]);
    int64_t kd = (t->u & d_negative) + (t->v & e_negative);
    int64_t ke = (t->q & d_negative) + (t->r & e_negative);
    i128 a = (i128)t->u * d->v[0] + (i128)t->v * e->v[0];
    i128 b = (i128)t->q * d->v[0] + (i128)t->r * e->v[0];
    /* j = (a / m + kd) mod 2^62; |kd - j| < 2^63. */
    kd -= (int64_t)((m_inv * (uint64_t)a + (uint64_t)kd) & LIMB_MASK);
    ke -= (int64_t)((m_inv * (uint64_t)b + (uint64_t)ke) & LIMB_MASK);
    a += (i128)kd * m->v[0];
    b += (i128)ke * m->v[0];
    for (int i = 1; i < LIMBS; i++) {
        /* u d + v e is at most 2^124 in magnitude, k m below 2^125: the sums are below 2^127. */
        a = (a >> LIMB_BITS) + (i128)t->u * d->v[i] + (i128)t->v * e->v[i] + (i128)kd * m->v[i];
        b = (b >> LIMB_BITS) + (i128)t->q * d->v[i] + (i128)t->r * e->v[i] + (i128)ke * m->v[i];
        d->v[i - 1] = (int64_t)((uint64_t)a & LIMB_MASK);
        e->v[i - 1] = (int64_t)((uint64_t)b & LIMB_MASK);
    }
    d->v[LIMBS - 1] = (int64_t)(a >> LIMB_BITS);
    e->v[LIMBS - 1] = (int64_t)(b >> LIMB_BITS);
}

/*
 * 62 divsteps on the lowest bits of f and g. While g is even a step halves g; as the rows stand for
 * 2^i f and 2^i g after i steps, f's row doubles instead. With zeta >= 0 the next zeta + 1 steps
 * cannot swap: k <= zeta + 1 of them together add w f to g, w = -g/f mod 2^k, and then halve. 1/f
 * is f modulo 8, so f (2 - f^2) modulo 64 by one Newton step.
 */
static int64_t divsteps_vartime(int64_t zeta, uint64_t f, uint64_t g, struct matrix *t)
{
    enum { WINDOW = 6 };
    uint64_t u = 1, v = 0, q = 0, r = 1;
    int left = LIMB_BITS;
    for (;;) {
        const int zeros = __builtin_ctzll(g | 1ULL << left);
        g >>= zeros;
        u <<= zeros;
        v <<= zeros;
        zeta -= zeros;
        left -= zeros;
        if (left == 0) {
            break;
        }
        if (zeta < 0) {
            const uint64_t f_old = f, u_old = u, v_old = v;
            f = g, g = 0 - f_old;
            u = q, q = 0 - u_old;
            v = r, r = 0 - v_old;
            zeta = -zeta - 1; /* the step that swaps then counts as one that does not */
        }
        int k = zeta + 1 < left ? (int)zeta + 1 : left;
        k = k < WINDOW ? k : WINDOW;
        const uint64_t w = g * f * (f * f - 2) & ((1U << k) - 1);
        g += w * f;
        q += w * u;
        r += w * v;
    }
    *t = (struct matrix){(int64_t)u, (int64_t)v, (int64_t)q, (int64_t)r};
    return zeta;
}

/* The same, each step in full: with g odd, adds f to g, or subtracts it where zeta < 0; in the
 * latter case the sum of f and the new g is the old g, which becomes f. */
static int64_t divsteps(int64_t zeta, uint64_t f, uint64_t g, struct matrix *t)
{
    uint64_t u = 1, v = 0, q = 0, r = 1;
    for (int i = 0; i < LIMB_BITS; i++) {
        const uint64_t odd = ct_mask(g);
        const uint64_t minus = ct_mask((uint64_t)zeta >> 63);
        g += ((f ^ minus) - minus) & odd;
        q += ((u ^ minus) - minus) & odd;
        r += ((v ^ minus) - minus) & odd;
        const uint64_t swap = odd & minus;
        f += g & swap;
        u += q & swap;
        v += r & swap;
        zeta = (zeta ^ (int64_t)swap) - 1; /* ~zeta - 1 = -zeta - 2 */
        g >>= 1;
        u <<= 1;
        v <<= 1;
    }
    *t = (struct matrix){(int64_t)u, (int64_t)v, (int64_t)q, (int64_t)r};
    return zeta;
}

static bool is_zero(int len, const struct wide *a)
{
    int64_t any = 0;
    for (int i = 0; i < len; i++) {
        any |= a->v[i];
    }
    return any == 0;
}

/* Where the top limbs of both are mere signs, they move into the limbs below, in [-2^62, 2^62). */
static int shorten(int len, struct wide *f, struct wide *g)
{
    const int64_t a = f->v[len - 1], b = g->v[len - 1];
    if (len == 1 || (a ^ a >> 63) != 0 || (b ^ b >> 63) != 0) {
        return len;
    }
    f->v[len - 2] |= (int64_t)((uint64_t)a << LIMB_BITS);
    g->v[len - 2] |= (int64_t)((uint64_t)b << LIMB_BITS);
    return len - 1;
}

void modinv64_vartime(const struct ec64_modulus *m, uint64_t out[static EC64_LIMBS],
                      const uint64_t x[static EC64_LIMBS])
{
    const struct wide modulus = wide_from_words(m->m);
    struct wide f = modulus, g = wide_from_words(x), d = {{0}}, e = {{1}};
    int64_t zeta = ZETA_START;
    int len = LIMBS;
    while (!is_zero(len, &g)) {
        struct matrix t;
        zeta = divsteps_vartime(zeta, (uint64_t)f.v[0], (uint64_t)g.v[0], &t);
        update_de(&d, &e, &t, &modulus, 0 - m->inv);
        update_fg(len, &f, &g, &t);
        len = shorten(len, &f, &g);
    }
    normalise(&d, &modulus, f.v[len - 1]);
    wide_to_words(out, &d);
}

void modinv64(const struct ec64_modulus *m, uint64_t out[static EC64_LIMBS],
              const uint64_t x[static EC64_LIMBS])
{
    const struct wide modulus = wide_from_words(m->m);
    struct wide f = modulus, g = wide_from_words(x), d = {{0}}, e = {{1}};
    int64_t zeta = ZETA_START;
    struct matrix t;
    for (int i = 0; i < ROUNDS; i++) {
        zeta = divsteps(zeta, (uint64_t)f.v[0], (uint64_t)g.v[0], &t);
        update_de(&d, &e, &t, &modulus, 0 - m->inv);
        update_fg(LIMBS, &f, &g, &t);
    }
    normalise(&d, &modulus, f.v[LIMBS - 1]);
    wide_to_words(out, &d);
    secret_wipe(&f, sizeof f);
    secret_wipe(&g, sizeof g);
    secret_wipe(&d, sizeof d);
    secret_wipe(&e, sizeof e);
    secret_wipe(&t, sizeof t);
}
