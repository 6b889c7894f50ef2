/*
 * Eight 256-bit residues in the eight lanes of AVX-512, radix 2^52, Montgomery form with R = 2^260.
 *
 * struct fe8 holds limb i of all lanes in v[i]. "Normalised" means that every limb is in [0, 2^52):
 * the multiplication reads 52 bits and no more, so its inputs must be. A value "below k m" is a
 * normalised fe8 whose number is less than k times the modulus; the bounds beside each function say
 * what goes in and comes out, and with ECKA_VERIFY the limbs are asserted.
 *
 *   Montgomery product of a < ka m and b < kb m:  (a b + q m) / R < (ka kb m / 2^260 + 1) m, q < R.
 *   As m < 2^256, ka kb <= 16 gives a result below 2 m; the general bound is ka kb / 16 + 1.
 *   2^260 > 16 m, so any value below 16 m has five limbs.
 *
 * No branch and no address depends on a value. Intrinsics only, so that MemorySanitizer sees all.
 * Costs (TSC ticks, 8 lanes, streaming): product 40 (P-256), 52 (any modulus); carry pass 7.
 */
#ifndef PROVIDERS_EC_IFMA_FE8_H
#define PROVIDERS_EC_IFMA_FE8_H

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "providers/ec/constants.h"

#ifdef ECKA_VERIFY
#include <assert.h>
#define FE8_ASSERT(x) assert(x)
#else
#define FE8_ASSERT(x) ((void)0)
#endif

/* Everything is inlined, so that limbs stay in registers; a kernel takes gcc half a minute that
 * way. Where nothing is measured, with assertions or under sanitizers, the functions are called. */
#if defined(ECKA_VERIFY) || defined(FE8_CALLS)
#define FE8_INLINE static __attribute__((unused))
#else
#define FE8_INLINE static inline __attribute__((always_inline))
#endif

enum { FE8_LANES = 8, FE8_LIMBS = 5, FE8_LIMB_BITS = 52 };

struct fe8 {
    __m512i v[FE8_LIMBS];
};

/* Which modulus a function computes with. p256 is a constant wherever fe8 functions are called, so
 * that each caller is compiled for the one form or the other. */
struct fe8_mod {
    const struct ec52_modulus *m;
    bool p256;
};

FE8_INLINE __m512i fe8_mask52(void)
{
    return _mm512_set1_epi64((1LL << FE8_LIMB_BITS) - 1);
}

FE8_INLINE __m512i fe8_word(uint64_t w)
{
    return _mm512_set1_epi64((long long)w);
}

FE8_INLINE struct fe8 fe8_broadcast(const uint64_t w[FE8_LIMBS])
{
    struct fe8 r;
    for (int i = 0; i < FE8_LIMBS; i++) {
        r.v[i] = fe8_word(w[i]);
    }
    return r;
}

FE8_INLINE struct fe8 fe8_zero(void)
{
    struct fe8 r;
    for (int i = 0; i < FE8_LIMBS; i++) {
        r.v[i] = _mm512_setzero_si512();
    }
    return r;
}

FE8_INLINE void fe8_assert_normal(const struct fe8 *a)
{
    for (int i = 0; i < FE8_LIMBS; i++) {
        FE8_ASSERT(_mm512_cmpgt_epu64_mask(a->v[i], fe8_mask52()) == 0);
        (void)a;
    }
}

/* Carries limbs of any sign into the next; the number must be in [0, 2^260). */
FE8_INLINE struct fe8 fe8_carry(struct fe8 a)
{
    const __m512i mask = fe8_mask52();
    for (int i = 0; i < FE8_LIMBS - 1; i++) {
        a.v[i + 1] = _mm512_add_epi64(a.v[i + 1], _mm512_srai_epi64(a.v[i], FE8_LIMB_BITS));
        a.v[i] = _mm512_and_si512(a.v[i], mask);
    }
    fe8_assert_normal(&a);
    return a;
}

