/* Scenario #3's known answers: the CRTs, SharedInfo and the receipt's input of all five cases. */
#include "proto/gp/key_establishment.h"
#include "tests/unit/gp/gp_test.h"
#include "tests/unit/vectors.h"

struct scenario_case {
    const char *name;
    uint8_t params, kvn;
    const char *dr, *host_id, *sin, *sdin;
    enum receipt_dr_form form;
};

#define DR "00112233445566778899aabbccddeeff"

static const struct scenario_case cases[] = {
    {"no-dr-kvn-02", 0x09, 0x02, "", "", "", "", RECEIPT_DR_TLV},
    {"no-dr-kvn-30", 0x09, 0x30, "", "", "", "", RECEIPT_DR_TLV},
    {"dr-tlv", 0x0B, 0x02, DR, "", "", "", RECEIPT_DR_TLV},
    {"dr-dgi", 0x0B, 0x02, DR, "", "", "", RECEIPT_DR_DGI},
    {"host-id", 0x0D, 0x02, "", "0102030405060708", "a1a2a3a4a5a6a7a8", "b1b2b3b4b5b6b7b8b9ba",
     RECEIPT_DR_TLV},
};

static void known_answers(void **state)
{
    (void)state;
    struct vectors *vectors = vectors_open("scenario3");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct scenario_case *c = &cases[i];
        const struct vector *v = vectors_find(vectors, c->name);
        struct bytes dr;
        struct bytes host_id;
        struct bytes sin;
        struct bytes sdin;
        struct bytes a6;
        struct bytes out;
        bytes_init(&dr);
        bytes_hex(&dr, c->dr);
        bytes_init(&host_id);
        bytes_hex(&host_id, c->host_id);
        bytes_init(&sin);
        bytes_hex(&sin, c->sin);
        bytes_init(&sdin);
        bytes_hex(&sdin, c->sdin);
        const struct crt crt =
            crt_sm_sr_change(c->params, c->kvn, 0, bytes_span(&host_id), bytes_span(&sdin));
        bytes_init(&a6);
        crt_put(&a6.w, &crt);
        bytes_init(&out);
        receipt_input_put(&out.w, c->form, bytes_span(&a6), bytes_span(&dr));
        assert_spans_equal(bytes_span(&out), vector_hex(v, "receipt_input"));
        assert_true(out.w.len <= RECEIPT_INPUT_MAX);

        bytes_init(&out);
        assert_status(shared_info_put(&out.w, &crt, bytes_span(&dr), bytes_span(&sin)), STATUS_OK);
        assert_spans_equal(bytes_span(&out), vector_hex(v, "shared_info"));

        struct crt parsed;
        struct bytes again;
        assert_status(crt_parse(bytes_span(&a6), &parsed), STATUS_OK);
        bytes_init(&again);
        assert_status(shared_info_put(&again.w, &parsed, bytes_span(&dr), bytes_span(&sin)),
                      STATUS_OK);
        assert_spans_equal(bytes_span(&again), bytes_span(&out));
    }
    vectors_close(&vectors);
}

static void signed_bytes_of_the_source(void **state)
{
    (void)state;
    struct vectors *vectors = vectors_open("scenario3");
    const struct vector *v = vectors_find(vectors, "keys");
    const struct span none = {0};
    const struct crt crt = crt_sm_sr_change(0x09, 0x30, 0, none, none);
    struct bytes a6;
    struct bytes rc;
    struct bytes out;
    bytes_init(&a6);
    crt_put(&a6.w, &crt);
    bytes_init(&rc);
    bytes_hex(&rc, "8eb1a819a4afa98d8aee11c6d2d77ca5");
    bytes_init(&out);
    signed_bytes_put(&out.w, bytes_span(&a6), vector_hex(v, "epk_sm_ecka"), bytes_span(&rc));
    assert_spans_equal(bytes_span(&out), vector_hex(v, "tbs_example_from_source"));
    vectors_close(&vectors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(signed_bytes_of_the_source),
    };
    return cmocka_run_group_tests_name("scenario3", tests, NULL, NULL);
}
