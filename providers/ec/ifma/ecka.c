/*
 * Key generation and key agreement with secret scalars: Q = kG and z = x(k peer), eight items in
 * eight lanes, up to 64 of them sharing each inversion.
 *
 * Promises: no branch, no memory address and no division depends on k, on a digit of it or on a
 * point computed from it. Tables are read whole, or held in registers and permuted there; choices
 * are masks. What of a secret is made known, whether k is in [1, n-1] and whether the result is
 * infinity, passes ct_declassify(). tests/ctime holds the file to this.
 * Runs on any thread after ecka_global_init(); its memory is the caller's scratch, wiped at the
 * end of each call. Not promised: that registers hold nothing afterwards.
 *
 * Recoding. Of k and n - k one is odd; x(kP) is the same for both, and y changes its sign. The odd
 * one is written in odd signed digits of w bits, k = sum d_i 2^(wi). With u_i = (k >> wi) | 1,
 *     u_i = 2^w u_(i+1) + d_i,    d_i = 2 t_i + 1 - 2^w,    t_i = bits wi + 1 .. wi + w of k:
 * each digit stands in k as it is. The top bit of t_i is the sign of d_i (set: positive), and the
 * others, inverted where it is negative, are (|d_i| - 1) / 2: the place of |d_i| among the odd
 * multiples. The last digit is what is left, u_(l-1), positive; a bit set above k makes it so.
 *
 * Exceptions. No digit is 0, so an addition is exceptional only where the partial sum is, mod n,
 * the next term or its opposite. As integers the one is always larger than the other, and both
 * together stay below n but for the last addition. There the sum is k, which is not 0: so the
 * operands are never opposite, but they can be equal: n - 14 on brainpoolP256r1 is such a k for
 * the agreement. So the last addition is done as a doubling as well, and a mask selects.
 */
#include <stdlib.h>
#include <string.h>

#include "providers/core/curves.h"
#include "providers/ec/declassify.h"
#include "providers/ec/ifma/ecka_base.h"
#include "providers/ec/ifma/ifma.h"
#include "providers/ec/ifma/inv8.h"
#include "providers/ec/ifma/pt8.h"

enum {
    VECTORS = 8, /* at most so many vectors share an inversion */
    CHUNK = VECTORS * FE8_LANES,
    SCALAR_BITS = 256,

    /* The agreement: 16 odd multiples of the peer's point; 51 digits, and above them a last one
     * that is always 1, as bit 255 is all that is left for it. */
    PEER_W = 5,
    PEER_ENTRIES = 1 << (PEER_W - 1),
    PEER_DIGITS = (SCALAR_BITS - 1) / PEER_W,

    STACK_BURNT = 32 << 10, /* more than the frames of the functions below */
};

/* The limbs of a scalar, and a zero above them for digits that reach past the end. */
struct scalar8 {
    __m512i v[FE8_LIMBS + 1];
};

struct ecka_scratch {
    /* Secret, wiped after each call. */
    struct scalar8 k[VECTORS];
    __mmask8 negated[VECTORS]; /* where n - k stands for k */
    struct pt8_jac sum[VECTORS], before[VECTORS];
    struct fe8 z[VECTORS], prefix[VECTORS];
    /* Public. */
    struct pt8_aff peer[VECTORS];
    struct pt8_aff table[VECTORS][PEER_ENTRIES];
    struct fe8 table_z[VECTORS * PEER_ENTRIES], table_prefix[VECTORS * PEER_ENTRIES];
    __mmask8 bad_point[VECTORS], bad_scalar[VECTORS];
};

/* What handles secrets stands alone in the object file, where its branches can be counted. */
#define OWN_FUNCTION static __attribute__((noinline))

/* Through a pointer that the compiler must read: so it cannot know that nobody looks again. */
static void *(*const volatile wipe)(void *, int, size_t) = memset;

__attribute__((noinline)) static void burn_stack(void)
{
    uint8_t room[STACK_BURNT];
    wipe(room, 0, sizeof room);
}

/* The two forms that each function over the field is compiled for. */
FE8_INLINE struct fe8_mod p256(void)
{
    return (struct fe8_mod){&ec52_curves[CURVE_P256].p, true};
}

FE8_INLINE struct fe8_mod any_prime(enum curve curve)
{
    return (struct fe8_mod){&ec52_curves[curve].p, false};
}