/* a + b; the sum must stay below 16 m. Not carried: for one that feeds another sum. */
FE8_INLINE struct fe8 fe8_add_raw(struct fe8 a, struct fe8 b)
{
    for (int i = 0; i < FE8_LIMBS; i++) {
        a.v[i] = _mm512_add_epi64(a.v[i], b.v[i]);
    }
    return a;
}

FE8_INLINE struct fe8 fe8_sub_raw(struct fe8 a, struct fe8 b)
{
    for (int i = 0; i < FE8_LIMBS; i++) {
        a.v[i] = _mm512_sub_epi64(a.v[i], b.v[i]);
    }
    return a;
}

/* a + k m, not carried; k <= 16. Makes room for a subtrahend below k m. */
FE8_INLINE struct fe8 fe8_add_multiple_raw(struct fe8_mod mod, struct fe8 a, unsigned k)
{
    for (int i = 0; i < FE8_LIMBS; i++) {
        a.v[i] = _mm512_add_epi64(a.v[i], fe8_word(mod.m->m[i] * k));
    }
    return a;
}

FE8_INLINE struct fe8 fe8_add(struct fe8 a, struct fe8 b)
{
    return fe8_carry(fe8_add_raw(a, b));
}

/* a - b + k m for b below k m. */
FE8_INLINE struct fe8 fe8_sub(struct fe8_mod mod, struct fe8 a, struct fe8 b, unsigned k)
{
    return fe8_carry(fe8_add_multiple_raw(mod, fe8_sub_raw(a, b), k));
}

/* k m - a for a below k m. */
FE8_INLINE struct fe8 fe8_neg(struct fe8_mod mod, struct fe8 a, unsigned k)
{
    return fe8_sub(mod, fe8_zero(), a, k);
}

/* c + low or high 52 bits of the product of two 52-bit words. */
#define FE8_LO(c, a, b) _mm512_madd52lo_epu64((c), (a), (b))
#define FE8_HI(c, a, b) _mm512_madd52hi_epu64((c), (a), (b))

/*
 * Montgomery reduction of ten accumulators t (each below 2^60): five steps that each make the
 * lowest limb a multiple of 2^52 by adding q m, and shift it out. For P-256, m = -1 mod 2^52: so q
 * is the limb itself, m + 1 = 2^96 (2^160 - 2^128 + 2^96 + 1) adds nothing below limb 1, and q m is
 * q (m + 1) - q, of which -q clears the limb.
 */
FE8_INLINE struct fe8 fe8_reduce(struct fe8_mod mod, __m512i t[2 * FE8_LIMBS])
{
    const __m512i mask = fe8_mask52();
    for (int i = 0; i < FE8_LIMBS; i++) {
        if (mod.p256) {
            const __m512i q = _mm512_and_si512(t[i], mask);
            t[i + 1] = _mm512_add_epi64(t[i + 1], _mm512_srli_epi64(t[i], FE8_LIMB_BITS));
            t[i + 1] = FE8_LO(t[i + 1], q, fe8_word(1ULL << 44)); /* m + 1: limb 1 */
            t[i + 2] = FE8_HI(t[i + 2], q, fe8_word(1ULL << 44));
            t[i + 3] = FE8_LO(t[i + 3], q, fe8_word(1ULL << 36)); /* limb 3 */
            t[i + 4] = FE8_HI(t[i + 4], q, fe8_word(1ULL << 36));
            t[i + 4] = FE8_LO(t[i + 4], q, fe8_word(0xFFFFFFFF0000ULL)); /* limb 4 */
            t[i + 5] = FE8_HI(t[i + 5], q, fe8_word(0xFFFFFFFF0000ULL));
        } else {
            const uint64_t *m = mod.m->m;
            const __m512i q = FE8_LO(_mm512_setzero_si512(), t[i], fe8_word(mod.m->inv));
            t[i] = FE8_LO(t[i], q, fe8_word(m[0]));
            t[i + 1] = _mm512_add_epi64(t[i + 1], _mm512_srli_epi64(t[i], FE8_LIMB_BITS));
            t[i + 1] = FE8_HI(t[i + 1], q, fe8_word(m[0]));
            for (int j = 1; j < FE8_LIMBS; j++) {
                t[i + j] = FE8_LO(t[i + j], q, fe8_word(m[j]));
                t[i + j + 1] = FE8_HI(t[i + j + 1], q, fe8_word(m[j]));
            }
        }
    }
    struct fe8 r;
    for (int i = 0; i < FE8_LIMBS; i++) {
        r.v[i] = t[FE8_LIMBS + i];
    }
    return fe8_carry(r);
}

