/*
 * Single verifications, packed into requests: see ecka.h for the promise.
 *
 * One open batch a curve gathers what is added; it becomes one request when it is full, at a flush
 * and at ecka_poll. The places of items, from a pool sized at the start, are linked in the order of
 * the batch, and the first one is the request's argument: so nothing is allocated an item or a
 * batch. Public keys are known again by their value, by a hash with a secret key, so that nobody
 * can choose keys that collide.
 */
#include <sodium.h>
#include <stdlib.h>

#include "service/client/client.h"

enum {
    CURVES = ECKA_FRP256V1,
    DEFAULT_BATCH = 256, /* where the kernels are at their full rate */
    DEFAULT_BATCHES = 16,
    ITEMS_LIMIT = 1 << 20,
    NO_KEY = 0, /* a place of the hash table holds the key's index plus one */
};

struct place { /* an item, from ecka_verifier_add to its callback */
    struct ecka_verifier *verifier;
    ecka_verified *callback;
    void *arg;
    struct place *next; /* of its batch, or free */
};

struct open_batch {
    size_t count, key_count;
    struct place *first, *last;
    struct ecka_verify_item *items;
    uint8_t (*keys)[ECKA_POINT_LEN];
    uint8_t (*digests)[ECKA_DIGEST_LEN];
    uint8_t (*signatures)[ECKA_SIGNATURE_LEN];
    uint16_t *table; /* by hash: the index of a key plus one */
};

struct ecka_verifier {
    struct ecka_client *client;
    struct ecka_verifier *next; /* of the client's */
    size_t batch, max_items, held;
    size_t table_mask;
    uint64_t deadline_us;
    uint8_t hash_key[crypto_shorthash_KEYBYTES];
    struct open_batch open[CURVES];
    struct place *places, *free;
};

/* -- opening and closing -- */

static bool open_batch_init(struct open_batch *b, size_t items, size_t table)
{
    b->items = calloc(items, sizeof *b->items);
    b->keys = calloc(items, sizeof *b->keys);
    b->digests = calloc(items, sizeof *b->digests);
    b->signatures = calloc(items, sizeof *b->signatures);
    b->table = calloc(table, sizeof *b->table);
    return b->items != NULL && b->keys != NULL && b->digests != NULL && b->signatures != NULL &&
           b->table != NULL;
}

static void verifier_free(struct ecka_verifier *v)
{
    for (size_t i = 0; i < CURVES; i++) {
        struct open_batch *b = &v->open[i];
        free(b->items);
        free(b->keys);
        free(b->digests);
        free(b->signatures);
        free(b->table);
    }
    free(v->places);
    free(v);
}

static bool verifier_init(struct ecka_verifier *v)
{
    v->places = calloc(v->max_items, sizeof *v->places);
    if (v->places == NULL || sodium_init() < 0) {
        return false;
    }
    for (size_t i = v->max_items; i-- > 0;) {
        v->places[i] = (struct place){.verifier = v, .next = v->free};
        v->free = &v->places[i];
    }
    v->table_mask = 1;
    while (v->table_mask + 1 < 2 * v->batch) { /* half full at most: short probes */
        v->table_mask = 2 * v->table_mask + 1;
    }
    randombytes_buf(v->hash_key, sizeof v->hash_key);
    for (size_t i = 0; i < CURVES; i++) {
        if (!open_batch_init(&v->open[i], v->batch, v->table_mask + 1)) {
            return false;
        }
    }
    return true;
}

int ecka_verifier_open(struct ecka_verifier **out, struct ecka_client *client,
                       const struct ecka_verifier_options *options)
{
    const struct ecka_verifier_options none = {0};
    const struct ecka_verifier_options *o = options != NULL ? options : &none;
    size_t batch = o->batch != 0 ? o->batch : DEFAULT_BATCH;
    size_t max_items = o->max_items != 0 ? o->max_items : DEFAULT_BATCHES * batch;
    *out = NULL;
    if (batch > WIRE_VERIFY_ITEMS_MAX || max_items > ITEMS_LIMIT || client->closing) {
        return ECKA_BAD_REQUEST;
    }
    struct ecka_verifier *v = calloc(1, sizeof *v);
    if (v == NULL) {
        return ECKA_INTERNAL;
    }
    v->client = client;
    v->batch = batch;
    v->max_items = max_items;
    v->deadline_us = o->deadline_us;
    if (!verifier_init(v)) {
        verifier_free(v);
        return ECKA_INTERNAL;
    }
    v->next = client->verifiers;
    client->verifiers = v;
    *out = v;
    return ECKA_OK;
}

/* -- answers -- */

static struct place *take_place(struct ecka_verifier *v)
{
    struct place *p = v->free;
    if (p != NULL) {
        v->free = p->next;
        v->held++;
        p->next = NULL;
    }
    return p;
}

/* The place is free before its callback runs: that may add the next item. */
static void answer_place(struct place *p, int status)
{
    struct ecka_verifier *v = p->verifier;
    ecka_verified *callback = p->callback;
    void *arg = p->arg;
    p->next = v->free;
    v->free = p;
    v->held--;
    callback(arg, status);
}

static void answered(void *arg, const struct ecka_reply *reply)
{
    struct place *next;
    size_t i = 0;
    for (struct place *p = arg; p != NULL; p = next, i++) {
        next = p->next;
        answer_place(p, reply->status == ECKA_OK ? reply->items.verify[i] : reply->status);
    }
}