/* -- scalars -- */

/*
 * Eight scalars as limbs, the odd one of k and n - k; lanes where k is not in [1, n-1] compute with
 * 1. top: a bit above all digits, so that the last digit counts as positive; 0 for none.
 */
OWN_FUNCTION void scalars_load(const struct ec52_curve *c, struct ecka_scratch *s, size_t v,
                               const uint8_t *const k[FE8_LANES], uint64_t top)
{
    const struct fe8 n = fe8_broadcast(c->n.m);
    struct fe8 one = fe8_zero();
    one.v[0] = fe8_word(1);
    struct fe8 a = fe8_load_be(k);
    const __mmask8 bad = (__mmask8)(fe8_limbs_zero(a) | ~fe8_limbs_less(a, n));
    a = fe8_select(bad, a, one);
    const __mmask8 even = _mm512_testn_epi64_mask(a.v[0], fe8_word(1));
    a = fe8_select(even, a, fe8_carry(fe8_sub_raw(n, a)));
    for (int i = 0; i < FE8_LIMBS; i++) {
        s->k[v].v[i] = a.v[i];
    }
    s->k[v].v[FE8_LIMBS - 1] = _mm512_or_si512(a.v[FE8_LIMBS - 1], fe8_word(top));
    s->k[v].v[FE8_LIMBS] = _mm512_setzero_si512();
    s->negated[v] = even;
    s->bad_scalar[v] = bad;
}

/* Digit i of w bits: its place among the odd multiples, and the lanes where it is negative. */
FE8_INLINE __m512i scalar_digit(const struct scalar8 *k, unsigned w, unsigned i, __mmask8 *negative)
{
    const unsigned from = w * i + 1, limb = from / FE8_LIMB_BITS, off = from % FE8_LIMB_BITS;
    const __m512i low = _mm512_srlv_epi64(k->v[limb], fe8_word(off));
    const __m512i high = _mm512_sllv_epi64(k->v[limb + 1], fe8_word(FE8_LIMB_BITS - off));
    const __m512i t = _mm512_or_si512(low, high);
    const __m512i sign = fe8_word(1ULL << (w - 1)), place = fe8_word((1ULL << (w - 1)) - 1);
    *negative = _mm512_testn_epi64_mask(t, sign);
    return _mm512_and_si512(_mm512_mask_xor_epi64(t, *negative, t, place), place);
}

/* -- what both functions end with -- */

/* The last addition, where it was one of equal points, as the doubling that it should have been. */
FE8_INLINE void mend_last(struct fe8_mod mod, struct ecka_scratch *s, size_t vectors)
{
    for (size_t v = 0; v < vectors; v++) {
        const __mmask8 equal = pt8_exceptional(mod, &s->sum[v]);
        s->sum[v] = pt8_select(equal, s->sum[v], pt8_dbl(mod, s->before[v]));
    }
}

/* sum in affine form into sum.x, sum.y2 (halved), off the twist. Infinity, which no k in range
 * gives, is refused as a bad point all the same. */
FE8_INLINE void finish(const struct ec52_curve *c, struct fe8_mod mod, struct ecka_scratch *s,
                       size_t vectors)
{
    const struct fe8 one = fe8_broadcast(mod.m->one);
    mend_last(mod, s, vectors);
    for (size_t v = 0; v < vectors; v++) {
        const __mmask8 infinite = pt8_exceptional(mod, &s->sum[v]);
        s->z[v] = fe8_select(infinite, s->sum[v].z, one);
        s->bad_point[v] |= infinite;
    }
    fe8_inv_batch(mod, vectors, s->z, s->prefix);
    for (size_t v = 0; v < vectors; v++) {
        const struct pt8_aff a = pt8_to_aff(mod, s->sum[v], s->z[v]);
        s->sum[v].x = fe8_from_mont(mod, fe8_mul(mod, a.x, fe8_broadcast(c->out_x)));
        s->sum[v].y2 = fe8_from_mont(mod, fe8_mul(mod, a.y, fe8_broadcast(c->out_y)));
    }
}

OWN_FUNCTION void finish_p256(struct ecka_scratch *s, size_t vectors)
{
    finish(&ec52_curves[CURVE_P256], p256(), s, vectors);
}

