/*
 * Nothing is allocated while requests flow: malloc and its kin are counted on every thread and in
 * every library but libcrypto, from the frame to the packed reply, through the frontend's own
 * batches, the workers and a custody lane.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <poll.h>
#include <unistd.h>

#include "providers/provider.h"
#include "service/clock.h"
#include "service/dispatch.h"
#include "tests/unit/service/fake_custodian.h"

/* -- the counting allocator: glibc's own behind it -- */

#define EXPORTED __attribute__((visibility("default")))

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t align, size_t size);

static _Atomic uint64_t allocations;

EXPORTED void *malloc(size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_malloc(size);
}

EXPORTED void *calloc(size_t count, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_calloc(count, size);
}

EXPORTED void *realloc(void *p, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_realloc(p, size);
}

EXPORTED void *aligned_alloc(size_t align, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_memalign(align, size);
}

EXPORTED int posix_memalign(void **out, size_t align, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    *out = __libc_memalign(align, size);
    return *out != NULL ? 0 : -1;
}

/* libcrypto's contexts are its own affair: a digest makes its state anew each time. */
static void *uncounted_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return __libc_malloc(size);
}

static void *uncounted_realloc(void *p, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return __libc_realloc(p, size);
}

static void uncounted_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    free(p);
}

/* -- a service, and requests whose every item is good -- */

enum { JOBS = 8, ITEMS = 64, ROUNDS = 200, PATIENCE_US = 20 * US_PER_S, FRAMES = 4 };

struct frame {
    uint8_t *bytes;
    size_t len;
};

static const char client_key[KEYFILE_Z85_LEN + 1] = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";

struct world {
    char directory[64];
    char socket[96];
    struct config_custodian custodian;
    struct policy_principal principal;
    struct policy_key policy_key;
    struct policy policy;
    struct config config;
    struct trust trust;
    struct fake_custodian fake;
    struct dispatch d;
    uint8_t reply[WIRE_FRAME_MAX];
    size_t reply_count;
    EVP_PKEY *key;
    uint8_t point[EC_POINT_LEN];
    uint8_t digests[ITEMS][SHA256_LEN];
    uint8_t signatures[ITEMS][EC_SIGNATURE_LEN];
    struct frame frames[FRAMES];
};

static bool take_reply(void *arg, struct span identity, const Ecka__V1__Reply *reply,
                       struct job *job)
{
    (void)job;
    struct world *w = arg;
    assert_true(span_eq(identity, span_of("client", 6)));
    assert_int_equal(reply->status, STATUS_OK);
    (void)ecka__v1__reply__pack(reply, w->reply);
    const ProtobufCBinaryData *statuses =
        reply->result_case == ECKA__V1__REPLY__RESULT_VERIFY    ? &reply->verify->item_status
        : reply->result_case == ECKA__V1__REPLY__RESULT_CONFIRM ? &reply->confirm->item_status
                                                                : &reply->verify_chain->item_status;
    for (size_t i = 0; i < statuses->len; i++) {
        assert_int_equal(statuses->data[i], STATUS_OK);
    }
    w->reply_count++;
    return false;
}

static void sign(EVP_PKEY *key, const uint8_t digest[SHA256_LEN], uint8_t out[EC_SIGNATURE_LEN])
{
    uint8_t der[80];
    size_t len = sizeof(der);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    assert_int_equal(EVP_PKEY_sign_init(context), 1);
    assert_int_equal(EVP_PKEY_sign(context, der, &len, digest, SHA256_LEN), 1);
    EVP_PKEY_CTX_free(context);
    const uint8_t *p = der;
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &p, (long)len);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(signature), out, 32), 32);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(signature), out + 32, 32), 32);
    ECDSA_SIG_free(signature);
}

static struct frame pack(Ecka__V1__Request *request)
{
    struct frame f;
    request->version = WIRE_VERSION;
    request->id = 7;
    f.bytes = malloc(ecka__v1__request__get_packed_size(request));
    assert_non_null(f.bytes);
    f.len = ecka__v1__request__pack(request, f.bytes);
    return f;
}

static struct frame verify_frame(struct world *w, size_t items)
{
    Ecka__V1__Request request = ECKA__V1__REQUEST__INIT;
    Ecka__V1__Verify m = ECKA__V1__VERIFY__INIT;
    m.curve = ECKA__V1__CURVE__P256;
    m.public_keys = (ProtobufCBinaryData){.len = EC_POINT_LEN, .data = w->point};
    m.digests = (ProtobufCBinaryData){.len = items * SHA256_LEN, .data = w->digests[0]};
    m.signatures = (ProtobufCBinaryData){.len = items * EC_SIGNATURE_LEN, .data = w->signatures[0]};
    request.op_case = ECKA__V1__REQUEST__OP_VERIFY;
    request.verify = &m;
    return pack(&request);
}

