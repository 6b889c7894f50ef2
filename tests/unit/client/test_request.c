/*
 * Requests: what the client encodes is what the server's decoder accepts and reads back, operation
 * by operation; what must not be sent is refused with the field's name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "service/client/request.h"

enum { ID = 77, DEADLINE = 123456789 };

static struct frame frame;
static char detail[WIRE_DETAIL_MAX];
static struct arena sending, receiving;
static struct wire_request got;

static int setup(void **state)
{
    (void)state;
    arena_init(&sending, aligned_alloc(16, REQUEST_ARENA), REQUEST_ARENA);
    arena_init(&receiving, aligned_alloc(16, REQUEST_ARENA), REQUEST_ARENA);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(sending.base);
    free(receiving.base);
    frame_fini(&frame);
    return 0;
}

/* There and back. */
static void travel(const struct ecka_request *r)
{
    assert_int_equal(request_encode(&sending, r, &frame, detail), STATUS_OK);
    arena_reset(&receiving);
    assert_int_equal(
        wire_request_decode(&receiving, request_finish(&frame, ID, DEADLINE), &got, detail),
        STATUS_OK);
    assert_int_equal(got.op, request_wire_op(r->op));
    assert_int_equal(got.items, r->count);
    assert_int_equal(got.msg->id, ID);
    assert_int_equal(got.msg->deadline_us, DEADLINE);
}

static void refused(const struct ecka_request *r, const char *says)
{
    assert_int_equal(request_encode(&sending, r, &frame, detail), STATUS_BAD_REQUEST);
    assert_int_equal(frame.len, 0);
    if (strstr(detail, says) == NULL) {
        fail_msg("'%s' does not name %s", detail, says);
    }
}

static void column_is(ProtobufCBinaryData col, const void *expected, size_t len)
{
    assert_int_equal(col.len, len);
    assert_memory_equal(col.data, expected, len);
}

static void entry_is(const ProtobufCBinaryData *entries, size_t n, size_t i,
                     struct ecka_bytes value)
{
    struct span e = wire_entry(entries, n, i);
    assert_int_equal(e.len, value.len);
    assert_memory_equal(e.ptr, value.ptr, value.len);
}

#define BYTES(text) ((struct ecka_bytes){(const uint8_t *)(text), sizeof(text) - 1})

static const uint8_t eid[2][ECKA_EID_LEN] = {{0x89, 1}, {0x89, 2}};
static const uint8_t keys[3][ECKA_POINT_LEN] = {{4, 1}, {4, 2}, {4, 3}};
static const uint8_t digests[4][ECKA_DIGEST_LEN] = {{1}, {2}, {3}, {4}};
static const uint8_t signatures[4][ECKA_SIGNATURE_LEN] = {{5}, {6}, {7}, {8}};

/* -- Verify -- */

static struct ecka_request verify_of(struct ecka_verify_item items[4], const int key[4])
{
    for (size_t i = 0; i < 4; i++) {
        items[i] = (struct ecka_verify_item){keys[key[i]], digests[i], signatures[i]};
    }
    return (struct ecka_request){
        .op = ECKA_VERIFY, .count = 4, .items.verify = items, .curve = ECKA_BRAINPOOLP256R1};
}

static void verify_sends_each_key_once(void **state)
{
    (void)state;
    struct ecka_verify_item items[4];
    struct ecka_request r = verify_of(items, (const int[]){2, 0, 2, 0});
    travel(&r);
    const Ecka__V1__Verify *m = got.msg->verify;
    assert_int_equal(m->curve, ECKA__V1__CURVE__BRAINPOOLP256R1);
    assert_int_equal(m->public_keys.len, 2 * ECKA_POINT_LEN);
    assert_memory_equal(wire_col(&m->public_keys, ECKA_POINT_LEN, 0), keys[2], ECKA_POINT_LEN);
    assert_memory_equal(wire_col(&m->public_keys, ECKA_POINT_LEN, 1), keys[0], ECKA_POINT_LEN);
    column_is(m->key_index, "\0\0\0\1\0\0\0\1", 8);
    column_is(m->digests, digests, sizeof digests);
    column_is(m->signatures, signatures, sizeof signatures);
}

