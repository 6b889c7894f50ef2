/*
 * The four parties together: the way when all is well, and who is left with what when it is not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "smsr/party/handover.h"
#include "tests/unit/smsr/fake_ecka.h"

enum { ROBOT = 99, STEPS = 32, ROUNDS_MAX = 2000, POLL_MS = 1 };

struct story {
    struct bench bench;
    struct handover_context ctx;
    struct handover *h;
};

static void begin_with(struct story *s, enum curve curve)
{
    static const struct ecka_endpoint nowhere[ECKA_ENDPOINTS_MAX]; /* the client is a fake */
    const struct offload_options none = {.endpoints = nowhere};
    memset(s, 0, sizeof(*s));
    memset(&fake_ecka, 0, sizeof(fake_ecka));
    bench_init(&s->bench, curve, RC_LEN_SHORT);
    fake_ecka.bench = &s->bench;
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
}

static void begin(struct story *s)
{
    begin_with(s, CURVE_P256);
    assert_int_equal(handover_new(&s->h, &s->ctx, ROBOT, true), STATUS_OK);
}

static void run_to_end(struct story *s)
{
    handover_deliver(s->h);
    for (unsigned i = 0; i < ROUNDS_MAX && !handover_finished(s->h); i++) {
        struct timespec pause = {0, 1000000};
        offload_poll(s->ctx.offload, POLL_MS);
        handover_deliver(s->h);
        if (fake_ecka.fail_times != 0) {
            (void)nanosleep(&pause, NULL); /* a retry waits its time */
        }
    }
    assert_true(handover_finished(s->h));
}

static void end(struct story *s)
{
    handover_free(&s->h);
    offload_close(&s->ctx.offload);
    bench_fini(&s->bench);
}

/* Whether the card still takes packets under the first SM-SR's keys. */
static bool card_obeys_ks1(struct story *s)
{
    static const uint8_t get_data[] = {0x80, 0xCA, 0x00, 0xE0, 0x00};
    struct reply r;
    struct euicc *spare = s->bench.robot.card;
    s->bench.robot.card = s->h->robot.card; /* lent to the bench for one command */
    s->h->robot.ks1->counter = 1000;
    bench_command(&s->bench, s->h->robot.ks1, span_of(get_data, sizeof(get_data)), &r);
    s->bench.robot.card = spare;
    return r.envelope_sw == SW_OK && r.sw == SW_OK;
}

/* Nothing has changed: Alpha commands, and may try again. */
static void assert_alpha_commands(struct story *s)
{
    assert_true(s->h->alpha.has_eis);
    assert_false(s->h->alpha.locked);
    assert_int_equal(s->h->op.notifications, 0);
    assert_false(beta_commands(&s->h->beta));
    assert_true(card_obeys_ks1(s));
}

static void assert_beta_commands(struct story *s)
{
    assert_false(s->h->alpha.has_eis);
    assert_string_equal(s->h->beta.eis.smsr_id, BETA_SMSR_ID);
    assert_int_equal(s->h->op.notifications, 3);
}

/* -- when all is well -- */

static void every_step_happens_once_and_in_order(void **state)
{
    struct story s;
    char *text = NULL;
    size_t len;
    unsigned expected = 1;
    (void)state;
    begin_with(&s, CURVE_P256);
    s.ctx.trace.out = open_memstream(&text, &len);
    assert_non_null(s.ctx.trace.out);
    assert_int_equal(handover_new(&s.h, &s.ctx, ROBOT, true), STATUS_OK);
    run_to_end(&s);
    (void)fclose(s.ctx.trace.out);
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (line[0] == '[') {
            if (strtoul(line + 1, NULL, 10) + 1 != expected || expected != STEPS + 1) {
                assert_int_equal(strtoul(line + 1, NULL, 10), expected++);
            } /* step 32 again: to each operator */
        }
    }
    assert_int_equal(expected, STEPS + 1);
    assert_int_equal(s.h->op.outcome.result, ES_EXECUTED_SUCCESS);
    assert_beta_commands(&s);
    assert_false(card_obeys_ks1(&s));
    free(text);
    end(&s);
}

