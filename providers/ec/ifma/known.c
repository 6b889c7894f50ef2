/*
 * ECDSA verification with tables: u1 G + u2 Q is a sum of table entries, made as a tree of affine
 * additions, level by level across a chunk of items, with one inversion a level.
 *
 * Eight items are a group, one a lane. Each item's tree has two halves, the entries of G's table
 * and those of Q's, which meet in the root. There, x(P1 + P2) = r is asked without an inversion:
 *   (y2 - y1)^2 = (r + x1 + x2) (x2 - x1)^2.
 * Lanes with x2 = x1 anywhere (the wanted sum is infinity, or a blinding point was guessed) go to
 * ifma_verify_unknown_vartime, which has no exceptions: nobody else's item notices.
 *
 * A level runs forwards, multiplying the denominators into two chains, and backwards, taking each
 * its inverse and finishing its addition; the sum takes the place of its first operand. Steps of
 * two groups are interleaved: one product alone leaves the multipliers idle half of the time.
 */
#include <stdlib.h>
#include <string.h>

#include "providers/ec/ifma/aff8.h"
#include "providers/ec/ifma/chain8.h"
#include "providers/ec/ifma/ifma.h"
#include "providers/ec/ifma/sc8.h"

enum {
    GROUPS_MAX = 16,
    CHUNK_MAX = GROUPS_MAX * FE8_LANES,
    WINDOWS_MAX = 20 + 51, /* G's and the narrowest table's */
    SLOTS_MAX = 10 + 26,   /* half of each, rounded up */
    LEVELS_MAX = 6,        /* of the half with most windows */
    PREFETCH = 2,          /* gathers ahead */
    ALONE_MAX = 4,         /* so few are faster one by one */
};

/* A sum and the addition that it is about to enter as first operand. */
struct node {
    struct fe8 x, y;
    struct fe8 y2;     /* first level: the second operand's, raw */
    struct fe8 dx;     /* x2 - x1 + 2 m, below 4 m */
    struct fe8 prefix; /* its chain before dx */
};

struct pair {
    uint8_t first, second;
};

/*
 * Which slots are added on each level. A slot is first filled from one window or two; its own two
 * are the first level's addition.
 */
struct plan {
    unsigned levels;
    unsigned windows_g, windows; /* G's, and G's and Q's together */
    unsigned slots_g, slots;
    uint8_t window[SLOTS_MAX]; /* a slot's first */
    bool single[SLOTS_MAX];    /* and only one */
    struct {
        unsigned count;
        struct pair pair[SLOTS_MAX];
    } level[LEVELS_MAX];
};

struct known_scratch {
    struct node node[SLOTS_MAX][GROUPS_MAX];
    struct {
        uint64_t address[FE8_LANES];
    } entry[WINDOWS_MAX][GROUPS_MAX];
    uint8_t negative[WINDOWS_MAX][GROUPS_MAX];
    struct fe8 r[GROUPS_MAX], e[GROUPS_MAX], s[GROUPS_MAX], prefix[GROUPS_MAX];
    struct plan plan[EC_TABLE_LEVELS];
    __mmask8 bad[GROUPS_MAX];   /* r or s out of range */
    __mmask8 again[GROUPS_MAX]; /* met a zero denominator */
    __mmask8 good[GROUPS_MAX];  /* the verdict */
    size_t index[CHUNK_MAX];    /* of the chunk's items */
    const struct verify_item *item[CHUNK_MAX];
    const struct ifma_table *table[CHUNK_MAX];
};

/* What a chunk is computed with. */
struct chunk {
    struct known_scratch *s;
    const struct ec52_curve *c52;
    const struct ec64_curve *c64;
    struct fe8_mod p, n;
    const struct ifma_table *g;
    struct table8_shape shape; /* of all keys in the chunk */
    const struct plan *plan;
    unsigned groups;
};

/* One half of the tree: these windows into slots, and slots pairwise until one is left. */
static void plan_half(struct plan *p, unsigned window, unsigned windows)
{
    uint8_t left[SLOTS_MAX];
    unsigned count = 0;
    for (unsigned i = 0; i < windows; i += 2) {
        const uint8_t slot = (uint8_t)p->slots++;
        p->window[slot] = (uint8_t)(window + i);
        p->single[slot] = i + 1 == windows;
        if (!p->single[slot]) {
            p->level[0].pair[p->level[0].count++] = (struct pair){slot, slot};
        }
        left[count++] = slot;
    }
    for (unsigned level = 1; count > 1; level++) {
        unsigned kept = 0;
        for (unsigned i = 0; i < count; i += 2) {
            if (i + 1 < count) {
                p->level[level].pair[p->level[level].count++] = (struct pair){left[i], left[i + 1]};
            }
            left[kept++] = left[i];
        }
        count = kept;
        p->levels = level + 1 > p->levels ? level + 1 : p->levels;
    }
}

