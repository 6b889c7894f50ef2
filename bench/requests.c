#include "bench/requests.h"

#include <stdio.h>
#include <stdlib.h>

#include "bench/cards.h"
#include "bench/peer.h"
#include "bench/reply.h"
#include "bench/strangers.h"
#include "ecka.pb-c.h"
#include "proto/wire/limits.h"
#include "providers/core/random.h"

enum {
    SIGNATURES = 1024,  /* made, and spread over the requests of a set */
    REQUESTS_MAX = 256, /* of a set */
    KEY_INDEX_LEN = 2,
};

struct request {
    uint8_t *op; /* a field of Request */
    size_t len;
};

struct requests {
    size_t items, n, turn;
    bool tampered;
    struct request *list;
    /* of Verify */
    enum curve curve;
    size_t keys, signatures;
    uint8_t Q[REQUEST_KEYS_MAX][EC_POINT_LEN];
    uint8_t (*digests)[SHA256_LEN];
    uint8_t (*raw)[EC_SIGNATURE_LEN];
};

static void need(bool ok, const char *what)
{
    if (!ok) {
        (void)fprintf(stderr, "eckabench: %s failed\n", what);
        abort();
    }
}

static struct requests *set_new(size_t n, size_t items)
{
    struct requests *r = calloc(1, sizeof *r);
    need(r != NULL, "memory");
    r->items = items;
    r->n = n;
    r->list = calloc(n, sizeof *r->list);
    need(r->list != NULL, "memory");
    return r;
}

/* As many requests as spread SIGNATURES items over them. */
static size_t enough(size_t items)
{
    const size_t n = SIGNATURES / items;
    return n > REQUESTS_MAX ? REQUESTS_MAX : n == 0 ? 1 : n;
}

void requests_free(struct requests **requests)
{
    struct requests *r = *requests;
    if (r != NULL) {
        for (size_t i = 0; i < r->n; i++) {
            free(r->list[i].op);
        }
        free(r->list);
        free(r->digests);
        free(r->raw);
        free(r);
        *requests = NULL;
    }
}

/* A Request that has nothing but its operation is that field. */
static struct request encode(const Ecka__V1__Request *msg)
{
    struct request out = {.len = ecka__v1__request__get_packed_size(msg)};
    out.op = malloc(out.len);
    need(out.op != NULL && out.len < WIRE_FRAME_MAX, "encoding a request");
    (void)ecka__v1__request__pack(msg, out.op);
    return out;
}

/* -- Verify -- */

static void make_signatures(struct requests *r)
{
    struct provider *provider = NULL;
    struct drbg *drbg = NULL;
    struct peer_key *peers[REQUEST_KEYS_MAX];
    r->signatures = r->n * r->items;
    r->digests = calloc(r->signatures, sizeof *r->digests);
    r->raw = calloc(r->signatures, sizeof *r->raw);
    need(r->digests != NULL && r->raw != NULL, "memory");
    need(provider_new(&provider) == STATUS_OK, "the provider");
    need(drbg_new(&drbg, span_of(NULL, 0)) == STATUS_OK, "the random generator");
    for (size_t i = 0; i < r->keys; i++) {
        uint8_t k[EC_SCALAR_LEN];
        const struct keygen_item item = {r->curve, k, r->Q[i]};
        enum status status;
        provider_keygen(provider, drbg, 1, &item, &status);
        need(status == STATUS_OK, "key generation");
        peers[i] = peer_key_new(r->curve, k, r->Q[i]);
    }
    for (size_t i = 0; i < r->signatures; i++) {
        struct peer_signature signature;
        need(drbg_bytes(drbg, r->digests[i], SHA256_LEN) == STATUS_OK, "the random generator");
        peer_sign(peers[i % r->keys], r->digests[i], &signature);
        memcpy(r->raw[i], signature.raw, EC_SIGNATURE_LEN);
    }
    for (size_t i = 0; i < r->keys; i++) {
        peer_key_free(peers[i]);
    }
    drbg_free(&drbg);
    provider_free(&provider);
}

static ProtobufCBinaryData column(void *data, size_t len)
{
    return (ProtobufCBinaryData){.data = data, .len = len};
}

/* Signatures first to first + items; fewer keys than items all go in, else each item's own. */
static struct request encode_verify(struct requests *r, size_t first)
{
    Ecka__V1__Request msg = ECKA__V1__REQUEST__INIT;
    Ecka__V1__Verify verify = ECKA__V1__VERIFY__INIT;
    uint8_t(*keys)[EC_POINT_LEN] = calloc(r->items, sizeof *keys);
    uint8_t(*index)[KEY_INDEX_LEN] = calloc(r->items, sizeof *index);
    need(keys != NULL && index != NULL, "memory");
    const bool indexed = r->items > r->keys;
    for (size_t i = 0; i < r->items; i++) {
        const size_t key = (first + i) % r->keys;
        memcpy(keys[i], r->Q[indexed ? i % r->keys : key], EC_POINT_LEN);
        index[i][0] = (uint8_t)(key >> 8);
        index[i][1] = (uint8_t)key;
    }
    verify.curve = (Ecka__V1__Curve)r->curve;
    verify.public_keys = column(keys, (indexed ? r->keys : r->items) * EC_POINT_LEN);
    verify.key_index = column(index, indexed ? r->items * KEY_INDEX_LEN : 0);
    verify.digests = column(r->digests[first], r->items * SHA256_LEN);
    verify.signatures = column(r->raw[first], r->items * EC_SIGNATURE_LEN);
    msg.op_case = ECKA__V1__REQUEST__OP_VERIFY;
    msg.verify = &verify;
    const struct request out = encode(&msg);
    free(keys);
    free(index);
    return out;
}

