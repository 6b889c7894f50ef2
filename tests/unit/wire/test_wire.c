/*
 * Requests and replies: what is well formed passes, and each field with a wrong length is refused
 * by name; truncated and random frames are refused without a crash; a frame cannot cost more than
 * its arena.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/wire/wire.h"

enum { ITEMS = 3, ARENA = 1 << 20 };

static uint8_t storage[ARENA] __attribute__((aligned(16)));
static uint8_t zeros[4096];
static uint8_t frame_buf[WIRE_FRAME_MAX];
static char detail[WIRE_DETAIL_MAX];
static struct arena arena;

static ProtobufCBinaryData zero(size_t len)
{
    return (ProtobufCBinaryData){len, zeros};
}

struct sample { /* one request of each operation, every field filled */
    Ecka__V1__Request request;
    Ecka__V1__Verify verify;
    Ecka__V1__VerifyChain chain;
    Ecka__V1__Establish establish;
    Ecka__V1__Confirm confirm;
    Ecka__V1__Scp80Wrap wrap;
    Ecka__V1__Scp80Unwrap unwrap;
    Ecka__V1__Info info;
    ProtobufCBinaryData lists[16][ITEMS];
};

static ProtobufCBinaryData *fill(struct sample *s, int list, size_t len)
{
    for (int i = 0; i < ITEMS; i++) {
        s->lists[list][i] = zero(len);
    }
    return s->lists[list];
}

static void sample_init(struct sample *s, enum wire_op op)
{
    *s = (struct sample){0};
    ecka__v1__request__init(&s->request);
    ecka__v1__verify__init(&s->verify);
    ecka__v1__verify_chain__init(&s->chain);
    ecka__v1__establish__init(&s->establish);
    ecka__v1__confirm__init(&s->confirm);
    ecka__v1__scp80_wrap__init(&s->wrap);
    ecka__v1__scp80_unwrap__init(&s->unwrap);
    ecka__v1__info__init(&s->info);
    s->request.version = WIRE_VERSION;
    s->request.id = 7;
    s->request.op_case = (Ecka__V1__Request__OpCase)op;

    s->verify.public_keys = zero(2 * 65);
    s->verify.key_index = zero(ITEMS * 2);
    s->verify.digests = zero(ITEMS * 32);
    s->verify.signatures = zero(ITEMS * 64);

    s->chain.eids = zero(ITEMS * 16);
    s->chain.n_ecasd_certs = ITEMS;
    s->chain.ecasd_certs = fill(s, 0, 200);
    s->chain.n_eums = 1;
    s->chain.eums = fill(s, 1, 32);

    s->establish.sr_key_id = zero(32);
    s->establish.eids = zero(ITEMS * 16);
    s->establish.n_ecasd_certs = ITEMS;
    s->establish.ecasd_certs = fill(s, 2, 200);
    s->establish.n_eums = ITEMS;
    s->establish.eums = fill(s, 3, 32);
    s->establish.n_rcs = ITEMS;
    s->establish.rcs = fill(s, 4, 16);
    s->establish.kvns = zero(ITEMS);
    s->establish.scenarios = zero(ITEMS);
    s->establish.counters = zero(ITEMS * 5);
    s->establish.n_host_ids = s->establish.n_sins = s->establish.n_sdins = ITEMS;
    s->establish.host_ids = fill(s, 5, 8);
    s->establish.sins = fill(s, 6, 8);
    s->establish.sdins = fill(s, 7, 8);
    s->establish.expiries = zero(ITEMS * 8);
    s->establish.key_usages = zero(ITEMS);

    s->confirm.n_tickets = ITEMS;
    s->confirm.tickets = fill(s, 8, 300);
    s->confirm.eids = zero(ITEMS * 16);
    s->confirm.receipts = zero(ITEMS * 16);
    s->confirm.n_drs = ITEMS;
    s->confirm.drs = fill(s, 9, 16);

    s->wrap.n_key_sets = ITEMS;
    s->wrap.key_sets = fill(s, 10, 200);
    s->wrap.eids = zero(ITEMS * 16);
    s->wrap.kvns = zero(ITEMS);
    s->wrap.spis = zero(ITEMS * 2);
    s->wrap.tars = zero(ITEMS * 3);
    s->wrap.counters = zero(ITEMS * 5);
    s->wrap.n_payloads = ITEMS;
    s->wrap.payloads = fill(s, 11, 100);

    s->unwrap.n_key_sets = ITEMS;
    s->unwrap.key_sets = fill(s, 12, 200);
    s->unwrap.eids = zero(ITEMS * 16);
    s->unwrap.kvns = zero(ITEMS);
    s->unwrap.n_packets = ITEMS;
    s->unwrap.packets = fill(s, 13, 100);

    switch (op) {
    case WIRE_OP_VERIFY:
        s->request.verify = &s->verify;
        break;
    case WIRE_OP_VERIFY_CHAIN:
        s->request.verify_chain = &s->chain;
        break;
    case WIRE_OP_ESTABLISH:
        s->request.establish = &s->establish;
        break;
    case WIRE_OP_CONFIRM:
        s->request.confirm = &s->confirm;
        break;
    case WIRE_OP_SCP80_WRAP:
        s->request.scp80_wrap = &s->wrap;
        break;
    case WIRE_OP_SCP80_UNWRAP:
        s->request.scp80_unwrap = &s->unwrap;
        break;
    default:
        s->request.info = &s->info;
        break;
    }
}

