#include "bench/cards.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "proto/wire/wire.h"
#include "providers/core/random.h"
#include "providers/kdf/sym.h"
#include "smsr/pki/factory.h"

enum {
    KVN = 0x0F,
    TICKET_LIFE_S = 3600,
    TOGETHER = 64, /* cards that compute at a time */
    ESTABLISH_ITEM_MAX = GP_CERT_MAX + 128,
    CONFIRM_ITEM_MAX = WIRE_TICKET_MAX + 64,
    REQUEST_EXTRA = 256,
    ARENA_LEN = 2 * WIRE_FRAME_MAX,
};

struct cards {
    size_t n;
    struct card *list;
    struct pki pki;
    uint8_t sr_point[EC_POINT_LEN];
    struct provider *provider;
};

static void need(bool ok, const char *what)
{
    if (!ok) {
        (void)fprintf(stderr, "eckabench: %s failed\n", what);
        abort();
    }
}

/* -- the cards -- */

static enum status make_card(struct cards *c, struct drbg *drbg, size_t number, struct card *card)
{
    uint8_t point[EC_POINT_LEN];
    struct writer w = writer_of(card->cert, sizeof card->cert);
    const struct keygen_item item = {CURVE_P256, card->sk, point};
    enum status status;
    TRY(factory_eid(number, card->eid));
    provider_keygen(c->provider, drbg, 1, &item, &status);
    TRY(status);
    TRY(drbg_bytes(drbg, card->rc, sizeof card->rc));
    TRY(factory_certify(&c->pki, CURVE_P256, card->eid, point, &w));
    card->cert_len = w.len;
    return STATUS_OK;
}

static enum status make_all(struct cards *c)
{
    struct drbg *drbg;
    TRY(drbg_new(&drbg, span_of(NULL, 0)));
    enum status st = STATUS_OK;
    for (size_t i = 0; i < c->n && st == STATUS_OK; i++) {
        st = make_card(c, drbg, i, &c->list[i]);
    }
    drbg_free(&drbg);
    return st;
}

static enum status init(struct cards *c, const char *dir)
{
    struct gp_cert cert_sr;
    TRY(pki_load(dir, CURVE_P256, &c->pki));
    TRY(gp_cert_parse(span_of(c->pki.cert_sr, c->pki.cert_sr_len), &cert_sr));
    memcpy(c->sr_point, cert_sr.point.ptr, EC_POINT_LEN);
    TRY(provider_new(&c->provider));
    return make_all(c);
}

struct cards *cards_new(const char *dir, size_t n)
{
    struct cards *c = calloc(1, sizeof *c);
    need(c != NULL && n != 0, "memory");
    c->n = n;
    c->list = calloc(n, sizeof *c->list);
    need(c->list != NULL, "memory");
    const enum status st = init(c, dir);
    if (st != STATUS_OK) {
        (void)fprintf(stderr, "eckabench: no cards from the PKI in %s: %s\n", dir,
                      status_meaning(st));
        cards_free(&c);
    }
    return c;
}

void cards_free(struct cards **cards)
{
    struct cards *c = *cards;
    if (c != NULL) {
        provider_free(&c->provider);
        pki_fini(&c->pki);
        free(c->list);
        free(c);
        *cards = NULL;
    }
}

const struct card *cards_get(const struct cards *cards, size_t i)
{
    return &cards->list[i % cards->n];
}

uint8_t *cards_eum_id(const struct cards *cards)
{
    return (uint8_t *)(uintptr_t)cards->pki.eum_id;
}

/* -- handovers -- */

enum phase { FRESH, ESTABLISHED, RECEIVED };

struct handover { /* of one card */
    uint8_t epk[EC_POINT_LEN], signature[EC_SIGNATURE_LEN];
    uint8_t receipt[RECEIPT_LEN];
    size_t crt_len, ticket_len;
    uint8_t crt[CRT_MAX], ticket[WIRE_TICKET_MAX];
};

struct lane { /* of one slot */
    enum phase phase;
    struct span establish; /* the same for each round: the card's challenge stays */
    uint8_t *confirm;
    struct handover *handovers; /* items of them */
};

struct handovers {
    struct cards *cards;
    size_t items, slots;
    struct lane *lanes;
    size_t *waiting; /* lanes whose cards have not computed yet */
    size_t waiting_count;
    struct arena arena;
    void *storage;
};

static const struct card *card_of(const struct handovers *h, size_t slot, size_t i)
{
    return cards_get(h->cards, slot * h->items + i);
}

