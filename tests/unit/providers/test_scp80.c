/* SCP80 packets against a recorded exchange, and every byte of them tampered with. */
#include "providers/scp/scp80.h"
#include "tests/unit/providers/provider_test.h"

enum { DATA_OF_TWO_BLOCKS = 7 };

struct recorded {
    struct vectors *v;
    const struct vector *c;
    struct scp80_keys keys;
    struct span command, response;
};

static struct recorded recorded_open(void)
{
    struct recorded r = {.v = vectors_open("scp80_aes")};
    r.c = vectors_find(r.v, "aes-128");
    r.keys.kic = vector_bytes(r.c, "kic", SYM_AES128_KEY_LEN);
    r.keys.kid = vector_bytes(r.c, "kid", SYM_AES128_KEY_LEN);
    r.command = vector_hex(r.c, "packet");
    r.response = vector_hex(r.c, "response_packet");
    return r;
}

static enum status open_command(struct fixture *f, const struct scp80_keys *keys,
                                struct span packet, struct scp80_header *header, struct writer *out)
{
    memset(header, 0xA5, sizeof *header);
    return scp80_unwrap_command(f->sym, keys, packet, header, out);
}

static void recorded_command(void **state)
{
    struct fixture *f = *state;
    struct recorded r = recorded_open();
    uint8_t data[64], packet[SCP80_PACKET_MAX];
    struct writer out = writer_of(data, sizeof data), again = writer_of(packet, sizeof packet);
    struct scp80_header h;
    assert_status("unwrap", open_command(f, &r.keys, r.command, &h, &out), STATUS_OK);
    assert_int_equal(h.spi1, 0x06);
    assert_int_equal(h.spi2, 0x19);
    assert_int_equal(h.kic, 0x22);
    assert_int_equal(h.kid, 0x22);
    assert_bytes("TAR", h.tar, vector_bytes(r.c, "tar", sizeof h.tar), sizeof h.tar);
    assert_true(h.counter == load_be(vector_hex(r.c, "decrypted").ptr, SCP80_COUNTER_LEN));
    assert_int_equal(out.len, DATA_OF_TWO_BLOCKS);
    assert_bytes("data", data, vector_hex(r.c, "decrypted").ptr + SCP80_CIPHERED_HEAD, out.len);
    assert_status("wrap", scp80_wrap_command(f->sym, &r.keys, &h, writer_span(&out), &again),
                  STATUS_OK);
    assert_int_equal(again.len, r.command.len);
    assert_bytes("packet", packet, r.command.ptr, r.command.len);
    vectors_close(&r.v);
}

static void recorded_proof_of_receipt(void **state)
{
    struct fixture *f = *state;
    struct recorded r = recorded_open();
    uint8_t data[64], packet[SCP80_PACKET_MAX];
    struct writer out = writer_of(data, sizeof data), again = writer_of(packet, sizeof packet);
    struct scp80_response response;
    assert_status("unwrap", scp80_unwrap_response(f->sym, &r.keys, r.response, &response, &out),
                  STATUS_OK);
    assert_bytes("TAR", response.tar, vector_bytes(r.c, "tar", 3), 3);
    assert_int_equal(response.rsc, SCP80_RSC_OK);
    assert_status("wrap",
                  scp80_wrap_response(f->sym, &r.keys, &response, writer_span(&out), &again),
                  STATUS_OK);
    assert_int_equal(again.len, r.response.len);
    assert_bytes("packet", packet, r.response.ptr, r.response.len);
    vectors_close(&r.v);
}

/* Refused as malformed or by its checksum, and nothing comes out. */
static void assert_refused(enum status status, const struct writer *out)
{
    if (status != STATUS_SCP80_CC) {
        assert_status("tampered", status, STATUS_SCP80_MALFORMED);
    }
    assert_int_equal(out->len, 0);
}

