/* One scalar inversion for two chains of eight lanes. */
#include "providers/ec/ifma/chain8.h"

#include "providers/ec/ifma/pt8.h"

static struct fe8 rotate(struct fe8 a, __m512i lanes)
{
    for (int i = 0; i < FE8_LIMBS; i++) {
        a.v[i] = _mm512_permutexvar_epi64(lanes, a.v[i]);
    }
    return a;
}

/* 1 / a in all lanes, of a full value that is the same in all lanes; plain, below m. */
static struct fe8 invert_lane(const struct ec64_modulus *m64, struct fe8 a)
{
    __m512i columns[EC64_LIMBS];
    uint64_t words[EC64_LIMBS];
    fe8_to_words(columns, a);
    for (int i = 0; i < EC64_LIMBS; i++) {
        words[i] = (uint64_t)_mm_cvtsi128_si64(_mm512_castsi512_si128(columns[i]));
    }
    modinv64_vartime(m64, words, words);
    for (int i = 0; i < EC64_LIMBS; i++) {
        columns[i] = fe8_word(words[i]);
    }
    return fe8_from_words(columns);
}

/*
 * total = both * r4 * r2 * r1, where each r is what the other lanes held: so 1 / both is 1 / total
 * times the three. All that can be is multiplied before the inversion, which leaves one product
 * behind it. rr enters once a form: a product of a plain inverse loses two R, of which PLAIN wants
 * one back and MONT both.
 */
FE8_INLINE bool invert(struct fe8_mod mod, const struct ec64_modulus *m64, enum chain8_form form,
                       struct fe8 inverse[CHAINS], const struct fe8 product[CHAINS])
{
    const struct fe8 both = fe8_mul(mod, product[0], product[1]);
    const struct fe8 r4 = rotate(both, _mm512_setr_epi64(4, 5, 6, 7, 0, 1, 2, 3));
    const struct fe8 pair = fe8_mul(mod, both, r4);
    const struct fe8 r2 = rotate(pair, _mm512_setr_epi64(2, 3, 0, 1, 6, 7, 4, 5));
    const struct fe8 quad = fe8_mul(mod, pair, r2);
    const struct fe8 r1 = rotate(quad, _mm512_setr_epi64(1, 0, 3, 2, 5, 4, 7, 6));
    const struct fe8 total = fe8_full(mod, fe8_mul(mod, quad, r1));
    struct fe8 others = fe8_mul(mod, fe8_mul(mod, r4, r2), r1);
    for (int i = 0; i < (int)form; i++) {
        others = fe8_mul(mod, others, fe8_broadcast(mod.m->rr));
    }
    const struct fe8 others0 = fe8_mul(mod, others, product[1]);
    const struct fe8 others1 = fe8_mul(mod, others, product[0]);
    if (fe8_limbs_zero(total) != 0) {
        return false;
    }
    const struct fe8 x = invert_lane(m64, total);
    inverse[0] = fe8_mul(mod, x, others0);
    inverse[1] = fe8_mul(mod, x, others1);
    return true;
}

bool chain8_invert_vartime(struct fe8_mod mod, const struct ec64_modulus *m64,
                           enum chain8_form form, struct fe8 inverse[CHAINS],
                           const struct fe8 product[CHAINS])
{
    if (mod.p256) {
        return invert((struct fe8_mod){mod.m, true}, m64, form, inverse, product);
    }
    return invert((struct fe8_mod){mod.m, false}, m64, form, inverse, product);
}
