/*
 * Verification without a table of the key: u2 Q by doubling, with the signed digits of width 5 of
 * u2 (non-adjacent form), to which the entries of G's table are added. Every addition takes equal,
 * opposite and infinite operands, so that the answer is exact: the verification with tables falls
 * back to this one.
 */
#include "providers/ec/portable/portable.h"

enum {
    NAF_WIDTH = 5, /* digits odd, in -15 .. 15, at least NAF_WIDTH positions apart */
    NAF_MULTIPLES = 1 << (NAF_WIDTH - 2),
    NAF_DIGITS = SCALAR_BITS + 1,
};

/*
 * From the lowest bit on: where bit and carry agree the digit is 0 and the carry stays; elsewhere
 * the next bits and the carry are odd, and are taken as a digit, less 2^NAF_WIDTH with a carry
 * where that is shorter. Returns how many digits there are; the highest is not 0.
 */
static size_t naf_of(int8_t digits[static NAF_DIGITS], struct fe4 u)
{
    size_t count = 0;
    unsigned carry = 0, at = 0;
    memset(digits, 0, NAF_DIGITS);
    while (at < NAF_DIGITS) {
        const unsigned left = SCALAR_BITS - at;
        const unsigned bits = left < NAF_WIDTH ? left : NAF_WIDTH;
        const unsigned b = (bits > 0 ? (unsigned)fe4_bits(u, at, bits) : 0) + carry;
        if ((b & 1) == 0) {
            at++;
            continue;
        }
        carry = b >> (NAF_WIDTH - 1);
        digits[at] = (int8_t)((int)b - (int)(carry << NAF_WIDTH));
        count = at + 1;
        at += NAF_WIDTH;
    }
    return count;
}

FE4_INLINE struct pt_jac mul_key(struct fe4_mod p, struct fe4 u, const struct pt_aff *Q)
{
    int8_t digits[NAF_DIGITS];
    struct pt_jac multiples[NAF_MULTIPLES]; /* Q, 3 Q, 5 Q ... */
    const struct pt_jac twice = pt_dbl(p, pt_jac_of(p, *Q));
    multiples[0] = pt_jac_of(p, *Q);
    for (size_t i = 1; i < NAF_MULTIPLES; i++) {
        multiples[i] = pt_add_vartime(p, multiples[i - 1], twice);
    }
    struct pt_jac sum = pt_infinity(p);
    for (size_t i = naf_of(digits, u); i-- > 0;) {
        sum = pt_dbl(p, sum);
        if (digits[i] != 0) {
            const bool negative = digits[i] < 0;
            struct pt_jac m = multiples[(negative ? -digits[i] : digits[i]) / 2];
            m.y = negative ? fe4_neg(p, m.y) : m.y;
            sum = pt_add_vartime(p, sum, m);
        }
    }
    return sum;
}

FE4_INLINE struct pt_jac add_base(struct fe4_mod p, enum curve curve, struct pt_jac sum,
                                  struct fe4 u)
{
    const struct base_point *base = &base_points[curve];
    uint64_t high = 0;
    if ((u.v[0] & 1) == 0) { /* 0 becomes n, whose entries add up to infinity */
        u = fe4_sum(u, fe4_of(ec64_curves[curve].n.m), &high);
    }
    for (unsigned i = 0; i < base->wide->shape.windows; i++) {
        const struct pick pick = table_pick(base->wide, i, u, high);
        struct pt_aff e = *pick.entry;
        e.y = pick.negative ? fe4_neg(p, e.y) : e.y;
        sum = pt_madd_vartime(p, sum, e);
    }
    return pt_madd_vartime(p, sum, (struct pt_aff){base->offset.x, fe4_neg(p, base->offset.y)});
}

static struct pt_jac sum_p256(const struct prepared *s, const struct pt_aff *Q)
{
    const struct fe4_mod p = field_of(CURVE_P256, true);
    return add_base(p, CURVE_P256, mul_key(p, s->u2, Q), s->u1);
}

static struct pt_jac sum_any(enum curve curve, const struct prepared *s, const struct pt_aff *Q)
{
    const struct fe4_mod p = field_of(curve, false);
    return add_base(p, curve, mul_key(p, s->u2, Q), s->u1);
}

enum status verify_exact_vartime(enum curve curve, const struct prepared *s, const struct pt_aff *Q)
{
    const struct fe4_mod p = field_of(curve, false);
    const struct pt_jac sum = curve == CURVE_P256 ? sum_p256(s, Q) : sum_any(curve, s, Q);
    if (fe4_is_zero_vartime(sum.z)) { /* SEC 1, 4.1.4, step 5 */
        return STATUS_SIGNATURE_INVALID;
    }
    return x_matches_vartime(curve, sum.x, fe4_sqr(p, sum.z), s->r) ? STATUS_OK
                                                                    : STATUS_SIGNATURE_INVALID;
}

static void verify_chunk(struct ec_scratch *s, enum curve curve, size_t n,
                         const struct verify_item *const items[], enum status out[])
{
    struct pt_aff *keys = s->affine;
    for (size_t i = 0; i < n; i++) {
        out[i] = point_decode(curve, items[i]->public_key, &keys[i]);
    }
    const size_t count = prepare_vartime(s, curve, n, items, out);
    for (size_t i = 0; i < count; i++) {
        out[s->item[i]] = verify_exact_vartime(curve, &s->prepared[i], &keys[s->item[i]]);
    }
}

void portable_verify_unknown_vartime(struct ec_scratch *s, enum curve curve, size_t n,
                                     const struct verify_item *const items[], enum status out[])
{
    for (size_t i = 0; i < n; i += CHUNK) {
        verify_chunk(s, curve, n - i < CHUNK ? n - i : CHUNK, items + i, out + i);
    }
}