static void plan_init(struct plan *p, struct table8_shape g, struct table8_shape q)
{
    *p = (struct plan){.levels = 1, .windows_g = g.windows, .windows = g.windows + q.windows};
    plan_half(p, 0, g.windows);
    p->slots_g = p->slots;
    plan_half(p, g.windows, q.windows);
}

enum status known_scratch_new(struct known_scratch **out)
{
    struct known_scratch *s = aligned_alloc(sizeof(__m512i), sizeof *s);
    *out = s;
    if (s == NULL) {
        return STATUS_INTERNAL;
    }
    memset(s, 0, sizeof *s);
    for (unsigned level = EC_TABLE_SMALL; level < EC_TABLE_LEVELS; level++) {
        plan_init(&s->plan[level], table8_shape_of(EC_TABLE_NONE),
                  table8_shape_of((enum ec_table_level)level));
    }
    return STATUS_OK;
}

void known_scratch_free(struct known_scratch **s)
{
    free(*s);
    *s = NULL;
}

/* Scalars: ranges, 1 / s, digits. */

/* The eight items' r, s and e; lanes out of range get s = 1. */
static void load_group(const struct chunk *k, unsigned g)
{
    struct known_scratch *s = k->s;
    const uint8_t *r_at[FE8_LANES], *s_at[FE8_LANES], *e_at[FE8_LANES];
    for (unsigned i = 0; i < FE8_LANES; i++) {
        const struct verify_item *item = s->item[g * FE8_LANES + i];
        r_at[i] = item->signature;
        s_at[i] = item->signature + EC_SCALAR_LEN;
        e_at[i] = item->digest;
    }
    const struct fe8 one = fe8_broadcast((const uint64_t[FE8_LIMBS]){1});
    s->r[g] = fe8_load_be(r_at);
    s->s[g] = fe8_load_be(s_at);
    s->e[g] = fe8_load_be(e_at);
    s->bad[g] = (__mmask8) ~(sc8_in_range(k->n, s->r[g]) & sc8_in_range(k->n, s->s[g]));
    s->s[g] = fe8_select(s->bad[g], s->s[g], one);
}

/* Window i's addresses and signs for all of a scalar's windows. */
static void write_digits(const struct chunk *k, unsigned g, unsigned at, struct fe8 u,
                         struct table8_shape shape, __m512i base)
{
    const struct sc8_odd odd = sc8_make_odd(k->n, u);
    for (unsigned i = 0; i < shape.windows; i++) {
        __m512i address;
        k->s->negative[at + i][g] = sc8_digit(&address, &odd, shape, i, base);
        _mm512_store_si512(k->s->entry[at + i][g].address, address);
    }
}

/* u1 = e / s and u2 = r / s, given the chain's inverse: R / s in plain numbers, so that the
 * products come out plain. */
static void finish_scalars(const struct chunk *k, unsigned g, struct fe8 *inverse)
{
    struct known_scratch *s = k->s;
    const struct fe8 w = fe8_mul(k->n, *inverse, s->prefix[g]);
    const struct fe8 u1 = fe8_full(k->n, fe8_mul(k->n, s->e[g], w));
    const struct fe8 u2 = fe8_full(k->n, fe8_mul(k->n, s->r[g], w));
    uint64_t base[FE8_LANES];
    *inverse = fe8_mul(k->n, *inverse, s->s[g]);
    for (unsigned i = 0; i < FE8_LANES; i++) {
        base[i] = (uintptr_t)s->table[g * FE8_LANES + i]->entries;
    }
    write_digits(k, g, 0, u1, k->g->shape, fe8_word((uintptr_t)k->g->entries));
    write_digits(k, g, k->plan->windows_g, u2, k->shape, _mm512_loadu_si512(base));
}

static void scalars(const struct chunk *k)
{
    const struct fe8 one = fe8_broadcast(k->n.m->one);
    struct fe8 chain[CHAINS] = {one, one}, inverse[CHAINS];
    for (unsigned g = 0; g < k->groups; g++) {
        load_group(k, g);
        k->s->prefix[g] = chain[g & 1];
        chain[g & 1] = fe8_mul(k->n, chain[g & 1], k->s->s[g]);
    }
    /* no s is 0 */
    (void)chain8_invert_vartime(k->n, &k->c64->n, CHAIN8_PLAIN, inverse, chain);
    for (unsigned g = k->groups; g-- > 0;) {
        finish_scalars(k, g, &inverse[g & 1]);
    }
}

