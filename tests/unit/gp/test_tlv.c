/* BER-TLV and DGI: every form of tag and length, and each way to get one wrong. */
#include "proto/gp/tlv.h"
#include "tests/unit/gp/gp_test.h"

static uint8_t big[TLV_LENGTH_MAX + 16];

static void tags_of_one_to_three_bytes(void **state)
{
    static const struct {
        const char *hex;
        uint32_t tag;
    } rows[] = {{"90 01 AA", 0x90},        {"5F37 01 AA", 0x5F37},     {"7F21 01 AA", 0x7F21},
                {"5F1F 01 AA", 0x5F1F},    {"DF817F 01 AA", 0xDF817F}, {"01 01 AA", 0x01},
                {"FF8101 01 AA", 0xFF8101}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bytes b;
        struct tlv t;
        bytes_init(&b);
        bytes_hex(&b, rows[i].hex);
        struct cursor in = cursor_of(bytes_span(&b));
        assert_status(tlv_next(&in, &t), STATUS_OK);
        assert_int_equal(t.tag, rows[i].tag);
        assert_hex(t.value, "AA");
        assert_spans_equal(t.raw, bytes_span(&b));
        assert_int_equal(in.left, 0);

        struct bytes again;
        bytes_init(&again);
        tlv_put(&again.w, t.tag, t.value);
        assert_spans_equal(bytes_span(&again), t.raw);
    }
}

static void malformed_tlvs(void **state)
{
    static const char *const rows[] = {
        "",      /* nothing */
        "90",    /* no length */
        "00 00", /* end of contents */
        "5F",    /* tag cut */
        "5F80 01 AA",
        "5F8001 01 AA",   /* leading zero in the tag's number */
        "5F1E 01 AA",     /* number that one byte could have said */
        "5F81",           /* third byte cut */
        "5F818101 00",    /* four bytes of tag */
        "90 80 AA 00 00", /* indefinite */
        "90 81",          /* length cut */
        "90 81 01 AA",    /* 81 where the short form is due */
        "90 81 7F",       /* the same at its end */
        "90 82 00 01 AA", /* 82 where the short form is due */
        "90 82 00 FF",    /* 82 where 81 is due */
        "90 82 01",       /* length cut */
        "90 83 00 00 01 AA",
        "90 84 00 00 00 01 AA",
        "90 FF",
        "90 02 AA", /* value cut */
        "90 84 FF FF FF FF",
        "90 82 FF FF AA",
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bytes b;
        bytes_init(&b);
        bytes_hex(&b, rows[i]);
        struct cursor in = cursor_of(bytes_span(&b));
        struct tlv t = {.tag = 1};
        assert_status(tlv_next(&in, &t), STATUS_TLV_MALFORMED);
        assert_int_equal(t.tag, 0);
        assert_null(t.raw.ptr);
        assert_ptr_equal(in.ptr, b.storage); /* the cursor stays */
        assert_int_equal(in.left, b.w.len);
    }
}

static void ber_lengths_at_their_bounds(void **state)
{
    static const struct {
        size_t len;
        const char *header;
    } rows[] = {{0, "80 00"},           {1, "80 01"},       {0x7F, "80 7F"},
                {0x80, "80 81 80"},     {0xFF, "80 81 FF"}, {0x100, "80 82 01 00"},
                {0xFFFF, "80 82 FF FF"}};
    (void)state;
    static uint8_t value[TLV_LENGTH_MAX];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct writer w = writer_of(big, sizeof big);
        tlv_put(&w, 0x80, span_of(value, rows[i].len));
        assert_false(w.overflow);
        assert_int_equal(w.len, tlv_size(0x80, rows[i].len));
        assert_hex(span_of(big, w.len - rows[i].len), rows[i].header);

        struct cursor in = cursor_of(writer_span(&w));
        struct tlv t;
        assert_status(tlv_next(&in, &t), STATUS_OK);
        assert_int_equal(t.value.len, rows[i].len);
        assert_int_equal(in.left, 0);
    }
    struct writer w = writer_of(big, sizeof big);
    tlv_put_header(&w, 0x80, TLV_LENGTH_MAX + 1);
    assert_status(writer_check(&w), STATUS_NO_SPACE);
}

/* Whole values behind a length written longer than it must be: only the form is wrong. */
static void lengths_in_a_longer_form(void **state)
{
    static const struct {
        const char *tlv; /* tag and length */
        size_t len;
        enum status want;
    } rows[] = {
        {"80 81 7F", 0x7F, STATUS_TLV_MALFORMED},
        {"80 81 80", 0x80, STATUS_OK},
        {"80 82 00 FF", 0xFF, STATUS_TLV_MALFORMED},
        {"80 82 01 00", 0x100, STATUS_OK},
        {"80 82 00 01", 0x01, STATUS_TLV_MALFORMED},
        {"80 83 00 01 00", 0x100, STATUS_TLV_MALFORMED},
    };
    static const uint8_t value[0x100] = {0};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bytes b;
        struct tlv t;
        bytes_init(&b);
        bytes_hex(&b, rows[i].tlv);
        put_bytes(&b.w, value, rows[i].len);
        struct cursor in = cursor_of(bytes_span(&b));
        assert_status(tlv_next(&in, &t), rows[i].want);
    }
    for (size_t len = 0xFD; len <= 0x100; len++) {
        struct bytes b;
        uint16_t tag;
        struct span got;
        bytes_init(&b);
        bytes_hex(&b, "3A01 FF");
        put_be(&b.w, len, 2);
        put_bytes(&b.w, value, len);
        struct cursor in = cursor_of(bytes_span(&b));
        assert_status(dgi_next(&in, &tag, &got), len > 0xFE ? STATUS_OK : STATUS_TLV_MALFORMED);
    }
}