static void verify_leaves_a_plain_index_out(void **state)
{
    (void)state;
    struct ecka_verify_item items[4];
    struct ecka_request r = verify_of(items, (const int[]){1, 1, 1, 1});
    travel(&r);
    column_is(got.msg->verify->public_keys, keys[1], ECKA_POINT_LEN);
    assert_int_equal(got.msg->verify->key_index.len, 0);
    r = verify_of(items, (const int[]){1, 0, 2, 0});
    r.count = 3; /* three keys, three items, in order */
    travel(&r);
    assert_int_equal(got.msg->verify->key_index.len, 0);
    assert_memory_equal(wire_col(&got.msg->verify->public_keys, ECKA_POINT_LEN, 0), keys[1],
                        ECKA_POINT_LEN);
}

static void verify_fills_a_frame(void **state)
{
    (void)state;
    static uint8_t points[WIRE_VERIFY_ITEMS_MAX][ECKA_POINT_LEN];
    static struct ecka_verify_item items[WIRE_VERIFY_ITEMS_MAX + 1];
    for (size_t i = 0; i <= WIRE_VERIFY_ITEMS_MAX; i++) { /* all keys differ but two */
        items[i] = (struct ecka_verify_item){points[i < 2 ? 0 : i % WIRE_VERIFY_ITEMS_MAX],
                                             digests[0], signatures[0]};
    }
    struct ecka_request r = {.op = ECKA_VERIFY,
                             .count = WIRE_VERIFY_ITEMS_MAX,
                             .items.verify = items,
                             .curve = ECKA_P256};
    travel(&r);
    assert_int_equal(got.msg->verify->public_keys.len,
                     (WIRE_VERIFY_ITEMS_MAX - 1) * ECKA_POINT_LEN);
    assert_int_equal(
        load_be(wire_col(&got.msg->verify->key_index, 2, WIRE_VERIFY_ITEMS_MAX - 1), 2),
        WIRE_VERIFY_ITEMS_MAX - 2);
    r.count++;
    refused(&r, "count");
}

static void verify_names_what_is_missing(void **state)
{
    (void)state;
    struct ecka_verify_item items[4];
    struct ecka_request good = verify_of(items, (const int[]){0, 1, 2, 0}), r = good;
    r.count = 0;
    refused(&r, "count");
    r = good;
    r.items.verify = NULL;
    refused(&r, "items");
    r = good;
    r.curve = (enum ecka_curve)4;
    refused(&r, "curve");
    r = good;
    r.op = (enum ecka_op)0;
    refused(&r, "op");
    r.op = (enum ecka_op)16;
    refused(&r, "op");
    items[2].public_key = NULL;
    refused(&good, "public_key of item 2");
    items[2].public_key = keys[0];
    items[1].digest = NULL;
    refused(&good, "digest of item 1");
    items[1].digest = digests[0];
    items[3].signature = NULL;
    refused(&good, "signature of item 3");
    items[3].signature = signatures[0];
    travel(&good);
}

/* -- VerifyChain and Establish -- */

static void chain_shares_one_eum(void **state)
{
    (void)state;
    const char eum[] = "the EUM", same[] = "the EUM";
    struct ecka_chain_item items[] = {{eid[0], BYTES("cert 0"), BYTES(eum)},
                                      {eid[1], BYTES("cert one"), BYTES(same)}};
    struct ecka_request r = {.op = ECKA_VERIFY_CHAIN, .count = 2, .items.chain = items};
    travel(&r);
    const Ecka__V1__VerifyChain *m = got.msg->verify_chain;
    column_is(m->eids, eid, sizeof eid);
    entry_is(m->ecasd_certs, m->n_ecasd_certs, 1, BYTES("cert one"));
    assert_int_equal(m->n_eums, 1);
    entry_is(m->eums, m->n_eums, 1, BYTES("the EUM"));
    items[1].eum = BYTES("another");
    travel(&r);
    assert_int_equal(got.msg->verify_chain->n_eums, 2);
    entry_is(got.msg->verify_chain->eums, 2, 1, BYTES("another"));
}

static void lengths_are_checked(void **state)
{
    (void)state;
    static const uint8_t big[WIRE_EUM_MAX + 1];
    struct ecka_chain_item item = {eid[0], {big, WIRE_CERT_MAX}, {big, WIRE_EUM_MAX}};
    struct ecka_request r = {.op = ECKA_VERIFY_CHAIN, .count = 1, .items.chain = &item};
    travel(&r);
    item.ecasd_cert.len++;
    refused(&r, "ecasd_cert");
    item.ecasd_cert.len--;
    item.eum.len++;
    refused(&r, "eum");
    item.eum = (struct ecka_bytes){NULL, 1};
    refused(&r, "eum of item 0 is NULL");
    item.eum = BYTES("");
    item.eid = NULL;
    refused(&r, "eid");
}

