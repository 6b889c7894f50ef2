#include "providers/ec/check.h"

#include "providers/core/curves.h"
#include "providers/ec/constants.h"

enum { WORD_LEN = 8 };

/* A number below p, Montgomery form with R = 2^256, least significant word first. */
struct fe {
    uint64_t w[EC64_LIMBS];
};

/* An affine point on the curve as it is computed with, a = -3. */
struct pt {
    struct fe x, y;
};

typedef unsigned __int128 u128;

/* a - m where a >= m, a carried into bit 256 included; else a. */
static struct fe reduce_once(const uint64_t a[EC64_LIMBS], uint64_t carry,
                             const struct ec64_modulus *m)
{
    struct fe less;
    uint64_t borrow = 0;
    for (size_t i = 0; i < EC64_LIMBS; i++) {
        u128 d = (u128)a[i] - m->m[i] - borrow;
        less.w[i] = (uint64_t)d;
        borrow = (uint64_t)(d >> 64) & 1;
    }
    if (carry == 0 && borrow != 0) {
        memcpy(less.w, a, sizeof less.w);
    }
    return less;
}

/* a b / R mod m: a row of the product, then the multiple of m that clears its lowest word. */
static struct fe mul(const struct fe *a, const struct fe *b, const struct ec64_modulus *m)
{
    uint64_t t[EC64_LIMBS + 2] = {0};
    for (size_t i = 0; i < EC64_LIMBS; i++) {
        u128 c = 0;
        for (size_t j = 0; j < EC64_LIMBS; j++) {
            c += (u128)a->w[i] * b->w[j] + t[j];
            t[j] = (uint64_t)c;
            c >>= 64;
        }
        c += t[EC64_LIMBS];
        t[EC64_LIMBS] = (uint64_t)c;
        t[EC64_LIMBS + 1] = (uint64_t)(c >> 64);
        uint64_t q = t[0] * m->inv;
        c = ((u128)q * m->m[0] + t[0]) >> 64;
        for (size_t j = 1; j < EC64_LIMBS; j++) {
            c += (u128)q * m->m[j] + t[j];
            t[j - 1] = (uint64_t)c;
            c >>= 64;
        }
        c += t[EC64_LIMBS];
        t[EC64_LIMBS - 1] = (uint64_t)c;
        t[EC64_LIMBS] = t[EC64_LIMBS + 1] + (uint64_t)(c >> 64);
    }
    return reduce_once(t, t[EC64_LIMBS], m);
}

static struct fe add(const struct fe *a, const struct fe *b, const struct ec64_modulus *m)
{
    uint64_t sum[EC64_LIMBS];
    u128 c = 0;
    for (size_t i = 0; i < EC64_LIMBS; i++) {
        c += (u128)a->w[i] + b->w[i];
        sum[i] = (uint64_t)c;
        c >>= 64;
    }
    return reduce_once(sum, (uint64_t)c, m);
}

/* a + (m - b): m - b does not borrow, and the sum is below 2 m. */
static struct fe sub(const struct fe *a, const struct fe *b, const struct ec64_modulus *m)
{
    struct fe negative;
    uint64_t borrow = 0;
    for (size_t i = 0; i < EC64_LIMBS; i++) {
        u128 d = (u128)m->m[i] - b->w[i] - borrow;
        negative.w[i] = (uint64_t)d;
        borrow = (uint64_t)(d >> 64) & 1;
    }
    return add(a, &negative, m);
}

