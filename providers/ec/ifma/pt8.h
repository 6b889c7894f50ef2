/*
 * Eight points of a curve y^2 = x^3 - 3 x + b in the eight lanes of struct fe8.
 *
 * Jacobian points carry 2Y in place of Y: (x, y2, z) is the affine point (x / z^2, y2 / (2 z^3)).
 * That takes the factors 2, 4 and 8 out of the doubling, where each would cost a carry pass.
 *
 * Every function takes and gives a struct pt8_jac with x below 2 m, y2 at most 8 m, z below 2 m,
 * and a struct pt8_aff with x and y below 2 m. The bounds hold for moduli in (2^255, 2^256); beside
 * each line stands the bound of its result in units of m. A weakly reduced value (fe8_weak_raw) is
 * never subtracted: so a modulus too small for the weak reduction to do anything is computed right
 * as well, whose products are all at most m.
 *
 * Exceptional lanes. The formulas are not complete: an addition of a point to itself or to its
 * opposite has H = 0, and infinity has no affine form. But z' is a multiple of z and of H in every
 * formula: such a lane leaves with z = 0 and stays so through all that follows. A caller
 * looks at pt8_exceptional once, at the end (vartime), or after each addition and selects.
 * Doubling is exceptional for infinity alone: there is no point of order 2. The true infinity and
 * an addition that needed a doubling look alike.
 *
 * No branch and no address depends on a value.
 * Streaming, a vector of eight: doubling 4M + 4S + 5 carry passes, mixed addition 8M + 3S + 6,
 * Jacobian addition 12M + 4S + 6.
 */
#ifndef PROVIDERS_EC_IFMA_PT8_H
#define PROVIDERS_EC_IFMA_PT8_H

#include "providers/ec/ifma/fe8.h"

enum { PT8_MOST = 2 }; /* vectors worked on side by side */

struct pt8_jac {
    struct fe8 x, y2, z;
};

struct pt8_aff {
    struct fe8 x, y;
};

/*
 * Weak reduction of limbs not yet carried (each of size below 2^60), of a number in [0, 8 2^256):
 * the same residue below 2 m, carried, in one pass where a carry and fe8_weak would be two.
 *
 * The top is known only within 1 of limb 4 (2^208) before the carry. P-256: subtracting i m is
 * i 2^256 - i (2^224 - ...), shifts alone; an i too large by one still leaves i (2^224 - ...) more
 * than the error, and -1 adds m. Otherwise the top less 1 is surely not above the truth.
 */
FE8_INLINE struct fe8 fe8_weak_raw(struct fe8_mod mod, struct fe8 a)
{
    const __m512i top = _mm512_add_epi64(a.v[4], _mm512_srai_epi64(a.v[3], FE8_LIMB_BITS));
    if (mod.p256) { /* m = 2^256 - 2^224 + 2^192 + 2^96 - 1 */
        const __m512i i = _mm512_srai_epi64(top, 48);
        a.v[0] = _mm512_add_epi64(a.v[0], i);
        a.v[1] = _mm512_sub_epi64(a.v[1], _mm512_slli_epi64(i, 96 - 52));
        a.v[3] = _mm512_sub_epi64(a.v[3], _mm512_slli_epi64(i, 192 - 3 * 52));
        a.v[4] = _mm512_add_epi64(a.v[4], _mm512_slli_epi64(i, 224 - 4 * 52));
        a.v[4] = _mm512_sub_epi64(a.v[4], _mm512_slli_epi64(i, 256 - 4 * 52));
    } else {
        const __m512i sure = _mm512_max_epi64(_mm512_sub_epi64(top, fe8_word(1)), fe8_word(0));
        const __m512i i = _mm512_srli_epi64(sure, 47); /* in units of 2^255 */
        FE8_ASSERT(_mm512_cmpgt_epu64_mask(i, fe8_word(EC52_WEAK - 1)) == 0);
        for (int l = 0; l < FE8_LIMBS; l++) {
            const __m512i low = _mm512_loadu_si512(&mod.m->weak[l][0]);
            const __m512i high = _mm512_loadu_si512(&mod.m->weak[l][FE8_LANES]);
            a.v[l] = _mm512_sub_epi64(a.v[l], _mm512_permutex2var_epi64(low, i, high));
        }
    }
    return fe8_carry(a);
}