/* The tree. */

FE8_INLINE struct pt8_aff gather(const struct chunk *k, bool p256, unsigned window, unsigned g)
{
    const struct fe8_mod p = {k->p.m, p256};
    struct pt8_aff a = aff8_load(k->s->entry[window][g].address);
    const __mmask8 negative = k->s->negative[window][g];
    for (int i = 0; i < FE8_LIMBS; i++) { /* m - y, raw: y is below m */
        a.y.v[i] = _mm512_mask_sub_epi64(a.y.v[i], negative, fe8_word(p.m->m[i]), a.y.v[i]);
    }
    return a;
}

FE8_INLINE void prefetch(const struct chunk *k, unsigned window, unsigned g)
{
    for (unsigned i = 0; i < FE8_LANES; i++) {
        _mm_prefetch((const void *)(uintptr_t)k->s->entry[window][g].address[i], _MM_HINT_T0);
    }
}

FE8_INLINE void multiply_in(struct fe8_mod p, struct node *n, struct fe8 dx, struct fe8 *chain)
{
    n->dx = dx;
    n->prefix = *chain;
    *chain = fe8_mul(p, *chain, dx);
}

/* The first level's operands, from two windows. */
FE8_INLINE void fill_pair(const struct chunk *k, bool p256, unsigned slot, unsigned g,
                          struct fe8 *chain)
{
    const struct fe8_mod p = {k->p.m, p256};
    const unsigned window = k->plan->window[slot];
    struct node *n = &k->s->node[slot][g];
    const struct pt8_aff a = gather(k, p256, window, g);
    const struct pt8_aff b = gather(k, p256, window + 1, g);
    n->x = a.x;
    n->y = a.y;
    n->y2 = b.y;
    multiply_in(p, n, fe8_sub(p, b.x, a.x, 2), chain);
}

FE8_INLINE void fill_slot(const struct chunk *k, bool p256, unsigned slot, struct fe8 chain[CHAINS])
{
    const unsigned window = k->plan->window[slot];
    for (unsigned g = 0; g < k->groups; g++) {
        if (k->plan->single[slot]) {
            const struct pt8_aff a = gather(k, p256, window, g);
            k->s->node[slot][g].x = a.x;
            k->s->node[slot][g].y = fe8_carry(a.y);
            continue;
        }
        if (g + PREFETCH < k->groups) {
            prefetch(k, window, g + PREFETCH);
            prefetch(k, window + 1, g + PREFETCH);
        }
        fill_pair(k, p256, slot, g, &chain[g & 1]);
    }
}

/* A level forwards: all denominators, and the chains' products. */
FE8_INLINE void forwards(const struct chunk *k, bool p256, unsigned level, struct fe8 chain[CHAINS])
{
    const struct fe8_mod p = {k->p.m, p256};
    chain[0] = chain[1] = fe8_broadcast(p.m->one);
    if (level == 0) {
        for (unsigned slot = 0; slot < k->plan->slots; slot++) {
            fill_slot(k, p256, slot, chain);
        }
        return;
    }
    for (unsigned i = 0; i < k->plan->level[level].count; i++) {
        struct node *first = k->s->node[k->plan->level[level].pair[i].first];
        const struct node *second = k->s->node[k->plan->level[level].pair[i].second];
        for (unsigned g = 0; g < k->groups; g++) {
            multiply_in(p, &first[g], fe8_sub(p, second[g].x, first[g].x, 2), &chain[g & 1]);
        }
    }
}

/* After a product that was 0: flags the lanes to blame, puts 1 for their denominators, and makes
 * the chains anew. */
static void mask_zeros(const struct chunk *k, unsigned level, struct fe8 chain[CHAINS])
{
    const struct fe8_mod p = {k->p.m, false};
    const struct fe8 one = fe8_broadcast(p.m->one);
    chain[0] = chain[1] = one;
    for (unsigned i = 0; i < k->plan->level[level].count; i++) {
        struct node *first = k->s->node[k->plan->level[level].pair[i].first];
        for (unsigned g = 0; g < k->groups; g++) {
            const __mmask8 zero = fe8_product_is_zero(p, fe8_mul(p, first[g].dx, one));
            k->s->again[g] |= zero;
            multiply_in(p, &first[g], fe8_select(zero, first[g].dx, one), &chain[g & 1]);
        }
    }
}

