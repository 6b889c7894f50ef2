/* Builds G's tables for key generation, eight windows in eight lanes. All of it is public. */
#include "providers/ec/ifma/ecka_base.h"

#include <stdlib.h>

#include "providers/ec/ifma/inv8.h"
#include "providers/ec/ifma/pt8.h"

enum { GROUPS = (BASE_WINDOWS + FE8_LANES - 1) / FE8_LANES }; /* of windows */

struct base_window ecka_base_tables[CURVE_COUNT][BASE_WINDOWS];

struct base_build {
    struct pt8_jac base[GROUPS]; /* lane l of group g: 2^(7 (8g + l)) G */
    struct pt8_jac multiple[BASE_ENTRIES];
    struct fe8 z[BASE_ENTRIES], prefix[BASE_ENTRIES];
};

static void build_bases(const struct ec52_curve *c, struct fe8_mod mod, struct base_build *b)
{
    const struct pt8_aff G = {fe8_broadcast(c->gx), fe8_broadcast(c->gy)};
    struct pt8_jac p = pt8_from_aff(G, fe8_broadcast(mod.m->one));
    for (unsigned i = 0; i < GROUPS * FE8_LANES; i++) {
        struct pt8_jac *base = &b->base[i / FE8_LANES];
        *base = pt8_select((__mmask8)(1U << i % FE8_LANES), i % FE8_LANES == 0 ? p : *base, p);
        for (unsigned j = 0; j < BASE_W; j++) {
            p = pt8_dbl(mod, p);
        }
    }
}

static void store(uint64_t row[BASE_WORDS][BASE_ENTRIES], unsigned entry, unsigned lane,
                  const uint64_t words[BASE_WORDS][FE8_LANES])
{
    for (unsigned w = 0; w < BASE_WORDS; w++) {
        row[w][entry] = words[w][lane];
    }
}

/* Entry j of each window of a group. */
static void store_entry(struct fe8_mod mod, struct base_window table[BASE_WINDOWS], unsigned group,
                        unsigned j, const struct pt8_aff *entry)
{
    __m512i w[BASE_WORDS];
    uint64_t x[BASE_WORDS][FE8_LANES], y[BASE_WORDS][FE8_LANES];
    fe8_to_words(w, fe8_full(mod, entry->x));
    for (unsigned i = 0; i < BASE_WORDS; i++) {
        _mm512_storeu_si512(x[i], w[i]);
    }
    fe8_to_words(w, fe8_full(mod, entry->y));
    for (unsigned i = 0; i < BASE_WORDS; i++) {
        _mm512_storeu_si512(y[i], w[i]);
    }
    for (unsigned lane = 0; lane < FE8_LANES; lane++) {
        const unsigned window = group * FE8_LANES + lane;
        if (window < BASE_WINDOWS) {
            store(table[window].x, j, lane, x);
            store(table[window].y, j, lane, y);
        }
    }
}

static void build_group(struct fe8_mod mod, struct base_window table[BASE_WINDOWS], unsigned group,
                        struct base_build *b)
{
    const struct pt8_jac twice = pt8_dbl(mod, b->base[group]);
    b->multiple[0] = b->base[group];
    for (unsigned j = 1; j < BASE_ENTRIES; j++) { /* never of equal points: 2 j - 1 is not +-2 */
        b->multiple[j] = pt8_add(mod, b->multiple[j - 1], twice);
    }
    for (unsigned j = 0; j < BASE_ENTRIES; j++) {
        b->z[j] = b->multiple[j].z;
    }
    fe8_inv_batch(mod, BASE_ENTRIES, b->z, b->prefix);
    for (unsigned j = 0; j < BASE_ENTRIES; j++) {
        const struct pt8_aff entry = pt8_to_aff(mod, b->multiple[j], b->z[j]);
        store_entry(mod, table, group, j, &entry);
    }
}

enum status ecka_global_init(void)
{
    struct base_build *b = aligned_alloc(_Alignof(struct base_build), sizeof *b);
    if (b == NULL) {
        return STATUS_INTERNAL;
    }
    for (unsigned curve = CURVE_P256; curve < CURVE_COUNT; curve++) {
        const struct ec52_curve *c = &ec52_curves[curve];
        const struct fe8_mod mod = {&c->p, false}; /* the general form serves P-256 as well */
        build_bases(c, mod, b);
        for (unsigned group = 0; group < GROUPS; group++) {
            build_group(mod, ecka_base_tables[curve], group, b);
        }
    }
    free(b);
    return STATUS_OK;
}