OWN_FUNCTION void finish_any(enum curve curve, struct ecka_scratch *s, size_t vectors)
{
    finish(&ec52_curves[curve], any_prime(curve), s, vectors);
}

/* The statuses of the items of a vector. The verdict on a scalar and on a result is public: the
 * caller acts on it. */
OWN_FUNCTION void verdicts(struct ecka_scratch *s, size_t v, size_t lanes, enum status out[])
{
    ct_declassify(&s->bad_scalar[v], sizeof s->bad_scalar[v]);
    ct_declassify(&s->bad_point[v], sizeof s->bad_point[v]);
    for (size_t i = 0; i < lanes; i++) {
        out[i] = (s->bad_point[v] >> i & 1) != 0    ? STATUS_BAD_POINT
                 : (s->bad_scalar[v] >> i & 1) != 0 ? STATUS_BAD_SCALAR
                                                    : STATUS_OK;
    }
}

/* Bytes for the lanes past the end of a batch: read, a scalar 0 and no point; written, a bin. */
static const uint8_t nothing[EC_POINT_LEN];

/* in[i] + offset for the items there are, `nothing` for the lanes beyond. */
FE8_INLINE void lanes_in(const uint8_t *lane[FE8_LANES], const uint8_t *const in[], size_t lanes,
                         size_t offset)
{
    for (size_t i = 0; i < FE8_LANES; i++) {
        lane[i] = i < lanes ? in[i] + offset : nothing;
    }
}

/* Numbers to out[i] + offset; zero where the status is bad. */
OWN_FUNCTION void lanes_out(const struct ecka_scratch *s, size_t v, const struct fe8 *a,
                            uint8_t *const out[], size_t lanes, size_t offset)
{
    uint8_t bin[ECDH_Z_LEN], *lane[FE8_LANES];
    for (size_t i = 0; i < FE8_LANES; i++) {
        lane[i] = i < lanes ? out[i] + offset : bin;
    }
    const __mmask8 bad = s->bad_point[v] | s->bad_scalar[v];
    fe8_store_be(lane, fe8_select(bad, *a, fe8_zero()));
}

static size_t lanes_of(size_t n, size_t v)
{
    const size_t left = n - v * FE8_LANES;
    return left < FE8_LANES ? left : FE8_LANES;
}

/* -- Q = kG -- */

/* One word of the entry at each lane's place: 16 words stand in two registers, which a permutation
 * reads by the low four bits of the place; masks choose among the four pairs by the other two. */
FE8_INLINE __m512i base_word(const uint64_t row[BASE_ENTRIES], __m512i place)
{
    enum { PAIRS = BASE_ENTRIES / (2 * FE8_LANES), PAIR_BIT = 16, HALF_BIT = 32 };
    const __mmask8 odd_pair = _mm512_test_epi64_mask(place, fe8_word(PAIR_BIT));
    const __mmask8 high_half = _mm512_test_epi64_mask(place, fe8_word(HALF_BIT));
    __m512i pair[PAIRS];
    for (int i = 0; i < PAIRS; i++) {
        const uint64_t *words = row + i * 2 * FE8_LANES;
        pair[i] = _mm512_permutex2var_epi64(_mm512_load_si512(words), place,
                                            _mm512_load_si512(words + FE8_LANES));
    }
    const __m512i low = _mm512_mask_mov_epi64(pair[0], odd_pair, pair[1]);
    const __m512i high = _mm512_mask_mov_epi64(pair[2], odd_pair, pair[3]);
    return _mm512_mask_mov_epi64(low, high_half, high);
}

FE8_INLINE struct pt8_aff base_entry(struct fe8_mod mod, const struct base_window *window,
                                     const struct scalar8 *k, unsigned i)
{
    __mmask8 negative;
    const __m512i place = scalar_digit(k, BASE_W, i, &negative);
    __m512i x[BASE_WORDS], y[BASE_WORDS];
    for (int j = 0; j < BASE_WORDS; j++) {
        x[j] = base_word(window->x[j], place);
        y[j] = base_word(window->y[j], place);
    }
    const struct pt8_aff entry = {fe8_from_words(x), fe8_from_words(y)};
    return pt8_aff_neg(mod, entry, negative);
}