/* The same for a number in [0, 16 m): where it reaches 8 2^256, 8 m go first. */
FE8_INLINE struct fe8 fe8_weak16_raw(struct fe8_mod mod, struct fe8 a)
{
    if (!mod.p256) {
        const __m512i top = _mm512_add_epi64(a.v[4], _mm512_srai_epi64(a.v[3], FE8_LIMB_BITS));
        const __mmask8 high = _mm512_cmpge_epi64_mask(top, fe8_word(8ULL << (256 - 4 * 52)));
        for (int i = 0; i < FE8_LIMBS; i++) {
            a.v[i] = _mm512_mask_sub_epi64(a.v[i], high, a.v[i], fe8_word(mod.m->m[i] * 8));
        }
    }
    return fe8_weak_raw(mod, a);
}

/* k a, not carried; k small. */
FE8_INLINE struct fe8 fe8_times_raw(struct fe8 a, unsigned k)
{
    struct fe8 r = a;
    for (unsigned i = 1; i < k; i++) {
        r = fe8_add_raw(r, a);
    }
    return r;
}

/* Lanes that are 0 mod m, for a value below 2 m: 0 or m itself. */
FE8_INLINE __mmask8 fe8_product_is_zero(struct fe8_mod mod, struct fe8 a)
{
    struct fe8 d;
    for (int i = 0; i < FE8_LIMBS; i++) {
        d.v[i] = _mm512_xor_si512(a.v[i], fe8_word(mod.m->m[i]));
    }
    return fe8_limbs_zero(a) | fe8_limbs_zero(d);
}

/* a / 2 for a below 2 m; the result is below 2 m. */
FE8_INLINE struct fe8 fe8_half(struct fe8_mod mod, struct fe8 a)
{
    const __m512i one = fe8_word(1);
    const __mmask8 odd = _mm512_test_epi64_mask(a.v[0], one);
    struct fe8 r;
    for (int i = 0; i < FE8_LIMBS; i++) {
        a.v[i] = _mm512_mask_add_epi64(a.v[i], odd, a.v[i], fe8_word(mod.m->m[i]));
    }
    for (int i = 0; i < FE8_LIMBS; i++) { /* the low bit of each limb goes to the one below */
        r.v[i] = _mm512_srli_epi64(a.v[i], 1);
        if (i + 1 < FE8_LIMBS) {
            r.v[i] = _mm512_add_epi64(
                r.v[i], _mm512_slli_epi64(_mm512_and_si512(a.v[i + 1], one), FE8_LIMB_BITS - 1));
        }
    }
    return fe8_carry(r);
}

/* Lanes that are infinity, or have met an addition with H = 0. */
FE8_INLINE __mmask8 pt8_exceptional(struct fe8_mod mod, const struct pt8_jac *p)
{
    return fe8_product_is_zero(mod, p->z);
}

/*
 * r[k] = 2 p[k] for k < n: the vectors are independent, and each step is done for all of them
 * before the next, so that the machine always has another product to work on. r may be p.
 *
 * Of dbl-2001-b (Explicit-Formulas Database) with W = 2Y:
 *   d = Z^2, g = W^2, alpha = 3 (X - d)(X + d), S = X g
 *   X' = alpha^2 - 2 S, W' = 2 alpha (S - X') - g^2, Z' = W Z
 */
FE8_INLINE void pt8_dbl_n(struct fe8_mod mod, unsigned n, struct pt8_jac r[],
                          const struct pt8_jac p[])
{
    struct fe8 g[PT8_MOST], alpha[PT8_MOST], s[PT8_MOST], z[PT8_MOST];
    FE8_ASSERT(n <= PT8_MOST);
    for (unsigned k = 0; k < n; k++) {
        const struct fe8 d = fe8_sqr(mod, p[k].z); /* 1.25 */
        g[k] = fe8_sqr(mod, p[k].y2);              /* 5 */
        const struct fe8 e = fe8_times_raw(fe8_sub_raw(p[k].x, d), 3);
        alpha[k] = fe8_mul(mod, fe8_carry(fe8_add_multiple_raw(mod, e, 4)), /* 10 */
                           fe8_add(p[k].x, d));                             /* 3.25; 3.04 */
    }
    for (unsigned k = 0; k < n; k++) {
        s[k] = fe8_mul(mod, p[k].x, g[k]);            /* 1.63 */
        z[k] = fe8_mul(mod, p[k].y2, p[k].z);         /* 2 */
        const struct fe8 aa = fe8_sqr(mod, alpha[k]); /* 1.58 */
        r[k].x = fe8_weak_raw(
            mod, fe8_add_multiple_raw(mod, fe8_sub_raw(aa, fe8_times_raw(s[k], 2)), 4));
        r[k].z = z[k];
    }
    for (unsigned k = 0; k < n; k++) {
        const struct fe8 h = fe8_sqr(mod, g[k]);                                    /* 2.57 */
        const struct fe8 t = fe8_mul(mod, alpha[k], fe8_sub(mod, r[k].x, s[k], 2)); /* 4; 1.76 */
        const struct fe8 w = fe8_add_raw(fe8_times_raw(t, 2), h);                   /* 6.09 */
        r[k].y2 = fe8_sub(mod, fe8_zero(), w, 7);                                   /* 7 */
    }
}

