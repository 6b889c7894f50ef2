/*
 * The eight-lane field against BIGNUM: residues and bounds, for p and n of every curve, on random
 * numbers and on numbers whose limbs are at their edges.
 */
#include <openssl/bn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

#include "providers/ec/ifma/ifma.h"
#include "tests/unit/ec/fe8_ops.h"
#include "tests/unit/ec/prng.h"

enum { LIMB_BITS = 52, R_BITS = LIMBS * LIMB_BITS, WEAK_BOUND_BITS = 259, ROUNDS = 1500 };

static const uint64_t limb_max = (1ULL << LIMB_BITS) - 1;

static const char *const moduli[FIELDS] = {
    [FIELD_P256_P] = "FFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF",
    [FIELD_P256_P_GENERIC] = "FFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF",
    [FIELD_P256_N] = "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551",
    [FIELD_BRAINPOOL_P] = "A9FB57DBA1EEA9BC3E660A909D838D726E3BF623D52620282013481D1F6E5377",
    [FIELD_BRAINPOOL_N] = "A9FB57DBA1EEA9BC3E660A909D838D718C397AA3B561A6F7901E0E82974856A7",
    [FIELD_FRP_P] = "F1FD178C0B3AD58F10126DE8CE42435B3961ADBCABC8CA6DE8FCF353D86E9C03",
    [FIELD_FRP_N] = "F1FD178C0B3AD58F10126DE8CE42435B53DC67E140D2BF941FFDD459C6D655E1",
};

static const char *const names[FIELDS] = {
    [FIELD_P256_P] = "P-256 p",
    [FIELD_P256_P_GENERIC] = "P-256 p, generic",
    [FIELD_P256_N] = "P-256 n",
    [FIELD_BRAINPOOL_P] = "brainpoolP256r1 p",
    [FIELD_BRAINPOOL_N] = "brainpoolP256r1 n",
    [FIELD_FRP_P] = "FRP256v1 p",
    [FIELD_FRP_N] = "FRP256v1 n",
};

struct bench { /* the numbers of one test, as BIGNUMs */
    struct prng prng;
    BN_CTX *bn;
    BIGNUM *m, *R, *a, *b, *want, *got, *bound;
};

static void must(int ok)
{
    assert_int_equal(ok, 1);
}

static struct bench begin(void **state, enum field f)
{
    struct bench t = {.prng = {*(const uint64_t *)*state + f}, .bn = BN_CTX_new()};
    assert_non_null(t.bn);
    BN_CTX_start(t.bn);
    BIGNUM **const all[] = {&t.m, &t.R, &t.a, &t.b, &t.want, &t.got, &t.bound};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        *all[i] = BN_CTX_get(t.bn);
        assert_non_null(*all[i]);
    }
    assert_int_not_equal(BN_hex2bn(&t.m, moduli[f]), 0);
    must(BN_set_bit(t.R, R_BITS));
    return t;
}

static void end(struct bench *t)
{
    BN_CTX_end(t->bn);
    BN_CTX_free(t->bn);
}

/* -- between lanes and BIGNUM -- */

static void lane_get(const struct lanes *a, size_t lane, BIGNUM *out)
{
    BN_zero(out);
    for (size_t i = LIMBS; i-- > 0;) {
        must(BN_lshift(out, out, LIMB_BITS));
        assert_true(a->v[i][lane] <= limb_max); /* normalised */
        must(BN_add_word(out, a->v[i][lane]));
    }
}

static void lane_set(struct lanes *a, size_t lane, const BIGNUM *v)
{
    uint8_t bytes[(R_BITS + 7) / 8];
    assert_int_equal(BN_bn2lebinpad(v, bytes, sizeof bytes), sizeof bytes);
    for (size_t bit = 0; bit < R_BITS; bit++) {
        uint64_t one = (uint64_t)(bytes[bit / 8] >> bit % 8 & 1) << bit % LIMB_BITS;
        uint64_t *limb = &a->v[bit / LIMB_BITS][lane];
        *limb = (bit % LIMB_BITS == 0 ? 0 : *limb) | one;
    }
}

