/*
 * ECDSA verification for keys without a table: eight signatures by eight keys in the eight lanes.
 *
 * u2 Q is a chain of doublings over a table made for the call (qtable8.h), u1 G + R comes from G's
 * wide table by additions alone, and R is taken off at the end. What depends on a neighbour is the
 * inversions of a batch alone, whose denominators are never zero: bad keys and signatures are
 * replaced by good numbers before.
 *
 * The additions are not complete, and leave z = 0 where they meet an exception: whose z is 0 in
 * the end is verified again with complete ones. R is random and the process's own, so nobody can
 * arrange for that between Q's part and G's; but the last addition of Q's chain is exceptional for
 * a few u2 that anybody can choose, and R itself is what is left of a sum at infinity. Such an
 * item costs two and a half times an ordinary one.
 *
 * Public data alone, variable time. A thread's scratch.
 */
#include <stdlib.h>

#include "providers/ec/ifma/ifma.h"
#include "providers/ec/ifma/qtable8.h"
#include "providers/ec/ifma/sc8.h"

enum {
    UNCOMPRESSED = 4,           /* SEC 1, 2.3.3 */
    VECTORS = 32,               /* a pass; the shared inversions' cost a vector is 5 / 32 */
    PASS = VECTORS * FE8_LANES, /* items */
    Q_WINDOWS = 52,             /* 260 bits */
};

/* The last window's digits are 1 and 3: 2^(257 - 5 51) is 4. */
static const struct table8_shape q_shape = {QTABLE8_W, Q_WINDOWS, 2};

/* Eight items. */
struct unknown_vector {
    struct fe8 r, e; /* plain */
    struct fe8 r_x;  /* r as an x coordinate */
    struct sc8_odd u1, u2;
    __mmask8 bad_point, bad_signature, flagged;
    __mmask8 valid;
};

struct unknown_scratch {
    struct unknown_vector vector[VECTORS];
    struct fe8 s[VECTORS]; /* then 1 / s */
    struct qtable8 table[VECTORS];
    struct qtable8_build build[VECTORS];
    struct fe8 den[VECTORS * QTABLE8_DENOMINATORS];
    struct fe8 prefix[VECTORS * QTABLE8_DENOMINATORS];
    const struct verify_item *again[PASS];
    size_t again_at[PASS];
};

enum status unknown_scratch_new(struct unknown_scratch **out)
{
    *out = aligned_alloc(sizeof(__m512i), sizeof **out);
    return *out != NULL ? STATUS_OK : STATUS_INTERNAL;
}

void unknown_scratch_free(struct unknown_scratch **s)
{
    free(*s);
    *s = NULL;
}

/* What a pass works on, and its curve. */
struct pass {
    struct unknown_scratch *s;
    const struct ec52_curve *c;
    const struct ec64_curve *c64;
    enum curve curve;
    bool complete; /* with additions that have no exceptions */
    size_t vectors, n;
    const struct verify_item *const *items;
};

/* A coordinate as the curve is computed with, from a plain number; times is in_x or in_y. */
FE8_INLINE struct fe8 import_coordinate(struct fe8_mod p, const struct ec52_curve *c, struct fe8 a,
                                        const uint64_t times[FE8_LIMBS])
{
    a = fe8_to_mont(p, a);
    return c->twisted ? fe8_mul(p, a, fe8_broadcast(times)) : a;
}

/* Lanes whose point, coordinates below 2 m, is on y^2 = x^3 - 3 x + b. */
FE8_INLINE __mmask8 on_curve(struct fe8_mod p, const struct ec52_curve *c, struct pt8_aff q)
{
    const struct fe8 three = fe8_carry(fe8_times_raw(fe8_broadcast(p.m->one), 3));
    const struct fe8 xx = fe8_sub(p, fe8_sqr(p, q.x), three, 3); /* 4.25 */
    const struct fe8 cube = fe8_mul(p, xx, q.x);                 /* 1.54 */
    const struct fe8 right = fe8_add_raw(cube, fe8_broadcast(c->b));
    const struct fe8 d = fe8_sub_raw(right, fe8_sqr(p, q.y)); /* 2.54 - 1.25 */
    return fe8_is_zero(p, fe8_weak_raw(p, fe8_add_multiple_raw(p, d, 2)));
}

