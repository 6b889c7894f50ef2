/*
 * Requests on key sets, sessions and token keys, and their replies: what the client encodes is what
 * the server's decoder reads back, what must not be sent is refused by name, and each result's
 * columns become structures.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "service/client/reply.h"
#include "service/client/request.h"

enum { ID = 77, LABEL_MAX = 32 };

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
static const Ecka__V1__Request *travel(const struct ecka_request *r)
{
    if (request_encode(&sending, r, &frame, detail) != STATUS_OK) {
        fail_msg("%s", detail);
    }
    arena_reset(&receiving);
    assert_int_equal(wire_request_decode(&receiving, request_finish(&frame, ID, 0), &got, detail),
                     STATUS_OK);
    assert_int_equal(got.op, request_wire_op(r->op));
    assert_int_equal(got.items, r->count);
    return got.msg;
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

static void entry_is(ProtobufCBinaryData entry, const char *text)
{
    column_is(entry, text, strlen(text));
}

#define BYTES(text)                                                                                \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }
#define BIN(text)                                                                                  \
    (ProtobufCBinaryData)                                                                          \
    {                                                                                              \
        sizeof(text) - 1, (uint8_t *)(uintptr_t)(text)                                             \
    }

static const uint8_t eid[2][ECKA_EID_LEN] = {{0x89, 1}, {0x89, 2}};
static const uint8_t octets[2][ECKA_POINT_LEN] = {{4, 1}, {4, 2}};

/* -- requests -- */

static void sign_fields_arrive(void **state)
{
    (void)state;
    static const uint8_t digests[2][ECKA_DIGEST_LEN] = {{1}, {2}};
    char label[LABEL_MAX + 2] = "invoices";
    struct ecka_sign_item items[] = {{digests[0]}, {digests[1]}};
    struct ecka_request r = {.op = ECKA_SIGN, .count = 2, .items.sign = items, .key_label = label};
    const Ecka__V1__Sign *m = travel(&r)->sign;
    assert_string_equal(m->key_label, "invoices");
    column_is(m->digests, digests, sizeof digests);
    memset(label, 'k', LABEL_MAX + 1);
    refused(&r, "key_label has 33 bytes");
    label[LABEL_MAX] = '\0';
    assert_string_equal(travel(&r)->sign->key_label, label);
    r.key_label = "";
    refused(&r, "key_label");
    r.key_label = NULL;
    refused(&r, "key_label");
    r.key_label = label;
    items[1].digest = NULL;
    refused(&r, "digest of item 1 is NULL");
    r.count = WIRE_ITEMS_MAX + 1;
    refused(&r, "count is 257, expected 1 to 256");
}

static void agree_fields_arrive(void **state)
{
    (void)state;
    static const uint8_t big[WIRE_SHARED_INFO_MAX + 1];
    struct ecka_agree_item items[] = {{octets[0], BYTES("info")}, {octets[1], BYTES("other")}};
    struct ecka_request r = {.op = ECKA_AGREE,
                             .count = 2,
                             .items.agree = items,
                             .curve = ECKA_FRP256V1,
                             .length = 48,
                             .custody = ECKA_CUSTODY_TOKEN};
    const Ecka__V1__Agree *m = travel(&r)->agree;
    assert_int_equal(m->curve, ECKA__V1__CURVE__FRP256V1);
    assert_int_equal(m->length, 48);
    assert_int_equal(m->custody, ECKA__V1__CUSTODY__CUSTODY_TOKEN);
    column_is(m->peers, octets, sizeof octets);
    assert_int_equal(m->n_shared_infos, 2);
    entry_is(m->shared_infos[1], "other");
    items[1].shared_info = items[0].shared_info; /* one for all */
    m = travel(&r)->agree;
    assert_int_equal(m->n_shared_infos, 1);
    entry_is(m->shared_infos[0], "info");
    items[0].shared_info = items[1].shared_info = (struct ecka_bytes){NULL, 0}; /* none */
    assert_int_equal(travel(&r)->agree->n_shared_infos, 0);

    struct ecka_request bad = r;
    bad.length = 0;
    refused(&bad, "length is 0");
    bad.length = WIRE_AGREED_MAX + 1;
    refused(&bad, "length is 65");
    bad = r;
    bad.curve = (enum ecka_curve)4;
    refused(&bad, "curve");
    bad = r;
    bad.custody = (enum ecka_custody)3;
    refused(&bad, "custody");
    items[0].shared_info = (struct ecka_bytes){big, sizeof big};
    refused(&r, "shared_info of item 0 has 65 bytes");
}

