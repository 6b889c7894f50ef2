/* The custodian's first line: a custody batch with any field out of bounds is refused whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/custody/custody.h"

static uint8_t storage[1 << 20] __attribute__((aligned(16)));
static uint8_t frame[CUSTODY_FRAME_MAX * 2];
static uint8_t zeros[4096];
static struct arena arena;
static char detail[WIRE_DETAIL_MAX];

static ProtobufCBinaryData zero(size_t len)
{
    return (ProtobufCBinaryData){len, zeros};
}

static char good_name[] = "beta";

static Ecka__Custody__V1__EstablishItem good_item(void)
{
    Ecka__Custody__V1__EstablishItem i = ECKA__CUSTODY__V1__ESTABLISH_ITEM__INIT;
    i.principal = good_name;
    i.eid = zero(16);
    i.pk_ecasd = zero(65);
    i.sr_key_id = zero(32);
    i.rc = zero(16);
    return i;
}

static enum status decode_items(Ecka__Custody__V1__EstablishItem *item, size_t n)
{
    Ecka__Custody__V1__EstablishItem *items[CUSTODY_ITEMS_MAX + 1];
    Ecka__Custody__V1__Establish list = ECKA__CUSTODY__V1__ESTABLISH__INIT;
    custody_batch batch = ECKA__CUSTODY__V1__BATCH__INIT;
    custody_batch *out;
    for (size_t i = 0; i < n; i++) {
        items[i] = item;
    }
    list.n_items = n;
    list.items = items;
    batch.kind_case = ECKA__CUSTODY__V1__BATCH__KIND_ESTABLISH;
    batch.establish = &list;
    size_t len = ecka__custody__v1__batch__pack(&batch, frame);
    arena_init(&arena, storage, sizeof storage);
    return custody_batch_decode(&arena, span_of(frame, len), &out, detail);
}

static void items_are_counted(void **state)
{
    (void)state;
    Ecka__Custody__V1__EstablishItem i = good_item();
    assert_int_equal(decode_items(&i, 1), STATUS_OK);
    assert_int_equal(decode_items(&i, CUSTODY_ITEMS_MAX), STATUS_OK);
    assert_int_equal(decode_items(&i, 0), STATUS_BAD_REQUEST);
    assert_int_equal(decode_items(&i, CUSTODY_ITEMS_MAX + 1), STATUS_BAD_REQUEST);
}

static void each_field_is_bounded(void **state)
{
    (void)state;
#define REFUSE(field, value)                                                                       \
    do {                                                                                           \
        Ecka__Custody__V1__EstablishItem i = good_item();                                          \
        i.field = (value);                                                                         \
        assert_int_equal(decode_items(&i, 2), STATUS_BAD_REQUEST);                                 \
        assert_non_null(strstr(detail, #field));                                                   \
    } while (0)
    REFUSE(eid, zero(15));
    REFUSE(pk_ecasd, zero(64));
    REFUSE(sr_key_id, zero(33));
    REFUSE(rc, zero(WIRE_ID_MAX + 1));
    REFUSE(host_id, zero(WIRE_ID_MAX + 1));
    REFUSE(sin, zero(WIRE_ID_MAX + 1));
    REFUSE(sdin, zero(WIRE_ID_MAX + 1));
    REFUSE(kvn, 256);
    REFUSE(scenario, 256);
    REFUSE(key_usage, 256);
    static char upper[] = "Beta", empty[] = "", slash[] = "a/b";
    static char too_long[] = "abcdefghijabcdefghijabcdefghijabc";
    REFUSE(principal, upper);
    REFUSE(principal, empty);
    REFUSE(principal, slash);
    REFUSE(principal, too_long);
}

static void principals_are_names(void **state)
{
    (void)state;
    assert_true(principal_valid("a"));
    assert_true(principal_valid("sm-sr_2.beta"));
    assert_true(principal_valid("abcdefghijabcdefghijabcdefghijab"));
    assert_false(principal_valid("abcdefghijabcdefghijabcdefghijabc"));
    assert_false(principal_valid("beta\n"));
    assert_false(principal_valid("\xC3\xA4"));
}

static void truncated_and_oversized_messages_are_refused(void **state)
{
    (void)state;
    Ecka__Custody__V1__EstablishItem i = good_item();
    assert_int_equal(decode_items(&i, 2), STATUS_OK);
    size_t len = arena.used; /* any bound on the packed length will do */
    custody_batch *out;
    for (size_t cut = 0; cut < 250 && cut < len; cut++) {
        arena_init(&arena, storage, sizeof storage);
        assert_int_equal(custody_batch_decode(&arena, span_of(frame, cut), &out, detail),
                         STATUS_BAD_REQUEST);
    }
    assert_int_equal(
        custody_batch_decode(&arena, span_of(frame, CUSTODY_FRAME_MAX + 1), &out, detail),
        STATUS_BAD_REQUEST);
}

static void answers_match_their_batch(void **state)
{
    (void)state;
    Ecka__Custody__V1__Scp80WrappedItem item = ECKA__CUSTODY__V1__SCP80_WRAPPED_ITEM__INIT;
    Ecka__Custody__V1__Scp80WrappedItem *items[] = {&item, &item};
    Ecka__Custody__V1__Scp80WrapAnswer list = ECKA__CUSTODY__V1__SCP80_WRAP_ANSWER__INIT;
    custody_answer answer = ECKA__CUSTODY__V1__ANSWER__INIT, *out;
    list.n_items = 2;
    list.items = items;
    item.packet = zero(40);
    answer.id = 5;
    answer.kind_case = ECKA__CUSTODY__V1__ANSWER__KIND_SCP80_WRAP;
    answer.scp80_wrap = &list;

    struct {
        uint64_t id;
        enum custody_kind kind;
        size_t items, packet;
        enum status expect;
    } cases[] = {
        {5, CUSTODY_SCP80_WRAP, 2, 40, STATUS_OK},
        {6, CUSTODY_SCP80_WRAP, 2, 40, STATUS_BAD_REQUEST},
        {5, CUSTODY_CONFIRM, 2, 40, STATUS_BAD_REQUEST},
        {5, CUSTODY_SCP80_WRAP, 3, 40, STATUS_BAD_REQUEST},
        {5, CUSTODY_SCP80_WRAP, 2, WIRE_PACKET_MAX + 1, STATUS_BAD_REQUEST},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        item.packet.len = cases[i].packet;
        size_t len = ecka__custody__v1__answer__pack(&answer, frame);
        arena_init(&arena, storage, sizeof storage);
        assert_int_equal(custody_answer_decode(&arena, span_of(frame, len), cases[i].id,
                                               cases[i].kind, cases[i].items, &out),
                         cases[i].expect);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_are_counted),
        cmocka_unit_test(each_field_is_bounded),
        cmocka_unit_test(principals_are_names),
        cmocka_unit_test(truncated_and_oversized_messages_are_refused),
        cmocka_unit_test(answers_match_their_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
