/* STORE DATA, its answers, ePK, SharedInfo: round trips and each way to get them wrong. */
#include "proto/gp/key_establishment.h"
#include "tests/unit/gp/gp_test.h"

static const uint8_t point[GP_POINT_LEN] = {0x04, 0xAA};
static const uint8_t signature[GP_SIGNATURE_LEN] = {0x51};
static const uint8_t sixteen[16] = {0x11};
static const uint8_t longer[80] = {0x22};

static void epk_in_both_forms(void **state)
{
    (void)state;
    struct bytes b;
    struct span got;
    bytes_init(&b);
    epk_put(&b.w, EPK_RAW, GP_CURVE_FRP256V1, point);
    assert_spans_equal(bytes_span(&b), span_of(point, sizeof point));
    assert_status(epk_parse(bytes_span(&b), GP_CURVE_P256, &got), STATUS_OK);
    assert_spans_equal(got, span_of(point, sizeof point));

    bytes_init(&b);
    epk_put(&b.w, EPK_TLV, GP_CURVE_FRP256V1, point);
    assert_int_equal(b.w.len, 2 + GP_POINT_LEN + 3);
    assert_hex(span_of(b.storage, 3), "B04104");
    assert_hex(span_of(b.storage + 2 + GP_POINT_LEN, 3), "F00140");
    assert_status(epk_parse(bytes_span(&b), GP_CURVE_FRP256V1, &got), STATUS_OK);
    assert_spans_equal(got, span_of(point, sizeof point));
    assert_status(epk_parse(bytes_span(&b), GP_CURVE_P256, &got), STATUS_BAD_CURVE);
    assert_null(got.ptr);
}

static enum status parse_epk(uint8_t first, size_t point_len, bool tlv, const char *rest)
{
    struct bytes b;
    struct span got;
    uint8_t p[80] = {first};
    bytes_init(&b);
    if (tlv) {
        put_u8(&b.w, 0xB0);
        put_u8(&b.w, (uint8_t)point_len);
    }
    put_bytes(&b.w, p, point_len);
    bytes_hex(&b, rest);
    enum status s = epk_parse(bytes_span(&b), GP_CURVE_P256, &got);
    assert_true(s == STATUS_OK || got.ptr == NULL);
    return s;
}

static void epk_refusals(void **state)
{
    (void)state;
    assert_status(parse_epk(0x04, 0, false, ""), STATUS_BAD_POINT);
    assert_status(parse_epk(0x04, 64, false, ""), STATUS_BAD_POINT);
    assert_status(parse_epk(0x04, 66, false, ""), STATUS_BAD_POINT);
    assert_status(parse_epk(0x02, 33, false, ""), STATUS_BAD_POINT);
    assert_status(parse_epk(0x06, 65, false, ""), STATUS_BAD_POINT);
    assert_status(parse_epk(0x00, 1, false, ""), STATUS_BAD_POINT); /* infinity */
    assert_status(parse_epk(0x04, 65, true, "F00100"), STATUS_OK);
    assert_status(parse_epk(0x06, 65, true, "F00100"), STATUS_BAD_POINT);
    assert_status(parse_epk(0x04, 64, true, "F00100"), STATUS_BAD_POINT);
    assert_status(parse_epk(0x04, 0, true, "F00100"), STATUS_BAD_POINT);
    assert_status(parse_epk(0x04, 65, true, "F00103"), STATUS_BAD_CURVE);
    assert_status(parse_epk(0x04, 65, true, ""), STATUS_TLV_MALFORMED);
    assert_status(parse_epk(0x04, 65, true, "F000"), STATUS_TLV_MALFORMED);
    assert_status(parse_epk(0x04, 65, true, "F0020000"), STATUS_TLV_MALFORMED);
    assert_status(parse_epk(0x04, 65, true, "F00100 F00100"), STATUS_TLV_MALFORMED);
    assert_status(parse_epk(0x04, 65, true, "F10100"), STATUS_TLV_MALFORMED);
}

static void the_first_store_data(void **state)
{
    static const uint8_t cert[GP_CERT_MAX] = {0x7F, 0x21};
    static const size_t lens[] = {0, 1, 0xFE, 0xFF, GP_CERT_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        struct bytes b;
        struct span got;
        bytes_init(&b);
        store_data_1_put(&b.w, span_of(cert, lens[i]));
        assert_true(b.w.len <= STORE_DATA_MAX);
        assert_status(store_data_1_parse(bytes_span(&b), &got), STATUS_OK);
        assert_spans_equal(got, span_of(cert, lens[i]));
        put_u8(&b.w, 0x00); /* and nothing behind it */
        assert_status(store_data_1_parse(bytes_span(&b), &got), STATUS_TLV_MALFORMED);
        assert_null(got.ptr);
    }
}

