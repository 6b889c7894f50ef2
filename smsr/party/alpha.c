#include "smsr/party/alpha.h"

#include "providers/core/secret.h"
#include "providers/scp/scp80.h"
#include "smsr/card/card_sw.h"
#include "smsr/party/beta.h"

enum {
    CLA_GP = 0x80,
    STORE_DATA_1_P2 = 0x00,
    STORE_DATA_2_P2 = 0x01,
    US_PER_S = 1000000,
    RECEIPT_LIFE_S =
        2 * 86400, /* U: no SM-SR2 waits longer for one; Beta's validity is a day at most */
};

const char *alpha_state_name(enum alpha_state state)
{
    static const char *const names[ALPHA_STATES] = {"idle",         "wait-beta", "wait-rc",
                                                    "wait-receipt", "counting",  "clearing"};
    return names[state];
}

enum status alpha_init(struct alpha *alpha, struct bus *bus, const struct trace *trace,
                       struct engine *engine, const struct eis *eis, const struct key_set *ks1)
{
    memset(alpha, 0, sizeof(*alpha));
    alpha->ks1 = secret_alloc(1, sizeof(*alpha->ks1));
    if (alpha->ks1 == NULL) {
        return STATUS_INTERNAL;
    }
    alpha->bus = bus;
    alpha->trace = trace;
    alpha->engine = engine;
    if (eis != NULL) {
        memcpy(alpha->ks1, ks1, sizeof(*ks1));
        alpha->eis = *eis;
        alpha->has_eis = true;
    }
    alpha->request.type = alpha->reply.type = MESSAGE_TYPES;
    alpha->link = (struct card_link){.bus = bus, .owner = PARTY_ALPHA};
    return STATUS_OK;
}

void alpha_fini(struct alpha *alpha)
{
    secret_free(&alpha->ks1);
}

/* -- towards the card -- */

static struct scp80_keys ks1_keys(const struct alpha *alpha)
{
    return (struct scp80_keys){alpha->ks1->keys[0], alpha->ks1->keys[1]};
}

enum status alpha_command(struct alpha *alpha, const struct apdu *apdu)
{
    uint8_t capdu[APDU_MAX], script[APDU_MAX + 8], packet[SCP80_PACKET_MAX];
    struct writer cw = writer_of(capdu, sizeof(capdu));
    struct writer sw = writer_of(script, sizeof(script));
    struct writer pw = writer_of(packet, sizeof(packet));
    apdu_put(&cw, apdu);
    TRY(writer_check(&cw));
    struct span command = writer_span(&cw);
    expanded_commands_put(&sw, &command, 1);
    TRY(writer_check(&sw));
    const struct scp80_header header =
        scp80_command_header(alpha->ks1->kvn, alpha->eis.isdr_tar, ++alpha->ks1->counter);
    const struct scp80_keys keys = ks1_keys(alpha);
    TRY(scp80_wrap_command(alpha->engine->sym, &keys, &header, writer_span(&sw), &pw));
    TRY(card_link_send(&alpha->link, writer_span(&pw)));
    alpha->due_us = alpha->bus->now_us + alpha->bus->patience.card_us;
    return STATUS_OK;
}

static enum status send_store_data(struct alpha *alpha, uint8_t p1, uint8_t p2, struct span data)
{
    const struct apdu apdu = {CLA_GP, INS_STORE_DATA, p1, p2, data, false, 0};
    if (data.len > APDU_DATA_MAX) {
        return STATUS_BAD_LENGTH;
    }
    TRY(alpha_command(alpha, &apdu));
    trace_step(alpha->trace, p1 == STORE_DATA_1_P1 ? 8 : 16, PARTY_ALPHA, PARTY_ISDR,
               p1 == STORE_DATA_1_P1 ? "ES5.EstablishISDRKeySet 1/2"
                                     : "ES5.EstablishISDRKeySet 2/2",
               "STORE DATA, %zu bytes; SCP80 KVN %02X, counter %llu, %zu ENVELOPE%s", data.len,
               alpha->ks1->kvn, (unsigned long long)alpha->ks1->counter, alpha->link.total,
               alpha->link.total == 1 ? "" : "s");
    return STATUS_OK;
}

