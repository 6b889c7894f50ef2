/* Compiled with the kernels' flags; called only where ifma_unusable() is NULL. */
#include "tests/unit/ec/pt8_ops.h"

#include "providers/ec/ifma/inv8.h"
#include "providers/ec/ifma/pt8.h"

enum { UNCOMPRESSED = 4 };

static struct pt8_aff load(const struct ec52_curve *c, const pt8_points in)
{
    const struct fe8_mod mod = {&c->p, false};
    const uint8_t *x[PT8_LANES], *y[PT8_LANES];
    for (int i = 0; i < PT8_LANES; i++) {
        x[i] = in[i] + 1;
        y[i] = in[i] + 1 + EC_SCALAR_LEN;
    }
    return (struct pt8_aff){
        fe8_mul(mod, fe8_to_mont(mod, fe8_load_be(x)), fe8_broadcast(c->in_x)),
        fe8_mul(mod, fe8_to_mont(mod, fe8_load_be(y)), fe8_broadcast(c->in_y)),
    };
}

static void store(const struct ec52_curve *c, struct pt8_aff p, pt8_points out)
{
    const struct fe8_mod mod = {&c->p, false};
    uint8_t *x[PT8_LANES], *y[PT8_LANES];
    for (int i = 0; i < PT8_LANES; i++) {
        out[i][0] = UNCOMPRESSED;
        x[i] = out[i] + 1;
        y[i] = out[i] + 1 + EC_SCALAR_LEN;
    }
    fe8_store_be(x, fe8_from_mont(mod, fe8_mul(mod, p.x, fe8_broadcast(c->out_x))));
    fe8_store_be(y, fe8_from_mont(mod, fe8_mul(mod, p.y, fe8_broadcast(c->out_y))));
}

FE8_INLINE struct pt8_jac compute(struct fe8_mod mod, enum pt8_op op, struct pt8_aff p,
                                  struct pt8_aff q)
{
    const struct fe8 one = fe8_broadcast(mod.m->one);
    struct pt8_jac two[PT8_MOST] = {pt8_from_aff(p, one), pt8_from_aff(q, one)};
    struct pt8_jac infinity = {q.x, pt8_from_aff(p, one).y2, fe8_broadcast(mod.m->m)};
    pt8_dbl_n(mod, PT8_MOST, two, two);
    switch (op) {
    case PT8_OP_DBL:
        return pt8_dbl(mod, two[0]);
    case PT8_OP_ADD:
        return pt8_add(mod, two[0], two[1]);
    case PT8_OP_MADD:
        return pt8_madd(mod, two[0], q);
    case PT8_OP_COMPLETE:
        return pt8_madd_complete(mod, two[0], q);
    default:
        return pt8_madd_complete(mod, pt8_madd_complete(mod, infinity, q), p);
    }
}

unsigned pt8_ops_apply(enum curve curve, enum pt8_op op, const pt8_points P, const pt8_points Q,
                       pt8_points out)
{
    const struct ec52_curve *c = &ec52_curves[curve];
    const struct fe8_mod special = {&c->p, true}, any = {&c->p, false};
    const struct pt8_aff p = load(c, P), q = load(c, Q);
    const struct pt8_jac r =
        curve == CURVE_P256 ? compute(special, op, p, q) : compute(any, op, p, q);
    store(c, pt8_to_aff(any, r, fe8_inv_fermat(any, r.z)), out);
    return pt8_exceptional(any, &r);
}
