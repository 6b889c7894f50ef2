#include "service/worker.h"

#include <stdlib.h>

#include "providers/kdf/sym.h"
#include "providers/provider.h"
#include "service/clock.h"
#include "service/job.h"

/* One batch in the making. Items that fail before the arithmetic take no lane. */
struct worker_scratch {
    size_t lanes;
    struct batcher_item *item[BATCH_ITEMS_MAX]; /* of each lane */
    struct verify_item verify[BATCH_ITEMS_MAX];
    enum status status[BATCH_ITEMS_MAX];
    struct trust_chain chain[BATCH_ITEMS_MAX];
    uint8_t digest[BATCH_ITEMS_MAX][SHA256_LEN];
};

static void set_status(const struct batcher_item *item, enum status s)
{
    job_of(item)->results.status[item->index] = (uint8_t)s;
}

/* The public key of item i: by its index, or the only one, or its own (ecka.proto). */
static enum status public_key_of(const Ecka__V1__Verify *m, uint32_t i, const uint8_t **out)
{
    size_t keys = m->public_keys.len / EC_POINT_LEN;
    size_t key = keys == 1 ? 0 : i;
    if (m->key_index.len != 0) {
        key = (size_t)load_be(wire_col(&m->key_index, 2, i), 2);
    }
    if (key >= keys) {
        return STATUS_BAD_KEY_INDEX;
    }
    *out = wire_col(&m->public_keys, EC_POINT_LEN, key);
    return STATUS_OK;
}

static enum status add_raw(struct worker_scratch *s, const struct batcher_item *item)
{
    const Ecka__V1__Verify *m = job_of(item)->request.msg->verify;
    if (m->curve <= ECKA__V1__CURVE__CURVE_UNSPECIFIED || (int)m->curve >= (int)CURVE_COUNT) {
        return STATUS_BAD_CURVE;
    }
    struct verify_item *v = &s->verify[s->lanes];
    v->curve = (enum curve)m->curve;
    v->digest = wire_col(&m->digests, SHA256_LEN, item->index);
    v->signature = wire_col(&m->signatures, EC_SIGNATURE_LEN, item->index);
    return public_key_of(m, item->index, &v->public_key);
}

/* What VerifyChain and Establish have in common. */
struct chain_input {
    struct span eid, cert, eum;
};

static struct chain_input chain_input_of(const struct batcher_item *item)
{
    const Ecka__V1__Request *msg = job_of(item)->request.msg;
    uint32_t i = item->index;
    if (job_of(item)->request.op == WIRE_OP_VERIFY_CHAIN) {
        const Ecka__V1__VerifyChain *m = msg->verify_chain;
        return (struct chain_input){span_of(wire_col(&m->eids, GP_EID_LEN, i), GP_EID_LEN),
                                    wire_entry(m->ecasd_certs, m->n_ecasd_certs, i),
                                    wire_entry(m->eums, m->n_eums, i)};
    }
    const Ecka__V1__Establish *m = msg->establish;
    return (struct chain_input){span_of(wire_col(&m->eids, GP_EID_LEN, i), GP_EID_LEN),
                                wire_entry(m->ecasd_certs, m->n_ecasd_certs, i),
                                wire_entry(m->eums, m->n_eums, i)};
}

/* An EUM is named by its SHA-256 or given whole; either way only the pinned one counts. */
static enum status find_eum(struct worker *w, struct span eum, const struct trust_eum **out)
{
    uint8_t id[TRUST_ID_LEN];
    if (eum.len == TRUST_ID_LEN) {
        *out = trust_find(w->trust, eum.ptr);
        return STATUS_OK;
    }
    TRY(sym_sha256(provider_sym(w->provider), eum, id));
    *out = trust_find(w->trust, id);
    return STATUS_OK;
}