/* Opens the proof of receipt; leaves a view of the R-APDU's data in the buffer. */
static enum status open_answer(struct alpha *alpha, struct writer *plain, struct rapdu *r,
                               uint8_t *rsc)
{
    struct scp80_response response;
    struct span last;
    uint8_t executed;
    const struct scp80_keys keys = ks1_keys(alpha);
    TRY(scp80_unwrap_response(alpha->engine->sym, &keys,
                              span_of(alpha->link.answer, alpha->link.answer_len), &response,
                              plain));
    *rsc = response.rsc;
    if (response.rsc != SCP80_RSC_OK) {
        return STATUS_SCP80_STATUS;
    }
    if (response.counter != alpha->ks1->counter) {
        return STATUS_SCP80_COUNTER;
    }
    TRY(expanded_answer_parse(writer_span(plain), &executed, &last));
    return rapdu_parse(last, r);
}

/* -- ES4.SMSRChange, step 4; ES7.HandoverEUICC, step 5 -- */

static bool same_change(const struct message *a, const struct message *b)
{
    return memcmp(a->change_id, b->change_id, CHANGE_ID_LEN) == 0;
}

static void answer_operator(struct alpha *alpha, const struct message *order,
                            const struct es_answer *answer)
{
    trace_step(alpha->trace, 30, PARTY_ALPHA, PARTY_OPERATOR, "ES4.SMSRChange answer", "%s",
               es_result_name(answer->result));
    bus_answer(alpha->bus, ES4_SMSR_CHANGE_ANSWER, order)->u.answer = *answer;
}

/* The lock is taken off, and the operator hears what came of its order. */
static void end_change(struct alpha *alpha, const struct es_answer *answer)
{
    alpha->outcome = *answer;
    alpha->locked = false;
    alpha->state = ALPHA_IDLE;
    alpha->due_us = 0;
    answer_operator(alpha, &alpha->order, answer);
}

static void send_handover(struct alpha *alpha)
{
    struct message *m = bus_post(alpha->bus, ES7_HANDOVER_EUICC, PARTY_ALPHA, PARTY_BETA);
    memcpy(m->change_id, alpha->order.change_id, sizeof(m->change_id));
    eis_for_handover(&m->u.eis, &alpha->eis);
    for (size_t i = 0; i < m->u.eis.key_set_count; i++) {
        if (m->u.eis.key_sets[i].kvn == alpha->ks1->kvn) {
            m->u.eis.key_sets[i].counter = alpha->ks1->counter;
        }
    }
    alpha->due_us = alpha->bus->now_us + alpha->bus->patience.peer_us;
}

/* Why an order is not taken; NULL when it is. An EIS that went where it shall go is a success. */
static const char *order_refusal(const struct alpha *alpha, const struct message *order,
                                 struct es_answer *answer)
{
    if (!alpha->has_eis && alpha->outcome.result <= ES_EXECUTED_WITHWARNING &&
        strcmp(alpha->order.u.change.smsr_id, order->u.change.smsr_id) == 0) {
        es_answer_set(answer, ES_EXECUTED_WITHWARNING, 4, "ALREADY_MANAGED",
                      "the eUICC was handed over to this SM-SR before");
    } else if (!alpha->has_eis ||
               memcmp(order->eid, alpha->eis.signed_info.eid, sizeof(order->eid)) != 0) {
        es_answer_set(answer, ES_FAILED, 4, "UNKNOWN_EID", "Alpha manages no eUICC of this EID");
    } else if (alpha->locked) {
        es_answer_set(answer, ES_FAILED, 4, "CHANGE_PENDING", "another change is running");
    } else if (strcmp(order->u.change.smsr_id, BETA_SMSR_ID) != 0) {
        es_answer_set(answer, ES_FAILED, 4, "UNKNOWN_SMSR", "the target SM-SR is unknown");
    } else {
        return NULL;
    }
    return answer->code;
}

static void on_smsr_change(struct alpha *alpha, const struct message *order)
{
    struct es_answer answer;
    if (same_change(order, &alpha->order) && alpha->order.type == ES4_SMSR_CHANGE &&
        alpha->order.u.change.validity_s != 0) {
        alpha->order = *order; /* said again: perhaps by another process */
        if (!alpha->locked) {
            answer_operator(alpha, order, &alpha->outcome);
        }
        return;
    }
    if (order_refusal(alpha, order, &answer) != NULL) {
        answer_operator(alpha, order, &answer);
        return;
    }
    alpha->order = *order;
    alpha->locked = true;
    alpha->deadline_us = alpha->bus->now_us + (uint64_t)order->u.change.validity_s * US_PER_S;
    alpha->state = ALPHA_WAIT_BETA;
    alpha->request.type = alpha->reply.type = MESSAGE_TYPES;
    send_handover(alpha);
    trace_step(alpha->trace, 5, PARTY_ALPHA, PARTY_BETA, "ES7.HandoverEUICC",
               "EIS: profiles %zu, key sets %zu (numbers, no keys), CERT.ECASD %zu bytes; locked",
               alpha->eis.profile_count, alpha->eis.key_set_count,
               alpha->eis.signed_info.ecasd_cert_len);
}

