/* FinaliseISDRhandover's ranges and the key information template. */
#include "proto/gp/handover.h"
#include "proto/gp/tlv.h"
#include "tests/unit/gp/gp_test.h"

static void ranges_come_back(void **state)
{
    (void)state;
    for (size_t n = 1; n <= HANDOVER_RANGES_MAX; n++) {
        struct key_range in[HANDOVER_RANGES_MAX];
        struct key_range out[HANDOVER_RANGES_MAX];
        size_t count;
        struct bytes b;
        for (size_t i = 0; i < n; i++) {
            in[i] = (struct key_range){(uint8_t)(i + 1), (uint8_t)i, (uint8_t)(2 * i)};
        }
        bytes_init(&b);
        handover_put(&b.w, in, n);
        assert_status(handover_parse(bytes_span(&b), out, &count), STATUS_OK);
        assert_int_equal(count, n);
        assert_memory_equal(out, in, n * sizeof in[0]);
    }
}

static void range_bytes(void **state)
{
    (void)state;
    struct bytes b;
    const struct key_range ranges[] = {{0x02, 0x01, 0x03}, {0x40, 0x01, 0x02}};
    bytes_init(&b);
    handover_put(&b.w, ranges, 2);
    assert_hex(bytes_span(&b), "F203020103 F203400102");
}

static enum status parse_ranges(const char *hex)
{
    struct bytes b;
    struct key_range out[HANDOVER_RANGES_MAX];
    size_t count = 99;
    memset(out, 0xEE, sizeof out);
    bytes_init(&b);
    bytes_hex(&b, hex);
    enum status s = handover_parse(bytes_span(&b), out, &count);
    if (s != STATUS_OK) {
        const struct key_range zero[HANDOVER_RANGES_MAX] = {0};
        assert_int_equal(count, 0);
        assert_memory_equal(out, zero, sizeof out);
    }
    return s;
}

static void malformed_ranges(void **state)
{
    (void)state;
    assert_status(parse_ranges("F203020101"), STATUS_OK);
    assert_status(parse_ranges(""), STATUS_TLV_MALFORMED);
    assert_status(parse_ranges("F2020201"), STATUS_TLV_MALFORMED);
    assert_status(parse_ranges("F20402010300"), STATUS_TLV_MALFORMED);
    assert_status(parse_ranges("F203020301"), STATUS_TLV_MALFORMED); /* last before first */
    assert_status(parse_ranges("F303020103"), STATUS_TLV_MALFORMED);
    assert_status(parse_ranges("F203020103 00"), STATUS_TLV_MALFORMED);
    assert_status(parse_ranges("F203020103 C000"), STATUS_TLV_MALFORMED);
    assert_status(parse_ranges("F203020103 F2"), STATUS_TLV_MALFORMED);
}

static void one_range_too_many(void **state)
{
    (void)state;
    const struct key_range in[HANDOVER_RANGES_MAX + 1] = {{0x01, 0x01, 0x01}};
    struct key_range out[HANDOVER_RANGES_MAX];
    size_t count;
    struct bytes b;
    bytes_init(&b);
    handover_put(&b.w, in, HANDOVER_RANGES_MAX + 1);
    assert_status(handover_parse(bytes_span(&b), out, &count), STATUS_TLV_MALFORMED);
    assert_int_equal(count, 0);
}

static void key_information_comes_back(void **state)
{
    (void)state;
    for (size_t n = 0; n <= KEY_INFO_MAX; n++) {
        struct key_info in[KEY_INFO_MAX];
        struct key_info out[KEY_INFO_MAX];
        size_t count;
        struct bytes b;
        for (size_t i = 0; i < n; i++) {
            in[i] = (struct key_info){(uint8_t)(i % 3 + 1), (uint8_t)i, 0x88, 0x10};
        }
        bytes_init(&b);
        key_info_put(&b.w, in, n);
        assert_status(key_info_parse(bytes_span(&b), out, &count), STATUS_OK);
        assert_int_equal(count, n);
        assert_memory_equal(out, in, n * sizeof in[0]);
    }
}

static void key_information_bytes(void **state)
{
    (void)state;
    struct bytes b;
    const struct key_info keys[] = {{1, 2, 0x88, 0x10}, {2, 2, 0x88, 0x10}};
    bytes_init(&b);
    key_info_put(&b.w, keys, 2);
    assert_hex(bytes_span(&b), "E00C C00401028810 C00402028810");
}

static enum status parse_info(const char *hex)
{
    struct bytes b;
    struct key_info out[KEY_INFO_MAX];
    size_t count = 99;
    memset(out, 0xEE, sizeof out);
    bytes_init(&b);
    bytes_hex(&b, hex);
    enum status s = key_info_parse(bytes_span(&b), out, &count);
    if (s != STATUS_OK) {
        const struct key_info zero[KEY_INFO_MAX] = {0};
        assert_int_equal(count, 0);
        assert_memory_equal(out, zero, sizeof out);
    }
    return s;
}

static void malformed_key_information(void **state)
{
    (void)state;
    assert_status(parse_info("E000"), STATUS_OK);
    assert_status(parse_info(""), STATUS_TLV_MALFORMED);
    assert_status(parse_info("E006 C00401028810 00"), STATUS_TLV_MALFORMED);
    assert_status(parse_info("E007 C00401028810 00"), STATUS_TLV_MALFORMED);
    assert_status(parse_info("E005 C003010288"), STATUS_TLV_MALFORMED);
    assert_status(parse_info("E007 C0050102881000"), STATUS_TLV_MALFORMED);
    assert_status(parse_info("E006 C10401028810"), STATUS_TLV_MALFORMED);
    assert_status(parse_info("E106 C00401028810"), STATUS_TLV_MALFORMED);
    assert_status(parse_info("C00401028810"), STATUS_TLV_MALFORMED);
}

static void one_key_too_many(void **state)
{
    (void)state;
    struct bytes value;
    struct bytes b;
    struct key_info out[KEY_INFO_MAX];
    const struct key_info keys[KEY_INFO_MAX + 1] = {{1, 1, 0x88, 0x10}};
    size_t count;
    bytes_init(&value);
    for (size_t i = 0; i <= KEY_INFO_MAX; i++) {
        bytes_hex(&value, "C00401028810");
    }
    bytes_init(&b);
    tlv_put(&b.w, 0xE0, bytes_span(&value));
    assert_status(key_info_parse(bytes_span(&b), out, &count), STATUS_TLV_MALFORMED);
    assert_int_equal(count, 0);

    bytes_init(&b);
    key_info_put(&b.w, keys, KEY_INFO_MAX + 1);
    assert_true(b.w.overflow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_come_back),           cmocka_unit_test(range_bytes),
        cmocka_unit_test(malformed_ranges),           cmocka_unit_test(one_range_too_many),
        cmocka_unit_test(key_information_comes_back), cmocka_unit_test(key_information_bytes),
        cmocka_unit_test(malformed_key_information),  cmocka_unit_test(one_key_too_many),
    };
    return cmocka_run_group_tests_name("handover", tests, NULL, NULL);
}
