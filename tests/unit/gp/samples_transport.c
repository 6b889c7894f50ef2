#include "tests/unit/gp/samples.h"

#include "proto/gp/apdu.h"
#include "proto/gp/scp80.h"
#include "proto/gp/tlv.h"

static const uint8_t filler[TEST_BYTES_MAX] = {0xA1, 0xA2, 0xA3, 0xA4};
static const uint8_t tar[3] = {0x00, 0x00, 0x01};

/* apdu */

static void put_apdu(struct writer *w)
{
    const struct apdu apdu = {.cla = 0x80,
                              .ins = INS_STORE_DATA,
                              .p1 = STORE_DATA_1_P1,
                              .data = span_of(filler, 0xAC),
                              .has_le = true};
    apdu_put(w, &apdu);
}

static enum status read_apdu(struct span in)
{
    struct apdu apdu;
    spoil(&apdu, sizeof apdu);
    enum status s = apdu_parse(in, &apdu);
    if (s != STATUS_OK) {
        assert_int_equal(apdu.cla | apdu.ins | apdu.p1 | apdu.p2 | apdu.le, 0);
        assert_false(apdu.has_le);
        assert_empty(apdu.data);
        return s;
    }
    assert_inside(apdu.data, in);
    struct bytes again;
    bytes_init(&again);
    apdu_put(&again.w, &apdu);
    assert_spans_equal(bytes_span(&again), in);
    return s;
}

static bool apdu_prefix(size_t len)
{
    return len == 4 || len == 5 || len == 5 + 0xAC; /* no Le, only Le, no Le behind the data */
}

static void put_rapdu(struct writer *w)
{
    rapdu_put(w, span_of(filler, RAPDU_DATA_MAX), 0x9000);
}

static enum status read_rapdu(struct span in)
{
    struct rapdu rapdu;
    spoil(&rapdu, sizeof rapdu);
    enum status s = rapdu_parse(in, &rapdu);
    if (s != STATUS_OK) {
        assert_int_equal(rapdu.sw, 0);
        assert_empty(rapdu.data);
        return s;
    }
    assert_inside(rapdu.data, in);
    struct bytes again;
    bytes_init(&again);
    rapdu_put(&again.w, rapdu.data, rapdu.sw);
    assert_spans_equal(bytes_span(&again), in);
    return s;
}

static bool rapdu_prefix(size_t len)
{
    return len >= 2;
}

static void put_commands(struct writer *w)
{
    const struct span apdus[] = {span_of(filler, 0xB1), span_of(filler, 4), span_of(filler, 5)};
    expanded_commands_put(w, apdus, sizeof apdus / sizeof apdus[0]);
}

/* The same in a template of no stated length. */
static void put_indefinite(struct writer *w, uint8_t tag, void (*put)(struct writer *))
{
    uint8_t storage[TEST_BYTES_MAX];
    struct writer definite = writer_of(storage, sizeof storage);
    put(&definite);
    struct cursor c = cursor_of(writer_span(&definite));
    struct tlv t;
    assert_status(tlv_next(&c, &t), STATUS_OK);
    put_u8(w, tag);
    put_u8(w, 0x80);
    put_span(w, t.value);
    put_be(w, 0, 2);
}

static void put_commands_indefinite(struct writer *w)
{
    put_indefinite(w, 0xAE, put_commands);
}

static enum status read_commands(struct span in)
{
    struct span apdus[EXPANDED_COMMANDS_MAX];
    size_t count = 99;
    spoil(apdus, sizeof apdus);
    enum status s = expanded_commands_parse(in, apdus, &count);
    if (s != STATUS_OK) {
        assert_int_equal(count, 0);
        assert_zero(apdus, sizeof apdus);
        return s;
    }
    assert_true(count >= 1 && count <= EXPANDED_COMMANDS_MAX);
    for (size_t i = 0; i < count; i++) {
        assert_inside(apdus[i], in);
    }
    struct bytes again;
    bytes_init(&again);
    expanded_commands_put(&again.w, apdus, count);
    assert_true(in.ptr[0] == 0xAE || span_eq(bytes_span(&again), in));
    return s;
}

static void put_answer(struct writer *w)
{
    expanded_answer_put(w, 2, span_of(filler, 0x93));
}

static void put_answer_indefinite(struct writer *w)
{
    put_indefinite(w, 0xAF, put_answer);
}

