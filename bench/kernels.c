#include "bench/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/peer.h"
#include "bench/strangers.h"
#include "providers/core/random.h"
#include "providers/ec/kernel.h"

enum {
    BATCH = 256,
    SMALL_BATCH = 64,
    SINGLES = 16, /* of one call, each a batch of one */
    PEER_BATCH = 64,
    KEYS_MAX = 64,
    /* A stranger's key is never seen twice: each slice of each round takes new ones. */
    SLICES = BENCH_ROUNDS_MAX + 1,
    STRANGER_CALLS = 16,
    BUILDS = 9,                                  /* of a table of each level */
    STRANGERS = SLICES * STRANGER_CALLS * BATCH, /* 106,496 */
    /* Known keys have all tables that they will get once so many batches built none. */
    SETTLED_BATCHES = 300,
    SETTLING_BATCHES_MAX = 20000,
};
_Static_assert(STRANGERS >= 100000, "fewer strangers than promised");

static const char peer_verifies[] = "OpenSSL EVP_PKEY_verify, reused key and context";
static const char peer_agrees[] = "OpenSSL EVP_PKEY_keygen and EVP_PKEY_derive";

struct bed {
    enum curve curve;
    struct provider *provider;
    size_t keys, batch, calls;
    uint8_t k[KEYS_MAX][EC_SCALAR_LEN];
    uint8_t Q[KEYS_MAX][EC_POINT_LEN];
    struct peer_key *peers[KEYS_MAX];
    uint8_t digests[BATCH][SHA256_LEN];
    struct peer_signature signatures[BATCH];
    struct verify_item verify[BATCH];

    struct stranger *strangers;
    size_t strangers_left;

    uint8_t eph_k[SMALL_BATCH][EC_SCALAR_LEN];
    uint8_t eph_Q[SMALL_BATCH][EC_POINT_LEN];
    uint8_t z[SMALL_BATCH][ECDH_Z_LEN];
    struct keygen_item keygen[SMALL_BATCH];
    struct ecka_item ecka[SMALL_BATCH];
};

static struct bed *beds[KERNEL_CASES_MAX];
static size_t bed_count;
static struct provider *provider, *portable;
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

static void verify_known(void *arg)
{
    const struct bed *b = arg;
    enum status status[BATCH];
    provider_verify_vartime(b->provider, b->batch, b->verify, status);
    need_all_ok(b->batch, status, "verification");
}

static void verify_singles(void *arg)
{
    const struct bed *b = arg;
    enum status status[SINGLES];
    for (size_t i = 0; i < SINGLES; i++) {
        provider_verify_vartime(b->provider, 1, &b->verify[i], &status[i]);
    }
    need_all_ok(SINGLES, status, "verification");
}

static void verify_strangers(void *arg)
{
    struct bed *b = arg;
    struct verify_item items[BATCH];
    enum status status[BATCH];
    need(b->strangers_left >= BATCH, "finding keys not seen before");
    b->strangers_left -= BATCH;
    for (size_t i = 0; i < BATCH; i++) {
        const struct stranger *s = &b->strangers[b->strangers_left + i];
        items[i] = (struct verify_item){b->curve, s->Q, s->digest, s->signature};
    }
    provider_verify_vartime(b->provider, BATCH, items, status);
    need_all_ok(BATCH, status, "verification");
}

static void verify_theirs(void *arg)
{
    const struct bed *b = arg;
    for (size_t i = 0; i < PEER_BATCH; i++) {
        peer_verify(b->peers[i % b->keys], b->digests[i], &b->signatures[i]);
    }
}

/* -- ephemeral key pair and agreement, as Establish needs them -- */

static void agree_ours(void *arg)
{
    const struct bed *b = arg;
    enum status status[SMALL_BATCH];
    provider_keygen(b->provider, drbg, SMALL_BATCH, b->keygen, status);
    need_all_ok(SMALL_BATCH, status, "key generation");
    provider_ecka(b->provider, SMALL_BATCH, b->ecka, status);
    need_all_ok(SMALL_BATCH, status, "key agreement");
}

static void agree_theirs(void *arg)
{
    const struct bed *b = arg;
    for (size_t i = 0; i < PEER_BATCH; i++) {
        peer_agree(b->peers[i % b->keys]);
    }
}

/* -- the bed -- */

static void make_keys(struct bed *b)
{
    struct keygen_item items[KEYS_MAX];
    enum status status[KEYS_MAX];
    for (size_t i = 0; i < b->keys; i++) {
        items[i] = (struct keygen_item){b->curve, b->k[i], b->Q[i]};
    }
    provider_keygen(b->provider, drbg, b->keys, items, status);
    need_all_ok(b->keys, status, "key generation");
    for (size_t i = 0; i < b->keys; i++) {
        b->peers[i] = peer_key_new(b->curve, b->k[i], b->Q[i]);
    }
}