/* Reads eight items; where a point or a signature is bad, G and s = 1 stand in. */
FE8_INLINE void decode(struct fe8_mod p, const struct pass *a, size_t i)
{
    const struct ec52_curve *c = a->c;
    struct unknown_vector *v = &a->s->vector[i];
    const uint8_t *x_at[FE8_LANES], *y_at[FE8_LANES], *r_at[FE8_LANES], *s_at[FE8_LANES];
    const uint8_t *e_at[FE8_LANES];
    __mmask8 form = 0;
    for (size_t lane = 0; lane < FE8_LANES; lane++) {
        const size_t at = i * FE8_LANES + lane;
        const struct verify_item *item = a->items[at < a->n ? at : 0];
        x_at[lane] = item->public_key + 1;
        y_at[lane] = item->public_key + 1 + EC_SCALAR_LEN;
        r_at[lane] = item->signature;
        s_at[lane] = item->signature + EC_SCALAR_LEN;
        e_at[lane] = item->digest;
        form |= (__mmask8)((item->public_key[0] == UNCOMPRESSED) << lane);
    }
    const struct fe8_mod n = {&c->n, false};
    const struct fe8 p_plain = fe8_broadcast(c->p.m), one = {{fe8_word(1)}};
    const struct fe8 x = fe8_load_be(x_at), y = fe8_load_be(y_at), s = fe8_load_be(s_at);
    v->r = fe8_load_be(r_at);
    v->e = fe8_load_be(e_at);
    v->bad_signature = (__mmask8) ~(sc8_in_range(n, v->r) & sc8_in_range(n, s));
    a->s->s[i] = fe8_to_mont(n, fe8_select(v->bad_signature, s, one));
    v->r_x = import_coordinate(p, c, v->r, c->in_x);
    struct pt8_aff q = {import_coordinate(p, c, x, c->in_x), import_coordinate(p, c, y, c->in_y)};
    v->bad_point = (__mmask8) ~(form & fe8_limbs_less(x, p_plain) & fe8_limbs_less(y, p_plain) &
                                on_curve(p, c, q));
    q.x = fe8_select(v->bad_point, q.x, fe8_broadcast(c->gx));
    q.y = fe8_select(v->bad_point, q.y, fe8_broadcast(c->gy));
    a->s->build[i].odd[0] = q;
}

/* u1 = e / s, u2 = r / s mod n: a plain number times a Montgomery form is plain. */
FE8_INLINE void make_scalars(const struct pass *a)
{
    const struct fe8_mod n = {&a->c->n, false};
    fe8_inv_batch_vartime(n, &a->c64->n, a->vectors, a->s->s, a->s->prefix);
    for (size_t i = 0; i < a->vectors; i++) {
        struct unknown_vector *v = &a->s->vector[i];
        v->u1 = sc8_make_odd(n, fe8_full(n, fe8_mul(n, v->e, a->s->s[i])));
        v->u2 = sc8_make_odd(n, fe8_full(n, fe8_mul(n, v->r, a->s->s[i])));
    }
}

/* The entries for window i, negated as the digits are. */
FE8_INLINE struct pt8_aff look_up(struct fe8_mod p, const struct sc8_odd *u,
                                  struct table8_shape shape, unsigned i, __m512i base)
{
    __m512i at;
    const __mmask8 negative = sc8_digit(&at, u, shape, i, base);
    uint64_t address[FE8_LANES];
    _mm512_storeu_si512(address, at);
    return pt8_aff_neg(p, aff8_load(address), negative);
}

/* Each lane's table begins where sc8_digit() expects window i's entries: all windows share one. */
FE8_INLINE struct pt8_aff look_up_q(struct fe8_mod p, const struct pass *a, size_t vector,
                                    unsigned i)
{
    enum { LANE_BYTES = QTABLE8_POINTS * sizeof(struct table8_entry) };
    const __m512i lane = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
    const uint64_t base = (uint64_t)(uintptr_t)&a->s->table[vector] - (uint64_t)i * LANE_BYTES;
    const __m512i at = _mm512_add_epi64(fe8_word(base), _mm512_slli_epi64(lane, 10));
    _Static_assert(LANE_BYTES == 1 << 10, "a lane's table");
    return look_up(p, &a->s->vector[vector].u2, q_shape, i, at);
}

/*
 * The point operations are functions of their own, one instance a form of the modulus: inlined
 * where they are used, they would be larger than the instruction cache.
 */
#define NOINLINE __attribute__((noinline))

