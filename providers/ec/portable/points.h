/*
 * Points of y^2 = x^3 - 3x + b in affine and Jacobian coordinates (x = X / Z^2, y = Y / Z^3), one
 * at a time. The group has prime order and so no point of order 2: doubling a finite point is
 * finite.
 *
 * pt_dbl and pt_madd have no branch; pt_madd has exceptions, which its callers must exclude. The
 * _vartime ones take every case; for them Z = 0 is infinity. Costs in products and squares beside
 * each (M, S).
 */
#ifndef PROVIDERS_EC_PORTABLE_POINTS_H
#define PROVIDERS_EC_PORTABLE_POINTS_H

#include "providers/ec/portable/fe4.h"

/* A point operation as two functions of its file, one a form of fe4_mod, and name(), which calls
 * the right one: inlined wherever it stands it would take gcc a minute a file. */
#define UNPACK(...) __VA_ARGS__
#define PT_FUNCTION(name, params, args)                                                            \
    static __attribute__((noinline, unused)) struct pt_jac name##_p256(                            \
        const struct ec64_modulus *m, UNPACK params)                                               \
    {                                                                                              \
        return name##_inline((struct fe4_mod){m, true}, UNPACK args);                              \
    }                                                                                              \
    static __attribute__((noinline, unused)) struct pt_jac name##_any(                             \
        const struct ec64_modulus *m, UNPACK params)                                               \
    {                                                                                              \
        return name##_inline((struct fe4_mod){m, false}, UNPACK args);                             \
    }                                                                                              \
    FE4_INLINE struct pt_jac name(struct fe4_mod p, UNPACK params)                                 \
    {                                                                                              \
        return p.p256 ? name##_p256(p.m, UNPACK args) : name##_any(p.m, UNPACK args);              \
    }

/* Never infinity. */
struct pt_aff {
    struct fe4 x, y;
};

struct pt_jac {
    struct fe4 x, y, z;
};

FE4_INLINE struct pt_jac pt_jac_of(struct fe4_mod p, struct pt_aff a)
{
    return (struct pt_jac){a.x, a.y, fe4_one(p)};
}

FE4_INLINE struct pt_jac pt_infinity(struct fe4_mod p)
{
    return (struct pt_jac){fe4_one(p), fe4_one(p), {{0}}};
}

/* 2 P, 4M + 4S: with s = 4 x y^2 and m = 3 (x - z^2)(x + z^2), X = m^2 - 2 s, Y = m (s - X) - 8
 * y^4, Z = 2 y z. Infinity gives infinity. */
FE4_INLINE struct pt_jac pt_dbl_inline(struct fe4_mod p, struct pt_jac a)
{
    struct pt_jac r;
    const struct fe4 zz = fe4_sqr(p, a.z);
    const struct fe4 y2 = fe4_add(p, a.y, a.y);
    const struct fe4 yy4 = fe4_sqr(p, y2);
    const struct fe4 s = fe4_mul(p, a.x, yy4);
    const struct fe4 m1 = fe4_mul(p, fe4_sub(p, a.x, zz), fe4_add(p, a.x, zz));
    const struct fe4 m = fe4_add(p, fe4_add(p, m1, m1), m1);
    r.x = fe4_sub(p, fe4_sqr(p, m), fe4_add(p, s, s));
    r.y = fe4_sub(p, fe4_mul(p, m, fe4_sub(p, s, r.x)), fe4_half(p, fe4_sqr(p, yy4)));
    r.z = fe4_mul(p, y2, a.z);
    return r;
}
PT_FUNCTION(pt_dbl, (struct pt_jac a), (a))

/* With h = x2 - x1 and d = y2 - y1 over a common denominator (x1 over z1^2, y1 over z1^3):
 * X = d^2 - h^3 - 2 x1 h^2, Y = d (x1 h^2 - X) - y1 h^3; Z is the caller's. 3M + 2S */
FE4_INLINE void pt_chord(struct fe4_mod p, struct pt_jac *r, struct fe4 x1, struct fe4 y1,
                         struct fe4 h, struct fe4 d)
{
    const struct fe4 hh = fe4_sqr(p, h);
    const struct fe4 hhh = fe4_mul(p, hh, h);
    const struct fe4 v = fe4_mul(p, x1, hh);
    r->x = fe4_sub(p, fe4_sub(p, fe4_sqr(p, d), hhh), fe4_add(p, v, v));
    r->y = fe4_sub(p, fe4_mul(p, d, fe4_sub(p, v, r->x)), fe4_mul(p, y1, hhh));
}

