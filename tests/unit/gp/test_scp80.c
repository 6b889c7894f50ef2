/* SCP80's clear headers against a recorded packet, and each field of them tampered with. */
#include "proto/gp/scp80.h"
#include "tests/unit/gp/gp_test.h"
#include "tests/unit/vectors.h"

static const uint8_t tar_isdr[3] = {0x00, 0x00, 0x01};
static const uint8_t zeros[SCP80_PACKET_MAX + SCP80_BLOCK] = {0};

static void the_recorded_packets(void **state)
{
    (void)state;
    struct vectors *vectors = vectors_open("scp80_aes");
    const struct vector *v = vectors_find(vectors, "aes-128");
    const struct span packet = vector_hex(v, "packet");
    struct scp80_header h;
    struct span ciphered;
    struct bytes b;
    assert_status(scp80_clear_parse(packet, &h, &ciphered), STATUS_OK);
    assert_int_equal(h.spi1, 0x06);
    assert_int_equal(h.spi2, 0x19);
    assert_int_equal(h.kic, 0x22);
    assert_int_equal(h.kid, 0x22);
    assert_memory_equal(h.tar, vector_bytes(v, "tar", 3), 3);
    assert_int_equal(ciphered.len, vector_hex(v, "decrypted").len);
    bytes_init(&b);
    scp80_clear_put(&b.w, &h, ciphered.len);
    put_span(&b.w, ciphered);
    assert_spans_equal(bytes_span(&b), packet);

    const struct span response = vector_hex(v, "response_packet");
    uint8_t tar[3];
    assert_status(scp80_response_clear_parse(response, tar, &ciphered), STATUS_OK);
    assert_memory_equal(tar, vector_bytes(v, "tar", 3), 3);
    bytes_init(&b);
    scp80_response_clear_put(&b.w, tar, ciphered.len);
    put_span(&b.w, ciphered);
    assert_spans_equal(bytes_span(&b), response);
    vectors_close(&vectors);
}

static void the_header_of_an_sm_sr_change(void **state)
{
    (void)state;
    struct bytes b;
    const struct scp80_header h = scp80_command_header(0x0A, tar_isdr, 0x0102030405);
    assert_true(h.counter == 0x0102030405);
    bytes_init(&b);
    scp80_clear_put(&b.w, &h, 32);
    assert_hex(bytes_span(&b), "0028 15 1639 A2 A2 000001");
    assert_int_equal(b.w.len, SCP80_CLEAR_LEN);
}

static void padding_fills_blocks(void **state)
{
    (void)state;
    for (size_t data = 0; data <= SCP80_DATA_MAX; data++) {
        size_t pad = scp80_padding(SCP80_CIPHERED_HEAD, data);
        assert_true(pad < SCP80_BLOCK);
        assert_int_equal((SCP80_CIPHERED_HEAD + data + pad) % SCP80_BLOCK, 0);
        assert_true(SCP80_CLEAR_LEN + SCP80_CIPHERED_HEAD + data + pad <= SCP80_PACKET_MAX);
    }
}

static void ciphered_lengths(void **state)
{
    (void)state;
    for (size_t len = 0; len <= SCP80_PACKET_MAX + 1; len++) {
        struct bytes b;
        struct scp80_header h = scp80_command_header(1, tar_isdr, 0);
        struct span ciphered;
        uint8_t tar[3];
        bytes_init(&b);
        scp80_clear_put(&b.w, &h, len);
        bool fits = len >= SCP80_BLOCK && len % SCP80_BLOCK == 0 &&
                    SCP80_CLEAR_LEN + len <= SCP80_PACKET_MAX;
        assert_int_equal(b.w.overflow, !fits);
        if (fits) {
            put_bytes(&b.w, zeros, len);
            assert_status(scp80_clear_parse(bytes_span(&b), &h, &ciphered), STATUS_OK);
            assert_int_equal(ciphered.len, len);
        }
        bytes_init(&b);
        scp80_response_clear_put(&b.w, tar_isdr, len);
        fits = len >= SCP80_BLOCK && len % SCP80_BLOCK == 0 &&
               SCP80_RESPONSE_CLEAR + len <= SCP80_PACKET_MAX;
        assert_int_equal(b.w.overflow, !fits);
        if (fits) {
            put_bytes(&b.w, zeros, len);
            assert_status(scp80_response_clear_parse(bytes_span(&b), tar, &ciphered), STATUS_OK);
            assert_int_equal(ciphered.len, len);
        }
    }
}