static struct frame confirm_frame(void)
{
    static uint8_t zero[ITEMS * 16];
    ProtobufCBinaryData tickets[ITEMS];
    Ecka__V1__Request request = ECKA__V1__REQUEST__INIT;
    Ecka__V1__Confirm m = ECKA__V1__CONFIRM__INIT;
    for (size_t i = 0; i < ITEMS; i++) {
        tickets[i] = (ProtobufCBinaryData){.len = 500, .data = zero};
    }
    m.tickets = tickets;
    m.n_tickets = ITEMS;
    m.eids = m.receipts = (ProtobufCBinaryData){.len = sizeof(zero), .data = zero};
    request.op_case = ECKA__V1__REQUEST__OP_CONFIRM;
    request.confirm = &m;
    return pack(&request);
}

/* CERT.ECASD.ECKA under an EUM whose key is the world's; the EUM whole, one for all items. */
static struct frame chain_frame(struct world *w)
{
    static uint8_t eids[ITEMS * GP_EID_LEN];
    struct trust_eum *eum = w->trust.eums;
    uint8_t tbs[GP_CERT_MAX];
    uint8_t der[GP_CERT_MAX];
    uint8_t digest[SHA256_LEN];
    uint8_t signature[EC_SIGNATURE_LEN];
    for (size_t i = 0; i < sizeof(eids); i++) {
        eids[i] = 0x89;
    }
    struct gp_cert_fields fields = {
        .serial = span_of("\x01", 1),
        .ca_id = span_of(eum->ca_id, eum->ca_id_len),
        .subject = span_of(eids, GP_EID_LEN),
        .key_usage = GP_KEY_USAGE_AGREEMENT,
        .key_usage_len = 2,
        .expiry = 20991231,
        .curve_ref = GP_CURVE_P256,
        .point = span_of(w->point, EC_POINT_LEN),
    };
    struct writer body = writer_of(tbs, sizeof(tbs));
    struct writer whole = writer_of(der, sizeof(der));
    gp_cert_put_tbs(&body, &fields);
    struct span signed_part = writer_span(&body);
    assert_int_equal(EVP_Digest(signed_part.ptr, signed_part.len, digest, NULL, EVP_sha256(), NULL),
                     1);
    sign(w->key, digest, signature);
    gp_cert_put(&whole, signed_part, span_of(signature, sizeof(signature)));
    assert_int_equal(writer_check(&whole), STATUS_OK);

    ProtobufCBinaryData certs[ITEMS];
    ProtobufCBinaryData eum_der = {.len = eum->der_len, .data = eum->der};
    Ecka__V1__Request request = ECKA__V1__REQUEST__INIT;
    Ecka__V1__VerifyChain m = ECKA__V1__VERIFY_CHAIN__INIT;
    for (size_t i = 0; i < ITEMS; i++) {
        certs[i] = (ProtobufCBinaryData){.len = writer_span(&whole).len, .data = der};
    }
    m.eids = (ProtobufCBinaryData){.len = sizeof(eids), .data = eids};
    m.ecasd_certs = certs;
    m.n_ecasd_certs = ITEMS;
    m.eums = &eum_der;
    m.n_eums = 1;
    request.op_case = ECKA__V1__REQUEST__OP_VERIFY_CHAIN;
    request.verify_chain = &m;
    return pack(&request);
}

static void make_eum(struct world *w)
{
    struct trust_eum *eum = calloc(1, sizeof(*eum));
    assert_non_null(eum);
    *eum = (struct trust_eum){.ca_id = {0xCA},
                              .ca_id_len = 1,
                              .prefix_count = 1,
                              .prefixes = {"89"},
                              .curve = CURVE_P256,
                              .validity = {.not_before = 0, .not_after = INT64_MAX}};
    memcpy(eum->point, w->point, EC_POINT_LEN);
    memset(eum->der, 0x30, 800); /* found by comparison, never parsed */
    eum->der_len = 800;
    w->trust.eums = eum;
    w->trust.eum_count = 1;
    trust_index(&w->trust);
}

