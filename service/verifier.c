#include "service/verifier.h"

#include <stdlib.h>

#include "providers/kdf/sym.h"
#include "providers/provider.h"
#include "service/clock.h"
#include "service/job.h"

struct verifier {
    struct provider *provider;
    /* One batch in the making. Items that fail before the arithmetic take no lane. */
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

static enum status add_raw(struct verifier *v, const struct batcher_item *item)
{
    const Ecka__V1__Verify *m = job_of(item)->request.msg->verify;
    if (m->curve <= ECKA__V1__CURVE__CURVE_UNSPECIFIED || (int)m->curve >= (int)CURVE_COUNT) {
        return STATUS_BAD_CURVE;
    }
    struct verify_item *out = &v->verify[v->lanes];
    out->curve = (enum curve)m->curve;
    out->digest = wire_col(&m->digests, SHA256_LEN, item->index);
    out->signature = wire_col(&m->signatures, EC_SIGNATURE_LEN, item->index);
    return public_key_of(m, item->index, &out->public_key);
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

static enum status add_chain(struct verifier *v, const struct trust *trust,
                             const struct batcher_item *item, int64_t now_s)
{
    struct chain_input in = chain_input_of(item);
    struct trust_chain *chain = &v->chain[v->lanes];
    const struct trust_eum *eum = trust_find_any(trust, in.eum);
    TRY(trust_check_ecasd(eum, in.eid, in.cert, now_s, chain));
    TRY(sym_sha256(provider_sym(v->provider), chain->cert.tbs, v->digest[v->lanes]));
    v->verify[v->lanes] = (struct verify_item){
        .curve = eum->curve, /* the issuer's; the certified key may be on another */
        .public_key = eum->point,
        .digest = v->digest[v->lanes],
        .signature = chain->cert.signature.ptr,
    };
    return STATUS_OK;
}

static bool is_raw(const struct batcher_item *item)
{
    return job_of(item)->request.op == WIRE_OP_VERIFY;
}

static enum status chain_verdict(struct verifier *v, size_t lane, const struct batcher_item *item)
{
    const struct trust_chain *chain = &v->chain[lane];
    enum status s = v->status[lane];
    if (s == STATUS_SIGNATURE_INVALID) {
        return STATUS_CERT_SIGNATURE;
    }
    TRY(s);
    if (provider_check_point(v->provider, chain->curve, chain->cert.point.ptr) != STATUS_OK) {
        return STATUS_CERT_POINT;
    }
    struct job_results *r = &job_of(item)->results;
    r->curves[item->index] = (uint8_t)chain->curve;
    memcpy(r->pk_ecasd + (size_t)item->index * EC_POINT_LEN, chain->cert.point.ptr, EC_POINT_LEN);
    return STATUS_OK;
}

void verifier_work(struct verifier *v, struct batch *batch)
{
    int64_t now_s = clock_calendar_s();
    batch->started_us = clock_us();
    batch_drop_late(batch, batch->started_us);
    v->lanes = 0;
    for (size_t i = 0; i < batch->live; i++) {
        struct batcher_item *item = batch->items[i];
        enum status added =
            is_raw(item) ? add_raw(v, item) : add_chain(v, batch->trust, item, now_s);
        if (added != STATUS_OK) {
            set_status(item, added);
            continue;
        }
        v->item[v->lanes++] = item;
    }
    if (v->lanes > 0) {
        provider_verify_vartime(v->provider, v->lanes, v->verify, v->status);
    }
    for (size_t lane = 0; lane < v->lanes; lane++) {
        const struct batcher_item *item = v->item[lane];
        set_status(item, is_raw(item) ? v->status[lane] : chain_verdict(v, lane, item));
    }
    batch->ended_us = clock_us();
}

enum status verifier_new(struct verifier **out)
{
    *out = calloc(1, sizeof(**out));
    if (*out == NULL) {
        return STATUS_INTERNAL;
    }
    if (provider_new(&(*out)->provider) != STATUS_OK) {
        verifier_free(out);
        return STATUS_INTERNAL;
    }
    return STATUS_OK;
}

void verifier_free(struct verifier **v)
{
    if (*v != NULL) {
        provider_free(&(*v)->provider);
        free(*v);
    }
    *v = NULL;
}