static void every_curve_with_dr_and_host_id(void **state)
{
    static const uint8_t host_id[] = {1, 2, 3};
    (void)state;
    for (enum curve c = CURVE_P256; c < CURVE_COUNT; c++) {
        struct story s;
        begin_with(&s, c);
        s.ctx.beta.with_dr = true;
        assert_int_equal(octets_set(&s.ctx.beta.host_id, span_of(host_id, sizeof(host_id))),
                         STATUS_OK);
        assert_int_equal(handover_new(&s.h, &s.ctx, ROBOT, true), STATUS_OK);
        /* SIN enters the key data and travels in the EIS alone; SDIN is the card's own. */
        s.bench.robot.eis.sin = s.h->robot.eis.sin;
        run_to_end(&s);
        assert_int_equal(s.h->op.outcome.result, ES_EXECUTED_SUCCESS);
        end(&s);
    }
}

/* Step 26: the card holds KS2 and one more, and the EIS lists both. */
static void second_key_set_is_made(void **state)
{
    struct story s;
    (void)state;
    begin_with(&s, CURVE_P256);
    s.ctx.beta.second_set = true;
    assert_int_equal(handover_new(&s.h, &s.ctx, ROBOT, true), STATUS_OK);
    run_to_end(&s);
    assert_int_equal(s.h->op.outcome.result, ES_EXECUTED_SUCCESS);
    assert_beta_commands(&s);
    const struct eis *eis = &s.h->beta.eis;
    assert_int_equal(eis->key_set_count, 2);
    assert_int_equal(eis->key_sets[0].kvn, 2);
    assert_int_equal(eis->key_sets[1].kvn, 3);
    static const uint8_t get_data[] = {0x80, 0xCA, 0x00, 0xE0, 0x00};
    struct key_set set;
    struct reply r;
    memcpy(&set, s.h->beta.r.second.bytes, sizeof(set)); /* not sealed here */
    struct euicc *spare = s.bench.robot.card;
    s.bench.robot.card = s.h->robot.card;
    bench_command(&s.bench, &set, span_of(get_data, sizeof(get_data)), &r);
    s.bench.robot.card = spare;
    assert_int_equal(r.sw, SW_OK);
    end(&s);
}

/* -- eckad says no -- */

static void what_eckad_refuses_ends_where_it_must(void **state)
{
    static const struct {
        enum ecka_op op;
        enum status status;
        enum es_result result;
        unsigned step;
    } cases[] = {
        {ECKA_VERIFY, STATUS_SIGNATURE_INVALID, ES_FAILED, 6},
        {ECKA_VERIFY_CHAIN, STATUS_CERT_EXPIRED, ES_FAILED, 6},
        {ECKA_ESTABLISH, STATUS_SR_KEY_UNKNOWN, ES_FAILED, 14},
        {ECKA_CONFIRM, STATUS_RECEIPT_MISMATCH, ES_FAILED, 23},
        {ECKA_SCP80_WRAP, STATUS_BLOB_FORGED, ES_EXECUTED_WITHWARNING, 24},
        {ECKA_SCP80_UNWRAP, STATUS_SCP80_CC, ES_EXECUTED_WITHWARNING, 24},
    };
    (void)state;
    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        struct story s;
        begin(&s);
        fake_ecka.fail_op = cases[i / 2].op;
        fake_ecka.fail_status = (int)cases[i / 2].status;
        fake_ecka.fail_times = 1;
        fake_ecka.fail_request = i % 2 == 1;
        run_to_end(&s);
        assert_int_equal(s.h->op.outcome.result, cases[i / 2].result);
        assert_int_equal(s.h->op.outcome.step, cases[i / 2].step);
        assert_string_equal(s.h->op.outcome.code, status_name(cases[i / 2].status));
        if (cases[i / 2].result == ES_FAILED) {
            assert_alpha_commands(&s);
        } else {
            assert_beta_commands(&s); /* never Failed after the receipt */
        }
        end(&s);
    }
}

