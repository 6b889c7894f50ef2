/* Modular inverses by divsteps against libcrypto's BIGNUM, in variable and in constant time. */
#include <openssl/bn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "providers/ec/modinv64.h"
#include "tests/unit/ec/seeded.h"

enum { BITS = 256, WORD_BITS = 64, BYTES = 32, RANDOM_CASES = 20000 };

struct world {
    BN_CTX *bn;
    BIGNUM *m, *x, *want;
    struct ec64_modulus modulus;
};

static void to_words(const BIGNUM *v, uint64_t w[static EC64_LIMBS])
{
    uint8_t bytes[BYTES];
    assert_int_equal(BN_bn2lebinpad(v, bytes, BYTES), BYTES);
    memcpy(w, bytes, BYTES);
}

/* What the inversions read of a modulus, made from its number alone. */
static void set_modulus(struct world *w)
{
    BIGNUM *word = BN_CTX_get(w->bn);
    uint64_t inverse[EC64_LIMBS];
    to_words(w->m, w->modulus.m);
    assert_int_equal(BN_set_bit(word, WORD_BITS), 1);
    assert_non_null(BN_mod_inverse(word, w->m, word, w->bn));
    to_words(word, inverse);
    w->modulus.inv = 0 - inverse[0];
}

/* Both inversions of w->x, also in place. */
static void check(struct world *w)
{
    uint64_t x[EC64_LIMBS], out[EC64_LIMBS], want[EC64_LIMBS];
    if (BN_is_zero(w->x)) {
        BN_zero(w->want);
    } else {
        assert_non_null(BN_mod_inverse(w->want, w->x, w->m, w->bn));
    }
    to_words(w->x, x);
    to_words(w->want, want);
    memset(out, 0xA5, sizeof out);
    modinv64_vartime(&w->modulus, out, x);
    assert_memory_equal(out, want, sizeof want);
    memset(out, 0xA5, sizeof out);
    modinv64(&w->modulus, out, x);
    assert_memory_equal(out, want, sizeof want);
    memcpy(out, x, sizeof x);
    modinv64_vartime(&w->modulus, out, out);
    assert_memory_equal(out, want, sizeof want);
    modinv64(&w->modulus, out, out);
    assert_memory_equal(out, x, sizeof x);
}

static void random_below_m(struct world *w)
{
    uint8_t bytes[BYTES];
    seeded_bytes(bytes, sizeof bytes);
    assert_non_null(BN_bin2bn(bytes, sizeof bytes, w->x));
    assert_int_equal(BN_nnmod(w->x, w->x, w->m, w->bn), 1);
}

static void with_world(void (*body)(struct world *))
{
    struct world w = {.bn = BN_CTX_new()};
    BN_CTX_start(w.bn);
    w.m = BN_CTX_get(w.bn);
    w.x = BN_CTX_get(w.bn);
    w.want = BN_CTX_get(w.bn);
    assert_non_null(w.want);
    for (int c = CURVE_P256; c < CURVE_COUNT; c++) {
        for (int i = 0; i < 2; i++) {
            w.modulus = i == 0 ? ec64_curves[c].p : ec64_curves[c].n;
            assert_non_null(BN_lebin2bn((const uint8_t *)w.modulus.m, BYTES, w.m));
            body(&w);
        }
    }
    BN_CTX_end(w.bn);
    BN_CTX_free(w.bn);
}

/* x and m - x. */
static void check_both_signs(struct world *w)
{
    check(w);
    if (!BN_is_zero(w->x)) {
        assert_int_equal(BN_sub(w->x, w->m, w->x), 1);
        check(w);
    }
}

static void edges_of_one(struct world *w)
{
    for (BN_ULONG small = 0; small < 300; small++) {
        assert_int_equal(BN_set_word(w->x, small), 1);
        check_both_signs(w);
    }
    for (int bit = 0; bit < BITS; bit++) {
        for (int delta = -1; delta <= 1; delta++) {
            BN_zero(w->x);
            assert_int_equal(BN_set_bit(w->x, bit), 1);
            assert_int_equal(delta < 0 ? BN_sub_word(w->x, 1) : BN_add_word(w->x, (BN_ULONG)delta),
                             1);
            assert_int_equal(BN_nnmod(w->x, w->x, w->m, w->bn), 1);
            check_both_signs(w);
        }
    }
    /* Near m / 2, m / 3, ...: f and g share many leading bits there. */
    for (BN_ULONG divisor = 2; divisor < 100; divisor++) {
        assert_non_null(BN_copy(w->x, w->m));
        assert_true(BN_div_word(w->x, divisor) != (BN_ULONG)-1);
        check_both_signs(w);
    }
}

static void edges(void **state)
{
    (void)state;
    with_world(edges_of_one);
}

static void random_of_one(struct world *w)
{
    for (int i = 0; i < RANDOM_CASES; i++) {
        random_below_m(w);
        if (i % 4 == 3) { /* of every length */
            assert_int_equal(BN_rshift(w->x, w->x, i / 4 % BITS), 1);
        }
        check(w);
    }
}

static void random_numbers(void **state)
{
    (void)state;
    with_world(random_of_one);
}

/* All x modulo small primes, and random ones modulo primes of every length. */
static void other_moduli(void **state)
{
    (void)state;
    static const BN_ULONG small[] = {3, 5, 7, 11, 13, 251, 257, 1021};
    struct world w = {.bn = BN_CTX_new()};
    BN_CTX_start(w.bn);
    w.m = BN_CTX_get(w.bn);
    w.x = BN_CTX_get(w.bn);
    w.want = BN_CTX_get(w.bn);
    for (size_t i = 0; i < sizeof small / sizeof small[0]; i++) {
        assert_int_equal(BN_set_word(w.m, small[i]), 1);
        set_modulus(&w);
        for (BN_ULONG x = 0; x < small[i]; x++) {
            assert_int_equal(BN_set_word(w.x, x), 1);
            check(&w);
        }
    }
    for (int bits = 16; bits <= BITS; bits += 8) {
        assert_int_equal(BN_generate_prime_ex(w.m, bits, 0, NULL, NULL, NULL), 1);
        set_modulus(&w);
        for (int i = 0; i < 100; i++) {
            random_below_m(&w);
            check(&w);
        }
    }
    BN_CTX_end(w.bn);
    BN_CTX_free(w.bn);
}

int main(void)
{
    seeded_start();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edges),
        cmocka_unit_test(random_numbers),
        cmocka_unit_test(other_moduli),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
