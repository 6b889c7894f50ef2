/* Certificates 7F21: every TLV missing, repeated, unknown, out of place, of a wrong length. */
#include <stdio.h>

#include "proto/gp/cert.h"
#include "proto/gp/tlv.h"
#include "tests/unit/gp/gp_test.h"

enum { TAG_CERTIFICATE = 0x7F21, TAG_DISCRETIONARY = 0x73, TAG_PUBLIC_KEY = 0x7F49 };

/* Where each TLV stands in the full certificate below. */
enum {
    AT_SERIAL,
    AT_CA_ID,
    AT_SUBJECT,
    AT_KEY_USAGE,
    AT_EFFECTIVE,
    AT_EXPIRY,
    AT_DISCRETIONARY,
    AT_PUBLIC_KEY,
    AT_SIGNATURE,
    PARTS,
};

static const uint8_t eid[GP_EID_LEN] = {0x89, 0x04, 0x90, 0x32, 0x00, 0x00, 0x00, 0x00,
                                        0x00, 0x00, 0x00, 0x00, 0x00, 0x12, 0x34, 0x56};
static const uint8_t point[GP_POINT_LEN] = {0x04, 0xAA};
static const uint8_t signature[GP_SIGNATURE_LEN] = {0x51, 0x52};
static const uint8_t eum_id[] = {0x2A, 0x86, 0x48};
static const uint8_t key_id[20] = {0xC9, 0x01};
static const uint8_t serial[] = {0x01, 0x02, 0x03};

static struct gp_cert_fields full_fields(void)
{
    return (struct gp_cert_fields){
        .serial = span_of(serial, sizeof serial),
        .ca_id = span_of(eum_id, sizeof eum_id),
        .subject = span_of(eid, sizeof eid),
        .key_usage = GP_KEY_USAGE_AGREEMENT,
        .key_usage_len = 2,
        .effective = 20240229,
        .expiry = 20301231,
        .role = GP_ROLE_SM_SR,
        .authority_key_id = span_of(key_id, sizeof key_id),
        .curve_ref = GP_CURVE_BRAINPOOLP256R1,
        .point = span_of(point, sizeof point),
    };
}

static struct span build(const struct gp_cert_fields *fields, struct bytes *out)
{
    struct bytes tbs;
    bytes_init(&tbs);
    gp_cert_put_tbs(&tbs.w, fields);
    bytes_init(out);
    gp_cert_put(&out->w, bytes_span(&tbs), span_of(signature, sizeof signature));
    return bytes_span(out);
}

/* The TLVs of the full certificate; they view storage. */
static struct parts full_parts(struct bytes *storage)
{
    const struct gp_cert_fields fields = full_fields();
    struct cursor in = cursor_of(build(&fields, storage));
    struct span body;
    assert_status(tlv_expect(&in, TAG_CERTIFICATE, &body), STATUS_OK);
    struct parts p = parts_of(body);
    assert_int_equal(p.count, PARTS);
    return p;
}

static enum status parse_parts(const struct parts *p)
{
    struct bytes b;
    struct gp_cert cert;
    return gp_cert_parse(parts_wrap(p, TAG_CERTIFICATE, &b), &cert);
}

static void fields_come_back(void **state)
{
    (void)state;
    struct bytes b;
    struct gp_cert cert;
    const struct gp_cert_fields f = full_fields();
    const struct span raw = build(&f, &b);
    assert_status(gp_cert_parse(raw, &cert), STATUS_OK);
    assert_spans_equal(cert.raw, raw);
    assert_spans_equal(cert.serial, f.serial);
    assert_spans_equal(cert.ca_id, f.ca_id);
    assert_spans_equal(cert.subject, f.subject);
    assert_int_equal(cert.key_usage, 0x0080);
    assert_int_equal(cert.key_usage_len, 2);
    assert_true(cert.has_effective);
    assert_int_equal(cert.effective.yyyymmdd, 20240229);
    assert_int_equal(cert.expiry.yyyymmdd, 20301231);
    assert_true(cert.has_discretionary);
    assert_int_equal(cert.role, GP_ROLE_SM_SR);
    assert_spans_equal(cert.authority_key_id, f.authority_key_id);
    assert_int_equal(cert.curve_ref, 0x03);
    assert_spans_equal(cert.point, f.point);
    assert_spans_equal(cert.signature, span_of(signature, sizeof signature));

    struct bytes tbs;
    bytes_init(&tbs);
    gp_cert_put_tbs(&tbs.w, &f);
    assert_spans_equal(cert.tbs, bytes_span(&tbs));
    assert_ptr_equal(cert.tbs.ptr, raw.ptr + 4); /* a view behind 7F21 81 L */
}