static void make_items(struct bed *b)
{
    for (size_t i = 0; i < BATCH; i++) {
        size_t key = i % b->keys;
        need(drbg_bytes(drbg, b->digests[i], SHA256_LEN) == STATUS_OK, "the random generator");
        peer_sign(b->peers[key], b->digests[i], &b->signatures[i]);
        b->verify[i] =
            (struct verify_item){b->curve, b->Q[key], b->digests[i], b->signatures[i].raw};
    }
    for (size_t i = 0; i < SMALL_BATCH; i++) {
        b->keygen[i] = (struct keygen_item){b->curve, b->eph_k[i], b->eph_Q[i]};
        b->ecka[i] = (struct ecka_item){b->curve, b->eph_k[i], b->Q[i % b->keys], b->z[i]};
    }
}

/* A verifier that says yes to everything would win every race. */
static void check_refusal(struct bed *b, size_t n)
{
    enum status status[BATCH];
    b->digests[n - 1][0] ^= 1;
    provider_verify_vartime(b->provider, n, b->verify, status);
    b->digests[n - 1][0] ^= 1;
    need(status[n - 1] == STATUS_SIGNATURE_INVALID, "refusing a bad signature");
}

static struct bed *bed_new(enum curve curve, struct provider *p, size_t keys, size_t batch)
{
    struct bed *b = calloc(1, sizeof *b);
    need(b != NULL && bed_count < KERNEL_CASES_MAX, "memory");
    b->curve = curve;
    b->provider = p;
    b->keys = keys;
    b->batch = batch;
    make_keys(b);
    make_items(b);
    beds[bed_count++] = b;
    return b;
}

static struct provider_stats stats_of(const struct provider *p)
{
    struct provider_stats s = {0};
    const struct provider_ops *const *ops = provider_backends();
    const char *name = p == portable ? "portable" : provider_name();
    while (*ops != NULL && strcmp((*ops)->name, name) != 0) {
        ops++;
    }
    if (*ops != NULL && (*ops)->stats != NULL) {
        (*ops)->stats(&s);
    }
    return s;
}

/* Verifies until the cache has built what it wants to build; the bytes of all tables then. */
static size_t settle(struct bed *b)
{
    struct provider_stats last = stats_of(b->provider);
    if (last.budget == 0) {
        return 0; /* a backend without tables */
    }
    for (size_t i = 0, quiet = 0; quiet < SETTLED_BATCHES; i++, quiet++) {
        enum status status[BATCH];
        need(i < SETTLING_BATCHES_MAX, "waiting for tables");
        provider_verify_vartime(b->provider, BATCH, b->verify, status);
        need_all_ok(BATCH, status, "verification");
        const struct provider_stats now = stats_of(b->provider);
        quiet = now.builds != last.builds ? 0 : quiet;
        last = now;
    }
    return last.bytes;
}

/* -- the cases -- */

enum kind { KNOWN, SINGLE, UNKNOWN, AGREE, PORTABLE };

struct plan {
    const char *name;
    enum kind kind;
    enum curve curve;
    size_t keys, batch;
    double floor;
};

static const struct plan plans[] = {
    {"verify p256 known-4 batch-256", KNOWN, CURVE_P256, 4, BATCH, 38},
    {"verify p256 known-4 batch-64", KNOWN, CURVE_P256, 4, SMALL_BATCH, 26},
    {"verify p256 known-64 batch-256", KNOWN, CURVE_P256, 64, BATCH, 33},
    {"verify p256 unknown batch-256", UNKNOWN, CURVE_P256, 4, BATCH, 6.5},
    {"verify p256 known-4 single", SINGLE, CURVE_P256, 4, 1, 6.5},
    {"verify brainpoolP256r1 known-4 batch-256", KNOWN, CURVE_BRAINPOOLP256R1, 4, BATCH, 100},
    {"verify brainpoolP256r1 unknown batch-256", UNKNOWN, CURVE_BRAINPOOLP256R1, 4, BATCH, 19},
    {"ecka p256 batch-64", AGREE, CURVE_P256, 4, SMALL_BATCH, 6},
    {"ecka brainpoolP256r1 batch-64", AGREE, CURVE_BRAINPOOLP256R1, 4, SMALL_BATCH, 30},
    {"portable verify p256 known-4 batch-256", PORTABLE, CURVE_P256, 4, BATCH, 5},
};

