/*
 * From jobs to a custodian's batch and back: each field of each kind arrives where it belongs, of
 * the item it belongs to, and an answer's into its column or entry; what failed carries nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "providers/provider.h"
#include "service/custody/custody_codec.h"
#include "service/job.h"

enum { ITEMS = 3, ID = 99 };

static struct policy_principal principal = {.number = 0};
static struct roster_entry name = {"beta"};
static struct wake wake; /* nobody sleeps */
static uint8_t storage[1 << 18] __attribute__((aligned(16)));
static uint8_t octets[4096]; /* every position tells which it is */

struct world {
    struct job_slab slab;
    struct job *job;
    struct arena arena;
    Ecka__V1__Request request;
    struct batch batch;
    ProtobufCBinaryData lists[8][ITEMS];
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    assert_int_equal(job_slab_init(&w->slab, 1, &principal, 1, &wake), STATUS_OK);
    for (size_t i = 0; i < sizeof octets; i++) {
        octets[i] = (uint8_t)(i * 7 + (i >> 8));
    }
    ecka__v1__request__init(&w->request);
    w->job = job_slab_landing(&w->slab);
    w->job->principal = &name;
    arena_init(&w->arena, storage, sizeof storage);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    job_slab_fini(&w->slab);
    free(w);
    return 0;
}

/* A column of ITEMS values that starts at this octet; and one value of it. */
static ProtobufCBinaryData col(size_t from, size_t width)
{
    return (ProtobufCBinaryData){.len = ITEMS * width, .data = octets + from};
}

static void is_of_col(ProtobufCBinaryData value, size_t from, size_t width, size_t i)
{
    assert_int_equal(value.len, width);
    assert_memory_equal(value.data, octets + from + i * width, width);
}

/* Entries of growing length, the first of them `from` octets in. */
static ProtobufCBinaryData *entries(struct world *w, int list, size_t from)
{
    for (size_t i = 0; i < ITEMS; i++) {
        w->lists[list][i] = (ProtobufCBinaryData){.len = 5 + i, .data = octets + from + 10 * i};
    }
    return w->lists[list];
}

static void is_entry(ProtobufCBinaryData value, size_t from, size_t i)
{
    assert_int_equal(value.len, 5 + i);
    assert_memory_equal(value.data, octets + from + 10 * i, 5 + i);
}

/* The request's items as a batch in another order: what stands where is the item's to say. */
static const uint32_t order[ITEMS] = {2, 0, 1};

static custody_batch encoded(struct world *w, enum wire_op op, enum batch_kind kind, void *message)
{
    custody_batch out;
    w->request.op_case = (Ecka__V1__Request__OpCase)op;
    w->request.sign = message; /* every member of the oneof is a pointer */
    w->job->request = (struct wire_request){&w->request, op, ITEMS};
    assert_int_equal(job_prepare(w->job, 1), STATUS_OK);
    w->batch.kind = kind;
    w->batch.count = w->batch.live = ITEMS;
    for (size_t i = 0; i < ITEMS; i++) {
        w->batch.items[i] = &w->job->group.items[order[i]];
    }
    if (op == WIRE_OP_ESTABLISH) { /* the first stage's */
        memcpy(w->job->results.curves, "\1\2\3", ITEMS);
        memcpy(w->job->results.pk_ecasd, octets + 900, ITEMS * EC_POINT_LEN);
    }
    assert_int_equal(custody_encode(&w->arena, &w->batch, ID, &out), STATUS_OK);
    assert_int_equal(out.id, ID);
    assert_int_equal((int)out.kind_case, (int)custody_kind_of(kind));
    return out;
}

/* There and back through bytes: the custodian accepts what was encoded. */
static const custody_batch *arrived(struct world *w, const custody_batch *sent)
{
    static uint8_t frame[CUSTODY_FRAME_MAX];
    char detail[WIRE_DETAIL_MAX];
    custody_batch *got = NULL;
    size_t len = ecka__custody__v1__batch__pack(sent, frame);
    assert_int_equal(custody_batch_decode(&w->arena, span_of(frame, len), &got, detail), STATUS_OK);
    return got;
}

