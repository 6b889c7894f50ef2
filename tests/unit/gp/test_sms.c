/* ENVELOPE (SMS-PP download): bytes, segmentation of every packet length, and tampered framing. */
#include "proto/gp/apdu.h"
#include "proto/gp/scp80.h"
#include "proto/gp/tlv.h"
#include "tests/unit/gp/gp_test.h"

enum { SINGLE_MAX = 137, FIRST_PART = 132, LATER_PART = 134 }; /* 140 less their headers */

static uint8_t packet[SCP80_PACKET_MAX + 1];

static int fill_packet(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof packet; i++) {
        packet[i] = (uint8_t)(i * 131 + i / 256 + 1);
    }
    return 0;
}

/* The ENVELOPE's data field, checked to be the C-APDU that it should be. */
static struct span envelope(struct bytes *b, size_t packet_len, size_t number)
{
    struct apdu apdu;
    bytes_init(b);
    assert_status(sms_envelope_put(&b->w, span_of(packet, packet_len), 0x5A, number), STATUS_OK);
    assert_true(b->w.len <= SMS_ENVELOPE_MAX);
    assert_hex(span_of(b->storage, 4), "80C20000");
    assert_status(apdu_parse(bytes_span(b), &apdu), STATUS_OK);
    assert_false(apdu.has_le);
    return apdu.data;
}

static void a_short_packet_in_bytes(void **state)
{
    (void)state;
    struct bytes b;
    assert_hex(envelope(&b, 2, 1), "D11A 82028381 8B14 44 04812143 7F F6 00101000000000"
                                   "05 027000 0184");
}

static void a_long_packet_in_bytes(void **state)
{
    (void)state;
    struct bytes b;
    struct span first = envelope(&b, SINGLE_MAX + 1, 1);
    assert_hex(span_of(first.ptr, 7), "D181A2 82028381");
    assert_hex(span_of(first.ptr + 7, 27), "8B819B 44 04812143 7F F6 00101000000000"
                                           "8C 07 00035A0201 7000 01");
    struct span second = envelope(&b, SINGLE_MAX + 1, 2);
    assert_hex(span_of(second.ptr, 29), "D121 82028381 8B1B 44 04812143 7F F6 00101000000000"
                                        "0C 05 00035A0202");
}

static void every_length_comes_back_together(void **state)
{
    (void)state;
    for (size_t len = 1; len <= SCP80_PACKET_MAX; len++) {
        uint8_t got[SCP80_PACKET_MAX];
        size_t filled = 0;
        size_t total = sms_segment_count(len);
        assert_true(total >= 1 && total <= SMS_SEGMENTS_MAX);
        for (size_t n = 1; n <= total; n++) {
            struct bytes b;
            struct sms_segment s;
            assert_status(sms_envelope_parse(envelope(&b, len, n), &s), STATUS_OK);
            assert_int_equal(s.total, total);
            assert_int_equal(s.number, n);
            assert_int_equal(s.reference, total > 1 ? 0x5A : 0);
            assert_true(filled + s.part.len <= len);
            memcpy(got + filled, s.part.ptr, s.part.len);
            filled += s.part.len;
        }
        assert_int_equal(filled, len);
        assert_memory_equal(got, packet, len);
    }
}

static void segment_counts_at_their_bounds(void **state)
{
    (void)state;
    assert_int_equal(sms_segment_count(1), 1);
    assert_int_equal(sms_segment_count(SINGLE_MAX), 1);
    assert_int_equal(sms_segment_count(SINGLE_MAX + 1), 2);
    assert_int_equal(sms_segment_count(FIRST_PART + LATER_PART), 2);
    assert_int_equal(sms_segment_count(FIRST_PART + LATER_PART + 1), 3);
    assert_int_equal(sms_segment_count(FIRST_PART + 7 * LATER_PART), 8);
}

