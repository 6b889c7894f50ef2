/* The CRT A6: what is built, what is read back, what is refused, and what may be signed. */
#include "proto/gp/crt.h"
#include "proto/gp/tlv.h"
#include "tests/unit/gp/gp_test.h"

enum { TAG_CRT = 0xA6 };

/* The plain form, every optional TLV, and the host ids. */
static const char *const plain_hex = "90020308 950110 800188 810110 820101 830102 9100";
static const char *const full_hex =
    "9002030C 950110 960100 800188 810110 820101 830102 91050000000001 4502B1B2 8403010203";

static enum status parse_hex(const char *body, struct crt *out)
{
    struct bytes value;
    struct bytes b;
    bytes_init(&value);
    bytes_hex(&value, body);
    bytes_init(&b);
    tlv_put(&b.w, TAG_CRT, bytes_span(&value));
    enum status s = crt_parse(bytes_span(&b), out);
    if (s == STATUS_OK) { /* one encoding alone: what is read is written back the same */
        struct bytes again;
        bytes_init(&again);
        crt_put(&again.w, out);
        assert_spans_equal(bytes_span(&again), bytes_span(&b));
    }
    return s;
}

static struct crt plain(void)
{
    return crt_sm_sr_change(CRT_CERT_CHECKED, 0x02, 0, (struct span){0}, (struct span){0});
}

static void canonical_bytes(void **state)
{
    static const uint8_t host_id[] = {1, 2, 3};
    static const uint8_t sdin[] = {0xB1, 0xB2};
    (void)state;
    struct bytes b;
    struct crt crt = plain();
    bytes_init(&b);
    crt_put(&b.w, &crt);
    assert_hex(bytes_span(&b), "A615 90020308 950110 800188 810110 820101 830102 9100");

    crt = crt_sm_sr_change(0x0C, 0x0F, 0x123456789A, span_of(host_id, sizeof host_id),
                           span_of(sdin, sizeof sdin));
    bytes_init(&b);
    crt_put(&b.w, &crt);
    assert_hex(bytes_span(&b), "A623 9002030C 950110 800188 810110 820101 83010F"
                               "9105123456789A 4502B1B2 8403010203");
}

static void fields_come_back(void **state)
{
    (void)state;
    struct crt crt;
    assert_status(parse_hex(plain_hex, &crt), STATUS_OK);
    assert_int_equal(crt.scenario_params, 0x08);
    assert_int_equal(crt.key_usage, 0x10);
    assert_false(crt.has_key_access);
    assert_int_equal(crt.key_type, 0x88);
    assert_int_equal(crt.key_length, 0x10);
    assert_int_equal(crt.key_id, 1);
    assert_int_equal(crt.kvn, 2);
    assert_int_equal(crt.counter_len, 0);
    assert_int_equal(crt.counter, 0);
    assert_status(crt_check_isdr(&crt), STATUS_OK);

    /* parse_hex's storage is gone; the views are looked at where it still lives. */
    struct bytes b;
    bytes_init(&b);
    bytes_hex(&b, "A626");
    bytes_hex(&b, full_hex);
    assert_status(crt_parse(bytes_span(&b), &crt), STATUS_OK);
    assert_true(crt.has_key_access);
    assert_int_equal(crt.key_access, 0);
    assert_int_equal(crt.counter_len, 5);
    assert_int_equal(crt.counter, 1);
    assert_hex(crt.sdin, "B1B2");
    assert_hex(crt.host_id, "010203");
    assert_status(crt_check_isdr(&crt), STATUS_OK);
}

static void values_that_are_read_though_never_signed(void **state)
{
    static const struct {
        const char *hex;
        enum status check;
    } rows[] = {
        {"90020309 950110 800188 810110 820101 830102 9100", STATUS_BAD_SCENARIO},
        {"90020308 95015C 800188 810110 820101 830102 9100", STATUS_BAD_KEY_USAGE},
        {"90020308 950110 960101 800188 810110 820101 830102 9100", STATUS_CRT_MALFORMED},
        {"90020308 950110 800180 810110 820101 830102 9100", STATUS_CRT_MALFORMED},
        {"90020308 950110 800188 810120 820101 830102 9100", STATUS_CRT_MALFORMED},
        {"90020308 950110 800188 810110 820102 830102 9100", STATUS_CRT_MALFORMED},
        {"90020308 950110 800188 810110 820101 830100 9100", STATUS_BAD_KVN},
        {"90020308 950110 800188 810110 820101 830110 9100", STATUS_BAD_KVN},
        {"90020308 950110 800188 810110 820101 830130 9100", STATUS_BAD_KVN},
        {"90020308 950110 800188 810110 820101 830102 91020001", STATUS_OK},
        {"90020308 950110 800188 810110 820101 830102 9103000001", STATUS_OK},
        {"90020308 950110 800188 810110 820101 830102 9108 000000FFFFFFFFFF", STATUS_OK},
        {"90020308 950110 800188 810110 820101 830102 9108 0000010000000000", STATUS_BAD_COUNTER},
        {"90020308 950110 800188 810110 820101 830102 9108 FFFFFFFFFFFFFFFF", STATUS_BAD_COUNTER},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct crt crt;
        assert_status(parse_hex(rows[i].hex, &crt), STATUS_OK);
        assert_status(crt_check_isdr(&crt), rows[i].check);
    }
}

