/* Replies: each result's columns become structures, in memory that outlives the message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "service/client/reply.h"

#define BIN(text)                                                                                  \
    {                                                                                              \
        sizeof(text) - 1, (uint8_t *)(uintptr_t)(text)                                             \
    }

static void bytes_are(struct ecka_bytes b, const char *text)
{
    assert_int_equal(b.len, strlen(text));
    assert_memory_equal(b.ptr, text, b.len);
}

/* Checks the message as the client does, with counts that disagree too, and copies it. */
static struct ecka_reply *take(const Ecka__V1__Reply *msg, enum wire_op wire, enum ecka_op op)
{
    assert_int_equal(wire_reply_check(msg, wire, 2), STATUS_OK);
    assert_int_equal(wire_reply_check(msg, wire, 3), STATUS_BAD_REQUEST);
    assert_int_equal(wire_reply_check(msg, wire, 1), STATUS_BAD_REQUEST);
    struct ecka_reply *r = reply_from_wire(NULL, msg, op, 2);
    assert_non_null(r);
    assert_int_equal(r->status, ECKA_OK);
    assert_int_equal(r->count, 2);
    assert_int_equal(r->op, op);
    return r;
}

static void verify_chain(void **state)
{
    (void)state;
    uint8_t points[2 * ECKA_POINT_LEN] = {0};
    points[ECKA_POINT_LEN] = 4;
    points[2 * ECKA_POINT_LEN - 1] = 0xEF;
    Ecka__V1__VerifyChainResult m = ECKA__V1__VERIFY_CHAIN_RESULT__INIT;
    m.item_status = (ProtobufCBinaryData)BIN("\x31\0");
    m.curves = (ProtobufCBinaryData)BIN("\0\2");
    m.pk_ecasd = (ProtobufCBinaryData){sizeof points, points};
    Ecka__V1__Reply msg = ECKA__V1__REPLY__INIT;
    msg.result_case = ECKA__V1__REPLY__RESULT_VERIFY_CHAIN;
    msg.verify_chain = &m;
    struct ecka_reply *r = take(&msg, WIRE_OP_VERIFY_CHAIN, ECKA_VERIFY_CHAIN);
    assert_int_equal(r->items.chain[0].status, 49);
    assert_int_equal(r->items.chain[0].pk_ecasd[0], 0);
    assert_int_equal(r->items.chain[1].status, 0);
    assert_int_equal(r->items.chain[1].curve, ECKA_BRAINPOOLP256R1);
    assert_memory_equal(r->items.chain[1].pk_ecasd, points + ECKA_POINT_LEN, ECKA_POINT_LEN);
    ecka_reply_free(&r);
}

static void establish(void **state)
{
    (void)state;
    uint8_t points[2 * ECKA_POINT_LEN] = {4}, signatures[2 * ECKA_SIGNATURE_LEN] = {7};
    char text[] = "A6 crt";
    ProtobufCBinaryData crts[] = {BIN(""), {sizeof text - 1, (uint8_t *)text}},
                        store_data[] = {BIN(""), BIN("3A02")}, tickets[] = {BIN(""), BIN("ticket")};
    Ecka__V1__EstablishResult m = ECKA__V1__ESTABLISH_RESULT__INIT;
    m.item_status = (ProtobufCBinaryData)BIN("\x64\0");
    m.epks = (ProtobufCBinaryData){sizeof points, points};
    m.signatures = (ProtobufCBinaryData){sizeof signatures, signatures};
    m.custody = (ProtobufCBinaryData)BIN("\0\0\0\0\1\2\2\2");
    m.n_crts = m.n_store_data = m.n_tickets = 2;
    m.crts = crts;
    m.store_data = store_data;
    m.tickets = tickets;
    Ecka__V1__Reply msg = ECKA__V1__REPLY__INIT;
    msg.result_case = ECKA__V1__REPLY__RESULT_ESTABLISH;
    msg.establish = &m;
    struct ecka_reply *r = take(&msg, WIRE_OP_ESTABLISH, ECKA_ESTABLISH);
    memset(text, 'x', sizeof text); /* the reply has its own copy */
    assert_int_equal(r->items.establish[0].status, 100);
    assert_int_equal(r->items.establish[0].epk[0], 4);
    assert_int_equal(r->items.establish[0].signature[0], 7);
    assert_int_equal(r->items.establish[0].ticket.len, 0);
    bytes_are(r->items.establish[1].crt, "A6 crt");
    bytes_are(r->items.establish[1].store_data, "3A02");
    bytes_are(r->items.establish[1].ticket, "ticket");
    assert_memory_equal(r->items.establish[1].custody, "\1\2\2\2", ECKA_CUSTODY_LEN);
    ecka_reply_free(&r);
    m.n_tickets = 1;
    assert_int_equal(wire_reply_check(&msg, WIRE_OP_ESTABLISH, 2), STATUS_BAD_REQUEST);
}

