/*
 * Beta as Commander: its first packets to the robot under KS2, wrapped and opened by eckad.
 * Whatever goes wrong here is a warning: the receipt was verified, the robot is Beta's.
 */
#include "proto/gp/handover.h"
#include "smsr/card/card_sw.h"
#include "smsr/party/beta.h"

enum { CLA_GP = 0x80, KEY_INFO_TAG = 0xE0, KEYS_A_SET = 3 };

static void warn_and_complete(struct beta *beta, unsigned step, const char *code, const char *text)
{
    es_answer_set(&beta->warning, ES_EXECUTED_WITHWARNING, step, code, "%s", text);
    trace_note(beta->trace, "warning: %s", text);
    beta_complete(beta);
}

static void warn_eckad(struct beta *beta, int status, const char *detail)
{
    warn_and_complete(beta, 24, ecka_status_name(status),
                      detail != NULL && detail[0] != '\0' ? detail : ecka_status_meaning(status));
}

static void wrapped(void *arg, int status, const char *detail, const struct ecka_reply *reply)
{
    struct beta *beta = arg;
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
    if (beta->state == BETA_FINALISING) {
        trace_step(beta->trace, 24, PARTY_BETA, PARTY_ISDR, "ES5.FinaliseISDRhandover",
                   "keep KVN %02X; eckad Scp80Wrap: counter %llu, packet %zu bytes", beta->kvn,
                   (unsigned long long)beta->counter, packet->len);
    }
}

/* Sends one C-APDU to the ISD-R under KS2. */
static void command(struct beta *beta, const struct apdu *apdu)
{
    uint8_t capdu[APDU_MAX];
    struct writer cw = writer_of(capdu, sizeof(capdu));
    struct writer sw = writer_of(beta->script, sizeof(beta->script));
    apdu_put(&cw, apdu);
    struct span one = writer_span(&cw);
    expanded_commands_put(&sw, &one, 1);
    if (writer_check(&cw) != STATUS_OK || writer_check(&sw) != STATUS_OK) {
        warn_and_complete(beta, 24, "NO_SPACE", "the command does not fit");
        return;
    }
    beta->item.wrap = (struct ecka_scp80_wrap_item){
        .key_set = {beta->key_set, beta->key_set_len},
        .eid = beta->eid,
        .kvn = beta->kvn,
        .counter = ++beta->counter,
        .payload = {beta->script, sw.len},
    };
    memcpy(beta->item.wrap.tar, beta->eis.isdr_tar, sizeof(beta->item.wrap.tar));
    beta->call =
        (struct eckad_call){.request = {.op = ECKA_SCP80_WRAP, .items.wrap = &beta->item.wrap},
                            .done = wrapped,
                            .arg = beta};
    offload_call(beta->offload, &beta->call);
}

void beta_finalise(struct beta *beta)
{
    uint8_t data[16];
    struct writer w = writer_of(data, sizeof(data));
    struct key_range ranges[EIS_KEY_SETS_MAX];
    size_t count = 0;
    /* NOLINTNEXTLINE(misc-redundant-expression): a switch of the build */
    if (HANDOVER_MEANING == HANDOVER_KEEP_LISTED) {
        ranges[count++] = (struct key_range){beta->kvn, 1, KEYS_A_SET};
    } else {
        for (size_t i = 0; i < beta->eis.key_set_count; i++) {
            ranges[count++] = (struct key_range){beta->eis.key_sets[i].kvn, 1, KEYS_A_SET};
        }
    }
    handover_put(&w, ranges, count);
    beta->state = BETA_FINALISING;
    const struct apdu apdu = {CLA_GP, INS_DELETE, 0, 0, writer_span(&w), false, 0};
    command(beta, &apdu);
}

static void read_key_info(struct beta *beta)
{
    beta->state = BETA_AUDITING;
    const struct apdu apdu = {CLA_GP, INS_GET_DATA, 0, KEY_INFO_TAG, {NULL, 0}, true, 0};
    command(beta, &apdu);
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
        if (keys[i].kvn != beta->kvn) {
            return "the card still holds another key set";
        }
    }
    return count == KEYS_A_SET ? NULL : "the card does not list KS2 whole";
}

static void on_rapdu(struct beta *beta, const struct rapdu *r)
{
    char code[ES_CODE_MAX];
    if (r->sw != SW_OK) {
        (void)snprintf(code, sizeof(code), "SW %04X", (unsigned)r->sw);
        warn_and_complete(beta, 25, code, "the card refused the command under KS2");
        return;
    }
    if (beta->state == BETA_FINALISING) {
        trace_step(beta->trace, 25, PARTY_ISDR, PARTY_BETA, "FinaliseISDRhandover answer",
                   "eckad Scp80Unwrap: proof of receipt 00, SW 9000");
        read_key_info(beta);
        return;
    }
    const char *fault = key_info_fault(beta, r->data);
    if (fault != NULL) {
        warn_and_complete(beta, 25, "KEY_INFO", fault);
        return;
    }
    trace_note(beta->trace, "GET DATA E0 under KS2: KVN %02X alone is left, %d keys", beta->kvn,
               KEYS_A_SET);
    beta_complete(beta);
}

static void unwrapped(void *arg, int status, const char *detail, const struct ecka_reply *reply)
{
    struct beta *beta = arg;
    struct span last;
    struct rapdu r;
    uint8_t executed;
    if (status != ECKA_OK) {
        warn_eckad(beta, status, detail);
        return;
    }
    const struct ecka_scp80_unwrap_result *result = &reply->items.unwrap[0];
    if (result->counter != beta->counter) {
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

void beta_card_answer(struct beta *beta, const struct message *m)
{
    uint16_t sw;
    switch (card_link_receive(&beta->link, m, &sw)) {
    case CARD_LINK_WAITING:
        return;
    case CARD_LINK_FAILED:
        warn_and_complete(beta, 25, "NO_PROOF_OF_RECEIPT", "the card gave no proof of receipt");
        return;
    case CARD_LINK_ANSWERED:
        break;
    }
    beta->item.unwrap = (struct ecka_scp80_unwrap_item){
        .key_set = {beta->key_set, beta->key_set_len},
        .eid = beta->eid,
        .kvn = beta->kvn,
        .packet = {beta->link.answer, beta->link.answer_len},
    };
    beta->call = (struct eckad_call){
        .request = {.op = ECKA_SCP80_UNWRAP, .items.unwrap = &beta->item.unwrap},
        .done = unwrapped,
        .arg = beta};
    offload_call(beta->offload, &beta->call);
}