static ProtobufCBinaryData bytes(const void *data, size_t len)
{
    return (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)data, .len = len};
}

static struct span pack(const Ecka__V1__Request *msg, uint8_t *out, size_t cap)
{
    need(ecka__v1__request__get_packed_size(msg) <= cap, "encoding a request");
    return span_of(out, ecka__v1__request__pack(msg, out));
}

struct columns { /* what both requests have, one entry or value a card */
    uint8_t *eids, *values, *expiries;
    ProtobufCBinaryData *entries, *rcs;
};

static struct columns columns_of(struct handovers *h)
{
    arena_reset(&h->arena);
    struct columns c = {arena_alloc(&h->arena, h->items, GP_EID_LEN),
                        arena_alloc(&h->arena, h->items, RECEIPT_LEN),
                        arena_alloc(&h->arena, h->items, sizeof(uint64_t)),
                        arena_alloc(&h->arena, h->items, sizeof(ProtobufCBinaryData)),
                        arena_alloc(&h->arena, h->items, sizeof(ProtobufCBinaryData))};
    need(c.rcs != NULL, "memory");
    return c;
}

static struct span encode_establish(struct handovers *h, size_t slot, uint64_t expiry)
{
    const struct columns c = columns_of(h);
    struct writer expiries = writer_of(c.expiries, h->items * sizeof expiry);
    ProtobufCBinaryData eum = bytes(h->cards->pki.eum_id, SHA256_LEN);
    uint8_t *scenarios = c.values, *kvns = c.values + h->items;
    for (size_t i = 0; i < h->items; i++) {
        const struct card *card = card_of(h, slot, i);
        memcpy(c.eids + i * GP_EID_LEN, card->eid, GP_EID_LEN);
        c.entries[i] = bytes(card->cert, card->cert_len);
        c.rcs[i] = bytes(card->rc, sizeof card->rc);
        kvns[i] = KVN;
        scenarios[i] = CRT_CERT_CHECKED;
        put_be(&expiries, expiry, sizeof expiry);
    }
    Ecka__V1__Establish establish = ECKA__V1__ESTABLISH__INIT;
    establish.sr_key_id = bytes(h->cards->pki.sr_key_id, SHA256_LEN);
    establish.eids = bytes(c.eids, h->items * GP_EID_LEN);
    establish.ecasd_certs = c.entries;
    establish.n_ecasd_certs = h->items;
    establish.eums = &eum;
    establish.n_eums = 1;
    establish.rcs = c.rcs;
    establish.n_rcs = h->items;
    establish.kvns = bytes(kvns, h->items);
    establish.scenarios = bytes(scenarios, h->items);
    establish.expiries = bytes(c.expiries, expiries.len);
    Ecka__V1__Request msg = ECKA__V1__REQUEST__INIT;
    msg.op_case = ECKA__V1__REQUEST__OP_ESTABLISH;
    msg.establish = &establish;
    const size_t cap = h->items * ESTABLISH_ITEM_MAX + REQUEST_EXTRA;
    uint8_t *out = malloc(cap);
    need(out != NULL, "memory");
    return pack(&msg, out, cap);
}

static struct span encode_confirm(struct handovers *h, size_t slot)
{
    const struct columns c = columns_of(h);
    struct lane *lane = &h->lanes[slot];
    for (size_t i = 0; i < h->items; i++) {
        const struct handover *v = &lane->handovers[i];
        memcpy(c.eids + i * GP_EID_LEN, card_of(h, slot, i)->eid, GP_EID_LEN);
        memcpy(c.values + i * RECEIPT_LEN, v->receipt, RECEIPT_LEN);
        c.entries[i] = bytes(v->ticket, v->ticket_len);
    }
    Ecka__V1__Confirm confirm = ECKA__V1__CONFIRM__INIT;
    confirm.tickets = c.entries;
    confirm.n_tickets = h->items;
    confirm.eids = bytes(c.eids, h->items * GP_EID_LEN);
    confirm.receipts = bytes(c.values, h->items * RECEIPT_LEN);
    Ecka__V1__Request msg = ECKA__V1__REQUEST__INIT;
    msg.op_case = ECKA__V1__REQUEST__OP_CONFIRM;
    msg.confirm = &confirm;
    return pack(&msg, lane->confirm, h->items * CONFIRM_ITEM_MAX + REQUEST_EXTRA);
}

/* -- what a card computes -- */

struct bench_card { /* one at work */
    const struct card *card;
    struct handover *handover;
    uint8_t z[ECDH_Z_LEN], digest[SHA256_LEN];
};

