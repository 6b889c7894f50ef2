/*
 * The lines of an audit log: each is read back as it was meant, and has one form. A checkpoint by
 * another implementation of signed notes is read; hostile lines are none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/audit/audit.h"

static uint8_t room[AUDIT_LINE_MAX];

static const char leaf_text[] =
    "{\"time\":\"2026-11-24T01:38:18.123456Z\",\"op\":\"establish\",\"principal\":\"beta\","
    "\"eid\":\"89001012012341234012345678901224\",\"kvn\":1,\"key\":\"eckad sr-establish 1\","
    "\"sha256\":\"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\","
    "\"status\":\"OK\",\"count\":1,\"detail\":\"\"}";
static const char bare_leaf_text[] =
    "{\"time\":\"1970-01-01T00:00:00.000000Z\",\"op\":\"start\",\"principal\":\"\",\"eid\":\"\","
    "\"kvn\":-1,\"key\":\"\",\"sha256\":\"\",\"status\":\"OK\",\"count\":1,\"detail\":\"\"}";
static const char segment_text[] =
    "{\"segment\":1,\"origin\":\"eckad.example/c1\",\"first\":5,\"nodes\":["
    "\"0000000000000000000000000000000000000000000000000000000000000000\","
    "\"1111111111111111111111111111111111111111111111111111111111111111\"]}";
/* r begins with a set bit, s with a zero byte. */
static const char checkpoint_text[] =
    "{\"checkpoint\":\"eckad.example/c1\\n7\\nIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiI=\\nnew 3"
    "\\n\\n"
    "\xe2\x80\x94 eckad.example/c1 "
    "AQIDBDBEAiEAgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYECHwEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB"
    "AQEBAQE=\\n\"}";

static struct audit_leaf full_leaf(void)
{
    struct audit_leaf leaf = {
        .time_us = UINT64_C(1795484298123456),
        .op = audit_text("establish"),
        .principal = audit_text("beta"),
        .has_eid = true,
        .eid = {0x89, 0x00, 0x10, 0x12, 0x01, 0x23, 0x41, 0x23, 0x40, 0x12, 0x34, 0x56, 0x78, 0x90,
                0x12, 0x24},
        .kvn = 1,
        .key = audit_text("eckad sr-establish 1"),
        .has_sha256 = true,
        .status = audit_text("OK"),
        .count = 1,
    };
    for (unsigned i = 0; i < AUDIT_HASH_LEN; i++) {
        leaf.sha256[i] = (uint8_t)i;
    }
    return leaf;
}

static struct audit_checkpoint a_checkpoint(void)
{
    struct audit_checkpoint c = {
        .origin = audit_text("eckad.example/c1"), .size = 7, .fresh = 3, .key_id = {1, 2, 3, 4}};
    memset(c.root, 0x22, sizeof c.root);
    memset(c.signature, 0x81, AUDIT_SIGNATURE_LEN / 2);
    memset(c.signature + AUDIT_SIGNATURE_LEN / 2 + 1, 0x01, AUDIT_SIGNATURE_LEN / 2 - 1);
    return c;
}

static void assert_text(const struct writer *w, const char *text)
{
    assert_false(w->overflow);
    assert_int_equal(w->len, strlen(text));
    assert_memory_equal(w->ptr, text, w->len);
}

static void each_line_has_its_form(void **state)
{
    (void)state;
    struct writer w = writer_of(room, sizeof room);
    struct audit_leaf leaf = full_leaf();
    audit_leaf_put(&w, &leaf);
    assert_text(&w, leaf_text);

    leaf = (struct audit_leaf){
        .op = audit_text("start"), .kvn = AUDIT_KVN_NONE, .status = audit_text("OK"), .count = 1};
    w = writer_of(room, sizeof room);
    audit_leaf_put(&w, &leaf);
    assert_text(&w, bare_leaf_text);

    struct audit_segment segment = {.origin = audit_text("eckad.example/c1"), .first = 5, .n = 2};
    memset(segment.nodes[1], 0x11, AUDIT_HASH_LEN);
    w = writer_of(room, sizeof room);
    audit_segment_put(&w, &segment);
    assert_text(&w, segment_text);

    struct audit_checkpoint checkpoint = a_checkpoint();
    w = writer_of(room, sizeof room);
    audit_checkpoint_put(&w, &checkpoint);
    assert_text(&w, checkpoint_text);
}