/* -- ES7.AuthenticateSMSR, steps 7 to 13 -- */

static void answer_authenticate(struct alpha *alpha, const struct es_answer *answer, struct span rc)
{
    struct message *m = bus_answer(alpha->bus, ES7_AUTHENTICATE_SMSR_ANSWER, &alpha->request);
    m->u.authenticated.answer = *answer;
    if (octets_set(&m->u.authenticated.rc, rc) != STATUS_OK) {
        es_answer_set(&m->u.authenticated.answer, ES_FAILED, 12, "BAD_RC", "RC is too long");
    }
    trace_step(alpha->trace, 13, PARTY_ALPHA, PARTY_BETA, "ES7.AuthenticateSMSR answer", "%s",
               answer->result == ES_EXECUTED_SUCCESS ? "RC" : answer->text);
    alpha->reply = *m;
    alpha->due_us = alpha->bus->now_us + alpha->bus->patience.peer_us;
}

/*
 * Whether Alpha may relay for this request: a change of this eUICC is running, nothing else is
 * under way to the card, and the validity period lasts (SGP.02 3.8: else Expired, subject 1.6,
 * reason 5.3).
 */
static bool refused(const struct alpha *alpha, const struct message *request, unsigned step,
                    struct es_answer *answer)
{
    if (!alpha->locked || alpha->state != ALPHA_WAIT_BETA || !same_change(request, &alpha->order) ||
        memcmp(request->eid, alpha->eis.signed_info.eid, GP_EID_LEN) != 0) {
        es_answer_set(answer, ES_FAILED, step, "NO_CHANGE_PENDING",
                      "no change of this eUICC waits for that");
        return true;
    }
    if (alpha->bus->now_us > alpha->deadline_us) {
        es_answer_set(answer, ES_EXPIRED, step, "EXPIRED", "the validity period is over");
        return true;
    }
    return false;
}

/* A request said again: answered as before, or left alone while the card has it. */
static bool repeated(struct alpha *alpha, const struct message *request)
{
    if (alpha->request.type != request->type || alpha->request.attempt != request->attempt ||
        !same_change(&alpha->request, request)) {
        return false;
    }
    if (alpha->reply.type != MESSAGE_TYPES) {
        struct message *m = bus_answer(alpha->bus, alpha->reply.type, request);
        m->u = alpha->reply.u;
    }
    return true;
}

/* Takes a request on, and with it the duty to answer it. */
static void take_on(struct alpha *alpha, const struct message *request)
{
    alpha->request = *request;
    alpha->reply.type = MESSAGE_TYPES;
    alpha->card_attempts = 0;
}

static void fail_authenticate(struct alpha *alpha, unsigned step, const char *code,
                              const char *text)
{
    struct es_answer answer;
    es_answer_set(&answer, ES_FAILED, step, code, "%s", text);
    answer_authenticate(alpha, &answer, (struct span){NULL, 0});
}

/* Step 8, or again: RC is the card's latest. */
static void send_certificate(struct alpha *alpha)
{
    const struct es7_authenticate *request = &alpha->request.u.authenticate;
    uint8_t data[STORE_DATA_MAX];
    struct writer w = writer_of(data, sizeof(data));
    store_data_1_put(&w, span_of(request->cert, request->cert_len));
    enum status s = writer_check(&w);
    if (s == STATUS_OK) {
        s = send_store_data(alpha, STORE_DATA_1_P1, STORE_DATA_1_P2, writer_span(&w));
    }
    if (s != STATUS_OK) {
        alpha->state = ALPHA_WAIT_BETA;
        fail_authenticate(alpha, 8, status_name(s), status_meaning(s));
        return;
    }
    alpha->state = ALPHA_WAIT_CARD_1;
}

