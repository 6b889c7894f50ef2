/*
 * Scp03Open, Scp03Wrap and Scp03Unwrap: the recorded AES-128 traces through sealed key sets and
 * sessions, and what gives nothing.
 */
#include "hsm/sealed/session.h"
#include "tests/unit/hsm/hsm_test.h"
#include "tests/unit/vectors.h"

typedef Ecka__Custody__V1__Scp03OpenItem open_item;
typedef Ecka__Custody__V1__Scp03OpenedItem opened_item;
typedef Ecka__Custody__V1__Scp03WrappedItem wrapped_item;
typedef Ecka__Custody__V1__Scp03UnwrappedItem unwrapped_item;

enum { KVN = 0x30 };

static struct vectors *vectors;
static struct hsm_blob key_set;

static const struct vector *trace_of(struct hsm_fixture *f, const char *name)
{
    const struct vector *c = vectors_find(vectors, name);
    hsm_seal_set(f, BLOB_SCP03, KVN, vector_bytes(c, "static_enc", SYM_AES128_KEY_LEN),
                 vector_bytes(c, "static_mac", SYM_AES128_KEY_LEN),
                 vector_bytes(c, "static_dek", SYM_AES128_KEY_LEN), &key_set);
    return c;
}

static open_item open_of(const struct vector *c)
{
    open_item in = ECKA__CUSTODY__V1__SCP03_OPEN_ITEM__INIT;
    in.principal = hsm_test_principal;
    in.key_set = hsm_bytes(key_set.bytes, key_set.len);
    in.eid = hsm_bytes(hsm_test_eid, sizeof hsm_test_eid);
    in.kvn = KVN;
    in.host_challenge = hsm_bytes(vector_bytes(c, "host_challenge", 8), 8);
    in.card_challenge = hsm_bytes(vector_bytes(c, "card_challenge", 8), 8);
    in.card_cryptogram = hsm_bytes(vector_bytes(c, "card_cryptogram", 8), 8);
    in.security_level = vector_hex(c, "ext_auth_cmd").ptr[2];
    return in;
}

static const opened_item *open_one(struct hsm_fixture *f, open_item *in)
{
    open_item *items[] = {in};
    Ecka__Custody__V1__Scp03Open list = ECKA__CUSTODY__V1__SCP03_OPEN__INIT;
    custody_batch batch = ECKA__CUSTODY__V1__BATCH__INIT;
    list.n_items = 1;
    list.items = items;
    batch.kind_case = ECKA__CUSTODY__V1__BATCH__KIND_SCP03_OPEN;
    batch.scp03_open = &list;
    return hsm_exchange(f, &batch)->scp03_open->items[0];
}

/* What one use of a session takes. */
struct use {
    char *principal;
    struct hsm_blob session;
    uint8_t eid[GP_EID_LEN];
};

static void keep(struct use *u, const ProtobufCBinaryData *session)
{
    assert_true(session->len != 0 && session->len <= sizeof u->session.bytes);
    memcpy(u->session.bytes, session->data, session->len);
    u->session.len = session->len;
}

static struct use opened(struct hsm_fixture *f, const struct vector *c)
{
    struct use u = {.principal = hsm_test_principal};
    open_item in = open_of(c);
    const opened_item *out = open_one(f, &in);
    assert_int_equal(out->status, STATUS_OK);
    assert_true(span_eq(span_of_field(&out->apdu), vector_hex(c, "ext_auth_cmd")));
    memcpy(u.eid, hsm_test_eid, sizeof u.eid);
    keep(&u, &out->session);
    return u;
}

static const wrapped_item *wrap(struct hsm_fixture *f, const struct use *u, struct span apdu)
{
    Ecka__Custody__V1__Scp03WrapItem in = ECKA__CUSTODY__V1__SCP03_WRAP_ITEM__INIT;
    Ecka__Custody__V1__Scp03WrapItem *items[] = {&in};
    Ecka__Custody__V1__Scp03Wrap list = ECKA__CUSTODY__V1__SCP03_WRAP__INIT;
    custody_batch batch = ECKA__CUSTODY__V1__BATCH__INIT;
    in.principal = u->principal;
    in.session = hsm_bytes(u->session.bytes, u->session.len);
    in.eid = hsm_bytes(u->eid, sizeof u->eid);
    in.apdu = hsm_bytes(apdu.ptr, apdu.len);
    list.n_items = 1;
    list.items = items;
    batch.kind_case = ECKA__CUSTODY__V1__BATCH__KIND_SCP03_WRAP;
    batch.scp03_wrap = &list;
    return hsm_exchange(f, &batch)->scp03_wrap->items[0];
}