static enum status decode(const struct sample *s, struct wire_request *out)
{
    size_t len = ecka__v1__request__pack(&s->request, frame_buf);
    arena_init(&arena, storage, sizeof storage);
    return wire_request_decode(&arena, span_of(frame_buf, len), out, detail);
}

static void whole_requests_pass(void **state)
{
    (void)state;
    for (enum wire_op op = WIRE_OP_FIRST; op <= WIRE_OP_INFO; op++) {
        struct sample s;
        struct wire_request r;
        sample_init(&s, op);
        assert_int_equal(decode(&s, &r), STATUS_OK);
        assert_int_equal(r.op, op);
        assert_int_equal(r.items, op == WIRE_OP_INFO ? 0 : ITEMS);
        assert_int_equal(r.msg->id, 7);
        assert_int_equal(wire_op_from_name(wire_op_name(op)), op);
    }
}

/* Refused, with the operation and the field in the sentence. */
static void refused(const struct sample *s, const char *field)
{
    struct wire_request r;
    assert_int_equal(decode(s, &r), STATUS_BAD_REQUEST);
    assert_non_null(r.msg);
    if (strstr(detail, field) == NULL) {
        fail_msg("'%s' does not name %s", detail, field);
    }
}

struct column_case {
    enum wire_op op;
    size_t offset; /* of the ProtobufCBinaryData in struct sample */
    const char *field;
};

struct list_case {
    enum wire_op op;
    size_t n_offset; /* of the count in struct sample */
    int list;        /* of sample.lists */
    size_t max;
    const char *field;
};

static void each_column_has_one_length(void **state)
{
    (void)state;
#define COL(o, m, f)                                                                               \
    {                                                                                              \
        WIRE_OP_##o, offsetof(struct sample, m.f), #f                                              \
    }
    static const struct column_case cases[] = {
        COL(VERIFY, verify, public_keys),      COL(VERIFY, verify, key_index),
        COL(VERIFY, verify, signatures),       COL(ESTABLISH, establish, sr_key_id),
        COL(ESTABLISH, establish, kvns),       COL(ESTABLISH, establish, scenarios),
        COL(ESTABLISH, establish, counters),   COL(ESTABLISH, establish, expiries),
        COL(ESTABLISH, establish, key_usages), COL(CONFIRM, confirm, receipts),
        COL(SCP80_WRAP, wrap, kvns),           COL(SCP80_WRAP, wrap, spis),
        COL(SCP80_WRAP, wrap, tars),           COL(SCP80_WRAP, wrap, counters),
        COL(SCP80_UNWRAP, unwrap, kvns),
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int by = -1; by <= 1; by += 2) {
            struct sample s;
            sample_init(&s, cases[i].op);
            ProtobufCBinaryData *b = (void *)((char *)&s + cases[i].offset);
            b->len = (size_t)((long)b->len + by);
            if (b->len != 0) { /* an absent optional column is no fault */
                refused(&s, cases[i].field);
            }
        }
    }
}