#define KEY_SET(w, m)                                                                              \
    do {                                                                                           \
        (m)->n_key_sets = ITEMS;                                                                   \
        (m)->key_sets = entries(w, 0, 100);                                                        \
        (m)->eids = col(200, 16);                                                                  \
        (m)->kvns = col(300, 1);                                                                   \
    } while (0)
#define IS_KEY_SET(item, i)                                                                        \
    do {                                                                                           \
        assert_string_equal((item)->principal, "beta");                                            \
        is_entry((item)->key_set, 100, i);                                                         \
        is_of_col((item)->eid, 200, 16, i);                                                        \
        assert_int_equal((item)->kvn, octets[300 + (i)]);                                          \
    } while (0)

static void establish(void **state)
{
    struct world *w = *state;
    Ecka__V1__Establish m = ECKA__V1__ESTABLISH__INIT;
    m.sr_key_id = (ProtobufCBinaryData){.len = 32, .data = octets + 600};
    m.eids = col(200, 16);
    m.n_rcs = m.n_host_ids = ITEMS;
    m.rcs = entries(w, 0, 100);
    m.host_ids = entries(w, 1, 140);
    m.kvns = col(300, 1);
    m.scenarios = col(310, 1);
    m.expiries = col(320, 8);
    m.custody = ECKA__V1__CUSTODY__CUSTODY_TOKEN;
    custody_batch b = encoded(w, WIRE_OP_ESTABLISH, KIND_ESTABLISH, &m);
    const custody_batch *got = arrived(w, &b);
    for (size_t k = 0; k < ITEMS; k++) {
        const Ecka__Custody__V1__EstablishItem *item = got->establish->items[k];
        size_t i = order[k];
        assert_string_equal(item->principal, "beta");
        assert_int_equal(item->curve, i + 1);
        is_of_col(item->pk_ecasd, 900, EC_POINT_LEN, i);
        is_of_col(item->sr_key_id, 600, 32, 0);
        is_of_col(item->eid, 200, 16, i);
        is_entry(item->rc, 100, i);
        is_entry(item->host_id, 140, i);
        assert_int_equal(item->sin.len, 0);
        assert_int_equal(item->kvn, octets[300 + i]);
        assert_int_equal(item->scenario, octets[310 + i]);
        assert_int_equal(item->key_usage, 0x10);
        assert_int_equal(item->counter, 0);
        assert_true(item->expiry == load_be(octets + 320 + 8 * i, 8));
        assert_int_equal(item->custody, 1);
    }
}

static void scp80_wrap(void **state)
{
    struct world *w = *state;
    Ecka__V1__Scp80Wrap m = ECKA__V1__SCP80_WRAP__INIT;
    KEY_SET(w, &m);
    m.tars = col(310, 3);
    m.counters = col(320, 5);
    m.n_payloads = ITEMS;
    m.payloads = entries(w, 1, 140);
    for (int with_spis = 0; with_spis < 2; with_spis++) {
        m.spis = with_spis ? col(340, 2) : (ProtobufCBinaryData){0};
        custody_batch b = encoded(w, WIRE_OP_SCP80_WRAP, KIND_WRAP, &m);
        const custody_batch *got = arrived(w, &b);
        for (size_t k = 0; k < ITEMS; k++) {
            const Ecka__Custody__V1__Scp80WrapItem *item = got->scp80_wrap->items[k];
            size_t i = order[k];
            IS_KEY_SET(item, i);
            assert_int_equal(item->spi, with_spis ? load_be(octets + 340 + 2 * i, 2) : 0x1639);
            assert_int_equal(item->tar, load_be(octets + 310 + 3 * i, 3));
            assert_true(item->counter == load_be(octets + 320 + 5 * i, 5));
            is_entry(item->payload, 140, i);
        }
    }
}

static void sign(void **state)
{
    struct world *w = *state;
    Ecka__V1__Sign m = ECKA__V1__SIGN__INIT;
    char label[] = "a-key";
    m.key_label = label;
    m.digests = col(200, 32);
    custody_batch b = encoded(w, WIRE_OP_SIGN, KIND_SIGN, &m);
    assert_int_equal(b.sign->n_items, ITEMS);
    for (size_t k = 0; k < ITEMS; k++) {
        assert_string_equal(b.sign->items[k]->principal, "beta");
        assert_string_equal(b.sign->items[k]->key_label, "a-key");
        is_of_col(b.sign->items[k]->digest, 200, 32, order[k]);
    }
}

