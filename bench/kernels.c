#include "bench/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/peer.h"
#include "providers/core/random.h"

enum { BATCH = 64, KEYS = 4, CURVES = 2 };

struct bed { /* of one curve */
    enum curve curve;
    uint8_t k[KEYS][EC_SCALAR_LEN];
    uint8_t Q[KEYS][EC_POINT_LEN];
    uint8_t digests[BATCH][SHA256_LEN];
    struct peer_signature signatures[BATCH];
    struct peer_key *peers[KEYS];
    struct verify_item verify[BATCH];

    uint8_t eph_k[BATCH][EC_SCALAR_LEN];
    uint8_t eph_Q[BATCH][EC_POINT_LEN];
    uint8_t z[BATCH][ECDH_Z_LEN];
    struct keygen_item keygen[BATCH];
    struct ecka_item ecka[BATCH];
};

static struct bed beds[CURVES] = {{.curve = CURVE_P256}, {.curve = CURVE_BRAINPOOLP256R1}};
static struct provider *provider;
static struct drbg *drbg;

static void need(bool ok, const char *what)
{
    if (!ok) {
        (void)fprintf(stderr, "eckabench: %s failed\n", what);
        abort();
    }
}

static void need_all_ok(size_t n, const enum status status[], const char *what)
{
    for (size_t i = 0; i < n; i++) {
        need(status[i] == STATUS_OK, what);
    }
}

/* -- verification -- */

static void verify_ours(void *arg)
{
    const struct bed *b = arg;
    enum status status[BATCH];
    provider_verify_vartime(provider, BATCH, b->verify, status);
    need_all_ok(BATCH, status, "verification");
}

static void verify_theirs(void *arg)
{
    const struct bed *b = arg;
    for (size_t i = 0; i < BATCH; i++) {
        peer_verify(b->peers[i % KEYS], b->digests[i], &b->signatures[i]);
    }
}

/* -- ephemeral key pair and agreement, as Establish needs them -- */

static void agree_ours(void *arg)
{
    const struct bed *b = arg;
    enum status status[BATCH];
    provider_keygen(provider, drbg, BATCH, b->keygen, status);
    need_all_ok(BATCH, status, "key generation");
    provider_ecka(provider, BATCH, b->ecka, status);
    need_all_ok(BATCH, status, "key agreement");
}

static void agree_theirs(void *arg)
{
    const struct bed *b = arg;
    for (size_t i = 0; i < BATCH; i++) {
        peer_agree(b->peers[i % KEYS]);
    }
}

/* -- the bed -- */

static void make_keys(struct bed *b)
{
    struct keygen_item items[KEYS];
    enum status status[KEYS];
    for (size_t i = 0; i < KEYS; i++) {
        items[i] = (struct keygen_item){b->curve, b->k[i], b->Q[i]};
    }
    provider_keygen(provider, drbg, KEYS, items, status);
    need_all_ok(KEYS, status, "key generation");
    for (size_t i = 0; i < KEYS; i++) {
        b->peers[i] = peer_key_new(b->curve, b->k[i], b->Q[i]);
    }
}

static void make_items(struct bed *b)
{
    for (size_t i = 0; i < BATCH; i++) {
        size_t key = i % KEYS;
        need(drbg_bytes(drbg, b->digests[i], SHA256_LEN) == STATUS_OK, "the random generator");
        peer_sign(b->peers[key], b->digests[i], &b->signatures[i]);
        b->verify[i] =
            (struct verify_item){b->curve, b->Q[key], b->digests[i], b->signatures[i].raw};
        b->keygen[i] = (struct keygen_item){b->curve, b->eph_k[i], b->eph_Q[i]};
        b->ecka[i] = (struct ecka_item){b->curve, b->eph_k[i], b->Q[key], b->z[i]};
    }
}

/* A verifier that says yes to everything would win every race. */
static void check_refusal(struct bed *b)
{
    enum status status[BATCH];
    b->digests[BATCH - 1][0] ^= 1;
    provider_verify_vartime(provider, BATCH, b->verify, status);
    b->digests[BATCH - 1][0] ^= 1;
    need(status[BATCH - 1] == STATUS_SIGNATURE_INVALID, "refusing a bad signature");
}

size_t kernels_init(struct bench_case out[static KERNEL_CASES_MAX])
{
    static const char *const names[CURVES][2] = {
        {"verify p256 known-4 batch-64", "keygen+ecka p256 batch-64"},
        {"verify brainpoolP256r1 known-4 batch-64", "keygen+ecka brainpoolP256r1 batch-64"}};
    size_t n = 0;
    need(provider_new(&provider) == STATUS_OK, "the provider");
    need(drbg_new(&drbg, span_of(NULL, 0)) == STATUS_OK, "the random generator");
    for (size_t i = 0; i < CURVES; i++) {
        struct bed *b = &beds[i];
        make_keys(b);
        make_items(b);
        check_refusal(b);
        out[n++] =
            (struct bench_case){names[i][0],   "OpenSSL EVP_PKEY_verify, reused key and context",
                                BATCH,         verify_ours,
                                verify_theirs, b};
        out[n++] = (struct bench_case){names[i][1],  "OpenSSL EVP_PKEY_keygen and EVP_PKEY_derive",
                                       BATCH,        agree_ours,
                                       agree_theirs, b};
    }
    return n;
}

void kernels_fini(void)
{
    for (size_t i = 0; i < CURVES; i++) {
        for (size_t j = 0; j < KEYS; j++) {
            peer_key_free(beds[i].peers[j]);
        }
    }
    drbg_free(&drbg);
    provider_free(&provider);
}