static void every_byte_counts(void **state)
{
    struct fixture *f = *state;
    struct recorded r = recorded_open();
    uint8_t data[64], packet[128];
    for (size_t i = 0; i < r.command.len * 8; i++) {
        struct writer out = writer_of(data, sizeof data);
        struct scp80_header h;
        memcpy(packet, r.command.ptr, r.command.len);
        packet[i / 8] ^= (uint8_t)(1U << i % 8);
        enum status status = open_command(f, &r.keys, span_of(packet, r.command.len), &h, &out);
        assert_refused(status, &out);
        assert_zero("header", &h, sizeof h);
        if (i / 8 >= SCP80_CLEAR_LEN) {
            assert_status("ciphered part", status, STATUS_SCP80_CC);
        }
    }
    for (size_t i = 0; i < r.response.len * 8; i++) {
        struct writer out = writer_of(data, sizeof data);
        struct scp80_response response;
        memset(&response, 0xA5, sizeof response);
        memcpy(packet, r.response.ptr, r.response.len);
        packet[i / 8] ^= (uint8_t)(1U << i % 8);
        assert_refused(scp80_unwrap_response(f->sym, &r.keys, span_of(packet, r.response.len),
                                             &response, &out),
                       &out);
        assert_zero("response", &response, sizeof response);
    }
    vectors_close(&r.v);
}

static void truncated_and_extended(void **state)
{
    struct fixture *f = *state;
    struct recorded r = recorded_open();
    uint8_t data[64], packet[128] = {0};
    memcpy(packet, r.command.ptr, r.command.len);
    for (size_t len = 0; len < r.command.len + 33; len++) {
        struct writer out = writer_of(data, sizeof data);
        struct scp80_header h;
        struct scp80_response response;
        if (len != r.command.len) {
            assert_refused(open_command(f, &r.keys, span_of(packet, len), &h, &out), &out);
        }
        size_t n = len < r.response.len ? len : r.response.len - 1;
        assert_refused(
            scp80_unwrap_response(f->sym, &r.keys, span_of(r.response.ptr, n), &response, &out),
            &out);
    }
    vectors_close(&r.v);
}

/* A command's packet is no response and the other way round, nor does another key open either. */
static void keys_and_directions(void **state)
{
    struct fixture *f = *state;
    struct recorded r = recorded_open();
    const struct scp80_keys swapped = {r.keys.kid, r.keys.kic};
    const struct scp80_keys other_kid = {r.keys.kic, r.keys.kic};
    uint8_t data[64];
    struct writer out = writer_of(data, sizeof data);
    struct scp80_header h;
    struct scp80_response response;
    assert_status("swapped", open_command(f, &swapped, r.command, &h, &out), STATUS_SCP80_CC);
    assert_status("other KID", open_command(f, &other_kid, r.command, &h, &out), STATUS_SCP80_CC);
    assert_refused(open_command(f, &r.keys, r.response, &h, &out), &out);
    assert_refused(scp80_unwrap_response(f->sym, &r.keys, r.command, &response, &out), &out);
    vectors_close(&r.v);
}

/* Each length up to three blocks and around the limit, both directions, there and back. */
static void round_trips(void **state)
{
    struct fixture *f = *state;
    uint8_t keys[2][SYM_AES128_KEY_LEN], in[SCP80_DATA_MAX], data[SCP80_DATA_MAX];
    uint8_t packet[SCP80_PACKET_MAX];
    const struct scp80_keys k = {keys[0], keys[1]};
    const uint8_t tar[3] = {0x00, 0x00, 0x01};
    assert_status("random", drbg_bytes(f->drbg, keys[0], sizeof keys), STATUS_OK);
    assert_status("random", drbg_bytes(f->drbg, in, sizeof in), STATUS_OK);
    for (size_t len = 0; len <= SCP80_DATA_MAX; len += len == 48 ? SCP80_DATA_MAX - 48 - 17 : 1) {
        struct scp80_header h = scp80_command_header(2, tar, 0x123456789AULL + len), h2;
        struct writer w = writer_of(packet, sizeof packet), out = writer_of(data, sizeof data);
        assert_status("wrap", scp80_wrap_command(f->sym, &k, &h, span_of(in, len), &w), STATUS_OK);
        assert_status("unwrap", open_command(f, &k, writer_span(&w), &h2, &out), STATUS_OK);
        assert_true(h2.counter == h.counter && h2.kic == h.kic && h2.spi1 == h.spi1);
        assert_int_equal(out.len, len);
        assert_bytes("data", data, in, len);

        struct scp80_response r = {{0, 0, 1}, h.counter, SCP80_RSC_MEMORY}, r2;
        w = writer_of(packet, sizeof packet);
        out = writer_of(data, sizeof data);
        assert_status("wrap", scp80_wrap_response(f->sym, &k, &r, span_of(in, len), &w), STATUS_OK);
        assert_status("unwrap", scp80_unwrap_response(f->sym, &k, writer_span(&w), &r2, &out),
                      STATUS_OK);
        assert_true(r2.counter == r.counter && r2.rsc == r.rsc);
        assert_int_equal(out.len, len);
        assert_bytes("data", data, in, len);
    }
}

