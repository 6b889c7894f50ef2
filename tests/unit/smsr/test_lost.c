/*
 * What is lost or late on the way, one story each: who commands afterwards, and with which set.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "smsr/card/card_image.h"
#include "smsr/party/handover.h"
#include "tests/unit/smsr/fake_ecka.h"

enum { ROBOT = 99, ROUNDS_MAX = 400, US_PER_S = 1000000 };

struct story {
    struct bench bench;
    struct handover_context ctx;
    struct handover *h;
    uint64_t now_us;
    /* The n-th message of this type is lost, and those after it as long as `times` lasts. */
    enum message_type lose;
    unsigned skip, times;
    struct message lost; /* the last one */
    unsigned
        twice; /* the so many-th C-APDU comes to the card twice, and its first answer is lost */
};

static void begin(struct story *s)
{
    static const struct ecka_endpoint nowhere[ECKA_ENDPOINTS_MAX];
    const struct offload_options none = {.endpoints = nowhere};
    memset(s, 0, sizeof(*s));
    memset(&fake_ecka, 0, sizeof(fake_ecka));
    bench_init(&s->bench, CURVE_P256, RC_LEN_SHORT);
    fake_ecka.bench = &s->bench;
    s->lose = MESSAGE_TYPES;
    s->ctx = (struct handover_context){
        .factory = s->bench.factory,
        .beta = {.cert_sr = span_of(s->bench.pki.cert_sr, s->bench.pki.cert_sr_len),
                 .sr_key_id = s->bench.pki.sr_key_id,
                 .eum_id = s->bench.pki.eum_id,
                 .eum_curve = (enum ecka_curve)s->bench.pki.curve,
                 .eum_point = s->bench.pki.eum_point},
        .trace = {.prefix = ""},
    };
    assert_true(offload_open(&s->ctx.offload, &none));
    assert_int_equal(handover_new(&s->h, &s->ctx, ROBOT, true), STATUS_OK);
    s->now_us = s->h->bus.now_us;
}

static void end(struct story *s)
{
    handover_free(&s->h);
    offload_close(&s->ctx.offload);
    bench_fini(&s->bench);
}

static bool is_lost(struct story *s, const struct message *m)
{
    if (m->type != s->lose || s->times == 0 || s->skip != 0) {
        s->skip -= m->type == s->lose && s->skip != 0;
        return false;
    }
    s->times--;
    s->lost = *m;
    return true;
}

static void deliver(struct story *s, const struct message *m)
{
    uint8_t rapdu[RAPDU_DATA_MAX + 2];
    struct message *answer;
    s->h->bus.now_us = s->now_us;
    switch (m->to) {
    case PARTY_OPERATOR:
        operator_receive(&s->h->op, m);
        return;
    case PARTY_ALPHA:
        alpha_receive(&s->h->alpha, m);
        return;
    case PARTY_BETA:
        beta_receive(&s->h->beta, m);
        return;
    default:
        if (s->twice != 0 && --s->twice == 0) {
            (void)euicc_apdu(s->h->robot.card, span_of(m->u.apdu.b, m->u.apdu.len), rapdu);
        }
        answer = bus_answer(&s->h->bus, CARD_ANSWER, m);
        answer->u.apdu.len =
            euicc_apdu(s->h->robot.card, span_of(m->u.apdu.b, m->u.apdu.len), rapdu);
        memcpy(answer->u.apdu.b, rapdu, answer->u.apdu.len);
        return;
    }
}

static void pass_messages(struct story *s)
{
    struct message m;
    while (bus_take(&s->h->bus, &m)) {
        if (!is_lost(s, &m)) {
            deliver(s, &m);
        }
    }
}

static bool due(uint64_t due_us, uint64_t now_us)
{
    return due_us != 0 && due_us <= now_us;
}

/* A second goes by. */
static void second(struct story *s)
{
    struct handover *h = s->h;
    s->now_us += US_PER_S;
    h->bus.now_us = s->now_us;
    if (due(h->op.due_us, s->now_us)) {
        operator_poke(&h->op);
    }
    if (due(h->alpha.due_us, s->now_us)) {
        alpha_poke(&h->alpha);
    }
    if (due(h->beta.r.due_us, s->now_us)) {
        beta_poke(&h->beta);
    }
}