static void a_frame_has_an_end(void **state)
{
    (void)state;
    static uint8_t eums[WIRE_ITEMS_MAX][WIRE_EUM_MAX];
    struct ecka_chain_item items[WIRE_ITEMS_MAX];
    for (size_t i = 0; i < WIRE_ITEMS_MAX; i++) { /* 256 x 2048 is a whole frame already */
        eums[i][0] = (uint8_t)i;
        items[i] = (struct ecka_chain_item){eid[0], BYTES("cert"), {eums[i], WIRE_EUM_MAX}};
    }
    struct ecka_request r = {
        .op = ECKA_VERIFY_CHAIN, .count = WIRE_ITEMS_MAX, .items.chain = items};
    refused(&r, "send fewer items");
    r.count = WIRE_ITEMS_MAX - 4;
    travel(&r);
}

static void establish_fields_arrive(void **state)
{
    (void)state;
    const uint8_t sr_key_id[ECKA_ID_LEN] = {9, 9};
    struct ecka_establish_item items[] = {{.chain = {eid[0], BYTES("c0"), BYTES("e")},
                                           .rc = BYTES("0123456789abcdef"),
                                           .kvn = 1,
                                           .scenario = 8,
                                           .expiry = 0x0102030405060708},
                                          {.chain = {eid[1], BYTES("c1"), BYTES("e")},
                                           .rc = BYTES("0123456789abcdef0123456789abcdef"),
                                           .kvn = 15,
                                           .scenario = 0x0C,
                                           .key_usage = 0x5C,
                                           .counter = 0xA1B2C3D4E5,
                                           .host_id = BYTES("host"),
                                           .sin = BYTES("sin"),
                                           .sdin = BYTES("sdin"),
                                           .expiry = 1}};
    struct ecka_request r = {
        .op = ECKA_ESTABLISH, .count = 2, .items.establish = items, .sr_key_id = sr_key_id};
    travel(&r);
    const Ecka__V1__Establish *m = got.msg->establish;
    column_is(m->sr_key_id, sr_key_id, sizeof sr_key_id);
    column_is(m->eids, eid, sizeof eid);
    entry_is(m->ecasd_certs, 2, 1, BYTES("c1"));
    assert_int_equal(m->n_eums, 1);
    entry_is(m->rcs, 2, 0, items[0].rc);
    entry_is(m->rcs, 2, 1, items[1].rc);
    column_is(m->kvns, "\x01\x0f", 2);
    column_is(m->scenarios, "\x08\x0c", 2);
    column_is(m->key_usages, "\x10\x5c", 2);
    column_is(m->counters, "\0\0\0\0\0\xa1\xb2\xc3\xd4\xe5", 10);
    column_is(m->expiries, "\1\2\3\4\5\6\7\x08\0\0\0\0\0\0\0\1", 16);
    assert_int_equal(m->n_host_ids, 2);
    assert_int_equal(m->host_ids[0].len, 0);
    entry_is(m->host_ids, 2, 1, BYTES("host"));
    entry_is(m->sins, 2, 1, BYTES("sin"));
    entry_is(m->sdins, 2, 1, BYTES("sdin"));
    r.count = 1; /* and no host id at all */
    travel(&r);
    assert_int_equal(got.msg->establish->n_host_ids, 0);
    items[0].counter = (uint64_t)1 << 40;
    refused(&r, "counter of item 0 exceeds 5 bytes");
    items[0].counter = 0;
    r.sr_key_id = NULL;
    refused(&r, "sr_key_id");
}

/* -- Confirm, Scp80Wrap, Scp80Unwrap, Info -- */

