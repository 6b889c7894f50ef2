/*
 * SCP03 against nine recorded card traces, and against a card of this file's own where a trace
 * cannot go: authentic responses that are wrong, and each bit of the others.
 */
#include "providers/scp/scp03.h"
#include "tests/unit/providers/provider_test.h"

enum { TRACES = 9, RSP_MAX = RAPDU_DATA_MAX + 2, C_MAC_AND_ENC = 0x03, EVERYTHING = 0x33 };

static const char *const traces[TRACES] = {
    "AES128_11", "AES128_03", "AES128_33", "AES192_11", "AES192_03",
    "AES192_33", "AES256_11", "AES256_03", "AES256_33",
};

/* Bytes with a writer over them. */
struct text {
    uint8_t bytes[512];
    struct writer w;
};

static struct writer *text_new(struct text *t)
{
    t->w = writer_of(t->bytes, sizeof t->bytes);
    return &t->w;
}

static void assert_span(const char *what, struct span got, struct span want)
{
    assert_int_equal(got.len, want.len);
    assert_bytes(what, got.ptr, want.ptr, want.len);
}

struct trace {
    struct vectors *v;
    const struct vector *c, *plain;
    struct scp03_keys keys;
    struct scp03_challenges challenges;
    const uint8_t *card_cryptogram;
    uint8_t level; /* P1 of EXTERNAL AUTHENTICATE */
};

static struct trace trace_open(const char *name)
{
    struct trace t = {.v = vectors_open("scp03")};
    t.c = vectors_find(t.v, name);
    t.plain = vectors_find(t.v, "plain");
    t.keys = (struct scp03_keys){vector_hex(t.c, "static_enc"), vector_hex(t.c, "static_mac")};
    t.challenges.host = vector_bytes(t.c, "host_challenge", SCP03_CHALLENGE_LEN);
    t.challenges.card = vector_bytes(t.c, "card_challenge", SCP03_CHALLENGE_LEN);
    t.card_cryptogram = vector_bytes(t.c, "card_cryptogram", SCP03_CRYPTOGRAM_LEN);
    t.level = vector_hex(t.c, "ext_auth_cmd").ptr[2];
    return t;
}

/* The session behind EXTERNAL AUTHENTICATE. */
static void open_trace(struct fixture *f, const struct trace *t, struct scp03_session *session)
{
    struct text out;
    assert_status("open",
                  scp03_open(f->sym, &t->keys, &t->challenges, t->card_cryptogram, t->level,
                             session, text_new(&out)),
                  STATUS_OK);
    assert_span("EXTERNAL AUTHENTICATE", writer_span(&out.w), vector_hex(t->c, "ext_auth_cmd"));
}

/* The recorded command under a session. */
static void wrap_recorded(struct fixture *f, const struct trace *t, struct scp03_session *session,
                          const char *plain, const char *secured)
{
    struct text out;
    assert_status(secured, scp03_wrap(f->sym, session, vector_hex(t->plain, plain), text_new(&out)),
                  STATUS_OK);
    assert_span(secured, writer_span(&out.w), vector_hex(t->c, secured));
}

/* The session behind the recorded GET EID, whose response is recorded too. */
static void open_to_response(struct fixture *f, const struct trace *t,
                             struct scp03_session *session)
{
    open_trace(f, t, session);
    wrap_recorded(f, t, session, "get_eid", "get_eid_cmd");
}

/* The trace holds the response without its status word, which was 9000. */
static struct span with_sw(struct span data, uint16_t sw, struct text *storage)
{
    struct writer *w = text_new(storage);
    put_span(w, data);
    put_be(w, sw, 2);
    return writer_span(w);
}

static void recorded_session(struct fixture *f, const struct trace *t)
{
    struct scp03_session session;
    struct text out, rsp, want;

    open_trace(f, t, &session);
    assert_int_equal(session.key_len, t->keys.enc.len);
    assert_bytes("S-ENC", session.s_enc, vector_hex(t->c, "s_enc").ptr, session.key_len);
    assert_bytes("S-MAC", session.s_mac, vector_hex(t->c, "s_mac").ptr, session.key_len);
    assert_bytes("S-RMAC", session.s_rmac, vector_hex(t->c, "s_rmac").ptr, session.key_len);
    assert_bytes("chaining", session.chaining,
                 vector_bytes(t->c, "mac_chain_after_ext_auth", SYM_CMAC_LEN), SYM_CMAC_LEN);

    wrap_recorded(f, t, &session, "get_eid", "get_eid_cmd");
    assert_status("response",
                  scp03_unwrap(f->sym, &session,
                               with_sw(vector_hex(t->c, "get_eid_rsp"), 0x9000, &rsp),
                               text_new(&out)),
                  STATUS_OK);
    assert_span("response", writer_span(&out.w),
                with_sw(vector_hex(t->plain, "get_eid_rsp"), 0x9000, &want));
    wrap_recorded(f, t, &session, "case_1", "case_1_apdu");
    wrap_recorded(f, t, &session, "case_2", "case_2_apdu");
    wrap_recorded(f, t, &session, "case_3", "case_3_apdu");
    wrap_recorded(f, t, &session, "case_4", "case_4_apdu");
}