static void agree(void **state)
{
    struct world *w = *state;
    Ecka__V1__Agree m = ECKA__V1__AGREE__INIT;
    m.curve = ECKA__V1__CURVE__BRAINPOOLP256R1;
    m.peers = col(200, 65);
    m.n_shared_infos = 1; /* for all */
    m.shared_infos = entries(w, 0, 100);
    m.length = 48;
    m.custody = ECKA__V1__CUSTODY__CUSTODY_MEMORY;
    custody_batch b = encoded(w, WIRE_OP_AGREE, KIND_AGREE, &m);
    for (size_t k = 0; k < ITEMS; k++) {
        const Ecka__Custody__V1__AgreeItem *item = b.agree->items[k];
        assert_string_equal(item->principal, "beta");
        assert_int_equal(item->curve, 2);
        is_of_col(item->peer, 200, 65, order[k]);
        is_entry(item->shared_info, 100, 0);
        assert_int_equal(item->length, 48);
        assert_int_equal(item->custody, 2);
    }
}

static void key_set_create(void **state)
{
    struct world *w = *state;
    Ecka__V1__KeySetCreate m = ECKA__V1__KEY_SET_CREATE__INIT;
    KEY_SET(w, &m);
    m.kinds = col(310, 1);
    m.new_kvns = col(320, 1);
    custody_batch b = encoded(w, WIRE_OP_KEY_SET_CREATE, KIND_KEY_SET_CREATE, &m);
    for (size_t k = 0; k < ITEMS; k++) {
        const Ecka__Custody__V1__KeySetCreateItem *item = b.key_set_create->items[k];
        IS_KEY_SET(item, order[k]);
        assert_int_equal(item->kind, octets[310 + order[k]]);
        assert_int_equal(item->new_kvn, octets[320 + order[k]]);
    }
}

static void scp03_open(void **state)
{
    struct world *w = *state;
    Ecka__V1__Scp03Open m = ECKA__V1__SCP03_OPEN__INIT;
    KEY_SET(w, &m);
    m.host_challenges = col(310, 8);
    m.card_challenges = col(340, 8);
    m.card_cryptograms = col(370, 8);
    m.security_levels = col(400, 1);
    custody_batch b = encoded(w, WIRE_OP_SCP03_OPEN, KIND_SCP03_OPEN, &m);
    for (size_t k = 0; k < ITEMS; k++) {
        const Ecka__Custody__V1__Scp03OpenItem *item = b.scp03_open->items[k];
        IS_KEY_SET(item, order[k]);
        is_of_col(item->host_challenge, 310, 8, order[k]);
        is_of_col(item->card_challenge, 340, 8, order[k]);
        is_of_col(item->card_cryptogram, 370, 8, order[k]);
        assert_int_equal(item->security_level, octets[400 + order[k]]);
    }
}

static void scp03_sessions(void **state)
{
    struct world *w = *state;
    Ecka__V1__Scp03Wrap m = ECKA__V1__SCP03_WRAP__INIT;
    Ecka__V1__Scp03Unwrap u = ECKA__V1__SCP03_UNWRAP__INIT;
    m.eids = u.eids = col(200, 16);
    m.n_sessions = m.n_apdus = u.n_sessions = u.n_apdus = ITEMS;
    m.sessions = u.sessions = entries(w, 0, 100);
    m.apdus = u.apdus = entries(w, 1, 140);
    custody_batch b = encoded(w, WIRE_OP_SCP03_WRAP, KIND_SCP03_WRAP, &m);
    for (size_t k = 0; k < ITEMS; k++) {
        const Ecka__Custody__V1__Scp03WrapItem *item = b.scp03_wrap->items[k];
        assert_string_equal(item->principal, "beta");
        is_of_col(item->eid, 200, 16, order[k]);
        is_entry(item->session, 100, order[k]);
        is_entry(item->apdu, 140, order[k]);
    }
    b = encoded(w, WIRE_OP_SCP03_UNWRAP, KIND_SCP03_UNWRAP, &u);
    for (size_t k = 0; k < ITEMS; k++) {
        const Ecka__Custody__V1__Scp03UnwrapItem *item = b.scp03_unwrap->items[k];
        assert_string_equal(item->principal, "beta");
        is_of_col(item->eid, 200, 16, order[k]);
        is_entry(item->session, 100, order[k]);
        is_entry(item->apdu, 140, order[k]);
    }
}

