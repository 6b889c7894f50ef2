/*
 * One signature alone, for latency: the entries of u1 G + u2 Q are spread over the eight lanes,
 * summed in Jacobian coordinates, and the lanes summed into one. x(sum) = r is asked as X = r Z^2,
 * so that the only inversion is that of s.
 *
 * Entries of both tables meet in a lane, so a signer who chose Q for it can make operands equal;
 * that, like a sum that is infinity, ends in Z = 0 (pt8.h), and the item goes to
 * ifma_verify_unknown_vartime.
 */
#include "providers/ec/ifma/aff8.h"
#include "providers/ec/ifma/ifma.h"
#include "providers/ec/ifma/sc8.h"
#include "providers/ec/modinv64.h"

enum {
    E_LANE, /* after the division by s: u1 */
    R_LANE, /* u2 */
    S_LANE,
    WINDOWS_MAX = 20 + 51, /* of G's and of the narrowest table */
};

/* The entries to add, a vector after the other; the last has `rest` lanes, or all. */
struct entries {
    unsigned count;
    uint64_t address[WINDOWS_MAX + FE8_LANES];
    uint64_t negative[WINDOWS_MAX + FE8_LANES]; /* all ones or zero */
};

/* A scalar's windows, eight a step: the word and the bit of each lane's window are found by
 * permuting the scalar's words. */
static void add_entries(struct entries *e, const uint64_t words[FE8_LANES],
                        const struct ifma_table *t)
{
    const __m512i u = _mm512_loadu_si512(words);
    const struct table8_shape shape = t->shape;
    for (unsigned i = 0; i < shape.windows; i += FE8_LANES) {
        const __m512i window =
            _mm512_add_epi64(fe8_word(i), _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7));
        __m512i address;
        const __mmask8 negative = sc8_digits_of_one(&address, u, t, window);
        const __m512i sign = _mm512_movm_epi64(negative);
        _mm512_storeu_si512(e->address + e->count + i, address);
        _mm512_storeu_si512(e->negative + e->count + i, sign);
    }
    e->count += shape.windows;
}

/* u1 and u2 in E_LANE and R_LANE, of 1 / s as a plain number. */
static struct fe8 divide_by_s(const struct ec52_curve *c, const struct ec64_curve *c64,
                              struct fe8 ers)
{
    const struct fe8_mod n = {&c->n, false};
    __m512i columns[EC64_LIMBS];
    uint64_t words[EC64_LIMBS];
    fe8_to_words(columns, ers);
    for (int i = 0; i < EC64_LIMBS; i++) {
        uint64_t lanes[FE8_LANES];
        _mm512_storeu_si512(lanes, columns[i]);
        words[i] = lanes[S_LANE];
    }
    const struct fe8 mont = fe8_to_mont(n, ers); /* beside the inversion */
    modinv64_vartime(&c64->n, words, words);
    for (int i = 0; i < EC64_LIMBS; i++) {
        columns[i] = fe8_word(words[i]);
    }
    return fe8_full(n, fe8_mul(n, mont, fe8_from_words(columns)));
}

static void collect(struct entries *e, const struct ec52_curve *c, struct fe8 u,
                    const struct ifma_table *g, const struct ifma_table *q)
{
    const struct sc8_odd odd = sc8_make_odd((struct fe8_mod){&c->n, false}, u);
    uint64_t columns[FE8_LANES][FE8_LANES] = {0}, u1[FE8_LANES], u2[FE8_LANES];
    for (int i = 0; i < SC8_WORDS; i++) {
        _mm512_storeu_si512(columns[i], odd.w[i]);
    }
    for (int i = 0; i < FE8_LANES; i++) {
        u1[i] = columns[i][E_LANE];
        u2[i] = columns[i][R_LANE];
    }
    e->count = 0;
    add_entries(e, u1, g);
    add_entries(e, u2, q);
    for (unsigned i = 0; i < e->count; i++) {
        _mm_prefetch((const void *)(uintptr_t)e->address[i], _MM_HINT_T0);
    }
    for (unsigned i = e->count; i % FE8_LANES != 0; i++) { /* read, and not added */
        e->address[i] = e->address[0];
        e->negative[i] = 0;
    }
}

FE8_INLINE struct pt8_aff entries_at(struct fe8_mod p, const struct entries *e, unsigned at)
{
    const __m512i sign = _mm512_loadu_si512(e->negative + at);
    return pt8_aff_neg(p, aff8_load(e->address + at), _mm512_movepi64_mask(sign));
}

FE8_INLINE struct fe8 permute(struct fe8 a, __m512i lanes)
{
    for (int i = 0; i < FE8_LIMBS; i++) {
        a.v[i] = _mm512_permutexvar_epi64(lanes, a.v[i]);
    }
    return a;
}