/* Window by window over all vectors, so that each window's 4 KiB stay near. */
FE8_INLINE void base_sums(struct fe8_mod mod, const struct base_window table[BASE_WINDOWS],
                          struct ecka_scratch *s, size_t vectors)
{
    const struct fe8 one = fe8_broadcast(mod.m->one);
    for (size_t v = 0; v < vectors; v++) {
        s->sum[v] = pt8_from_aff(base_entry(mod, &table[0], &s->k[v], 0), one);
    }
    for (unsigned i = 1; i < BASE_WINDOWS; i++) {
        for (size_t v = 0; v < vectors; v++) {
            s->before[v] = s->sum[v];
            s->sum[v] = pt8_madd(mod, s->sum[v], base_entry(mod, &table[i], &s->k[v], i));
        }
    }
}

OWN_FUNCTION void base_sums_p256(struct ecka_scratch *s, size_t vectors)
{
    base_sums(p256(), ecka_base_tables[CURVE_P256], s, vectors);
}

OWN_FUNCTION void base_sums_any(enum curve curve, struct ecka_scratch *s, size_t vectors)
{
    base_sums(any_prime(curve), ecka_base_tables[curve], s, vectors);
}

/* y, or its opposite where the scalar was negated; it is not 0. */
OWN_FUNCTION void mend_sign(const struct ec52_curve *c, struct ecka_scratch *s, size_t v)
{
    struct fe8 *y = &s->sum[v].y2;
    const struct fe8 opposite = fe8_carry(fe8_sub_raw(fe8_broadcast(c->p.m), *y));
    *y = fe8_select(s->negated[v], *y, opposite);
}

static void mul_base(enum curve curve, struct ecka_scratch *s, size_t n, const uint8_t *const k[],
                     uint8_t *const Q[], enum status out[])
{
    const struct ec52_curve *c = &ec52_curves[curve];
    const size_t vectors = (n + FE8_LANES - 1) / FE8_LANES;
    /* The bit above the last window, counted from the first bit of the highest limb. */
    const unsigned above = BASE_W * BASE_WINDOWS - (FE8_LIMBS - 1) * FE8_LIMB_BITS;
    for (size_t v = 0; v < vectors; v++) {
        const uint8_t *lane[FE8_LANES];
        lanes_in(lane, k + v * FE8_LANES, lanes_of(n, v), 0);
        scalars_load(c, s, v, lane, 1ULL << above);
        s->bad_point[v] = 0;
    }
    if (curve == CURVE_P256) {
        base_sums_p256(s, vectors);
        finish_p256(s, vectors);
    } else {
        base_sums_any(curve, s, vectors);
        finish_any(curve, s, vectors);
    }
    for (size_t v = 0; v < vectors; v++) {
        const size_t first = v * FE8_LANES, lanes = lanes_of(n, v);
        mend_sign(c, s, v);
        verdicts(s, v, lanes, out + first);
        for (size_t i = 0; i < lanes; i++) {
            Q[first + i][0] = out[first + i] == STATUS_OK ? POINT_UNCOMPRESSED : 0;
        }
        lanes_out(s, v, &s->sum[v].x, Q + first, lanes, 1);
        lanes_out(s, v, &s->sum[v].y2, Q + first, lanes, 1 + ECDH_Z_LEN);
    }
}

/* -- z = x(k peer) -- */

/* The peers' points in Montgomery form, on the twist; G in the lanes of those that are none. */
OWN_FUNCTION void peers_load(enum curve curve, struct ecka_scratch *s, size_t v,
                             const uint8_t *const peer[], size_t lanes)
{
    const struct ec52_curve *c = &ec52_curves[curve];
    const struct fe8_mod mod = any_prime(curve); /* which serves P-256 as well */
    const uint8_t *lane[FE8_LANES];
    __mmask8 good = 0;
    for (size_t i = 0; i < lanes; i++) {
        good |= (__mmask8)((peer[i][0] == POINT_UNCOMPRESSED) << i);
    }
    lanes_in(lane, peer, lanes, 1);
    struct fe8 x = fe8_load_be(lane);
    lanes_in(lane, peer, lanes, 1 + ECDH_Z_LEN);
    struct fe8 y = fe8_load_be(lane);
    const struct fe8 p = fe8_broadcast(mod.m->m), one = fe8_broadcast(mod.m->one);
    good &= fe8_limbs_less(x, p) & fe8_limbs_less(y, p);
    x = fe8_mul(mod, fe8_to_mont(mod, x), fe8_broadcast(c->in_x));
    y = fe8_mul(mod, fe8_to_mont(mod, y), fe8_broadcast(c->in_y));
    /* y^2 = (x^2 - 3) x + b */
    const struct fe8 xx = fe8_sub(mod, fe8_sqr(mod, x), fe8_times_raw(one, 3), 3);  /* 5 */
    const struct fe8 right = fe8_add_raw(fe8_mul(mod, xx, x), fe8_broadcast(c->b)); /* 3 */
    const struct fe8 left = fe8_sqr(mod, y);                                        /* 2 */
    good &= fe8_is_zero(mod, fe8_weak(mod, fe8_sub(mod, left, right, 3)));
    s->peer[v].x = fe8_select(good, fe8_broadcast(c->gx), x);
    s->peer[v].y = fe8_select(good, fe8_broadcast(c->gy), y);
    s->bad_point[v] = (__mmask8)~good;
}