static void reseal_and_rewrap(void **state)
{
    struct world *w = *state;
    Ecka__V1__Reseal m = ECKA__V1__RESEAL__INIT;
    Ecka__V1__Rewrap r = ECKA__V1__REWRAP__INIT;
    char label[] = "kek-1";
    KEY_SET(w, &m);
    custody_batch b = encoded(w, WIRE_OP_RESEAL, KIND_RESEAL, &m);
    for (size_t k = 0; k < ITEMS; k++) {
        IS_KEY_SET(b.reseal->items[k], order[k]);
    }
    KEY_SET(w, &r);
    r.kek_label = label;
    b = encoded(w, WIRE_OP_REWRAP, KIND_REWRAP, &r);
    for (size_t k = 0; k < ITEMS; k++) {
        IS_KEY_SET(b.rewrap->items[k], order[k]);
        assert_string_equal(b.rewrap->items[k]->kek_label, "kek-1");
    }
}

/* -- and back: the item in the middle of the batch failed -- */

static const enum status answered[ITEMS] = {STATUS_OK, STATUS_TOKEN_ERROR, STATUS_OK};

static bool done(size_t k)
{
    return answered[k] == STATUS_OK;
}

static void statuses_are(const struct world *w)
{
    for (size_t k = 0; k < ITEMS; k++) {
        assert_int_equal(w->job->results.status[order[k]], answered[k]);
    }
}

/* The value of the column that the batch's item k got; zero where it failed. */
static void column_has(ProtobufCBinaryData column, size_t width, size_t k, const uint8_t *value)
{
    static const uint8_t zero[EC_POINT_LEN];
    assert_int_equal(column.len, ITEMS * width);
    assert_memory_equal(column.data + order[k] * width, done(k) ? value : zero, width);
}

static void entry_has(const ProtobufCBinaryData *entries_of, size_t k, ProtobufCBinaryData value)
{
    assert_int_equal(entries_of[order[k]].len, done(k) ? value.len : 0);
    assert_memory_equal(entries_of[order[k]].data, value.data, entries_of[order[k]].len);
}

static void rewrapped(void **state)
{
    struct world *w = *state;
    Ecka__V1__Rewrap m = ECKA__V1__REWRAP__INIT;
    Ecka__Custody__V1__RewrappedItem items[ITEMS], *list[ITEMS];
    Ecka__Custody__V1__RewrapAnswer answer = ECKA__CUSTODY__V1__REWRAP_ANSWER__INIT;
    custody_answer a = ECKA__CUSTODY__V1__ANSWER__INIT;
    char label[] = "kek-1";
    KEY_SET(w, &m);
    m.kek_label = label;
    (void)encoded(w, WIRE_OP_REWRAP, KIND_REWRAP, &m);
    for (size_t k = 0; k < ITEMS; k++) {
        ecka__custody__v1__rewrapped_item__init(list[k] = &items[k]);
        items[k].status = answered[k];
        items[k].wrapped = (ProtobufCBinaryData){.len = 56, .data = octets + 100 * k};
        items[k].manifest = (ProtobufCBinaryData){.len = 200 + k, .data = octets + 300 * k};
        items[k].signature = (ProtobufCBinaryData){.len = 64, .data = octets + 64 * k};
    }
    answer.n_items = ITEMS;
    answer.items = list;
    a.kind_case = ECKA__CUSTODY__V1__ANSWER__KIND_REWRAP;
    a.rewrap = &answer;
    custody_fill(&w->batch, &a);
    statuses_are(w);
    const Ecka__V1__RewrapResult *r = job_reply(w->job)->rewrap;
    for (size_t k = 0; k < ITEMS; k++) {
        entry_has(r->wrapped, k, items[k].wrapped);
        entry_has(r->manifests, k, items[k].manifest);
        column_has(r->signatures, 64, k, items[k].signature.data);
    }
    assert_int_equal(wire_reply_check(job_reply(w->job), WIRE_OP_REWRAP, ITEMS), STATUS_OK);

    items[0].manifest.len = WIRE_MANIFEST_MAX + 1; /* a custodian that kept no limit */
    custody_fill(&w->batch, &a);
    assert_int_equal(w->job->results.status[order[0]], STATUS_INTERNAL);
    custody_fail(&w->batch, STATUS_UNAVAILABLE);
    assert_memory_equal(w->job->results.status, "\x9\x9\x9", ITEMS);
}

