/* Compiled with the kernels' flags; called only where ifma_unusable() is NULL. */
#include "tests/unit/ec/tiny_ops.h"

#include "providers/ec/ifma/inv8.h"
#include "providers/ec/ifma/pt8.h"

static struct fe8_mod generic(const struct ec52_modulus *m)
{
    return (struct fe8_mod){m, false};
}

/* Into Montgomery form, below m, or `above` multiples of m more. */
static struct fe8 enter(const struct ec52_modulus *m, const uint64_t v[TINY_LANES], unsigned above)
{
    struct fe8 a = fe8_zero();
    a.v[0] = _mm512_loadu_si512(v);
    a = fe8_full(generic(m), fe8_to_mont(generic(m), a));
    return fe8_carry(fe8_add_multiple_raw(generic(m), a, above));
}

static void leave(const struct ec52_modulus *m, struct fe8 a, uint64_t out[TINY_LANES])
{
    _mm512_storeu_si512(out, fe8_from_mont(generic(m), a).v[0]);
}

/* x and z below 2 m, y2 at most 8 m. */
static struct pt8_jac enter_jac(const struct ec52_modulus *m, bool lifted,
                                const struct tiny_points *p)
{
    const struct fe8 y = enter(m, p->y, 0);
    const struct fe8 y2 = fe8_add_multiple_raw(generic(m), fe8_add_raw(y, y), lifted ? 6 : 0);
    return (struct pt8_jac){enter(m, p->x, lifted), fe8_carry(y2), enter(m, p->z, lifted)};
}

static struct pt8_aff enter_aff(const struct ec52_modulus *m, bool lifted,
                                const struct tiny_points *p)
{
    return (struct pt8_aff){enter(m, p->x, lifted), enter(m, p->y, lifted)};
}

static void leave_jac(const struct ec52_modulus *m, struct pt8_jac p, struct tiny_result *out)
{
    const struct pt8_aff a = pt8_to_aff(generic(m), p, fe8_inv_fermat(generic(m), p.z));
    leave(m, a.x, out->x);
    leave(m, a.y, out->y);
    out->exceptional = pt8_exceptional(generic(m), &p);
}

void tiny_dbl(const struct ec52_modulus *m, bool lifted, const struct tiny_points *p,
              struct tiny_result *out)
{
    leave_jac(m, pt8_dbl(generic(m), enter_jac(m, lifted, p)), out);
}

void tiny_dbl_pair(const struct ec52_modulus *m, bool lifted, const struct tiny_points *p,
                   const struct tiny_points *q, struct tiny_result out[2])
{
    struct pt8_jac both[2] = {enter_jac(m, lifted, p), enter_jac(m, lifted, q)};
    pt8_dbl_n(generic(m), 2, both, both);
    leave_jac(m, both[0], &out[0]);
    leave_jac(m, both[1], &out[1]);
}

void tiny_madd(const struct ec52_modulus *m, bool lifted, const struct tiny_points *p,
               const struct tiny_points *q, struct tiny_result *out)
{
    leave_jac(m, pt8_madd(generic(m), enter_jac(m, lifted, p), enter_aff(m, lifted, q)), out);
}

void tiny_add(const struct ec52_modulus *m, bool lifted, const struct tiny_points *p,
              const struct tiny_points *q, struct tiny_result *out)
{
    leave_jac(m, pt8_add(generic(m), enter_jac(m, lifted, p), enter_jac(m, lifted, q)), out);
}

void tiny_sequel(const struct ec52_modulus *m, const struct tiny_points *p,
                 const struct tiny_points *q, struct tiny_result *out)
{
    const struct pt8_jac first = enter_jac(m, false, p);
    const struct pt8_jac sum = pt8_add(generic(m), first, enter_jac(m, false, q));
    leave_jac(m, pt8_add(generic(m), pt8_dbl(generic(m), sum), first), out);
}

void tiny_inverse(const struct ec52_modulus *m, const uint64_t a[TINY_LANES],
                  uint64_t out[TINY_LANES])
{
    leave(m, fe8_inv_fermat(generic(m), enter(m, a, 0)), out);
}

void tiny_half(const struct ec52_modulus *m, bool lifted, const uint64_t a[TINY_LANES],
               uint64_t out[TINY_LANES])
{
    leave(m, fe8_half(generic(m), enter(m, a, lifted)), out);
}

void tiny_inverse_batch(const struct ec52_modulus *m, size_t n, uint64_t a[][TINY_LANES])
{
    struct fe8 v[TINY_BATCH_MAX], prefix[TINY_BATCH_MAX];
    for (size_t i = 0; i < n; i++) {
        v[i] = enter(m, a[i], (unsigned)i % 4); /* below 4 m */
    }
    fe8_inv_batch(generic(m), n, v, prefix);
    for (size_t i = 0; i < n; i++) {
        leave(m, v[i], a[i]);
    }
}
