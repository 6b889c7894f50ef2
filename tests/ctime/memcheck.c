/*
 * Secrets as memory that valgrind takes for undefined, through what ships: a branch or an address
 * that depends on one is an error of memcheck's.
 *
 *     memcheck CASE
 *
 * Cases: x963, cmac, equal (the comparison of receipts), gcm (the opening of tickets), hkdf, over
 * libcrypto; base and agree, the kernel in plain C; and the controls index and branch, which leak
 * on purpose and must be reported. What is known of a secret is declassified by name: here, whether
 * a scalar is in range; in memcheck.supp, whether a GCM tag is right.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/memcheck.h>

#include "providers/core/curves.h"
#include "providers/core/secret.h"
#include "providers/ec/kernel.h"
#include "providers/kdf/sym.h"

enum { TEXT = 100, ITEMS = 5, BAD = 3, EXIT_FAULT = 3 };

static struct sym *sym;

static void need(bool ok, const char *what)
{
    if (!ok) {
        (void)fprintf(stderr, "memcheck: %s\n", what);
        exit(EXIT_FAULT);
    }
}

static void mark(void *p, size_t len)
{
    (void)VALGRIND_MAKE_MEM_UNDEFINED(p, len);
}

static void unmark(void *p, size_t len)
{
    (void)VALGRIND_MAKE_MEM_DEFINED(p, len);
}

/* The mark came all the way: otherwise nothing was shown. */
static void need_marked(const void *p, size_t len)
{
    uint8_t undefined[TEXT] = {0}; /* a bit for a bit */
    need(len <= sizeof undefined && VALGRIND_GET_VBITS(p, undefined, len) == 1, "no marks to read");
    for (size_t i = 0; i < len; i++) {
        need(undefined[i] != 0, "the mark was lost");
    }
}

/* The linker leads every call of scalar_in_range() here. The range of a scalar is made public. */
bool __real_scalar_in_range(const struct curve_params *c, const uint8_t k[static FIELD_LEN]);
bool __wrap_scalar_in_range(const struct curve_params *c, const uint8_t k[static FIELD_LEN]);
bool __wrap_scalar_in_range(const struct curve_params *c, const uint8_t k[static FIELD_LEN])
{
    bool in_range = __real_scalar_in_range(c, k);
    unmark(&in_range, sizeof in_range);
    return in_range;
}

/* -- libcrypto -- */

static void x963(void)
{
    uint8_t z[ECDH_Z_LEN] = {1}, info[TEXT] = {2}, out[TEXT];
    mark(z, sizeof z);
    need(sym_x963(sym, span_of(z, sizeof z), span_of(info, sizeof info), out, sizeof out) ==
             STATUS_OK,
         "X9.63");
    need_marked(out, sizeof out);
}

static void cmac(void)
{
    uint8_t key[SYM_AES128_KEY_LEN] = {1}, text[TEXT] = {2}, out[SYM_CMAC_LEN];
    mark(key, sizeof key);
    need(sym_cmac(sym, span_of(key, sizeof key), span_of(text, sizeof text), out) == STATUS_OK,
         "CMAC");
    need_marked(out, sizeof out);
}

static void hkdf(void)
{
    uint8_t key[SYM_AES256_KEY_LEN] = {1}, salt[TEXT] = {2}, out[TEXT];
    mark(key, sizeof key);
    need(sym_hkdf(sym, span_of(key, sizeof key), span_of(salt, sizeof salt), span_of("x", 1), out,
                  sizeof out) == STATUS_OK,
         "HKDF");
    need_marked(out, sizeof out);
}

static void equal(void)
{
    uint8_t receipt[SYM_CMAC_LEN] = {1}, claimed[SYM_CMAC_LEN] = {1};
    for (int differ = 0; differ <= 1; differ++) {
        claimed[SYM_CMAC_LEN / 2] = (uint8_t)differ;
        mark(receipt, sizeof receipt);
        int same = secret_equal(receipt, claimed, sizeof receipt);
        need_marked(&same, 1);      /* a truth value: its lowest bits alone */
        unmark(&same, sizeof same); /* the receipt's verdict is what the caller asks for */
        need(same == !differ, "a wrong comparison");
        unmark(receipt, sizeof receipt);
    }
}