static void agreed_and_created(void **state)
{
    struct world *w = *state;
    Ecka__V1__Agree m = ECKA__V1__AGREE__INIT;
    Ecka__V1__KeySetCreate n = ECKA__V1__KEY_SET_CREATE__INIT;
    Ecka__Custody__V1__AgreedItem agreed[ITEMS], *agreed_list[ITEMS];
    Ecka__Custody__V1__AgreeAnswer agree_answer = ECKA__CUSTODY__V1__AGREE_ANSWER__INIT;
    Ecka__Custody__V1__KeySetCreatedItem created[ITEMS], *created_list[ITEMS];
    Ecka__Custody__V1__KeySetCreateAnswer create_answer =
        ECKA__CUSTODY__V1__KEY_SET_CREATE_ANSWER__INIT;
    custody_answer a = ECKA__CUSTODY__V1__ANSWER__INIT;
    m.peers = col(200, 65);
    (void)encoded(w, WIRE_OP_AGREE, KIND_AGREE, &m);
    for (size_t k = 0; k < ITEMS; k++) {
        ecka__custody__v1__agreed_item__init(agreed_list[k] = &agreed[k]);
        agreed[k].status = answered[k];
        agreed[k].epk = (ProtobufCBinaryData){.len = 65, .data = octets + 65 * k};
        agreed[k].key_blob = (ProtobufCBinaryData){.len = 150, .data = octets + 300 + k};
        agreed[k].custody = (ProtobufCBinaryData){.len = 4, .data = octets + 40 * k};
    }
    agree_answer.n_items = ITEMS;
    agree_answer.items = agreed_list;
    a.kind_case = ECKA__CUSTODY__V1__ANSWER__KIND_AGREE;
    a.agree = &agree_answer;
    custody_fill(&w->batch, &a);
    statuses_are(w);
    for (size_t k = 0; k < ITEMS; k++) {
        const Ecka__V1__AgreeResult *r = job_reply(w->job)->agree;
        column_has(r->epks, 65, k, agreed[k].epk.data);
        column_has(r->custody, 4, k, agreed[k].custody.data);
        entry_has(r->key_blobs, k, agreed[k].key_blob);
    }

    KEY_SET(w, &n);
    n.kinds = n.new_kvns = col(310, 1);
    (void)encoded(w, WIRE_OP_KEY_SET_CREATE, KIND_KEY_SET_CREATE, &n);
    for (size_t k = 0; k < ITEMS; k++) {
        ecka__custody__v1__key_set_created_item__init(created_list[k] = &created[k]);
        created[k].status = answered[k];
        created[k].new_key_set = (ProtobufCBinaryData){.len = 150, .data = octets + 300 + k};
        created[k].put_key = (ProtobufCBinaryData){.len = 67, .data = octets + 67 * k};
        created[k].kcvs = (ProtobufCBinaryData){.len = 9, .data = octets + 9 * k};
    }
    create_answer.n_items = ITEMS;
    create_answer.items = created_list;
    a.kind_case = ECKA__CUSTODY__V1__ANSWER__KIND_KEY_SET_CREATE;
    a.key_set_create = &create_answer;
    custody_fill(&w->batch, &a);
    statuses_are(w);
    for (size_t k = 0; k < ITEMS; k++) {
        const Ecka__V1__KeySetCreateResult *r = job_reply(w->job)->key_set_create;
        entry_has(r->new_key_sets, k, created[k].new_key_set);
        entry_has(r->put_keys, k, created[k].put_key);
        column_has(r->kcvs, 9, k, created[k].kcvs.data);
    }
}

