/*
 * Tables of eight keys in the eight lanes: the odd multiples Q, 3 Q, ..., 31 Q of each, affine.
 *
 * They are made for many vectors at once by affine additions with one shared inversion a level:
 * from the multiples below 2^k and 2^k Q come those below 2^(k+1) and 2^(k+1) Q. The points are on
 * the curve and of its prime order n, and j Q = +-k Q for no two of these numbers: no denominator
 * is zero. Variable time in public points alone.
 */
#ifndef PROVIDERS_EC_IFMA_QTABLE8_H
#define PROVIDERS_EC_IFMA_QTABLE8_H

#include "providers/ec/ifma/aff8.h"
#include "providers/ec/ifma/inv8.h"
#include "providers/ec/ifma/pt8.h"

enum {
    QTABLE8_W = 5,
    QTABLE8_POINTS = 1 << (QTABLE8_W - 1),
    QTABLE8_DENOMINATORS = QTABLE8_POINTS / 2 + 1, /* a vector, at most, in one level */
};

/* Lane by lane, so that an entry is one cache line: [lane][j] is (2 j + 1) Q of that lane. */
struct qtable8 {
    struct table8_entry entry[FE8_LANES][QTABLE8_POINTS];
};

/* What a vector needs while its table grows; odd[0] and even are Q at the start. */
struct qtable8_build {
    struct pt8_aff odd[QTABLE8_POINTS];
    struct pt8_aff even; /* 2^k Q */
};

FE8_INLINE struct pt8_aff qtable8_add(struct fe8_mod mod, struct pt8_aff p, struct pt8_aff q,
                                      struct fe8 inverse_dx)
{
    const struct fe8 dy = fe8_sub(mod, q.y, p.y, 2);       /* 4 */
    const struct fe8 slope = fe8_mul(mod, dy, inverse_dx); /* 1.5 */
    const struct fe8 x = aff8_x3(mod, slope, fe8_add_raw(p.x, q.x));
    return (struct pt8_aff){x, aff8_y3(mod, slope, p.x, x, p.y)};
}

FE8_INLINE struct pt8_aff qtable8_double(struct fe8_mod mod, struct pt8_aff p,
                                         struct fe8 inverse_2y)
{
    const struct fe8 one = fe8_broadcast(mod.m->one);
    const struct fe8 xx = fe8_sub_raw(fe8_sqr(mod, p.x), one); /* a = -3: 3 x^2 - 3 */
    const struct fe8 dy = fe8_carry(fe8_add_multiple_raw(mod, fe8_times_raw(xx, 3), 3)); /* 6.75 */
    const struct fe8 slope = fe8_mul(mod, dy, inverse_2y);                               /* 1.85 */
    const struct fe8 x = aff8_x3(mod, slope, fe8_times_raw(p.x, 2));
    return (struct pt8_aff){x, aff8_y3(mod, slope, p.x, x, p.y)};
}

/* A level for one vector: the `have` odd multiples get as many more; `even` doubles. den: the
 * denominators, then their inverses. */
FE8_INLINE void qtable8_denominators(struct fe8_mod mod, const struct qtable8_build *b,
                                     unsigned have, struct fe8 *den)
{
    den[0] = fe8_carry(fe8_times_raw(b->even.y, 2)); /* 4 */
    for (unsigned j = 0; j < have; j++) {
        den[j + 1] = fe8_sub(mod, b->even.x, b->odd[j].x, 2); /* 4 */
    }
}

FE8_INLINE void qtable8_level(struct fe8_mod mod, struct qtable8_build *b, unsigned have,
                              const struct fe8 *inverse)
{
    const struct pt8_aff even = b->even;
    b->even = qtable8_double(mod, even, inverse[0]);
    for (unsigned j = 0; j < have; j++) {
        b->odd[have + j] = qtable8_add(mod, b->odd[j], even, inverse[j + 1]);
    }
}

FE8_INLINE void qtable8_store(struct fe8_mod mod, struct qtable8 *t, const struct qtable8_build *b)
{
    for (unsigned j = 0; j < QTABLE8_POINTS; j++) {
        struct table8_entry *out[FE8_LANES];
        for (unsigned lane = 0; lane < FE8_LANES; lane++) {
            out[lane] = &t->entry[lane][j];
        }
        aff8_store(mod, out, b->odd[j]);
    }
}

/*
 * The tables of v vectors from b[i].odd[0], points of the curve, coordinates below 2 m. den and
 * prefix: room for v * QTABLE8_DENOMINATORS.
 */
FE8_INLINE void qtable8_make(struct fe8_mod mod, const struct ec64_modulus *m64, size_t v,
                             struct qtable8 t[], struct qtable8_build b[], struct fe8 *den,
                             struct fe8 *prefix)
{
    for (size_t i = 0; i < v; i++) {
        b[i].even = b[i].odd[0];
    }
    /* The first level only doubles: Q + Q is no chord. */
    for (unsigned have = 0; have < QTABLE8_POINTS; have = have == 0 ? 1 : 2 * have) {
        const size_t stride = have + 1;
        for (size_t i = 0; i < v; i++) {
            qtable8_denominators(mod, &b[i], have, den + i * stride);
        }
        fe8_inv_batch_vartime(mod, m64, v * stride, den, prefix);
        for (size_t i = 0; i < v; i++) {
            qtable8_level(mod, &b[i], have, den + i * stride);
        }
    }
    for (size_t i = 0; i < v; i++) {
        qtable8_store(mod, &t[i], &b[i]);
    }
}

#endif