static enum status hash_signed(struct sym *sym, struct bench_card *w)
{
    uint8_t signed_bytes[SIGNED_BYTES_MAX], epk[EC_POINT_LEN + 8];
    struct writer ew = writer_of(epk, sizeof epk);
    struct writer sw = writer_of(signed_bytes, sizeof signed_bytes);
    epk_put(&ew, EPK_FORM, curve_ref(CURVE_P256), w->handover->epk);
    signed_bytes_put(&sw, span_of(w->handover->crt, w->handover->crt_len), writer_span(&ew),
                     span_of(w->card->rc, sizeof w->card->rc));
    TRY(writer_check(&sw));
    return sym_sha256(sym, writer_span(&sw), w->digest);
}

static enum status make_receipt(struct sym *sym, struct bench_card *w)
{
    const struct span none = {NULL, 0}, a6 = span_of(w->handover->crt, w->handover->crt_len);
    uint8_t info[SHARED_INFO_MAX], input[RECEIPT_INPUT_MAX], key_data[KEY_DATA_LEN];
    struct writer iw = writer_of(info, sizeof info), rw = writer_of(input, sizeof input);
    struct crt crt;
    TRY(crt_parse(a6, &crt));
    TRY(shared_info_put(&iw, &crt, none, none));
    TRY(sym_x963(sym, span_of(w->z, sizeof w->z), writer_span(&iw), key_data, sizeof key_data));
    receipt_input_put(&rw, RECEIPT_DR_FORM, a6, none);
    return sym_cmac(sym, span_of(key_data, SYM_AES128_KEY_LEN), writer_span(&rw),
                    w->handover->receipt);
}

/* Verifies what the server signed, agrees and makes the receipts. */
static void compute(struct handovers *h, size_t n, struct bench_card work[])
{
    struct verify_item verify[TOGETHER] = {0};
    struct ecka_item ecka[TOGETHER] = {0};
    enum status verified[TOGETHER], agreed[TOGETHER];
    struct provider *p = h->cards->provider;
    for (size_t i = 0; i < n; i++) {
        struct bench_card *w = &work[i];
        need(hash_signed(provider_sym(p), w) == STATUS_OK, "a CRT of the server's");
        verify[i] =
            (struct verify_item){CURVE_P256, h->cards->sr_point, w->digest, w->handover->signature};
        ecka[i] = (struct ecka_item){CURVE_P256, w->card->sk, w->handover->epk, w->z};
    }
    provider_verify_vartime(p, n, verify, verified);
    provider_ecka(p, n, ecka, agreed);
    for (size_t i = 0; i < n; i++) {
        need(verified[i] == STATUS_OK, "the server's signature over CRT, ePK and RC");
        need(agreed[i] == STATUS_OK && make_receipt(provider_sym(p), &work[i]) == STATUS_OK,
             "a card's key agreement");
    }
}

static void compute_waiting(struct handovers *h)
{
    struct bench_card work[TOGETHER];
    size_t n = 0;
    for (size_t l = 0; l < h->waiting_count; l++) {
        const size_t slot = h->waiting[l];
        if (h->lanes[slot].phase != ESTABLISHED) {
            continue; /* dropped */
        }
        for (size_t i = 0; i < h->items; i++) {
            work[n++] = (struct bench_card){.card = card_of(h, slot, i),
                                            .handover = &h->lanes[slot].handovers[i]};
            if (n == TOGETHER) {
                compute(h, n, work);
                n = 0;
            }
        }
        h->lanes[slot].phase = RECEIVED;
    }
    if (n != 0) {
        compute(h, n, work);
    }
    h->waiting_count = 0;
}

/* -- as a source -- */

static struct span next_request(void *arg, size_t slot)
{
    struct handovers *h = arg;
    if (h->lanes[slot].phase == FRESH) {
        return h->lanes[slot].establish;
    }
    if (h->lanes[slot].phase == ESTABLISHED) {
        compute_waiting(h); /* of every slot: their replies came together */
    }
    return encode_confirm(h, slot);
}

static bool copy(uint8_t *out, size_t cap, size_t *len, const ProtobufCBinaryData *in)
{
    if (in->len > cap) {
        return false;
    }
    memcpy(out, in->data, in->len);
    *len = in->len;
    return true;
}

static bool all_ok(const ProtobufCBinaryData *item_status)
{
    for (size_t i = 0; i < item_status->len; i++) {
        if (item_status->data[i] != STATUS_OK) {
            return false;
        }
    }
    return true;
}