static void each_line_is_read_back(void **state)
{
    (void)state;
    struct audit_line line;
    struct audit_leaf leaf = full_leaf();
    assert_true(audit_line_parse(audit_text(leaf_text), &line));
    assert_int_equal(line.kind, AUDIT_LINE_LEAF);
    assert_true(line.leaf.time_us == leaf.time_us);
    assert_true(span_eq(line.leaf.op, leaf.op));
    assert_true(span_eq(line.leaf.principal, leaf.principal));
    assert_true(line.leaf.has_eid && line.leaf.has_sha256);
    assert_memory_equal(line.leaf.eid, leaf.eid, sizeof leaf.eid);
    assert_memory_equal(line.leaf.sha256, leaf.sha256, sizeof leaf.sha256);
    assert_int_equal(line.leaf.kvn, 1);
    assert_true(span_eq(line.leaf.key, leaf.key));

    assert_true(audit_line_parse(audit_text(bare_leaf_text), &line));
    assert_false(line.leaf.has_eid || line.leaf.has_sha256);
    assert_int_equal(line.leaf.kvn, AUDIT_KVN_NONE);

    assert_true(audit_line_parse(audit_text(segment_text), &line));
    assert_int_equal(line.kind, AUDIT_LINE_SEGMENT);
    assert_true(line.segment.first == 5 && line.segment.n == 2);
    assert_int_equal(line.segment.nodes[1][31], 0x11);

    struct audit_checkpoint checkpoint = a_checkpoint();
    assert_true(audit_line_parse(audit_text(checkpoint_text), &line));
    assert_int_equal(line.kind, AUDIT_LINE_CHECKPOINT);
    assert_true(span_eq(line.checkpoint.origin, checkpoint.origin));
    assert_true(line.checkpoint.size == 7 && line.checkpoint.fresh == 3);
    assert_memory_equal(line.checkpoint.root, checkpoint.root, AUDIT_HASH_LEN);
    assert_memory_equal(line.checkpoint.key_id, checkpoint.key_id, AUDIT_KEY_ID_LEN);
    assert_memory_equal(line.checkpoint.signature, checkpoint.signature, AUDIT_SIGNATURE_LEN);
}

/* Whether a parsed line, written again, is the line. */
static bool written_again(struct span text, const struct audit_line *line)
{
    uint8_t again[AUDIT_LINE_MAX];
    struct writer w = writer_of(again, sizeof again);
    switch (line->kind) {
    case AUDIT_LINE_SEGMENT:
        audit_segment_put(&w, &line->segment);
        break;
    case AUDIT_LINE_LEAF:
        audit_leaf_put(&w, &line->leaf);
        break;
    case AUDIT_LINE_CHECKPOINT:
        audit_checkpoint_put(&w, &line->checkpoint);
        break;
    }
    return !w.overflow && span_eq(writer_span(&w), text);
}

/* Every byte replaced by every other, left out, doubled, and the line cut at every place: what is
 * still taken for a line has one form. */
static void no_line_has_two_forms(void **state)
{
    (void)state;
    static const char *const texts[] = {leaf_text, bare_leaf_text, segment_text, checkpoint_text};
    for (size_t t = 0; t < 4; t++) {
        size_t len = strlen(texts[t]), taken = 0;
        uint8_t other[AUDIT_LINE_MAX];
        struct audit_line line;
        for (size_t i = 0; i < len; i++) {
            assert_false(audit_line_parse(span_of(texts[t], i), &line));
            for (unsigned b = 0; b < 256; b++) {
                memcpy(other, texts[t], len);
                other[i] = (uint8_t)b;
                if (audit_line_parse(span_of(other, len), &line)) {
                    taken++;
                    assert_true(written_again(span_of(other, len), &line));
                }
                memcpy(other, texts[t], i);
                other[i] = (uint8_t)b;
                memcpy(other + i + 1, texts[t] + i, len - i);
                if (audit_line_parse(span_of(other, len + 1), &line)) {
                    assert_true(written_again(span_of(other, len + 1), &line));
                }
            }
            memcpy(other, texts[t], i);
            memcpy(other + i, texts[t] + i + 1, len - i - 1);
            if (audit_line_parse(span_of(other, len - 1), &line)) {
                assert_true(written_again(span_of(other, len - 1), &line));
            }
        }
        assert_true(taken >= len); /* each byte as it was, at least */
    }
}