static void each_list_has_its_count_and_limit(void **state)
{
    (void)state;
#define LIST(o, m, f, l, max)                                                                      \
    {                                                                                              \
        WIRE_OP_##o, offsetof(struct sample, m.n_##f), l, max, #f                                  \
    }
    static const struct list_case cases[] = {
        LIST(VERIFY_CHAIN, chain, ecasd_certs, 0, WIRE_CERT_MAX),
        LIST(ESTABLISH, establish, ecasd_certs, 2, WIRE_CERT_MAX),
        LIST(ESTABLISH, establish, eums, 3, WIRE_EUM_MAX),
        LIST(ESTABLISH, establish, rcs, 4, WIRE_ID_MAX),
        LIST(ESTABLISH, establish, host_ids, 5, WIRE_ID_MAX),
        LIST(ESTABLISH, establish, sins, 6, WIRE_ID_MAX),
        LIST(ESTABLISH, establish, sdins, 7, WIRE_ID_MAX),
        LIST(CONFIRM, confirm, tickets, 8, WIRE_TICKET_MAX),
        LIST(CONFIRM, confirm, drs, 9, WIRE_ID_MAX),
        LIST(SCP80_WRAP, wrap, key_sets, 10, WIRE_KEY_SET_MAX),
        LIST(SCP80_WRAP, wrap, payloads, 11, WIRE_PAYLOAD_MAX),
        LIST(SCP80_UNWRAP, unwrap, key_sets, 12, WIRE_KEY_SET_MAX),
        LIST(SCP80_UNWRAP, unwrap, packets, 13, WIRE_PACKET_MAX),
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sample s;
        sample_init(&s, cases[i].op);
        *(size_t *)(void *)((char *)&s + cases[i].n_offset) = ITEMS - 1;
        refused(&s, cases[i].field);
        sample_init(&s, cases[i].op);
        s.lists[cases[i].list][ITEMS - 1].len = cases[i].max + 1;
        refused(&s, cases[i].field);
        s.lists[cases[i].list][ITEMS - 1].len = cases[i].max;
        struct wire_request r;
        assert_int_equal(decode(&s, &r), STATUS_OK);
    }
}

static void item_counts_are_bounded(void **state)
{
    (void)state;
    static uint8_t big[(WIRE_VERIFY_ITEMS_MAX + 1) * 65];
    struct sample s;
    struct wire_request r;
    sample_init(&s, WIRE_OP_VERIFY);
    s.verify.public_keys = (ProtobufCBinaryData){65, big};
    s.verify.key_index.len = 0;
    s.verify.digests = (ProtobufCBinaryData){32 * WIRE_VERIFY_ITEMS_MAX, big};
    s.verify.signatures = (ProtobufCBinaryData){64 * WIRE_VERIFY_ITEMS_MAX, big};
    assert_int_equal(decode(&s, &r), STATUS_OK);
    s.verify.digests.len += 32;
    refused(&s, "digests");
    s.verify.digests.len = 0;
    refused(&s, "digests");
    sample_init(&s, WIRE_OP_VERIFY);
    s.verify.key_index.len = 0; /* two keys for three items */
    refused(&s, "key_index");
}

static void custody_has_two_places(void **state)
{
    (void)state;
    struct sample s;
    struct wire_request r;
    sample_init(&s, WIRE_OP_ESTABLISH);
    for (int custody = 0; custody <= 2; custody++) {
        s.establish.custody = (Ecka__V1__Custody)custody;
        assert_int_equal(decode(&s, &r), STATUS_OK);
        assert_int_equal(r.msg->establish->custody, custody);
    }
    s.establish.custody = (Ecka__V1__Custody)3;
    refused(&s, "custody");
}

static void version_id_and_operation_are_needed(void **state)
{
    (void)state;
    struct sample s;
    struct wire_request r;
    sample_init(&s, WIRE_OP_INFO);
    s.request.version = WIRE_VERSION + 1;
    assert_int_equal(decode(&s, &r), STATUS_UNSUPPORTED_VERSION);
    assert_non_null(strstr(detail, "version"));
    sample_init(&s, WIRE_OP_INFO);
    s.request.id = 0;
    assert_int_equal(decode(&s, &r), STATUS_BAD_REQUEST);
    sample_init(&s, WIRE_OP_INFO);
    s.request.op_case = ECKA__V1__REQUEST__OP__NOT_SET;
    assert_int_equal(decode(&s, &r), STATUS_UNKNOWN_OPERATION);
}

