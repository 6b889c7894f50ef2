/*
 * Inverses of eight residues by Fermat's little theorem, and of many by Montgomery's trick.
 *
 * Constant time: the exponent m - 2 is public and the same in every lane. The inverse of 0 is 0.
 * One inversion is some 320 products that wait for each other, about 20,000 ticks: so share it.
 */
#ifndef PROVIDERS_EC_IFMA_INV8_H
#define PROVIDERS_EC_IFMA_INV8_H

#include "providers/ec/ifma/fe8.h"

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

/*
 * a[i] = 1 / a[i] for i < n, each below 4 m, none of them 0 in any lane (the caller masks to 1);
 * the results are below 2 m. prefix: room for n. Two chains, of the even and of the odd elements,
 * keep two products in flight; three products an element and one inversion.
 */
FE8_INLINE void fe8_inv_batch(struct fe8_mod mod, size_t n, struct fe8 a[], struct fe8 prefix[])
{
    struct fe8 c[2] = {fe8_broadcast(mod.m->one), fe8_broadcast(mod.m->one)};
    for (size_t i = 0; i < n; i++) { /* prefix: the product of those before it in its chain */
        prefix[i] = c[i & 1];
        c[i & 1] = fe8_mul(mod, c[i & 1], a[i]);
    }
    const struct fe8 both = fe8_inv_fermat(mod, fe8_mul(mod, c[0], c[1]));
    struct fe8 inverse[2] = {fe8_mul(mod, both, c[1]), fe8_mul(mod, both, c[0])};
    for (size_t i = n; i-- > 0;) {
        const struct fe8 next = fe8_mul(mod, inverse[i & 1], a[i]);
        a[i] = fe8_mul(mod, inverse[i & 1], prefix[i]);
        inverse[i & 1] = next;
    }
}

#endif