/* Every length, each with a CPL or RPL that agrees with it: only whole blocks pass. */
static void packets_of_every_length(void **state)
{
    (void)state;
    uint8_t packet[SCP80_PACKET_MAX + SCP80_BLOCK] = {0};
    for (size_t len = 2; len <= sizeof packet; len++) {
        struct scp80_header h;
        struct span ciphered;
        packet[0] = (uint8_t)((len - 2) >> 8);
        packet[1] = (uint8_t)(len - 2);
        packet[2] = SCP80_CHL;
        bool right = len >= SCP80_CLEAR_LEN + SCP80_BLOCK && len <= SCP80_PACKET_MAX &&
                     (len - SCP80_CLEAR_LEN) % SCP80_BLOCK == 0;
        assert_status(scp80_clear_parse(span_of(packet, len), &h, &ciphered),
                      right ? STATUS_OK : STATUS_SCP80_MALFORMED);
    }
    static const uint8_t prefix[] = {0x02, 0x71, 0x00};
    memcpy(packet, prefix, sizeof prefix);
    for (size_t len = 5; len <= sizeof packet; len++) {
        uint8_t tar[3];
        struct span ciphered;
        packet[3] = (uint8_t)((len - 5) >> 8);
        packet[4] = (uint8_t)(len - 5);
        packet[5] = SCP80_RHL;
        bool right = len >= SCP80_RESPONSE_CLEAR + SCP80_BLOCK && len <= SCP80_PACKET_MAX &&
                     (len - SCP80_RESPONSE_CLEAR) % SCP80_BLOCK == 0;
        assert_status(scp80_response_clear_parse(span_of(packet, len), tar, &ciphered),
                      right ? STATUS_OK : STATUS_SCP80_MALFORMED);
    }
}

static void framing_tampered_with(void **state)
{
    static const uint8_t tar_other[3] = {0xB0, 0x00, 0x11};
    (void)state;
    struct bytes b;
    struct scp80_header h = scp80_command_header(1, tar_other, 0);
    struct span ciphered;
    uint8_t tar[3];
    bytes_init(&b);
    scp80_clear_put(&b.w, &h, 32);
    put_bytes(&b.w, zeros, 32);
    for (size_t i = 0; i < 3; i++) { /* CPL, CHL */
        b.storage[i] ^= 0x01;
        assert_status(scp80_clear_parse(bytes_span(&b), &h, &ciphered), STATUS_SCP80_MALFORMED);
        assert_int_equal(h.kic, 0);
        assert_null(ciphered.ptr);
        b.storage[i] ^= 0x01;
    }
    assert_status(scp80_clear_parse(bytes_span(&b), &h, &ciphered), STATUS_OK);

    bytes_init(&b);
    scp80_response_clear_put(&b.w, tar_other, 32);
    put_bytes(&b.w, zeros, 32);
    for (size_t i = 0; i < 6; i++) { /* 02 71 00, RPL, RHL */
        b.storage[i] ^= 0x01;
        assert_status(scp80_response_clear_parse(bytes_span(&b), tar, &ciphered),
                      STATUS_SCP80_MALFORMED);
        assert_int_equal(tar[0], 0);
        assert_null(ciphered.ptr);
        b.storage[i] ^= 0x01;
    }
    assert_status(scp80_response_clear_parse(bytes_span(&b), tar, &ciphered), STATUS_OK);
    assert_memory_equal(tar, tar_other, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_recorded_packets),    cmocka_unit_test(the_header_of_an_sm_sr_change),
        cmocka_unit_test(padding_fills_blocks),    cmocka_unit_test(ciphered_lengths),
        cmocka_unit_test(packets_of_every_length), cmocka_unit_test(framing_tampered_with),
    };
    return cmocka_run_group_tests_name("scp80", tests, NULL, NULL);
}
