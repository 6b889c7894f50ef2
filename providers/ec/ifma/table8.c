/*
 * Building tables: a chain of doublings (Jacobian, one point in all lanes) gives each window its
 * first entry; then the odd multiples double in number with each stage, all windows side by side:
 * after the multiples 1, 3 ... 2m-1 come 2m+1 ... 4m-1, each the sum of one of them and 2m times
 * the first. So every addition of a stage is independent, and a batch shares one inversion.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "providers/ec/ifma/aff8.h"
#include "providers/ec/ifma/chain8.h"
#include "providers/ec/ifma/ecka_base.h"
#include "providers/ec/ifma/ifma.h"

enum {
    WINDOWS_MAX = 56, /* the narrowest table's 51, in whole vectors */
    BATCH_VECTORS = 64,
    HUGE_PAGE = 2 << 20,
    SCALAR_BITS = 256,
};

/* The last window's entries: 2^(256 - w (l-1)), of digits below 2^(257 - w (l-1)). */
#define SHAPE(w, l)                                                                                \
    {                                                                                              \
        (w), (l), 1U << (SCALAR_BITS - (w) * ((l)-1))                                              \
    }
static const struct table8_shape shapes[EC_TABLE_LEVELS] = {
    [EC_TABLE_NONE] = SHAPE(13, 20), /* of G: 5 MB */
    [EC_TABLE_SMALL] = SHAPE(5, 51),
    [EC_TABLE_MEDIUM] = SHAPE(8, 32),
    [EC_TABLE_WIDE] = SHAPE(10, 26),
};

/* Additions and doublings of a batch, a vector each: slope num / den. */
struct build_node {
    struct fe8 x, y, x_sum, num, den, prefix;
    struct table8_entry *out[FE8_LANES];
};

struct ec_build {
    struct ifma_table *table;
    const struct table8_entry *blind;
    bool subtract_blind;
    struct pt8_jac at;                        /* 2^doubled of the point, in all lanes */
    unsigned doubled;                         /* doublings done */
    uint64_t base[3][FE8_LIMBS][WINDOWS_MAX]; /* x, 2y, z of each window's first point */
    bool expanding;                           /* those are affine now */
    unsigned m;                               /* the stage; 0: nothing but the first */
    size_t next;                              /* the stage's next task */
    struct table8_entry step[WINDOWS_MAX];    /* 2m times each window's first point */
    struct build_node node[BATCH_VECTORS];
};

static struct {
    struct ifma_table *g[CURVE_COUNT];
    struct table8_entry blind[CURVE_COUNT];
} shared;

const struct ifma_table *table8_g(enum curve curve)
{
    return shared.g[curve];
}

const struct table8_entry *table8_blind(enum curve curve)
{
    return &shared.blind[curve];
}

struct table8_shape table8_shape_of(enum ec_table_level level)
{
    return shapes[level];
}

static struct fe8_mod mod_p(enum curve curve)
{
    return (struct fe8_mod){&ec52_curves[curve].p, curve == CURVE_P256};
}

static size_t entry_count(struct table8_shape shape)
{
    return ((size_t)(shape.windows - 1) << (shape.w - 1)) + shape.last;
}

/* Entries of window i. */
static unsigned window_entries(struct table8_shape shape, unsigned i)
{
    return i + 1 < shape.windows ? 1U << (shape.w - 1) : shape.last;
}

static struct table8_entry *window_at(const struct ifma_table *t, unsigned i)
{
    return t->entries + ((size_t)i << (t->shape.w - 1));
}

static size_t shape_bytes(struct table8_shape shape)
{
    return entry_count(shape) * sizeof(struct table8_entry) + sizeof(struct ifma_table);
}

size_t ifma_table_bytes(enum curve curve, enum ec_table_level level)
{
    (void)curve;
    return shape_bytes(shapes[level]);
}