static void all_nine_traces(void **state)
{
    for (size_t i = 0; i < TRACES; i++) {
        struct trace t = trace_open(traces[i]);
        recorded_session(*state, &t);
        vectors_close(&t.v);
    }
}

/* -- a card's response, as the traces show it -- */

static void cbc(struct fixture *f, const struct scp03_session *session, const uint8_t *iv,
                const uint8_t *in, uint8_t *out, size_t len)
{
    assert_status(
        "CBC", sym_cbc_encrypt(f->sym, span_of(session->s_enc, session->key_len), iv, in, out, len),
        STATUS_OK);
}

/* Ciphers whole blocks, padded well or not; adds the R-MAC and the status word. */
static struct span card_answers(struct fixture *f, const struct scp03_session *session,
                                struct span blocks, bool ciphered, uint16_t sw,
                                struct text *storage)
{
    static const uint8_t zeros[SYM_BLOCK];
    uint8_t counter[SYM_BLOCK] = {0x80, [15] = (uint8_t)session->commands}, icv[SYM_BLOCK];
    uint8_t mac[SYM_CMAC_LEN];
    const uint8_t sw_bytes[] = {(uint8_t)(sw >> 8), (uint8_t)sw};
    struct writer *w = text_new(storage);

    put_span(w, blocks);
    if (ciphered) {
        cbc(f, session, zeros, counter, icv, sizeof icv);
        cbc(f, session, icv, storage->bytes, storage->bytes, blocks.len);
    }
    const struct span parts[] = {span_of(session->chaining, SYM_CMAC_LEN), writer_span(w),
                                 span_of(sw_bytes, sizeof sw_bytes)};
    assert_status("R-MAC",
                  sym_cmac_parts(f->sym, span_of(session->s_rmac, session->key_len), 3, parts, mac),
                  STATUS_OK);
    put_bytes(w, mac, SCP03_MAC_LEN);
    put_bytes(w, sw_bytes, sizeof sw_bytes);
    return writer_span(w);
}

/* Data || 80 00.. to a whole block. */
static struct span padded(struct span data, struct text *storage)
{
    struct writer *w = text_new(storage);
    put_span(w, data);
    put_u8(w, 0x80);
    while (w->len % SYM_BLOCK != 0) {
        put_u8(w, 0);
    }
    return writer_span(w);
}

static void the_recorded_responses_are_made_again(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < TRACES; i++) {
        struct trace t = trace_open(traces[i]);
        struct scp03_session session;
        struct text blocks, made, want;
        struct span data = vector_hex(t.plain, "get_eid_rsp");
        open_to_response(f, &t, &session);
        if ((t.level & SCP03_R_MAC) != 0) {
            bool ciphered = (t.level & SCP03_R_ENCRYPTION) != 0;
            struct span sent = card_answers(f, &session, ciphered ? padded(data, &blocks) : data,
                                            ciphered, 0x9000, &made);
            assert_span(traces[i], sent, with_sw(vector_hex(t.c, "get_eid_rsp"), 0x9000, &want));
        }
        vectors_close(&t.v);
    }
}

/* -- opening -- */

static void refuse_card(struct fixture *f, const struct trace *t,
                        const struct scp03_challenges *challenges, const uint8_t *cryptogram)
{
    struct scp03_session session;
    struct text out;
    memset(&session, 0xA5, sizeof session);
    assert_status(
        "card",
        scp03_open(f->sym, &t->keys, challenges, cryptogram, t->level, &session, text_new(&out)),
        STATUS_SCP03_CRYPTOGRAM);
    assert_zero("session", &session, sizeof session);
    assert_int_equal(out.w.len, 0);
}