/* -- operands -- */

static uint64_t edge_limb(struct prng *p)
{
    static const uint64_t edges[] = {0,
                                     1,
                                     2,
                                     (1ULL << 52) - 1,
                                     (1ULL << 52) - 2,
                                     1ULL << 51,
                                     (1ULL << 51) - 1,
                                     1ULL << 48,
                                     (1ULL << 48) - 1};
    return prng_below(p, 2) == 0 ? edges[prng_below(p, sizeof edges / sizeof edges[0])]
                                 : prng_word(p) & limb_max;
}

/* k m + delta. */
static void near_multiple(struct bench *t, BIGNUM *v, unsigned k, long delta)
{
    assert_non_null(BN_copy(v, t->m));
    must(BN_mul_word(v, k));
    must(delta < 0 ? BN_sub_word(v, (BN_ULONG)-delta) : BN_add_word(v, (BN_ULONG)delta));
}

/* A number below k m, k >= 1, which may be any number below 2^260 when k is 0. */
static void operand(struct bench *t, BIGNUM *v, unsigned k)
{
    const size_t kind = prng_below(&t->prng, 8);
    if (kind == 0 && k > 0) {
        near_multiple(t, v, k, -1 - (long)prng_below(&t->prng, 3));
        return;
    }
    if (kind == 1 && k > 0) {
        unsigned i = (unsigned)prng_below(&t->prng, k);
        near_multiple(t, v, i, i > 0 ? (long)prng_below(&t->prng, 3) - 1 : 0);
        return;
    }
    struct lanes l = {0};
    for (size_t i = 0; i < LIMBS; i++) {
        l.v[i][0] = kind < 5 ? edge_limb(&t->prng) : prng_word(&t->prng) & limb_max;
    }
    lane_get(&l, 0, v);
    if (k > 0) {
        near_multiple(t, t->bound, k, 0);
        must(BN_nnmod(v, v, t->bound, t->bn));
    }
}

static void operands(struct bench *t, struct lanes *a, unsigned k)
{
    for (size_t lane = 0; lane < LANES; lane++) {
        operand(t, t->a, k);
        lane_set(a, lane, t->a);
    }
}

/* -- what comes out -- */

static void need(bool ok, enum field f, const char *what, size_t lane)
{
    if (!ok) {
        fail_msg("%s: %s, lane %zu", names[f], what, lane);
    }
}

static bool bit(unsigned mask, size_t lane)
{
    return (mask & 1U << lane) != 0;
}

/* got < k m. */
static void below(struct bench *t, enum field f, const char *what, size_t lane, unsigned k)
{
    near_multiple(t, t->bound, k, 0);
    need(BN_cmp(t->got, t->bound) < 0, f, what, lane);
}

static void congruent(struct bench *t, enum field f, const char *what, size_t lane)
{
    must(BN_nnmod(t->got, t->got, t->m, t->bn));
    must(BN_nnmod(t->want, t->want, t->m, t->bn));
    need(BN_cmp(t->got, t->want) == 0, f, what, lane);
}

/* a b = out R, out < (ka kb / 16 + 1) m: exactly ka kb m^2 / R + m. */
static void check_product(struct bench *t, enum field f, const char *what, const struct lanes *a,
                          const struct lanes *b, unsigned k, const struct lanes *out)
{
    for (size_t lane = 0; lane < LANES; lane++) {
        lane_get(a, lane, t->a);
        lane_get(b, lane, t->b);
        lane_get(out, lane, t->got);
        near_multiple(t, t->bound, k, 0);
        must(BN_mul(t->bound, t->bound, t->m, t->bn));
        must(BN_rshift(t->bound, t->bound, R_BITS));
        must(BN_add(t->bound, t->bound, t->m));
        need(BN_cmp(t->got, t->bound) <= 0, f, what, lane);
        must(BN_mul(t->want, t->a, t->b, t->bn));
        must(BN_mul(t->got, t->got, t->R, t->bn));
        congruent(t, f, what, lane);
    }
}