static struct bench_case prepare(const struct plan *plan, bool quick)
{
    struct provider *p = plan->kind == PORTABLE ? portable : provider;
    const size_t bytes = stats_of(p).bytes;
    struct bed *b = bed_new(plan->curve, p, plan->keys, plan->batch);
    struct bench_case c = {.name = plan->name,
                           .peer = plan->kind == AGREE ? peer_agrees : peer_verifies,
                           .ours = plan->kind == SINGLE ? verify_singles : verify_known,
                           .theirs = plan->kind == AGREE ? agree_theirs : verify_theirs,
                           .arg = b,
                           .items = plan->kind == SINGLE ? SINGLES : plan->batch,
                           .peer_items = PEER_BATCH,
                           .floor = plan->floor};
    check_refusal(b, 1); /* too little use to earn a table */
    if (plan->kind == AGREE) {
        c.ours = agree_ours;
    } else if (plan->kind == UNKNOWN) {
        c.ours = verify_strangers;
        c.calls = quick ? 1 : STRANGER_CALLS;
        b->strangers_left = SLICES * c.calls * BATCH;
        b->strangers = strangers_new(plan->curve, b->strangers_left);
    } else {
        c.table_bytes = settle(b) - bytes;
        check_refusal(b, BATCH);
    }
    return c;
}

static void find_portable(void)
{
    const struct provider_ops *const *ops = provider_backends();
    while (*ops != NULL && strcmp((*ops)->name, "portable") != 0) {
        ops++;
    }
    if (*ops != NULL && (*ops)->unusable() == NULL) {
        need(provider_new_with(&portable, *ops) == STATUS_OK, "the portable provider");
    }
}

size_t kernels_init(struct bench_case out[static KERNEL_CASES_MAX], const char *only, bool quick)
{
    size_t n = 0;
    need(provider_new(&provider) == STATUS_OK, "the provider");
    need(drbg_new(&drbg, span_of(NULL, 0)) == STATUS_OK, "the random generator");
    find_portable();
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        if (only != NULL && strstr(plans[i].name, only) == NULL) {
            continue;
        }
        if (plans[i].kind == PORTABLE && portable == NULL) {
            (void)fprintf(stderr, "eckabench: no portable backend here: %s left out\n",
                          plans[i].name);
            continue;
        }
        out[n++] = prepare(&plans[i], quick);
    }
    return n;
}

void kernels_fini(void)
{
    for (size_t i = 0; i < bed_count; i++) {
        for (size_t j = 0; j < beds[i]->keys; j++) {
            peer_key_free(beds[i]->peers[j]);
        }
        free(beds[i]->strangers);
        free(beds[i]);
    }
    bed_count = 0;
    drbg_free(&drbg);
    provider_free(&portable);
    provider_free(&provider);
}

/* -- tables -- */

static double one_build_ms(const struct ec_kernel *kernel, struct ec_scratch *scratch,
                           enum curve curve, enum ec_table_level level)
{
    struct ec_build *build = NULL;
    struct ec_table *table = NULL;
    const struct bed *b = beds[0];
    uint8_t k[EC_SCALAR_LEN], Q[EC_POINT_LEN];
    const struct keygen_item item = {curve, k, Q};
    enum status status;
    provider_keygen(b->provider, drbg, 1, &item, &status);
    need_all_ok(1, &status, "key generation");
    const double begin = bench_now_s();
    need(kernel->build_begin(&build, curve, Q, level) == STATUS_OK, "beginning a table");
    while (table == NULL) {
        table = kernel->build_step(build, scratch, (size_t)1 << 20);
    }
    const double took = bench_now_s() - begin;
    kernel->build_free(&build);
    kernel->table_free(&table);
    return 1000 * took;
}

static struct figure build_ms(const struct ec_kernel *kernel, struct ec_scratch *scratch,
                              enum curve curve, enum ec_table_level level)
{
    double ms[BUILDS];
    for (size_t i = 0; i < BUILDS; i++) {
        ms[i] = one_build_ms(kernel, scratch, curve, level);
    }
    return figure_of(BUILDS, ms);
}

size_t kernels_tables(struct kernel_table out[static KERNEL_TABLES_MAX])
{
    static const char *const levels[EC_TABLE_LEVELS] = {"none", "small", "medium", "wide"};
    static const enum curve curves[] = {CURVE_P256, CURVE_BRAINPOOLP256R1};
    const struct ec_kernel *kernel = &ec_kernel_ifma;
    struct ec_scratch *scratch = NULL;
    size_t n = 0;
    if (strcmp(provider_name(), kernel->name) != 0 || bed_count == 0) {
        return 0;
    }
    need(kernel->scratch_new(&scratch) == STATUS_OK, "memory");
    for (size_t i = 0; i < sizeof curves / sizeof curves[0]; i++) {
        for (enum ec_table_level l = EC_TABLE_SMALL; l < EC_TABLE_LEVELS; l++) {
            out[n++] = (struct kernel_table){curve_name((unsigned)curves[i]), levels[l],
                                             kernel->table_bytes(curves[i], l),
                                             build_ms(kernel, scratch, curves[i], l)};
        }
    }
    kernel->scratch_free(&scratch);
    return n;
}