static void what_is_no_line(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "{}",
        "{\"time\":\"2026-02-30T00:00:00.000000Z\",\"op\":\"start\",\"principal\":\"\",\"eid\":"
        "\"\","
        "\"kvn\":-1,\"key\":\"\",\"sha256\":\"\",\"status\":\"OK\",\"count\":1,\"detail\":\"\"}",
        "{\"time\":\"2026-11-24T24:00:00.000000Z\",\"op\":\"start\",\"principal\":\"\",\"eid\":"
        "\"\","
        "\"kvn\":-1,\"key\":\"\",\"sha256\":\"\",\"status\":\"OK\",\"count\":1,\"detail\":\"\"}",
        "{\"time\":\"2026-11-24T01:38:18.123456Z\",\"op\":\"\",\"principal\":\"\",\"eid\":\"\","
        "\"kvn\":-1,\"key\":\"\",\"sha256\":\"\",\"status\":\"OK\",\"count\":1,\"detail\":\"\"}",
        "{\"time\":\"2026-11-24T01:38:18.123456Z\",\"op\":\"start\",\"principal\":\"\",\"eid\":"
        "\"\","
        "\"kvn\":256,\"key\":\"\",\"sha256\":\"\",\"status\":\"OK\",\"count\":1,\"detail\":\"\"}",
        "{\"time\":\"2026-11-24T01:38:18.123456Z\",\"op\":\"start\",\"principal\":\"\",\"eid\":"
        "\"\","
        "\"kvn\":01,\"key\":\"\",\"sha256\":\"\",\"status\":\"OK\",\"count\":1,\"detail\":\"\"}",
        "{\"time\":\"2026-11-24T01:38:18.123456Z\",\"op\":\"start\",\"principal\":\"\",\"eid\":"
        "\"\","
        "\"kvn\":-1,\"key\":\"\",\"sha256\":\"\",\"status\":\"OK\",\"count\":0,\"detail\":\"\"}",
        "{\"time\":\"2026-11-24T01:38:18.123456Z\",\"op\":\"start\",\"principal\":\"\",\"eid\":"
        "\"\","
        "\"kvn\":-1,\"key\":\"\",\"sha256\":\"\",\"status\":\"OK\",\"count\":18446744073709551616,"
        "\"detail\":\"\"}",
        "{\"segment\":1,\"origin\":\"\",\"first\":0,\"nodes\":[]}",
        "{\"segment\":1,\"origin\":\"a b\",\"first\":0,\"nodes\":[]}",
        "{\"segment\":1,\"origin\":\"a\",\"first\":1,\"nodes\":[]}",
        "{\"segment\":2,\"origin\":\"a\",\"first\":0,\"nodes\":[]}",
    };
    struct audit_line line;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_false(audit_line_parse(audit_text(texts[i]), &line));
    }
    assert_true(audit_line_parse(
        audit_text("{\"segment\":1,\"origin\":\"a\",\"first\":0,\"nodes\":[]}"), &line));
}

static void a_checkpoint_covers_a_new_leaf(void **state)
{
    (void)state;
    static const uint64_t wrong[] = {0, 8, UINT64_MAX};
    for (size_t i = 0; i < 3; i++) {
        struct audit_checkpoint c = a_checkpoint();
        struct writer w = writer_of(room, sizeof room);
        c.fresh = wrong[i];
        audit_checkpoint_put(&w, &c);
        assert_true(w.overflow);
    }
}

static void text_is_replaced_and_cut(void **state)
{
    (void)state;
    static const char odd[] = {'"', '\\', '\n', '\x7f', '\xff', ' ', '~'};
    char wide[AUDIT_DETAIL_MAX + 10];
    struct writer w = writer_of(room, sizeof room);
    struct audit_leaf leaf = full_leaf();
    struct audit_line line;

    memset(wide, 'x', sizeof wide);
    for (size_t i = 0; i < sizeof odd; i++) {
        wide[i] = odd[i];
    }
    leaf.detail = span_of(wide, sizeof wide);
    audit_leaf_put(&w, &leaf);
    assert_true(audit_line_parse(writer_span(&w), &line));
    assert_int_equal(line.leaf.detail.len, AUDIT_DETAIL_MAX);
    assert_memory_equal(line.leaf.detail.ptr, "????? ~xx", 9);
}

static void the_longest_lines_fit(void **state)
{
    (void)state;
    char wide[AUDIT_DETAIL_MAX];
    struct audit_line line;
    memset(wide, 'a', sizeof wide);
    struct audit_leaf leaf = full_leaf();
    leaf.op = span_of(wide, AUDIT_OP_MAX);
    leaf.principal = span_of(wide, AUDIT_PRINCIPAL_MAX);
    leaf.key = span_of(wide, AUDIT_KEY_MAX);
    leaf.detail = span_of(wide, AUDIT_DETAIL_MAX);
    leaf.kvn = 255;
    leaf.count = UINT64_MAX;
    leaf.status = audit_text("ABCDEFGHIJKLMNOPQRSTUVWXYZ_01234");
    struct writer w = writer_of(room, AUDIT_LEAF_MAX);
    audit_leaf_put(&w, &leaf);
    assert_true(!w.overflow && audit_line_parse(writer_span(&w), &line));

    struct audit_segment segment = {
        .origin = span_of(wide, AUDIT_ORIGIN_MAX), .first = UINT64_MAX, .n = AUDIT_NODES_MAX};
    w = writer_of(room, AUDIT_SEGMENT_MAX);
    audit_segment_put(&w, &segment);
    assert_true(!w.overflow && audit_line_parse(writer_span(&w), &line));

    struct audit_checkpoint checkpoint = {
        .origin = span_of(wide, AUDIT_ORIGIN_MAX), .size = UINT64_MAX, .fresh = UINT64_MAX};
    memset(checkpoint.signature, 0xFF, sizeof checkpoint.signature);
    w = writer_of(room, AUDIT_CHECKPOINT_MAX);
    audit_checkpoint_put(&w, &checkpoint);
    assert_true(!w.overflow && audit_line_parse(writer_span(&w), &line));
    assert_memory_equal(line.checkpoint.signature, checkpoint.signature, AUDIT_SIGNATURE_LEN);
}