/* Pairs whose product stays below 16 m. */
static const unsigned bounds[][2] = {{1, 1}, {1, 2},  {2, 2}, {4, 4},   {2, 8},
                                     {3, 5}, {16, 1}, {8, 8}, {15, 15}, {14, 16}};

static void products(void **state)
{
    for (enum field f = 0; f < FIELDS; f++) {
        struct bench t = begin(state, f);
        for (size_t i = 0; i < ROUNDS; i++) {
            const unsigned *k = bounds[i % (sizeof bounds / sizeof bounds[0])];
            struct lanes a, b, out;
            operands(&t, &a, k[0]);
            operands(&t, &b, k[1]);
            fe8_ops_apply(f, FE8_OP_MUL, &a, &b, 0, &out);
            check_product(&t, f, "product", &a, &b, k[0] * k[1], &out);
            if (k[0] < 16) { /* 16^2 / 16 + 1 is more than five limbs hold */
                fe8_ops_apply(f, FE8_OP_MUL, &a, &a, 0, &b);
                fe8_ops_apply(f, FE8_OP_SQR, &a, &a, 0, &out);
                check_product(&t, f, "square", &a, &a, k[0] * k[0], &out);
                assert_memory_equal(&out, &b, sizeof out);
            }
        }
        end(&t);
    }
}

/* Every lane computes for itself: one operand in one lane, all others zero. */
static void lanes_are_independent(void **state)
{
    for (enum field f = 0; f < FIELDS; f++) {
        struct bench t = begin(state, f);
        for (size_t lane = 0; lane < LANES; lane++) {
            struct lanes a = {0}, b = {0}, out;
            operand(&t, t.a, 2);
            operand(&t, t.b, 2);
            lane_set(&a, lane, t.a);
            lane_set(&b, lane, t.b);
            fe8_ops_apply(f, FE8_OP_MUL, &a, &b, 0, &out);
            check_product(&t, f, "lane", &a, &b, 4, &out);
            for (size_t other = 0; other < LANES; other++) {
                lane_get(&out, other, t.got);
                need(other == lane || BN_is_zero(t.got), f, "another lane", other);
            }
        }
        end(&t);
    }
}

static void check_sums(struct bench *t, enum field f, unsigned ka, unsigned kb)
{
    struct lanes a, b, sum, difference, negated;
    operands(t, &a, ka);
    operands(t, &b, kb);
    fe8_ops_apply(f, FE8_OP_ADD, &a, &b, 0, &sum);
    fe8_ops_apply(f, FE8_OP_SUB, &a, &b, kb, &difference);
    fe8_ops_apply(f, FE8_OP_NEG, &b, &b, kb, &negated);
    for (size_t lane = 0; lane < LANES; lane++) {
        lane_get(&a, lane, t->a);
        lane_get(&b, lane, t->b);
        lane_get(&sum, lane, t->got);
        must(BN_add(t->want, t->a, t->b));
        need(BN_cmp(t->got, t->want) == 0, f, "sum", lane);
        near_multiple(t, t->bound, kb, 0);
        must(BN_sub(t->bound, t->bound, t->b));
        lane_get(&negated, lane, t->got);
        need(BN_cmp(t->got, t->bound) == 0, f, "negative", lane);
        must(BN_add(t->bound, t->bound, t->a));
        lane_get(&difference, lane, t->got);
        need(BN_cmp(t->got, t->bound) == 0, f, "difference", lane);
    }
}

static void sums(void **state)
{
    for (enum field f = 0; f < FIELDS; f++) {
        struct bench t = begin(state, f);
        for (size_t i = 0; i < ROUNDS; i++) {
            unsigned ka = 1 + (unsigned)prng_below(&t.prng, 15);
            check_sums(&t, f, ka, 1 + (unsigned)prng_below(&t.prng, 16 - ka));
        }
        end(&t);
    }
}

