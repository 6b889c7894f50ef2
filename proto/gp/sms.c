/*
 * SMS-PP download envelopes. Concatenation stands in every segment's user data header, the element
 * 70 that announces a command packet in the first segment's alone (TS 31.115 4.2; U).
 */
#include "proto/gp/apdu.h"
#include "proto/gp/scp80.h"
#include "proto/gp/tlv.h"

enum {
    TAG_SMS_PP_DOWNLOAD = 0xD1,
    TAG_DEVICE_IDENTITIES = 0x82,
    TAG_SMS_TPDU = 0x8B,

    TP_MTI_MASK = 0x03,                /* 00: SMS-DELIVER */
    TP_UDHI = 0x40,                    /* the user data starts with a header */
    TP_DELIVER_FIRST = TP_UDHI | 0x04, /* and no more messages wait */
    TP_PID_USIM_DOWNLOAD = 0x7F,
    TP_DCS_CLASS_2_8BIT = 0xF6,
    TP_SCTS_LEN = 7,
    TP_OA_DIGITS_MAX = 20,

    IE_CONCATENATION = 0x00,
    IE_CONCATENATION_LEN = 3, /* reference, total, number */
    IE_COMMAND_PACKET = 0x70,
    IE_HEADER_LEN = 2,

    /* Header bytes in the user data, its own length byte included. */
    UDH_SINGLE = 1 + IE_HEADER_LEN,
    UDH_LATER = 1 + IE_HEADER_LEN + IE_CONCATENATION_LEN,
    UDH_FIRST = UDH_LATER + IE_HEADER_LEN,

    PART_SINGLE = SMS_USER_DATA_MAX - UDH_SINGLE,
    PART_FIRST = SMS_USER_DATA_MAX - UDH_FIRST,
    PART_LATER = SMS_USER_DATA_MAX - UDH_LATER,
};

_Static_assert(1 + (SCP80_PACKET_MAX - PART_FIRST + PART_LATER - 1) / PART_LATER <=
                   SMS_SEGMENTS_MAX,
               "the longest packet fits the segments a reader keeps");

static const uint8_t network_to_uicc[] = {0x83, 0x81};
/* Number 1234, as no card acts on who sends; a fixed time, as nothing here has a clock. */
static const uint8_t originator[] = {0x04, 0x81, 0x21, 0x43};
static const uint8_t time_stamp[TP_SCTS_LEN] = {0x00, 0x10, 0x10};

size_t sms_segment_count(size_t packet_len)
{
    if (packet_len <= PART_SINGLE) {
        return 1;
    }
    return 1 + (packet_len - PART_FIRST + PART_LATER - 1) / PART_LATER;
}

/* The part of the packet that segment number of total carries. */
static struct span part_of(struct span packet, size_t total, size_t number)
{
    if (total == 1) {
        return packet;
    }
    if (number == 1) {
        return span_of(packet.ptr, PART_FIRST);
    }
    size_t start = PART_FIRST + (number - 2) * PART_LATER;
    size_t left = packet.len - start;
    return span_of(packet.ptr + start, left < PART_LATER ? left : PART_LATER);
}

static void put_user_data(struct writer *w, const struct sms_segment *s)
{
    bool concatenated = s->total > 1;
    size_t header = !concatenated ? UDH_SINGLE : s->number == 1 ? UDH_FIRST : UDH_LATER;
    put_u8(w, (uint8_t)(header + s->part.len));
    put_u8(w, (uint8_t)(header - 1));
    if (concatenated) {
        put_u8(w, IE_CONCATENATION);
        put_u8(w, IE_CONCATENATION_LEN);
        put_u8(w, s->reference);
        put_u8(w, s->total);
        put_u8(w, s->number);
    }
    if (s->number == 1) {
        put_u8(w, IE_COMMAND_PACKET);
        put_u8(w, 0);
    }
    put_span(w, s->part);
}

static void put_deliver(struct writer *w, const struct sms_segment *s)
{
    put_u8(w, TP_DELIVER_FIRST);
    put_bytes(w, originator, sizeof originator);
    put_u8(w, TP_PID_USIM_DOWNLOAD);
    put_u8(w, TP_DCS_CLASS_2_8BIT);
    put_bytes(w, time_stamp, sizeof time_stamp);
    put_user_data(w, s);
}

enum status sms_envelope_put(struct writer *w, struct span packet, uint8_t reference, size_t number)
{
    size_t total = sms_segment_count(packet.len);
    if (packet.len == 0 || packet.len > SCP80_PACKET_MAX || number == 0 || number > total) {
        return STATUS_BAD_LENGTH;
    }
    const struct sms_segment segment = {.reference = reference,
                                        .total = (uint8_t)total,
                                        .number = (uint8_t)number,
                                        .part = part_of(packet, total, number)};
    uint8_t deliver_storage[APDU_DATA_MAX];
    uint8_t body_storage[APDU_DATA_MAX];
    uint8_t data_storage[APDU_DATA_MAX];
    struct writer deliver = writer_of(deliver_storage, sizeof deliver_storage);
    struct writer body = writer_of(body_storage, sizeof body_storage);
    struct writer data = writer_of(data_storage, sizeof data_storage);