static bool equal(const struct fe *a, const struct fe *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static bool is_zero(const struct fe *a)
{
    return (a->w[0] | a->w[1] | a->w[2] | a->w[3]) == 0;
}

/* A coordinate in Montgomery form, on the twist where there is one. */
static struct fe import(const uint8_t bytes[static FIELD_LEN], const uint64_t to_twist[EC64_LIMBS],
                        const struct ec64_curve *c)
{
    struct fe a, rr, factor;
    for (size_t i = 0; i < EC64_LIMBS; i++) {
        a.w[i] = load_be(bytes + FIELD_LEN - (i + 1) * WORD_LEN, WORD_LEN);
    }
    memcpy(rr.w, c->p.rr, sizeof rr.w);
    a = mul(&a, &rr, &c->p);
    if (c->twisted) {
        memcpy(factor.w, to_twist, sizeof factor.w);
        a = mul(&a, &factor, &c->p);
    }
    return a;
}

static struct pt import_point(const uint8_t point[static EC_POINT_LEN], const struct ec64_curve *c)
{
    return (struct pt){import(point + 1, c->in_x, c), import(point + 1 + FIELD_LEN, c->in_y, c)};
}

/* x^3 - 3x + b = (x^2 - 3) x + b */
static bool on_curve(const struct pt *P, const struct ec64_curve *c)
{
    const struct ec64_modulus *p = &c->p;
    struct fe one, b;
    memcpy(one.w, p->one, sizeof one.w);
    memcpy(b.w, c->b, sizeof b.w);
    struct fe three = add(&one, &one, p);
    three = add(&three, &one, p);
    struct fe right = mul(&P->x, &P->x, p);
    right = sub(&right, &three, p);
    right = mul(&right, &P->x, p);
    right = add(&right, &b, p);
    struct fe left = mul(&P->y, &P->y, p);
    return equal(&left, &right);
}

enum status ec_check_point_vartime(enum curve curve, const uint8_t point[static EC_POINT_LEN])
{
    const struct curve_params *params = curve_params(curve);
    if (params == NULL) {
        return STATUS_BAD_CURVE;
    }
    if (!point_form_ok(params, point)) {
        return STATUS_BAD_POINT;
    }
    struct pt P = import_point(point, &ec64_curves[curve]);
    return on_curve(&P, &ec64_curves[curve]) ? STATUS_OK : STATUS_BAD_POINT;
}

/* The slope of the line through P and Q as a fraction: a chord, or where they are equal a tangent.
 */
static void slope(const struct pt *P, const struct pt *Q, const struct ec64_modulus *p,
                  struct fe *num, struct fe *den)
{
    if (!equal(&P->x, &Q->x) || !equal(&P->y, &Q->y)) {
        *num = sub(&Q->y, &P->y, p);
        *den = sub(&Q->x, &P->x, p);
        return;
    }
    struct fe one;
    memcpy(one.w, p->one, sizeof one.w);
    *num = mul(&P->x, &P->x, p);
    *num = sub(num, &one, p); /* 3 x^2 - 3 = 3 (x^2 - 1) */
    struct fe twice = add(num, num, p);
    *num = add(&twice, num, p);
    *den = add(&P->y, &P->y, p);
}

/*
 * With the slope num/den: x_S = (num/den)^2 - x_P - x_Q and y_S = (num/den) (x_P - x_S) - y_P,
 * multiplied out, so that nothing is inverted.
 */
bool ec_check_sum_vartime(enum curve curve, const uint8_t P[static EC_POINT_LEN],
                          const uint8_t Q[static EC_POINT_LEN],
                          const uint8_t S[static EC_POINT_LEN])
{
    const struct ec64_curve *c = &ec64_curves[curve];
    const struct ec64_modulus *p = &c->p;
    const struct pt a = import_point(P, c), b = import_point(Q, c), s = import_point(S, c);
    struct fe num, den;
    slope(&a, &b, p, &num, &den);
    if (is_zero(&den)) {
        return false;
    }
    struct fe left = mul(&num, &num, p);
    struct fe den2 = mul(&den, &den, p);
    struct fe right = add(&s.x, &a.x, p);
    right = add(&right, &b.x, p);
    right = mul(&right, &den2, p);
    if (!equal(&left, &right)) {
        return false;
    }
    left = sub(&a.x, &s.x, p);
    left = mul(&left, &num, p);
    right = add(&s.y, &a.y, p);
    right = mul(&right, &den, p);
    return equal(&left, &right);
}