/* Numbers; and a failure that its receiver is to read. */
static void unwrapped(void **state)
{
    struct world *w = *state;
    Ecka__V1__Scp80Unwrap m = ECKA__V1__SCP80_UNWRAP__INIT;
    Ecka__Custody__V1__Scp80UnwrappedItem items[ITEMS], *list[ITEMS];
    Ecka__Custody__V1__Scp80UnwrapAnswer answer = ECKA__CUSTODY__V1__SCP80_UNWRAP_ANSWER__INIT;
    custody_answer a = ECKA__CUSTODY__V1__ANSWER__INIT;
    KEY_SET(w, &m);
    m.n_packets = ITEMS;
    m.packets = entries(w, 1, 140);
    (void)encoded(w, WIRE_OP_SCP80_UNWRAP, KIND_UNWRAP, &m);
    for (size_t k = 0; k < ITEMS; k++) {
        ecka__custody__v1__scp80_unwrapped_item__init(list[k] = &items[k]);
        items[k].status = k == 2 ? (uint32_t)STATUS_SCP80_STATUS : (uint32_t)answered[k];
        items[k].por_status = 10 + (uint32_t)k;
        items[k].tar = 0x010203;
        items[k].counter = UINT64_C(0xA1A2A3A4A5);
        items[k].payload = (ProtobufCBinaryData){.len = 12, .data = octets + k};
    }
    answer.n_items = ITEMS;
    answer.items = list;
    a.kind_case = ECKA__CUSTODY__V1__ANSWER__KIND_SCP80_UNWRAP;
    a.scp80_unwrap = &answer;
    custody_fill(&w->batch, &a);
    assert_int_equal(w->job->results.status[order[2]], STATUS_SCP80_STATUS);
    for (size_t k = 0; k < ITEMS; k++) {
        const Ecka__V1__Scp80UnwrapResult *r = job_reply(w->job)->scp80_unwrap;
        const uint8_t por = (uint8_t)(10 + k);
        column_has(r->por_status, 1, k, &por);
        column_has(r->tars, 3, k, (const uint8_t *)"\1\2\3");
        column_has(r->counters, 5, k, (const uint8_t *)"\xA1\xA2\xA3\xA4\xA5");
        entry_has(r->payloads, k, items[k].payload);
    }
}

/* The session goes on behind a status word that no R-MAC protects. */
static void unprotected(void **state)
{
    struct world *w = *state;
    Ecka__V1__Scp03Unwrap m = ECKA__V1__SCP03_UNWRAP__INIT;
    Ecka__Custody__V1__Scp03UnwrappedItem items[ITEMS], *list[ITEMS];
    Ecka__Custody__V1__Scp03UnwrapAnswer answer = ECKA__CUSTODY__V1__SCP03_UNWRAP_ANSWER__INIT;
    custody_answer a = ECKA__CUSTODY__V1__ANSWER__INIT;
    m.eids = col(200, 16);
    m.n_sessions = m.n_apdus = ITEMS;
    m.sessions = entries(w, 0, 100);
    m.apdus = entries(w, 1, 140);
    (void)encoded(w, WIRE_OP_SCP03_UNWRAP, KIND_SCP03_UNWRAP, &m);
    for (size_t k = 0; k < ITEMS; k++) {
        ecka__custody__v1__scp03_unwrapped_item__init(list[k] = &items[k]);
        items[k].status = k == 2 ? (uint32_t)STATUS_SCP03_UNPROTECTED : (uint32_t)answered[k];
        items[k].session = (ProtobufCBinaryData){.len = 150, .data = octets + 300 + k};
        items[k].apdu = (ProtobufCBinaryData){.len = 2, .data = octets + k};
    }
    answer.n_items = ITEMS;
    answer.items = list;
    a.kind_case = ECKA__CUSTODY__V1__ANSWER__KIND_SCP03_UNWRAP;
    a.scp03_unwrap = &answer;
    custody_fill(&w->batch, &a);
    assert_int_equal(w->job->results.status[order[2]], STATUS_SCP03_UNPROTECTED);
    for (size_t k = 0; k < ITEMS; k++) {
        const Ecka__V1__Scp03UnwrapResult *r = job_reply(w->job)->scp03_unwrap;
        entry_has(r->sessions, k, items[k].session);
        entry_has(r->apdus, k, items[k].apdu);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(establish),  TEST(scp80_wrap),         TEST(sign),           TEST(agree),
        TEST(scp03_open), TEST(key_set_create),     TEST(scp03_sessions), TEST(reseal_and_rewrap),
        TEST(rewrapped),  TEST(agreed_and_created), TEST(unwrapped),      TEST(unprotected),
    };
    return cmocka_run_group_tests_name("custody_codec", tests, NULL, NULL);
}