static NOINLINE void window_doublings_p256(const struct ec52_modulus *m, unsigned k,
                                           struct pt8_jac sum[])
{
    for (unsigned j = 0; j < QTABLE8_W; j++) {
        pt8_dbl_n((struct fe8_mod){m, true}, k, sum, sum);
    }
}

static NOINLINE void window_doublings_any(const struct ec52_modulus *m, unsigned k,
                                          struct pt8_jac sum[])
{
    for (unsigned j = 0; j < QTABLE8_W; j++) {
        pt8_dbl_n((struct fe8_mod){m, false}, k, sum, sum);
    }
}

FE8_INLINE void add_template(struct fe8_mod p, unsigned k, bool complete, struct pt8_jac sum[],
                             const struct pt8_aff entry[])
{
    if (!complete) {
        pt8_madd_n(p, k, sum, sum, entry);
        return;
    }
    for (unsigned j = 0; j < k; j++) {
        sum[j] = pt8_madd_complete(p, sum[j], entry[j]);
    }
}

static NOINLINE void add_entries_p256(const struct ec52_modulus *m, unsigned k, bool complete,
                                      struct pt8_jac sum[], const struct pt8_aff entry[])
{
    add_template((struct fe8_mod){m, true}, k, complete, sum, entry);
}

static NOINLINE void add_entries_any(const struct ec52_modulus *m, unsigned k, bool complete,
                                     struct pt8_jac sum[], const struct pt8_aff entry[])
{
    add_template((struct fe8_mod){m, false}, k, complete, sum, entry);
}

/* Asks for the entries that window i of G's table will give; they come while Q's chain runs. */
FE8_INLINE void fetch_g(const struct pass *a, unsigned k, size_t first, unsigned i)
{
    const struct ifma_table *g = table8_g(a->curve);
    if (i >= g->shape.windows) {
        return;
    }
    for (unsigned j = 0; j < k; j++) {
        __m512i at;
        uint64_t address[FE8_LANES];
        (void)sc8_digit(&at, &a->s->vector[first + j].u1, g->shape, i,
                        fe8_word((uint64_t)(uintptr_t)g->entries));
        _mm512_storeu_si512(address, at);
        for (unsigned lane = 0; lane < FE8_LANES; lane++) {
            _mm_prefetch((const char *)(uintptr_t)address[lane], _MM_HINT_T1); /* L1 is Q's */
        }
    }
}

/* u2 Q for k vectors from `first` on. */
FE8_INLINE void sum_q(struct fe8_mod p, const struct pass *a, unsigned k, size_t first,
                      struct pt8_jac sum[])
{
    const struct fe8 one = fe8_broadcast(p.m->one);
    for (unsigned j = 0; j < k; j++) {
        sum[j] = pt8_from_aff(look_up_q(p, a, first + j, Q_WINDOWS - 1), one);
    }
    for (unsigned i = Q_WINDOWS - 1; i-- > 0;) {
        struct pt8_aff entry[PT8_MOST];
        fetch_g(a, k, first, i);
        (p.p256 ? window_doublings_p256 : window_doublings_any)(p.m, k, sum);
        for (unsigned j = 0; j < k; j++) {
            entry[j] = look_up_q(p, a, first + j, i);
        }
        (p.p256 ? add_entries_p256 : add_entries_any)(p.m, k, a->complete, sum, entry);
    }
}

/* Adds u1 G: G's table gives u1 G + R, of which +R comes first, and -R follows. */
FE8_INLINE void sum_g(struct fe8_mod p, const struct pass *a, unsigned k, size_t first,
                      struct pt8_jac sum[])
{
    const struct ifma_table *g = table8_g(a->curve);
    const __m512i base = fe8_word((uint64_t)(uintptr_t)g->entries);
    uint64_t blind[FE8_LANES];
    _mm512_storeu_si512(blind, fe8_word((uint64_t)(uintptr_t)table8_blind(a->curve)));
    for (unsigned i = g->shape.windows + 1; i-- > 0;) {
        struct pt8_aff entry[PT8_MOST];
        for (unsigned j = 0; j < k; j++) {
            entry[j] = i > 0 ? look_up(p, &a->s->vector[first + j].u1, g->shape, i - 1, base)
                             : pt8_aff_neg(p, aff8_load(blind), (__mmask8)-1);
        }
        (p.p256 ? add_entries_p256 : add_entries_any)(p.m, k, a->complete, sum, entry);
    }
}