static enum status parse_two(const char *hex)
{
    struct bytes b;
    struct store_data_2 got;
    bytes_init(&b);
    bytes_hex(&b, hex);
    enum status s = store_data_2_parse(bytes_span(&b), &got);
    assert_true(s == STATUS_OK || (got.crt_a6.ptr == NULL && got.signature.ptr == NULL));
    return s;
}

#define SIG                                                                                        \
    "5F3740 0000000000000000000000000000000000000000000000000000000000000000"                      \
    "0000000000000000000000000000000000000000000000000000000000000000"

static void the_second_store_data(void **state)
{
    (void)state;
    struct bytes b;
    struct store_data_2 got;
    bytes_init(&b);
    store_data_2_put(&b.w, span_of(longer, 40), span_of(point, sizeof point),
                     span_of(signature, sizeof signature));
    assert_status(store_data_2_parse(bytes_span(&b), &got), STATUS_OK);
    assert_spans_equal(got.crt_a6, span_of(longer, 40));
    assert_spans_equal(got.epk_value, span_of(point, sizeof point));
    assert_spans_equal(got.signature, span_of(signature, sizeof signature));

    assert_status(parse_two("3A0201A6 7F490104 " SIG), STATUS_OK);
    assert_status(parse_two("7F490104 3A0201A6 " SIG), STATUS_TLV_MALFORMED);
    assert_status(parse_two("3A0201A6 " SIG " 7F490104"), STATUS_TLV_MALFORMED);
    assert_status(parse_two("3A0201A6 3A0201A6 7F490104 " SIG), STATUS_TLV_MALFORMED);
    assert_status(parse_two("3A0101A6 7F490104 " SIG), STATUS_TLV_MALFORMED);
    assert_status(parse_two("3A0201A6 7F490104 " SIG "00"), STATUS_TLV_MALFORMED);
    assert_status(parse_two("3A0201A6 7F490104 0085020000 " SIG), STATUS_TLV_MALFORMED);
    assert_status(parse_two("3A0201A6 7F490104 5F370100"), STATUS_TLV_MALFORMED);
    assert_status(parse_two("3A0201A6 7F490104"), STATUS_TLV_MALFORMED);
    assert_status(parse_two("3A0201A6 " SIG), STATUS_TLV_MALFORMED);
    assert_status(parse_two("7F490104 " SIG), STATUS_TLV_MALFORMED);
}

static void what_is_signed_is_bounded(void **state)
{
    (void)state;
    struct bytes b;
    struct bytes epk;
    static const uint8_t crt[CRT_MAX] = {0xA6};
    bytes_init(&epk);
    epk_put(&epk.w, EPK_TLV, 0, point);
    bytes_init(&b);
    signed_bytes_put(&b.w, span_of(crt, sizeof crt), bytes_span(&epk),
                     span_of(longer, RC_LEN_LONG));
    assert_true(b.w.len <= SIGNED_BYTES_MAX);
}

static void the_challenge_has_two_lengths(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 40; len++) {
        struct bytes b;
        struct span rc;
        bytes_init(&b);
        answer_1_put(&b.w, span_of(longer, len));
        enum status want = len == 16 || len == 32 ? STATUS_OK : STATUS_BAD_RC;
        assert_status(answer_1_parse(bytes_span(&b), &rc), want);
        assert_int_equal(rc.len, want == STATUS_OK ? len : 0);
        put_u8(&b.w, 0x00);
        assert_status(answer_1_parse(bytes_span(&b), &rc), STATUS_TLV_MALFORMED);
    }
    struct bytes b;
    struct span rc;
    bytes_init(&b);
    bytes_hex(&b, "86 10 000102030405060708090A0B0C0D0E0F");
    assert_status(answer_1_parse(bytes_span(&b), &rc), STATUS_TLV_MALFORMED);
}