static const unwrapped_item *unwrap(struct hsm_fixture *f, const struct use *u, struct span apdu)
{
    Ecka__Custody__V1__Scp03UnwrapItem in = ECKA__CUSTODY__V1__SCP03_UNWRAP_ITEM__INIT;
    Ecka__Custody__V1__Scp03UnwrapItem *items[] = {&in};
    Ecka__Custody__V1__Scp03Unwrap list = ECKA__CUSTODY__V1__SCP03_UNWRAP__INIT;
    custody_batch batch = ECKA__CUSTODY__V1__BATCH__INIT;
    in.principal = u->principal;
    in.session = hsm_bytes(u->session.bytes, u->session.len);
    in.eid = hsm_bytes(u->eid, sizeof u->eid);
    in.apdu = hsm_bytes(apdu.ptr, apdu.len);
    list.n_items = 1;
    list.items = items;
    batch.kind_case = ECKA__CUSTODY__V1__BATCH__KIND_SCP03_UNWRAP;
    batch.scp03_unwrap = &list;
    return hsm_exchange(f, &batch)->scp03_unwrap->items[0];
}

static void step(struct hsm_fixture *f, struct use *u, const struct vector *c, const char *plain,
                 const char *secured)
{
    const struct vector *p = vectors_find(vectors, "plain");
    const wrapped_item *out = wrap(f, u, vector_hex(p, plain));
    assert_int_equal(out->status, STATUS_OK);
    assert_true(span_eq(span_of_field(&out->apdu), vector_hex(c, secured)));
    keep(u, &out->session);
}

/* The recorded response, with the 9000 that the trace leaves out. */
static struct span response_of(const struct vector *c, uint8_t storage[static 64])
{
    struct writer w = writer_of(storage, 64);
    put_span(&w, vector_hex(c, "get_eid_rsp"));
    put_be(&w, 0x9000, 2);
    return writer_span(&w);
}

static void the_recorded_traces(void **state)
{
    struct hsm_fixture *f = *state;
    static const char *const names[] = {"AES128_11", "AES128_03", "AES128_33"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct vector *c = trace_of(f, names[i]);
        uint8_t rsp[64], plain[64];
        struct use u = opened(f, c);
        step(f, &u, c, "get_eid", "get_eid_cmd");
        const unwrapped_item *out = unwrap(f, &u, response_of(c, rsp));
        assert_int_equal(out->status, STATUS_OK);
        assert_true(
            span_eq(span_of_field(&out->apdu), response_of(vectors_find(vectors, "plain"), plain)));
        keep(&u, &out->session);
        step(f, &u, c, "case_1", "case_1_apdu");
        step(f, &u, c, "case_2", "case_2_apdu");
        step(f, &u, c, "case_3", "case_3_apdu");
        step(f, &u, c, "case_4", "case_4_apdu");
    }
}

static void the_same_use_gives_the_same_bytes(void **state)
{
    struct hsm_fixture *f = *state;
    const struct vector *c = trace_of(f, "AES128_33"), *p = vectors_find(vectors, "plain");
    struct use u = opened(f, c), again = opened(f, c), next = u;
    assert_int_equal(u.session.len, again.session.len);
    assert_memory_equal(u.session.bytes, again.session.bytes, u.session.len);
    keep(&next, &wrap(f, &u, vector_hex(p, "get_eid"))->session);
    keep(&again, &wrap(f, &u, vector_hex(p, "get_eid"))->session);
    assert_memory_equal(next.session.bytes, again.session.bytes, next.session.len);
    assert_memory_not_equal(next.session.bytes, u.session.bytes, next.session.len);
}