/* a b / R. a < ka m and b < kb m, normalised; the result is below (ka kb / 16 + 1) m. */
FE8_INLINE struct fe8 fe8_mul(struct fe8_mod mod, struct fe8 a, struct fe8 b)
{
    __m512i t[2 * FE8_LIMBS];
    fe8_assert_normal(&a);
    fe8_assert_normal(&b);
    for (int i = 0; i < 2 * FE8_LIMBS; i++) {
        t[i] = _mm512_setzero_si512();
    }
    for (int i = 0; i < FE8_LIMBS; i++) {
        for (int j = 0; j < FE8_LIMBS; j++) {
            t[i + j] = FE8_LO(t[i + j], a.v[i], b.v[j]);
            t[i + j + 1] = FE8_HI(t[i + j + 1], a.v[i], b.v[j]);
        }
    }
    return fe8_reduce(mod, t);
}

/* a^2 / R, bounds as fe8_mul's: the ten products off the diagonal are made once and doubled. */
FE8_INLINE struct fe8 fe8_sqr(struct fe8_mod mod, struct fe8 a)
{
    __m512i t[2 * FE8_LIMBS];
    fe8_assert_normal(&a);
    for (int i = 0; i < 2 * FE8_LIMBS; i++) {
        t[i] = _mm512_setzero_si512();
    }
    for (int i = 0; i < FE8_LIMBS; i++) {
        for (int j = i + 1; j < FE8_LIMBS; j++) {
            t[i + j] = FE8_LO(t[i + j], a.v[i], a.v[j]);
            t[i + j + 1] = FE8_HI(t[i + j + 1], a.v[i], a.v[j]);
        }
    }
    for (int i = 1; i < 2 * FE8_LIMBS - 1; i++) {
        t[i] = _mm512_slli_epi64(t[i], 1);
    }
    for (int i = 0; i < FE8_LIMBS; i++) {
        t[2 * i] = FE8_LO(t[2 * i], a.v[i], a.v[i]);
        t[2 * i + 1] = FE8_HI(t[2 * i + 1], a.v[i], a.v[i]);
    }
    return fe8_reduce(mod, t);
}

/*
 * Weak reduction: any normalised value below 8 2^256 to the same residue below 2 m. Its bits from
 * 255 up choose the largest multiple of m that is surely not above it; what is left is below
 * 2^255 + m. The choice is a lane-wise permutation of a register, not a memory address.
 */
FE8_INLINE struct fe8 fe8_weak(struct fe8_mod mod, struct fe8 a)
{
    /* Bit 255 is bit 47 of limb 4 (255 - 4 * 52). */
    const __m512i i = _mm512_srli_epi64(a.v[4], 47);
    FE8_ASSERT(_mm512_cmpgt_epu64_mask(i, fe8_word(EC52_WEAK - 1)) == 0);
    for (int l = 0; l < FE8_LIMBS; l++) {
        const __m512i low = _mm512_loadu_si512(&mod.m->weak[l][0]);
        const __m512i high = _mm512_loadu_si512(&mod.m->weak[l][FE8_LANES]);
        a.v[l] = _mm512_sub_epi64(a.v[l], _mm512_permutex2var_epi64(low, i, high));
    }
    return fe8_carry(a);
}