static void the_receipt_with_and_without_dr(void **state)
{
    (void)state;
    struct bytes b;
    struct span dr;
    struct span receipt;
    for (size_t len = 0; len <= 20; len++) {
        bytes_init(&b);
        answer_2_put(&b.w, (struct span){0}, span_of(longer, len));
        assert_status(answer_2_parse(bytes_span(&b), &dr, &receipt),
                      len == 16 ? STATUS_OK : STATUS_BAD_LENGTH);
        assert_int_equal(receipt.len, len == 16 ? 16 : 0);
        assert_int_equal(dr.len, 0);
        if (len != 0) {
            bytes_init(&b);
            answer_2_put(&b.w, span_of(longer, len), span_of(sixteen, 16));
            assert_status(answer_2_parse(bytes_span(&b), &dr, &receipt),
                          len == 16 ? STATUS_OK : STATUS_BAD_LENGTH);
            assert_int_equal(dr.len, len == 16 ? 16 : 0);
        }
    }
    static const char *const malformed[] = {
        "",
        "85 10 000102030405060708090A0B0C0D0E0F",
        "86 10 000102030405060708090A0B0C0D0E0F 85 10 000102030405060708090A0B0C0D0E0F",
        "86 10 000102030405060708090A0B0C0D0E0F 00",
        "87 10 000102030405060708090A0B0C0D0E0F",
    };
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        bytes_init(&b);
        bytes_hex(&b, malformed[i]);
        assert_status(answer_2_parse(bytes_span(&b), &dr, &receipt), STATUS_TLV_MALFORMED);
        assert_null(receipt.ptr);
        assert_null(dr.ptr);
    }
}

static enum status shared_info(uint8_t params, size_t dr, size_t host_id, size_t sin, size_t sdin)
{
    static const uint8_t id[CRT_ID_MAX + 1] = {0xAB};
    struct bytes b;
    const struct crt crt = crt_sm_sr_change(params, 1, 0, span_of(id, host_id), span_of(id, sdin));
    bytes_init(&b);
    enum status s = shared_info_put(&b.w, &crt, span_of(longer, dr), span_of(id, sin));
    assert_true(s == STATUS_OK || b.w.len == 0); /* nothing half-written */
    assert_true(b.w.len <= SHARED_INFO_MAX);
    return s;
}

static void shared_info_follows_the_scenario(void **state)
{
    (void)state;
    assert_status(shared_info(0x08, 0, 0, 0, 0), STATUS_OK);
    assert_status(shared_info(0x08, 16, 0, 0, 0), STATUS_DR_UNEXPECTED);
    assert_status(shared_info(0x0A, 16, 0, 0, 0), STATUS_OK);
    assert_status(shared_info(0x0A, 0, 0, 0, 0), STATUS_DR_MISSING);
    assert_status(shared_info(0x0A, 15, 0, 0, 0), STATUS_BAD_LENGTH);
    assert_status(shared_info(0x0A, 17, 0, 0, 0), STATUS_BAD_LENGTH);
    assert_status(shared_info(0x0C, 0, 1, 1, 1), STATUS_OK);
    assert_status(shared_info(0x0E, 16, CRT_ID_MAX, CRT_ID_MAX, CRT_ID_MAX), STATUS_OK);
    assert_status(shared_info(0x0C, 0, 0, 1, 1), STATUS_BAD_HOST_ID);
    assert_status(shared_info(0x0C, 0, 1, 0, 1), STATUS_BAD_HOST_ID);
    assert_status(shared_info(0x0C, 0, 1, 1, 0), STATUS_BAD_HOST_ID);
    assert_status(shared_info(0x08, 0, 1, 0, 0), STATUS_BAD_HOST_ID);
    assert_status(shared_info(0x08, 0, 0, 1, 0), STATUS_BAD_HOST_ID);
    assert_status(shared_info(0x08, 0, 0, 0, 1), STATUS_BAD_HOST_ID);
    assert_status(shared_info(0x0C, 0, CRT_ID_MAX + 1, 1, 1), STATUS_BAD_HOST_ID);
    assert_status(shared_info(0x0C, 0, 1, CRT_ID_MAX + 1, 1), STATUS_BAD_HOST_ID);
    assert_status(shared_info(0x0C, 0, 1, 1, CRT_ID_MAX + 1), STATUS_BAD_HOST_ID);
}

static void shared_info_says_when_it_does_not_fit(void **state)
{
    (void)state;
    uint8_t small[2];
    struct writer w = writer_of(small, sizeof small);
    const struct crt crt = crt_sm_sr_change(0x08, 1, 0, (struct span){0}, (struct span){0});
    assert_status(shared_info_put(&w, &crt, (struct span){0}, (struct span){0}), STATUS_NO_SPACE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(epk_in_both_forms),
        cmocka_unit_test(epk_refusals),
        cmocka_unit_test(the_first_store_data),
        cmocka_unit_test(the_second_store_data),
        cmocka_unit_test(what_is_signed_is_bounded),
        cmocka_unit_test(the_challenge_has_two_lengths),
        cmocka_unit_test(the_receipt_with_and_without_dr),
        cmocka_unit_test(shared_info_follows_the_scenario),
        cmocka_unit_test(shared_info_says_when_it_does_not_fit),
    };
    return cmocka_run_group_tests_name("key establishment", tests, NULL, NULL);
}