static void assert_no_session(struct hsm_fixture *f, open_item *in, enum status want)
{
    const opened_item *out = open_one(f, in);
    assert_int_equal(out->status, want);
    assert_int_equal(out->session.len + out->apdu.len, 0);
}

static void a_wrong_card_releases_nothing(void **state)
{
    struct hsm_fixture *f = *state;
    const struct vector *c = trace_of(f, "AES128_33");
    for (size_t bit = 0; bit < 64; bit++) {
        uint8_t cryptogram[8];
        open_item in = open_of(c);
        memcpy(cryptogram, in.card_cryptogram.data, sizeof cryptogram);
        cryptogram[bit / 8] ^= (uint8_t)(1U << bit % 8);
        in.card_cryptogram.data = cryptogram;
        assert_no_session(f, &in, STATUS_SCP03_CRYPTOGRAM);
    }
    for (unsigned level = 0; level < 256; level++) {
        open_item in = open_of(c);
        in.security_level = level;
        if (!scp03_level_valid(level)) {
            assert_no_session(f, &in, STATUS_SCP03_LEVEL);
        }
    }
}

static void key_sets_belong_to_somebody(void **state)
{
    struct hsm_fixture *f = *state;
    static char gamma[] = "gamma";
    const struct vector *c = trace_of(f, "AES128_33");
    uint8_t other_eid[GP_EID_LEN];
    open_item in = open_of(c);
    in.principal = gamma;
    assert_no_session(f, &in, STATUS_BLOB_PRINCIPAL);
    in = open_of(c);
    memcpy(other_eid, hsm_test_eid, sizeof other_eid);
    other_eid[0] ^= 0x10;
    in.eid.data = other_eid;
    assert_no_session(f, &in, STATUS_BLOB_EID);
    in = open_of(c);
    in.kvn = KVN + 1;
    assert_no_session(f, &in, STATUS_BLOB_KVN);
    key_set.bytes[key_set.len - 1] ^= 1;
    in = open_of(c);
    assert_no_session(f, &in, STATUS_BLOB_FORGED);

    static const enum blob_type types[] = {BLOB_TICKET, BLOB_SCP80, BLOB_SESSION, BLOB_OPAQUE,
                                           BLOB_SCP81};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        hsm_seal_set(f, types[i], KVN, vector_bytes(c, "static_enc", 16),
                     vector_bytes(c, "static_mac", 16), vector_bytes(c, "static_dek", 16),
                     &key_set);
        in = open_of(c);
        assert_no_session(f, &in, STATUS_BLOB_TYPE);
        key_set.bytes[5] = BLOB_SCP03; /* re-headed */
        assert_no_session(f, &in, STATUS_BLOB_FORGED);
    }
}

static void assert_useless(struct hsm_fixture *f, const struct use *u, enum status want)
{
    const struct vector *p = vectors_find(vectors, "plain");
    const wrapped_item *w = wrap(f, u, vector_hex(p, "case_1"));
    assert_int_equal(w->status, want);
    assert_int_equal(w->session.len + w->apdu.len, 0);
    const unwrapped_item *r = unwrap(f, u, span_of("\x90\x00", 2));
    assert_int_equal(r->status, want);
    assert_int_equal(r->session.len + r->apdu.len, 0);
}

static void sessions_belong_to_somebody(void **state)
{
    struct hsm_fixture *f = *state;
    static char gamma[] = "gamma";
    const struct vector *c = trace_of(f, "AES128_33");
    const struct use good = opened(f, c);
    struct use u = good;
    u.principal = gamma;
    assert_useless(f, &u, STATUS_BLOB_PRINCIPAL);
    u = good;
    u.eid[3] ^= 1;
    assert_useless(f, &u, STATUS_BLOB_EID);
    for (size_t at = 10; at < good.session.len; at += 7) {
        u = good;
        u.session.bytes[at] ^= 0x40;
        assert_useless(f, &u, at == 10 ? STATUS_BLOB_MALFORMED : STATUS_BLOB_FORGED);
    }
    u = good;
    u.session = key_set; /* the set itself is no session */
    assert_useless(f, &u, STATUS_BLOB_TYPE);
    u.session.bytes[5] = BLOB_SESSION;
    assert_useless(f, &u, STATUS_BLOB_FORGED);
}

