/*
 * Secrets as memory that valgrind takes for undefined, through what ships: a branch or an address
 * that depends on one is an error of memcheck's.
 *
 *     memcheck CASE
 *
 * Cases: x963, cmac, equal (the comparison of receipts), gcm (the opening of tickets), hkdf, over
 * libcrypto; scp80 and scp03, the opening of what a card answers, compiled once more so that
 * ct_declassify() is seen; base and agree, the kernel in plain C; and the controls index and
 * branch, which leak on purpose and must be reported. What is known of a secret is declassified by
 * name: here, whether a scalar is in range; in memcheck.supp, whether a GCM tag is right.
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
#include "providers/scp/scp03.h"
#include "providers/scp/scp80.h"

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

/* -- secured packets and sessions -- */

/* A proof of receipt whose padding count is this; the checksum is right. */
static size_t make_response(const struct scp80_keys *keys, uint8_t padding, uint8_t *packet)
{
    enum { HEAD = SCP80_RESPONSE_HEAD - SCP80_CC_LEN };
    static const uint8_t iv[SYM_BLOCK];
    const struct span kic = span_of(keys->kic, SYM_AES128_KEY_LEN);
    const struct scp80_response response = {{0, 0, 1}, 5, SCP80_RSC_OK};
    uint8_t cc[SYM_CMAC_LEN], *body = packet + SCP80_RESPONSE_CLEAR;
    struct writer w = writer_of(packet, SCP80_PACKET_MAX);
    need(scp80_wrap_response(sym, keys, &response, span_of("answer", 6), &w) == STATUS_OK, "wrap");
    const size_t len = w.len - SCP80_RESPONSE_CLEAR;
    need(sym_cbc_decrypt(sym, kic, iv, body, body, len) == STATUS_OK, "CBC");
    body[SCP80_COUNTER_LEN] = padding;
    const struct span parts[] = {span_of(packet, SCP80_RESPONSE_CLEAR), span_of(body, HEAD),
                                 span_of(body + SCP80_RESPONSE_HEAD, len - SCP80_RESPONSE_HEAD)};
    need(sym_cmac_parts(sym, span_of(keys->kid, SYM_AES128_KEY_LEN), 3, parts, cc) == STATUS_OK,
         "CMAC");
    memcpy(body + HEAD, cc, SCP80_CC_LEN);
    need(sym_cbc_encrypt(sym, kic, iv, body, body, len) == STATUS_OK, "CBC");
    return w.len;
}

/* True, with a wrong checksum, and authentic with a padding count that lies. */
static void scp80(void)
{
    uint8_t kic[SYM_AES128_KEY_LEN] = {1}, kid[SYM_AES128_KEY_LEN] = {2}, out[SCP80_PACKET_MAX];
    const struct scp80_keys keys = {kic, kid};
    static const struct {
        uint8_t padding, flip;
        enum status want;
    } rows[] = {{11, 0, STATUS_OK}, {11, 1, STATUS_SCP80_CC}, {16, 0, STATUS_SCP80_CC}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t packet[SCP80_PACKET_MAX];
        struct scp80_response response;
        struct writer w = writer_of(out, sizeof out);
        const size_t len = make_response(&keys, rows[i].padding, packet);
        packet[len - 1] ^= rows[i].flip;
        mark(kic, sizeof kic);
        mark(kid, sizeof kid);
        need(scp80_unwrap_response(sym, &keys, span_of(packet, len), &response, &w) == rows[i].want,
             "a wrong verdict");
        if (rows[i].want == STATUS_OK) {
            need(w.len == 6, "a wrong length");
            need_marked(out, w.len);
        }
        unmark(kic, sizeof kic);
        unmark(kid, sizeof kid);
    }
}

/* A session as the card of the recorded trace opens it, and its response, true and with each kind
 * of fault. The vectors' keys are marked from the beginning. */
static void scp03(void)
{
    uint8_t enc[SYM_AES128_KEY_LEN], mac[SYM_AES128_KEY_LEN], out[APDU_MAX];
    static const uint8_t host[] = {0xFD, 0xF3, 0x82, 0x59, 0xA1, 0xE0, 0xDE, 0x44};
    static const uint8_t card[] = {0x3B, 0x1A, 0xCA, 0x81, 0xE8, 0x21, 0xF2, 0x19};
    uint8_t cryptogram[] = {0x08, 0x1C, 0xDC, 0x01, 0xC2, 0x6B, 0x37, 0x2D};
    static const uint8_t get_eid[] = {0x80, 0xE2, 0x91, 0x00, 0x06, 0xBF,
                                      0x3E, 0x03, 0x5C, 0x01, 0x5A, 0x00};
    uint8_t response[] = {0xF3, 0xBA, 0x2B, 0x10, 0x13, 0xAA, 0x62, 0x24, 0xF5, 0xE1, 0xC1,
                          0x38, 0xD7, 0x18, 0x05, 0xC5, 0x69, 0xE5, 0x43, 0x9B, 0x47, 0x57,
                          0x62, 0x60, 0xB7, 0x5F, 0xC0, 0x21, 0xB2, 0x50, 0x97, 0xCB, 0x2E,
                          0x68, 0xF8, 0xA0, 0x14, 0x49, 0x75, 0xB9, 0x90, 0x00};
    const struct scp03_keys keys = {span_of(enc, sizeof enc), span_of(mac, sizeof mac)};
    const struct scp03_challenges challenges = {host, card};
    struct scp03_session session;
    for (unsigned i = 0; i < SYM_AES128_KEY_LEN; i++) {
        enc[i] = (uint8_t)i;
        mac[i] = (uint8_t)(0x10 + i);
    }
    mark(enc, sizeof enc);
    mark(mac, sizeof mac);
    for (int wrong = 1; wrong >= 0; wrong--) {
        struct writer w = writer_of(out, sizeof out);
        cryptogram[0] = (uint8_t)(0x08 ^ wrong);
        need(scp03_open(sym, &keys, &challenges, cryptogram, 0x33, &session, &w) ==
                 (wrong ? STATUS_SCP03_CRYPTOGRAM : STATUS_OK),
             "a wrong verdict");
    }
    need_marked(session.s_enc, SYM_AES128_KEY_LEN);
    struct writer w = writer_of(out, sizeof out);
    need(scp03_wrap(sym, &session, span_of(get_eid, sizeof get_eid), &w) == STATUS_OK, "wrap");
    for (int wrong = 1; wrong >= 0; wrong--) {
        w = writer_of(out, sizeof out);
        response[0] = (uint8_t)(0xF3 ^ wrong);
        need(scp03_unwrap(sym, &session, span_of(response, sizeof response), &w) ==
                 (wrong ? STATUS_SCP03_RESPONSE : STATUS_OK),
             "a wrong verdict");
    }
    need(w.len == 21 + 2, "a wrong length");
    need_marked(out, 21);
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
    {"x963", x963},   {"cmac", cmac},        {"hkdf", hkdf},          {"equal", equal},
    {"gcm", gcm},     {"scp80", scp80},      {"scp03", scp03},        {"base", base},
    {"agree", agree}, {"index", leak_index}, {"branch", leak_branch},
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