static void malformed_fields(void **state)
{
    static const char *const rows[] = {
        "",
        "9001 03 950110 800188 810110 820101 830102 9100",     /* 90 of one byte */
        "9003 030800 950110 800188 810110 820101 830102 9100", /* and of three */
        "90020208 950110 800188 810110 820101 830102 9100",    /* scenario #2 */
        "90020308 9500 800188 810110 820101 830102 9100",      /* each u8 empty */
        "90020308 950110 9600 800188 810110 820101 830102 9100",
        "90020308 950110 8000 810110 820101 830102 9100",
        "90020308 950110 800188 8100 820101 830102 9100",
        "90020308 950110 800188 810110 8200 830102 9100",
        "90020308 950110 800188 810110 820101 8300 9100",
        "90020308 95021010 800188 810110 820101 830102 9100", /* each u8 of two */
        "90020308 950110 96020000 800188 810110 820101 830102 9100",
        "90020308 950110 80028888 810110 820101 830102 9100",
        "90020308 950110 800188 81021010 820101 830102 9100",
        "90020308 950110 800188 810110 82020101 830102 9100",
        "90020308 950110 800188 810110 820101 83020202 9100",
        "90020308 950110 800188 810110 820101 830102 910101", /* counters of 1, 4, 6, 7, 9 */
        "90020308 950110 800188 810110 820101 830102 910400000001",
        "90020308 950110 800188 810110 820101 830102 9106000000000001",
        "90020308 950110 800188 810110 820101 830102 910700000000000001",
        "90020308 950110 800188 810110 820101 830102 9109000000000000000001",
        "90020308 950110 800188 810110 820101 830102 9100 4501B1 840101", /* ids, no b3 */
        "9002030C 950110 800188 810110 820101 830102 9100",               /* b3, no ids */
        "9002030C 950110 800188 810110 820101 830102 9100 4501B1",
        "9002030C 950110 800188 810110 820101 830102 9100 840101",
        "9002030C 950110 800188 810110 820101 830102 9100 4500 840101",
        "9002030C 950110 800188 810110 820101 830102 9100 4501B1 8400",
        "9002030C 950110 800188 810110 820101 830102 9100 840101 4501B1", /* order */
        "90020308 950110 800188 810110 820101 830102 9100 00",
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct crt crt;
        assert_status(parse_hex(rows[i], &crt), STATUS_CRT_MALFORMED);
        assert_int_equal(crt.kvn, 0);
        assert_null(crt.host_id.ptr);
    }
}

static void each_tlv_missing_repeated_swapped_or_unknown(void **state)
{
    static const uint8_t unknown[] = {0x92, 0x01, 0x00};
    const size_t optional = 2; /* 96 */
    struct bytes source;
    struct bytes b;
    struct crt crt;
    (void)state;
    bytes_init(&source);
    bytes_hex(&source, full_hex);
    const struct parts whole = parts_of(bytes_span(&source));
    for (size_t i = 0; i < whole.count; i++) {
        struct parts p = whole;
        parts_drop(&p, i);
        assert_status(crt_parse(parts_wrap(&p, TAG_CRT, &b), &crt),
                      i == optional ? STATUS_OK : STATUS_CRT_MALFORMED);
        for (size_t at = 0; at <= whole.count; at++) {
            p = whole;
            parts_insert(&p, at, whole.part[i]);
            assert_status(crt_parse(parts_wrap(&p, TAG_CRT, &b), &crt), STATUS_CRT_MALFORMED);
            p = whole;
            parts_insert(&p, at, span_of(unknown, sizeof unknown));
            assert_status(crt_parse(parts_wrap(&p, TAG_CRT, &b), &crt), STATUS_CRT_MALFORMED);
        }
        for (size_t j = i + 1; j < whole.count; j++) {
            p = whole;
            parts_swap(&p, i, j);
            assert_status(crt_parse(parts_wrap(&p, TAG_CRT, &b), &crt), STATUS_CRT_MALFORMED);
        }
    }
}