/* -- requests -- */

static void open_batch_reset(struct ecka_verifier *v, struct open_batch *b)
{
    b->count = b->key_count = 0;
    b->first = b->last = NULL;
    memset(b->table, 0, (v->table_mask + 1) * sizeof *b->table);
}

/* BUSY, and nothing changed, when the client has no room for the request. */
static int send_batch(struct ecka_verifier *v, size_t i)
{
    struct open_batch *b = &v->open[i];
    if (b->count == 0) {
        return ECKA_OK;
    }
    const struct ecka_request request = {.op = ECKA_VERIFY,
                                         .count = b->count,
                                         .items.verify = b->items,
                                         .curve = (enum ecka_curve)(ECKA_P256 + i),
                                         .deadline_us = v->deadline_us};
    int st = ecka_submit(v->client, &request, answered, b->first);
    if (st == ECKA_OK) {
        open_batch_reset(v, b);
    }
    return st;
}

int ecka_verifier_flush(struct ecka_verifier *verifier)
{
    int st = ECKA_OK;
    for (size_t i = 0; i < CURVES; i++) {
        int one = send_batch(verifier, i);
        st = one != ECKA_OK ? one : st;
    }
    return st;
}

/* The batch's copy of a key, made at first sight. */
static const uint8_t *keep_key(struct ecka_verifier *v, struct open_batch *b, const uint8_t *key)
{
    uint64_t hash;
    _Static_assert(sizeof hash == crypto_shorthash_BYTES, "SipHash has 8 bytes");
    (void)crypto_shorthash((uint8_t *)&hash, key, ECKA_POINT_LEN, v->hash_key);
    size_t at = (size_t)hash & v->table_mask;
    while (b->table[at] != NO_KEY) {
        const uint8_t *kept = b->keys[b->table[at] - 1];
        if (memcmp(kept, key, ECKA_POINT_LEN) == 0) {
            return kept;
        }
        at = (at + 1) & v->table_mask;
    }
    b->table[at] = (uint16_t)(b->key_count + 1);
    return memcpy(b->keys[b->key_count++], key, ECKA_POINT_LEN);
}

static void put_item(struct ecka_verifier *v, struct open_batch *b, struct place *p,
                     const struct ecka_verify_item *item)
{
    size_t n = b->count++;
    b->items[n] = (struct ecka_verify_item){
        keep_key(v, b, item->public_key),
        memcpy(b->digests[n], item->digest, ECKA_DIGEST_LEN),
        memcpy(b->signatures[n], item->signature, ECKA_SIGNATURE_LEN),
    };
    *(b->last != NULL ? &b->last->next : &b->first) = p;
    b->last = p;
}

int ecka_verifier_add(struct ecka_verifier *verifier, enum ecka_curve curve,
                      const struct ecka_verify_item *item, ecka_verified *callback, void *arg)
{
    if (curve < ECKA_P256 || curve > ECKA_FRP256V1 || callback == NULL ||
        item->public_key == NULL || item->digest == NULL || item->signature == NULL) {
        return ECKA_BAD_REQUEST;
    }
    if (verifier->client->closing) {
        return ECKA_DISCONNECTED;
    }
    size_t i = (size_t)(curve - ECKA_P256);
    struct open_batch *b = &verifier->open[i];
    if (b->count == verifier->batch) { /* the client had no room when it became full */
        int st = send_batch(verifier, i);
        if (st != ECKA_OK) {
            return st;
        }
    }
    struct place *p = take_place(verifier);
    if (p == NULL) {
        return ECKA_BUSY;
    }
    p->callback = callback;
    p->arg = arg;
    put_item(verifier, b, p, item);
    if (b->count == verifier->batch) {
        (void)send_batch(verifier, i); /* else with the next item or the next ecka_poll */
    }
    return ECKA_OK;
}

size_t ecka_verifier_held(const struct ecka_verifier *verifier)
{
    return verifier->held;
}

/* -- with the client -- */

void verifiers_flush(struct ecka_client *c)
{
    for (struct ecka_verifier *v = c->verifiers; v != NULL; v = v->next) {
        (void)ecka_verifier_flush(v); /* what finds no room stays for the next time */
    }
}

bool verifiers_ready(const struct ecka_client *c)
{
    for (const struct ecka_verifier *v = c->verifiers; v != NULL; v = v->next) {
        for (size_t i = 0; i < CURVES; i++) {
            if (v->open[i].count != 0 && c->pending.count < c->pending.cap) {
                return true;
            }
        }
    }
    return false;
}

void verifiers_close(struct ecka_client *c)
{
    const struct ecka_reply closed = {.status = ECKA_DISCONNECTED};
    for (struct ecka_verifier *v = c->verifiers; v != NULL; v = v->next) {
        for (size_t i = 0; i < CURVES; i++) {
            struct place *first = v->open[i].first;
            open_batch_reset(v, &v->open[i]);
            answered(first, &closed);
        }
    }
}

void verifiers_free(struct ecka_client *c)
{
    while (c->verifiers != NULL) {
        struct ecka_verifier *v = c->verifiers;
        c->verifiers = v->next;
        verifier_free(v);
    }
}