static void each_bit_of_the_card_counts(void **state)
{
    struct trace t = trace_open("AES128_33");
    for (size_t i = 0; i < 8 * SCP03_CRYPTOGRAM_LEN; i++) {
        uint8_t host[8], card[8], cryptogram[8];
        const uint8_t bit = (uint8_t)(1U << i % 8);
        memcpy(host, t.challenges.host, sizeof host);
        memcpy(card, t.challenges.card, sizeof card);
        memcpy(cryptogram, t.card_cryptogram, sizeof cryptogram);
        cryptogram[i / 8] ^= bit;
        refuse_card(*state, &t, &t.challenges, cryptogram);
        host[i / 8] ^= bit;
        refuse_card(*state, &t, &(struct scp03_challenges){host, t.challenges.card},
                    t.card_cryptogram);
        card[i / 8] ^= bit;
        refuse_card(*state, &t, &(struct scp03_challenges){t.challenges.host, card},
                    t.card_cryptogram);
    }
    /* The host's cryptogram, reflected, is no card's. */
    refuse_card(*state, &t, &t.challenges,
                vector_bytes(t.c, "host_cryptogram", SCP03_CRYPTOGRAM_LEN));
    vectors_close(&t.v);
}

static void five_levels_and_no_other(void **state)
{
    struct fixture *f = *state;
    struct trace t = trace_open("AES128_11");
    for (unsigned level = 0; level < 256; level++) {
        struct scp03_session session;
        struct text out;
        bool known =
            level == 0x01 || level == 0x03 || level == 0x11 || level == 0x13 || level == 0x33;
        assert_int_equal(scp03_level_valid(level), known);
        assert_status("level",
                      scp03_open(f->sym, &t.keys, &t.challenges, t.card_cryptogram, (uint8_t)level,
                                 &session, text_new(&out)),
                      known ? STATUS_OK : STATUS_SCP03_LEVEL);
        assert_int_equal(out.w.len, known ? SCP03_EXTERNAL_AUTHENTICATE_LEN : 0);
    }
    assert_false(scp03_level_valid(0x101));
    vectors_close(&t.v);
}

static void keys_of_odd_lengths(void **state)
{
    struct fixture *f = *state;
    struct trace t = trace_open("AES256_33");
    static const size_t lens[][2] = {{16, 32}, {32, 16}, {20, 20}, {0, 0}, {33, 33}};
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        static const uint8_t storage[33];
        const struct scp03_keys keys = {span_of(storage, lens[i][0]), span_of(storage, lens[i][1])};
        struct scp03_session session;
        struct text out;
        assert_status("keys",
                      scp03_open(f->sym, &keys, &t.challenges, t.card_cryptogram, t.level, &session,
                                 text_new(&out)),
                      STATUS_BAD_LENGTH);
        assert_zero("session", &session, sizeof session);
    }
    vectors_close(&t.v);
}

/* -- commands -- */

static enum status wrap_len(struct fixture *f, struct scp03_session *session, uint8_t cla,
                            size_t len, struct text *out)
{
    uint8_t storage[APDU_MAX];
    static const uint8_t data[APDU_DATA_MAX];
    struct writer w = writer_of(storage, sizeof storage);
    const struct apdu apdu = {.cla = cla, .ins = INS_STORE_DATA, .data = span_of(data, len)};
    apdu_put(&w, &apdu);
    return scp03_wrap(f->sym, session, writer_span(&w), text_new(out));
}

static void commands_at_their_limits(void **state)
{
    struct fixture *f = *state;
    struct trace t = trace_open("AES128_11");
    for (int ciphered = 0; ciphered <= 1; ciphered++) {
        struct scp03_session session, before;
        struct text out;
        t.level = ciphered ? C_MAC_AND_ENC : SCP03_C_MAC;
        assert_status("open",
                      scp03_open(f->sym, &t.keys, &t.challenges, t.card_cryptogram, t.level,
                                 &session, text_new(&out)),
                      STATUS_OK);
        const size_t most = ciphered ? 239 : 247;
        assert_status("most", wrap_len(f, &session, 0x80, most, &out), STATUS_OK);
        assert_int_equal(out.w.len, 5 + (ciphered ? 240 : 247) + SCP03_MAC_LEN);
        memcpy(&before, &session, sizeof before);
        for (size_t len = most + 1; len <= APDU_DATA_MAX; len++) {
            assert_status("more", wrap_len(f, &session, 0x80, len, &out), STATUS_SCP03_APDU);
            assert_int_equal(out.w.len, 0);
        }
        assert_bytes("session", &session, &before, sizeof before);
    }
    vectors_close(&t.v);
}