/* 2 p. */
FE8_INLINE struct pt8_jac pt8_dbl(struct fe8_mod mod, struct pt8_jac p)
{
    struct pt8_jac r;
    pt8_dbl_n(mod, 1, &r, &p);
    return r;
}

/*
 * What both additions end with, from U1, S = 2 S1 and the differences
 *   H = U1 - U2, H2 = 2 H, R = 2 (S1 - S2):
 *   I = H2^2, J = H I, V = U1 I,
 *   X' = R^2 + J - 2 V, 2Y' = 2 (R (V - X') - 2 S1 J), Z' = Z H2 (with Z = Z1 or Z1 Z2).
 * (add-2007-bl with H and R negated, which negates Y and Z alike.)
 * In: u1 2, s 8, h 4, h2 7, rr 2 or 3.58; z 2.
 */
FE8_INLINE void pt8_add_end(struct fe8_mod mod, struct pt8_jac *p, struct fe8 u1, struct fe8 s,
                            struct fe8 h, struct fe8 h2, struct fe8 r, struct fe8 z)
{
    const struct fe8 i = fe8_sqr(mod, h2);    /* 4.07 */
    const struct fe8 rr = fe8_sqr(mod, r);    /* 1.81 */
    p->z = fe8_mul(mod, z, h2);               /* 1.88 */
    const struct fe8 j = fe8_mul(mod, h, i);  /* 2.02 */
    const struct fe8 v = fe8_mul(mod, u1, i); /* 1.51 */
    struct fe8 x = fe8_sub_raw(fe8_add_raw(rr, j), fe8_times_raw(v, 2));
    p->x = fe8_weak_raw(mod, fe8_add_multiple_raw(mod, x, 4));      /* 7.83, then 2 */
    const struct fe8 sj = fe8_mul(mod, s, j);                       /* 2.01 */
    const struct fe8 t = fe8_mul(mod, r, fe8_sub(mod, p->x, v, 2)); /* 4; 1.9 */
    const struct fe8 w = fe8_times_raw(fe8_add_raw(t, sj), 2);      /* 7.82 */
    p->y2 = fe8_sub(mod, fe8_zero(), w, 8);                         /* 8 */
}

/* r[k] = p[k] + q[k] for k < n; r may be p. Exceptional where p is infinity or p = +-q. */
FE8_INLINE void pt8_madd_n(struct fe8_mod mod, unsigned n, struct pt8_jac r[],
                           const struct pt8_jac p[], const struct pt8_aff q[])
{
    struct fe8 h[PT8_MOST], h2[PT8_MOST], d[PT8_MOST];
    for (unsigned k = 0; k < n; k++) {
        const struct fe8 zz = fe8_sqr(mod, p[k].z);                           /* 1.25 */
        const struct fe8 u2 = fe8_mul(mod, q[k].x, zz);                       /* 1.16 */
        const struct fe8 s2 = fe8_mul(mod, q[k].y, fe8_mul(mod, p[k].z, zz)); /* 1.15 */
        const struct fe8 x = fe8_sub_raw(p[k].x, u2);
        const struct fe8 s = fe8_sub_raw(p[k].y2, fe8_times_raw(s2, 2));
        h[k] = fe8_carry(fe8_add_multiple_raw(mod, x, 2));                    /* 4 */
        h2[k] = fe8_carry(fe8_add_multiple_raw(mod, fe8_times_raw(x, 2), 3)); /* 7 */
        d[k] = fe8_weak16_raw(mod, fe8_add_multiple_raw(mod, s, 3));          /* 11, then 2 */
    }
    for (unsigned k = 0; k < n; k++) {
        pt8_add_end(mod, &r[k], p[k].x, p[k].y2, h[k], h2[k], d[k], p[k].z);
    }
}