static enum status add_chain(struct worker *w, const struct batcher_item *item, int64_t now_s)
{
    struct worker_scratch *s = w->scratch;
    struct chain_input in = chain_input_of(item);
    struct trust_chain *chain = &s->chain[s->lanes];
    const struct trust_eum *eum = NULL;
    TRY(find_eum(w, in.eum, &eum));
    TRY(trust_check_ecasd(eum, in.eid, in.cert, now_s, chain));
    TRY(sym_sha256(provider_sym(w->provider), chain->cert.tbs, s->digest[s->lanes]));
    s->verify[s->lanes] = (struct verify_item){
        .curve = eum->curve, /* the issuer's; the certified key may be on another */
        .public_key = eum->point,
        .digest = s->digest[s->lanes],
        .signature = chain->cert.signature.ptr,
    };
    return STATUS_OK;
}

static bool is_raw(const struct batcher_item *item)
{
    return job_of(item)->request.op == WIRE_OP_VERIFY;
}

static enum status chain_verdict(struct worker *w, size_t lane, const struct batcher_item *item)
{
    const struct trust_chain *chain = &w->scratch->chain[lane];
    enum status s = w->scratch->status[lane];
    if (s == STATUS_SIGNATURE_INVALID) {
        return STATUS_CERT_SIGNATURE;
    }
    TRY(s);
    if (provider_check_point(w->provider, chain->curve, chain->cert.point.ptr) != STATUS_OK) {
        return STATUS_CERT_POINT;
    }
    struct job_results *r = &job_of(item)->results;
    r->curves[item->index] = (uint8_t)chain->curve;
    memcpy(r->pk_ecasd + (size_t)item->index * EC_POINT_LEN, chain->cert.point.ptr, EC_POINT_LEN);
    return STATUS_OK;
}

static void work(struct worker *w, struct batch *batch)
{
    struct worker_scratch *s = w->scratch;
    int64_t now_s = clock_calendar_s();
    batch_drop_late(batch, clock_us());
    s->lanes = 0;
    for (size_t i = 0; i < batch->live; i++) {
        struct batcher_item *item = batch->items[i];
        enum status added = is_raw(item) ? add_raw(s, item) : add_chain(w, item, now_s);
        if (added != STATUS_OK) {
            set_status(item, added);
            continue;
        }
        s->item[s->lanes++] = item;
    }
    if (s->lanes > 0) {
        provider_verify_vartime(w->provider, s->lanes, s->verify, s->status);
    }
    for (size_t lane = 0; lane < s->lanes; lane++) {
        const struct batcher_item *item = s->item[lane];
        set_status(item, is_raw(item) ? s->status[lane] : chain_verdict(w, lane, item));
    }
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    place_here(&w->place);
    for (;;) {
        struct batch *batch = ring_pop(&w->todo);
        if (batch != NULL) {
            batch->started_us = clock_us();
            work(w, batch);
            batch->ended_us = clock_us();
            if (ring_push(&w->done, batch)) { /* always: it has room for every batch there is */
                wake_signal(w->done_wake);
            }
            continue;
        }
        if (atomic_load(&w->stop)) {
            return NULL;
        }
        wake_wait(&w->wake, -1);
    }
}

static void worker_fini(struct worker *w)
{
    provider_free(&w->provider);
    free(w->scratch);
    w->scratch = NULL;
    wake_fini(&w->wake);
    ring_fini(&w->todo);
    ring_fini(&w->done);
}

enum status worker_start(struct worker *w, const struct trust *trust, const struct place *place,
                         struct wake *done_wake)
{
    *w = (struct worker){
        .place = *place, .trust = trust, .done_wake = done_wake, .wake = {.fd = -1}};
    atomic_init(&w->stop, false);
    for (size_t i = 0; i < WORKER_DEPTH; i++) {
        w->idle[w->idle_count++] = &w->batches[i];
    }
    w->scratch = calloc(1, sizeof(*w->scratch));
    if (w->scratch != NULL && wake_init(&w->wake) == STATUS_OK &&
        ring_init(&w->todo, WORKER_DEPTH) == STATUS_OK &&
        ring_init(&w->done, WORKER_DEPTH) == STATUS_OK && provider_new(&w->provider) == STATUS_OK &&
        pthread_create(&w->thread, NULL, worker_main, w) == 0) {
        return STATUS_OK;
    }
    worker_fini(w);
    return STATUS_INTERNAL;
}

void worker_stop(struct worker *w)
{
    atomic_store(&w->stop, true);
    wake_signal(&w->wake);
    (void)pthread_join(w->thread, NULL);
    worker_fini(w);
}