static void on_authenticate(struct alpha *alpha, const struct message *request)
{
    struct es_answer answer;
    if (repeated(alpha, request)) {
        return;
    }
    if (refused(alpha, request, 7, &answer)) {
        bus_answer(alpha->bus, ES7_AUTHENTICATE_SMSR_ANSWER, request)->u.authenticated.answer =
            answer;
        trace_note(alpha->trace, "Alpha refuses: %s", answer.text);
        return;
    }
    take_on(alpha, request);
    send_certificate(alpha);
}

/* The words of the first STORE DATA, for people. */
static const char *sw_1_meaning(uint16_t sw)
{
    switch (sw) {
    case SW_VERIFY_FAILED:
        return "the card could not verify CERT.SR.ECDSA with PK.CI.ECDSA";
    case SW_WRONG_DATA:
        return "the card took it for no SM-SR certificate";
    case SW_NOT_FOUND:
        return "the certificate names a CI that the card does not know";
    default:
        return "the card refused the first STORE DATA";
    }
}

static void sw_code(char out[static ES_CODE_MAX], uint16_t sw)
{
    (void)snprintf(out, ES_CODE_MAX, "SW %04X", (unsigned)sw);
}

static void on_rc(struct alpha *alpha, const struct rapdu *r)
{
    struct es_answer answer;
    struct span rc = {NULL, 0};
    char code[ES_CODE_MAX];
    sw_code(code, r->sw);
    if (r->sw != SW_OK) {
        fail_authenticate(alpha, 12, code, sw_1_meaning(r->sw));
        return;
    }
    enum status s = answer_1_parse(r->data, &rc);
    if (s != STATUS_OK) {
        fail_authenticate(alpha, 12, status_name(s), status_meaning(s));
        return;
    }
    es_answer_set(&answer, ES_EXECUTED_SUCCESS, 0, "OK", "%s", "");
    answer_authenticate(alpha, &answer, rc);
}

/* -- ES7.CreateAdditionalKeySet, steps 15 to 22 -- */

static void answer_create(struct alpha *alpha, const struct es7_create_key_set_answer *answer)
{
    struct message *m =
        bus_answer(alpha->bus, ES7_CREATE_ADDITIONAL_KEY_SET_ANSWER, &alpha->request);
    m->u.created = *answer;
    trace_step(alpha->trace, 22, PARTY_ALPHA, PARTY_BETA, "ES7.CreateAdditionalKeySet answer", "%s",
               answer->answer.result == ES_EXECUTED_SUCCESS
                   ? (answer->dr.len != 0 ? "receipt, DR" : "receipt")
                   : answer->answer.text);
    alpha->reply = *m;
    alpha->due_us = alpha->bus->now_us + alpha->bus->patience.peer_us;
}

static void fail_create(struct alpha *alpha, unsigned step, uint16_t sw, const char *code,
                        const char *text)
{
    struct es7_create_key_set_answer answer = {.sw = sw};
    es_answer_set(&answer.answer, ES_FAILED, step, code, "%s", text);
    answer_create(alpha, &answer);
}

/* The second STORE DATA out of ES7's fields and the EIS: the canonical CRT, or the card refuses. */
static enum status send_key_establishment(struct alpha *alpha,
                                          const struct es7_create_key_set *request)
{
    uint8_t crt_bytes[CRT_MAX], data[STORE_DATA_MAX];
    struct writer cw = writer_of(crt_bytes, sizeof(crt_bytes));
    struct writer w = writer_of(data, sizeof(data));
    bool with_host = (request->scenario & CRT_WITH_HOST_ID) != 0;
    const struct crt crt = crt_sm_sr_change(
        request->scenario, request->kvn, request->counter, octets_span(&request->host_id),
        with_host ? octets_span(&alpha->eis.sdin) : (struct span){NULL, 0});
    crt_put(&cw, &crt);
    TRY(writer_check(&cw));
    store_data_2_put(&w, writer_span(&cw), span_of(request->epk, sizeof(request->epk)),
                     span_of(request->signature, sizeof(request->signature)));
    TRY(writer_check(&w));
    return send_store_data(alpha, STORE_DATA_2_P1, STORE_DATA_2_P2, writer_span(&w));
}

/*
 * Step 16, or again under the next counter. A card that did the first one already holds no RC any
 * more and says 6985: then KS2 is there, its receipt is lost, and Beta takes the next number.
 */
