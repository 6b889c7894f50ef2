/*
 * Story: libcrypto runs out of memory at its i-th allocation, for every i there is. A verification
 * then says that it could not tell, never that a signature is good or a point bad; what makes
 * secrets leaves zeros; and the same thread's context works again afterwards.
 */
#include <openssl/crypto.h>
#include <openssl/err.h>

#include "tests/unit/providers/provider_test.h"

static size_t countdown; /* allocations until the one that fails; 0: none does */
static bool hit;

static bool refused(void)
{
    if (countdown == 0 || --countdown != 0) {
        return false;
    }
    hit = true;
    return true;
}

static void *faulty_malloc(size_t len, const char *file, int line)
{
    (void)file, (void)line;
    return refused() ? NULL : malloc(len);
}

static void *faulty_realloc(void *p, size_t len, const char *file, int line)
{
    (void)file, (void)line;
    return refused() ? NULL : realloc(p, len);
}

static void plain_free(void *p, const char *file, int line)
{
    (void)file, (void)line;
    free(p);
}

static void arm(size_t i)
{
    countdown = i;
    hit = false;
}

static void disarm(void)
{
    countdown = 0;
    ERR_clear_error();
}

enum { CURVE_FILES = 2 };
static const struct {
    enum curve curve;
    const char *file;
} signatures[] = {{CURVE_P256, "wycheproof_ecdsa_p256_plain"}, {CURVE_FRP256V1, "frp256v1"}};

/* One good signature and one bad one under the same key, fault i; whether the fault was reached. */
static bool verify_with_fault(size_t i, const struct verify_item items[2], size_t *could_not_tell)
{
    struct provider *p = NULL;
    enum status out[2] = {STATUS_INTERNAL, STATUS_INTERNAL};
    assert_status("new", provider_new(&p), STATUS_OK);
    arm(i);
    provider_verify_vartime(p, 2, items, out);
    disarm();
    const bool reached = hit;
    if (out[0] == STATUS_COULD_NOT_TELL || out[1] == STATUS_COULD_NOT_TELL) {
        (*could_not_tell)++;
    }
    if (out[0] != STATUS_COULD_NOT_TELL) {
        assert_status("good", out[0], STATUS_OK);
    }
    if (out[1] != STATUS_COULD_NOT_TELL) {
        assert_status("bad", out[1], STATUS_SIGNATURE_INVALID);
    }
    provider_verify_vartime(p, 2, items, out);
    assert_status("good, afterwards", out[0], STATUS_OK);
    assert_status("bad, afterwards", out[1], STATUS_SIGNATURE_INVALID);
    provider_free(&p);
    return reached;
}

static void verification_cannot_tell(void **state)
{
    (void)state;
    for (size_t n = 0; n < CURVE_FILES; n++) {
        struct vectors *v = vectors_open(signatures[n].file);
        const struct vector *c = vectors_at(v, 0);
        uint8_t other_digest[SHA256_LEN] = {1};
        const struct verify_item good = {
            signatures[n].curve, vector_bytes(c, "public", EC_POINT_LEN),
            vector_bytes(c, "digest", SHA256_LEN), vector_bytes(c, "signature", EC_SIGNATURE_LEN)};
        const struct verify_item items[2] = {
            good, {good.curve, good.public_key, other_digest, good.signature}};
        size_t could_not_tell = 0, i = 1;
        while (verify_with_fault(i, items, &could_not_tell)) {
            i++;
        }
        assert_true(i > 10 && could_not_tell > 5);
        vectors_close(&v);
    }
}

static bool keygen_with_fault(struct fixture *f, size_t i, enum curve curve, size_t *failures)
{
    uint8_t k[2][EC_SCALAR_LEN], Q[2][EC_POINT_LEN], z[2][ECDH_Z_LEN];
    const struct keygen_item items[2] = {{curve, k[0], Q[0]}, {curve, k[1], Q[1]}};
    enum status out[2] = {STATUS_INTERNAL, STATUS_INTERNAL};
    memset(k, 0xA5, sizeof k);
    memset(Q, 0xA5, sizeof Q);
    arm(i);
    provider_keygen(f->provider, f->drbg, 2, items, out);
    disarm();
    for (size_t n = 0; n < 2; n++) {
        if (out[n] != STATUS_OK) {
            (*failures)++;
            assert_status("keygen", out[n], STATUS_INTERNAL);
            assert_zero("k", k[n], sizeof k[n]);
            assert_zero("Q", Q[n], sizeof Q[n]);
        }
    }
    if (out[0] == STATUS_OK && out[1] == STATUS_OK) {
        const bool reached = hit;
        assert_status("agree", agree_one(f, curve, k[0], Q[1], z[0]), STATUS_OK);
        assert_status("agree", agree_one(f, curve, k[1], Q[0], z[1]), STATUS_OK);
        assert_bytes("z", z[0], z[1], sizeof z[0]);
        return reached;
    }
    return hit;
}