static void commands_that_are_refused(void **state)
{
    struct fixture *f = *state;
    struct trace t = trace_open("AES128_33");
    struct scp03_session session, before;
    struct text out;
    open_trace(f, &t, &session);
    memcpy(&before, &session, sizeof before);
    for (unsigned cla = 0; cla < 256; cla++) {
        assert_status("CLA", wrap_len(f, &session, (uint8_t)cla, 1, &out),
                      cla == 0x00 || cla == 0x80 ? STATUS_OK : STATUS_SCP03_APDU);
        if (cla == 0x00 || cla == 0x80) {
            assert_int_equal(out.bytes[0], cla | 0x04);
            memcpy(&session, &before, sizeof before);
        }
    }
    static const uint8_t malformed[][6] = {
        {0x80}, {0x80, 0xE2, 0, 0, 2, 1}, {0x80, 0xE2, 0, 0, 0, 0}};
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        assert_status(
            "malformed",
            scp03_wrap(f->sym, &session, span_of(malformed[i], i == 0 ? 3 : 6), text_new(&out)),
            STATUS_SCP03_APDU);
    }
    struct writer small = writer_of(out.bytes, vector_hex(t.c, "get_eid_cmd").len - 1);
    assert_status("no room", scp03_wrap(f->sym, &session, vector_hex(t.plain, "get_eid"), &small),
                  STATUS_NO_SPACE);
    session.commands = UINT32_MAX;
    assert_status("spent", wrap_len(f, &session, 0x80, 1, &out), STATUS_BAD_COUNTER);
    session.commands = 0;
    assert_bytes("session", &session, &before, sizeof before);
    wrap_recorded(f, &t, &session, "get_eid", "get_eid_cmd");
    vectors_close(&t.v);
}

/* -- responses -- */

static enum status unwrap(struct fixture *f, const struct scp03_session *session, struct span rapdu,
                          struct text *out)
{
    return scp03_unwrap(f->sym, session, rapdu, text_new(out));
}

static void each_bit_of_a_response_counts(void **state)
{
    struct fixture *f = *state;
    static const char *const with_rmac[] = {"AES128_11", "AES128_33", "AES256_33"};
    for (size_t n = 0; n < sizeof with_rmac / sizeof with_rmac[0]; n++) {
        struct trace t = trace_open(with_rmac[n]);
        struct scp03_session session;
        struct text rsp, out;
        open_to_response(f, &t, &session);
        struct span good = with_sw(vector_hex(t.c, "get_eid_rsp"), 0x9000, &rsp);
        for (size_t i = 0; i < 8 * good.len; i++) {
            rsp.bytes[i / 8] ^= (uint8_t)(1U << i % 8);
            assert_status("bit", unwrap(f, &session, good, &out), STATUS_SCP03_RESPONSE);
            assert_int_equal(out.w.len, 0);
            rsp.bytes[i / 8] ^= (uint8_t)(1U << i % 8);
        }
        for (size_t len = 0; len < good.len; len++) { /* cut anywhere, its status word behind it */
            struct text cut;
            struct span shorter = len < 2 ? span_of(good.ptr, len)
                                          : with_sw(span_of(good.ptr, len - 2), 0x9000, &cut);
            assert_status("cut", unwrap(f, &session, shorter, &out), STATUS_SCP03_RESPONSE);
            assert_int_equal(out.w.len, 0);
        }
        assert_status("whole", unwrap(f, &session, good, &out), STATUS_OK);
        vectors_close(&t.v);
    }
}

/* The response to one command is none to the next. */
static void a_replayed_response(void **state)
{
    struct fixture *f = *state;
    struct trace t = trace_open("AES128_33");
    struct scp03_session session;
    struct text rsp, out;
    open_to_response(f, &t, &session);
    struct span good = with_sw(vector_hex(t.c, "get_eid_rsp"), 0x9000, &rsp);
    wrap_recorded(f, &t, &session, "case_1", "case_1_apdu");
    assert_status("replayed", unwrap(f, &session, good, &out), STATUS_SCP03_RESPONSE);
    assert_int_equal(out.w.len, 0);
    vectors_close(&t.v);
}