static void establish_asks_for_custody(void **state)
{
    (void)state;
    static const uint8_t sr_key_id[ECKA_ID_LEN] = {9};
    struct ecka_establish_item item = {.chain = {eid[0], BYTES("c"), BYTES("e")}, .kvn = 1};
    struct ecka_request r = {
        .op = ECKA_ESTABLISH, .count = 1, .items.establish = &item, .sr_key_id = sr_key_id};
    assert_int_equal(travel(&r)->establish->custody, ECKA__V1__CUSTODY__CUSTODY_NONE);
    r.custody = ECKA_CUSTODY_TOKEN;
    assert_int_equal(travel(&r)->establish->custody, ECKA__V1__CUSTODY__CUSTODY_TOKEN);
    r.custody = (enum ecka_custody)3;
    refused(&r, "custody");
}

static void key_set_create_fields_arrive(void **state)
{
    (void)state;
    struct ecka_key_set_create_item items[] = {{BYTES("set 0"), eid[0], 1, ECKA_SET_SCP03, 0x30},
                                               {BYTES("set one"), eid[1], 2, ECKA_SET_SCP81, 0x40}};
    struct ecka_request r = {.op = ECKA_KEY_SET_CREATE, .count = 2, .items.key_set_create = items};
    const Ecka__V1__KeySetCreate *m = travel(&r)->key_set_create;
    entry_is(m->key_sets[1], "set one");
    column_is(m->eids, eid, sizeof eid);
    column_is(m->kvns, "\1\2", 2);
    column_is(m->kinds, "\3\2", 2);
    column_is(m->new_kvns, "\x30\x40", 2);
    items[0].eid = NULL;
    refused(&r, "eid of item 0 is NULL");
}

static void scp03_open_fields_arrive(void **state)
{
    (void)state;
    static const uint8_t host[] = "hostchal", card[] = "cardchal", cryptogram[] = "cryptogr";
    struct ecka_scp03_open_item item = {BYTES("set"), eid[0], 0x30, host, card, cryptogram, 0x33};
    struct ecka_request r = {.op = ECKA_SCP03_OPEN, .count = 1, .items.scp03_open = &item};
    const Ecka__V1__Scp03Open *m = travel(&r)->scp03_open;
    entry_is(m->key_sets[0], "set");
    column_is(m->eids, eid[0], ECKA_EID_LEN);
    column_is(m->kvns, "\x30", 1);
    column_is(m->host_challenges, "hostchal", 8);
    column_is(m->card_challenges, "cardchal", 8);
    column_is(m->card_cryptograms, "cryptogr", 8);
    column_is(m->security_levels, "\x33", 1);
    item.card_cryptogram = NULL;
    refused(&r, "card_cryptogram of item 0 is NULL");
}

static void scp03_sessions_arrive(void **state)
{
    (void)state;
    static const uint8_t big[WIRE_APDU_MAX + 1];
    struct ecka_scp03_item items[] = {{BYTES("session"), eid[0], BYTES("apdu 0")},
                                      {BYTES("session 1"), eid[1], BYTES("apdu")}};
    struct ecka_request r = {.op = ECKA_SCP03_WRAP, .count = 2, .items.scp03_wrap = items};
    const Ecka__V1__Scp03Wrap *w = travel(&r)->scp03_wrap;
    entry_is(w->sessions[1], "session 1");
    entry_is(w->apdus[0], "apdu 0");
    column_is(w->eids, eid, sizeof eid);
    r.op = ECKA_SCP03_UNWRAP;
    const Ecka__V1__Scp03Unwrap *u = travel(&r)->scp03_unwrap;
    entry_is(u->sessions[0], "session");
    entry_is(u->apdus[1], "apdu");
    column_is(u->eids, eid, sizeof eid);
    items[1].apdu = (struct ecka_bytes){big, sizeof big};
    refused(&r, "apdu of item 1 has 262 bytes, the limit is 261");
}