/* The number itself in [0, m), for a value below 2 m: one subtraction, taken back where it borrows.
 */
FE8_INLINE struct fe8 fe8_full(struct fe8_mod mod, struct fe8 a)
{
    struct fe8 d = fe8_sub_raw(a, fe8_broadcast(mod.m->m));
    for (int i = 0; i < FE8_LIMBS - 1; i++) {
        d.v[i + 1] = _mm512_add_epi64(d.v[i + 1], _mm512_srai_epi64(d.v[i], FE8_LIMB_BITS));
        d.v[i] = _mm512_and_si512(d.v[i], fe8_mask52());
    }
    const __mmask8 borrow = _mm512_movepi64_mask(d.v[FE8_LIMBS - 1]);
    for (int i = 0; i < FE8_LIMBS; i++) {
        a.v[i] = _mm512_mask_mov_epi64(d.v[i], borrow, a.v[i]);
    }
    fe8_assert_normal(&a);
    return a;
}

/* Lanes whose five limbs are all zero: of a full value, the lanes that are 0. */
FE8_INLINE __mmask8 fe8_limbs_zero(struct fe8 a)
{
    const __m512i low =
        _mm512_or_si512(_mm512_or_si512(a.v[0], a.v[1]), _mm512_or_si512(a.v[2], a.v[3]));
    return _mm512_testn_epi64_mask(_mm512_or_si512(low, a.v[4]), _mm512_or_si512(low, a.v[4]));
}

/* Lanes that are 0 mod m, for a value below 2 m. */
FE8_INLINE __mmask8 fe8_is_zero(struct fe8_mod mod, struct fe8 a)
{
    return fe8_limbs_zero(fe8_full(mod, a));
}

/* Lanes whose full values are equal. */
FE8_INLINE __mmask8 fe8_limbs_equal(struct fe8 a, struct fe8 b)
{
    return fe8_limbs_zero(fe8_sub_raw(a, b));
}

/* Lanes where a < b, for full values. */
FE8_INLINE __mmask8 fe8_limbs_less(struct fe8 a, struct fe8 b)
{
    struct fe8 d = fe8_sub_raw(a, b);
    for (int i = 0; i < FE8_LIMBS - 1; i++) {
        d.v[i + 1] = _mm512_add_epi64(d.v[i + 1], _mm512_srai_epi64(d.v[i], FE8_LIMB_BITS));
    }
    return _mm512_movepi64_mask(d.v[FE8_LIMBS - 1]);
}

/* Lanes of b where the mask is set, of a elsewhere. */
FE8_INLINE struct fe8 fe8_select(__mmask8 mask, struct fe8 a, struct fe8 b)
{
    for (int i = 0; i < FE8_LIMBS; i++) {
        a.v[i] = _mm512_mask_mov_epi64(a.v[i], mask, b.v[i]);
    }
    return a;
}

/* Into Montgomery form (below 2 m), from any normalised value; and out of it, full. */
FE8_INLINE struct fe8 fe8_to_mont(struct fe8_mod mod, struct fe8 a)
{
    return fe8_mul(mod, a, fe8_broadcast(mod.m->rr));
}

FE8_INLINE struct fe8 fe8_from_mont(struct fe8_mod mod, struct fe8 a)
{
    struct fe8 one = fe8_zero();
    one.v[0] = fe8_word(1);
    return fe8_full(mod, fe8_mul(mod, a, one));
}

/* Four words of 64 bits, least significant first, to five limbs of 52; and back. */
FE8_INLINE struct fe8 fe8_from_words(const __m512i w[4])
{
    const __m512i mask = fe8_mask52();
    struct fe8 r;
    r.v[0] = _mm512_and_si512(w[0], mask);
    r.v[1] = _mm512_and_si512(_mm512_shrdi_epi64(w[0], w[1], 52), mask);
    r.v[2] = _mm512_and_si512(_mm512_shrdi_epi64(w[1], w[2], 40), mask);
    r.v[3] = _mm512_and_si512(_mm512_shrdi_epi64(w[2], w[3], 28), mask);
    r.v[4] = _mm512_srli_epi64(w[3], 16);
    return r;
}