static void run_to_end(struct story *s)
{
    for (unsigned i = 0; i < ROUNDS_MAX && !s->h->op.finished; i++) {
        for (unsigned k = 0; k < 20; k++) { /* eckad answers within the second */
            pass_messages(s);
            offload_poll(s->ctx.offload, 0);
        }
        second(s);
    }
    assert_true(s->h->op.finished);
    pass_messages(s);
}

static void order_again(struct story *s)
{
    s->h->op.change_id[0] ^= 1;
    s->h->bus.now_us = s->now_us;
    operator_start(&s->h->op);
    run_to_end(s);
}

static enum status copy_image(void *arg, struct span image)
{
    assert_int_equal(image.len, CARD_IMAGE_LEN);
    memcpy(arg, image.ptr, image.len);
    return STATUS_OK;
}

/* Whether the card takes packets under this set; asked of a copy, so that its counters stay. */
static bool card_obeys(struct story *s, const struct key_set *of)
{
    static const uint8_t get_data[] = {0x80, 0xCA, 0x00, 0xE0, 0x00};
    static uint8_t image[CARD_IMAGE_LEN];
    struct key_set set = *of;
    struct reply r;
    struct euicc *spare = s->bench.robot.card;
    set.counter = UINT32_MAX;
    assert_int_equal(euicc_keep_with(s->h->robot.card, copy_image, image), STATUS_OK);
    assert_int_equal(euicc_load(&s->bench.robot.card, &s->bench.engine,
                                span_of(image, sizeof(image)), &s->bench.silent),
                     STATUS_OK);
    bench_command(&s->bench, &set, span_of(get_data, sizeof(get_data)), &r);
    euicc_free(&s->bench.robot.card);
    s->bench.robot.card = spare;
    return r.envelope_sw == SW_OK && r.sw == SW_OK;
}

static bool ks2_commands(struct story *s)
{
    struct key_set ks2;
    memcpy(&ks2, s->h->beta.r.ks2.bytes, sizeof(ks2)); /* not sealed here */
    return beta_commands(&s->h->beta) && card_obeys(s, &ks2);
}

/* Alpha has the EIS, unlocked, its keys and the right to try again. */
static void assert_alphas(struct story *s)
{
    assert_true(s->h->alpha.has_eis && !s->h->alpha.locked);
    assert_true(card_obeys(s, s->h->robot.ks1));
    assert_false(beta_commands(&s->h->beta));
}

static void assert_betas(struct story *s)
{
    assert_false(s->h->alpha.has_eis);
    assert_string_equal(s->h->beta.eis.smsr_id, BETA_SMSR_ID);
    assert_true(ks2_commands(s));
}

/* -- one message lost, any of them: said again, and nobody notices -- */

static void any_message_lost_once(void **state)
{
    (void)state;
    for (enum message_type t = 0; t < MESSAGE_TYPES; t++) {
        for (unsigned skip = 0; skip < 8; skip++) {
            struct story s;
            begin(&s);
            s.lose = t;
            s.skip = skip;
            s.times = 1;
            run_to_end(&s);
            assert_int_equal(s.h->op.outcome.result, ES_EXECUTED_SUCCESS);
            assert_betas(&s);
            assert_false(card_obeys(&s, s.h->robot.ks1));
            bool happened = s.times == 0;
            end(&s);
            if (!happened) {
                break;
            }
        }
    }
}

/* A card says of a packet that came twice that its counter is too low: no reason for anything. */
static void any_packet_twice(void **state)
{
    (void)state;
    for (unsigned n = 1; n < 20; n++) {
        struct story s;
        begin(&s);
        s.ctx.beta.second_set = true;
        s.twice = n;
        run_to_end(&s);
        assert_int_equal(s.h->op.outcome.result, ES_EXECUTED_SUCCESS);
        assert_betas(&s);
        assert_false(card_obeys(&s, s.h->robot.ks1));
        bool happened = s.twice == 0;
        end(&s);
        if (!happened) {
            assert_true(n > 6); /* two of Alpha's, four of Beta's, some of them long */
            return;
        }
    }
    fail();
}

/* -- the receipt -- */

/* Until Alpha waits for the receipt; its message, the last ENVELOPE's answer, will be lost. */
static void lose_receipt(struct story *s)
{
    s->lose = CARD_ANSWER;
    s->times = 0;
    while (s->h->alpha.state != ALPHA_WAIT_CARD_2) {
        struct message m;
        offload_poll(s->ctx.offload, 0);
        if (bus_take(&s->h->bus, &m)) {
            deliver(s, &m);
        } else {
            second(s);
        }
    }
    s->skip = (unsigned)s->h->alpha.link.total - 1;
    s->times = 1;
    while (s->times != 0) {
        pass_messages(s);
    }
}