static void key_sets_arrive(void **state)
{
    (void)state;
    struct ecka_key_set_item items[] = {{BYTES("set"), eid[0], 1}, {BYTES("set"), eid[1], 2}};
    struct ecka_request r = {.op = ECKA_RESEAL, .count = 2, .items.reseal = items};
    const Ecka__V1__Reseal *m = travel(&r)->reseal;
    assert_int_equal(m->n_key_sets, 2); /* never shared */
    entry_is(m->key_sets[1], "set");
    column_is(m->kvns, "\1\2", 2);
    r.op = ECKA_REWRAP;
    refused(&r, "key_label");
    r.key_label = "partner";
    const Ecka__V1__Rewrap *w = travel(&r)->rewrap;
    assert_string_equal(w->kek_label, "partner");
    column_is(w->eids, eid, sizeof eid);
    entry_is(w->key_sets[0], "set");
    column_is(w->kvns, "\1\2", 2);
}

/* -- replies: two items, of which the first failed -- */

static const ProtobufCBinaryData *pair(const char *second)
{
    static ProtobufCBinaryData pairs[8][2];
    static size_t next;
    ProtobufCBinaryData *p = pairs[next++ % 8];
    p[0] = (ProtobufCBinaryData){0, NULL};
    p[1] = (ProtobufCBinaryData){strlen(second), (uint8_t *)(uintptr_t)second};
    return p;
}

static void bytes_are(struct ecka_bytes b, const char *text)
{
    assert_int_equal(b.len, strlen(text));
    assert_memory_equal(b.ptr, text, b.len);
}

/* Checks the message as the client does, with counts that disagree too, and copies it. */
static struct ecka_reply *take(enum ecka_op op, void *result)
{
    Ecka__V1__Reply msg = ECKA__V1__REPLY__INIT;
    enum wire_op wire = request_wire_op(op);
    msg.result_case = (Ecka__V1__Reply__ResultCase)wire;
    msg.sign = result; /* every member of the oneof is a pointer */
    assert_int_equal(wire_reply_check(&msg, wire, 2), STATUS_OK);
    assert_int_equal(wire_reply_check(&msg, wire, 3), STATUS_BAD_REQUEST);
    assert_int_equal(wire_reply_check(&msg, wire, 1), STATUS_BAD_REQUEST);
    struct ecka_reply *r = reply_from_wire(NULL, &msg, op, 2);
    assert_non_null(r);
    assert_int_equal(r->count, 2);
    assert_int_equal(r->op, op);
    return r;
}

#define LIST(m, field, second) ((m).n_##field = 2, (m).field = (ProtobufCBinaryData *)pair(second))
#define STATUSES               BIN("\x65\0") /* TOKEN_ERROR, OK */

static void signed_and_agreed(void **state)
{
    (void)state;
    uint8_t signatures[2 * ECKA_SIGNATURE_LEN] = {[64] = 7};
    uint8_t points[2 * ECKA_POINT_LEN] = {[65] = 4};
    Ecka__V1__SignResult s = ECKA__V1__SIGN_RESULT__INIT;
    s.item_status = STATUSES;
    s.signatures = (ProtobufCBinaryData){sizeof signatures, signatures};
    struct ecka_reply *r = take(ECKA_SIGN, &s);
    assert_int_equal(r->items.sign[0].status, 101);
    assert_int_equal(r->items.sign[1].status, ECKA_OK);
    assert_memory_equal(r->items.sign[1].signature, signatures + 64, 64);
    ecka_reply_free(&r);

    Ecka__V1__AgreeResult a = ECKA__V1__AGREE_RESULT__INIT;
    a.item_status = STATUSES;
    a.epks = (ProtobufCBinaryData){sizeof points, points};
    LIST(a, key_blobs, "blob");
    a.custody = BIN("\0\0\0\0\0\1\1\2");
    r = take(ECKA_AGREE, &a);
    assert_int_equal(r->items.agree[0].status, 101);
    assert_int_equal(r->items.agree[0].key_blob.len, 0);
    assert_memory_equal(r->items.agree[1].epk, points + 65, 65);
    bytes_are(r->items.agree[1].key_blob, "blob");
    assert_memory_equal(r->items.agree[1].custody, "\0\1\1\2", 4);
    ecka_reply_free(&r);
}

