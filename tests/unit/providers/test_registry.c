/* Story: a backend that computes wrongly is found out at start, named, and passed over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "providers/core/secret.h"
#include "providers/core/selftest.h"
#include "providers/libcrypto/backend.h"
#include "providers/registry.h"

struct log {
    char text[2048];
};

static void append(void *arg, const char *sentence)
{
    struct log *log = arg;
    size_t used = strlen(log->text);
    (void)snprintf(log->text + used, sizeof log->text - used, "%s\n", sentence);
}

/* Deliberately wrong operations, each over libcrypto's right ones. */
static void accepts_all(void *ctx, size_t n, const struct verify_item items[], enum status out[])
{
    (void)ctx, (void)items;
    for (size_t i = 0; i < n; i++) {
        out[i] = STATUS_OK;
    }
}

static void refuses_neighbours(void *ctx, size_t n, const struct verify_item items[],
                               enum status out[])
{
    bool good = true;
    libcrypto_backend.verify_vartime(ctx, n, items, out);
    for (size_t i = 0; i < n; i++) {
        good = good && out[i] == STATUS_OK;
        out[i] = good ? out[i] : STATUS_SIGNATURE_INVALID;
    }
}

static void z_of_wrong_endianness(void *ctx, size_t n, const struct ecka_item items[],
                                  enum status out[])
{
    libcrypto_backend.ecka(ctx, n, items, out);
    for (size_t i = 0; i < n; i++) {
        for (size_t b = 0; b < ECDH_Z_LEN / 2; b++) {
            uint8_t low = items[i].z[b];
            items[i].z[b] = items[i].z[ECDH_Z_LEN - 1 - b];
            items[i].z[ECDH_Z_LEN - 1 - b] = low;
        }
    }
}

/* Leaves Z of a refused item standing. */
static void z_not_wiped(void *ctx, size_t n, const struct ecka_item items[], enum status out[])
{
    libcrypto_backend.ecka(ctx, n, items, out);
    for (size_t i = 0; i < n; i++) {
        if (out[i] != STATUS_OK) {
            items[i].z[0] = 1;
        }
    }
}

static void same_pair_again(void *ctx, struct drbg *drbg, size_t n,
                            const struct keygen_item items[], enum status out[])
{
    libcrypto_backend.keygen(ctx, drbg, n, items, out);
    for (size_t i = 1; i < n; i++) {
        memcpy(items[i].k, items[0].k, EC_SCALAR_LEN);
        memcpy(items[i].Q, items[0].Q, EC_POINT_LEN);
    }
}

static void k_off_by_one(void *ctx, struct drbg *drbg, size_t n, const struct keygen_item items[],
                         enum status out[])
{
    libcrypto_backend.keygen(ctx, drbg, n, items, out);
    items[n - 1].k[EC_SCALAR_LEN - 1] ^= 1;
}

static struct provider_ops broken(const char *name)
{
    struct provider_ops ops = libcrypto_backend;
    ops.name = name;
    return ops;
}

static void selftest_catches(const struct provider_ops *ops, const char *expected)
{
    char failed[SELFTEST_NAME_SIZE] = "";
    assert_int_equal(selftest_backend(ops, failed), STATUS_INTERNAL);
    assert_non_null(strstr(failed, expected));
}

static void selftest_passes_libcrypto(void **state)
{
    (void)state;
    char failed[SELFTEST_NAME_SIZE] = "";
    assert_int_equal(selftest_backend(&libcrypto_backend, failed), STATUS_OK);
    assert_string_equal(failed, "");
    struct sym *sym = NULL;
    assert_int_equal(sym_new(&sym), STATUS_OK);
    assert_int_equal(selftest_sym(sym, failed), STATUS_OK);
    sym_free(&sym);
    assert_null(sym);
}

