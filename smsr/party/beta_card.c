/*
 * Beta as Commander: its packets to the robot under KS2, wrapped and opened by eckad. Each has the
 * next counter, and whoever stores Beta does so between beta_call() and offload_poll(), so that no
 * counter is ever used twice. Whatever goes wrong here is a warning: the receipt was verified, the
 * robot is Beta's.
 */
#include "proto/gp/handover.h"
#include "smsr/card/card_sw.h"
#include "smsr/party/beta.h"

enum { CLA_GP = 0x80, KEY_INFO_TAG = 0xE0, KEYS_A_SET = 3, PUT_KEY_P2 = 0x81 };

/* The robot is Beta's, and somebody has to look after it. */
static void warn(struct beta *beta, unsigned step, const char *code, const char *text)
{
    es_answer_set(&beta->r.answer, ES_EXECUTED_WITHWARNING, step, code, "%s", text);
    trace_note(beta->trace, "alarm: %s", text);
    if (beta->config->alarms != NULL) {
        char eid[EID_TEXT_LEN + 1];
        eid_text(beta->eid, eid);
        fprintf(beta->config->alarms, "smsr-change: alarm: EID %s, KVN %02X, %s: %s\n", eid,
                beta->r.kvn, code, text);
    }
}

static void warn_and_complete(struct beta *beta, unsigned step, const char *code, const char *text)
{
    warn(beta, step, code, text);
    beta->r.second.kvn = 0; /* a set that the card may lack is no set */
    beta_complete(beta);
}

/* What a later call may help waits for beta_poke(); the rest is a warning. */
static void warn_eckad(struct beta *beta, int status, const char *detail)
{
    if (ecka_status_retryable(status)) {
        beta->r.due_us = beta->bus->now_us + beta->bus->patience.peer_us;
        return;
    }
    bool more = beta->r.state >= BETA_CREATING;
    warn_and_complete(beta, more ? 26 : 24, ecka_status_name(status),
                      detail != NULL && detail[0] != '\0' ? detail : ecka_status_meaning(status));
}

/* -- one command -- */

static void wrapped(struct beta *beta, int status, const char *detail,
                    const struct ecka_reply *reply)
{
    if (status != ECKA_OK) {
        warn_eckad(beta, status, detail);
        return;
    }
    const struct ecka_bytes *packet = &reply->items.wrap[0].packet;
    enum status s = card_link_send(&beta->link, span_of(packet->ptr, packet->len));
    if (s != STATUS_OK) {
        warn_and_complete(beta, 24, status_name(s), status_meaning(s));
        return;
    }
    beta->r.due_us = beta->bus->now_us + beta->bus->patience.card_us;
    if (beta->r.state == BETA_FINALISING && beta->r.card_attempts == 0) {
        trace_step(beta->trace, 24, PARTY_BETA, PARTY_ISDR, "ES5.FinaliseISDRhandover",
                   "keep KVN %02X; eckad Scp80Wrap: counter %llu, packet %zu bytes", beta->r.kvn,
                   (unsigned long long)beta->r.ks2.counter, packet->len);
    }
}

/* Sends one C-APDU to the ISD-R under KS2. */
static void command(struct beta *beta, enum beta_state state, const struct apdu *apdu)
{
    uint8_t capdu[APDU_MAX];
    struct writer cw = writer_of(capdu, sizeof(capdu));
    struct writer sw = writer_of(beta->script, sizeof(beta->script));
    beta_enter(beta, state);
    apdu_put(&cw, apdu);
    struct span one = writer_span(&cw);
    expanded_commands_put(&sw, &one, 1);
    if (writer_check(&cw) != STATUS_OK || writer_check(&sw) != STATUS_OK) {
        warn_and_complete(beta, 24, "NO_SPACE", "the command does not fit");
        return;
    }
    beta->item.wrap = (struct ecka_scp80_wrap_item){
        .key_set = {beta->r.ks2.bytes, beta->r.ks2.len},
        .eid = beta->eid,
        .kvn = beta->r.kvn,
        .counter = ++beta->r.ks2.counter,
        .payload = {beta->script, sw.len},
    };
    memcpy(beta->item.wrap.tar, beta->eis.isdr_tar, sizeof(beta->item.wrap.tar));
    beta_call(beta, ECKA_SCP80_WRAP, wrapped);
}

/* -- steps 24 and 25 -- */