static struct ifma_table *table_new(enum curve curve, enum ec_table_level level)
{
    struct ifma_table *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return NULL;
    }
    *t = (struct ifma_table){.curve = curve, .level = level, .shape = shapes[level]};
    const size_t bytes = entry_count(t->shape) * sizeof(struct table8_entry);
    const size_t align = bytes >= HUGE_PAGE ? HUGE_PAGE : sizeof(struct table8_entry);
    void *entries = NULL;
    if (posix_memalign(&entries, align, bytes) != 0) {
        free(t);
        return NULL;
    }
    if (bytes >= HUGE_PAGE) {
        (void)madvise(entries, bytes, MADV_HUGEPAGE); /* spares TLB misses; only a wish */
    }
    t->entries = entries;
    return t;
}

void ifma_table_free(struct ec_table **t)
{
    struct ifma_table *table = (struct ifma_table *)(void *)*t;
    if (table != NULL) {
        free(table->entries);
        free(table);
        *t = NULL;
    }
}

/* The point in Montgomery form, on the twist where the curve has one; false when it is none. */
static bool point_import(enum curve curve, const uint8_t point[static EC_POINT_LEN],
                         struct pt8_aff *out)
{
    enum { UNCOMPRESSED = 4 };
    const struct ec52_curve *c = &ec52_curves[curve];
    const struct fe8_mod mod = {&c->p, false};
    const uint8_t *x_lanes[FE8_LANES], *y_lanes[FE8_LANES];
    for (int i = 0; i < FE8_LANES; i++) {
        x_lanes[i] = point + 1;
        y_lanes[i] = point + 1 + EC_SCALAR_LEN;
    }
    const struct fe8 plain_x = fe8_load_be(x_lanes);
    const struct fe8 plain_y = fe8_load_be(y_lanes);
    const struct fe8 p = fe8_broadcast(c->p.m);
    if (point[0] != UNCOMPRESSED || fe8_limbs_less(plain_x, p) == 0 ||
        fe8_limbs_less(plain_y, p) == 0) {
        return false;
    }
    const struct fe8 x = fe8_mul(mod, fe8_to_mont(mod, plain_x), fe8_broadcast(c->in_x));
    const struct fe8 y = fe8_mul(mod, fe8_to_mont(mod, plain_y), fe8_broadcast(c->in_y));
    *out = (struct pt8_aff){x, y};
    /* y^2 = x^3 - 3x + b: all below 2 m; x^3 + b - 3x + 6m - y^2 + 2m */
    const struct fe8 cube = fe8_mul(mod, fe8_sqr(mod, x), x);
    struct fe8 d = fe8_add_raw(cube, fe8_broadcast(c->b));
    d = fe8_sub_raw(d, fe8_times_raw(x, 3));
    d = fe8_sub(mod, d, fe8_sqr(mod, y), 8); /* 11 */
    return fe8_is_zero(mod, fe8_mul(mod, d, fe8_broadcast(c->p.one))) != 0;
}

static enum status build_new(struct ec_build **out, enum curve curve, struct pt8_aff point,
                             enum ec_table_level level)
{
    struct ec_build *b = aligned_alloc(sizeof(__m512i), sizeof *b);
    *out = b;
    if (b == NULL) {
        return STATUS_INTERNAL;
    }
    memset(b, 0, sizeof *b);
    b->table = table_new(curve, level);
    b->blind = &shared.blind[curve];
    b->subtract_blind = level != EC_TABLE_NONE;
    b->at = pt8_from_aff(point, fe8_broadcast(ec52_curves[curve].p.one));
    if (b->table == NULL) {
        ifma_build_free(out);
        return STATUS_INTERNAL;
    }
    return STATUS_OK;
}

enum status ifma_build_begin(struct ec_build **out, enum curve curve,
                             const uint8_t point[static EC_POINT_LEN], enum ec_table_level level)
{
    struct pt8_aff p;
    *out = NULL;
    if (!point_import(curve, point, &p)) {
        return STATUS_BAD_POINT;
    }
    return build_new(out, curve, p, level);
}

void ifma_build_free(struct ec_build **b)
{
    if (*b != NULL) {
        struct ec_table *t = (struct ec_table *)(void *)(*b)->table;
        ifma_table_free(&t);
        free(*b);
        *b = NULL;
    }
}