static void weak_reduction(void **state)
{
    for (enum field f = 0; f < FIELDS; f++) {
        struct bench t = begin(state, f);
        for (size_t i = 0; i < ROUNDS; i++) {
            struct lanes a, out;
            operands(&t, &a, 0);
            for (size_t lane = 0; lane < LANES; lane++) {
                a.v[LIMBS - 1][lane] &= limb_max >> (R_BITS - WEAK_BOUND_BITS);
            }
            fe8_ops_apply(f, FE8_OP_WEAK, &a, &a, 0, &out);
            for (size_t lane = 0; lane < LANES; lane++) {
                lane_get(&a, lane, t.want);
                lane_get(&out, lane, t.got);
                below(&t, f, "weak bound", lane, 2);
                congruent(&t, f, "weak residue", lane);
            }
        }
        end(&t);
    }
}

/* At every step of the weak reduction's table: i 2^255 - 1, i 2^255, and each multiple of m. */
static void weak_reduction_at_its_steps(void **state)
{
    for (enum field f = 0; f < FIELDS; f++) {
        struct bench t = begin(state, f);
        for (unsigned i = 0; i < 16; i++) {
            struct lanes a = {0}, out;
            BN_zero(t.a);
            must(BN_set_bit(t.a, 255));
            must(BN_mul_word(t.a, i));
            lane_set(&a, 0, t.a);
            must(BN_add_word(t.a, 1));
            lane_set(&a, 1, t.a);
            must(i == 0 ? 1 : BN_sub_word(t.a, 2));
            lane_set(&a, 2, t.a);
            for (unsigned lane = 3; lane < 6; lane++) {
                near_multiple(&t, t.a, i / 2, i < 2 ? (long)lane - 3 : (long)lane - 4);
                lane_set(&a, lane, t.a);
            }
            fe8_ops_apply(f, FE8_OP_WEAK, &a, &a, 0, &out);
            for (size_t lane = 0; lane < LANES; lane++) {
                lane_get(&a, lane, t.want);
                lane_get(&out, lane, t.got);
                below(&t, f, "weak bound", lane, 2);
                congruent(&t, f, "weak residue", lane);
            }
        }
        end(&t);
    }
}

static void full_reduction(void **state)
{
    for (enum field f = 0; f < FIELDS; f++) {
        struct bench t = begin(state, f);
        for (size_t i = 0; i < ROUNDS; i++) {
            struct lanes a, out;
            operands(&t, &a, 2);
            fe8_ops_apply(f, FE8_OP_FULL, &a, &a, 0, &out);
            const unsigned zero = fe8_ops_is_zero(f, &a);
            for (size_t lane = 0; lane < LANES; lane++) {
                lane_get(&a, lane, t.want);
                lane_get(&out, lane, t.got);
                must(BN_nnmod(t.want, t.want, t.m, t.bn));
                need(BN_cmp(t.got, t.want) == 0, f, "full", lane);
                need(bit(zero, lane) == (BN_is_zero(t.want) == 1), f, "is zero", lane);
            }
        }
        end(&t);
    }
}

static void montgomery_form(void **state)
{
    for (enum field f = 0; f < FIELDS; f++) {
        struct bench t = begin(state, f);
        for (size_t i = 0; i < ROUNDS; i++) {
            struct lanes a, mont, back;
            operands(&t, &a, 16);
            fe8_ops_apply(f, FE8_OP_TO_MONT, &a, &a, 0, &mont);
            fe8_ops_apply(f, FE8_OP_FROM_MONT, &mont, &mont, 0, &back);
            for (size_t lane = 0; lane < LANES; lane++) {
                lane_get(&a, lane, t.a);
                lane_get(&mont, lane, t.got);
                below(&t, f, "Montgomery bound", lane, 2);
                must(BN_mul(t.want, t.a, t.R, t.bn));
                congruent(&t, f, "into Montgomery form", lane);
                lane_get(&back, lane, t.got);
                must(BN_nnmod(t.want, t.a, t.m, t.bn));
                need(BN_cmp(t.got, t.want) == 0, f, "out of Montgomery form", lane);
            }
        }
        end(&t);
    }
}