static enum es_result with_failures(enum status status, bool request, unsigned times)
{
    struct story s;
    begin(&s);
    fake_ecka.fail_op = ECKA_ESTABLISH;
    fake_ecka.fail_status = (int)status;
    fake_ecka.fail_request = request;
    fake_ecka.fail_times = times;
    run_to_end(&s);
    enum es_result result = s.h->op.outcome.result;
    end(&s);
    return result;
}

static void what_a_retry_can_help_is_retried(void **state)
{
    (void)state;
    assert_int_equal(with_failures(STATUS_BUSY, true, 7), ES_EXECUTED_SUCCESS);
    assert_int_equal(with_failures(STATUS_UNAVAILABLE, false, OFFLOAD_ATTEMPTS - 1),
                     ES_EXECUTED_SUCCESS);
    assert_int_equal(with_failures(STATUS_UNAVAILABLE, false, OFFLOAD_ATTEMPTS), ES_FAILED);
    assert_int_equal(with_failures(STATUS_DEADLINE, true, 1), ES_FAILED);
    assert_int_equal(with_failures(STATUS_SR_KEY_UNKNOWN, false, 1), ES_FAILED);
}

/* -- the card says no -- */

static void bad_signature_names_the_crt(void **state)
{
    struct story s;
    (void)state;
    begin(&s);
    fake_ecka.bad_signature = true;
    run_to_end(&s);
    assert_int_equal(s.h->op.outcome.result, ES_FAILED);
    assert_string_equal(s.h->op.outcome.code, "SW 6300");
    assert_string_equal(s.h->op.outcome.text, "CRT mismatch or bad signature");
    assert_alpha_commands(&s);
    end(&s);
}

static void unverified_certificate_stops_the_change(void **state)
{
    struct story s;
    uint8_t cert[GP_CERT_MAX];
    (void)state;
    begin_with(&s, CURVE_P256);
    memcpy(cert, s.bench.pki.cert_sr, s.bench.pki.cert_sr_len);
    cert[s.bench.pki.cert_sr_len - 1] ^= 1;
    s.ctx.beta.cert_sr.ptr = cert;
    assert_int_equal(handover_new(&s.h, &s.ctx, ROBOT, true), STATUS_OK);
    run_to_end(&s);
    assert_int_equal(s.h->op.outcome.result, ES_FAILED);
    assert_int_equal(s.h->op.outcome.step, 12);
    assert_string_equal(s.h->op.outcome.code, "SW 6300");
    assert_alpha_commands(&s);
    end(&s);
}

static void taken_key_version_number_is_passed_over(void **state)
{
    struct story s;
    (void)state;
    begin(&s);
    s.h->alpha.eis.key_set_count = 0; /* the EIS forgets KS1: Beta tries 01, and the card says no */
    run_to_end(&s);
    assert_int_equal(s.h->op.outcome.result, ES_EXECUTED_SUCCESS);
    assert_int_equal(s.h->beta.r.kvn, 2);
    assert_int_equal(s.h->beta.r.burnt_kvns, 1U << 1 | 1U << 2);
    end(&s);
}

/* -- the parties say no -- */

static void validity_period_ends_it(void **state)
{
    struct story s;
    (void)state;
    begin(&s);
    handover_deliver(s.h); /* to step 6, where eckad is asked */
    assert_true(s.h->alpha.locked);
    s.h->alpha.deadline_us = 0;
    run_to_end(&s);
    assert_int_equal(s.h->op.outcome.result, ES_EXPIRED);
    assert_int_equal(s.h->op.outcome.step, 7);
    assert_alpha_commands(&s);
    end(&s);
}