/*
 * The odd multiples P, 3P, ... of a vector's peers, z apart. With D = 2P = (X, Y, Z), the map
 * (x, y) -> (x Z^2, y Z^3) leads to a curve on which D is affine, (X, Y), and additions, which know
 * no coefficient of the curve, are mixed ones; the way back is Z times the z found there.
 */
FE8_INLINE void peer_multiples(struct fe8_mod mod, struct ecka_scratch *s, size_t v)
{
    const struct fe8 one = fe8_broadcast(mod.m->one);
    const struct pt8_aff P = s->peer[v];
    const struct pt8_jac d = pt8_dbl(mod, pt8_from_aff(P, one));
    const struct fe8 zz = fe8_sqr(mod, d.z), zzz = fe8_mul(mod, zz, d.z);
    const struct pt8_aff D = {d.x, fe8_half(mod, fe8_mul(mod, d.y2, one))};
    struct pt8_jac e =
        pt8_from_aff((struct pt8_aff){fe8_mul(mod, P.x, zz), fe8_mul(mod, P.y, zzz)}, one);
    for (size_t j = 1; j < PEER_ENTRIES; j++) {
        e = pt8_madd(mod, e, D);
        s->table[v][j] = (struct pt8_aff){e.x, e.y2};
        s->table_z[v * (PEER_ENTRIES - 1) + j - 1] = fe8_mul(mod, e.z, d.z);
    }
    s->table[v][0] = P;
}

FE8_INLINE void peer_tables(struct fe8_mod mod, const struct ec64_modulus *m64,
                            struct ecka_scratch *s, size_t vectors)
{
    for (size_t v = 0; v < vectors; v++) {
        peer_multiples(mod, s, v);
    }
    fe8_inv_batch_vartime(mod, m64, vectors * (PEER_ENTRIES - 1), s->table_z, s->table_prefix);
    for (size_t v = 0; v < vectors; v++) {
        for (size_t j = 1; j < PEER_ENTRIES; j++) {
            struct pt8_aff *e = &s->table[v][j];
            *e = pt8_to_aff(mod, (struct pt8_jac){e->x, e->y, e->x},
                            s->table_z[v * (PEER_ENTRIES - 1) + j - 1]);
        }
    }
}

OWN_FUNCTION void peer_tables_p256(struct ecka_scratch *s, size_t vectors)
{
    peer_tables(p256(), &ec64_curves[CURVE_P256].p, s, vectors);
}

OWN_FUNCTION void peer_tables_any(enum curve curve, struct ecka_scratch *s, size_t vectors)
{
    peer_tables(any_prime(curve), &ec64_curves[curve].p, s, vectors);
}

FE8_INLINE struct pt8_aff peer_entry(struct fe8_mod mod, const struct pt8_aff table[PEER_ENTRIES],
                                     const struct scalar8 *k, unsigned i)
{
    __mmask8 negative;
    const __m512i place = scalar_digit(k, PEER_W, i, &negative);
    struct pt8_aff entry = table[0];
    for (unsigned j = 1; j < PEER_ENTRIES; j++) {
        const __mmask8 here = _mm512_cmpeq_epi64_mask(place, fe8_word(j));
        entry.x = fe8_select(here, entry.x, table[j].x);
        entry.y = fe8_select(here, entry.y, table[j].y);
    }
    return pt8_aff_neg(mod, entry, negative);
}

