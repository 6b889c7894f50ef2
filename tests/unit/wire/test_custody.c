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

/* A list of one kind with this item twice, decoded. */
#define DECODE(Kind, KIND, kind, item)                                                             \
    do {                                                                                           \
        Ecka__Custody__V1__##Kind##Item *items[] = {&(item), &(item)};                             \
        Ecka__Custody__V1__##Kind list = ECKA__CUSTODY__V1__##KIND##__INIT;                        \
        custody_batch batch = ECKA__CUSTODY__V1__BATCH__INIT;                                      \
        custody_batch *out;                                                                        \
        list.n_items = 2;                                                                          \
        list.items = items;                                                                        \
        batch.kind_case = ECKA__CUSTODY__V1__BATCH__KIND_##KIND;                                   \
        batch.kind = &list;                                                                        \
        size_t len = ecka__custody__v1__batch__pack(&batch, frame);                                \
        arena_init(&arena, storage, sizeof storage);                                               \
        decoded = custody_batch_decode(&arena, span_of(frame, len), &out, detail);                 \
    } while (0)

/* One field of a good item changed: refused, and named. */
#define BOUND(Kind, KIND, kind, good, field, value)                                                \
    do {                                                                                           \
        enum status decoded;                                                                       \
        Ecka__Custody__V1__##Kind##Item item = (good);                                             \
        DECODE(Kind, KIND, kind, item);                                                            \
        assert_int_equal(decoded, STATUS_OK);                                                      \
        item.field = (value);                                                                      \
        DECODE(Kind, KIND, kind, item);                                                            \
        assert_int_equal(decoded, STATUS_BAD_REQUEST);                                             \
        assert_non_null(strstr(detail, "field " #field " "));                                      \
    } while (0)

static char bad_name[] = "Beta";

static void fields_of_key_set_create(void **state)
{
    (void)state;
    Ecka__Custody__V1__KeySetCreateItem good = ECKA__CUSTODY__V1__KEY_SET_CREATE_ITEM__INIT;
    good.principal = good_name;
    good.key_set = zero(WIRE_KEY_SET_MAX);
    good.eid = zero(16);
#define CREATE_BOUND(field, value)                                                                 \
    BOUND(KeySetCreate, KEY_SET_CREATE, key_set_create, good, field, value)
    CREATE_BOUND(principal, bad_name);
    CREATE_BOUND(key_set, zero(WIRE_KEY_SET_MAX + 1));
    CREATE_BOUND(eid, zero(17));
    CREATE_BOUND(kvn, 256);
    CREATE_BOUND(kind, 256);
    CREATE_BOUND(new_kvn, 256);
}

static void fields_of_sign(void **state)
{
    (void)state;
    static char longest[] = "0123456789abcdef0123456789abcdef",
                longer[] = "0123456789abcdef0123456789abcdefg";
    Ecka__Custody__V1__SignItem good = ECKA__CUSTODY__V1__SIGN_ITEM__INIT;
    good.principal = good_name;
    good.key_label = longest;
    good.digest = zero(32);
#define SIGN_BOUND(field, value) BOUND(Sign, SIGN, sign, good, field, value)
    SIGN_BOUND(principal, bad_name);
    SIGN_BOUND(key_label, longer);
    SIGN_BOUND(digest, zero(31));
    SIGN_BOUND(digest, zero(64));
    Ecka__Custody__V1__RewrapItem rewrap = ECKA__CUSTODY__V1__REWRAP_ITEM__INIT;
    rewrap.principal = good_name;
    rewrap.kek_label = longest;
    rewrap.key_set = zero(WIRE_KEY_SET_MAX);
    rewrap.eid = zero(16);
#define REWRAP_BOUND(field, value) BOUND(Rewrap, REWRAP, rewrap, rewrap, field, value)
    REWRAP_BOUND(principal, bad_name);
    REWRAP_BOUND(kek_label, longer);
    REWRAP_BOUND(key_set, zero(WIRE_KEY_SET_MAX + 1));
    REWRAP_BOUND(eid, zero(15));
    REWRAP_BOUND(kvn, 256);
}

static void fields_of_agree_and_reseal(void **state)
{
    (void)state;
    Ecka__Custody__V1__AgreeItem agree = ECKA__CUSTODY__V1__AGREE_ITEM__INIT;
    agree.principal = good_name;
    agree.peer = zero(65);
    agree.shared_info = zero(WIRE_SHARED_INFO_MAX);
#define AGREE_BOUND(field, value) BOUND(Agree, AGREE, agree, agree, field, value)
    AGREE_BOUND(principal, bad_name);
    AGREE_BOUND(peer, zero(64));
    AGREE_BOUND(peer, zero(33));
    AGREE_BOUND(shared_info, zero(WIRE_SHARED_INFO_MAX + 1));
    Ecka__Custody__V1__ResealItem reseal = ECKA__CUSTODY__V1__RESEAL_ITEM__INIT;
    reseal.principal = good_name;
    reseal.key_set = zero(WIRE_KEY_SET_MAX);
    reseal.eid = zero(16);
#define RESEAL_BOUND(field, value) BOUND(Reseal, RESEAL, reseal, reseal, field, value)
    RESEAL_BOUND(principal, bad_name);
    RESEAL_BOUND(key_set, zero(WIRE_KEY_SET_MAX + 1));
    RESEAL_BOUND(eid, zero(17));
    RESEAL_BOUND(kvn, 256);
}

static void fields_of_note(void **state)
{
    (void)state;
    static char longer[] = "abcdefghijabcdefghijabcdefghijabc", bad[] = "a/b";
    static char wide[WIRE_DETAIL_MAX + 1];
    memset(wide, 'x', WIRE_DETAIL_MAX);
    Ecka__Custody__V1__NoteItem policy = ECKA__CUSTODY__V1__NOTE_ITEM__INIT;
    policy.event = CUSTODY_NOTE_POLICY;
    policy.count = 1;
    policy.sha256 = zero(32);
#define POLICY_BOUND(field, value) BOUND(Note, NOTE, note, policy, field, value)
    POLICY_BOUND(event, 0);
    POLICY_BOUND(event, 4);
    POLICY_BOUND(principal, bad);
    POLICY_BOUND(count, 0);
    POLICY_BOUND(sha256, zero(0));
    POLICY_BOUND(sha256, zero(33));
    POLICY_BOUND(detail, wide);
    Ecka__Custody__V1__NoteItem refused = ECKA__CUSTODY__V1__NOTE_ITEM__INIT;
    refused.event = CUSTODY_NOTE_REFUSED;
    refused.principal = good_name;
    refused.status = STATUS_DENIED;
    refused.count = 7;
#define REFUSED_BOUND(field, value) BOUND(Note, NOTE, note, refused, field, value)
    REFUSED_BOUND(principal, bad);
    REFUSED_BOUND(operation, longer);
    REFUSED_BOUND(status, 255);
    REFUSED_BOUND(count, 0);
    REFUSED_BOUND(sha256, zero(32));
}

static void fields_of_scp03_open(void **state)
{
    (void)state;
    Ecka__Custody__V1__Scp03OpenItem good = ECKA__CUSTODY__V1__SCP03_OPEN_ITEM__INIT;
    good.principal = good_name;
    good.key_set = zero(WIRE_KEY_SET_MAX);
    good.eid = zero(16);
    good.host_challenge = good.card_challenge = good.card_cryptogram = zero(8);
#define OPEN_BOUND(field, value) BOUND(Scp03Open, SCP03_OPEN, scp03_open, good, field, value)
    OPEN_BOUND(principal, bad_name);
    OPEN_BOUND(key_set, zero(WIRE_KEY_SET_MAX + 1));
    OPEN_BOUND(eid, zero(15));
    OPEN_BOUND(kvn, 256);
    OPEN_BOUND(host_challenge, zero(7));
    OPEN_BOUND(host_challenge, zero(16));
    OPEN_BOUND(card_challenge, zero(9));
    OPEN_BOUND(card_cryptogram, zero(0));
    OPEN_BOUND(security_level, 0x133);
}

static void fields_of_scp03_sessions(void **state)
{
    (void)state;
    Ecka__Custody__V1__Scp03WrapItem wrap = ECKA__CUSTODY__V1__SCP03_WRAP_ITEM__INIT;
    wrap.principal = good_name;
    wrap.session = zero(WIRE_SESSION_MAX);
    wrap.eid = zero(16);
    wrap.apdu = zero(WIRE_APDU_MAX);
#define WRAP_BOUND(field, value) BOUND(Scp03Wrap, SCP03_WRAP, scp03_wrap, wrap, field, value)
    WRAP_BOUND(principal, bad_name);
    WRAP_BOUND(session, zero(WIRE_SESSION_MAX + 1));
    WRAP_BOUND(eid, zero(0));
    WRAP_BOUND(apdu, zero(WIRE_APDU_MAX + 1));
    Ecka__Custody__V1__Scp03UnwrapItem unwrap = ECKA__CUSTODY__V1__SCP03_UNWRAP_ITEM__INIT;
    unwrap.principal = good_name;
    unwrap.session = zero(WIRE_SESSION_MAX);
    unwrap.eid = zero(16);
    unwrap.apdu = zero(WIRE_APDU_MAX);
#define UNWRAP_BOUND(field, value)                                                                 \
    BOUND(Scp03Unwrap, SCP03_UNWRAP, scp03_unwrap, unwrap, field, value)
    UNWRAP_BOUND(principal, bad_name);
    UNWRAP_BOUND(session, zero(WIRE_SESSION_MAX + 1));
    UNWRAP_BOUND(eid, zero(0));
    UNWRAP_BOUND(apdu, zero(WIRE_APDU_MAX + 1));
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
        cmocka_unit_test(fields_of_sign),
        cmocka_unit_test(fields_of_agree_and_reseal),
        cmocka_unit_test(fields_of_key_set_create),
        cmocka_unit_test(fields_of_note),
        cmocka_unit_test(fields_of_scp03_open),
        cmocka_unit_test(fields_of_scp03_sessions),
        cmocka_unit_test(principals_are_names),
        cmocka_unit_test(truncated_and_oversized_messages_are_refused),
        cmocka_unit_test(answers_match_their_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
