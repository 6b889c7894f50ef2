/*
 * ES4 and ES7 as bytes: each message comes out as it went in, and what is no message is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "smsr/party/message.h"
#include "tests/unit/smsr/bench.h"

static void fill_answer(struct es_answer *a)
{
    es_answer_set(a, ES_EXPIRED, 7, "EXPIRED", "the validity period is over");
    assert_string_equal(a->subject, "1.6");
    assert_string_equal(a->reason, "5.3");
}

static void fill(struct message *m, enum message_type type, const struct eis *eis)
{
    static const uint8_t four[] = {1, 2, 3, 4};
    memset(m, 0, sizeof(*m));
    m->type = type;
    m->from = PARTY_ALPHA;
    m->to = PARTY_BETA;
    memset(m->eid, 0x89, sizeof(m->eid));
    memset(m->change_id, 0xC1, sizeof(m->change_id));
    m->attempt = 3;
    (void)snprintf(m->reply_to, sizeof(m->reply_to), "ipc:///tmp/alpha");
    switch (type) {
    case ES4_PREPARE_SMSR_CHANGE:
    case ES4_SMSR_CHANGE:
    case ES4_HANDLE_SMSR_CHANGE_NOTIFICATION:
        m->u.change = (struct es_change){"beta.example", "mno.example", 300};
        return;
    case ES4_PREPARE_SMSR_CHANGE_ANSWER:
    case ES4_SMSR_CHANGE_ANSWER:
    case ES7_HANDOVER_EUICC_ANSWER:
        fill_answer(&m->u.answer);
        return;
    case ES4_NOTIFICATION_ACKNOWLEDGED:
        return;
    case ES7_HANDOVER_EUICC:
        m->u.eis = *eis;
        return;
    case ES7_AUTHENTICATE_SMSR:
        memset(m->u.authenticate.cert, 0x7F, m->u.authenticate.cert_len = GP_CERT_MAX);
        return;
    case ES7_AUTHENTICATE_SMSR_ANSWER:
        fill_answer(&m->u.authenticated.answer);
        assert_int_equal(octets_set(&m->u.authenticated.rc, span_of(four, 4)), STATUS_OK);
        return;
    case ES7_CREATE_ADDITIONAL_KEY_SET:
        m->u.create = (struct es7_create_key_set){
            .kvn = 2, .scenario = 0x0E, .counter = 1, .ecc_key_length = 256};
        assert_int_equal(octets_set(&m->u.create.host_id, span_of(four, 4)), STATUS_OK);
        memset(m->u.create.epk, 4, sizeof(m->u.create.epk));
        memset(m->u.create.signature, 5, sizeof(m->u.create.signature));
        return;
    case ES7_CREATE_ADDITIONAL_KEY_SET_ANSWER:
        fill_answer(&m->u.created.answer);
        m->u.created.sw = 0x6985;
        assert_int_equal(octets_set(&m->u.created.dr, span_of(four, 4)), STATUS_OK);
        assert_int_equal(octets_set(&m->u.created.receipt, span_of(four, 3)), STATUS_OK);
        return;
    default:
        memset(m->u.apdu.b, 0x80, m->u.apdu.len = APDU_MAX);
        return;
    }
}

static void messages_come_out_as_they_went_in(void **state)
{
    static struct message in, out;
    static uint8_t bytes[MESSAGE_BYTES_MAX];
    const struct bench *b = *state;
    for (enum message_type t = 0; t < MESSAGE_TYPES; t++) {
        struct writer w = writer_of(bytes, sizeof(bytes));
        fill(&in, t, &b->robot.eis);
        assert_int_equal(message_put(&w, &in), STATUS_OK);
        assert_int_equal(message_parse(writer_span(&w), &out), STATUS_OK);
        assert_memory_equal(&in, &out, sizeof(in));
    }
}

/* Of all senders and receivers each message fits the standard's alone; an APDU goes both ways. */
static void each_message_has_its_sender(void **state)
{
    (void)state;
    for (enum message_type t = 0; t < MESSAGE_TYPES; t++) {
        unsigned ways = 0;
        for (enum party from = PARTY_OPERATOR; from < PARTY_COUNT; from++) {
            for (enum party to = PARTY_OPERATOR; to < PARTY_COUNT; to++) {
                const struct message m = {.type = t, .from = from, .to = to};
                ways += message_fits(&m);
                assert_true(from != to || !message_fits(&m));
            }
        }
        assert_int_equal(ways, t == CARD_COMMAND || t == CARD_ANSWER ? 2 : 1);
    }
    struct message m = {.type = ES7_HANDOVER_EUICC_ANSWER, .from = PARTY_BETA, .to = PARTY_ALPHA};
    assert_true(message_fits(&m));
    m.from = PARTY_OPERATOR;
    assert_false(message_fits(&m));
    m = (struct message){.type = ES4_SMSR_CHANGE, .from = PARTY_BETA, .to = PARTY_ALPHA};
    assert_false(message_fits(&m));
    m.type = MESSAGE_TYPES;
    assert_false(message_fits(&m));
}

/* A change of any byte gives a message or a refusal, and never reads past a field. */
static void broken_bytes_are_refused_or_read(void **state)
{
    static struct message in, out;
    static uint8_t bytes[MESSAGE_BYTES_MAX], spoilt[MESSAGE_BYTES_MAX];
    const struct bench *b = *state;
    unsigned refused = 0;
    for (enum message_type t = 0; t < MESSAGE_TYPES; t++) {
        struct writer w = writer_of(bytes, sizeof(bytes));
        fill(&in, t, &b->robot.eis);
        assert_int_equal(message_put(&w, &in), STATUS_OK);
        size_t step = w.len > 1000 ? 37 : 1;
        for (size_t i = 0; i < w.len; i += step) {
            memcpy(spoilt, bytes, w.len);
            spoilt[i] ^= 0x41;
            refused += message_parse(span_of(spoilt, w.len), &out) != STATUS_OK;
            refused += message_parse(span_of(bytes, i), &out) != STATUS_OK;
        }
    }
    assert_true(refused > 500);
}

static int set_up(void **state)
{
    static struct bench b;
    bench_init(&b, CURVE_P256, RC_LEN_SHORT);
    *state = &b;
    return 0;
}

static int tear_down(void **state)
{
    bench_fini(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_come_out_as_they_went_in),
        cmocka_unit_test(each_message_has_its_sender),
        cmocka_unit_test(broken_bytes_are_refused_or_read),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