static void what_may_be_left_out(void **state)
{
    (void)state;
    struct bytes b;
    struct gp_cert cert;
    struct gp_cert_fields f = full_fields();
    f.effective = 0;
    f.authority_key_id = (struct span){0};
    assert_status(gp_cert_parse(build(&f, &b), &cert), STATUS_OK);
    assert_false(cert.has_effective);
    assert_true(cert.has_discretionary);
    assert_int_equal(cert.authority_key_id.len, 0);
    f.role = GP_ROLE_NONE;
    assert_status(gp_cert_parse(build(&f, &b), &cert), STATUS_OK);
    assert_false(cert.has_discretionary);
    assert_int_equal(cert.role, GP_ROLE_NONE);
}

static void each_tlv_missing(void **state)
{
    (void)state;
    for (size_t i = 0; i < PARTS; i++) {
        struct bytes b;
        struct parts p = full_parts(&b);
        parts_drop(&p, i);
        bool optional = i == AT_EFFECTIVE || i == AT_DISCRETIONARY;
        assert_status(parse_parts(&p), optional ? STATUS_OK : STATUS_CERT_MALFORMED);
    }
}

static void each_tlv_repeated(void **state)
{
    (void)state;
    for (size_t i = 0; i < PARTS; i++) {
        for (size_t at = i + 1; at <= PARTS; at++) {
            struct bytes b;
            struct parts p = full_parts(&b);
            parts_insert(&p, at, p.part[i]);
            assert_status(parse_parts(&p), STATUS_CERT_REPEATED_TLV);
        }
    }
}

static void an_unknown_tlv_anywhere(void **state)
{
    static const uint8_t unknown[] = {0x99, 0x01, 0x00};
    (void)state;
    for (size_t at = 0; at <= PARTS; at++) {
        struct bytes b;
        struct parts p = full_parts(&b);
        parts_insert(&p, at, span_of(unknown, sizeof unknown));
        assert_status(parse_parts(&p), STATUS_CERT_UNKNOWN_TLV);
    }
}

static void each_pair_of_tlvs_swapped(void **state)
{
    (void)state;
    for (size_t i = 0; i < PARTS; i++) {
        for (size_t j = i + 1; j < PARTS; j++) {
            struct bytes b;
            struct parts p = full_parts(&b);
            parts_swap(&p, i, j);
            assert_status(parse_parts(&p), STATUS_CERT_MALFORMED);
        }
    }
}

/* The header still fits: only what is inside ends early. */
static void the_body_cut_at_every_byte(void **state)
{
    (void)state;
    struct bytes b;
    struct bytes cut;
    const struct gp_cert_fields fields = full_fields();
    struct cursor in = cursor_of(build(&fields, &b));
    struct span body;
    assert_status(tlv_expect(&in, TAG_CERTIFICATE, &body), STATUS_OK);
    for (size_t len = 0; len < body.len; len++) {
        struct gp_cert cert;
        bytes_init(&cut);
        tlv_put(&cut.w, TAG_CERTIFICATE, span_of(body.ptr, len));
        assert_status(gp_cert_parse(bytes_span(&cut), &cert), STATUS_CERT_MALFORMED);
        assert_null(cert.raw.ptr);
        assert_null(cert.point.ptr);
    }
}