static void confirm_fields_arrive(void **state)
{
    (void)state;
    static const uint8_t receipts[2][ECKA_RECEIPT_LEN] = {{0xAA}, {0xBB}};
    struct ecka_confirm_item items[] = {
        {BYTES("ticket"), eid[0], receipts[0], {NULL, 0}},
        {BYTES("another ticket"), eid[1], receipts[1], BYTES("sixteen bytes DR")}};
    struct ecka_request r = {.op = ECKA_CONFIRM, .count = 2, .items.confirm = items};
    travel(&r);
    const Ecka__V1__Confirm *m = got.msg->confirm;
    entry_is(m->tickets, 2, 1, items[1].ticket);
    column_is(m->eids, eid, sizeof eid);
    column_is(m->receipts, receipts, sizeof receipts);
    assert_int_equal(m->n_drs, 2);
    assert_int_equal(m->drs[0].len, 0);
    entry_is(m->drs, 2, 1, items[1].dr);
    r.count = 1;
    travel(&r);
    assert_int_equal(got.msg->confirm->n_drs, 0);
    items[0].receipt = NULL;
    refused(&r, "receipt");
}

static void wrap_fields_arrive(void **state)
{
    (void)state;
    struct ecka_scp80_wrap_item items[] = {
        {BYTES("set 0"), eid[0], 3, 0, {0, 0, 1}, 1, BYTES("payload")},
        {BYTES("set 1"), eid[1], 4, 0x1239, {1, 2, 3}, 0xFFFFFFFFFF, BYTES("more payload")}};
    struct ecka_request r = {.op = ECKA_SCP80_WRAP, .count = 2, .items.wrap = items};
    travel(&r);
    const Ecka__V1__Scp80Wrap *m = got.msg->scp80_wrap;
    entry_is(m->key_sets, 2, 0, BYTES("set 0"));
    column_is(m->eids, eid, sizeof eid);
    column_is(m->kvns, "\3\4", 2);
    column_is(m->spis, "\x16\x39\x12\x39", 4);
    column_is(m->tars, "\0\0\1\1\2\3", 6);
    column_is(m->counters, "\0\0\0\0\1\xff\xff\xff\xff\xff", 10);
    entry_is(m->payloads, 2, 1, BYTES("more payload"));
}

static void unwrap_fields_arrive(void **state)
{
    (void)state;
    struct ecka_scp80_unwrap_item items[] = {{BYTES("set"), eid[0], 3, BYTES("packet")},
                                             {BYTES("set"), eid[1], 5, BYTES("other packet")}};
    struct ecka_request r = {.op = ECKA_SCP80_UNWRAP, .count = 2, .items.unwrap = items};
    travel(&r);
    const Ecka__V1__Scp80Unwrap *m = got.msg->scp80_unwrap;
    assert_int_equal(m->n_key_sets, 2); /* never shared: the wire has one an item */
    column_is(m->eids, eid, sizeof eid);
    column_is(m->kvns, "\3\5", 2);
    entry_is(m->packets, 2, 1, BYTES("other packet"));
}

static void info_takes_no_items(void **state)
{
    (void)state;
    struct ecka_request r = {.op = ECKA_INFO};
    travel(&r);
    r.count = 1;
    refused(&r, "count");
}

static void ids_and_deadlines_of_any_size_travel(void **state)
{
    (void)state;
    static const uint64_t values[] = {1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX};
    const struct ecka_request r = {.op = ECKA_INFO};
    assert_int_equal(request_encode(&sending, &r, &frame, detail), STATUS_OK);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        /* the same frame again and again, as from one attempt to the next */
        struct span message = request_finish(&frame, values[i], values[i]);
        assert_true(message.len <= frame.len + REQUEST_TRAILER_MAX);
        assert_true(message.len <= frame.cap);
        arena_reset(&receiving);
        assert_int_equal(wire_request_decode(&receiving, message, &got, detail), STATUS_OK);
        assert_true(got.msg->id == values[i]);
        assert_true(got.msg->deadline_us == values[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verify_sends_each_key_once),
        cmocka_unit_test(verify_leaves_a_plain_index_out),
        cmocka_unit_test(verify_fills_a_frame),
        cmocka_unit_test(verify_names_what_is_missing),
        cmocka_unit_test(chain_shares_one_eum),
        cmocka_unit_test(lengths_are_checked),
        cmocka_unit_test(a_frame_has_an_end),
        cmocka_unit_test(establish_fields_arrive),
        cmocka_unit_test(confirm_fields_arrive),
        cmocka_unit_test(wrap_fields_arrive),
        cmocka_unit_test(unwrap_fields_arrive),
        cmocka_unit_test(info_takes_no_items),
        cmocka_unit_test(ids_and_deadlines_of_any_size_travel),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