static enum status read_answer(struct span in)
{
    uint8_t executed = 0xEE;
    struct span last;
    spoil(&last, sizeof last);
    enum status s = expanded_answer_parse(in, &executed, &last);
    assert_inside(last, in);
    if (s != STATUS_OK) {
        assert_int_equal(executed, 0);
        assert_empty(last);
    }
    return s;
}

/* scp80 and sms */

static void put_packet(struct writer *w)
{
    const struct scp80_header h = scp80_command_header(0x02, tar, 1);
    scp80_clear_put(w, &h, 48);
    put_bytes(w, filler, 48);
}

static enum status read_packet(struct span in)
{
    struct scp80_header h;
    struct span ciphered;
    spoil(&h, sizeof h);
    spoil(&ciphered, sizeof ciphered);
    enum status s = scp80_clear_parse(in, &h, &ciphered);
    if (s != STATUS_OK) {
        assert_int_equal(h.spi1 | h.spi2 | h.kic | h.kid | h.tar[0] | h.tar[1] | h.tar[2], 0);
        assert_true(h.counter == 0);
        assert_empty(ciphered);
        return s;
    }
    assert_inside(ciphered, in);
    struct bytes again;
    bytes_init(&again);
    scp80_clear_put(&again.w, &h, ciphered.len);
    put_span(&again.w, ciphered);
    assert_spans_equal(bytes_span(&again), in);
    return s;
}

static void put_response(struct writer *w)
{
    scp80_response_clear_put(w, tar, 32);
    put_bytes(w, filler, 32);
}

static enum status read_response(struct span in)
{
    uint8_t got[3];
    struct span ciphered;
    spoil(got, sizeof got);
    spoil(&ciphered, sizeof ciphered);
    enum status s = scp80_response_clear_parse(in, got, &ciphered);
    if (s != STATUS_OK) {
        assert_zero(got, sizeof got);
        assert_empty(ciphered);
        return s;
    }
    assert_inside(ciphered, in);
    struct bytes again;
    bytes_init(&again);
    scp80_response_clear_put(&again.w, got, ciphered.len);
    put_span(&again.w, ciphered);
    assert_spans_equal(bytes_span(&again), in);
    return s;
}

static void put_envelope_data(struct writer *w, size_t packet_len, size_t number)
{
    uint8_t storage[SMS_ENVELOPE_MAX];
    struct writer c_apdu = writer_of(storage, sizeof storage);
    struct apdu apdu;
    assert_status(sms_envelope_put(&c_apdu, span_of(filler, packet_len), 7, number), STATUS_OK);
    assert_status(apdu_parse(writer_span(&c_apdu), &apdu), STATUS_OK);
    put_span(w, apdu.data);
}

static void put_sms(struct writer *w)
{
    put_envelope_data(w, 100, 1);
}

static void put_sms_first(struct writer *w)
{
    put_envelope_data(w, 500, 1);
}

static void put_sms_later(struct writer *w)
{
    put_envelope_data(w, 500, 2);
}

static enum status read_sms(struct span in)
{
    struct sms_segment segment;
    spoil(&segment, sizeof segment);
    enum status s = sms_envelope_parse(in, &segment);
    if (s != STATUS_OK) {
        assert_int_equal(segment.reference | segment.total | segment.number, 0);
        assert_empty(segment.part);
        return s;
    }
    assert_inside(segment.part, in);
    assert_true(segment.part.len >= 1 && segment.part.len <= SMS_USER_DATA_MAX);
    assert_true(segment.number >= 1 && segment.number <= segment.total);
    assert_true(segment.total <= SMS_SEGMENTS_MAX);
    return s;
}

const struct sample transport_samples[] = {
    {"C-APDU", put_apdu, read_apdu, apdu_prefix},
    {"R-APDU", put_rapdu, read_rapdu, rapdu_prefix},
    {"expanded commands", put_commands, read_commands, NULL},
    {"expanded commands, indefinite", put_commands_indefinite, read_commands, NULL},
    {"expanded answer", put_answer, read_answer, NULL},
    {"expanded answer, indefinite", put_answer_indefinite, read_answer, NULL},
    {"SCP80 command", put_packet, read_packet, NULL},
    {"SCP80 response", put_response, read_response, NULL},
    {"SMS", put_sms, read_sms, NULL},
    {"SMS, first of many", put_sms_first, read_sms, NULL},
    {"SMS, second of many", put_sms_later, read_sms, NULL},
};

const size_t transport_sample_count = sizeof transport_samples / sizeof transport_samples[0];