/* p + its lanes permuted. */
FE8_INLINE struct pt8_jac add_lanes(struct fe8_mod p, struct pt8_jac a, __m512i lanes)
{
    const struct pt8_jac b = {permute(a.x, lanes), permute(a.y2, lanes), permute(a.z, lanes)};
    return pt8_add(p, a, b);
}

/* The sum of all entries, in every lane. */
FE8_INLINE struct pt8_jac sum(struct fe8_mod p, const struct entries *e)
{
    struct pt8_jac a = pt8_from_aff(entries_at(p, e, 0), fe8_broadcast(p.m->one));
    for (unsigned at = FE8_LANES; at < e->count; at += FE8_LANES) {
        const unsigned lanes = e->count - at < FE8_LANES ? e->count - at : FE8_LANES;
        const struct pt8_jac b = pt8_madd(p, a, entries_at(p, e, at));
        a = pt8_select((__mmask8)((1U << lanes) - 1), a, b);
    }
    a = add_lanes(p, a, _mm512_setr_epi64(4, 5, 6, 7, 0, 1, 2, 3));
    a = add_lanes(p, a, _mm512_setr_epi64(2, 3, 0, 1, 6, 7, 4, 5));
    return add_lanes(p, a, _mm512_setr_epi64(1, 0, 3, 2, 5, 4, 7, 6));
}

/* Whether X = r Z^2 for the plain r, in R_LANE. */
FE8_INLINE bool x_is(struct fe8_mod p, const struct ec52_curve *c, const struct pt8_jac *a,
                     struct fe8 r)
{
    struct fe8 x = fe8_mul(p, fe8_to_mont(p, r), fe8_broadcast(c->in_x)); /* 1.2 */
    x = fe8_mul(p, x, fe8_sqr(p, a->z));                                  /* 1.1 */
    const struct fe8 d = fe8_sub(p, x, a->x, 2); /* 4; its product with 1 is 1.25 */
    const struct fe8 reduced = fe8_mul(p, d, fe8_broadcast(p.m->one));
    return (fe8_product_is_zero(p, reduced) >> R_LANE & 1) != 0;
}

/* OK, SIGNATURE_INVALID, or COULD_NOT_TELL for an exceptional sum. */
FE8_INLINE enum status judge(struct fe8_mod p, const struct ec52_curve *c, const struct entries *e,
                             struct fe8 r)
{
    const struct pt8_jac a = sum(p, e);
    if ((pt8_exceptional(p, &a) & 1) != 0) {
        return STATUS_COULD_NOT_TELL;
    }
    if ((fe8_limbs_less(r, fe8_broadcast(p.m->m)) >> R_LANE & 1) == 0) {
        return STATUS_SIGNATURE_INVALID; /* r may be above p where n is */
    }
    if (x_is(p, c, &a, r)) {
        return STATUS_OK;
    }
    /* x mod n = r has the solution x = r + n too, where that is below p. */
    const bool small = (fe8_limbs_less(r, fe8_broadcast(c->p_minus_n)) >> R_LANE & 1) != 0;
    return small && x_is(p, c, &a, fe8_add(r, fe8_broadcast(c->n.m))) ? STATUS_OK
                                                                      : STATUS_SIGNATURE_INVALID;
}

static enum status judge_p256(const struct ec52_curve *c, const struct entries *e, struct fe8 r)
{
    return judge((struct fe8_mod){&c->p, true}, c, e, r);
}

static enum status judge_any(const struct ec52_curve *c, const struct entries *e, struct fe8 r)
{
    return judge((struct fe8_mod){&c->p, false}, c, e, r);
}

enum status ifma_verify_one_vartime(struct ec_scratch *s, enum curve curve,
                                    const struct verify_item *item, const struct ec_table *table)
{
    const struct ec52_curve *c = &ec52_curves[curve];
    const uint8_t *sig_s = item->signature + EC_SCALAR_LEN;
    const uint8_t *at[FE8_LANES] = {item->digest, item->signature, sig_s, sig_s,
                                    sig_s,        sig_s,           sig_s, sig_s};
    const __mmask8 checked = 1 << R_LANE | 1 << S_LANE;
    const struct fe8 ers = fe8_load_be(at);
    if ((sc8_in_range((struct fe8_mod){&c->n, false}, ers) & checked) != checked) {
        return STATUS_SIGNATURE_INVALID;
    }
    struct entries e;
    const struct fe8 u = divide_by_s(c, &ec64_curves[curve], ers);
    collect(&e, c, u, table8_g(curve), ifma_table_of(table));
    enum status status = (curve == CURVE_P256 ? judge_p256 : judge_any)(c, &e, ers);
    if (status == STATUS_COULD_NOT_TELL) {
        ifma_verify_unknown_vartime(s, curve, 1, &item, &status);
    }
    return status;
}