static void send_create(struct alpha *alpha)
{
    enum status s = send_key_establishment(alpha, &alpha->request.u.create);
    if (s != STATUS_OK) {
        alpha->state = ALPHA_WAIT_BETA;
        fail_create(alpha, 16, 0, status_name(s), status_meaning(s));
        return;
    }
    alpha->state = ALPHA_WAIT_CARD_2;
}

static void on_create(struct alpha *alpha, const struct message *request)
{
    struct es_answer answer;
    if (repeated(alpha, request)) {
        return;
    }
    if (refused(alpha, request, 15, &answer)) {
        bus_answer(alpha->bus, ES7_CREATE_ADDITIONAL_KEY_SET_ANSWER, request)->u.created.answer =
            answer;
        trace_note(alpha->trace, "Alpha refuses: %s", answer.text);
        return;
    }
    take_on(alpha, request);
    send_create(alpha);
}

static const char *sw_2_meaning(uint16_t sw)
{
    switch (sw) {
    case SW_VERIFY_FAILED:
        return "CRT mismatch or bad signature";
    case SW_WRONG_DATA:
        return "the card refused CRT, curve or point, or the key version number is taken";
    case SW_CONDITIONS:
        return "the card holds no live RC";
    case SW_NO_MEMORY:
        return "the card had no room for one more key set";
    default:
        return "the card refused the second STORE DATA";
    }
}

static void fail_full(struct alpha *alpha)
{
    alpha->state = ALPHA_WAIT_BETA;
    fail_create(alpha, 21, SW_NO_MEMORY, "SW 6A84", sw_2_meaning(SW_NO_MEMORY));
}

/* The card has no room: it is cleared of what nobody can use, and Beta hears of it after that. */
static void make_room(struct alpha *alpha)
{
    if (alpha_clear(alpha) != STATUS_OK) {
        fail_full(alpha);
    }
}

static void on_receipt(struct alpha *alpha, const struct rapdu *r)
{
    struct es7_create_key_set_answer answer = {.sw = r->sw};
    struct span dr, receipt;
    char code[ES_CODE_MAX];
    sw_code(code, r->sw);
    if (r->sw == SW_NO_MEMORY) {
        alpha->card_attempts = 0;
        make_room(alpha);
        return;
    }
    if (r->sw != SW_OK) {
        fail_create(alpha, 21, r->sw, code, sw_2_meaning(r->sw));
        return;
    }
    enum status s = answer_2_parse(r->data, &dr, &receipt);
    if (s == STATUS_OK) {
        s = octets_set(&answer.dr, dr);
    }
    if (s == STATUS_OK) {
        s = octets_set(&answer.receipt, receipt);
    }
    if (s != STATUS_OK) {
        fail_create(alpha, 21, r->sw, status_name(s), status_meaning(s));
        return;
    }
    alpha->receipts |= UINT32_C(1) << (alpha->request.u.create.kvn & CRT_KVN_MAX);
    alpha->receipts_end_us = alpha->bus->now_us + (uint64_t)RECEIPT_LIFE_S * US_PER_S;
    es_answer_set(&answer.answer, ES_EXECUTED_SUCCESS, 0, "OK", "%s", "");
    answer_create(alpha, &answer);
}

/* -- the card's answers -- */

static void card_failed(struct alpha *alpha, bool first, uint16_t sw, const char *why)
{
    char code[ES_CODE_MAX];
    sw_code(code, sw);
    if (first) {
        fail_authenticate(alpha, 12, code, why);
    } else {
        fail_create(alpha, 21, 0, code, why); /* not the word of the STORE DATA itself */
    }
}