/*
 * `count` additions end, of the groups from g on, each with its chain's inverse: the sum replaces
 * the first operand. dx = x2 - x1 + 2 m, so x1 + x2 = 2 x1 + dx - 2 m, which is added to 4 m below.
 */
FE8_INLINE void finish(struct fe8_mod p, unsigned count, struct node *first,
                       const struct node *second, bool first_level, struct fe8 *inverse)
{
    struct fe8 inv[CHAINS], lambda[CHAINS], x3[CHAINS];
    for (unsigned i = 0; i < count; i++) {
        inv[i] = fe8_mul(p, inverse[i], first[i].prefix);
    }
    for (unsigned i = 0; i < count; i++) {
        inverse[i] = fe8_mul(p, inverse[i], first[i].dx);
    }
    for (unsigned i = 0; i < count; i++) {
        const struct fe8 y2 = first_level ? first[i].y2 : second[i].y;
        lambda[i] = fe8_mul(p, fe8_sub(p, y2, first[i].y, 2), inv[i]);
    }
    for (unsigned i = 0; i < count; i++) {
        struct fe8 sum = fe8_add_raw(fe8_times_raw(first[i].x, 2), first[i].dx);
        for (int l = 0; l < FE8_LIMBS; l++) {
            sum.v[l] = _mm512_sub_epi64(sum.v[l], fe8_word(2 * p.m->m[l]));
        }
        x3[i] = aff8_x3(p, lambda[i], sum);
    }
    for (unsigned i = 0; i < count; i++) {
        first[i].y = aff8_y3(p, lambda[i], first[i].x, x3[i], first[i].y);
        first[i].x = x3[i];
    }
}

FE8_INLINE void backwards(const struct chunk *k, bool p256, unsigned level,
                          struct fe8 inverse[CHAINS])
{
    const struct fe8_mod p = {k->p.m, p256};
    for (unsigned i = k->plan->level[level].count; i-- > 0;) {
        struct node *first = k->s->node[k->plan->level[level].pair[i].first];
        const struct node *second = k->s->node[k->plan->level[level].pair[i].second];
        unsigned g = k->groups;
        if (g % CHAINS != 0) {
            g--;
            finish(p, 1, first + g, second + g, level == 0, inverse);
        }
        while (g > 0) {
            g -= CHAINS;
            finish(p, CHAINS, first + g, second + g, level == 0, inverse);
        }
    }
}

FE8_INLINE void sum_level(const struct chunk *k, bool p256, unsigned level)
{
    struct fe8 chain[CHAINS], inverse[CHAINS];
    const struct fe8_mod p = {k->p.m, p256};
    forwards(k, p256, level, chain);
    if (!chain8_invert_vartime(p, &k->c64->p, CHAIN8_MONT, inverse, chain)) {
        mask_zeros(k, level, chain);
        (void)chain8_invert_vartime(p, &k->c64->p, CHAIN8_MONT, inverse, chain);
    }
    backwards(k, p256, level, inverse);
}

/* Lanes where dy^2 = (r + x1 + x2) dx^2: r below n and plain, x1 + x2 raw and below 4 m, the
 * squares below 2 m. */
FE8_INLINE __mmask8 x_is(const struct chunk *k, bool p256, struct fe8 r, struct fe8 x_sum,
                         struct fe8 dx2, struct fe8 dy2)
{
    const struct fe8_mod p = {k->p.m, p256};
    struct fe8 x = fe8_to_mont(p, r);
    if (k->c52->twisted) {
        x = fe8_mul(p, x, fe8_broadcast(k->c52->in_x));
    }
    const struct fe8 want = fe8_mul(p, fe8_add(x, x_sum), dx2); /* 6 * 2 / 16 + 1 */
    const struct fe8 d = fe8_add_multiple_raw(p, fe8_sub_raw(dy2, want), 2);
    return fe8_product_is_zero(p, fe8_weak_raw(p, d));
}

/* The root of a group: verdicts, and the lanes where both halves have the same x. */
FE8_INLINE void root(const struct chunk *k, bool p256, unsigned g)
{
    const struct fe8_mod p = {k->p.m, p256};
    struct known_scratch *s = k->s;
    const struct node *a = &s->node[0][g];
    const struct node *b = &s->node[k->plan->slots_g][g];
    const struct fe8 dx2 = fe8_sqr(p, fe8_sub(p, b->x, a->x, 2)); /* 4; 2 */
    const struct fe8 dy2 = fe8_sqr(p, fe8_sub(p, b->y, a->y, 2));
    const struct fe8 x_sum = fe8_add_raw(a->x, b->x);
    s->again[g] |= fe8_product_is_zero(p, dx2);
    /* x mod n = r has the solutions x = r and, where that is below p, x = r + n. */
    const __mmask8 small = fe8_limbs_less(s->r[g], fe8_broadcast(k->c52->p_minus_n));
    __mmask8 good = x_is(k, p256, s->r[g], x_sum, dx2, dy2);
    good &= fe8_limbs_less(s->r[g], fe8_broadcast(p.m->m)); /* r may be above p where n is */
    if (small != 0) {
        const struct fe8 r_n = fe8_add(s->r[g], fe8_broadcast(k->n.m->m));
        good |= small & x_is(k, p256, r_n, x_sum, dx2, dy2);
    }
    s->good[g] = good;
}