static void keep_base(struct ec_build *b, unsigned window)
{
    const struct fe8 *parts[3] = {&b->at.x, &b->at.y2, &b->at.z};
    for (int k = 0; k < 3; k++) {
        for (int l = 0; l < FE8_LIMBS; l++) {
            b->base[k][l][window] =
                (uint64_t)_mm_cvtsi128_si64(_mm512_castsi512_si128(parts[k]->v[l]));
        }
    }
}

/* The chain of doublings, as far as the points go; whether it has reached its end. */
FE8_INLINE bool chain_step(struct fe8_mod mod, struct ec_build *b, size_t *points)
{
    const struct table8_shape shape = b->table->shape;
    for (;;) {
        if (b->doubled % shape.w == 0) {
            keep_base(b, b->doubled / shape.w);
            if (b->doubled / shape.w + 1 == shape.windows) {
                return true;
            }
        }
        if (*points == 0) {
            return false;
        }
        b->at = pt8_dbl(mod, b->at);
        b->doubled++;
        --*points;
    }
}

/* Eight windows' first points from `window` on; beyond the last, the last again. */
static struct pt8_jac base_at(const struct ec_build *b, unsigned window)
{
    struct pt8_jac p;
    struct fe8 *parts[3] = {&p.x, &p.y2, &p.z};
    const unsigned windows = b->table->shape.windows;
    const __m512i at = _mm512_min_epu64(
        _mm512_add_epi64(fe8_word(window), _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7)),
        fe8_word(windows - 1));
    for (int k = 0; k < 3; k++) {
        for (int l = 0; l < FE8_LIMBS; l++) {
            parts[k]->v[l] = _mm512_i64gather_epi64(at, b->base[k][l], sizeof(uint64_t));
        }
    }
    return p;
}

/* All first points to affine form: the first entries, and the start of the steps. */
FE8_INLINE void normalise(struct fe8_mod mod, struct ec_build *b)
{
    const unsigned windows = b->table->shape.windows;
    const unsigned vectors = (windows + FE8_LANES - 1) / FE8_LANES;
    const struct fe8 one = fe8_broadcast(mod.m->one);
    struct fe8 chain[CHAINS] = {one, one}, inverse[CHAINS];
    struct fe8 prefix[WINDOWS_MAX / FE8_LANES];
    for (unsigned v = 0; v < vectors; v++) {
        prefix[v] = chain[v & 1];
        chain[v & 1] = fe8_mul(mod, chain[v & 1], base_at(b, v * FE8_LANES).z);
    }
    /* z is never 0: no multiple by a power of two is infinity */
    (void)chain8_invert_vartime(mod, &ec64_curves[b->table->curve].p, CHAIN8_MONT, inverse, chain);
    for (unsigned v = vectors; v-- > 0;) {
        const struct pt8_jac p = base_at(b, v * FE8_LANES);
        const struct pt8_aff a = pt8_to_aff(mod, p, fe8_mul(mod, inverse[v & 1], prefix[v]));
        struct table8_entry *first[FE8_LANES], *step[FE8_LANES];
        inverse[v & 1] = fe8_mul(mod, inverse[v & 1], p.z);
        for (unsigned i = 0; i < FE8_LANES; i++) {
            const unsigned window = v * FE8_LANES + i;
            const unsigned clamped = window < windows ? window : windows - 1;
            first[i] = window_at(b->table, clamped);
            step[i] = &b->step[clamped];
        }
        aff8_store(mod, first, a);
        aff8_store(mod, step, a);
    }
}

/* Additions of a stage: m a window that has room for them; stage 0 blinds the last window. */
static size_t stage_additions(const struct ec_build *b)
{
    const struct table8_shape shape = b->table->shape;
    if (b->m == 0) {
        return 1;
    }
    return (size_t)b->m * ((b->m < window_entries(shape, 0) ? shape.windows - 1 : 0) +
                           (b->m < shape.last ? 1 : 0));
}