/* The card's answer to the second STORE DATA is lost: KS2 is there, and nobody can prove it. */
static void a_lost_receipt_burns_its_kvn(void **state)
{
    struct story s;
    (void)state;
    begin(&s);
    lose_receipt(&s);
    run_to_end(&s);
    assert_int_equal(s.h->op.outcome.result, ES_EXECUTED_SUCCESS);
    assert_int_equal(s.h->beta.r.kvn, 3);
    assert_int_equal(s.h->beta.r.burnt_kvns, 1U << 2 | 1U << 3);
    assert_betas(&s);
    end(&s);
}

/* The key version numbers in the card, a bit each. */
static uint32_t kvns_in(struct story *s)
{
    const struct key_set *sets = euicc_open_up(s->h->robot.card);
    uint32_t kvns = 0;
    for (size_t i = 0; i < ISDR_SETS_MAX; i++) {
        kvns |= sets[i].kvn != 0 ? UINT32_C(1) << sets[i].kvn : 0;
    }
    return kvns;
}

/* A change whose three receipts are lost, one after the other: the card is full after it. */
static void fill_card(struct story *s)
{
    for (unsigned kvn = 2; kvn <= 4; kvn++) {
        lose_receipt(s);
        while (s->h->alpha.state == ALPHA_WAIT_CARD_2) {
            pass_messages(s);
            second(s);
        }
    }
    run_to_end(s);
    assert_string_equal(s->h->op.outcome.code, "NO_KVN");
    assert_int_equal(kvns_in(s), 1U << 1 | 1U << 2 | 1U << 3 | 1U << 4);
    assert_alphas(s);
}

/* What nobody can use does not hold the eUICC for ever: Alpha clears its card, and a retry works.
 */
static void a_full_card_is_cleared(void **state)
{
    struct story s;
    (void)state;
    begin(&s);
    fill_card(&s);
    order_again(&s);
    assert_string_equal(s.h->op.outcome.code, "SW 6A84");
    assert_int_equal(kvns_in(&s), 1U << 1);
    order_again(&s);
    assert_int_equal(s.h->op.outcome.result, ES_EXECUTED_SUCCESS);
    assert_int_equal(s.h->beta.r.kvn, 6);
    assert_betas(&s);
    end(&s);
}

/* Any message of the clearing lost, too. */
static void clearing_survives_a_silent_card(void **state)
{
    (void)state;
    for (unsigned skip = 0; skip < 12; skip++) {
        struct story s;
        begin(&s);
        fill_card(&s);
        s.lose = skip % 2 == 0 ? CARD_ANSWER : CARD_COMMAND;
        s.skip = skip / 2;
        s.times = 1;
        order_again(&s);
        s.times = 0;
        order_again(&s);
        order_again(&s); /* where the first one was lost before the card said that it is full */
        assert_true(s.h->op.outcome.result <= ES_EXECUTED_WITHWARNING);
        assert_betas(&s);
        end(&s);
    }
}

/* A receipt that Alpha has passed on may still be on its way: its set stays in the card. */
static void a_set_that_may_be_betas_stays(void **state)
{
    struct story s;
    (void)state;
    begin(&s);
    fill_card(&s);
    s.h->alpha.receipts = 1U << 3; /* as if that one had not been lost */
    s.h->alpha.receipts_end_us = s.now_us + UINT64_C(3600) * US_PER_S;
    order_again(&s);
    assert_string_equal(s.h->op.outcome.code, "SW 6A84");
    assert_int_equal(kvns_in(&s), 1U << 1 | 1U << 3);
    end(&s);
    begin(&s); /* but not for ever */
    fill_card(&s);
    s.h->alpha.receipts = 1U << 2 | 1U << 3 | 1U << 4;
    s.h->alpha.receipts_end_us = s.now_us + UINT64_C(3600) * US_PER_S;
    order_again(&s);
    assert_string_equal(s.h->op.outcome.code, "SW 6A84");
    assert_int_equal(kvns_in(&s), 1U << 1 | 1U << 2 | 1U << 3 | 1U << 4);
    s.now_us = s.h->alpha.receipts_end_us;
    order_again(&s);
    assert_int_equal(kvns_in(&s), 1U << 1);
    order_again(&s);
    assert_betas(&s);
    end(&s);
    begin(&s);
    s.lose = ES7_CREATE_ADDITIONAL_KEY_SET_ANSWER;
    s.times = UINT32_MAX;
    run_to_end(&s);
    assert_int_equal(s.h->alpha.receipts, 1U << 2); /* it was passed on, though it was lost then */
    assert_true(s.h->alpha.receipts_end_us > s.now_us + UINT64_C(86400) * US_PER_S);
    end(&s);
}