/* x(sum) mod n == r: X = r Z^2, or (r + n) Z^2 where that is below p. */
FE8_INLINE void judge(struct fe8_mod p, const struct pass *a, struct unknown_vector *v,
                      const struct pt8_jac *sum)
{
    const struct ec52_curve *c = a->c;
    const struct fe8 zz = fe8_sqr(p, sum->z);
    const struct fe8 x = fe8_full(p, sum->x);
    const __mmask8 below = fe8_limbs_less(v->r, fe8_broadcast(c->p.m)); /* not sure where n > p */
    v->valid = below & fe8_limbs_equal(x, fe8_full(p, fe8_mul(p, v->r_x, zz)));
    const __mmask8 wraps = fe8_limbs_less(v->r, fe8_broadcast(c->p_minus_n));
    if (wraps != 0) {
        const struct fe8 plain = fe8_add(v->r, fe8_broadcast(c->n.m));
        const struct fe8 second = import_coordinate(p, c, plain, c->in_x);
        v->valid |= wraps & fe8_limbs_equal(x, fe8_full(p, fe8_mul(p, second, zz)));
    }
    v->flagged = pt8_exceptional(p, sum);
    v->valid &= (__mmask8)~v->flagged;
}

FE8_INLINE void verify_pass(struct fe8_mod p, const struct pass *a)
{
    for (size_t i = 0; i < a->vectors; i++) {
        decode(p, a, i);
    }
    make_scalars(a);
    qtable8_make(p, &a->c64->p, a->vectors, a->s->table, a->s->build, a->s->den, a->s->prefix);
    for (size_t i = 0; i < a->vectors; i += PT8_MOST) {
        const size_t left = a->vectors - i;
        const unsigned k = left < PT8_MOST ? (unsigned)left : PT8_MOST;
        struct pt8_jac sum[PT8_MOST];
        sum_q(p, a, k, i, sum);
        sum_g(p, a, k, i, sum);
        for (unsigned j = 0; j < k; j++) {
            judge(p, a, &a->s->vector[i + j], &sum[j]);
        }
    }
}

static void verify_pass_p256(const struct pass *a)
{
    verify_pass((struct fe8_mod){&ec52_curves[CURVE_P256].p, true}, a);
}

static void verify_pass_any(const struct pass *a)
{
    verify_pass((struct fe8_mod){&a->c->p, false}, a);
}

static void run_pass(struct pass *a, bool complete)
{
    a->complete = complete;
    a->vectors = (a->n + FE8_LANES - 1) / FE8_LANES;
    (a->curve == CURVE_P256 ? verify_pass_p256 : verify_pass_any)(a);
}

/* An item's answer after a pass; a bad key is named before a bad signature. */
static enum status status_of(const struct pass *a, size_t i)
{
    const struct unknown_vector *v = &a->s->vector[i / FE8_LANES];
    const unsigned lane = i % FE8_LANES;
    if ((v->bad_point >> lane & 1) != 0) {
        return STATUS_BAD_POINT;
    }
    const unsigned valid = v->valid & (unsigned)~v->bad_signature;
    return (valid >> lane & 1) != 0 ? STATUS_OK : STATUS_SIGNATURE_INVALID;
}

static bool is_flagged(const struct pass *a, size_t i)
{
    const struct unknown_vector *v = &a->s->vector[i / FE8_LANES];
    return (v->flagged & ~(v->bad_point | v->bad_signature)) >> i % FE8_LANES & 1;
}

static void verify_some(struct pass *a, enum status out[])
{
    struct unknown_scratch *s = a->s;
    size_t again = 0;
    run_pass(a, false);
    for (size_t i = 0; i < a->n; i++) {
        out[i] = status_of(a, i);
        if (is_flagged(a, i)) {
            s->again[again] = a->items[i];
            s->again_at[again++] = i;
        }
    }
    if (again > 0) {
        a->items = s->again;
        a->n = again;
        run_pass(a, true);
        for (size_t i = 0; i < again; i++) {
            out[s->again_at[i]] = status_of(a, i);
        }
    }
}

void ifma_verify_unknown_vartime(struct ec_scratch *s, enum curve curve, size_t n,
                                 const struct verify_item *const items[], enum status out[])
{
    for (size_t done = 0; done < n; done += PASS) {
        struct pass a = {.s = ifma_scratch_of(s)->unknown,
                         .c = &ec52_curves[curve],
                         .c64 = &ec64_curves[curve],
                         .curve = curve,
                         .n = n - done < PASS ? n - done : PASS,
                         .items = items + done};
        verify_some(&a, out + done);
    }
}