/* Where addition t of the stage reads and writes. */
static void addition_at(const struct ec_build *b, size_t t, uint64_t *p, uint64_t *q,
                        struct table8_entry **out)
{
    const struct table8_shape shape = b->table->shape;
    struct table8_entry *window;
    if (b->m == 0) {
        window = window_at(b->table, shape.windows - 1);
        *p = (uintptr_t)window;
        *q = (uintptr_t)b->blind;
        *out = window;
        return;
    }
    unsigned i = (unsigned)(t / b->m);
    if (b->m >= window_entries(shape, 0)) {
        i = shape.windows - 1; /* only the last has room */
    }
    window = window_at(b->table, i);
    *p = (uintptr_t)(window + t % b->m);
    *q = (uintptr_t)&b->step[i];
    *out = window + b->m + t % b->m;
}

FE8_INLINE void begin_addition(struct fe8_mod mod, const struct ec_build *b, size_t t, size_t end,
                               struct build_node *n)
{
    uint64_t p_at[FE8_LANES], q_at[FE8_LANES];
    for (size_t i = 0; i < FE8_LANES; i++) {
        addition_at(b, t + i < end ? t + i : end - 1, &p_at[i], &q_at[i], &n->out[i]);
    }
    const struct pt8_aff p = aff8_load(p_at);
    struct pt8_aff q = aff8_load(q_at);
    if (b->m == 0 && b->subtract_blind) {
        q.y = fe8_neg(mod, q.y, 1);
    }
    n->x = p.x;
    n->y = p.y;
    n->x_sum = fe8_add_raw(p.x, q.x);
    n->num = fe8_sub(mod, q.y, p.y, 2);
    n->den = fe8_sub(mod, q.x, p.x, 2);
}

/* 2y and 3 (x^2 - 1). */
FE8_INLINE void begin_doubling(struct fe8_mod mod, struct ec_build *b, size_t t, size_t end,
                               struct build_node *n)
{
    uint64_t at[FE8_LANES];
    for (size_t i = 0; i < FE8_LANES; i++) {
        n->out[i] = &b->step[t + i < end ? t + i : end - 1];
        at[i] = (uintptr_t)n->out[i];
    }
    const struct pt8_aff p = aff8_load(at);
    const struct fe8 xx = fe8_sub_raw(fe8_sqr(mod, p.x), fe8_broadcast(mod.m->one));
    n->x = p.x;
    n->y = p.y;
    n->x_sum = fe8_add_raw(p.x, p.x);
    n->num = fe8_weak_raw(mod, fe8_times_raw(fe8_add_multiple_raw(mod, xx, 1), 3)); /* 6.2 */
    n->den = fe8_carry(fe8_times_raw(p.y, 2));
}

FE8_INLINE void finish_node(struct fe8_mod mod, struct build_node *n, struct fe8 *inverse)
{
    const struct fe8 lambda = fe8_mul(mod, n->num, fe8_mul(mod, *inverse, n->prefix));
    struct pt8_aff r;
    *inverse = fe8_mul(mod, *inverse, n->den);
    r.x = aff8_x3(mod, lambda, n->x_sum);
    r.y = aff8_y3(mod, lambda, n->x, r.x, n->y);
    aff8_store(mod, n->out, r);
}

