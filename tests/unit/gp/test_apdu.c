/* APDUs of all four cases, and the expanded structures that carry them, definite and indefinite. */
#include "proto/gp/apdu.h"
#include "tests/unit/gp/gp_test.h"

static const uint8_t zeros[RAPDU_DATA_MAX + 1] = {0};

static void commands_come_back(void **state)
{
    (void)state;
    for (size_t len = 0; len <= APDU_DATA_MAX; len++) {
        for (int has_le = 0; has_le <= 1; has_le++) {
            struct bytes b;
            struct apdu got;
            const struct apdu in = {.cla = 0x80,
                                    .ins = INS_STORE_DATA,
                                    .p1 = STORE_DATA_2_P1,
                                    .p2 = 0x01,
                                    .data = span_of(zeros, len),
                                    .has_le = has_le != 0,
                                    .le = has_le != 0 ? 0xE7 : 0};
            bytes_init(&b);
            apdu_put(&b.w, &in);
            assert_true(b.w.len <= APDU_MAX);
            assert_status(apdu_parse(bytes_span(&b), &got), STATUS_OK);
            assert_int_equal(got.cla, in.cla);
            assert_int_equal(got.ins, in.ins);
            assert_int_equal(got.p1, in.p1);
            assert_int_equal(got.p2, in.p2);
            assert_spans_equal(got.data, in.data);
            assert_int_equal(got.has_le, in.has_le);
            assert_int_equal(got.le, in.le);
        }
    }
}

static void the_four_cases(void **state)
{
    static const struct {
        const char *hex;
        enum status want;
        size_t data_len;
        bool has_le;
    } rows[] = {
        {"80CA00E0", STATUS_OK, 0, false},
        {"80CA00E000", STATUS_OK, 0, true},
        {"80E20900 02 AABB", STATUS_OK, 2, false},
        {"80E20900 02 AABB 00", STATUS_OK, 2, true},
        {"", STATUS_TLV_MALFORMED, 0, false},
        {"80E209", STATUS_TLV_MALFORMED, 0, false},
        {"80E20900 02 AA", STATUS_BAD_LENGTH, 0, false},
        {"80E20900 02 AABB 00 00", STATUS_BAD_LENGTH, 0, false},
        {"80E20900 00 00", STATUS_BAD_LENGTH, 0, false},        /* Lc 00 is none */
        {"80E20900 00 0002 AABB", STATUS_BAD_LENGTH, 0, false}, /* extended form */
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bytes b;
        struct apdu got;
        bytes_init(&b);
        bytes_hex(&b, rows[i].hex);
        assert_status(apdu_parse(bytes_span(&b), &got), rows[i].want);
        assert_int_equal(got.data.len, rows[i].data_len);
        assert_int_equal(got.has_le, rows[i].has_le);
        assert_int_equal(got.ins != 0, rows[i].want == STATUS_OK);
    }
}

static void longer_data_is_not_written(void **state)
{
    (void)state;
    struct bytes b;
    bytes_init(&b);
    apdu_put(&b.w, &(struct apdu){.data = span_of(zeros, APDU_DATA_MAX + 1)});
    assert_status(writer_check(&b.w), STATUS_NO_SPACE);
    bytes_init(&b);
    rapdu_put(&b.w, span_of(zeros, RAPDU_DATA_MAX + 1), 0x9000);
    assert_status(writer_check(&b.w), STATUS_NO_SPACE);
}

static void answers_come_back(void **state)
{
    (void)state;
    struct rapdu got;
    for (size_t len = 0; len <= RAPDU_DATA_MAX; len++) {
        struct bytes b;
        bytes_init(&b);
        rapdu_put(&b.w, span_of(zeros, len), 0x6A80);
        assert_status(rapdu_parse(bytes_span(&b), &got), STATUS_OK);
        assert_int_equal(got.data.len, len);
        assert_int_equal(got.sw, 0x6A80);
    }
    for (size_t len = 0; len < 2; len++) {
        assert_status(rapdu_parse(span_of(zeros, len), &got), STATUS_TLV_MALFORMED);
    }
    uint8_t longest[RAPDU_DATA_MAX + 3] = {0};
    assert_status(rapdu_parse(span_of(longest, sizeof longest - 1), &got), STATUS_OK);
    assert_status(rapdu_parse(span_of(longest, sizeof longest), &got), STATUS_TLV_MALFORMED);
    assert_null(got.data.ptr);
}

static enum status parse_commands(const char *hex, size_t *count, size_t *last_len)
{
    struct bytes b;
    struct span apdus[EXPANDED_COMMANDS_MAX];
    bytes_init(&b);
    bytes_hex(&b, hex);
    enum status s = expanded_commands_parse(bytes_span(&b), apdus, count);
    if (s != STATUS_OK) {
        assert_int_equal(*count, 0);
        assert_null(apdus[0].ptr);
    }
    *last_len = s == STATUS_OK ? apdus[*count - 1].len : 0;
    return s;
}

static void expanded_commands_come_back(void **state)
{
    (void)state;
    for (size_t n = 1; n <= EXPANDED_COMMANDS_MAX; n++) {
        struct bytes b;
        struct span in[EXPANDED_COMMANDS_MAX];
        struct span out[EXPANDED_COMMANDS_MAX];
        size_t count;
        for (size_t i = 0; i < n; i++) {
            in[i] = span_of(zeros, 4 + 31 * i);
        }
        bytes_init(&b);
        expanded_commands_put(&b.w, in, n);
        assert_status(expanded_commands_parse(bytes_span(&b), out, &count), STATUS_OK);
        assert_int_equal(count, n);
        for (size_t i = 0; i < n; i++) {
            assert_spans_equal(out[i], in[i]);
        }
    }
}