static void every_op_is_a_word_of_a_leaf(void **state)
{
    (void)state;
    for (int op = 0; op < AUDIT_OP_COUNT; op++) {
        struct writer w = writer_of(room, sizeof room);
        struct audit_leaf leaf = full_leaf();
        struct audit_line line;
        leaf.op = audit_text(audit_op_text((enum audit_op)op));
        audit_leaf_put(&w, &leaf);
        assert_true(audit_line_parse(writer_span(&w), &line));
        for (int other = 0; other < op; other++) {
            assert_string_not_equal(audit_op_text((enum audit_op)op),
                                    audit_op_text((enum audit_op)other));
        }
    }
}

static void times_are_those_of_the_calendar(void **state)
{
    (void)state;
    static const struct {
        uint64_t s;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000007Z"},          {951782399, "2000-02-28T23:59:59.000007Z"},
        {951782400, "2000-02-29T00:00:00.000007Z"},  {951868800, "2000-03-01T00:00:00.000007Z"},
        {4107542399, "2100-02-28T23:59:59.000007Z"}, {4107542400, "2100-03-01T00:00:00.000007Z"},
        {1798761599, "2026-12-31T23:59:59.000007Z"}, {253402300799, "9999-12-31T23:59:59.000007Z"},
    };
    struct audit_line line;
    struct audit_leaf leaf = full_leaf();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct writer w = writer_of(room, sizeof room);
        leaf.time_us = rows[i].s * 1000000 + 7;
        audit_leaf_put(&w, &leaf);
        assert_memory_equal(room + strlen("{\"time\":\""), rows[i].text, AUDIT_TIME_LEN);
        assert_true(audit_line_parse(writer_span(&w), &line));
        assert_true(line.leaf.time_us == leaf.time_us);
    }
}

static void a_note_of_several_signatures_gives_ours(void **state)
{
    (void)state;
    struct audit_checkpoint ours = a_checkpoint(), other = a_checkpoint(), got;
    uint8_t note[3 * AUDIT_NOTE_MAX];
    struct writer w = writer_of(note, sizeof note);

    audit_note_put(&w, &other);
    assert_true(audit_note_parse(writer_span(&w), NULL, &got));
    w.len = 0;
    other.key_id[0] = 9;
    audit_note_put(&w, &other);
    put_bytes(&w, "\xe2\x80\x94 witness.example AAAAAAAA\n", 29);
    assert_false(audit_note_parse(writer_span(&w), ours.key_id, &got));
    uint8_t line[AUDIT_NOTE_MAX];
    struct writer l = writer_of(line, sizeof line);
    audit_note_put(&l, &ours);
    const uint8_t *dash = memchr(line, 0xe2, l.len);
    put_bytes(&w, dash, l.len - (size_t)(dash - line));
    assert_true(audit_note_parse(writer_span(&w), ours.key_id, &got));
    assert_memory_equal(got.key_id, ours.key_id, AUDIT_KEY_ID_LEN);
    assert_true(got.size == 7);
    for (size_t cut = 1; cut <= w.len; cut++) { /* a line that is cut is no line */
        bool whole_lines = note[w.len - cut - 1] == '\n';
        bool read = audit_note_parse(span_of(note, w.len - cut), other.key_id, &got);
        assert_true(!read || whole_lines);
        if (cut == w.len - 1) {
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_line_has_its_form),
        cmocka_unit_test(each_line_is_read_back),
        cmocka_unit_test(no_line_has_two_forms),
        cmocka_unit_test(what_is_no_line),
        cmocka_unit_test(a_checkpoint_covers_a_new_leaf),
        cmocka_unit_test(text_is_replaced_and_cut),
        cmocka_unit_test(the_longest_lines_fit),
        cmocka_unit_test(every_op_is_a_word_of_a_leaf),
        cmocka_unit_test(times_are_those_of_the_calendar),
        cmocka_unit_test(a_note_of_several_signatures_gives_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