/* A challenge that never came burns no number: nothing was signed for it. */
static void a_lost_challenge_burns_nothing(void **state)
{
    struct story s;
    (void)state;
    begin(&s);
    s.lose = ES7_AUTHENTICATE_SMSR_ANSWER;
    s.times = UINT32_MAX;
    run_to_end(&s);
    assert_alphas(&s);
    assert_int_equal(s.h->beta.r.burnt_kvns, 0);
    end(&s);
}

static void a_late_receipt_commits(void **state)
{
    struct story s;
    (void)state;
    begin(&s);
    s.lose = ES7_CREATE_ADDITIONAL_KEY_SET_ANSWER;
    s.times = UINT32_MAX;
    run_to_end(&s);
    assert_int_equal(s.h->op.outcome.result, ES_EXPIRED);
    assert_string_equal(s.h->op.outcome.subject, "1.6");
    assert_string_equal(s.h->op.outcome.reason, "5.3");
    assert_alphas(&s);
    s.times = 0;
    deliver(&s, &s.lost);
    for (unsigned i = 0; i < 20; i++) {
        pass_messages(&s);
        offload_poll(s.ctx.offload, 0);
    }
    assert_true(ks2_commands(&s));
    assert_betas(&s); /* Alpha heard of it, too */
    assert_false(card_obeys(&s, s.h->robot.ks1));
    order_again(&s);
    assert_string_equal(s.h->op.outcome.code, "ALREADY_MANAGED"); /* as it is */
    end(&s);
}

/* Prepared for another change, that never comes: the ticket of the first one lives as long as
 * before. */
static void a_late_receipt_outlives_a_prepare(void **state)
{
    struct story s;
    (void)state;
    begin(&s);
    s.lose = ES7_CREATE_ADDITIONAL_KEY_SET_ANSWER;
    s.times = UINT32_MAX;
    run_to_end(&s);
    struct message receipt = s.lost;
    s.lose = ES4_SMSR_CHANGE;
    s.h->op.change_id[0] ^= 1;
    s.h->op.validity_s = 1;
    operator_start(&s.h->op);
    pass_messages(&s);
    assert_int_equal(s.h->beta.r.state, BETA_PREPARED);
    second(&s);
    second(&s);
    assert_int_equal(s.h->beta.r.state, BETA_FAILED);
    assert_true(s.h->beta.r.has_eis);
    deliver(&s, &receipt);
    for (unsigned i = 0; i < 20; i++) {
        pass_messages(&s);
        offload_poll(s.ctx.offload, 0);
    }
    assert_betas(&s);
    end(&s);
}

static void a_late_lie_commits_nothing(void **state)
{
    struct story s;
    (void)state;
    begin(&s);
    s.lose = ES7_CREATE_ADDITIONAL_KEY_SET_ANSWER;
    s.times = UINT32_MAX;
    run_to_end(&s);
    s.times = 0;
    s.lost.u.created.receipt.b[0] ^= 1;
    deliver(&s, &s.lost);
    for (unsigned i = 0; i < 20; i++) {
        pass_messages(&s);
        offload_poll(s.ctx.offload, 0);
    }
    assert_alphas(&s);
    s.lost.u.created.receipt.b[0] ^= 1;
    s.now_us += UINT64_C(3600) * US_PER_S; /* the ticket's time is over */
    deliver(&s, &s.lost);
    offload_poll(s.ctx.offload, 0);
    assert_alphas(&s);
    order_again(&s);
    assert_int_equal(s.h->op.outcome.result, ES_EXECUTED_SUCCESS);
    assert_betas(&s);
    end(&s);
}

/* -- after the commit point -- */

