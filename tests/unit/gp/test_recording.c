/* Bytes that others recorded: what our builders make of the fields, and our readers of the bytes.
 */
#include "proto/gp/apdu.h"
#include "proto/gp/key_establishment.h"
#include "proto/gp/tlv.h"
#include "tests/unit/gp/gp_test.h"
#include "tests/unit/vectors.h"

enum { TAG_C_APDU = 0x22 };

static struct vectors *recording;

static int open_recording(void **state)
{
    (void)state;
    recording = vectors_open("sgp02_recording");
    return 0;
}

static int close_recording(void **state)
{
    (void)state;
    vectors_close(&recording);
    return 0;
}

/* The recorded certificates, from fields; each names itself, its subject and its issuer alike. */
static struct gp_cert_fields recorded_fields(uint8_t role)
{
    static const uint8_t name_sr[] = {0x01};
    static const uint8_t name_dp[] = {0x02};
    const struct span name = span_of(role == GP_ROLE_SM_SR ? name_sr : name_dp, 1);
    const struct vector *keys = vectors_find(recording, "keys");
    return (struct gp_cert_fields){
        .serial = name,
        .ca_id = name,
        .subject = name,
        .key_usage = GP_KEY_USAGE_SIGN,
        .key_usage_len = 1,
        .expiry = 21450101,
        .role = role,
        .curve_ref = GP_CURVE_P256,
        .point = vector_hex(keys, "pk_sr_ecdsa"),
    };
}

/* A C-APDU as the recording holds it: in a TLV 22. */
static void put_expanded(struct bytes *out, uint8_t p1, uint8_t p2, struct span data)
{
    struct bytes c_apdu;
    const struct apdu apdu = {.cla = 0x80, .ins = INS_STORE_DATA, .p1 = p1, .p2 = p2, .data = data};
    bytes_init(&c_apdu);
    apdu_put(&c_apdu.w, &apdu);
    bytes_init(out);
    tlv_put(&out->w, TAG_C_APDU, bytes_span(&c_apdu));
}

static struct span store_data_of(struct span expanded)
{
    struct cursor in = cursor_of(expanded);
    struct span c_apdu;
    struct apdu apdu;
    assert_status(tlv_expect(&in, TAG_C_APDU, &c_apdu), STATUS_OK);
    assert_status(cursor_expect_end(&in), STATUS_OK);
    assert_status(apdu_parse(c_apdu, &apdu), STATUS_OK);
    assert_int_equal(apdu.ins, INS_STORE_DATA);
    return apdu.data;
}

static void certificate_is_rebuilt(uint8_t role, const char *tbs_key, const char *signature_key)
{
    const struct vector *v = vectors_find(recording, "store-data-1");
    const struct gp_cert_fields fields = recorded_fields(role);
    struct bytes tbs;
    struct bytes whole;
    struct gp_cert cert;
    bytes_init(&tbs);
    gp_cert_put_tbs(&tbs.w, &fields);
    assert_spans_equal(bytes_span(&tbs), vector_hex(v, tbs_key));

    bytes_init(&whole);
    gp_cert_put(&whole.w, vector_hex(v, tbs_key), vector_hex(v, signature_key));
    assert_status(gp_cert_parse(bytes_span(&whole), &cert), STATUS_OK);
    assert_spans_equal(cert.tbs, vector_hex(v, tbs_key));
    assert_spans_equal(cert.signature, vector_hex(v, signature_key));
    assert_spans_equal(cert.serial, fields.serial);
    assert_spans_equal(cert.ca_id, fields.ca_id);
    assert_spans_equal(cert.subject, fields.subject);
    assert_spans_equal(cert.point, fields.point);
    assert_int_equal(cert.key_usage, GP_KEY_USAGE_SIGN);
    assert_int_equal(cert.expiry.yyyymmdd, 21450101);
    assert_int_equal(cert.role, role);
    assert_int_equal(cert.curve_ref, GP_CURVE_P256);
    assert_false(cert.has_effective);
    assert_int_equal(cert.authority_key_id.len, 0);
}