static void key_generation_leaves_zeros(void **state)
{
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        size_t i = 1, failures = 0;
        while (keygen_with_fault(*state, i, (enum curve)c, &failures)) {
            i++;
        }
        assert_true(i > 10 && failures > 5);
    }
}

static void agreement_leaves_zeros(void **state)
{
    struct fixture *f = *state;
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        enum curve curve = (enum curve)c;
        uint8_t k[EC_SCALAR_LEN], Q[EC_POINT_LEN], z[ECDH_Z_LEN], expected[ECDH_Z_LEN];
        size_t failures = 0;
        new_pair(f, curve, k, Q);
        assert_status("agree", agree_one(f, curve, k, Q, expected), STATUS_OK);
        hit = true;
        for (size_t i = 1; hit; i++) {
            arm(i);
            enum status status = agree_one(f, curve, k, Q, z);
            disarm();
            if (status == STATUS_OK) {
                assert_bytes("z", z, expected, sizeof z);
            } else {
                failures++;
                assert_status("agree", status, STATUS_INTERNAL);
                assert_zero("z", z, sizeof z);
            }
        }
        assert_true(failures > 3);
    }
}

/* The untouched ciphertext is never called forged, whatever fails. */
static void symmetric_functions_leave_zeros(void **state)
{
    struct fixture *f = *state;
    uint8_t key[32] = {1}, nonce[SYM_GCM_NONCE_LEN] = {2}, tag[SYM_GCM_TAG_LEN], sealed[20];
    uint8_t out[64];
    const struct span in = span_of(key, 20), aad = span_of(nonce, 5);
    struct sym *s = NULL;
    assert_status("seal", sym_gcm_seal(f->sym, key, nonce, aad, in, sealed, tag), STATUS_OK);
    hit = true;
    for (size_t i = 1; hit; i++) {
        assert_status("new", sym_new(&s), STATUS_OK); /* contexts fill in at their first use */
        arm(i);
        enum status statuses[] = {
            sym_gcm_open(s, key, nonce, aad, span_of(sealed, sizeof sealed), tag, out),
            sym_cmac(s, span_of(key, 16), in, out + 20),
            sym_hkdf(s, in, aad, aad, out + 36, 20),
            sym_kcv(s, key, out + 56),
        };
        disarm();
        static const struct {
            size_t at, len;
        } parts[] = {{0, 20}, {20, 16}, {36, 20}, {56, SYM_KCV_LEN}};
        for (size_t n = 0; n < sizeof parts / sizeof parts[0]; n++) {
            if (statuses[n] != STATUS_OK) {
                assert_status("symmetric", statuses[n], STATUS_INTERNAL);
                assert_zero("symmetric", out + parts[n].at, parts[n].len);
            }
        }
        if (statuses[0] == STATUS_OK) {
            assert_bytes("opened", out, key, sizeof sealed);
        }
        sym_free(&s);
    }
}

static void what_cannot_be_made_is_null(void **state)
{
    (void)state;
    size_t failures = 0;
    hit = true;
    for (size_t i = 1; hit; i++) {
        struct provider *p = NULL;
        arm(i);
        enum status status = provider_new(&p);
        disarm();
        assert_int_equal(status == STATUS_OK, p != NULL);
        failures += status != STATUS_OK;
        provider_free(&p);
    }
    assert_true(failures > 20);
    hit = true;
    for (size_t i = 1; hit; i++) {
        struct drbg *d = NULL;
        arm(i);
        enum status status = drbg_new(&d, span_of("seed", 4));
        disarm();
        assert_int_equal(status == STATUS_OK, d != NULL);
        drbg_free(&d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verification_cannot_tell),
        cmocka_unit_test(key_generation_leaves_zeros),
        cmocka_unit_test(agreement_leaves_zeros),
        cmocka_unit_test(symmetric_functions_leave_zeros),
        cmocka_unit_test(what_cannot_be_made_is_null),
    };
    if (setenv("ECKA_BACKEND", "libcrypto", 1) != 0) { /* the one that allocates there */
        return EXIT_FAILURE;
    }
    if (CRYPTO_set_mem_functions(faulty_malloc, faulty_realloc, plain_free) != 1) {
        return EXIT_FAILURE; /* libcrypto has allocated already */
    }
    return cmocka_run_group_tests(tests, fixture_new, fixture_free);
}