/* A card that falls silent after step 23: a warning, and Beta's all the same. */
static void a_silent_card_is_a_warning(void **state)
{
    struct story s;
    (void)state;
    char *alarm = NULL;
    size_t len;
    begin(&s);
    s.ctx.beta.alarms = open_memstream(&alarm, &len);
    assert_non_null(s.ctx.beta.alarms);
    while (!beta_commands(&s.h->beta)) {
        pass_messages(&s);
        offload_poll(s.ctx.offload, 0);
    }
    s.lose = CARD_ANSWER;
    s.times = UINT32_MAX;
    run_to_end(&s);
    assert_int_equal(s.h->op.outcome.result, ES_EXECUTED_WITHWARNING);
    assert_string_equal(s.h->op.outcome.code, "NO_PROOF_OF_RECEIPT");
    assert_betas(&s);
    (void)fclose(s.ctx.beta.alarms);
    assert_non_null(strstr(alarm, "alarm: EID 8904"));
    assert_non_null(strstr(alarm, "KVN 02, NO_PROOF_OF_RECEIPT"));
    free(alarm);
    end(&s);
}

/* The owner of record changes in the step that verifies the receipt, not before and not after. */
static void the_owner_changes_at_the_commit_point(void **state)
{
    struct story s;
    (void)state;
    begin(&s);
    while (s.h->beta.r.state != BETA_CONFIRMING) {
        pass_messages(&s);
        if (s.h->beta.r.state != BETA_CONFIRMING) {
            offload_poll(s.ctx.offload, 0);
        }
    }
    assert_string_equal(s.h->beta.eis.smsr_id, ALPHA_SMSR_ID);
    assert_false(beta_commands(&s.h->beta));
    offload_poll(s.ctx.offload, 0);
    assert_string_equal(s.h->beta.eis.smsr_id, BETA_SMSR_ID);
    assert_true(beta_commands(&s.h->beta));
    run_to_end(&s);
    end(&s);
}

/* Alpha's time runs out after step 22; asked again, it hears that Beta has had the eUICC. */
static void a_retry_after_the_commit_point(void **state)
{
    struct story s;
    (void)state;
    begin(&s);
    s.lose = ES7_HANDOVER_EUICC_ANSWER;
    s.times = UINT32_MAX;
    run_to_end(&s);
    assert_int_equal(s.h->op.outcome.result, ES_EXPIRED);
    assert_true(s.h->alpha.has_eis && beta_commands(&s.h->beta));
    s.times = 0;
    order_again(&s);
    assert_int_equal(s.h->op.outcome.result, ES_EXECUTED_WITHWARNING);
    assert_string_equal(s.h->op.outcome.code, "ALREADY_MANAGED");
    assert_betas(&s);
    end(&s);
}

/* -- before it -- */

static void silence_expires_and_a_retry_succeeds(void **state)
{
    static const enum message_type silent[] = {ES7_HANDOVER_EUICC, ES7_AUTHENTICATE_SMSR,
                                               ES7_AUTHENTICATE_SMSR_ANSWER,
                                               ES7_CREATE_ADDITIONAL_KEY_SET};
    (void)state;
    for (size_t i = 0; i < sizeof(silent) / sizeof(silent[0]); i++) {
        struct story s;
        begin(&s);
        s.lose = silent[i];
        s.times = UINT32_MAX;
        run_to_end(&s);
        assert_int_equal(s.h->op.outcome.result, ES_EXPIRED);
        assert_alphas(&s);
        s.times = 0;
        s.now_us += UINT64_C(600) * US_PER_S;
        second(&s); /* Beta's time is over, too */
        pass_messages(&s);
        order_again(&s);
        assert_int_equal(s.h->op.outcome.result, ES_EXECUTED_SUCCESS);
        assert_betas(&s);
        end(&s);
    }
}

static bool no_room(void *arg)
{
    (void)arg;
    return false;
}

static void assert_prepare_fails(struct story *s, const char *code)
{
    s->h->op.finished = false;
    s->h->bus.count = 0;
    operator_start(&s->h->op);
    pass_messages(s);
    assert_true(s->h->op.finished);
    assert_int_equal(s->h->op.outcome.result, ES_FAILED);
    assert_int_equal(s->h->op.outcome.step, 2);
    assert_string_equal(s->h->op.outcome.code, code);
    assert_int_equal(s->h->beta.r.state, BETA_IDLE);
    assert_false(s->h->alpha.locked);
}