static void second_order_is_refused_while_one_runs(void **state)
{
    struct story s;
    (void)state;
    begin(&s);
    handover_deliver(s.h);
    struct message answer;
    struct message again = {.type = ES4_SMSR_CHANGE, .from = PARTY_OPERATOR, .to = PARTY_ALPHA};
    memcpy(again.eid, s.h->op.eid, sizeof(again.eid));
    again.u.change.validity_s = HANDOVER_VALIDITY_S;
    alpha_receive(&s.h->alpha, &again);
    assert_true(bus_take(&s.h->bus, &answer));
    assert_string_equal(answer.u.answer.code, "CHANGE_PENDING");
    again.eid[GP_EID_LEN - 1] ^= 1;
    alpha_receive(&s.h->alpha, &again);
    assert_true(bus_take(&s.h->bus, &answer));
    assert_string_equal(answer.u.answer.code, "UNKNOWN_EID");
    assert_string_equal(answer.u.answer.subject, "8.1.1");
    assert_false(s.h->op.finished);
    run_to_end(&s); /* the first goes on undisturbed */
    assert_int_equal(s.h->op.outcome.result, ES_EXECUTED_SUCCESS);
    end(&s);
}

static void handover_without_prepare_is_refused(void **state)
{
    struct story s;
    (void)state;
    begin(&s);
    s.h->bus.count = 0; /* ES4.PrepareSMSRChange is lost, the order to Alpha is not */
    struct message order = {.type = ES4_SMSR_CHANGE, .from = PARTY_OPERATOR, .to = PARTY_ALPHA};
    memcpy(order.eid, s.h->op.eid, sizeof(order.eid));
    memcpy(order.change_id, s.h->op.change_id, sizeof(order.change_id));
    (void)snprintf(order.u.change.smsr_id, sizeof(order.u.change.smsr_id), "%s", BETA_SMSR_ID);
    order.u.change.validity_s = HANDOVER_VALIDITY_S;
    alpha_receive(&s.h->alpha, &order);
    run_to_end(&s);
    assert_int_equal(s.h->op.outcome.result, ES_FAILED);
    assert_string_equal(s.h->op.outcome.code, "NO_PREPARE");
    assert_string_equal(s.h->op.outcome.subject, "8.1.1");
    assert_string_equal(s.h->op.outcome.reason, "1.1");
    assert_alpha_commands(&s);
    end(&s);
}

static void alpha_relays_for_a_running_change_alone(void **state)
{
    struct story s;
    struct message answer;
    struct message ask = {.type = ES7_AUTHENTICATE_SMSR, .from = PARTY_BETA, .to = PARTY_ALPHA};
    (void)state;
    begin(&s);
    s.h->bus.count = 0;
    memcpy(ask.eid, s.h->op.eid, sizeof(ask.eid));
    alpha_receive(&s.h->alpha, &ask);
    assert_true(bus_take(&s.h->bus, &answer));
    assert_int_equal(answer.type, ES7_AUTHENTICATE_SMSR_ANSWER);
    assert_string_equal(answer.u.authenticated.answer.code, "NO_CHANGE_PENDING");
    ask.type = ES7_CREATE_ADDITIONAL_KEY_SET;
    alpha_receive(&s.h->alpha, &ask);
    assert_true(bus_take(&s.h->bus, &answer));
    assert_int_equal(answer.type, ES7_CREATE_ADDITIONAL_KEY_SET_ANSWER);
    assert_string_equal(answer.u.created.answer.code, "NO_CHANGE_PENDING");
    assert_int_equal(s.h->bus.count, 0); /* and the card heard nothing */
    end(&s);
}

static void tampered_eis_is_refused(void **state)
{
    struct story s;
    (void)state;
    begin(&s);
    s.h->alpha.eis.signed_info.production_date++;
    run_to_end(&s);
    assert_int_equal(s.h->op.outcome.step, 6);
    assert_string_equal(s.h->op.outcome.code, "SIGNATURE_INVALID");
    end(&s);
    begin(&s);
    s.h->alpha.eis.signed_info.eum_id[0] ^= 1;
    run_to_end(&s);
    assert_string_equal(s.h->op.outcome.code, "EIS_REFUSED");
    end(&s);
    begin(&s);
    (void)snprintf(s.h->alpha.eis.smsr_id, sizeof(s.h->alpha.eis.smsr_id), "gamma.sm-sr.example");
    run_to_end(&s);
    assert_string_equal(s.h->op.outcome.code, "EIS_REFUSED");
    end(&s);
    begin(&s); /* not of what the EUM signed; but Beta could never reach the ISD-R there */
    s.h->alpha.eis.isdr_tar[0] ^= 1;
    run_to_end(&s);
    assert_string_equal(s.h->op.outcome.code, "EIS_REFUSED");
    end(&s);
}