static void created(void **state)
{
    (void)state;
    Ecka__V1__KeySetCreateResult m = ECKA__V1__KEY_SET_CREATE_RESULT__INIT;
    m.item_status = STATUSES;
    LIST(m, new_key_sets, "new set");
    LIST(m, put_keys, "put key");
    m.kcvs = BIN("\0\0\0\0\0\0\0\0\0encmacdek");
    struct ecka_reply *r = take(ECKA_KEY_SET_CREATE, &m);
    assert_int_equal(r->items.key_set_create[0].status, 101);
    bytes_are(r->items.key_set_create[1].new_key_set, "new set");
    bytes_are(r->items.key_set_create[1].put_key, "put key");
    assert_memory_equal(r->items.key_set_create[1].kcvs, "encmacdek", 9);
    ecka_reply_free(&r);
}

static void scp03_results(void **state)
{
    (void)state;
    Ecka__V1__Scp03OpenResult o = ECKA__V1__SCP03_OPEN_RESULT__INIT;
    Ecka__V1__Scp03WrapResult w = ECKA__V1__SCP03_WRAP_RESULT__INIT;
    Ecka__V1__Scp03UnwrapResult u = ECKA__V1__SCP03_UNWRAP_RESULT__INIT;
    o.item_status = w.item_status = u.item_status = STATUSES;
    LIST(o, sessions, "first");
    LIST(o, apdus, "authenticate");
    LIST(w, sessions, "second");
    LIST(w, apdus, "command");
    LIST(u, sessions, "third");
    LIST(u, apdus, "response");
    struct ecka_reply *r = take(ECKA_SCP03_OPEN, &o);
    assert_int_equal(r->items.scp03_open[0].status, 101);
    bytes_are(r->items.scp03_open[1].session, "first");
    bytes_are(r->items.scp03_open[1].apdu, "authenticate");
    ecka_reply_free(&r);
    r = take(ECKA_SCP03_WRAP, &w);
    bytes_are(r->items.scp03_wrap[1].session, "second");
    bytes_are(r->items.scp03_wrap[1].apdu, "command");
    ecka_reply_free(&r);
    r = take(ECKA_SCP03_UNWRAP, &u);
    bytes_are(r->items.scp03_unwrap[1].session, "third");
    bytes_are(r->items.scp03_unwrap[1].apdu, "response");
    ecka_reply_free(&r);
}

static void resealed_and_rewrapped(void **state)
{
    (void)state;
    uint8_t signatures[2 * ECKA_SIGNATURE_LEN] = {[64] = 7};
    Ecka__V1__ResealResult s = ECKA__V1__RESEAL_RESULT__INIT;
    s.item_status = STATUSES;
    LIST(s, key_sets, "moved");
    struct ecka_reply *r = take(ECKA_RESEAL, &s);
    assert_int_equal(r->items.reseal[0].status, 101);
    bytes_are(r->items.reseal[1].key_set, "moved");
    ecka_reply_free(&r);

    Ecka__V1__RewrapResult w = ECKA__V1__REWRAP_RESULT__INIT;
    w.item_status = STATUSES;
    LIST(w, wrapped, "wrapped");
    LIST(w, manifests, "lines of text");
    w.signatures = (ProtobufCBinaryData){sizeof signatures, signatures};
    r = take(ECKA_REWRAP, &w);
    assert_int_equal(r->items.rewrap[0].status, 101);
    bytes_are(r->items.rewrap[1].wrapped, "wrapped");
    bytes_are(r->items.rewrap[1].manifest, "lines of text");
    assert_memory_equal(r->items.rewrap[1].signature, signatures + 64, 64);
    ecka_reply_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sign_fields_arrive),
        cmocka_unit_test(agree_fields_arrive),
        cmocka_unit_test(establish_asks_for_custody),
        cmocka_unit_test(key_set_create_fields_arrive),
        cmocka_unit_test(scp03_open_fields_arrive),
        cmocka_unit_test(scp03_sessions_arrive),
        cmocka_unit_test(key_sets_arrive),
        cmocka_unit_test(signed_and_agreed),
        cmocka_unit_test(created),
        cmocka_unit_test(scp03_results),
        cmocka_unit_test(resealed_and_rewrapped),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