static void cert_sr_and_cert_dp(void **state)
{
    (void)state;
    certificate_is_rebuilt(GP_ROLE_SM_SR, "cert_sr_tbs", "cert_sr_signature");
    certificate_is_rebuilt(GP_ROLE_SM_DP, "cert_dp_tbs", "cert_dp_signature");
}

static void first_store_data(void **state)
{
    (void)state;
    const struct vector *v = vectors_find(recording, "store-data-1");
    const struct gp_cert_fields fields = recorded_fields(GP_ROLE_SM_SR);
    struct bytes tbs;
    struct bytes cert;
    struct bytes data;
    struct bytes expanded;
    bytes_init(&tbs);
    gp_cert_put_tbs(&tbs.w, &fields);
    bytes_init(&cert);
    gp_cert_put(&cert.w, bytes_span(&tbs), vector_hex(v, "cert_sr_signature"));
    bytes_init(&data);
    store_data_1_put(&data.w, bytes_span(&cert));
    put_expanded(&expanded, STORE_DATA_1_P1, 0x00, bytes_span(&data));
    assert_spans_equal(bytes_span(&expanded), vector_hex(v, "expanded_remote"));

    struct span got;
    struct gp_cert parsed;
    assert_status(store_data_1_parse(store_data_of(vector_hex(v, "expanded_remote")), &got),
                  STATUS_OK);
    assert_status(gp_cert_parse(got, &parsed), STATUS_OK);
    assert_spans_equal(parsed.raw, bytes_span(&cert));
}

static void second_store_data_and_what_it_signs(void **state)
{
    (void)state;
    const struct vector *v = vectors_find(recording, "store-data-2");
    const struct span none = {0};
    /* Scenario 09 deletes the existing keys: it can be built, never signed for an ISD-R. */
    const struct crt crt =
        crt_sm_sr_change(CRT_CERT_CHECKED | CRT_DELETE_KEYS, 0x02, 0, none, none);
    struct bytes a6;
    struct bytes epk;
    struct bytes data;
    struct bytes expanded;
    struct bytes to_sign;
    bytes_init(&a6);
    crt_put(&a6.w, &crt);
    bytes_init(&epk);
    epk_put(&epk.w, EPK_FORM, GP_CURVE_P256, vector_bytes(v, "epk", GP_POINT_LEN));
    bytes_init(&to_sign);
    signed_bytes_put(&to_sign.w, bytes_span(&a6), bytes_span(&epk), vector_hex(v, "rc"));
    assert_spans_equal(bytes_span(&to_sign), vector_hex(v, "signed"));
    bytes_init(&data);
    store_data_2_put(&data.w, bytes_span(&a6), bytes_span(&epk), vector_hex(v, "signature"));
    put_expanded(&expanded, STORE_DATA_2_P1, 0x01, bytes_span(&data));
    assert_spans_equal(bytes_span(&expanded), vector_hex(v, "expanded_remote"));

    struct store_data_2 got;
    struct crt parsed;
    struct span point;
    assert_status(store_data_2_parse(store_data_of(vector_hex(v, "expanded_remote")), &got),
                  STATUS_OK);
    assert_status(crt_parse(got.crt_a6, &parsed), STATUS_OK);
    assert_int_equal(parsed.scenario_params, 0x09);
    assert_int_equal(parsed.kvn, 0x02);
    assert_status(crt_check_isdr(&parsed), STATUS_BAD_SCENARIO);
    assert_status(epk_parse(got.epk_value, GP_CURVE_P256, &point), STATUS_OK);
    assert_spans_equal(point, vector_hex(v, "epk"));
    assert_spans_equal(got.signature, vector_hex(v, "signature"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cert_sr_and_cert_dp),
        cmocka_unit_test(first_store_data),
        cmocka_unit_test(second_store_data_and_what_it_signs),
    };
    return cmocka_run_group_tests_name("recording", tests, open_recording, close_recording);
}
