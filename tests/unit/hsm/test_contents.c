/*
 * The contents of tickets and key sets: what is written is read back, in its limits and whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hsm/sealed/keyset.h"
#include "hsm/sealed/ticket.h"

static uint8_t bytes[TICKET_PLAIN_MAX + 1]; /* 00 01 02 ..., what the fields are cut from */

static struct ticket longest_ticket(void)
{
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)i;
    }
    return (struct ticket){
        .curve = CURVE_FRP256V1,
        .sr_key_id = bytes,
        .signed_hash = bytes + 1,
        .epk = bytes + 2,
        .issued = 1,
        .expiry = UINT64_MAX,
        .rc = span_of(bytes + 3, RC_LEN_LONG),
        .crt = span_of(bytes + 4, CRT_MAX),
        .sin = span_of(bytes + 5, CRT_ID_MAX),
        .secret = span_of(bytes + 6, KEY_DATA_LEN),
    };
}

static void longest_ticket_comes_back(void **state)
{
    (void)state;
    uint8_t plain[TICKET_PLAIN_MAX];
    struct writer w = writer_of(plain, sizeof plain);
    struct ticket in = longest_ticket(), out;

    assert_int_equal(ticket_put(&w, &in), STATUS_OK);
    assert_int_equal(w.len, TICKET_PLAIN_MAX);
    assert_int_equal(ticket_parse(writer_span(&w), &out), STATUS_OK);
    assert_int_equal(out.curve, in.curve);
    assert_memory_equal(out.sr_key_id, in.sr_key_id, SHA256_LEN);
    assert_memory_equal(out.signed_hash, in.signed_hash, SHA256_LEN);
    assert_memory_equal(out.epk, in.epk, EC_POINT_LEN);
    assert_true(out.issued == in.issued && out.expiry == in.expiry);
    assert_true(span_eq(out.rc, in.rc));
    assert_true(span_eq(out.crt, in.crt));
    assert_true(span_eq(out.sin, in.sin));
    assert_true(span_eq(out.secret, in.secret));
}

static void field_over_its_limit_is_refused(void **state)
{
    (void)state;
    struct ticket longest = longest_ticket();
    struct span *fields[] = {&longest.rc, &longest.crt, &longest.sin, &longest.secret};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        uint8_t plain[TICKET_PLAIN_MAX + 8]; /* room enough: it is the limit that refuses */
        struct writer w = writer_of(plain, sizeof plain);
        fields[i]->len++;
        assert_int_equal(ticket_put(&w, &longest), STATUS_NO_SPACE);
        fields[i]->len--;
    }
}

static void cut_or_extended_ticket_is_refused(void **state)
{
    (void)state;
    uint8_t plain[TICKET_PLAIN_MAX + 1] = {0};
    struct writer w = writer_of(plain, sizeof plain);
    struct ticket in = longest_ticket(), out;
    assert_int_equal(ticket_put(&w, &in), STATUS_OK);
    for (size_t len = 0; len <= w.len + 1; len++) {
        if (len != w.len) {
            assert_int_equal(ticket_parse(span_of(plain, len), &out), STATUS_BLOB_MALFORMED);
            assert_null(out.secret.ptr);
        }
    }
}

static void unknown_version_or_curve_is_refused(void **state)
{
    (void)state;
    uint8_t plain[TICKET_PLAIN_MAX];
    struct writer w = writer_of(plain, sizeof plain);
    struct ticket in = longest_ticket(), out;
    assert_int_equal(ticket_put(&w, &in), STATUS_OK);
    plain[0] = 2;
    assert_int_equal(ticket_parse(writer_span(&w), &out), STATUS_BLOB_MALFORMED);
    plain[0] = 1;
    const uint8_t no_curves[] = {CURVE_NONE, CURVE_COUNT, 0xFF};
    for (size_t i = 0; i < sizeof no_curves; i++) {
        plain[1] = no_curves[i];
        assert_int_equal(ticket_parse(writer_span(&w), &out), STATUS_BLOB_MALFORMED);
    }
}

static void key_set_comes_back(void **state)
{
    (void)state;
    uint8_t plain[KEY_SET_PLAIN_LEN + 1] = {0};
    struct writer w = writer_of(plain, sizeof plain);
    const uint8_t enc[16] = {1}, mac[16] = {2}, dek[16] = {3};
    struct key_set out;
    const struct key_set in = {.counter = 0xFFFFFFFFFF, .enc = enc, .mac = mac, .dek = dek};

    assert_int_equal(key_set_put(&w, &in), STATUS_OK);
    assert_int_equal(w.len, KEY_SET_PLAIN_LEN);
    assert_int_equal(key_set_parse(writer_span(&w), &out), STATUS_OK);
    assert_true(out.counter == in.counter);
    assert_memory_equal(out.enc, enc, sizeof enc);
    assert_memory_equal(out.mac, mac, sizeof mac);
    assert_memory_equal(out.dek, dek, sizeof dek);

    for (size_t len = 0; len <= w.len + 1; len++) {
        assert_int_equal(key_set_parse(span_of(plain, len), &out),
                         len == w.len ? STATUS_OK : STATUS_BLOB_MALFORMED);
    }
    plain[0] = 2;
    assert_int_equal(key_set_parse(writer_span(&w), &out), STATUS_BLOB_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(longest_ticket_comes_back),
        cmocka_unit_test(field_over_its_limit_is_refused),
        cmocka_unit_test(cut_or_extended_ticket_is_refused),
        cmocka_unit_test(unknown_version_or_curve_is_refused),
        cmocka_unit_test(key_set_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
