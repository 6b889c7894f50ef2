/*
 * Multiplication by a secret k: of G by a table of all its windows, of another point by doubling.
 *
 * k enters as the odd one of k and n - k, u in [1, n - 1]; the product is negated back at the end.
 * u is a sum of odd digits, SECRET_WINDOWS of width SECRET_WIDTH and a highest one, which is 1
 * (struct table_shape says how). Every entry of a window is read, and one kept by a mask. No
 * addition meets infinity or opposite points, and equal points only the last one:
 *
 * - u G from the lowest window up: before window i the sum is S G with S odd and |S| < 2^(w i), to
 *   which d 2^(w i) G is added, d odd. Both are not 0 modulo n, and S = +-d 2^(w i) not as
 * integers; below the top also S -+ d 2^(w i) is below n in magnitude. At the top S + 2^255 = u is
 * not 0 modulo n, but S - 2^255 = -n is possible (u = 2^256 - n).
 * - u P from the top down: the sum is V P with V an odd positive multiple of 2^w, to which d P is
 *   added, |d| < 2^w <= V. Before the last window V + |d| < n. There V + d = u is not 0 modulo n,
 *   but V - d = n is possible (u = n - 2 (n mod 2^w)).
 *
 * Products are wiped from the scratch; statuses (a k out of range, a peer that is no point) are
 * public.
 */
#include "providers/core/secret.h"
#include "providers/ec/portable/portable.h"

/* u, and all ones in *negated where it is n - k. */
FE4_INLINE struct fe4 odd_scalar(enum curve curve, const uint8_t k[static EC_SCALAR_LEN],
                                 uint64_t *negated)
{
    const struct fe4_mod n = order_of(curve);
    const struct fe4 plain = fe4_load_be(k);
    *negated = ~ct_mask(plain.v[0]);
    return fe4_select(*negated, plain, fe4_neg(n, plain));
}

/* The window's entry for digit i of u; entries are read from first to last, whatever u is. */
FE4_INLINE struct pt_aff secret_entry(struct fe4_mod p, const struct pt_aff window[SECRET_ENTRIES],
                                      struct fe4 u, unsigned i)
{
    const uint64_t b = fe4_bits(u, i * SECRET_WIDTH + 1, SECRET_WIDTH);
    const uint64_t negative = ~ct_mask(b >> (SECRET_WIDTH - 1));
    const uint64_t index = (b ^ negative) & (SECRET_ENTRIES - 1);
    struct pt_aff r = {0};
    for (uint64_t j = 0; j < SECRET_ENTRIES; j++) {
        const uint64_t mask = ct_equal(j, index);
        for (int w = 0; w < FE4_WORDS; w++) {
            r.x.v[w] |= window[j].x.v[w] & mask;
            r.y.v[w] |= window[j].y.v[w] & mask;
        }
    }
    r.y = fe4_select(negative, r.y, fe4_neg(p, r.y));
    return r;
}

FE4_INLINE struct pt_jac mul_base_one(struct fe4_mod p, enum curve curve,
                                      const uint8_t k[static EC_SCALAR_LEN])
{
    const struct pt_aff *entries = base_points[curve].secret->entries;
    uint64_t negated;
    struct fe4 u = odd_scalar(curve, k, &negated);
    struct pt_jac sum = pt_jac_of(p, secret_entry(p, entries, u, 0));
    for (unsigned i = 1; i < SECRET_WINDOWS; i++) {
        sum = pt_madd(p, sum, secret_entry(p, entries + i * SECRET_ENTRIES, u, i));
    }
    sum = pt_madd_or_dbl(p, sum, entries[SECRET_WINDOWS * SECRET_ENTRIES]);
    sum.y = fe4_select(negated, sum.y, fe4_neg(p, sum.y));
    secret_wipe(&u, sizeof u);
    return sum;
}

/* x alone is wanted: the sign does not matter. */
FE4_INLINE struct pt_jac mul_point_one(struct fe4_mod p, enum curve curve,
                                       const struct pt_aff multiples[SECRET_ENTRIES],
                                       const uint8_t k[static EC_SCALAR_LEN])
{
    uint64_t negated;
    struct fe4 u = odd_scalar(curve, k, &negated);
    struct pt_jac sum = pt_jac_of(p, multiples[0]);
    for (unsigned i = SECRET_WINDOWS; i-- > 0;) {
        for (unsigned j = 0; j < SECRET_WIDTH; j++) {
            sum = pt_dbl(p, sum);
        }
        const struct pt_aff e = secret_entry(p, multiples, u, i);
        sum = i > 0 ? pt_madd(p, sum, e) : pt_madd_or_dbl(p, sum, e);
    }
    secret_wipe(&u, sizeof u);
    return sum;
}

static void mul_base_p256(const uint8_t *k, struct pt_jac *out)
{
    *out = mul_base_one(field_of(CURVE_P256, true), CURVE_P256, k);
}

static void mul_base_any(enum curve curve, const uint8_t *k, struct pt_jac *out)
{
    *out = mul_base_one(field_of(curve, false), curve, k);
}

