/*
 * The eight-lane key generation and agreement with scalars that MemorySanitizer takes for undefined
 * memory: a branch or an address that depends on one ends the program with a report.
 *
 *     msan_ifma CASE CURVE
 *
 * Cases: mul_base, ecka; and the controls index, branch and lane, which leak on purpose and must be
 * reported. Links the kernel's files and nothing else that is not instrumented. Exit 77 where the
 * machine cannot run the kernel.
 */
#include <sanitizer/msan_interface.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "providers/core/secret.h"
#include "providers/ec/ifma/ecka_base.h"
#include "providers/ec/ifma/fe8.h"
#include "providers/ec/ifma/ifma.h"

enum {
    ITEMS = 19, /* two whole vectors, which go side by side, and a partial one */
    BAD = 5,    /* the item whose scalar is out of range */
    EXIT_SKIPPED = 77,
    EXIT_USAGE = 2,
};

static uint8_t k[ITEMS][EC_SCALAR_LEN], Q[ITEMS][EC_POINT_LEN], z[ITEMS][ECDH_Z_LEN];
static const uint8_t *k_in[ITEMS], *peer_in[ITEMS];
static uint8_t *Q_out[ITEMS], *z_out[ITEMS];
static enum status status[ITEMS];
static struct ifma_scratch scratch;

/* For modinv64(), which nothing here calls; the real one is libsodium's. */
void secret_wipe(void *p, size_t len)
{
    memset(p, 0, len);
}

static void need(bool ok, const char *what)
{
    if (!ok) {
        (void)fprintf(stderr, "msan_ifma: %s\n", what);
        exit(1);
    }
}

static struct ec_scratch *scratch_of(void)
{
    return (struct ec_scratch *)(void *)&scratch;
}

static void fill(void)
{
    for (size_t i = 0; i < ITEMS; i++) {
        for (size_t j = 0; j < EC_SCALAR_LEN; j++) {
            k[i][j] = (uint8_t)(37 * i + 101 * j + 11); /* the values do not matter */
        }
        k[i][0] &= 0x7F; /* below every n */
        k_in[i] = k[i];
        Q_out[i] = Q[i];
        z_out[i] = z[i];
        peer_in[i] = Q[i];
    }
}

/* Whether each byte is what the sanitizer calls undefined: that is how far the secret has come. */
static bool all_secret(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (__msan_test_shadow(p + i, 1) != 0) {
            return false;
        }
    }
    return true;
}

static void mark_scalars(void)
{
    memset(k[BAD], 0xFF, EC_SCALAR_LEN);
    __msan_poison(k, sizeof k);
}

static void check_statuses(void)
{
    for (size_t i = 0; i < ITEMS; i++) {
        need(status[i] == (i == BAD ? STATUS_BAD_SCALAR : STATUS_OK), "a wrong status");
    }
}

static void mul_base(enum curve curve)
{
    mark_scalars();
    ifma_mul_base(scratch_of(), curve, ITEMS, k_in, Q_out, status);
    check_statuses();
    need(all_secret(Q[0] + 1, EC_POINT_LEN - 1), "the mark was lost on the way to Q");
}

static void ecka(enum curve curve)
{
    ifma_mul_base(scratch_of(), curve, ITEMS, k_in, Q_out, status); /* peers, public */
    mark_scalars();
    ifma_ecka(scratch_of(), curve, ITEMS, k_in, peer_in, z_out, status);
    check_statuses();
    need(all_secret(z[0], ECDH_Z_LEN), "the mark was lost on the way to z");
}

/* -- controls: each leaks in one of the ways that must not pass -- */

static const uint8_t table[256] = {1, 2, 3};
static volatile uint8_t sink;

static void leak_index(enum curve curve)
{
    (void)curve;
    mark_scalars();
    sink = table[k[0][EC_SCALAR_LEN - 1]];
}

__attribute__((noinline)) static void called(void)
{
    sink = 1;
}

static void leak_branch(enum curve curve)
{
    (void)curve;
    mark_scalars();
    if ((k[0][EC_SCALAR_LEN - 1] & 1) != 0) {
        called();
    }
}

/* Out of a register of eight lanes, after the kernel's own loading. */
static void leak_lane(enum curve curve)
{
    (void)curve;
    mark_scalars();
    const struct fe8 a = fe8_load_be(k_in);
    if (_mm512_test_epi64_mask(a.v[0], fe8_word(1)) == 0) {
        called();
    }
}

static const struct {
    const char *name;
    void (*run)(enum curve curve);
} cases[] = {
    {"mul_base", mul_base},  {"ecka", ecka},      {"index", leak_index},
    {"branch", leak_branch}, {"lane", leak_lane},
};

int main(int argc, char **argv)
{
    const char *unusable = ifma_unusable();
    if (unusable != NULL) {
        (void)puts(unusable);
        return EXIT_SKIPPED;
    }
    if (argc != 3) {
        return EXIT_USAGE;
    }
    need(ecka_global_init() == STATUS_OK && ecka_scratch_new(&scratch.ecka) == STATUS_OK,
         "no memory");
    fill();
    const enum curve curve = curve_from_name(argv[2]);
    for (size_t i = 0; curve != CURVE_NONE && i < sizeof cases / sizeof cases[0]; i++) {
        if (strcmp(argv[1], cases[i].name) == 0) {
            cases[i].run(curve);
            ecka_scratch_free(&scratch.ecka);
            (void)puts("no report");
            return 0;
        }
    }
    return EXIT_USAGE;
}
