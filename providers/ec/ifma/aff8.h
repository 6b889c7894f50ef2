/*
 * Affine points in eight lanes, from table entries and back, and their additions with a shared
 * inversion (chain8.h).
 */
#ifndef PROVIDERS_EC_IFMA_AFF8_H
#define PROVIDERS_EC_IFMA_AFF8_H

#include "providers/ec/ifma/pt8.h"
#include "providers/ec/ifma/table8.h"

/* Eight entries, each anywhere: below m. */
FE8_INLINE struct pt8_aff aff8_load(const uint64_t address[FE8_LANES])
{
    __m512i rows[FE8_LANES], columns[FE8_LANES];
    for (int i = 0; i < FE8_LANES; i++) {
        rows[i] = _mm512_load_si512((const void *)(uintptr_t)address[i]);
    }
    fe8_transpose(columns, rows);
    return (struct pt8_aff){fe8_from_words(columns), fe8_from_words(columns + EC64_LIMBS)};
}

/* p below 2 m. */
FE8_INLINE void aff8_store(struct fe8_mod mod, struct table8_entry *const out[FE8_LANES],
                           struct pt8_aff p)
{
    __m512i rows[FE8_LANES], columns[FE8_LANES];
    fe8_to_words(columns, fe8_full(mod, p.x));
    fe8_to_words(columns + EC64_LIMBS, fe8_full(mod, p.y));
    fe8_transpose(rows, columns);
    for (int i = 0; i < FE8_LANES; i++) {
        _mm512_store_si512(out[i], rows[i]);
    }
}

/*
 * The end of an addition or doubling of slope lambda = num / den:
 *   x3 = lambda^2 - x1 - x2, y3 = lambda (x1 - x3) - y1.
 * lambda below 1.5 m, x1 and y1 below 2 m (y1 may be raw), x1 + x2 raw and below 4 m; gives x3 and
 * y3 below 2 m. lambda^2 is below 1.15 m, its sum with 4 m below 5.2 m; x1 - x3 below 4 m, the
 * product below 1.4 m, y3 below 3.4 m before the weak reduction.
 */
FE8_INLINE struct fe8 aff8_x3(struct fe8_mod mod, struct fe8 lambda, struct fe8 x1_plus_x2)
{
    const struct fe8 x = fe8_sub_raw(fe8_sqr(mod, lambda), x1_plus_x2);
    return fe8_weak_raw(mod, fe8_add_multiple_raw(mod, x, 4));
}

FE8_INLINE struct fe8 aff8_y3(struct fe8_mod mod, struct fe8 lambda, struct fe8 x1, struct fe8 x3,
                              struct fe8 y1)
{
    const struct fe8 y = fe8_sub_raw(fe8_mul(mod, lambda, fe8_sub(mod, x1, x3, 2)), y1);
    return fe8_weak_raw(mod, fe8_add_multiple_raw(mod, y, 2));
}

#endif