/* p + q. */
FE8_INLINE struct pt8_jac pt8_madd(struct fe8_mod mod, struct pt8_jac p, struct pt8_aff q)
{
    struct pt8_jac r;
    pt8_madd_n(mod, 1, &r, &p, &q);
    return r;
}

/* p + q. Exceptional where p or q is infinity or p = +-q. */
FE8_INLINE struct pt8_jac pt8_add(struct fe8_mod mod, struct pt8_jac p, struct pt8_jac q)
{
    struct pt8_jac r;
    const struct fe8 pzz = fe8_sqr(mod, p.z);                         /* 1.25 */
    const struct fe8 qzz = fe8_sqr(mod, q.z);                         /* 1.25 */
    const struct fe8 u1 = fe8_mul(mod, p.x, qzz);                     /* 1.16 */
    const struct fe8 u2 = fe8_mul(mod, q.x, pzz);                     /* 1.16 */
    const struct fe8 s1 = fe8_mul(mod, p.y2, fe8_mul(mod, q.z, qzz)); /* 1.58 */
    const struct fe8 s2 = fe8_mul(mod, q.y2, fe8_mul(mod, p.z, pzz)); /* 1.58 */
    const struct fe8 h = fe8_sub_raw(u1, u2);
    pt8_add_end(mod, &r, u1, s1, fe8_carry(fe8_add_multiple_raw(mod, h, 2)),  /* 3.16 */
                fe8_carry(fe8_add_multiple_raw(mod, fe8_times_raw(h, 2), 3)), /* 5.32 */
                fe8_sub(mod, s1, s2, 2),                                      /* 3.58 */
                fe8_mul(mod, p.z, q.z));                                      /* 1.25 */
    return r;
}

/* An affine point as a Jacobian one; one is 1 in Montgomery form. */
FE8_INLINE struct pt8_jac pt8_from_aff(struct pt8_aff p, struct fe8 one)
{
    return (struct pt8_jac){p.x, fe8_carry(fe8_times_raw(p.y, 2)), one}; /* 2, 4, 1 */
}

/* The affine form, given 1 / z; nonsense where z = 0. */
FE8_INLINE struct pt8_aff pt8_to_aff(struct fe8_mod mod, struct pt8_jac p, struct fe8 z_inverse)
{
    const struct fe8 zz = fe8_sqr(mod, z_inverse);
    const struct fe8 y2 = fe8_mul(mod, p.y2, fe8_mul(mod, zz, z_inverse)); /* 1.63 */
    return (struct pt8_aff){fe8_mul(mod, p.x, zz), fe8_half(mod, y2)};
}

/* Lanes of q where the mask is set, of p elsewhere. */
FE8_INLINE struct pt8_jac pt8_select(__mmask8 mask, struct pt8_jac p, struct pt8_jac q)
{
    return (struct pt8_jac){fe8_select(mask, p.x, q.x), fe8_select(mask, p.y2, q.y2),
                            fe8_select(mask, p.z, q.z)};
}

/* p + q without exceptions: infinity is z = 0 mod m. Twice the cost of pt8_madd. */
FE8_INLINE struct pt8_jac pt8_madd_complete(struct fe8_mod mod, struct pt8_jac p, struct pt8_aff q)
{
    const struct fe8 one = fe8_broadcast(mod.m->one);
    const __mmask8 infinity = pt8_exceptional(mod, &p);
    const struct fe8 zzz = fe8_mul(mod, p.z, fe8_sqr(mod, p.z));
    const struct fe8 s2 = fe8_times_raw(fe8_mul(mod, q.y, zzz), 2);
    const struct fe8 y2 = fe8_carry(fe8_add_multiple_raw(mod, fe8_sub_raw(p.y2, s2), 3)); /* 11 */
    const __mmask8 same_y = fe8_product_is_zero(mod, fe8_mul(mod, y2, one));
    struct pt8_jac r = pt8_madd(mod, p, q);
    const __mmask8 same_x = pt8_exceptional(mod, &r); /* or infinity */
    r = pt8_select(same_x & same_y, r, pt8_dbl(mod, p));
    return pt8_select(infinity, r, pt8_from_aff(q, one)); /* -q leaves z = 0 as it is */
}

/* -p in the lanes of the mask. */
FE8_INLINE struct pt8_aff pt8_aff_neg(struct fe8_mod mod, struct pt8_aff p, __mmask8 mask)
{
    p.y = fe8_select(mask, p.y, fe8_neg(mod, p.y, 2)); /* at most 2 */
    return p;
}

#endif
