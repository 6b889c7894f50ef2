/*
 * Inverses of eight residues by Fermat's little theorem, and of many by Montgomery's trick.
 *
 * Fermat: constant time, since the exponent m - 2 is public and the same in every lane; the inverse
 * of 0 is 0. Some 320 products that wait for each other, 13,000 ticks (P-256) or 22,000: so share
 * it. In variable time the eight lanes are multiplied together, and one scalar inversion with nine
 * products does in a fifth of that.
 */
#ifndef PROVIDERS_EC_IFMA_INV8_H
#define PROVIDERS_EC_IFMA_INV8_H

#include "providers/ec/ifma/fe8.h"
#include "providers/ec/modinv64.h"

enum { INV8_WINDOW = 4, INV8_POWERS = 1 << INV8_WINDOW, INV8_DIGITS = 65 /* 260 bits by 4 */ };

/* Digit i of m - 2, for an odd m > 2: limb 0 borrows where it is 1. */
FE8_INLINE unsigned inv8_digit(const uint64_t m[FE8_LIMBS], unsigned i)
{
    const unsigned limb = i * INV8_WINDOW / FE8_LIMB_BITS;
    uint64_t word = m[limb];
    uint64_t borrow = 2;
    for (unsigned j = 0; j <= limb; j++) {
        word = (m[j] - borrow) & ((1ULL << FE8_LIMB_BITS) - 1);
        borrow = m[j] < borrow;
    }
    return (unsigned)(word >> (i * INV8_WINDOW % FE8_LIMB_BITS)) & (INV8_POWERS - 1);
}

/* 1 / a in Montgomery form for a below 4 m; the result is below 2 m. */
FE8_INLINE struct fe8 fe8_inv_fermat(struct fe8_mod mod, struct fe8 a)
{
    struct fe8 power[INV8_POWERS];
    power[0] = fe8_broadcast(mod.m->one);
    for (unsigned i = 1; i < INV8_POWERS; i++) {
        power[i] = fe8_mul(mod, power[i - 1], a);
    }
    unsigned i = INV8_DIGITS - 1;
    struct fe8 r = power[inv8_digit(mod.m->m, i)];
    while (i-- > 0) {
        for (unsigned j = 0; j < INV8_WINDOW; j++) {
            r = fe8_sqr(mod, r);
        }
        r = fe8_mul(mod, r, power[inv8_digit(mod.m->m, i)]);
    }
    return r;
}

/* The lanes moved up by 4, 2 or 1, around. */
FE8_INLINE struct fe8 inv8_rotate(struct fe8 a, int by)
{
    for (int i = 0; i < FE8_LIMBS; i++) {
        a.v[i] = by == 4   ? _mm512_alignr_epi64(a.v[i], a.v[i], 4)
                 : by == 2 ? _mm512_alignr_epi64(a.v[i], a.v[i], 2)
                           : _mm512_alignr_epi64(a.v[i], a.v[i], 1);
    }
    return a;
}

/* The residue in lane 0 as a plain number, and back into every lane in Montgomery form. */
FE8_INLINE void inv8_to_scalar(struct fe8_mod mod, uint64_t w[EC64_LIMBS], struct fe8 a)
{
    __m512i columns[EC64_LIMBS];
    fe8_to_words(columns, fe8_from_mont(mod, a));
    for (int i = 0; i < EC64_LIMBS; i++) {
        w[i] = (uint64_t)_mm_cvtsi128_si64(_mm512_castsi512_si128(columns[i]));
    }
}

FE8_INLINE struct fe8 inv8_from_scalar(struct fe8_mod mod, const uint64_t w[EC64_LIMBS])
{
    __m512i columns[EC64_LIMBS];
    for (int i = 0; i < EC64_LIMBS; i++) {
        columns[i] = fe8_word(w[i]);
    }
    return fe8_to_mont(mod, fe8_from_words(columns));
}

/* fe8_inv_fermat for public values, none of them 0 in any lane; m64 is the same modulus. */
FE8_INLINE struct fe8 fe8_inv_vartime(struct fe8_mod mod, const struct ec64_modulus *m64,
                                      struct fe8 a)
{
    const struct fe8 pair = fe8_mul(mod, a, inv8_rotate(a, 4));
    const struct fe8 four = fe8_mul(mod, pair, inv8_rotate(pair, 2));
    uint64_t w[EC64_LIMBS];
    inv8_to_scalar(mod, w, fe8_mul(mod, four, inv8_rotate(four, 1)));
    modinv64_vartime(m64, w, w);
    struct fe8 r = inv8_from_scalar(mod, w); /* 1 / the product of all lanes */
    r = fe8_mul(mod, r, inv8_rotate(four, 1));
    r = fe8_mul(mod, r, inv8_rotate(pair, 2));
    return fe8_mul(mod, r, inv8_rotate(a, 4));
}

/*
 * a[i] = 1 / a[i] for i < n, each below 4 m, none of them 0 in any lane (the caller masks to 1);
 * the results are below 2 m. prefix: room for n. Two chains, of the even and of the odd elements,
 * keep two products in flight; three products an element and one inversion: in variable time
 * where m64, the same modulus, is given, and by Fermat where it is NULL.
 */
FE8_INLINE void inv8_batch(struct fe8_mod mod, const struct ec64_modulus *m64, size_t n,
                           struct fe8 a[], struct fe8 prefix[])
{
    struct fe8 c[2] = {fe8_broadcast(mod.m->one), fe8_broadcast(mod.m->one)};
    for (size_t i = 0; i < n; i++) { /* prefix: the product of those before it in its chain */
        prefix[i] = c[i & 1];
        c[i & 1] = fe8_mul(mod, c[i & 1], a[i]);
    }
    const struct fe8 product = fe8_mul(mod, c[0], c[1]);
    const struct fe8 both =
        m64 != NULL ? fe8_inv_vartime(mod, m64, product) : fe8_inv_fermat(mod, product);
    struct fe8 inverse[2] = {fe8_mul(mod, both, c[1]), fe8_mul(mod, both, c[0])};
    for (size_t i = n; i-- > 0;) {
        const struct fe8 next = fe8_mul(mod, inverse[i & 1], a[i]);
        a[i] = fe8_mul(mod, inverse[i & 1], prefix[i]);
        inverse[i & 1] = next;
    }
}

FE8_INLINE void fe8_inv_batch(struct fe8_mod mod, size_t n, struct fe8 a[], struct fe8 prefix[])
{
    inv8_batch(mod, NULL, n, a, prefix);
}

FE8_INLINE void fe8_inv_batch_vartime(struct fe8_mod mod, const struct ec64_modulus *m64, size_t n,
                                      struct fe8 a[], struct fe8 prefix[])
{
    inv8_batch(mod, m64, n, a, prefix);
}

#endif