    put_deliver(&deliver, &segment);
    tlv_put(&body, TAG_DEVICE_IDENTITIES, span_of(network_to_uicc, sizeof network_to_uicc));
    tlv_put_built(&body, TAG_SMS_TPDU, &deliver);
    tlv_put_built(&data, TAG_SMS_PP_DOWNLOAD, &body);
    TRY(writer_check(&data));
    apdu_put(w, &(struct apdu){.cla = 0x80, .ins = INS_ENVELOPE, .data = writer_span(&data)});
    return writer_check(w);
}

/* TP-OA: number of digits, type of number, two digits a byte. */
static enum status skip_originator(struct cursor *in)
{
    uint8_t digits;
    struct span skipped;
    TRY(cursor_u8(in, &digits));
    if (digits > TP_OA_DIGITS_MAX) {
        return STATUS_TLV_MALFORMED;
    }
    return cursor_take(in, 1 + ((size_t)digits + 1) / 2, &skipped);
}

static enum status expect_u8(struct cursor *in, uint8_t value)
{
    uint8_t b;
    TRY(cursor_u8(in, &b));
    return b == value ? STATUS_OK : STATUS_TLV_MALFORMED;
}

static enum status read_concatenation(struct cursor *in, struct sms_segment *out)
{
    struct span v;
    TRY(expect_u8(in, IE_CONCATENATION_LEN));
    TRY(cursor_take(in, IE_CONCATENATION_LEN, &v));
    *out = (struct sms_segment){.reference = v.ptr[0], .total = v.ptr[1], .number = v.ptr[2]};
    bool valid = out->total > 1 && out->total <= SMS_SEGMENTS_MAX && out->number >= 1 &&
                 out->number <= out->total;
    return valid ? STATUS_OK : STATUS_TLV_MALFORMED;
}

/* The elements of a user data header, in the order they are written above. */
static enum status read_user_data_header(struct span header, struct sms_segment *out)
{
    struct cursor in = cursor_of(header);
    *out = (struct sms_segment){.total = 1, .number = 1};
    if (in.left != 0 && in.ptr[0] == IE_CONCATENATION) {
        TRY(expect_u8(&in, IE_CONCATENATION));
        TRY(read_concatenation(&in, out));
    }
    if (out->number == 1) {
        TRY(expect_u8(&in, IE_COMMAND_PACKET));
        TRY(expect_u8(&in, 0));
    }
    return cursor_expect_end(&in);
}

static enum status read_user_data(struct cursor *in, struct sms_segment *out)
{
    uint8_t len;
    uint8_t header_len;
    struct span header;
    TRY(cursor_u8(in, &len));
    if (len > SMS_USER_DATA_MAX || len != in->left) {
        return STATUS_TLV_MALFORMED;
    }
    TRY(cursor_u8(in, &header_len));
    TRY(cursor_take(in, header_len, &header));
    TRY(read_user_data_header(header, out));
    TRY(cursor_take(in, in->left, &out->part));
    return out->part.len != 0 ? STATUS_OK : STATUS_TLV_MALFORMED;
}

static enum status read_deliver(struct span tpdu, struct sms_segment *out)
{
    struct cursor in = cursor_of(tpdu);
    uint8_t first;
    struct span skipped;
    TRY(cursor_u8(&in, &first));
    if ((first & (TP_MTI_MASK | TP_UDHI)) != TP_UDHI) {
        return STATUS_TLV_MALFORMED;
    }
    TRY(skip_originator(&in));
    TRY(expect_u8(&in, TP_PID_USIM_DOWNLOAD));
    TRY(expect_u8(&in, TP_DCS_CLASS_2_8BIT));
    TRY(cursor_take(&in, TP_SCTS_LEN, &skipped));
    return read_user_data(&in, out);
}

static enum status read_envelope(struct span data, struct sms_segment *out)
{
    struct cursor in = cursor_of(data);
    struct span body;
    struct span identities;
    struct span tpdu;
    TRY(tlv_expect(&in, TAG_SMS_PP_DOWNLOAD, &body));
    TRY(cursor_expect_end(&in));
    in = cursor_of(body);
    TRY(tlv_expect(&in, TAG_DEVICE_IDENTITIES, &identities));
    TRY(tlv_expect(&in, TAG_SMS_TPDU, &tpdu));
    TRY(cursor_expect_end(&in));
    if (!span_eq(identities, span_of(network_to_uicc, sizeof network_to_uicc))) {
        return STATUS_TLV_MALFORMED;
    }
    return read_deliver(tpdu, out);
}

enum status sms_envelope_parse(struct span envelope_data, struct sms_segment *out)
{
    *out = (struct sms_segment){0};
    enum status s = read_envelope(envelope_data, out);
    if (s != STATUS_OK) {
        *out = (struct sms_segment){0};
    }
    return s;
}