static void gcm(void)
{
    uint8_t key[SYM_AES256_KEY_LEN] = {1}, nonce[SYM_GCM_NONCE_LEN] = {2}, text[TEXT] = {3};
    uint8_t box[TEXT], tag[SYM_GCM_TAG_LEN], out[TEXT];
    const struct span aad = span_of("header", sizeof "header");
    need(sym_gcm_seal(sym, key, nonce, aad, span_of(text, sizeof text), box, tag) == STATUS_OK,
         "GCM");
    for (int forged = 0; forged <= 1; forged++) {
        tag[0] ^= (uint8_t)forged;
        mark(key, sizeof key);
        mark(nonce, sizeof nonce);
        need(sym_gcm_open(sym, key, nonce, aad, span_of(box, sizeof box), tag, out) ==
                 (forged ? STATUS_BLOB_FORGED : STATUS_OK),
             "a wrong verdict");
        if (!forged) {
            need_marked(out, sizeof out);
        }
    }
}

/* -- the kernel in plain C -- */

static void kernel(bool agreement)
{
    static uint8_t k[ITEMS][EC_SCALAR_LEN], Q[ITEMS][EC_POINT_LEN], z[ITEMS][ECDH_Z_LEN];
    const struct ec_kernel *kernel = &ec_kernel_portable;
    const uint8_t *k_in[ITEMS], *peer[ITEMS];
    uint8_t *Q_out[ITEMS], *z_out[ITEMS];
    enum status status[ITEMS];
    struct ec_scratch *s = NULL;
    need(kernel->global_init() == STATUS_OK && kernel->scratch_new(&s) == STATUS_OK, "no memory");
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        unmark(k, sizeof k);
        for (size_t i = 0; i < ITEMS; i++) {
            for (size_t j = 0; j < EC_SCALAR_LEN; j++) {
                k[i][j] = (uint8_t)((37 * i + 101 * j + 11) & 0x7F); /* below every n */
            }
            k_in[i] = k[i];
            peer[i] = Q_out[i] = Q[i];
            z_out[i] = z[i];
        }
        if (agreement) {
            kernel->mul_base(s, (enum curve)c, ITEMS, k_in, Q_out, status);
        }
        memset(k[BAD], 0xFF, EC_SCALAR_LEN);
        mark(k, sizeof k);
        if (agreement) {
            kernel->ecka(s, (enum curve)c, ITEMS, k_in, peer, z_out, status);
            need_marked(z[0], ECDH_Z_LEN);
        } else {
            kernel->mul_base(s, (enum curve)c, ITEMS, k_in, Q_out, status);
            need_marked(Q[0] + 1, EC_POINT_LEN - 1);
        }
        for (size_t i = 0; i < ITEMS; i++) {
            need(status[i] == (i == BAD ? STATUS_BAD_SCALAR : STATUS_OK), "a wrong status");
        }
        unmark(Q, sizeof Q);
    }
    kernel->scratch_free(&s);
}

static void base(void)
{
    kernel(false);
}

static void agree(void)
{
    kernel(true);
}

/* -- controls -- */

static const uint8_t table[256] = {1, 2, 3};
static volatile uint8_t sink;

static void leak_index(void)
{
    uint8_t secret[1] = {7};
    mark(secret, sizeof secret);
    sink = table[secret[0]];
}

__attribute__((noinline)) static void called(void)
{
    sink = 1;
}

static void leak_branch(void)
{
    uint8_t secret[1] = {7};
    mark(secret, sizeof secret);
    if ((secret[0] & 1) != 0) {
        called();
    }
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"x963", x963}, {"cmac", cmac},   {"hkdf", hkdf},        {"equal", equal},        {"gcm", gcm},
    {"base", base}, {"agree", agree}, {"index", leak_index}, {"branch", leak_branch},
};

int main(int argc, char **argv)
{
    need(argc == 2 && RUNNING_ON_VALGRIND != 0, "run by memcheck.py");
    need(secret_init() == STATUS_OK && sym_new(&sym) == STATUS_OK, "no contexts");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (strcmp(argv[1], cases[i].name) == 0) {
            cases[i].run();
            sym_free(&sym);
            return 0;
        }
    }
    need(false, "no such case");
}
