/*
 * The eight-lane group formulas against an affine oracle, on multiples of G of the three curves,
 * with opposite, equal and infinite operands in some lanes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

#include "providers/ec/ifma/ifma.h"
#include "tests/unit/ec/prng.h"
#include "tests/unit/ec/pt8_ops.h"
#include "tests/unit/providers/oracle.h"

enum { SMALL = 40, ROUNDS = 40, SKIPPED = 77 /* meson's code for a skipped test */ };

/* k G for |k| <= SMALL, k = 0 left out: with so few, sums are easily predicted and often clash. */
struct multiples {
    uint8_t point[2 * SMALL + 1][EC_POINT_LEN];
};

/* k mod n, big-endian. */
static void scalar(enum curve curve, int k, uint8_t out[static EC_SCALAR_LEN])
{
    if (k < 0) {
        oracle_order(curve, k, out);
    } else {
        memset(out, 0, EC_SCALAR_LEN);
        out[EC_SCALAR_LEN - 1] = (uint8_t)k;
    }
}

static struct multiples *multiples_new(enum curve curve)
{
    struct multiples *m = malloc(sizeof *m);
    assert_non_null(m);
    for (int k = -SMALL; k <= SMALL; k++) {
        uint8_t bytes[EC_SCALAR_LEN];
        scalar(curve, k, bytes);
        assert_int_equal(oracle_mul(curve, bytes, NULL, m->point[k + SMALL]), k != 0);
    }
    return m;
}

/* What the op makes of aG and bG; 0 for infinity. */
static int expected(enum pt8_op op, int a, int b)
{
    switch (op) {
    case PT8_OP_DBL:
        return 4 * a;
    case PT8_OP_ADD:
        return 2 * a + 2 * b;
    case PT8_OP_FROM_INFINITY:
        return a + b;
    default:
        return 2 * a + b;
    }
}

static bool is_exceptional(enum pt8_op op, int a, int b)
{
    return (op == PT8_OP_MADD && 2 * a == b) || (op == PT8_OP_ADD && a == b) ||
           expected(op, a, b) == 0;
}

/* Small enough for the result to be in the table, and one in four pairs made to clash. */
static void draw(struct prng *prng, enum pt8_op op, int *a, int *b)
{
    enum { REACH = SMALL / 4 };
    do {
        *a = (int)prng_below(prng, 2 * REACH + 1) - REACH;
        *b = (int)prng_below(prng, 2 * REACH + 1) - REACH;
        if (prng_below(prng, 4) == 0) {
            const int twice = op == PT8_OP_MADD || op == PT8_OP_COMPLETE ? 2 : 1;
            *b = prng_below(prng, 2) == 0 ? twice * *a : -twice * *a;
        }
    } while (*a == 0 || *b == 0);
}

static void check_round(struct prng *prng, enum curve curve, const struct multiples *m,
                        enum pt8_op op)
{
    pt8_points P, Q, out;
    int a[PT8_LANES], b[PT8_LANES];
    for (int i = 0; i < PT8_LANES; i++) {
        draw(prng, op, &a[i], &b[i]);
        memcpy(P[i], m->point[a[i] + SMALL], EC_POINT_LEN);
        memcpy(Q[i], m->point[b[i] + SMALL], EC_POINT_LEN);
    }
    const unsigned exceptional = pt8_ops_apply(curve, op, P, Q, out);
    for (int i = 0; i < PT8_LANES; i++) {
        const bool want = is_exceptional(op, a[i], b[i]);
        if ((exceptional >> i & 1) != want) {
            fail_msg("%s op %d, %d and %d", curve_name(curve), op, a[i], b[i]);
        }
        if (!want) {
            assert_memory_equal(out[i], m->point[expected(op, a[i], b[i]) + SMALL], EC_POINT_LEN);
        }
    }
}

static void formulas(void **state)
{
    struct prng prng = {*(uint64_t *)*state};
    for (enum curve curve = CURVE_P256; curve < CURVE_COUNT; curve++) {
        struct multiples *m = multiples_new(curve);
        for (int i = 0; i < ROUNDS; i++) {
            for (enum pt8_op op = 0; op < PT8_OPS; op++) {
                check_round(&prng, curve, m, op);
            }
        }
        free(m);
    }
}

int main(void)
{
    static uint64_t seed;
    const char *why = ifma_unusable();
    if (why != NULL) {
        (void)printf("skipped: %s\n", why);
        return SKIPPED;
    }
    seed = prng_seed("test_pt8");
    const struct CMUnitTest tests[] = {cmocka_unit_test_prestate(formulas, &seed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