/* One batch of at most this many points; whether the table is done. */
FE8_INLINE bool expand_step(struct fe8_mod mod, struct ec_build *b, size_t *points)
{
    const size_t additions = stage_additions(b);
    const size_t tasks = additions + b->table->shape.windows; /* the doublings of the steps */
    const struct fe8 one = fe8_broadcast(mod.m->one);
    struct fe8 chain[CHAINS] = {one, one}, inverse[CHAINS];
    unsigned used = 0;
    while (b->next < tasks && used<BATCH_VECTORS && * points> 0) {
        const size_t end = b->next < additions ? additions : tasks;
        const size_t count = end - b->next < FE8_LANES ? end - b->next : FE8_LANES;
        struct build_node *n = &b->node[used];
        if (b->next < additions) {
            begin_addition(mod, b, b->next, additions, n);
        } else {
            begin_doubling(mod, b, b->next - additions, tasks - additions, n);
        }
        n->prefix = chain[used & 1];
        chain[used & 1] = fe8_mul(mod, n->prefix, n->den);
        used++;
        b->next += count;
        *points -= *points < count ? *points : count;
    }
    /* No denominator is 0: small multiples differ, and the blinding point is nobody's to choose. */
    (void)chain8_invert_vartime(mod, &ec64_curves[b->table->curve].p, CHAIN8_MONT, inverse, chain);
    while (used-- > 0) {
        finish_node(mod, &b->node[used], &inverse[used & 1]);
    }
    if (b->next == tasks) {
        b->next = 0;
        b->m = b->m == 0 ? 1 : 2 * b->m;
    }
    return b->next == 0 && stage_additions(b) == 0;
}

FE8_INLINE bool build_steps(struct fe8_mod mod, struct ec_build *b, size_t points)
{
    bool done = false;
    while (points > 0 && !done) {
        if (b->expanding) {
            done = expand_step(mod, b, &points);
        } else if (chain_step(mod, b, &points)) {
            normalise(mod, b);
            b->expanding = true;
        }
    }
    return done;
}

struct ec_table *ifma_build_step(struct ec_build *b, struct ec_scratch *s, size_t points)
{
    (void)s;
    const struct ec52_modulus *p = &ec52_curves[b->table->curve].p;
    const bool done = b->table->curve == CURVE_P256
                          ? build_steps((struct fe8_mod){p, true}, b, points)
                          : build_steps((struct fe8_mod){p, false}, b, points);
    if (!done) {
        return NULL;
    }
    struct ec_table *t = (struct ec_table *)(void *)b->table;
    b->table = NULL;
    return t;
}

/* R = k G for a random k below 2^255, by doubling and adding. */
static void make_blind(enum curve curve, struct pt8_aff g)
{
    const struct fe8_mod mod = mod_p(curve);
    const struct fe8 one = fe8_broadcast(mod.m->one);
    uint8_t k[EC_SCALAR_LEN];
    randombytes_buf(k, sizeof k);
    k[0] = (uint8_t)(k[0] >> 1 | 0x40); /* top bit where the loop starts */
    struct pt8_jac r = pt8_from_aff(g, one);
    for (unsigned bit = SCALAR_BITS - 2; bit-- > 0;) {
        r = pt8_dbl(mod, r);
        if ((k[EC_SCALAR_LEN - 1 - bit / 8] >> (bit % 8) & 1) != 0) {
            r = pt8_madd(mod, r, g);
        }
    }
    struct fe8 inverse[CHAINS];
    const struct fe8 chain[CHAINS] = {r.z, one};
    (void)chain8_invert_vartime(mod, &ec64_curves[curve].p, CHAIN8_MONT, inverse, chain);
    struct table8_entry *out[FE8_LANES];
    for (int i = 0; i < FE8_LANES; i++) {
        out[i] = &shared.blind[curve];
    }
    aff8_store(mod, out, pt8_to_aff(mod, r, inverse[0]));
    sodium_memzero(k, sizeof k);
}

static enum status init_curve(enum curve curve)
{
    const struct ec52_curve *c = &ec52_curves[curve];
    const struct pt8_aff g = {fe8_broadcast(c->gx), fe8_broadcast(c->gy)};
    struct ec_build *b = NULL;
    make_blind(curve, g);
    TRY(build_new(&b, curve, g, EC_TABLE_NONE));
    shared.g[curve] = (struct ifma_table *)(void *)ifma_build_step(b, NULL, SIZE_MAX);
    ifma_build_free(&b);
    return STATUS_OK;
}

enum status ifma_global_init(void)
{
    for (unsigned curve = CURVE_P256; curve < CURVE_COUNT; curve++) {
        if (shared.g[curve] == NULL) {
            TRY(init_curve((enum curve)curve));
        }
    }
    return ecka_global_init();
}