static bool take_established(struct lane *lane, const Ecka__V1__EstablishResult *r)
{
    bool ok = all_ok(&r->item_status);
    for (size_t i = 0; ok && i < r->item_status.len; i++) {
        struct handover *v = &lane->handovers[i];
        memcpy(v->epk, wire_col(&r->epks, EC_POINT_LEN, i), EC_POINT_LEN);
        memcpy(v->signature, wire_col(&r->signatures, EC_SIGNATURE_LEN, i), EC_SIGNATURE_LEN);
        ok = copy(v->crt, sizeof v->crt, &v->crt_len, &r->crts[i]) &&
             copy(v->ticket, sizeof v->ticket, &v->ticket_len, &r->tickets[i]);
    }
    return ok;
}

static enum load_step take_reply(void *arg, size_t slot, struct span frame)
{
    struct handovers *h = arg;
    struct lane *lane = &h->lanes[slot];
    Ecka__V1__Reply *reply;
    const bool confirming = lane->phase == RECEIVED;
    const enum wire_op op = confirming ? WIRE_OP_CONFIRM : WIRE_OP_ESTABLISH;
    arena_reset(&h->arena);
    lane->phase = FRESH;
    if (wire_reply_decode(&h->arena, frame, &reply) != STATUS_OK ||
        wire_reply_check(reply, op, (uint32_t)h->items) != STATUS_OK) {
        return LOAD_BAD;
    }
    if (confirming) {
        return all_ok(&reply->confirm->item_status) ? LOAD_DONE : LOAD_BAD;
    }
    if (!take_established(lane, reply->establish)) {
        return LOAD_BAD;
    }
    lane->phase = ESTABLISHED;
    h->waiting[h->waiting_count++] = slot;
    return LOAD_MORE;
}

static void drop_work(void *arg, size_t slot)
{
    struct handovers *h = arg;
    h->lanes[slot].phase = FRESH;
}

struct handovers *handovers_new(struct cards *cards, size_t slots, size_t items)
{
    struct handovers *h = calloc(1, sizeof *h);
    need(h != NULL, "memory");
    *h = (struct handovers){.cards = cards, .items = items, .slots = slots};
    h->lanes = calloc(slots, sizeof *h->lanes);
    h->waiting = calloc(2 * slots, sizeof *h->waiting); /* some dropped and there once more */
    h->storage = aligned_alloc(16, ARENA_LEN);
    need(h->lanes != NULL && h->waiting != NULL && h->storage != NULL, "memory");
    arena_init(&h->arena, h->storage, ARENA_LEN);
    const uint64_t expiry = (uint64_t)time(NULL) + TICKET_LIFE_S;
    for (size_t i = 0; i < slots; i++) {
        struct lane *lane = &h->lanes[i];
        lane->confirm = malloc(items * CONFIRM_ITEM_MAX + REQUEST_EXTRA);
        lane->handovers = calloc(items, sizeof *lane->handovers);
        need(lane->confirm != NULL && lane->handovers != NULL, "memory");
        lane->establish = encode_establish(h, i, expiry);
    }
    return h;
}

void handovers_free(struct handovers **handovers)
{
    struct handovers *h = *handovers;
    if (h == NULL) {
        return;
    }
    for (size_t i = 0; i < h->slots; i++) {
        free((void *)(uintptr_t)h->lanes[i].establish.ptr);
        free(h->lanes[i].confirm);
        free(h->lanes[i].handovers);
    }
    free(h->lanes);
    free(h->waiting);
    free(h->storage);
    free(h);
    *handovers = NULL;
}

static enum load_step take_established_reply(void *arg, size_t slot, struct span frame)
{
    struct handovers *h = arg;
    Ecka__V1__Reply *reply;
    arena_reset(&h->arena);
    if (wire_reply_decode(&h->arena, frame, &reply) != STATUS_OK ||
        wire_reply_check(reply, WIRE_OP_ESTABLISH, (uint32_t)h->items) != STATUS_OK) {
        return LOAD_BAD;
    }
    return take_established(&h->lanes[slot], reply->establish) ? LOAD_DONE : LOAD_BAD;
}

struct load_source handovers_establish_source(struct handovers *h)
{
    return (struct load_source){
        .arg = h, .items = h->items, .next = next_request, .take = take_established_reply};
}

struct load_source handovers_source(struct handovers *h)
{
    return (struct load_source){
        .arg = h, .items = h->items, .next = next_request, .take = take_reply, .drop = drop_work};
}