static void mul_point_p256(const struct pt_aff *multiples, const uint8_t *k, struct pt_jac *out)
{
    *out = mul_point_one(field_of(CURVE_P256, true), CURVE_P256, multiples, k);
}

static void mul_point_any(enum curve curve, const struct pt_aff *multiples, const uint8_t *k,
                          struct pt_jac *out)
{
    *out = mul_point_one(field_of(curve, false), curve, multiples, k);
}

static void mul_base_chunk(struct ec_scratch *s, enum curve curve, size_t n,
                           const uint8_t *const k[], uint8_t *const Q[], enum status out[])
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        memset(Q[i], 0, EC_POINT_LEN);
        out[i] = scalar_in_range(curve_params(curve), k[i]) ? STATUS_OK : STATUS_BAD_SCALAR;
        if (out[i] != STATUS_OK) {
            continue;
        }
        if (curve == CURVE_P256) {
            mul_base_p256(k[i], &s->results[count]);
        } else {
            mul_base_any(curve, k[i], &s->results[count]);
        }
        s->item[count++] = i;
    }
    jac_to_affine(curve, s, count, s->results, s->finished, true);
    for (size_t i = 0; i < count; i++) {
        point_encode(curve, &s->finished[i], Q[s->item[i]]);
    }
    secret_wipe(s->results, count * sizeof s->results[0]);
}

/* 2 P, 4 P, 8 P, 16 P of each peer to affine, and with them the odd multiples up to 31 P. Peers are
 * public. */
static void peer_multiples(struct ec_scratch *s, enum curve curve, size_t count)
{
    const struct fe4_mod p = field_of(curve, false);
    enum { DOUBLINGS = SECRET_WIDTH - 1 };
    bool unused = false; /* multiples below n of a point of order n: none are equal or opposite */
    for (size_t i = 0; i < count; i++) {
        struct pt_jac sum = pt_jac_of(p, s->multiples[i][0]);
        for (size_t j = 0; j < DOUBLINGS; j++) {
            s->doublings[i * DOUBLINGS + j] = sum = pt_dbl(p, sum);
        }
    }
    jac_to_affine(curve, s, count * DOUBLINGS, s->doublings, s->affine, false);
    for (size_t k = 0; k < DOUBLINGS; k++) {
        const size_t half = (size_t)1 << k;
        size_t n = 0;
        for (size_t i = 0; i < count; i++) {
            struct pt_aff *m = s->multiples[i];
            for (size_t j = 0; j < half; j++) {
                s->pairs[n++] = (struct affine_pair){&m[j], &s->affine[i * DOUBLINGS + k],
                                                     &m[half + j], &unused};
            }
        }
        affine_add_vartime(curve, s, n, s->pairs);
    }
}

static void ecka_chunk(struct ec_scratch *s, enum curve curve, size_t n, const uint8_t *const k[],
                       const uint8_t *const peer[], uint8_t *const z[], enum status out[])
{
    const struct ec64_curve *c = &ec64_curves[curve];
    const struct fe4_mod p = field_of(curve, false);
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        memset(z[i], 0, ECDH_Z_LEN);
        out[i] = point_decode(curve, peer[i], &s->multiples[count][0]);
        if (out[i] == STATUS_OK && !scalar_in_range(curve_params(curve), k[i])) {
            out[i] = STATUS_BAD_SCALAR;
        }
        if (out[i] == STATUS_OK) {
            s->item[count++] = i;
        }
    }
    peer_multiples(s, curve, count);
    for (size_t i = 0; i < count; i++) {
        if (curve == CURVE_P256) {
            mul_point_p256(s->multiples[i], k[s->item[i]], &s->results[i]);
        } else {
            mul_point_any(curve, s->multiples[i], k[s->item[i]], &s->results[i]);
        }
    }
    jac_to_affine(curve, s, count, s->results, s->finished, true);
    for (size_t i = 0; i < count; i++) {
        const struct fe4 x = fe4_mul(p, s->finished[i].x, fe4_of(c->out_x));
        fe4_store_be(z[s->item[i]], fe4_from_mont(p, x));
    }
    secret_wipe(s->results, count * sizeof s->results[0]);
    secret_wipe(s->finished, count * sizeof s->finished[0]);
}

void portable_mul_base(struct ec_scratch *s, enum curve curve, size_t n, const uint8_t *const k[],
                       uint8_t *const Q[], enum status out[])
{
    for (size_t i = 0; i < n; i += CHUNK) {
        mul_base_chunk(s, curve, n - i < CHUNK ? n - i : CHUNK, k + i, Q + i, out + i);
    }
}

void portable_ecka(struct ec_scratch *s, enum curve curve, size_t n, const uint8_t *const k[],
                   const uint8_t *const peer[], uint8_t *const z[], enum status out[])
{
    for (size_t i = 0; i < n; i += CHUNK) {
        ecka_chunk(s, curve, n - i < CHUNK ? n - i : CHUNK, k + i, peer + i, z + i, out + i);
    }
}
