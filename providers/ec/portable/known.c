/*
 * Verification with a table a key: no doubling, and one inversion a level for a whole chunk.
 *
 * u1 G + R and u2 Q - R are each a sum of one table entry a window (R stands in the tables' last
 * windows, and is unknown to who makes signatures). Each sum is a tree of affine additions, taken
 * level by level across all items; the two roots are added last. Where two equal or opposite points
 * meet nonetheless (u1 G = +-u2 Q, or luck), the item alone is verified again without tables'
 * trees.
 */
#include "providers/ec/portable/portable.h"

/* The windows' entries of u, or of u + n where u is even; asks the cache for them. Returns how
 * many. */
static size_t pick_entries(const struct ec_table *t, const struct fe4_mod order, struct fe4 u,
                           struct pick picks[])
{
    uint64_t high = 0;
    if ((u.v[0] & 1) == 0) {
        u = fe4_sum(u, fe4_of(order.m->m), &high);
    }
    for (unsigned i = 0; i < t->shape.windows; i++) {
        picks[i] = table_pick(t, i, u, high);
        __builtin_prefetch(picks[i].entry);
    }
    return t->shape.windows;
}

static void load_entries(const struct fe4_mod p, size_t n, const struct pick picks[],
                         struct pt_aff points[])
{
    for (size_t i = 0; i < n; i++) {
        const struct pt_aff *e = picks[i].entry;
        points[i].x = e->x;
        points[i].y = fe4_select(0 - (uint64_t)picks[i].negative, e->y, fe4_neg(p, e->y));
    }
}

static void load_sums(struct ec_scratch *s, enum curve curve, size_t count,
                      const struct ec_table *const tables[])
{
    const struct ec_table *base = base_points[curve].wide;
    const struct fe4_mod p = field_of(curve, false), order = order_of(curve);
    for (size_t i = 0; i < count; i++) {
        struct sum *sum = &s->sums[i];
        *sum = (struct sum){0};
        sum->g = pick_entries(base, order, s->prepared[i].u1, s->picks[i]);
        sum->q = pick_entries(tables[s->item[i]], order, s->prepared[i].u2, s->picks[i] + sum->g);
    }
    for (size_t i = 0; i < count; i++) {
        load_entries(p, s->sums[i].g + s->sums[i].q, s->picks[i], s->points[i]);
    }
}

/* Neighbours of n points into the first half of their places. Returns how many pairs. */
static size_t pair_up(struct affine_pair pairs[], struct pt_aff points[], size_t n, bool *failed)
{
    for (size_t i = 0; i < n / 2; i++) {
        pairs[i] = (struct affine_pair){&points[2 * i], &points[2 * i + 1], &points[i], failed};
    }
    return n / 2;
}

/* An odd point out goes behind the sums. Returns how many points are left. */
static size_t close_up(struct pt_aff points[], size_t n)
{
    if (n % 2 != 0) {
        points[n / 2] = points[n - 1];
    }
    return (n + 1) / 2;
}

/* G's points stand from 0 on, Q's from BASE_WINDOWS on, always. */
static size_t pair_level(struct ec_scratch *s, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        struct sum *sum = &s->sums[i];
        struct pt_aff *g = s->points[i], *q = g + BASE_WINDOWS;
        if (sum->g == 1 && sum->q == 1) {
            if (!sum->done) {
                s->pairs[n++] = (struct affine_pair){g, q, g, &sum->failed};
                sum->done = true;
            }
            continue;
        }
        n += pair_up(s->pairs + n, g, sum->g, &sum->failed);
        n += pair_up(s->pairs + n, q, sum->q, &sum->failed);
    }
    return n;
}

static void sum_points(struct ec_scratch *s, enum curve curve, size_t count)
{
    for (;;) {
        const size_t n = pair_level(s, count);
        if (n == 0) {
            return;
        }
        affine_add_vartime(curve, s, n, s->pairs);
        for (size_t i = 0; i < count; i++) {
            s->sums[i].g = close_up(s->points[i], s->sums[i].g);
            s->sums[i].q = close_up(s->points[i] + BASE_WINDOWS, s->sums[i].q);
        }
    }
}

/* A table's first entry is its key. */
static enum status verdict_of(const struct ec_scratch *s, enum curve curve, size_t i,
                              const struct ec_table *table)
{
    const struct prepared *p = &s->prepared[i];
    if (__builtin_expect(s->sums[i].failed, 0)) {
        return verify_exact_vartime(curve, p, &table->entries[0]);
    }
    const struct fe4 one = fe4_one(field_of(curve, false));
    return x_matches_vartime(curve, s->points[i][0].x, one, p->r) ? STATUS_OK
                                                                  : STATUS_SIGNATURE_INVALID;
}

static void verify_chunk(struct ec_scratch *s, enum curve curve, size_t n,
                         const struct verify_item *const items[],
                         const struct ec_table *const tables[], enum status out[])
{
    for (size_t i = 0; i < n; i++) {
        out[i] = STATUS_OK;
    }
    const size_t count = prepare_vartime(s, curve, n, items, out);
    load_sums(s, curve, count, tables);
    sum_points(s, curve, count);
    for (size_t i = 0; i < count; i++) {
        out[s->item[i]] = verdict_of(s, curve, i, tables[s->item[i]]);
    }
}

void portable_verify_known_vartime(struct ec_scratch *s, enum curve curve, size_t n,
                                   const struct verify_item *const items[],
                                   const struct ec_table *const tables[], enum status out[])
{
    for (size_t i = 0; i < n; i += CHUNK) {
        verify_chunk(s, curve, n - i < CHUNK ? n - i : CHUNK, items + i, tables + i, out + i);
    }
}