static void confirm(void **state)
{
    (void)state;
    ProtobufCBinaryData key_sets[] = {BIN("set"), BIN("")};
    Ecka__V1__ConfirmResult m = ECKA__V1__CONFIRM_RESULT__INIT;
    m.item_status = (ProtobufCBinaryData)BIN("\0\x70");
    m.n_key_sets = 2;
    m.key_sets = key_sets;
    m.kcvs = (ProtobufCBinaryData)BIN("encmacdek\0\0\0\0\0\0\0\0\0");
    m.custody = (ProtobufCBinaryData)BIN("\1\2\2\2\0\0\0\0");
    Ecka__V1__Reply msg = ECKA__V1__REPLY__INIT;
    msg.result_case = ECKA__V1__REPLY__RESULT_CONFIRM;
    msg.confirm = &m;
    struct ecka_reply *r = take(&msg, WIRE_OP_CONFIRM, ECKA_CONFIRM);
    bytes_are(r->items.confirm[0].key_set, "set");
    assert_memory_equal(r->items.confirm[0].kcvs, "encmacdek", ECKA_KCVS_LEN);
    assert_int_equal(r->items.confirm[1].status, ECKA_RECEIPT_MISMATCH);
    assert_int_equal(r->items.confirm[1].key_set.len, 0);
    ecka_reply_free(&r);
}

static void scp80(void **state)
{
    (void)state;
    ProtobufCBinaryData packets[] = {BIN("packet"), BIN("longer packet")};
    Ecka__V1__Scp80WrapResult w = ECKA__V1__SCP80_WRAP_RESULT__INIT;
    w.item_status = (ProtobufCBinaryData)BIN("\0\0");
    w.n_packets = 2;
    w.packets = packets;
    Ecka__V1__Reply msg = ECKA__V1__REPLY__INIT;
    msg.result_case = ECKA__V1__REPLY__RESULT_SCP80_WRAP;
    msg.scp80_wrap = &w;
    struct ecka_reply *r = take(&msg, WIRE_OP_SCP80_WRAP, ECKA_SCP80_WRAP);
    bytes_are(r->items.wrap[1].packet, "longer packet");
    ecka_reply_free(&r);

    Ecka__V1__Scp80UnwrapResult u = ECKA__V1__SCP80_UNWRAP_RESULT__INIT;
    u.item_status = (ProtobufCBinaryData)BIN("\0\x86");
    u.por_status = (ProtobufCBinaryData)BIN("\0\6");
    u.tars = (ProtobufCBinaryData)BIN("\0\0\1\1\2\3");
    u.counters = (ProtobufCBinaryData)BIN("\0\0\0\0\1\xff\0\0\0\2");
    u.n_payloads = 2;
    u.payloads = packets;
    msg.result_case = ECKA__V1__REPLY__RESULT_SCP80_UNWRAP;
    msg.scp80_unwrap = &u;
    r = take(&msg, WIRE_OP_SCP80_UNWRAP, ECKA_SCP80_UNWRAP);
    assert_int_equal(r->items.unwrap[1].status, 134);
    assert_int_equal(r->items.unwrap[1].por_status, 6);
    assert_memory_equal(r->items.unwrap[1].tar, "\1\2\3", 3);
    assert_true(r->items.unwrap[1].counter == 0xFF00000002);
    bytes_are(r->items.unwrap[0].payload, "packet");
    ecka_reply_free(&r);
}

static void failures_carry_no_items(void **state)
{
    (void)state;
    char detail[] = "come back later";
    Ecka__V1__Reply msg = ECKA__V1__REPLY__INIT;
    msg.status = ECKA_BUSY;
    msg.detail = detail;
    msg.retry_after_us = 1234;
    assert_int_equal(wire_reply_check(&msg, WIRE_OP_VERIFY, 2), STATUS_OK);
    struct ecka_reply *r = reply_from_wire(NULL, &msg, ECKA_VERIFY, 2);
    assert_int_equal(r->status, ECKA_BUSY);
    assert_int_equal(r->retry_after_us, 1234);
    assert_string_equal(r->detail, "come back later");
    assert_int_equal(r->count, 0);
    assert_null(r->items.verify);
    ecka_reply_free(&r);
    r = reply_local(NULL, ECKA_CONFIRM, ECKA_DEADLINE, "too late");
    assert_int_equal(r->op, ECKA_CONFIRM);
    assert_int_equal(r->status, ECKA_DEADLINE);
    assert_string_equal(r->detail, "too late");
    ecka_reply_free(&r);
    ecka_reply_free(&r); /* NULL is fine */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verify_chain),
        cmocka_unit_test(establish),
        cmocka_unit_test(confirm),
        cmocka_unit_test(scp80),
        cmocka_unit_test(failures_carry_no_items),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