/* `count` vectors from v on, side by side. */
FE8_INLINE void peer_sums(struct fe8_mod mod, struct ecka_scratch *s, size_t v, unsigned count)
{
    struct pt8_jac *sum = &s->sum[v];
    struct pt8_aff entry[PT8_MOST];
    for (unsigned l = 0; l < count; l++) {
        sum[l] = pt8_from_aff(s->peer[v + l], fe8_broadcast(mod.m->one));
    }
    for (unsigned i = PEER_DIGITS; i-- > 0;) {
        for (unsigned j = 0; j < PEER_W; j++) {
            pt8_dbl_n(mod, count, sum, sum);
        }
        for (unsigned l = 0; l < count; l++) {
            s->before[v + l] = sum[l];
            entry[l] = peer_entry(mod, s->table[v + l], &s->k[v + l], i);
        }
        pt8_madd_n(mod, count, sum, sum, entry);
    }
}

FE8_INLINE void all_peer_sums(struct fe8_mod mod, struct ecka_scratch *s, size_t vectors)
{
    size_t v = 0;
    for (; v + PT8_MOST <= vectors; v += PT8_MOST) {
        peer_sums(mod, s, v, PT8_MOST);
    }
    if (v < vectors) {
        peer_sums(mod, s, v, 1);
    }
}

OWN_FUNCTION void peer_sums_p256(struct ecka_scratch *s, size_t vectors)
{
    all_peer_sums(p256(), s, vectors);
}

OWN_FUNCTION void peer_sums_any(enum curve curve, struct ecka_scratch *s, size_t vectors)
{
    all_peer_sums(any_prime(curve), s, vectors);
}

static void agree(enum curve curve, struct ecka_scratch *s, size_t n, const uint8_t *const k[],
                  const uint8_t *const peer[], uint8_t *const z[], enum status out[])
{
    const size_t vectors = (n + FE8_LANES - 1) / FE8_LANES;
    for (size_t v = 0; v < vectors; v++) {
        const size_t first = v * FE8_LANES, lanes = lanes_of(n, v);
        const uint8_t *lane[FE8_LANES];
        peers_load(curve, s, v, peer + first, lanes);
        lanes_in(lane, k + first, lanes, 0);
        scalars_load(&ec52_curves[curve], s, v, lane, 0);
    }
    if (curve == CURVE_P256) {
        peer_tables_p256(s, vectors);
        peer_sums_p256(s, vectors);
        finish_p256(s, vectors);
    } else {
        peer_tables_any(curve, s, vectors);
        peer_sums_any(curve, s, vectors);
        finish_any(curve, s, vectors);
    }
    for (size_t v = 0; v < vectors; v++) {
        const size_t first = v * FE8_LANES, lanes = lanes_of(n, v);
        verdicts(s, v, lanes, out + first);
        lanes_out(s, v, &s->sum[v].x, z + first, lanes, 0);
    }
}

/* -- the functions of the kernel -- */

static void forget(struct ecka_scratch *s)
{
    wipe(s, 0, offsetof(struct ecka_scratch, peer));
    burn_stack();
}

void ifma_mul_base(struct ec_scratch *s, enum curve curve, size_t n, const uint8_t *const k[],
                   uint8_t *const Q[], enum status out[])
{
    struct ecka_scratch *e = ifma_scratch_of(s)->ecka;
    for (size_t i = 0; i < n; i += CHUNK) {
        mul_base(curve, e, n - i < CHUNK ? n - i : CHUNK, k + i, Q + i, out + i);
    }
    forget(e);
}

void ifma_ecka(struct ec_scratch *s, enum curve curve, size_t n, const uint8_t *const k[],
               const uint8_t *const peer[], uint8_t *const z[], enum status out[])
{
    struct ecka_scratch *e = ifma_scratch_of(s)->ecka;
    for (size_t i = 0; i < n; i += CHUNK) {
        agree(curve, e, n - i < CHUNK ? n - i : CHUNK, k + i, peer + i, z + i, out + i);
    }
    forget(e);
}

enum status ecka_scratch_new(struct ecka_scratch **out)
{
    *out = aligned_alloc(_Alignof(struct ecka_scratch), sizeof **out);
    return *out != NULL ? STATUS_OK : STATUS_INTERNAL;
}

void ecka_scratch_free(struct ecka_scratch **s)
{
    free(*s);
    *s = NULL;
}