static void selftest_catches_each_fault(void **state)
{
    (void)state;
    struct provider_ops ops = broken("accepts");
    ops.verify_vartime = accepts_all;
    selftest_catches(&ops, "ECDSA verification on P-256");
    ops = broken("neighbours");
    ops.verify_vartime = refuses_neighbours;
    selftest_catches(&ops, "ECDSA verification on P-256");
    ops = broken("endian");
    ops.ecka = z_of_wrong_endianness;
    selftest_catches(&ops, "key agreement on P-256");
    ops = broken("unwiped");
    ops.ecka = z_not_wiped;
    selftest_catches(&ops, "key agreement on P-256");
    ops = broken("constant");
    ops.keygen = same_pair_again;
    selftest_catches(&ops, "key generation on P-256");
    ops = broken("inconsistent");
    ops.keygen = k_off_by_one;
    selftest_catches(&ops, "key generation on P-256");
}

static const char *no_such_cpu(void)
{
    return "the CPU lacks it";
}

static void broken_and_unusable_backends_are_passed_over(void **state)
{
    (void)state;
    struct log log = {0};
    struct provider_ops wrong = broken("wrong"), absent = broken("absent");
    wrong.verify_vartime = accepts_all;
    absent.unusable = no_such_cpu;
    const struct provider_ops *const all[] = {&absent, &wrong, &libcrypto_backend, NULL};
    assert_int_equal(provider_select_from(all, NULL, append, &log), STATUS_OK);
    assert_string_equal(provider_name(), "libcrypto");
    assert_non_null(strstr(log.text, "absent: not usable here: the CPU lacks it"));
    assert_non_null(strstr(log.text, "wrong: known-answer test failed: ECDSA verification"));
    assert_non_null(strstr(log.text, "libcrypto: known-answer tests passed; used"));

    char refused[PROVIDER_REFUSED_MAX];
    provider_refused(refused);
    assert_string_equal(refused, "absent: the CPU lacks it; wrong: a known-answer test failed");
    assert_int_equal(provider_select_from(all + 2, NULL, append, &log), STATUS_OK);
    provider_refused(refused);
    assert_string_equal(refused, "");
}

static void a_wish_for_a_broken_backend_is_not_replaced(void **state)
{
    (void)state;
    struct log log = {0};
    struct provider_ops wrong = broken("wrong");
    wrong.verify_vartime = accepts_all;
    const struct provider_ops *const all[] = {&wrong, &libcrypto_backend, NULL};
    assert_int_equal(provider_select_from(all, "wrong", append, &log), STATUS_INTERNAL);
    assert_string_equal(provider_name(), "none");
    struct provider *p = NULL;
    assert_int_equal(provider_new(&p), STATUS_INTERNAL);
    assert_null(p);
}

static void the_environment_chooses(void **state)
{
    (void)state;
    struct log log = {0};
    assert_int_equal(setenv("ECKA_BACKEND", "abacus", 1), 0);
    assert_int_equal(provider_select(append, &log), STATUS_INTERNAL);
    assert_non_null(strstr(log.text, "no backend is called abacus"));
    assert_int_equal(setenv("ECKA_BACKEND", "libcrypto", 1), 0);
    assert_int_equal(provider_select(append, &log), STATUS_OK);
    assert_string_equal(provider_name(), "libcrypto");
    assert_int_equal(unsetenv("ECKA_BACKEND"), 0);
    assert_int_equal(provider_select(NULL, NULL), STATUS_OK);
    struct provider *p = NULL;
    assert_int_equal(provider_new(&p), STATUS_OK);
    assert_non_null(provider_sym(p));
    provider_free(&p);
    assert_null(p);
    provider_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(selftest_passes_libcrypto),
        cmocka_unit_test(selftest_catches_each_fault),
        cmocka_unit_test(broken_and_unusable_backends_are_passed_over),
        cmocka_unit_test(a_wish_for_a_broken_backend_is_not_replaced),
        cmocka_unit_test(the_environment_chooses),
    };
    if (secret_init() != STATUS_OK) {
        return EXIT_FAILURE;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
