/*
 * What shares one inversion between many: additions of affine points, and Jacobian points made
 * affine. Montgomery's trick: of the products of all denominators, one inversion and two products a
 * denominator give every inverse. Two interleaved chains of products hide each other's latency.
 */
#include "providers/core/secret.h"
#include "providers/ec/modinv64.h"
#include "providers/ec/portable/portable.h"

enum { CHAINS = 2 };

/* The inverse, in Montgomery form, of a value in Montgomery form: (a R)^-1 R^2 R / R twice. */
FE4_INLINE struct fe4 invert(struct fe4_mod p, struct fe4 a, bool secret)
{
    struct fe4 r;
    (secret ? modinv64 : modinv64_vartime)(p.m, r.v, a.v);
    return fe4_to_mont(p, fe4_to_mont(p, r));
}

/* The chains' inverses of their products, from one inversion. */
FE4_INLINE void invert_chains(struct fe4_mod p, struct fe4 chain[CHAINS], bool secret)
{
    const struct fe4 both = invert(p, fe4_mul(p, chain[0], chain[1]), secret);
    const struct fe4 first = chain[0];
    chain[0] = fe4_mul(p, both, chain[1]);
    chain[1] = fe4_mul(p, both, first);
}

/* From the last pair to the first the products of what lies behind; then, from the first on, each
 * inverse: sums are written in the order that in-place trees need. */
FE4_INLINE void add_pairs(struct fe4_mod p, struct ec_scratch *s, size_t n,
                          const struct affine_pair pairs[])
{
    struct fe4 chain[CHAINS] = {fe4_one(p), fe4_one(p)};
    for (size_t i = n; i-- > 0;) {
        struct fe4 dx = fe4_sub(p, pairs[i].b->x, pairs[i].a->x);
        if (__builtin_expect(fe4_is_zero_vartime(dx), 0)) {
            dx = fe4_one(p); /* spares the others' inverses */
            *pairs[i].failed = true;
        }
        s->difference[i] = dx;
        s->product[i] = chain[i % CHAINS];
        chain[i % CHAINS] = fe4_mul(p, chain[i % CHAINS], dx);
    }
    invert_chains(p, chain, false);
    for (size_t i = 0; i < n; i++) {
        const struct pt_aff a = *pairs[i].a, b = *pairs[i].b;
        struct pt_aff *sum = pairs[i].sum;
        const struct fe4 inverse = fe4_mul(p, chain[i % CHAINS], s->product[i]);
        chain[i % CHAINS] = fe4_mul(p, chain[i % CHAINS], s->difference[i]);
        const struct fe4 slope = fe4_mul(p, fe4_sub(p, b.y, a.y), inverse);
        const struct fe4 x = fe4_sub(p, fe4_sub(p, fe4_sqr(p, slope), a.x), b.x);
        sum->y = fe4_sub(p, fe4_mul(p, slope, fe4_sub(p, a.x, x)), a.y);
        sum->x = x;
    }
}

static void add_pairs_p256(struct ec_scratch *s, size_t n, const struct affine_pair pairs[])
{
    add_pairs(field_of(CURVE_P256, true), s, n, pairs);
}

static void add_pairs_any(enum curve curve, struct ec_scratch *s, size_t n,
                          const struct affine_pair pairs[])
{
    add_pairs(field_of(curve, false), s, n, pairs);
}

void affine_add_vartime(enum curve curve, struct ec_scratch *s, size_t n,
                        const struct affine_pair pairs[])
{
    if (n == 0) {
        return;
    }
    if (curve == CURVE_P256) {
        add_pairs_p256(s, n, pairs);
    } else {
        add_pairs_any(curve, s, n, pairs);
    }
}

FE4_INLINE void normalise(struct fe4_mod p, struct ec_scratch *s, size_t n,
                          const struct pt_jac in[], struct pt_aff out[], bool secret)
{
    struct fe4 chain[CHAINS] = {fe4_one(p), fe4_one(p)};
    for (size_t i = n; i-- > 0;) {
        s->product[i] = chain[i % CHAINS];
        chain[i % CHAINS] = fe4_mul(p, chain[i % CHAINS], in[i].z);
    }
    invert_chains(p, chain, secret);
    for (size_t i = 0; i < n; i++) {
        const struct fe4 inverse = fe4_mul(p, chain[i % CHAINS], s->product[i]);
        const struct fe4 square = fe4_sqr(p, inverse);
        chain[i % CHAINS] = fe4_mul(p, chain[i % CHAINS], in[i].z);
        out[i].x = fe4_mul(p, in[i].x, square);
        out[i].y = fe4_mul(p, in[i].y, fe4_mul(p, square, inverse));
    }
    if (secret) {
        secret_wipe(chain, sizeof chain);
        secret_wipe(s->product, n * sizeof s->product[0]);
    }
}

static void normalise_p256(struct ec_scratch *s, size_t n, const struct pt_jac in[],
                           struct pt_aff out[], bool secret)
{
    normalise(field_of(CURVE_P256, true), s, n, in, out, secret);
}

static void normalise_any(enum curve curve, struct ec_scratch *s, size_t n,
                          const struct pt_jac in[], struct pt_aff out[], bool secret)
{
    normalise(field_of(curve, false), s, n, in, out, secret);
}

void jac_to_affine(enum curve curve, struct ec_scratch *s, size_t n, const struct pt_jac in[],
                   struct pt_aff out[], bool secret)
{
    if (n == 0) {
        return;
    }
    if (curve == CURVE_P256) {
        normalise_p256(s, n, in, out, secret);
    } else {
        normalise_any(curve, s, n, in, out, secret);
    }
}

enum status point_decode(enum curve curve, const uint8_t in[static EC_POINT_LEN],
                         struct pt_aff *out)
{
    const struct ec64_curve *c = &ec64_curves[curve];
    const struct fe4_mod p = field_of(curve, false);
    const struct fe4 x = fe4_load_be(in + 1), y = fe4_load_be(in + 1 + FE4_BYTES);
    if (in[0] != POINT_UNCOMPRESSED || !fe4_less(x, fe4_of(p.m->m)) ||
        !fe4_less(y, fe4_of(p.m->m))) {
        return STATUS_BAD_POINT;
    }
    out->x = fe4_mul(p, fe4_to_mont(p, x), fe4_of(c->in_x));
    out->y = fe4_mul(p, fe4_to_mont(p, y), fe4_of(c->in_y));
    /* x^3 - 3x + b = x (x^2 - 3) + b */
    const struct fe4 one = fe4_one(p), three = fe4_add(p, fe4_add(p, one, one), one);
    const struct fe4 factor = fe4_sub(p, fe4_sqr(p, out->x), three);
    const struct fe4 right = fe4_add(p, fe4_mul(p, factor, out->x), fe4_of(c->b));
    return fe4_equal_vartime(fe4_sqr(p, out->y), right) ? STATUS_OK : STATUS_BAD_POINT;
}

void point_encode(enum curve curve, const struct pt_aff *in, uint8_t out[static EC_POINT_LEN])
{
    const struct ec64_curve *c = &ec64_curves[curve];
    const struct fe4_mod p = field_of(curve, false);
    out[0] = POINT_UNCOMPRESSED;
    fe4_store_be(out + 1, fe4_from_mont(p, fe4_mul(p, in->x, fe4_of(c->out_x))));
    fe4_store_be(out + 1 + FE4_BYTES, fe4_from_mont(p, fe4_mul(p, in->y, fe4_of(c->out_y))));
}