struct requests *requests_verify(enum curve curve, size_t keys, size_t items)
{
    struct requests *r = set_new(enough(items), items);
    need(keys != 0 && keys <= REQUEST_KEYS_MAX, "a set of known keys");
    r->curve = curve;
    r->keys = keys;
    make_signatures(r);
    for (size_t i = 0; i < r->n; i++) {
        r->list[i] = encode_verify(r, i * items);
    }
    return r;
}

static struct request encode_strangers(const struct stranger *strangers, size_t items)
{
    Ecka__V1__Request msg = ECKA__V1__REQUEST__INIT;
    Ecka__V1__Verify verify = ECKA__V1__VERIFY__INIT;
    uint8_t(*keys)[EC_POINT_LEN] = calloc(items, sizeof *keys);
    uint8_t(*digests)[SHA256_LEN] = calloc(items, sizeof *digests);
    uint8_t(*raw)[EC_SIGNATURE_LEN] = calloc(items, sizeof *raw);
    need(keys != NULL && digests != NULL && raw != NULL, "memory");
    for (size_t i = 0; i < items; i++) {
        memcpy(keys[i], strangers[i].Q, EC_POINT_LEN);
        memcpy(digests[i], strangers[i].digest, SHA256_LEN);
        memcpy(raw[i], strangers[i].signature, EC_SIGNATURE_LEN);
    }
    verify.curve = ECKA__V1__CURVE__P256;
    verify.public_keys = column(keys, items * EC_POINT_LEN);
    verify.digests = column(digests, items * SHA256_LEN);
    verify.signatures = column(raw, items * EC_SIGNATURE_LEN);
    msg.op_case = ECKA__V1__REQUEST__OP_VERIFY;
    msg.verify = &verify;
    const struct request out = encode(&msg);
    free(keys);
    free(digests);
    free(raw);
    return out;
}

struct requests *requests_strangers(size_t n, size_t items)
{
    struct requests *r = set_new(n, items);
    struct stranger *strangers = strangers_new(CURVE_P256, n * items);
    for (size_t i = 0; i < n; i++) {
        r->list[i] = encode_strangers(strangers + i * items, items);
    }
    free(strangers);
    return r;
}

struct requests *requests_tampered(size_t items)
{
    struct requests *r = set_new(1, items);
    r->tampered = true;
    r->curve = CURVE_P256;
    r->keys = 1;
    make_signatures(r);
    r->digests[items - 1][0] ^= 1;
    r->list[0] = encode_verify(r, 0);
    return r;
}

size_t requests_items(const struct requests *r, size_t max, struct verify_item out[])
{
    size_t n = 0;
    for (; n < max && n < r->signatures; n++) {
        out[n] = (struct verify_item){r->curve, r->Q[n % r->keys], r->digests[n], r->raw[n]};
    }
    return n;
}

/* -- VerifyChain -- */

struct requests *requests_chain(const struct cards *cards, size_t items)
{
    struct requests *r = set_new(enough(items), items);
    ProtobufCBinaryData *certs = calloc(items, sizeof *certs);
    uint8_t(*eids)[GP_EID_LEN] = calloc(items, sizeof *eids);
    need(certs != NULL && eids != NULL, "memory");
    for (size_t n = 0; n < r->n; n++) {
        Ecka__V1__Request msg = ECKA__V1__REQUEST__INIT;
        Ecka__V1__VerifyChain chain = ECKA__V1__VERIFY_CHAIN__INIT;
        ProtobufCBinaryData eum = column(cards_eum_id(cards), SHA256_LEN);
        for (size_t i = 0; i < items; i++) {
            const struct card *card = cards_get(cards, n * items + i);
            memcpy(eids[i], card->eid, GP_EID_LEN);
            certs[i] = column((uint8_t *)(uintptr_t)card->cert, card->cert_len);
        }
        chain.eids = column(eids, items * GP_EID_LEN);
        chain.ecasd_certs = certs;
        chain.n_ecasd_certs = items;
        chain.eums = &eum;
        chain.n_eums = 1;
        msg.op_case = ECKA__V1__REQUEST__OP_VERIFY_CHAIN;
        msg.verify_chain = &chain;
        r->list[n] = encode(&msg);
    }
    free(certs);
    free(eids);
    return r;
}

/* -- as a source -- */

static struct span next_request(void *arg, size_t slot)
{
    struct requests *r = arg;
    (void)slot;
    const struct request *q = &r->list[r->turn++ % r->n];
    return span_of(q->op, q->len);
}

static enum load_step take_reply(void *arg, size_t slot, struct span reply)
{
    const struct requests *r = arg;
    const size_t good = r->items - (r->tampered ? 1 : 0);
    struct reply_view view;
    struct span status;
    (void)slot;
    if (reply_read(reply, &view) != STATUS_OK ||
        reply_item_status(view.result, &status) != STATUS_OK || status.len != r->items) {
        return LOAD_BAD;
    }
    for (size_t i = 0; i < r->items; i++) {
        if (status.ptr[i] != (i < good ? STATUS_OK : STATUS_SIGNATURE_INVALID)) {
            return LOAD_BAD;
        }
    }
    return LOAD_DONE;
}

struct load_source requests_source(struct requests *requests)
{
    return (struct load_source){
        .arg = requests, .items = requests->items, .next = next_request, .take = take_reply};
}