static void ids_are_bounded(void **state)
{
    static const uint8_t id[CRT_ID_MAX + 1] = {0xFF};
    (void)state;
    for (size_t len = 1; len <= CRT_ID_MAX + 1; len++) {
        struct bytes b;
        struct crt parsed;
        const struct crt crt = crt_sm_sr_change(0x0E, 0x01, 1, span_of(id, len), span_of(id, len));
        bytes_init(&b);
        crt_put(&b.w, &crt);
        bool fits = len <= CRT_ID_MAX;
        assert_status(crt_check_isdr(&crt), fits ? STATUS_OK : STATUS_BAD_HOST_ID);
        assert_status(crt_parse(bytes_span(&b), &parsed), fits ? STATUS_OK : STATUS_CRT_MALFORMED);
        assert_true(!fits || b.w.len <= CRT_MAX);
    }
}

static void scenarios_that_may_be_signed(void **state)
{
    static const uint8_t id[] = {0x01};
    (void)state;
    for (unsigned params = 0; params <= 0xFF; params++) {
        const struct span given =
            (params & CRT_WITH_HOST_ID) != 0 ? span_of(id, sizeof id) : (struct span){0};
        const struct crt crt = crt_sm_sr_change((uint8_t)params, 0x01, 0, given, given);
        bool right = params == 0x08 || params == 0x0A || params == 0x0C || params == 0x0E;
        assert_status(crt_check_isdr(&crt), right ? STATUS_OK : STATUS_BAD_SCENARIO);
    }
}

static void key_versions_and_usages_that_may_be_signed(void **state)
{
    (void)state;
    for (unsigned v = 0; v <= 0xFF; v++) {
        struct crt crt = plain();
        crt.kvn = (uint8_t)v;
        assert_status(crt_check_isdr(&crt), v >= 0x01 && v <= 0x0F ? STATUS_OK : STATUS_BAD_KVN);
        crt = plain();
        crt.key_usage = (uint8_t)v;
        assert_status(crt_check_isdr(&crt), v == 0x10 ? STATUS_OK : STATUS_BAD_KEY_USAGE);
    }
}

static void host_ids_exactly_with_b3(void **state)
{
    static const uint8_t bytes[] = {0x01};
    const struct span id = span_of(bytes, sizeof bytes);
    const struct span none = {0};
    (void)state;
    for (unsigned given = 0; given < 4; given++) {
        struct span host_id = (given & 1) != 0 ? id : none;
        struct span sdin = (given & 2) != 0 ? id : none;
        const struct crt with = crt_sm_sr_change(0x0C, 1, 0, host_id, sdin);
        const struct crt without = crt_sm_sr_change(0x08, 1, 0, host_id, sdin);
        assert_status(crt_check_isdr(&with), given == 3 ? STATUS_OK : STATUS_BAD_HOST_ID);
        assert_status(crt_check_isdr(&without), given == 0 ? STATUS_OK : STATUS_BAD_HOST_ID);
    }
}

static void counters_at_their_bound(void **state)
{
    const uint64_t max = UINT64_C(0xFFFFFFFFFF);
    const struct span none = {0};
    (void)state;
    struct bytes b;
    struct crt parsed;
    struct crt crt = crt_sm_sr_change(0x08, 1, max, none, none);
    assert_status(crt_check_isdr(&crt), STATUS_OK);
    bytes_init(&b);
    crt_put(&b.w, &crt);
    assert_status(crt_parse(bytes_span(&b), &parsed), STATUS_OK);
    assert_true(parsed.counter == max);

    /* One more is refused, and never written cut short. */
    crt = crt_sm_sr_change(0x08, 1, max + 1, none, none);
    assert_status(crt_check_isdr(&crt), STATUS_BAD_COUNTER);
    bytes_init(&b);
    crt_put(&b.w, &crt);
    assert_status(writer_check(&b.w), STATUS_NO_SPACE);
    assert_int_equal(b.w.len, 0);

    crt = plain();
    crt.counter_len = 4; /* a length that tag 91 does not have */
    assert_status(crt_check_isdr(&crt), STATUS_BAD_COUNTER);
    crt.counter_len = 200;
    bytes_init(&b);
    crt_put(&b.w, &crt);
    assert_status(writer_check(&b.w), STATUS_NO_SPACE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_bytes),
        cmocka_unit_test(fields_come_back),
        cmocka_unit_test(values_that_are_read_though_never_signed),
        cmocka_unit_test(malformed_fields),
        cmocka_unit_test(each_tlv_missing_repeated_swapped_or_unknown),
        cmocka_unit_test(ids_are_bounded),
        cmocka_unit_test(scenarios_that_may_be_signed),
        cmocka_unit_test(key_versions_and_usages_that_may_be_signed),
        cmocka_unit_test(host_ids_exactly_with_b3),
        cmocka_unit_test(counters_at_their_bound),
    };
    return cmocka_run_group_tests_name("crt", tests, NULL, NULL);
}
