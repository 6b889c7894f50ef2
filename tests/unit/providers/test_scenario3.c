/*
 * ECKA-EG end to end, without a card: Z from both sides, SharedInfo from the CRT, key data,
 * receipt. The codecs are the product's, so this holds the two rooms together.
 */
#include "proto/gp/key_establishment.h"
#include "tests/unit/providers/provider_test.h"

enum { KEY = 16 };

struct kat {
    const char *name;
    enum receipt_dr_form dr_form;
    struct span dr, sin;
};

static void z_from_both_sides(void **state)
{
    struct fixture *f = *state;
    struct vectors *v = vectors_open("scenario3");
    const struct vector *c = vectors_find(v, "keys");
    uint8_t z[ECDH_Z_LEN];
    const uint8_t *zab = vector_bytes(c, "zab", ECDH_Z_LEN);
    assert_status("SM-SR",
                  agree_one(f, CURVE_P256, vector_bytes(c, "esk_sm_ecka", EC_SCALAR_LEN),
                            vector_bytes(c, "pk_ecasd_ecka", EC_POINT_LEN), z),
                  STATUS_OK);
    assert_bytes("SM-SR", z, zab, sizeof z);
    assert_status("eUICC",
                  agree_one(f, CURVE_P256, vector_bytes(c, "sk_ecasd_ecka", EC_SCALAR_LEN),
                            vector_bytes(c, "epk_sm_ecka", EC_POINT_LEN), z),
                  STATUS_OK);
    assert_bytes("eUICC", z, zab, sizeof z);
    vectors_close(&v);
}

static void check_receipt(struct fixture *f, const struct kat *kat, const struct vector *c,
                          struct span a6, const uint8_t *receipt_key)
{
    uint8_t storage[RECEIPT_INPUT_MAX], receipt[SYM_CMAC_LEN];
    struct writer w = writer_of(storage, sizeof storage);
    receipt_input_put(&w, kat->dr_form, a6, kat->dr);
    assert_status(kat->name, writer_check(&w), STATUS_OK);
    struct span want = vector_hex(c, "receipt_input");
    assert_int_equal(w.len, want.len);
    assert_bytes(kat->name, storage, want.ptr, want.len);
    assert_status(kat->name, sym_cmac(f->sym, span_of(receipt_key, KEY), writer_span(&w), receipt),
                  STATUS_OK);
    assert_bytes(kat->name, receipt, vector_bytes(c, "receipt", RECEIPT_LEN), RECEIPT_LEN);
    storage[w.len - 1] ^= 1;
    assert_status(kat->name, sym_cmac(f->sym, span_of(receipt_key, KEY), writer_span(&w), receipt),
                  STATUS_OK);
    assert_memory_not_equal(receipt, vector_bytes(c, "receipt", RECEIPT_LEN), RECEIPT_LEN);
}

static void check_kat(struct fixture *f, const struct vectors *v, const struct kat *kat)
{
    const struct vector *c = vectors_find(v, kat->name);
    const uint8_t *zab = vector_bytes(vectors_find(v, "keys"), "zab", ECDH_Z_LEN);
    struct span input = vector_hex(c, "receipt_input");
    struct span a6 = span_of(input.ptr, 2U + input.ptr[1]);
    struct crt crt;
    assert_status(kat->name, crt_parse(a6, &crt), STATUS_OK);

    uint8_t storage[SHARED_INFO_MAX], key_data[KEY_DATA_LEN];
    struct writer w = writer_of(storage, sizeof storage);
    assert_status(kat->name, shared_info_put(&w, &crt, kat->dr, kat->sin), STATUS_OK);
    struct span want = vector_hex(c, "shared_info");
    assert_int_equal(w.len, want.len);
    assert_bytes(kat->name, storage, want.ptr, want.len);

    assert_status(
        kat->name,
        sym_x963(f->sym, span_of(zab, ECDH_Z_LEN), writer_span(&w), key_data, sizeof key_data),
        STATUS_OK);
    assert_bytes(kat->name, key_data, vector_bytes(c, "key_data", KEY_DATA_LEN), KEY_DATA_LEN);
    static const char *const order[] = {"receipt_key", "enc", "mac", "dek"};
    for (size_t i = 0; i < 4; i++) {
        assert_bytes(order[i], key_data + i * KEY, vector_bytes(c, order[i], KEY), KEY);
    }
    check_receipt(f, kat, c, a6, key_data);
}

static void five_known_answers(void **state)
{
    static const uint8_t dr[DR_LEN] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
                                       0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
    static const uint8_t sin[] = {0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8};
    const struct span none = span_of(NULL, 0);
    const struct kat kats[] = {
        {"no-dr-kvn-02", RECEIPT_DR_FORM, none, none},
        {"no-dr-kvn-30", RECEIPT_DR_FORM, none, none},
        {"dr-tlv", RECEIPT_DR_TLV, span_of(dr, sizeof dr), none},
        {"dr-dgi", RECEIPT_DR_DGI, span_of(dr, sizeof dr), none},
        {"host-id", RECEIPT_DR_FORM, none, span_of(sin, sizeof sin)},
    };
    struct vectors *v = vectors_open("scenario3");
    assert_int_equal(vectors_count(v), 1 + sizeof kats / sizeof kats[0]);
    for (size_t i = 0; i < sizeof kats / sizeof kats[0]; i++) {
        check_kat(*state, v, &kats[i]);
    }
    vectors_close(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(z_from_both_sides),
        cmocka_unit_test(five_known_answers),
    };
    return cmocka_run_group_tests(tests, fixture_new, fixture_free);
}