/* h and d of a + b, b affine; both are 0 where a = b, h alone where a = -b. 3M + 1S */
FE4_INLINE void pt_madd_slope(struct fe4_mod p, struct pt_jac a, struct pt_aff b, struct fe4 *h,
                              struct fe4 *d)
{
    const struct fe4 zz = fe4_sqr(p, a.z);
    *h = fe4_sub(p, fe4_mul(p, b.x, zz), a.x);
    *d = fe4_sub(p, fe4_mul(p, fe4_mul(p, b.y, a.z), zz), a.y);
}

/* a + b for finite a != +-b, 8M + 3S. */
FE4_INLINE struct pt_jac pt_madd_inline(struct fe4_mod p, struct pt_jac a, struct pt_aff b)
{
    struct pt_jac r;
    struct fe4 h, d;
    pt_madd_slope(p, a, b, &h, &d);
    pt_chord(p, &r, a.x, a.y, h, d);
    r.z = fe4_mul(p, a.z, h);
    return r;
}
PT_FUNCTION(pt_madd, (struct pt_jac a, struct pt_aff b), (a, b))

/* a + b for finite a != -b: the doubling is made as well, and taken where a = b. */
FE4_INLINE struct pt_jac pt_madd_or_dbl(struct fe4_mod p, struct pt_jac a, struct pt_aff b)
{
    struct fe4 h, d;
    pt_madd_slope(p, a, b, &h, &d);
    const uint64_t same = fe4_is_zero(h) & fe4_is_zero(d);
    const struct pt_jac sum = pt_madd(p, a, b), twice = pt_dbl(p, a);
    return (struct pt_jac){fe4_select(same, sum.x, twice.x), fe4_select(same, sum.y, twice.y),
                           fe4_select(same, sum.z, twice.z)};
}

/* a + b, any a. */
FE4_INLINE struct pt_jac pt_madd_vartime_inline(struct fe4_mod p, struct pt_jac a, struct pt_aff b)
{
    struct pt_jac r;
    struct fe4 h, d;
    if (fe4_is_zero_vartime(a.z)) {
        return pt_jac_of(p, b);
    }
    pt_madd_slope(p, a, b, &h, &d);
    if (fe4_is_zero_vartime(h)) {
        return fe4_is_zero_vartime(d) ? pt_dbl(p, a) : pt_infinity(p);
    }
    pt_chord(p, &r, a.x, a.y, h, d);
    r.z = fe4_mul(p, a.z, h);
    return r;
}
PT_FUNCTION(pt_madd_vartime, (struct pt_jac a, struct pt_aff b), (a, b))

/* a + b, any a and b; 12M + 4S. */
FE4_INLINE struct pt_jac pt_add_vartime_inline(struct fe4_mod p, struct pt_jac a, struct pt_jac b)
{
    if (fe4_is_zero_vartime(a.z)) {
        return b;
    }
    if (fe4_is_zero_vartime(b.z)) {
        return a;
    }
    const struct fe4 za = fe4_sqr(p, a.z), zb = fe4_sqr(p, b.z);
    const struct fe4 x1 = fe4_mul(p, a.x, zb);
    const struct fe4 y1 = fe4_mul(p, fe4_mul(p, a.y, b.z), zb);
    const struct fe4 h = fe4_sub(p, fe4_mul(p, b.x, za), x1);
    const struct fe4 d = fe4_sub(p, fe4_mul(p, fe4_mul(p, b.y, a.z), za), y1);
    if (fe4_is_zero_vartime(h)) {
        return fe4_is_zero_vartime(d) ? pt_dbl(p, a) : pt_infinity(p);
    }
    struct pt_jac r;
    pt_chord(p, &r, x1, y1, h, d);
    r.z = fe4_mul(p, fe4_mul(p, a.z, b.z), h);
    return r;
}
PT_FUNCTION(pt_add_vartime, (struct pt_jac a, struct pt_jac b), (a, b))

#endif