static void expanded_command_forms(void **state)
{
    static const struct {
        const char *hex;
        enum status want;
        size_t count, last_len;
    } rows[] = {
        {"AA06 2204 80CA00E0", STATUS_OK, 1, 4},
        {"AE80 2204 80CA00E0 0000", STATUS_OK, 1, 4},
        {"AE80 2204 80CA00E0 2205 80CA00E000 0000", STATUS_OK, 2, 5},
        {"AE80 2204 80CA0000 0000", STATUS_OK, 1, 4},       /* zeros that are data */
        {"AE80 2204 80CA0000", STATUS_TLV_MALFORMED, 0, 0}, /* and no end of contents */
        {"AE80 2204 80CA00E0 00", STATUS_TLV_MALFORMED, 0, 0},
        {"AE80 2204 80CA00E0 0100", STATUS_TLV_MALFORMED, 0, 0},
        {"AE80 2204 80CA00E0 0001", STATUS_TLV_MALFORMED, 0, 0},
        {"AE80 2204 80CA00E0 0000 00", STATUS_TLV_MALFORMED, 0, 0},
        {"AE80 2204 80CA00E0 0000 0000", STATUS_TLV_MALFORMED, 0, 0},
        {"AE80 2204 80CA00E0 0000 2200 0000", STATUS_TLV_MALFORMED, 0, 0},
        {"AE80 0000", STATUS_TLV_MALFORMED, 0, 0},
        {"AE80 00", STATUS_TLV_MALFORMED, 0, 0},
        {"AE80", STATUS_TLV_MALFORMED, 0, 0},
        {"AE06 2204 80CA00E0", STATUS_TLV_MALFORMED, 0, 0}, /* each tag has its one form */
        {"AA80 2204 80CA00E0 0000", STATUS_TLV_MALFORMED, 0, 0},
        {"AA00", STATUS_TLV_MALFORMED, 0, 0},
        {"", STATUS_TLV_MALFORMED, 0, 0},
        {"AA06 2304 80CA00E0", STATUS_TLV_MALFORMED, 0, 0},
        {"AA07 2204 80CA00E0 00", STATUS_TLV_MALFORMED, 0, 0},
        {"AA06 2204 80CA00E0 00", STATUS_TLV_MALFORMED, 0, 0},
        {"AA10 2200 2200 2200 2200 2200 2200 2200 2200", STATUS_OK, 8, 0},
        {"AA12 2200 2200 2200 2200 2200 2200 2200 2200 2200", STATUS_TLV_MALFORMED, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t count;
        size_t last_len;
        assert_status(parse_commands(rows[i].hex, &count, &last_len), rows[i].want);
        assert_int_equal(count, rows[i].count);
        assert_int_equal(last_len, rows[i].last_len);
    }
}

static void expanded_answers_come_back(void **state)
{
    (void)state;
    for (size_t len = 2; len <= RAPDU_DATA_MAX + 1; len++) {
        struct bytes b;
        uint8_t executed;
        struct span got;
        bytes_init(&b);
        expanded_answer_put(&b.w, 3, span_of(zeros, len));
        assert_status(expanded_answer_parse(bytes_span(&b), &executed, &got), STATUS_OK);
        assert_int_equal(executed, 3);
        assert_int_equal(got.len, len);
    }
}

static void expanded_answer_forms(void **state)
{
    static const struct {
        const char *hex;
        const char *last; /* NULL: refused */
    } rows[] = {
        {"AB07 800101 2302 9000", "9000"},
        {"AF80 800101 2302 9000 0000", "9000"},
        {"AB0B 800102 2302 6300 2302 9000", "9000"}, /* the last one is kept */
        {"AF80 800101 2302 0000", NULL},
        {"AF80 800101 2302 9000 00", NULL},
        {"AF80 0000", NULL},
        {"AF07 800101 2302 9000", NULL},
        {"AB80 800101 2302 9000 0000", NULL},
        {"AB03 800101", NULL},
        {"AB04 2302 9000", NULL},
        {"AB07 2302 9000 800101", NULL},
        {"AB08 80020001 2302 9000", NULL},
        {"AB0A 800101 800101 2302 9000", NULL},
        {"AB07 800101 2202 9000", NULL},
        {"AB07 800101 2302 9000 00", NULL},
        {"AA07 800101 2302 9000", NULL},
        {"", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bytes b;
        uint8_t executed = 99;
        struct span got;
        bytes_init(&b);
        bytes_hex(&b, rows[i].hex);
        enum status s = expanded_answer_parse(bytes_span(&b), &executed, &got);
        assert_status(s, rows[i].last != NULL ? STATUS_OK : STATUS_TLV_MALFORMED);
        if (rows[i].last != NULL) {
            assert_hex(got, rows[i].last);
        } else {
            assert_int_equal(executed, 0);
            assert_null(got.ptr);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_come_back),          cmocka_unit_test(the_four_cases),
        cmocka_unit_test(longer_data_is_not_written),  cmocka_unit_test(answers_come_back),
        cmocka_unit_test(expanded_commands_come_back), cmocka_unit_test(expanded_command_forms),
        cmocka_unit_test(expanded_answers_come_back),  cmocka_unit_test(expanded_answer_forms),
    };
    return cmocka_run_group_tests_name("apdu", tests, NULL, NULL);
}
