/*
 * Tables of odd multiples, built in bounded steps: first the points 2^e Q by doubling, made affine
 * slice by slice; then each window's entries 2^k .. 2^(k+1) - 1 from its first 2^k by adding
 * 2^(w i + k + 1) Q, many at once with one inversion.
 *
 * Within a window all multiples are different integers below the order of Q, except in the last one
 * where they may exceed it; there every entry carries the random offset, so that a sum of equal
 * points would take knowledge of it. No addition here needs an exceptional case.
 */
#include <stdlib.h>

#include "providers/ec/portable/portable.h"

enum {
    POWERS = SCALAR_BITS + 1, /* 2^e Q for e = 0 .. 256 */
    SLICE = 64,
};

struct ec_build {
    struct ec_table *table;
    struct pt_aff offset;
    bool offset_given;
    bool failed; /* for struct affine_pair; see above why it stays false */
    struct pt_jac jac[POWERS];
    struct pt_aff power[POWERS];
    size_t doubled, affine; /* how many of jac and of power are there */
    bool begun;             /* whether the windows' first entries are there */
    unsigned k, window;     /* where filling stands: entry 2^k + j of this window */
    size_t j;
};

struct table_shape table_shape(unsigned width)
{
    /* Odd u have up to 257 bits, of which the lowest needs no digit. A last window of one bit would
     * cost an addition each time: the one below takes it. */
    const unsigned rest = SCALAR_BITS % width;
    const unsigned windows = rest > 1 ? SCALAR_BITS / width + 1 : SCALAR_BITS / width;
    return (struct table_shape){width, windows, SCALAR_BITS - width * (windows - 1)};
}

static size_t window_entries(const struct table_shape *s, unsigned window)
{
    return (size_t)1 << (window + 1 == s->windows ? s->last_bits : s->width - 1);
}

static size_t entry_count(const struct table_shape *s)
{
    return ((size_t)(s->windows - 1) << (s->width - 1)) + window_entries(s, s->windows - 1);
}

size_t table_shape_bytes(struct table_shape shape)
{
    return sizeof(struct ec_table) + entry_count(&shape) * sizeof(struct pt_aff);
}

/* aligned_alloc takes whole multiples of the alignment (C11, 7.22.3.1). */
static void *alloc_lines(size_t bytes)
{
    return aligned_alloc(CACHE_LINE, (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
}

enum status table_build_begin(struct ec_build **out, enum curve curve, const struct pt_aff *Q,
                              struct table_shape shape, const struct pt_aff *offset)
{
    struct ec_build *b = alloc_lines(sizeof *b);
    struct ec_table *t = alloc_lines(table_shape_bytes(shape));
    *out = NULL;
    if (b == NULL || t == NULL) {
        free(t);
        free(b);
        return STATUS_INTERNAL;
    }
    memset(b, 0, sizeof *b);
    t->curve = curve;
    t->shape = shape;
    b->table = t;
    if (offset != NULL) {
        b->offset_given = true;
        b->offset = *offset;
    }
    b->jac[0] = pt_jac_of(field_of(curve, false), *Q);
    b->doubled = 1;
    *out = b;
    return STATUS_OK;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Returns how many it made. */
static size_t double_some(struct ec_build *b, size_t points)
{
    const struct fe4_mod p = field_of(b->table->curve, false);
    const size_t n = smaller(points, POWERS - b->doubled);
    for (size_t i = 0; i < n; i++) {
        b->jac[b->doubled] = pt_dbl(p, b->jac[b->doubled - 1]);
        b->doubled++;
    }
    return n;
}

static size_t normalise_some(struct ec_build *b, struct ec_scratch *s, size_t points)
{
    const size_t n = smaller(smaller(points, SLICE), POWERS - b->affine);
    jac_to_affine(b->table->curve, s, n, b->jac + b->affine, b->power + b->affine, false);
    b->affine += n;
    return n;
}

/* Each window's first entry, 2^(w i) Q, the last one's with the offset. */
static size_t place_first(struct ec_build *b, struct ec_scratch *s)
{
    struct ec_table *t = b->table;
    const unsigned last = t->shape.windows - 1;
    struct pt_aff *first = t->entries;
    for (unsigned i = 0; i <= last; i++) {
        first = t->entries + ((size_t)i << (t->shape.width - 1));
        *first = b->power[i * t->shape.width];
    }
    if (b->offset_given) {
        const struct affine_pair pair = {first, &b->offset, first, &b->failed};
        affine_add_vartime(t->curve, s, 1, &pair);
    }
    b->begun = true;
    return 1;
}

/* Entries 2^k + j from entries j, of one k: they are independent of each other. Returns how many it
 * made; 0 when the table is complete. */
static size_t fill_some(struct ec_build *b, struct ec_scratch *s, size_t points)
{
    struct ec_table *t = b->table;
    const size_t most = smaller(points, PAIRS_MAX);
    const unsigned width = t->shape.width, k = b->k;
    const size_t half = (size_t)1 << k;
    size_t n = 0;
    while (n < most && b->window < t->shape.windows) {
        if (b->j == half || half >= window_entries(&t->shape, b->window)) {
            b->window++;
            b->j = 0;
            continue;
        }
        struct pt_aff *window = t->entries + ((size_t)b->window << (width - 1));
        const struct pt_aff *step = &b->power[b->window * width + k + 1];
        s->pairs[n++] = (struct affine_pair){&window[b->j], step, &window[half + b->j], &b->failed};
        b->j++;
    }
    affine_add_vartime(t->curve, s, n, s->pairs);
    if (b->window == t->shape.windows) {
        b->window = 0;
        b->k++;
    }
    return n;
}

static bool is_complete(const struct ec_build *b)
{
    const struct table_shape *s = &b->table->shape;
    return b->k >= s->width - 1 && b->k >= s->last_bits;
}

struct ec_table *table_build_step(struct ec_build *b, struct ec_scratch *s, size_t points)
{
    while (points > 0) {
        if (b->doubled < POWERS) {
            points -= double_some(b, points);
        } else if (b->affine < POWERS) {
            points -= normalise_some(b, s, points);
        } else if (!b->begun) {
            points -= place_first(b, s);
        } else if (!is_complete(b)) {
            points -= fill_some(b, s, points);
        } else {
            struct ec_table *t = b->table;
            b->table = NULL;
            return t;
        }
    }
    return NULL;
}

void table_build_free(struct ec_build **b)
{
    if (*b != NULL) {
        free((*b)->table);
    }
    free(*b);
    *b = NULL;
}

void table_free(struct ec_table **t)
{
    free(*t);
    *t = NULL;
}