static void what_cannot_be_sent(void **state)
{
    (void)state;
    struct bytes b;
    bytes_init(&b);
    assert_status(sms_envelope_put(&b.w, span_of(packet, 0), 1, 1), STATUS_BAD_LENGTH);
    assert_status(sms_envelope_put(&b.w, span_of(packet, SCP80_PACKET_MAX + 1), 1, 1),
                  STATUS_BAD_LENGTH);
    assert_status(sms_envelope_put(&b.w, span_of(packet, 10), 1, 0), STATUS_BAD_LENGTH);
    assert_status(sms_envelope_put(&b.w, span_of(packet, 10), 1, 2), STATUS_BAD_LENGTH);
    assert_status(sms_envelope_put(&b.w, span_of(packet, 300), 1, 4), STATUS_BAD_LENGTH);
    assert_int_equal(b.w.len, 0);
    uint8_t small[20];
    struct writer w = writer_of(small, sizeof small);
    assert_status(sms_envelope_put(&w, span_of(packet, 10), 1, 1), STATUS_NO_SPACE);
}

/* An envelope around this SMS-DELIVER. */
static enum status parse_deliver(const char *hex)
{
    struct bytes deliver;
    struct bytes body;
    struct bytes data;
    struct sms_segment s;
    bytes_init(&deliver);
    bytes_hex(&deliver, hex);
    bytes_init(&body);
    bytes_hex(&body, "82028381");
    tlv_put(&body.w, 0x8B, bytes_span(&deliver));
    bytes_init(&data);
    tlv_put(&data.w, 0xD1, bytes_span(&body));
    enum status status = sms_envelope_parse(bytes_span(&data), &s);
    assert_true(status == STATUS_OK || (s.part.ptr == NULL && s.total == 0));
    return status;
}

#define TIME "00101000000000"

static void delivers_that_are_read(void **state)
{
    (void)state;
    assert_status(parse_deliver("44 04812143 7FF6" TIME "04 027000 AA"), STATUS_OK);
    assert_status(parse_deliver("40 0080 7FF6" TIME "04 027000 AA"), STATUS_OK);     /* no digits */
    assert_status(parse_deliver("64 03912143 7FF6" TIME "04 027000 AA"), STATUS_OK); /* odd */
    assert_status(parse_deliver("44 0080 7FF6" TIME "09 07 0003FF0201 7000 AA"), STATUS_OK);
    assert_status(parse_deliver("44 0080 7FF6" TIME "07 05 0003FF0A0A AA"), STATUS_OK);
}

static void delivers_tampered_with(void **state)
{
    static const char *const rows[] = {
        "",
        "45 0080 7FF6" TIME "04 027000 AA",                        /* SMS-SUBMIT */
        "04 0080 7FF6" TIME "04 027000 AA",                        /* no user data header */
        "44 1580 0000000000000000000000 7FF6" TIME "04 027000 AA", /* 21 digits */
        "44 FF80 7FF6" TIME "04 027000 AA",
        "44 0080 00F6" TIME "04 027000 AA", /* not for the card */
        "44 0080 7F00" TIME "04 027000 AA", /* 7-bit text */
        "44 0080 7FF6 001010000000",        /* cut in its time */
        "44 0080 7FF6" TIME "",
        "44 0080 7FF6" TIME "00",
        "44 0080 7FF6" TIME "03 027000",    /* no packet */
        "44 0080 7FF6" TIME "03 027000 AA", /* length wrong by one */
        "44 0080 7FF6" TIME "05 027000 AA",
        "44 0080 7FF6" TIME "04 047000 AA",             /* header longer than the data */
        "44 0080 7FF6" TIME "03 017000",                /* header cut */
        "44 0080 7FF6" TIME "02 00 AA",                 /* no element at all */
        "44 0080 7FF6" TIME "04 027100 AA",             /* a response packet's element */
        "44 0080 7FF6" TIME "05 03700100 AA",           /* 70 with data */
        "44 0080 7FF6" TIME "06 0470007000 AA",         /* 70 twice */
        "44 0080 7FF6" TIME "07 05 0003FF0201 AA",      /* first of two without 70 */
        "44 0080 7FF6" TIME "09 07 0003FF0202 7000 AA", /* second of two with 70 */
        "44 0080 7FF6" TIME "09 07 7000 0003FF0201 AA", /* order */
        "44 0080 7FF6" TIME "09 07 0003FF0101 7000 AA", /* one of one */
        "44 0080 7FF6" TIME "09 07 0003FF0001 7000 AA", /* one of none */
        "44 0080 7FF6" TIME "07 05 0003FF0200 AA",      /* number 0 */
        "44 0080 7FF6" TIME "07 05 0003FF0203 AA",      /* three of two */
        "44 0080 7FF6" TIME "07 05 0003FF0B02 AA",      /* of more than are kept */
        "44 0080 7FF6" TIME "08 06 0004FF020200 AA",    /* concatenation of another length */
        "44 0080 7FF6" TIME "06 04 0002FF02 AA",
        "44 0080 7FF6" TIME "04 027000 AA 00",
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_status(parse_deliver(rows[i]), STATUS_TLV_MALFORMED);
    }
}