void beta_finalise(struct beta *beta)
{
    uint8_t data[16];
    struct writer w = writer_of(data, sizeof(data));
    struct key_range ranges[EIS_KEY_SETS_MAX];
    size_t count = 0;
    /* NOLINTNEXTLINE(misc-redundant-expression): a switch of the build */
    if (HANDOVER_MEANING == HANDOVER_KEEP_LISTED) {
        ranges[count++] = (struct key_range){beta->r.kvn, 1, KEYS_A_SET};
    } else {
        for (size_t i = 0; i < beta->eis.key_set_count; i++) {
            ranges[count++] = (struct key_range){beta->eis.key_sets[i].kvn, 1, KEYS_A_SET};
        }
    }
    handover_put(&w, ranges, count);
    const struct apdu apdu = {CLA_GP, INS_DELETE, 0, 0, writer_span(&w), false, 0};
    command(beta, BETA_FINALISING, &apdu);
}

static void read_key_info(struct beta *beta, enum beta_state state)
{
    const struct apdu apdu = {CLA_GP, INS_GET_DATA, 0, KEY_INFO_TAG, {NULL, 0}, true, 0};
    command(beta, state, &apdu);
}

/* After step 25 the card must hold KS2 whole and nothing else. */
static const char *key_info_fault(const struct beta *beta, struct span template)
{
    struct key_info keys[KEY_INFO_MAX];
    size_t count;
    if (key_info_parse(template, keys, &count) != STATUS_OK) {
        return "the key information template is malformed";
    }
    for (size_t i = 0; i < count; i++) {
        if (keys[i].kvn != beta->r.kvn) {
            return "the card still holds another key set";
        }
    }
    return count == KEYS_A_SET ? NULL : "the card does not list KS2 whole";
}

/* -- step 26: one more set -- */

static void put_key(struct beta *beta)
{
    const struct apdu apdu = {
        CLA_GP, INS_PUT_KEY, 0, PUT_KEY_P2, span_of(beta->put_key, beta->put_key_len), false, 0};
    command(beta, BETA_STORING, &apdu);
}

static void created(struct beta *beta, int status, const char *detail,
                    const struct ecka_reply *reply)
{
    if (status != ECKA_OK) {
        warn_eckad(beta, status, detail);
        return;
    }
    const struct ecka_key_set_create_result *r = &reply->items.key_set_create[0];
    if (r->new_key_set.len > WIRE_KEY_SET_MAX || r->put_key.len > sizeof(beta->put_key)) {
        warn_and_complete(beta, 26, "BAD_LENGTH",
                          "the second key set is longer than the wire allows");
        return;
    }
    memcpy(beta->r.second.bytes, r->new_key_set.ptr, r->new_key_set.len);
    beta->r.second.len = r->new_key_set.len;
    beta->r.second.kvn = beta->item.create.new_kvn;
    memcpy(beta->put_key, r->put_key.ptr, r->put_key.len);
    beta->put_key_len = r->put_key.len;
    put_key(beta);
}

static void create_second(struct beta *beta)
{
    uint8_t kvn = beta->r.second.kvn != 0 ? beta->r.second.kvn : beta->r.kvn;
    beta_enter(beta, BETA_CREATING);
    beta->r.second = (struct beta_key_set){0};
    beta->item.create = (struct ecka_key_set_create_item){
        .key_set = {beta->r.ks2.bytes, beta->r.ks2.len},
        .eid = beta->eid,
        .kvn = beta->r.kvn,
        .kind = ECKA_SET_SCP80,
        .new_kvn = (uint8_t)(kvn % CRT_KVN_MAX + 1), /* the card has none but KS2 */
    };
    beta_call(beta, ECKA_KEY_SET_CREATE, created);
}

static void stored(struct beta *beta)
{
    trace_step(beta->trace, 26, PARTY_BETA, PARTY_ISDR, "one more key set",
               "eckad KeySetCreate: SCP80 KVN %02X, in the card by PUT KEY", beta->r.second.kvn);
    beta_complete(beta);
}

/* Whether a PUT KEY whose answer was lost was done: then its set stands in the template. */
static void on_counted(struct beta *beta, struct span template)
{
    struct key_info keys[KEY_INFO_MAX];
    size_t count, found = 0;
    if (key_info_parse(template, keys, &count) == STATUS_OK) {
        for (size_t i = 0; i < count; i++) {
            found += keys[i].kvn == beta->r.second.kvn;
        }
    }
    if (found == KEYS_A_SET) {
        stored(beta);
    } else {
        create_second(beta);
    }
}

/* -- answers -- */

static void refused(struct beta *beta, uint16_t sw)
{
    char code[ES_CODE_MAX];
    (void)snprintf(code, sizeof(code), "SW %04X", (unsigned)sw);
    if (beta->r.state >= BETA_CREATING) {
        warn_and_complete(beta, 26, code, "the card did not take the second key set");
    } else {
        warn_and_complete(beta, 25, code,
                          beta->r.state == BETA_FINALISING
                              ? "the card refused FinaliseISDRhandover"
                              : "the card did not give its key information");
    }
}