static void broken_frames_are_refused(void **state)
{
    (void)state;
    const char *given = getenv("ECKA_TEST_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : 20260;
    print_message("seed %u\n", seed);
    srandom(seed);
    struct sample s;
    struct wire_request r;
    sample_init(&s, WIRE_OP_ESTABLISH);
    size_t len = ecka__v1__request__pack(&s.request, frame_buf);
    for (size_t cut = 0; cut < len; cut++) {
        arena_init(&arena, storage, sizeof storage);
        assert_int_not_equal(wire_request_decode(&arena, span_of(frame_buf, cut), &r, detail),
                             STATUS_OK);
        assert_true(detail[0] != '\0');
    }
    if (len == 0) {
        fail_msg("nothing was packed");
        return;
    }
    for (int round = 0; round < 20000; round++) {
        (void)ecka__v1__request__pack(&s.request, frame_buf);
        for (int hits = 0; hits < 3; hits++) {
            frame_buf[(size_t)random() % len] = (uint8_t)random();
        }
        arena_init(&arena, storage, sizeof storage);
        enum status st = wire_request_decode(&arena, span_of(frame_buf, len), &r, detail);
        assert_true((st == STATUS_OK) == (detail[0] == '\0'));
    }
}

/* 200,000 empty entries in 400 kB would unpack into megabytes: the arena says no. */
static void a_frame_costs_no_more_than_its_arena(void **state)
{
    (void)state;
    struct wire_request r;
    size_t body = 2 * 200000, n = 0;
    const uint8_t head[] = {0x08, 1, 0x10, 7, 0x62};
    memcpy(frame_buf, head, sizeof head);
    n = sizeof head;
    for (size_t v = body; v != 0; v >>= 7) {
        frame_buf[n++] = (uint8_t)((v & 0x7F) | (v > 0x7F ? 0x80 : 0));
    }
    for (size_t i = 0; i < body; i += 2) { /* ecasd_certs: "" */
        frame_buf[n++] = 0x1A;
        frame_buf[n++] = 0;
    }
    arena_init(&arena, storage, sizeof storage);
    assert_int_equal(wire_request_decode(&arena, span_of(frame_buf, n), &r, detail),
                     STATUS_BAD_REQUEST);
    assert_null(r.msg);
}

static void replies_are_checked_against_their_request(void **state)
{
    (void)state;
    Ecka__V1__Reply reply = ECKA__V1__REPLY__INIT;
    Ecka__V1__ConfirmResult result = ECKA__V1__CONFIRM_RESULT__INIT;
    ProtobufCBinaryData sets[ITEMS] = {zero(9), zero(0), zero(WIRE_KEY_SET_MAX)};
    result.item_status = zero(ITEMS);
    result.kcvs = zero(ITEMS * 9);
    result.custody = zero(ITEMS * 4);
    result.n_key_sets = ITEMS;
    result.key_sets = sets;
    reply.id = 7;
    reply.result_case = ECKA__V1__REPLY__RESULT_CONFIRM;
    reply.confirm = &result;

    size_t len = ecka__v1__reply__pack(&reply, frame_buf);
    Ecka__V1__Reply *got;
    arena_init(&arena, storage, sizeof storage);
    assert_int_equal(wire_reply_decode(&arena, span_of(frame_buf, len), &got), STATUS_OK);
    assert_int_equal(wire_reply_check(got, WIRE_OP_CONFIRM, ITEMS), STATUS_OK);
    assert_int_equal(wire_reply_check(got, WIRE_OP_CONFIRM, ITEMS + 1), STATUS_BAD_REQUEST);
    assert_int_equal(wire_reply_check(got, WIRE_OP_VERIFY, ITEMS), STATUS_BAD_REQUEST);

    sets[2].len++;
    assert_int_equal(wire_reply_check(&reply, WIRE_OP_CONFIRM, ITEMS), STATUS_BAD_REQUEST);
    reply.status = STATUS_BUSY; /* a failure with a result beside it */
    assert_int_equal(wire_reply_check(&reply, WIRE_OP_CONFIRM, ITEMS), STATUS_BAD_REQUEST);
    reply.result_case = ECKA__V1__REPLY__RESULT__NOT_SET;
    assert_int_equal(wire_reply_check(&reply, WIRE_OP_CONFIRM, ITEMS), STATUS_OK);
    assert_int_equal(wire_reply_decode(&arena, span_of(frame_buf, 3), &got), STATUS_BAD_REQUEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_requests_pass),
        cmocka_unit_test(each_column_has_one_length),
        cmocka_unit_test(each_list_has_its_count_and_limit),
        cmocka_unit_test(item_counts_are_bounded),
        cmocka_unit_test(custody_has_two_places),
        cmocka_unit_test(version_id_and_operation_are_needed),
        cmocka_unit_test(broken_frames_are_refused),
        cmocka_unit_test(a_frame_costs_no_more_than_its_arena),
        cmocka_unit_test(replies_are_checked_against_their_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