/* Of the SM-SRs that may have the eUICC now Beta knows one. */
static void assert_prepare_knows(struct story *s, const char *smsr_id, const char *code)
{
    struct message m = {.type = ES4_PREPARE_SMSR_CHANGE, .from = PARTY_OPERATOR, .to = PARTY_BETA};
    struct message answer;
    memcpy(m.eid, s->h->op.eid, sizeof(m.eid));
    m.u.change.validity_s = HANDOVER_VALIDITY_S;
    (void)snprintf(m.u.change.smsr_id, sizeof(m.u.change.smsr_id), "%s", smsr_id);
    s->h->bus.count = 0;
    beta_receive(&s->h->beta, &m);
    assert_true(bus_take(&s->h->bus, &answer));
    assert_string_equal(answer.u.answer.code, code);
}

/* Prepare looks and changes nothing. */
static void prepare_refuses_with_its_reason(void **state)
{
    struct story s;
    (void)state;
    begin(&s);
    assert_prepare_knows(&s, "", "UNKNOWN_SMSR");
    assert_prepare_knows(&s, BETA_SMSR_ID, "UNKNOWN_SMSR");
    assert_prepare_knows(&s, "gamma.sm-sr.example", "UNKNOWN_SMSR");
    s.ctx.beta.has_room = no_room;
    assert_prepare_fails(&s, "NO_CAPACITY");
    s.ctx.beta.has_room = NULL;
    s.ctx.beta.credentials_end = 20200101;
    assert_prepare_fails(&s, "NO_CREDENTIALS");
    s.ctx.beta.credentials_end = 0;
    struct ability ability = {.known = true, .can_sign = true};
    s.ctx.beta.ability = &ability;
    assert_prepare_fails(&s, "NO_CREDENTIALS");
    ability = (struct ability){.known = true, .trusts_eum = true};
    assert_prepare_fails(&s, "NO_CREDENTIALS");
    ability.known = false; /* stands in nobody's way: the rest of the story goes with it */
    s.ctx.beta.eid_prefix = "89049033";
    assert_prepare_fails(&s, "UNKNOWN_EUM");
    assert_string_equal(s.h->op.outcome.subject, "8.1.1");
    assert_string_equal(s.h->op.outcome.reason, "3.8");
    s.ctx.beta.eid_prefix = "89049032";
    s.h->op.validity_s = 0;
    assert_prepare_fails(&s, "BAD_VALIDITY");
    s.h->op.validity_s = HANDOVER_VALIDITY_S;
    s.h->bus.eid[0] = 0xAB;
    assert_prepare_fails(&s, "MALFORMED_EID");
    memcpy(s.h->bus.eid, s.h->op.eid, sizeof(s.h->bus.eid));
    s.h->bus.count = 0;
    s.h->op.finished = false;
    operator_start(&s.h->op);
    run_to_end(&s);
    assert_betas(&s);
    end(&s);
}

/* The EUM's word is looked at before the card hears of anything. */
static void a_forged_eis_stops_before_step_7(void **state)
{
    struct story s;
    (void)state;
    begin(&s);
    s.h->alpha.eis.signed_info.capabilities.cat_tp ^= true;
    s.lose = ES7_AUTHENTICATE_SMSR;
    s.times = 1;
    run_to_end(&s);
    assert_string_equal(s.h->op.outcome.code, "SIGNATURE_INVALID");
    assert_string_equal(s.h->op.outcome.subject, "8.6");
    assert_int_equal(s.times, 1); /* it was never said */
    assert_false(s.h->beta.r.has_eis);
    assert_alphas(&s);
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_message_lost_once),
        cmocka_unit_test(any_packet_twice),
        cmocka_unit_test(a_lost_receipt_burns_its_kvn),
        cmocka_unit_test(a_full_card_is_cleared),
        cmocka_unit_test(clearing_survives_a_silent_card),
        cmocka_unit_test(a_set_that_may_be_betas_stays),
        cmocka_unit_test(a_lost_challenge_burns_nothing),
        cmocka_unit_test(a_late_receipt_commits),
        cmocka_unit_test(a_late_receipt_outlives_a_prepare),
        cmocka_unit_test(a_late_lie_commits_nothing),
        cmocka_unit_test(a_silent_card_is_a_warning),
        cmocka_unit_test(the_owner_changes_at_the_commit_point),
        cmocka_unit_test(a_retry_after_the_commit_point),
        cmocka_unit_test(silence_expires_and_a_retry_succeeds),
        cmocka_unit_test(prepare_refuses_with_its_reason),
        cmocka_unit_test(a_forged_eis_stops_before_step_7),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