FE8_INLINE void sum_all(const struct chunk *k, bool p256)
{
    for (unsigned level = 0; level < k->plan->levels; level++) {
        sum_level(k, p256, level);
    }
    for (unsigned g = 0; g < k->groups; g++) {
        root(k, p256, g);
    }
}

static void sum_p256(const struct chunk *k)
{
    sum_all(k, true);
}

static void sum_any(const struct chunk *k)
{
    sum_all(k, false);
}

/* Chunks. */

/* The chunk's exceptional items, all together. */
static void verify_again(struct ec_scratch *scratch, enum curve curve, unsigned count,
                         enum status out[])
{
    struct known_scratch *s = ifma_scratch_of(scratch)->known;
    enum status status[CHUNK_MAX];
    size_t n = 0;
    for (unsigned i = 0; i < count; i++) {
        const unsigned g = i / FE8_LANES;
        if ((s->again[g] & ~s->bad[g] & 1U << (i % FE8_LANES)) != 0) {
            s->index[n] = s->index[i];
            s->item[n] = s->item[i];
            n++;
        }
    }
    if (n != 0) {
        ifma_verify_unknown_vartime(scratch, curve, n, s->item, status);
    }
    for (size_t i = 0; i < n; i++) {
        out[s->index[i]] = status[i];
    }
}

static void verify_chunk(struct ec_scratch *scratch, enum curve curve, enum ec_table_level level,
                         unsigned count, enum status out[])
{
    struct known_scratch *s = ifma_scratch_of(scratch)->known;
    const struct ec52_curve *c = &ec52_curves[curve];
    const unsigned groups = (count + FE8_LANES - 1) / FE8_LANES;
    const struct chunk k = {.s = s,
                            .c52 = c,
                            .c64 = &ec64_curves[curve],
                            .p = {&c->p, curve == CURVE_P256},
                            .n = {&c->n, false},
                            .g = table8_g(curve),
                            .shape = table8_shape_of(level),
                            .plan = &s->plan[level],
                            .groups = groups};
    if (count <= ALONE_MAX) {
        for (unsigned i = 0; i < count; i++) {
            out[s->index[i]] = ifma_verify_one_vartime(
                scratch, curve, s->item[i], (const struct ec_table *)(const void *)s->table[i]);
        }
        return;
    }
    for (unsigned i = count; i < groups * FE8_LANES; i++) { /* idle lanes repeat the first */
        s->item[i] = s->item[0];
        s->table[i] = s->table[0];
    }
    memset(s->again, 0, sizeof s->again);
    scalars(&k);
    (curve == CURVE_P256 ? sum_p256 : sum_any)(&k);
    for (unsigned i = 0; i < count; i++) {
        const unsigned g = i / FE8_LANES;
        const unsigned lane = 1U << (i % FE8_LANES);
        out[s->index[i]] =
            (s->good[g] & ~s->bad[g] & lane) != 0 ? STATUS_OK : STATUS_SIGNATURE_INVALID;
    }
    verify_again(scratch, curve, count, out);
}

void ifma_verify_known_vartime(struct ec_scratch *scratch, enum curve curve, size_t n,
                               const struct verify_item *const items[],
                               const struct ec_table *const tables[], enum status out[])
{
    struct known_scratch *s = ifma_scratch_of(scratch)->known;
    for (enum ec_table_level level = EC_TABLE_SMALL; level < EC_TABLE_LEVELS; level++) {
        unsigned count = 0;
        for (size_t i = 0; i < n; i++) {
            if (ifma_table_of(tables[i])->level == level) {
                s->index[count] = i;
                s->item[count] = items[i];
                s->table[count] = ifma_table_of(tables[i]);
                count++;
            }
            if (count == CHUNK_MAX) {
                verify_chunk(scratch, curve, level, count, out);
                count = 0;
            }
        }
        if (count != 0) {
            verify_chunk(scratch, curve, level, count, out);
        }
    }
}