/* Each thing that Beta cannot manage, with the standard's numbers; nothing is asked of the card. */
static void what_beta_cannot_manage_is_refused(void **state)
{
    static const struct {
        const char *secure_packet, *remote_provisioning;
        uint32_t config_curves, eckad_curves;
        bool without_address;
        const char *code, *subject, *reason;
    } cases[] = {
        {"", "4.2", 0, UINT32_MAX, false, "NO_CAPABILITY", "8.1", "3.1"},
        {"8.9", "4.2", 0, UINT32_MAX, false, "NO_CAPABILITY", "8.1", "3.1"},
        {"12x", "4.2", 0, UINT32_MAX, false, "NO_CAPABILITY", "8.1", "3.1"},
        {"-12", "4.2", 0, UINT32_MAX, false, "NO_CAPABILITY", "8.1", "3.1"},
        {"12.1", "", 0, UINT32_MAX, false, "NO_CAPABILITY", "8.1", "3.1"},
        {"12.1", "1.9", 0, UINT32_MAX, false, "NO_CAPABILITY", "8.1", "3.1"},
        {"12.1", "5.0", 0, UINT32_MAX, false, "NO_CAPABILITY", "8.1", "3.1"},
        {"12.1", "4.2", 1U << CURVE_FRP256V1, UINT32_MAX, false, "CURVE_UNSUPPORTED", "8.5", "3.1"},
        {"12.1", "4.2", 0, 1U << CURVE_FRP256V1, false, "CURVE_UNSUPPORTED", "8.5", "3.1"},
        {"12.1", "4.2", 0, UINT32_MAX, true, "NO_ADDRESS", "8.6", "2.2"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct story s;
        struct ability ability = {.known = true, .trusts_eum = true, .can_sign = true};
        begin(&s);
        struct eis *eis = &s.h->alpha.eis;
        struct eis_capabilities *can = &eis->signed_info.capabilities;
        (void)snprintf(can->secure_packet, sizeof(can->secure_packet), "%s",
                       cases[i].secure_packet);
        (void)snprintf(can->remote_provisioning, sizeof(can->remote_provisioning), "%s",
                       cases[i].remote_provisioning);
        ability.curves = cases[i].eckad_curves;
        s.ctx.beta.ability = &ability;
        s.ctx.beta.curves = cases[i].config_curves;
        if (cases[i].without_address) {
            eis->profiles[1].state = EIS_PROFILE_DISABLED; /* the other one is disabled */
        }
        run_to_end(&s);
        assert_int_equal(s.h->op.outcome.result, ES_FAILED);
        assert_int_equal(s.h->op.outcome.step, 5);
        assert_string_equal(s.h->op.outcome.code, cases[i].code);
        assert_string_equal(s.h->op.outcome.subject, cases[i].subject);
        assert_string_equal(s.h->op.outcome.reason, cases[i].reason);
        assert_false(s.h->beta.r.has_eis);
        assert_int_equal(s.h->alpha.ks1->counter, 0);
        assert_alpha_commands(&s);
        end(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_step_happens_once_and_in_order),
        cmocka_unit_test(every_curve_with_dr_and_host_id),
        cmocka_unit_test(second_key_set_is_made),
        cmocka_unit_test(what_eckad_refuses_ends_where_it_must),
        cmocka_unit_test(what_a_retry_can_help_is_retried),
        cmocka_unit_test(bad_signature_names_the_crt),
        cmocka_unit_test(unverified_certificate_stops_the_change),
        cmocka_unit_test(taken_key_version_number_is_passed_over),
        cmocka_unit_test(validity_period_ends_it),
        cmocka_unit_test(second_order_is_refused_while_one_runs),
        cmocka_unit_test(handover_without_prepare_is_refused),
        cmocka_unit_test(alpha_relays_for_a_running_change_alone),
        cmocka_unit_test(tampered_eis_is_refused),
        cmocka_unit_test(what_beta_cannot_manage_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