static void sizes_count_tag_and_length(void **state)
{
    (void)state;
    assert_int_equal(tlv_size(0x90, 0), 2);
    assert_int_equal(tlv_size(0x5F37, 64), 2 + 1 + 64);
    assert_int_equal(tlv_size(0x7F21, 0xA5), 2 + 2 + 0xA5);
    assert_int_equal(tlv_size(0xDF817F, 0x100), 3 + 3 + 0x100);
}

static void expecting_a_tag(void **state)
{
    (void)state;
    struct bytes b;
    struct span value;
    uint8_t u8;
    bytes_init(&b);
    bytes_hex(&b, "83 01 0F 91 00");
    struct cursor in = cursor_of(bytes_span(&b));
    assert_status(tlv_expect(&in, 0x91, &value), STATUS_TLV_MALFORMED);
    assert_null(value.ptr);
    assert_status(tlv_expect_u8(&in, 0x83, &u8), STATUS_OK);
    assert_int_equal(u8, 0x0F);
    assert_status(tlv_expect_u8(&in, 0x91, &u8), STATUS_TLV_MALFORMED); /* empty */
    assert_int_equal(u8, 0);
    assert_status(tlv_expect(&in, 0x91, &value), STATUS_OK);
    assert_int_equal(value.len, 0);
    assert_status(cursor_expect_end(&in), STATUS_OK);
}

static void an_overflow_inside_is_one_outside(void **state)
{
    (void)state;
    uint8_t small[4];
    struct writer body = writer_of(small, sizeof small);
    tlv_put(&body, 0x80, span_of(big, sizeof small));
    struct bytes b;
    bytes_init(&b);
    tlv_put_built(&b.w, 0xA6, &body);
    assert_true(b.w.overflow);
    assert_int_equal(b.w.len, 0);
}

static void dgi_lengths_at_their_bounds(void **state)
{
    static const struct {
        size_t len;
        const char *header;
    } rows[] = {{0, "3A01 00"},         {0xA9, "3A01 A9"},       {0xFE, "3A01 FE"},
                {0xFF, "3A01 FF 00FF"}, {0x100, "3A01 FF 0100"}, {0xFFFF, "3A01 FF FFFF"}};
    (void)state;
    static uint8_t value[TLV_LENGTH_MAX];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct writer w = writer_of(big, sizeof big);
        dgi_put(&w, 0x3A01, span_of(value, rows[i].len));
        assert_false(w.overflow);
        assert_hex(span_of(big, w.len - rows[i].len), rows[i].header);

        struct cursor in = cursor_of(writer_span(&w));
        uint16_t tag;
        struct span got;
        assert_status(dgi_next(&in, &tag, &got), STATUS_OK);
        assert_int_equal(tag, 0x3A01);
        assert_int_equal(got.len, rows[i].len);
        assert_int_equal(in.left, 0);
    }
    struct writer w = writer_of(big, sizeof big);
    dgi_put(&w, 0x3A01, span_of(value, TLV_LENGTH_MAX + 1));
    assert_status(writer_check(&w), STATUS_NO_SPACE);
}

static void malformed_dgis(void **state)
{
    static const char *const rows[] = {
        "",
        "3A",
        "3A01",
        "3A01 01",
        "3A01 FF",
        "3A01 FF 01",
        "3A01 FF 0001 AA", /* three bytes where one is due */
        "3A01 FF 00FE",
        "3A01 FF FFFF AA",
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bytes b;
        uint16_t tag = 1;
        struct span value;
        bytes_init(&b);
        bytes_hex(&b, rows[i]);
        struct cursor in = cursor_of(bytes_span(&b));
        assert_status(dgi_next(&in, &tag, &value), STATUS_TLV_MALFORMED);
        assert_null(value.ptr);
        assert_int_equal(tag, 0);
        assert_int_equal(in.left, b.w.len);
    }
}

static void expecting_a_dgi(void **state)
{
    (void)state;
    struct bytes b;
    struct span value;
    bytes_init(&b);
    bytes_hex(&b, "3A02 01 A6");
    struct cursor in = cursor_of(bytes_span(&b));
    assert_status(dgi_expect(&in, 0x3A01, &value), STATUS_TLV_MALFORMED);
    assert_null(value.ptr);
    assert_status(dgi_expect(&in, 0x3A02, &value), STATUS_OK);
    assert_hex(value, "A6");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tags_of_one_to_three_bytes),
        cmocka_unit_test(malformed_tlvs),
        cmocka_unit_test(ber_lengths_at_their_bounds),
        cmocka_unit_test(lengths_in_a_longer_form),
        cmocka_unit_test(sizes_count_tag_and_length),
        cmocka_unit_test(expecting_a_tag),
        cmocka_unit_test(an_overflow_inside_is_one_outside),
        cmocka_unit_test(dgi_lengths_at_their_bounds),
        cmocka_unit_test(malformed_dgis),
        cmocka_unit_test(expecting_a_dgi),
    };
    return cmocka_run_group_tests_name("tlv", tests, NULL, NULL);
}