static void on_rapdu(struct beta *beta, const struct rapdu *r)
{
    if (r->sw != SW_OK) {
        refused(beta, r->sw);
        return;
    }
    beta->r.card_attempts = 0;
    if (beta->r.state == BETA_FINALISING) {
        trace_step(beta->trace, 25, PARTY_ISDR, PARTY_BETA, "FinaliseISDRhandover answer",
                   "eckad Scp80Unwrap: proof of receipt 00, SW 9000");
        read_key_info(beta, BETA_AUDITING);
        return;
    }
    if (beta->r.state == BETA_STORING) {
        stored(beta);
        return;
    }
    if (beta->r.state == BETA_COUNTING) {
        on_counted(beta, r->data);
        return;
    }
    const char *fault = key_info_fault(beta, r->data);
    if (fault != NULL) {
        warn_and_complete(beta, 25, "KEY_INFO", fault);
        return;
    }
    trace_note(beta->trace, "GET DATA E0 under KS2: KVN %02X alone is left, %d keys", beta->r.kvn,
               KEYS_A_SET);
    if (beta->config->second_set) {
        create_second(beta);
    } else {
        beta_complete(beta);
    }
}

static void unwrapped(struct beta *beta, int status, const char *detail,
                      const struct ecka_reply *reply)
{
    struct span last;
    struct rapdu r;
    uint8_t executed;
    if (status == STATUS_SCP80_STATUS && reply != NULL &&
        reply->items.unwrap[0].por_status == SCP80_RSC_COUNTER_LOW) {
        return; /* of a packet that came twice: the first answer is lost, or yet to come */
    }
    if (status != ECKA_OK) {
        warn_eckad(beta, status, detail);
        return;
    }
    const struct ecka_scp80_unwrap_result *result = &reply->items.unwrap[0];
    if (result->counter != beta->r.ks2.counter) {
        warn_and_complete(beta, 25, "SCP80_COUNTER", "the proof of receipt is another packet's");
        return;
    }
    enum status s =
        expanded_answer_parse(span_of(result->payload.ptr, result->payload.len), &executed, &last);
    if (s == STATUS_OK) {
        s = rapdu_parse(last, &r);
    }
    if (s != STATUS_OK) {
        warn_and_complete(beta, 25, status_name(s), status_meaning(s));
        return;
    }
    on_rapdu(beta, &r);
}

static bool waits_for_card(const struct beta *beta)
{
    enum beta_state s = beta->r.state;
    return !beta->calling &&
           (s == BETA_FINALISING || s == BETA_AUDITING || s == BETA_STORING || s == BETA_COUNTING);
}

void beta_card_answer(struct beta *beta, const struct message *m)
{
    uint16_t sw;
    if (!waits_for_card(beta)) {
        return; /* nothing asked */
    }
    switch (card_link_receive(&beta->link, m, &sw)) {
    case CARD_LINK_WAITING:
        beta->r.due_us = beta->bus->now_us + beta->bus->patience.card_us;
        return;
    case CARD_LINK_FAILED:
        warn_and_complete(beta, 25, "NO_PROOF_OF_RECEIPT", "the card gave no proof of receipt");
        return;
    case CARD_LINK_ANSWERED:
        break;
    }
    beta->r.due_us = beta->bus->now_us + beta->bus->patience.card_us;
    beta->item.unwrap = (struct ecka_scp80_unwrap_item){
        .key_set = {beta->r.ks2.bytes, beta->r.ks2.len},
        .eid = beta->eid,
        .kvn = beta->r.kvn,
        .packet = {beta->link.answer, beta->link.answer_len},
    };
    beta_call(beta, ECKA_SCP80_UNWRAP, unwrapped);
}

/* -- the card stayed silent, or another process takes over -- */

void beta_card_poke(struct beta *beta)
{
    if (++beta->r.card_attempts >= beta->bus->patience.card_attempts) {
        warn_and_complete(beta, 25, "NO_PROOF_OF_RECEIPT", "the card gave no proof of receipt");
        return;
    }
    switch (beta->r.state) {
    case BETA_FINALISING:
        beta_finalise(beta); /* a card that did it already does it again */
        return;
    case BETA_AUDITING:
        read_key_info(beta, BETA_AUDITING);
        return;
    case BETA_CREATING:
        create_second(beta);
        return;
    default:
        read_key_info(beta, BETA_COUNTING);
        return;
    }
}