static void nothing_may_follow_or_stand_around(void **state)
{
    (void)state;
    struct bytes b;
    struct gp_cert cert;
    const struct gp_cert_fields fields = full_fields();
    (void)build(&fields, &b);
    put_u8(&b.w, 0x00);
    assert_status(gp_cert_parse(bytes_span(&b), &cert), STATUS_CERT_MALFORMED);

    (void)build(&fields, &b);
    b.storage[1] = 0x22; /* 7F22 */
    assert_status(gp_cert_parse(bytes_span(&b), &cert), STATUS_CERT_MALFORMED);
    assert_status(gp_cert_parse((struct span){0}, &cert), STATUS_CERT_MALFORMED);
}

/* The full certificate with one TLV replaced by the one given in hex. */
static enum status with_part(size_t at, const char *hex)
{
    struct bytes b;
    struct bytes other;
    struct parts p = full_parts(&b);
    bytes_init(&other);
    bytes_hex(&other, hex);
    p.part[at] = bytes_span(&other);
    return parse_parts(&p);
}

static void lengths_of_short_fields(void **state)
{
    static const struct {
        size_t at;
        const char *hex;
        enum status want;
    } rows[] = {
        {AT_SERIAL, "93 00", STATUS_CERT_MALFORMED},
        {AT_SERIAL, "93 01 00", STATUS_OK},
        {AT_SERIAL, "93 10 00112233445566778899AABBCCDDEEFF", STATUS_OK},
        {AT_SERIAL, "93 11 00112233445566778899AABBCCDDEEFF00", STATUS_CERT_MALFORMED},
        {AT_CA_ID, "42 00", STATUS_CERT_MALFORMED},
        {AT_CA_ID, "42 11 00112233445566778899AABBCCDDEEFF00", STATUS_CERT_MALFORMED},
        {AT_SUBJECT, "5F20 00", STATUS_CERT_MALFORMED},
        {AT_SUBJECT, "5F20 11 00112233445566778899AABBCCDDEEFF00", STATUS_CERT_MALFORMED},
        {AT_KEY_USAGE, "95 00", STATUS_CERT_MALFORMED},
        {AT_KEY_USAGE, "95 01 88", STATUS_OK},
        {AT_KEY_USAGE, "95 03 000088", STATUS_CERT_MALFORMED},
        {AT_DISCRETIONARY, "73 00", STATUS_OK},
        {AT_DISCRETIONARY, "53 03 C80102", STATUS_OK},
        {AT_DISCRETIONARY, "73 02 C800", STATUS_CERT_MALFORMED},
        {AT_DISCRETIONARY, "73 04 C8020202", STATUS_CERT_MALFORMED},
        {AT_DISCRETIONARY, "73 02 C900", STATUS_CERT_MALFORMED},
        {AT_DISCRETIONARY, "73 02 C801", STATUS_CERT_MALFORMED},
        {AT_DISCRETIONARY, "73 06 C80102 C80102", STATUS_CERT_REPEATED_TLV},
        {AT_DISCRETIONARY, "73 06 C90102 C90102", STATUS_CERT_REPEATED_TLV},
        {AT_DISCRETIONARY, "73 06 C00101 C80102", STATUS_OK},
        {AT_DISCRETIONARY, "73 09 C00101 C80102 C00101", STATUS_CERT_REPEATED_TLV},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_status(with_part(rows[i].at, rows[i].hex), rows[i].want);
    }
}

static void both_forms_of_discretionary_data_are_one_place(void **state)
{
    static const uint8_t other_form[] = {0x53, 0x03, 0xC8, 0x01, 0x02};
    (void)state;
    struct bytes b;
    struct parts p = full_parts(&b);
    parts_insert(&p, AT_DISCRETIONARY + 1, span_of(other_form, sizeof other_form));
    assert_status(parse_parts(&p), STATUS_CERT_REPEATED_TLV);
}