static void limits(void **state)
{
    struct fixture *f = *state;
    struct recorded r = recorded_open();
    static const uint8_t in[SCP80_DATA_MAX + 1];
    const uint8_t tar[3] = {0};
    uint8_t packet[SCP80_PACKET_MAX], data[DATA_OF_TWO_BLOCKS];
    struct writer w = writer_of(packet, sizeof packet);
    struct scp80_header h = scp80_command_header(1, tar, (1ULL << 40) - 1);
    struct scp80_response response = {{0}, 1ULL << 40, 0};
    assert_status("too long", scp80_wrap_command(f->sym, &r.keys, &h, span_of(in, sizeof in), &w),
                  STATUS_BAD_LENGTH);
    assert_status("counter", scp80_wrap_response(f->sym, &r.keys, &response, span_of(in, 1), &w),
                  STATUS_BAD_COUNTER);
    assert_status("last counter", scp80_wrap_command(f->sym, &r.keys, &h, span_of(in, 1), &w),
                  STATUS_OK);
    h.counter++;
    size_t before = w.len;
    assert_status("counter", scp80_wrap_command(f->sym, &r.keys, &h, span_of(in, 1), &w),
                  STATUS_BAD_COUNTER);
    assert_int_equal(w.len, before);
    h.counter = 1;
    w = writer_of(packet, before - 1);
    assert_status("no room", scp80_wrap_command(f->sym, &r.keys, &h, span_of(in, 1), &w),
                  STATUS_NO_SPACE);
    assert_int_equal(w.len, 0);
    w = writer_of(data, sizeof data - 1);
    assert_status("no room", open_command(f, &r.keys, r.command, &h, &w), STATUS_NO_SPACE);
    assert_int_equal(w.len, 0);
    assert_zero("header", &h, sizeof h);
    vectors_close(&r.v);
}

/* A padding count that an owner of the keys got wrong: authentic, and the answer of a wrong CC. */
static void wrong_padding_count(void **state)
{
    struct fixture *f = *state;
    struct recorded r = recorded_open();
    static const uint8_t iv[SYM_BLOCK];
    for (unsigned count = 0; count < 256; count++) {
        uint8_t packet[128], cc[SYM_CMAC_LEN], data[64];
        uint8_t *body = packet + SCP80_CLEAR_LEN;
        const size_t len = r.command.len - SCP80_CLEAR_LEN, tail = len - SCP80_CIPHERED_HEAD;
        memcpy(packet, r.command.ptr, r.command.len);
        memcpy(body, vector_bytes(r.c, "decrypted", len), len);
        body[SCP80_COUNTER_LEN] = (uint8_t)count;
        const struct span parts[] = {span_of(packet, SCP80_CLEAR_LEN),
                                     span_of(body, SCP80_COUNTER_LEN + 1),
                                     span_of(body + SCP80_CIPHERED_HEAD, tail)};
        assert_status("CC", sym_cmac_parts(f->sym, span_of(r.keys.kid, 16), 3, parts, cc),
                      STATUS_OK);
        memcpy(body + SCP80_COUNTER_LEN + 1, cc, SCP80_CC_LEN);
        assert_status("cipher",
                      sym_cbc_encrypt(f->sym, span_of(r.keys.kic, 16), iv, body, body, len),
                      STATUS_OK);
        struct writer out = writer_of(data, sizeof data);
        struct scp80_header h;
        enum status status = open_command(f, &r.keys, span_of(packet, r.command.len), &h, &out);
        assert_status("count", status, count < SYM_BLOCK ? STATUS_OK : STATUS_SCP80_CC);
        assert_int_equal(out.len, count < SYM_BLOCK ? tail - count : 0);
    }
    vectors_close(&r.v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_command),
        cmocka_unit_test(recorded_proof_of_receipt),
        cmocka_unit_test(every_byte_counts),
        cmocka_unit_test(truncated_and_extended),
        cmocka_unit_test(keys_and_directions),
        cmocka_unit_test(round_trips),
        cmocka_unit_test(limits),
        cmocka_unit_test(wrong_padding_count),
    };
    return cmocka_run_group_tests(tests, fixture_new, fixture_free);
}
