/*
 * Scalars modulo n in eight lanes, as ECDSA verification needs them: ranges, and the digits that
 * table8.h defines.
 */
#ifndef PROVIDERS_EC_IFMA_SC8_H
#define PROVIDERS_EC_IFMA_SC8_H

#include "providers/ec/ifma/fe8.h"
#include "providers/ec/ifma/table8.h"

enum { SC8_WORDS = 6 /* 257 bits, and a zero to shift in */ };

/* Odd scalars below 2^257, words of 64 bits. */
struct sc8_odd {
    __m512i w[SC8_WORDS];
};

/* The lanes in [1, n-1]. */
FE8_INLINE __mmask8 sc8_in_range(struct fe8_mod n, struct fe8 a)
{
    return (__mmask8)(fe8_limbs_less(a, fe8_broadcast(n.m->m)) & ~fe8_limbs_zero(a));
}

/* u or u + n, whichever is odd, for a full u. */
FE8_INLINE struct sc8_odd sc8_make_odd(struct fe8_mod n, struct fe8 u)
{
    const __mmask8 even = _mm512_testn_epi64_mask(u.v[0], fe8_word(1));
    for (int i = 0; i < FE8_LIMBS; i++) {
        u.v[i] = _mm512_mask_add_epi64(u.v[i], even, u.v[i], fe8_word(n.m->m[i]));
    }
    u = fe8_carry(u);
    struct sc8_odd r;
    fe8_to_words(r.w, u);
    r.w[4] = _mm512_srli_epi64(u.v[4], 256 - 4 * FE8_LIMB_BITS);
    r.w[5] = _mm512_setzero_si512();
    return r;
}

/*
 * Window i of a table of this shape: the addresses of the entries (base: the tables' first entries)
 * and the lanes whose digit is negative. With t the w bits from wi+1 on: the topmost is the sign
 * (0: negative) and the others number the entry, complemented for a negative digit, since
 * (2^w - 1) - t' counts down. The last window's digit has no sign.
 */
FE8_INLINE __mmask8 sc8_digit(__m512i *address, const struct sc8_odd *u, struct table8_shape shape,
                              unsigned i, __m512i base)
{
    const unsigned at = shape.w * i + 1;
    __m512i t = _mm512_shrdv_epi64(u->w[at / 64], u->w[at / 64 + 1], fe8_word(at % 64));
    __mmask8 negative = 0;
    if (i + 1 < shape.windows) {
        const __m512i below = fe8_word((1ULL << (shape.w - 1)) - 1);
        negative = _mm512_testn_epi64_mask(t, fe8_word(1ULL << (shape.w - 1)));
        t = _mm512_mask_xor_epi64(t, negative, t, below);
        t = _mm512_and_si512(t, below);
    }
    t = _mm512_add_epi64(t, fe8_word((uint64_t)i << (shape.w - 1)));
    *address = _mm512_add_epi64(base, _mm512_slli_epi64(t, 6)); /* 64 bytes an entry */
    return negative;
}

/* The same for eight windows of one scalar, whose words u holds; windows past the last give
 * nonsense that is not to be used. */
FE8_INLINE __mmask8 sc8_digits_of_one(__m512i *address, __m512i u, const struct ifma_table *table,
                                      __m512i window)
{
    const struct table8_shape shape = table->shape;
    const __m512i at = _mm512_add_epi64(_mm512_mullo_epi64(window, fe8_word(shape.w)), fe8_word(1));
    const __m512i word = _mm512_srli_epi64(at, 6);
    __m512i t = _mm512_shrdv_epi64(_mm512_permutexvar_epi64(word, u),
                                   _mm512_permutexvar_epi64(_mm512_add_epi64(word, fe8_word(1)), u),
                                   _mm512_and_si512(at, fe8_word(63)));
    const __m512i below = fe8_word((1ULL << (shape.w - 1)) - 1);
    const __mmask8 is_signed = _mm512_cmplt_epu64_mask(window, fe8_word(shape.windows - 1));
    const __mmask8 negative =
        _mm512_mask_testn_epi64_mask(is_signed, t, fe8_word(1ULL << (shape.w - 1)));
    t = _mm512_mask_xor_epi64(t, negative, t, below);
    t = _mm512_mask_and_epi64(t, is_signed, t, below);
    t = _mm512_add_epi64(t, _mm512_slli_epi64(window, shape.w - 1));
    *address = _mm512_add_epi64(fe8_word((uintptr_t)table->entries), _mm512_slli_epi64(t, 6));
    return negative;
}

#endif