static void make_world(struct world *w)
{
    size_t len;
    (void)snprintf(w->directory, sizeof(w->directory), "/tmp/eckad-alloc-XXXXXX");
    assert_non_null(mkdtemp(w->directory));
    (void)snprintf(w->socket, sizeof(w->socket), "%s/c1.sock", w->directory);
    w->custodian = (struct config_custodian){.name = (char[]){"c1"}, .socket = w->socket};
    w->principal = (struct policy_principal){.name = (char[]){"beta"}, .granted = UINT32_MAX};
    w->config = (struct config){.workers = 2,
                                .jobs = JOBS,
                                .default_deadline_ms = 15000,
                                .custodians = &w->custodian,
                                .custodians_count = 1};
    w->policy_key = (struct policy_key){client_key, &w->principal};
    w->policy = (struct policy){.principals = &w->principal,
                                .principals_count = 1,
                                .trust = &w->trust,
                                .keys = &w->policy_key,
                                .key_count = 1,
                                .holds = 1};
    w->key = EVP_EC_gen("P-256");
    assert_non_null(w->key);
    assert_int_equal(EVP_PKEY_get_octet_string_param(w->key, OSSL_PKEY_PARAM_PUB_KEY, w->point,
                                                     sizeof(w->point), &len),
                     1);
    for (size_t i = 0; i < ITEMS; i++) {
        memset(w->digests[i], (int)i, SHA256_LEN);
        sign(w->key, w->digests[i], w->signatures[i]);
    }
    make_eum(w);
    w->frames[0] = verify_frame(w, 1);
    w->frames[1] = verify_frame(w, ITEMS);
    w->frames[2] = chain_frame(w);
    w->frames[3] = confirm_frame();
}

/* Every kind of request at once, over and over, until each was answered. */
static void run(struct world *w, size_t rounds)
{
    for (size_t round = 0; round < rounds; round++) {
        uint64_t end = clock_us() + PATIENCE_US;
        w->reply_count = 0;
        for (size_t i = 0; i < FRAMES; i++) {
            dispatch_request(&w->d, client_key, span_of("client", 6),
                             span_of(w->frames[i].bytes, w->frames[i].len), clock_us());
            if (i == 0) {
                dispatch_run(&w->d, clock_us()); /* alone: the frontend's own batch */
            }
        }
        while (w->reply_count < FRAMES) {
            struct pollfd p = {.fd = w->d.done.fd, .events = POLLIN};
            dispatch_run(&w->d, clock_us());
            assert_true(clock_us() < end);
            if (w->reply_count < FRAMES) {
                (void)poll(&p, 1, 100);
            }
        }
    }
}

static void the_counter_counts(void **state)
{
    (void)state;
    static const uint8_t empty_request[] = {0x08, 0x01};
    uint64_t before = atomic_load(&allocations);
    void *volatile p = malloc(1);
    free(p);
    assert_int_equal(atomic_load(&allocations), before + 1);
    Ecka__V1__Request *m = ecka__v1__request__unpack(NULL, sizeof(empty_request), empty_request);
    assert_non_null(m); /* a shared library's allocations count as well */
    ecka__v1__request__free_unpacked(m, NULL);
    assert_true(atomic_load(&allocations) > before + 1);
}

static void nothing_is_allocated_while_requests_flow(void **state)
{
    (void)state;
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    make_world(w);
    fake_custodian_start(&w->fake, w->socket);
    assert_int_equal(dispatch_init(&w->d, &w->config, &w->policy, take_reply, w), STATUS_OK);
    run(w, ROUNDS); /* key tables grow, libcrypto fetches what it needs */
    uint64_t before = atomic_load(&allocations);
    run(w, ROUNDS);
    assert_int_equal(atomic_load(&allocations) - before, 0);
    assert_true(metric_get(&w->d.metrics->custodians[0].items) >= (uint64_t)2 * ROUNDS * ITEMS);

    assert_true(dispatch_idle(&w->d));
    dispatch_fini(&w->d);
    fake_custodian_stop(&w->fake);
    for (size_t i = 0; i < FRAMES; i++) {
        free(w->frames[i].bytes);
    }
    EVP_PKEY_free(w->key);
    free(w->trust.eums);
    assert_int_equal(rmdir(w->directory), 0);
    free(w);
}

static void ignore(void *arg, const char *sentence)
{
    (void)arg;
    (void)sentence;
}

static int select_provider(void **state)
{
    (void)state;
    provider_set_recheck(0); /* libcrypto allocates when it verifies */
    return provider_select(ignore, NULL) == STATUS_OK ? 0 : -1;
}

int main(void)
{
    if (CRYPTO_set_mem_functions(uncounted_malloc, uncounted_realloc, uncounted_free) != 1) {
        return EXIT_FAILURE; /* libcrypto was in use before */
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_counter_counts),
        cmocka_unit_test(nothing_is_allocated_while_requests_flow),
    };
    return cmocka_run_group_tests_name("alloc", tests, select_provider, NULL);
}