static void comparisons_and_selection(void **state)
{
    struct bench t = begin(state, FIELD_P256_P);
    for (size_t i = 0; i < ROUNDS; i++) {
        struct lanes a, b, out;
        operands(&t, &a, 1);
        operands(&t, &b, 1);
        for (size_t lane = 0; lane < LANES; lane++) { /* equal but for one limb, or all through */
            const size_t differ = prng_below(&t.prng, LIMBS + 2);
            for (size_t l = 0; l < LIMBS; l++) {
                b.v[l][lane] = l == differ || differ > LIMBS ? b.v[l][lane] : a.v[l][lane];
            }
        }
        const unsigned equal = fe8_ops_equal(&a, &b), less = fe8_ops_less(&a, &b);
        const unsigned mask = (unsigned)prng_below(&t.prng, 256);
        fe8_ops_apply(FIELD_P256_P, FE8_OP_SELECT, &a, &b, mask, &out);
        for (size_t lane = 0; lane < LANES; lane++) {
            lane_get(&a, lane, t.a);
            lane_get(&b, lane, t.b);
            lane_get(&out, lane, t.got);
            const int order = BN_cmp(t.a, t.b); /* -1, 0, 1 */
            need(bit(equal, lane) == (order == 0), FIELD_P256_P, "equal", lane);
            need(bit(less, lane) == (order == -1), FIELD_P256_P, "less", lane);
            need(BN_cmp(t.got, bit(mask, lane) ? t.b : t.a) == 0, FIELD_P256_P, "select", lane);
        }
    }
    end(&t);
}

static void bytes_and_words(void **state)
{
    struct prng prng = {*(const uint64_t *)*state};
    BIGNUM *want = BN_new(), *got = BN_new();
    for (size_t i = 0; i < ROUNDS; i++) {
        uint8_t bytes[LANES][32], back[LANES][32];
        const uint8_t *from[LANES];
        uint8_t *to[LANES];
        struct lanes a, again;
        for (size_t lane = 0; lane < LANES; lane++) {
            prng_bytes(&prng, bytes[lane], 32);
            if (i < 32) { /* one bit set, or none */
                memset(bytes[lane], 0, 32);
                bytes[lane][i] = (uint8_t)(1U << lane);
            }
            from[lane] = bytes[lane];
            to[lane] = back[lane];
        }
        fe8_ops_load_be(from, &a);
        fe8_ops_apply(FIELD_P256_P, FE8_OP_WORDS, &a, &a, 0, &again);
        fe8_ops_store_be(to, &a);
        for (size_t lane = 0; lane < LANES; lane++) {
            assert_non_null(BN_bin2bn(bytes[lane], 32, want));
            lane_get(&a, lane, got);
            assert_int_equal(BN_cmp(want, got), 0);
        }
        assert_memory_equal(&a, &again, sizeof a);
        assert_memory_equal(bytes, back, sizeof bytes);
    }
    BN_free(want);
    BN_free(got);
}

static void transposition(void **state)
{
    (void)state;
    uint64_t rows[LANES][LANES], columns[LANES][LANES];
    for (uint64_t i = 0; i < LANES; i++) {
        for (uint64_t j = 0; j < LANES; j++) {
            rows[i][j] = 100 * i + j;
        }
    }
    fe8_ops_transpose(columns, rows);
    for (size_t i = 0; i < LANES; i++) {
        for (size_t j = 0; j < LANES; j++) {
            assert_int_equal(columns[j][i], rows[i][j]);
        }
    }
}

int main(void)
{
    struct CMUnitTest tests[] = {
        cmocka_unit_test(products),
        cmocka_unit_test(lanes_are_independent),
        cmocka_unit_test(sums),
        cmocka_unit_test(weak_reduction),
        cmocka_unit_test(weak_reduction_at_its_steps),
        cmocka_unit_test(full_reduction),
        cmocka_unit_test(montgomery_form),
        cmocka_unit_test(comparisons_and_selection),
        cmocka_unit_test(bytes_and_words),
        cmocka_unit_test(transposition),
    };
    static uint64_t seed;
    const char *why = ifma_unusable();
    if (why != NULL) {
        (void)printf("skipped: %s\n", why);
        return 77; /* meson's code for a skipped test */
    }
    seed = prng_seed("test_fe8");
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        tests[i].initial_state = &seed;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