static enum status parse_envelope(uint32_t tag, const char *body_hex, const char *behind)
{
    struct bytes body;
    struct bytes data;
    struct sms_segment s;
    bytes_init(&body);
    bytes_hex(&body, body_hex);
    bytes_init(&data);
    tlv_put(&data.w, tag, bytes_span(&body));
    bytes_hex(&data, behind);
    enum status status = sms_envelope_parse(bytes_span(&data), &s);
    assert_true(status == STATUS_OK || s.part.ptr == NULL);
    return status;
}

#define DEVICES "82028381"
#define SMS     "8B11 44 0080 7FF6" TIME "04 027000 AA"

static void envelopes_tampered_with(void **state)
{
    (void)state;
    assert_status(parse_envelope(0xD1, DEVICES SMS, ""), STATUS_OK);
    assert_status(parse_envelope(0xD2, DEVICES SMS, ""), STATUS_TLV_MALFORMED);
    assert_status(parse_envelope(0xD1, "82028182" SMS, ""), STATUS_TLV_MALFORMED);
    assert_status(parse_envelope(0xD1, "820183" SMS, ""), STATUS_TLV_MALFORMED);
    assert_status(parse_envelope(0xD1, SMS, ""), STATUS_TLV_MALFORMED);
    assert_status(parse_envelope(0xD1, DEVICES, ""), STATUS_TLV_MALFORMED);
    assert_status(parse_envelope(0xD1, SMS DEVICES, ""), STATUS_TLV_MALFORMED);
    assert_status(parse_envelope(0xD1, DEVICES SMS "9000", ""), STATUS_TLV_MALFORMED);
    assert_status(parse_envelope(0xD1, DEVICES SMS, "00"), STATUS_TLV_MALFORMED);
    assert_status(parse_envelope(0xD1, "", ""), STATUS_TLV_MALFORMED);
}

static void user_data_is_bounded(void **state)
{
    (void)state;
    for (size_t len = 130; len <= 150; len++) {
        struct bytes deliver;
        struct bytes body;
        struct bytes data;
        struct sms_segment s;
        bytes_init(&deliver);
        bytes_hex(&deliver, "44 0080 7FF6" TIME);
        put_u8(&deliver.w, (uint8_t)len);
        bytes_hex(&deliver, "027000");
        put_bytes(&deliver.w, packet, len - 3);
        bytes_init(&body);
        bytes_hex(&body, "82028381");
        tlv_put(&body.w, 0x8B, bytes_span(&deliver));
        bytes_init(&data);
        tlv_put(&data.w, 0xD1, bytes_span(&body));
        assert_status(sms_envelope_parse(bytes_span(&data), &s),
                      len <= SMS_USER_DATA_MAX ? STATUS_OK : STATUS_TLV_MALFORMED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_packet_in_bytes),
        cmocka_unit_test(a_long_packet_in_bytes),
        cmocka_unit_test(every_length_comes_back_together),
        cmocka_unit_test(segment_counts_at_their_bounds),
        cmocka_unit_test(what_cannot_be_sent),
        cmocka_unit_test(delivers_that_are_read),
        cmocka_unit_test(delivers_tampered_with),
        cmocka_unit_test(envelopes_tampered_with),
        cmocka_unit_test(user_data_is_bounded),
    };
    return cmocka_run_group_tests_name("sms", tests, fill_packet, NULL);
}