static void a_wrong_response_releases_nothing(void **state)
{
    struct hsm_fixture *f = *state;
    const struct vector *c = trace_of(f, "AES128_33");
    struct use u = opened(f, c);
    uint8_t rsp[64];
    step(f, &u, c, "get_eid", "get_eid_cmd");
    struct span good = response_of(c, rsp);
    for (size_t at = 0; at < good.len; at++) {
        rsp[at] ^= 0x01;
        const unwrapped_item *out = unwrap(f, &u, good);
        assert_int_equal(out->status, STATUS_SCP03_RESPONSE);
        assert_int_equal(out->session.len + out->apdu.len, 0);
        rsp[at] ^= 0x01;
    }
    assert_int_equal(unwrap(f, &u, good)->status, STATUS_OK);
}

/* Nothing proves an error status word; it is told apart from what is proven, and the session lives
 * on. */
static void an_error_status_word(void **state)
{
    struct hsm_fixture *f = *state;
    const struct vector *c = trace_of(f, "AES128_33");
    static const uint8_t sw[] = {0x6A, 0x88};
    struct use u = opened(f, c);
    step(f, &u, c, "get_eid", "get_eid_cmd");
    const unwrapped_item *out = unwrap(f, &u, span_of(sw, sizeof sw));
    assert_int_equal(out->status, STATUS_SCP03_UNPROTECTED);
    assert_true(span_eq(span_of_field(&out->apdu), span_of(sw, sizeof sw)));
    keep(&u, &out->session);
    step(f, &u, c, "case_1", "case_1_apdu");
}

static void a_refused_command(void **state)
{
    struct hsm_fixture *f = *state;
    const struct vector *c = trace_of(f, "AES128_33");
    const struct use u = opened(f, c);
    static const uint8_t channel_1[] = {0x81, 0xCA, 0x00, 0x66, 0x00};
    const wrapped_item *out = wrap(f, &u, span_of(channel_1, sizeof channel_1));
    assert_int_equal(out->status, STATUS_SCP03_APDU);
    assert_int_equal(out->session.len + out->apdu.len, 0);
}

static void session_contents(void **state)
{
    (void)state;
    uint8_t plain[SESSION_PLAIN_LEN + 1] = {0};
    struct writer w = writer_of(plain, sizeof plain);
    struct scp03_session in = {.level = 0x33, .key_len = 16, .commands = 0x01020304}, out;
    memset(in.s_enc, 1, 16);
    memset(in.s_mac, 2, 16);
    memset(in.s_rmac, 3, 16);
    memset(in.chaining, 4, 16);
    assert_int_equal(session_put(&w, &in), STATUS_OK);
    assert_int_equal(w.len, SESSION_PLAIN_LEN);
    assert_int_equal(session_parse(writer_span(&w), &out), STATUS_OK);
    assert_memory_equal(&in, &out, sizeof in);
    for (size_t len = 0; len <= sizeof plain; len++) {
        assert_int_equal(session_parse(span_of(plain, len), &out),
                         len == SESSION_PLAIN_LEN ? STATUS_OK : STATUS_BLOB_MALFORMED);
    }
    plain[0] = 2;
    assert_int_equal(session_parse(writer_span(&w), &out), STATUS_BLOB_MALFORMED);
    plain[0] = 1;
    plain[1] = 0x30;
    assert_int_equal(session_parse(writer_span(&w), &out), STATUS_BLOB_MALFORMED);
    in.key_len = 32;
    assert_int_equal(session_put(&w, &in), STATUS_BAD_LENGTH);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, hsm_setup, hsm_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(the_recorded_traces),           STORY(the_same_use_gives_the_same_bytes),
        STORY(a_wrong_card_releases_nothing), STORY(key_sets_belong_to_somebody),
        STORY(sessions_belong_to_somebody),   STORY(a_wrong_response_releases_nothing),
        STORY(an_error_status_word),          STORY(a_refused_command),
        cmocka_unit_test(session_contents),
    };
    vectors = vectors_open("scp03");
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    vectors_close(&vectors);
    return failed;
}