static void on_card_answer(struct alpha *alpha, const struct message *m)
{
    uint8_t plain_bytes[RAPDU_DATA_MAX];
    struct writer plain = writer_of(plain_bytes, sizeof(plain_bytes));
    struct rapdu r = {.sw = 0};
    uint16_t sw;
    uint8_t rsc = SCP80_RSC_OK;
    enum alpha_state state = alpha->state;
    if (state == ALPHA_IDLE || state == ALPHA_WAIT_BETA) {
        return; /* nothing asked */
    }
    enum card_link_state link = card_link_receive(&alpha->link, m, &sw);
    if (link == CARD_LINK_WAITING) {
        alpha->due_us = alpha->bus->now_us + alpha->bus->patience.card_us;
        return;
    }
    const char *fault = "the card gave no proof of receipt";
    enum status s = STATUS_OK;
    if (link == CARD_LINK_ANSWERED) {
        s = open_answer(alpha, &plain, &r, &rsc);
        if (s == STATUS_SCP80_STATUS && rsc == SCP80_RSC_COUNTER_LOW) {
            return; /* of a packet that came twice: the first answer is lost, or yet to come */
        }
        fault = s != STATUS_OK ? status_meaning(s) : NULL;
    }
    if (state == ALPHA_COUNTING || state == ALPHA_CLEARING) {
        if (fault != NULL || alpha_cleared(alpha, &r)) {
            fail_full(alpha);
        }
        return;
    }
    bool first = state == ALPHA_WAIT_CARD_1;
    alpha->state = ALPHA_WAIT_BETA;
    if (fault != NULL) {
        card_failed(alpha, first, sw, fault);
        return;
    }
    trace_step(alpha->trace, first ? 12 : 21, PARTY_ISDR, PARTY_ALPHA, first ? "RC" : "receipt",
               "proof of receipt opened, SW %04X, %zu bytes", (unsigned)r.sw, r.data.len);
    if (first) {
        on_rc(alpha, &r);
    } else {
        on_receipt(alpha, &r);
    }
}

/* -- the end: steps 28 to 30 -- */

static void on_handover_answer(struct alpha *alpha, const struct message *m)
{
    const struct es_answer *answer = &m->u.answer;
    bool executed = answer->result <= ES_EXECUTED_WITHWARNING;
    if (!same_change(m, &alpha->order) || !alpha->has_eis || (!alpha->locked && !executed)) {
        return; /* nothing asked, or nothing new */
    }
    if (executed) { /* also when it comes after the validity period */
        trace_step(alpha->trace, 29, PARTY_ALPHA, PARTY_ALPHA, "delete EIS", "and KS1");
        memset(&alpha->eis, 0, sizeof(alpha->eis));
        secret_wipe(alpha->ks1, sizeof(*alpha->ks1));
        alpha->has_eis = false;
    }
    end_change(alpha, answer);
}

/* -- nothing happened for a while -- */

/* What waits for the card, once more. */
static void ask_card_again(struct alpha *alpha)
{
    switch (alpha->state) {
    case ALPHA_WAIT_CARD_1:
        send_certificate(alpha);
        return;
    case ALPHA_WAIT_CARD_2:
        send_create(alpha);
        return;
    default:
        make_room(alpha);
        return;
    }
}

static void card_is_silent(struct alpha *alpha)
{
    enum alpha_state state = alpha->state;
    alpha->state = ALPHA_WAIT_BETA;
    if (state == ALPHA_WAIT_CARD_1) {
        fail_authenticate(alpha, 12, "NO_ANSWER", "the card did not answer");
    } else if (state == ALPHA_WAIT_CARD_2) {
        fail_create(alpha, 21, 0, "NO_ANSWER", "the card did not answer");
    } else {
        fail_full(alpha);
    }
}

void alpha_poke(struct alpha *alpha)
{
    struct es_answer answer;
    alpha->due_us = 0;
    if (alpha->state == ALPHA_IDLE) {
        return;
    }
    if (alpha->state == ALPHA_WAIT_BETA) {
        if (alpha->bus->now_us > alpha->deadline_us) {
            es_answer_set(&answer, ES_EXPIRED, 0, "EXPIRED", "the validity period is over");
            end_change(alpha, &answer);
        } else {
            send_handover(alpha);
        }
        return;
    }
    if (++alpha->card_attempts < alpha->bus->patience.card_attempts) {
        ask_card_again(alpha);
    } else {
        card_is_silent(alpha);
    }
}

void alpha_receive(struct alpha *alpha, const struct message *m)
{
    switch (m->type) {
    case ES4_SMSR_CHANGE:
        on_smsr_change(alpha, m);
        return;
    case ES7_AUTHENTICATE_SMSR:
        on_authenticate(alpha, m);
        return;
    case ES7_CREATE_ADDITIONAL_KEY_SET:
        on_create(alpha, m);
        return;
    case CARD_ANSWER:
        on_card_answer(alpha, m);
        return;
    case ES7_HANDOVER_EUICC_ANSWER:
        on_handover_answer(alpha, m);
        return;
    default:
        return; /* nothing else is for Alpha */
    }
}