static void dates(void **state)
{
    static const struct {
        const char *value;
        enum status want;
    } rows[] = {
        {"04 20240101", STATUS_OK},
        {"04 00000101", STATUS_OK},
        {"04 99991231", STATUS_OK},
        {"04 2A240101", STATUS_CERT_MALFORMED},
        {"04 202F0101", STATUS_CERT_MALFORMED},
        {"04 20240A01", STATUS_CERT_MALFORMED},
        {"04 2024010A", STATUS_CERT_MALFORMED},
        {"04 20240001", STATUS_CERT_MALFORMED},
        {"04 20241301", STATUS_CERT_MALFORMED},
        {"04 20240100", STATUS_CERT_MALFORMED},
        {"04 20240132", STATUS_CERT_MALFORMED},
        {"03 202401", STATUS_CERT_MALFORMED},
        {"05 2024010101", STATUS_CERT_MALFORMED},
        {"00", STATUS_CERT_MALFORMED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char hex[32];
        (void)snprintf(hex, sizeof hex, "5F24 %s", rows[i].value);
        assert_status(with_part(AT_EXPIRY, hex), rows[i].want);
        (void)snprintf(hex, sizeof hex, "5F25 %s", rows[i].value);
        assert_status(with_part(AT_EFFECTIVE, hex), rows[i].want);
    }
}

/* The full certificate with the value of one TLV cut or grown to len bytes, its first one given. */
static enum status with_length(size_t at, uint32_t tag, uint8_t first, size_t len)
{
    struct bytes b;
    struct bytes other;
    const uint8_t value[80] = {first};
    struct parts p = full_parts(&b);
    bytes_init(&other);
    tlv_put(&other.w, tag, span_of(value, len));
    p.part[at] = bytes_span(&other);
    return parse_parts(&p);
}

static void the_signature_is_64_bytes(void **state)
{
    (void)state;
    assert_status(with_length(AT_SIGNATURE, 0x5F37, 0, 63), STATUS_CERT_MALFORMED);
    assert_status(with_length(AT_SIGNATURE, 0x5F37, 0, 64), STATUS_OK);
    assert_status(with_length(AT_SIGNATURE, 0x5F37, 0, 65), STATUS_CERT_MALFORMED);
    assert_status(with_length(AT_SIGNATURE, 0x5F37, 0, 0), STATUS_CERT_MALFORMED);
}

/* A public key of B0 with this point and whatever follows. */
static enum status with_key(uint8_t first, size_t point_len, const char *rest)
{
    struct bytes b;
    struct bytes value;
    struct bytes other;
    const uint8_t p04[80] = {first};
    struct parts p = full_parts(&b);
    bytes_init(&value);
    tlv_put(&value.w, 0xB0, span_of(p04, point_len));
    bytes_hex(&value, rest);
    bytes_init(&other);
    tlv_put(&other.w, TAG_PUBLIC_KEY, bytes_span(&value));
    p.part[AT_PUBLIC_KEY] = bytes_span(&other);
    return parse_parts(&p);
}

static void the_public_key(void **state)
{
    (void)state;
    assert_status(with_key(0x04, 65, "F0 01 40"), STATUS_OK);
    assert_status(with_key(0x04, 65, "F0 01 77"), STATUS_OK); /* its curve is the caller's matter */
    assert_status(with_key(0x04, 64, "F0 01 00"), STATUS_CERT_MALFORMED);
    assert_status(with_key(0x04, 66, "F0 01 00"), STATUS_CERT_MALFORMED);
    assert_status(with_key(0x02, 65, "F0 01 00"), STATUS_CERT_MALFORMED);
    assert_status(with_key(0x00, 1, "F0 01 00"), STATUS_CERT_MALFORMED); /* infinity */
    assert_status(with_key(0x04, 65, ""), STATUS_CERT_MALFORMED);
    assert_status(with_key(0x04, 65, "F0 00"), STATUS_CERT_MALFORMED);
    assert_status(with_key(0x04, 65, "F0 02 0000"), STATUS_CERT_MALFORMED);
    assert_status(with_key(0x04, 65, "F0 01"), STATUS_CERT_MALFORMED);
    assert_status(with_key(0x04, 65, "F0 01 00 F0 01 00"), STATUS_CERT_REPEATED_TLV);
    assert_status(with_key(0x04, 65, "F0 01 00 B0 00"), STATUS_CERT_REPEATED_TLV);
    assert_status(with_key(0x04, 65, "F0 01 00 B1 00"), STATUS_CERT_UNKNOWN_TLV);
    assert_status(with_part(AT_PUBLIC_KEY, "7F49 00"), STATUS_CERT_MALFORMED);
    assert_status(with_part(AT_PUBLIC_KEY, "7F49 03 F0 01 00"), STATUS_CERT_MALFORMED);
}

static void the_largest_fields_fit(void **state)
{
    static const uint8_t longest[32] = {0xFF};
    (void)state;
    struct bytes b;
    struct gp_cert cert;
    struct gp_cert_fields f = full_fields();
    f.serial = f.ca_id = f.subject = span_of(longest, 16);
    f.authority_key_id = span_of(longest, sizeof longest);
    assert_status(gp_cert_parse(build(&f, &b), &cert), STATUS_OK);
    assert_true(cert.raw.len <= GP_CERT_MAX);
}

static void one_byte_over_the_limit_is_refused(void **state)
{
    static const uint8_t padding[GP_CERT_MAX] = {0};
    (void)state;
    struct bytes b;
    struct bytes value;
    struct bytes other;
    struct bytes whole;
    struct gp_cert cert;
    /* An unknown TLV inside 73 takes the certificate over the limit, one byte at a time. */
    for (size_t len = 256; len < GP_CERT_MAX; len++) {
        struct parts p = full_parts(&b);
        bytes_init(&value);
        tlv_put(&value.w, 0xC0, span_of(padding, len));
        bytes_init(&other);
        tlv_put(&other.w, TAG_DISCRETIONARY, bytes_span(&value));
        p.part[AT_DISCRETIONARY] = bytes_span(&other);
        const struct span in = parts_wrap(&p, TAG_CERTIFICATE, &whole);
        assert_status(gp_cert_parse(in, &cert),
                      in.len <= GP_CERT_MAX ? STATUS_OK : STATUS_CERT_MALFORMED);
    }
    assert_true(whole.w.len > GP_CERT_MAX);
}

static void an_eid_is_32_decimal_digits(void **state)
{
    (void)state;
    uint8_t bytes[GP_EID_LEN + 1] = {0};
    memcpy(bytes, eid, sizeof eid);
    assert_true(gp_eid_valid(span_of(bytes, GP_EID_LEN)));
    assert_false(gp_eid_valid(span_of(bytes, GP_EID_LEN - 1)));
    assert_false(gp_eid_valid(span_of(bytes, GP_EID_LEN + 1)));
    assert_false(gp_eid_valid((struct span){0}));
    for (size_t i = 0; i < GP_EID_LEN; i++) {
        uint8_t was = bytes[i];
        bytes[i] = 0xA0;
        assert_false(gp_eid_valid(span_of(bytes, GP_EID_LEN)));
        bytes[i] = 0x0A;
        assert_false(gp_eid_valid(span_of(bytes, GP_EID_LEN)));
        bytes[i] = 0x99;
        assert_true(gp_eid_valid(span_of(bytes, GP_EID_LEN)));
        bytes[i] = was;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_come_back),
        cmocka_unit_test(what_may_be_left_out),
        cmocka_unit_test(each_tlv_missing),
        cmocka_unit_test(each_tlv_repeated),
        cmocka_unit_test(an_unknown_tlv_anywhere),
        cmocka_unit_test(each_pair_of_tlvs_swapped),
        cmocka_unit_test(the_body_cut_at_every_byte),
        cmocka_unit_test(nothing_may_follow_or_stand_around),
        cmocka_unit_test(lengths_of_short_fields),
        cmocka_unit_test(both_forms_of_discretionary_data_are_one_place),
        cmocka_unit_test(dates),
        cmocka_unit_test(the_signature_is_64_bytes),
        cmocka_unit_test(the_public_key),
        cmocka_unit_test(the_largest_fields_fit),
        cmocka_unit_test(one_byte_over_the_limit_is_refused),
        cmocka_unit_test(an_eid_is_32_decimal_digits),
    };
    return cmocka_run_group_tests_name("cert", tests, NULL, NULL);
}
