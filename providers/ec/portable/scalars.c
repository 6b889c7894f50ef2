/*
 * The half of a verification that is arithmetic modulo n, and its last comparison.
 *
 * u1 = e / s, u2 = r / s (SEC 1, 4.1.4): the s of a chunk are inverted together (Montgomery's
 * trick).
 */
#include "providers/ec/modinv64.h"
#include "providers/ec/portable/portable.h"

static bool in_range(const struct ec64_modulus *n, struct fe4 a)
{
    return !fe4_is_zero_vartime(a) && fe4_less(a, fe4_of(n->m));
}

size_t prepare_vartime(struct ec_scratch *s, enum curve curve, size_t n,
                       const struct verify_item *const items[], enum status out[])
{
    const struct fe4_mod order = order_of(curve);
    struct fe4 *const sigs = s->difference; /* each s, and the products of those before it */
    struct fe4 *const before = s->product;
    struct fe4 all = fe4_one(order);
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (out[i] != STATUS_OK) {
            continue;
        }
        const struct fe4 r = fe4_load_be(items[i]->signature);
        const struct fe4 sig = fe4_load_be(items[i]->signature + FE4_BYTES);
        if (!in_range(order.m, r) || !in_range(order.m, sig)) {
            out[i] = STATUS_SIGNATURE_INVALID;
            continue;
        }
        s->item[count] = i;
        s->prepared[count].r = r;
        sigs[count] = fe4_to_mont(order, sig);
        before[count] = all;
        all = fe4_mul(order, all, sigs[count]);
        count++;
    }
    /* all is A R: from 1 / (A R) two products with R^2 make R / A. */
    modinv64_vartime(order.m, all.v, all.v);
    all = fe4_to_mont(order, fe4_to_mont(order, all));
    for (size_t i = count; i-- > 0;) {
        const struct fe4 inverse = fe4_mul(order, all, before[i]);
        all = fe4_mul(order, all, sigs[i]);
        /* A plain number by one in Montgomery form is plain; the digest may be any 256 bits. */
        const struct fe4 e = fe4_load_be(items[s->item[i]]->digest);
        s->prepared[i].u1 = fe4_mul(order, e, inverse);
        s->prepared[i].u2 = fe4_mul(order, s->prepared[i].r, inverse);
    }
    return count;
}

/* X = in_x r zz, over a common denominator; r is plain. */
static bool x_is(enum curve curve, struct fe4 x, struct fe4 zz, struct fe4 r)
{
    const struct ec64_curve *c = &ec64_curves[curve];
    const struct fe4_mod p = field_of(curve, false);
    struct fe4 want = fe4_mul(p, fe4_to_mont(p, r), zz);
    if (c->twisted) {
        want = fe4_mul(p, want, fe4_of(c->in_x));
    }
    return fe4_equal_vartime(x, want);
}

/* x below p is r modulo n where it is r or, if that is below p, r + n. Where n > p, r >= p is no x.
 */
bool x_matches_vartime(enum curve curve, struct fe4 x, struct fe4 zz, struct fe4 r)
{
    const struct ec64_curve *c = &ec64_curves[curve];
    if (!fe4_less(r, fe4_of(c->p.m))) {
        return false;
    }
    if (x_is(curve, x, zz, r)) {
        return true;
    }
    uint64_t carry;
    return fe4_less(r, fe4_of(c->p_minus_n)) &&
           x_is(curve, x, zz, fe4_sum(r, fe4_of(c->n.m), &carry));
}