static void status_words(void **state)
{
    struct fixture *f = *state;
    struct trace t = trace_open("AES128_33");
    struct scp03_session session;
    struct text rsp, out;
    open_to_response(f, &t, &session);
    for (unsigned sw = 0x6000; sw < 0xA000; sw++) {
        bool protected = sw == 0x9000 || sw >> 8 == 0x62 || sw >> 8 == 0x63;
        struct span bare = with_sw(span_of(NULL, 0), (uint16_t)sw, &rsp);
        assert_status("bare", unwrap(f, &session, bare, &out),
                      protected ? STATUS_SCP03_RESPONSE : STATUS_SCP03_UNPROTECTED);
        assert_int_equal(out.w.len, protected ? 0 : 2);
        struct span sent = card_answers(f, &session, span_of(NULL, 0), false, (uint16_t)sw, &rsp);
        assert_status("with R-MAC", unwrap(f, &session, sent, &out),
                      protected ? STATUS_OK : STATUS_SCP03_RESPONSE);
        assert_int_equal(out.w.len, protected ? 2 : 0);
    }
    vectors_close(&t.v);
}

/* Without R-MAC nothing is promised, and nothing is touched. */
static void a_level_without_rmac(void **state)
{
    struct fixture *f = *state;
    struct trace t = trace_open("AES128_03");
    struct scp03_session session;
    struct text rsp, out;
    open_to_response(f, &t, &session);
    static const uint16_t words[] = {0x9000, 0x6A88, 0x6310};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        struct span in = with_sw(span_of("data", 4), words[i], &rsp);
        assert_status("as it came", unwrap(f, &session, in, &out), STATUS_OK);
        assert_span("as it came", writer_span(&out.w), in);
    }
    assert_status("no status word", unwrap(f, &session, span_of("x", 1), &out),
                  STATUS_SCP03_RESPONSE);
    vectors_close(&t.v);
}

static void responses_of_every_padding(void **state)
{
    struct fixture *f = *state;
    struct trace t = trace_open("AES128_33");
    struct scp03_session session;
    static const uint8_t data[239] = {[0 ... 238] = 0x80};
    open_to_response(f, &t, &session);
    for (size_t len = 0; len <= sizeof data; len++) {
        struct text blocks, rsp, out;
        struct span sent =
            card_answers(f, &session, padded(span_of(data, len), &blocks), true, 0x9000, &rsp);
        assert_status("padding", unwrap(f, &session, sent, &out), STATUS_OK);
        assert_int_equal(out.w.len, len + 2);
        assert_bytes("data", out.bytes, data, len);
    }
    vectors_close(&t.v);
}

/* What the owner of the keys padded wrongly is authentic, and still the same answer. */
static void authentic_and_wrongly_padded(void **state)
{
    struct fixture *f = *state;
    struct trace t = trace_open("AES128_33");
    struct scp03_session session;
    open_to_response(f, &t, &session);
    for (size_t i = 0; i <= 3 + SYM_BLOCK; i++) {
        uint8_t blocks[2 * SYM_BLOCK] = {[SYM_BLOCK - 1] = 0x80}; /* not in the last block */
        struct text rsp, out;
        if (i < SYM_BLOCK) {
            blocks[SYM_BLOCK + i] = 0x01; /* and zeros behind it */
        } else if (i > SYM_BLOCK) {
            static const uint8_t ends[] = {0x81, 0x7F, 0xFF};
            blocks[sizeof blocks - 1] = ends[i - SYM_BLOCK - 1];
        }
        struct span sent =
            card_answers(f, &session, span_of(blocks, sizeof blocks), true, 0x9000, &rsp);
        assert_status("padding", unwrap(f, &session, sent, &out), STATUS_SCP03_RESPONSE);
        assert_int_equal(out.w.len, 0);
    }
    static const uint8_t odd[17] = {[16] = 0x80};
    struct text rsp, out;
    for (size_t len = 1; len < sizeof odd; len++) { /* authentic, and no whole block */
        if (len % SYM_BLOCK != 0) {
            struct span sent = card_answers(f, &session, span_of(odd, len), false, 0x9000, &rsp);
            assert_status("length", unwrap(f, &session, sent, &out), STATUS_SCP03_RESPONSE);
        }
    }
    vectors_close(&t.v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_nine_traces),
        cmocka_unit_test(the_recorded_responses_are_made_again),
        cmocka_unit_test(each_bit_of_the_card_counts),
        cmocka_unit_test(five_levels_and_no_other),
        cmocka_unit_test(keys_of_odd_lengths),
        cmocka_unit_test(commands_at_their_limits),
        cmocka_unit_test(commands_that_are_refused),
        cmocka_unit_test(each_bit_of_a_response_counts),
        cmocka_unit_test(a_replayed_response),
        cmocka_unit_test(status_words),
        cmocka_unit_test(a_level_without_rmac),
        cmocka_unit_test(responses_of_every_padding),
        cmocka_unit_test(authentic_and_wrongly_padded),
    };
    return cmocka_run_group_tests(tests, fixture_new, fixture_free);
}