/* For a value below 2^256. */
FE8_INLINE void fe8_to_words(__m512i w[4], struct fe8 a)
{
    w[0] = _mm512_or_si512(a.v[0], _mm512_slli_epi64(a.v[1], 52));
    w[1] = _mm512_or_si512(_mm512_srli_epi64(a.v[1], 12), _mm512_slli_epi64(a.v[2], 40));
    w[2] = _mm512_or_si512(_mm512_srli_epi64(a.v[2], 24), _mm512_slli_epi64(a.v[3], 28));
    w[3] = _mm512_or_si512(_mm512_srli_epi64(a.v[3], 36), _mm512_slli_epi64(a.v[4], 16));
}

/* Rows of eight words to columns: out[j] lane i = in[i] lane j. */
FE8_INLINE void fe8_transpose(__m512i out[8], const __m512i in[8])
{
    __m512i a[8], b[8];
    for (int i = 0; i < 4; i++) { /* pairs of rows: words of two rows side by side */
        a[2 * i] = _mm512_unpacklo_epi64(in[2 * i], in[2 * i + 1]);
        a[2 * i + 1] = _mm512_unpackhi_epi64(in[2 * i], in[2 * i + 1]);
    }
    for (int i = 0; i < 2; i++) { /* 128-bit blocks 0,2 and 1,3 of rows 0-3 and of rows 4-7 */
        for (int j = 0; j < 2; j++) {
            b[4 * i + j] = _mm512_shuffle_i64x2(a[4 * i + j], a[4 * i + 2 + j], 0x88);
            b[4 * i + 2 + j] = _mm512_shuffle_i64x2(a[4 * i + j], a[4 * i + 2 + j], 0xDD);
        }
    }
    for (int j = 0; j < 2; j++) {
        out[j] = _mm512_shuffle_i64x2(b[j], b[4 + j], 0x88);
        out[4 + j] = _mm512_shuffle_i64x2(b[j], b[4 + j], 0xDD);
        out[2 + j] = _mm512_shuffle_i64x2(b[2 + j], b[6 + j], 0x88);
        out[6 + j] = _mm512_shuffle_i64x2(b[2 + j], b[6 + j], 0xDD);
    }
}

/* Eight numbers of 32 bytes, most significant first. */
FE8_INLINE struct fe8 fe8_load_be(const uint8_t *const in[FE8_LANES])
{
    const __m256i swap = _mm256_set_epi8(8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
                                         10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
    __m512i rows[8], columns[8];
    for (int i = 0; i < FE8_LANES; i++) {
        __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)in[i]);
        x = _mm256_permute4x64_epi64(_mm256_shuffle_epi8(x, swap), 0x1B);
        rows[i] = _mm512_zextsi256_si512(x);
    }
    fe8_transpose(columns, rows);
    return fe8_from_words(columns);
}

/* Values below 2^256 as eight numbers of 32 bytes, most significant first. */
FE8_INLINE void fe8_store_be(uint8_t *const out[FE8_LANES], struct fe8 a)
{
    const __m256i swap = _mm256_set_epi8(8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
                                         10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
    __m512i columns[8], rows[8];
    fe8_to_words(columns, a);
    for (int i = 4; i < 8; i++) {
        columns[i] = _mm512_setzero_si512();
    }
    fe8_transpose(rows, columns);
    for (int i = 0; i < FE8_LANES; i++) {
        __m256i x = _mm512_castsi512_si256(rows[i]);
        x = _mm256_shuffle_epi8(_mm256_permute4x64_epi64(x, 0x1B), swap);
        _mm256_storeu_si256((__m256i *)(void *)out[i], x);
    }
}

#endif
