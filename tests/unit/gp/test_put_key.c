/* PUT KEY data: the bytes, back again, and each way to get them wrong. */
#include "proto/gp/put_key.h"
#include "tests/unit/gp/gp_test.h"

static const uint8_t value[PUT_KEY_VALUE_LEN] = {0xA0, [15] = 0xAF};
static const uint8_t kcv[PUT_KEY_KCV_LEN] = {0xC1, 0xC2, 0xC3};

#define VALUE     "A000000000000000 00000000000000AF"
#define AES_BLOCK "88 11 10" VALUE "03 C1C2C3"

static void three_aes_keys(void **state)
{
    (void)state;
    const struct put_key_block block = {PUT_KEY_TYPE_AES, value, kcv};
    const struct put_key in = {.kvn = 0x30, .n = 3, .blocks = {block, block, block}};
    struct put_key got;
    struct bytes b;
    bytes_init(&b);
    put_key_put(&b.w, PUT_KEY_PSK_FORM, &in);
    assert_hex(bytes_span(&b), "30" AES_BLOCK AES_BLOCK AES_BLOCK);
    assert_int_equal(b.w.len, PUT_KEY_DATA_MAX);
    assert_status(put_key_parse(bytes_span(&b), &got), STATUS_OK);
    assert_int_equal(got.kvn, in.kvn);
    assert_int_equal(got.n, in.n);
    for (size_t i = 0; i < got.n; i++) {
        assert_int_equal(got.blocks[i].type, PUT_KEY_TYPE_AES);
        assert_spans_equal(span_of(got.blocks[i].value, sizeof value),
                           span_of(value, sizeof value));
        assert_spans_equal(span_of(got.blocks[i].kcv, sizeof kcv), span_of(kcv, sizeof kcv));
    }
}

static void a_psk_in_either_form(void **state)
{
    (void)state;
    static const char *const forms[] = {
        [PUT_KEY_PSK_AS_AES] = "40 85 11 10" VALUE "03 C1C2C3",
        [PUT_KEY_PSK_BARE] = "40 85 10" VALUE "03 C1C2C3",
    };
    const struct put_key in = {.kvn = 0x40, .n = 1, .blocks = {{PUT_KEY_TYPE_PSK, value, kcv}}};
    for (int form = PUT_KEY_PSK_AS_AES; form <= PUT_KEY_PSK_BARE; form++) {
        struct put_key got;
        struct bytes b;
        bytes_init(&b);
        put_key_put(&b.w, (enum put_key_psk_form)form, &in);
        assert_hex(bytes_span(&b), forms[form]);
        assert_status(put_key_parse(bytes_span(&b), &got), STATUS_OK);
        assert_int_equal(got.n, 1);
        assert_int_equal(got.blocks[0].type, PUT_KEY_TYPE_PSK);
        assert_memory_equal(got.blocks[0].value, value, sizeof value);
    }
}

static void refusals(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "30",
        "30 80 11 10" VALUE "03 C1C2C3", /* not a key of AES or a PSK */
        "30 88 10" VALUE "03 C1C2C3",    /* the bare form is a PSK's alone */
        "30 88 12 10" VALUE "03 C1C2C3",
        "30 88 11 11" VALUE "03 C1C2C3",
        "30 88 11 10" VALUE "02 C1C2",
        "30 88 11 10" VALUE "00",
        "30" AES_BLOCK AES_BLOCK AES_BLOCK AES_BLOCK,
        "30" AES_BLOCK "00",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct bytes b;
        struct put_key got;
        bytes_init(&b);
        bytes_hex(&b, wrong[i]);
        spoil(&got, sizeof got);
        assert_status(put_key_parse(bytes_span(&b), &got), STATUS_TLV_MALFORMED);
        assert_int_equal(got.n, 0);
        assert_null(got.blocks[0].value);
    }
    struct bytes b;
    bytes_init(&b);
    bytes_hex(&b, "30" AES_BLOCK AES_BLOCK);
    for (size_t len = 0; len < b.w.len; len++) { /* cut anywhere but between two blocks */
        struct put_key got;
        assert_status(put_key_parse(span_of(b.storage, len), &got),
                      len == 1 + PUT_KEY_BLOCK_MAX ? STATUS_OK : STATUS_TLV_MALFORMED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_aes_keys),
        cmocka_unit_test(a_psk_in_either_form),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
