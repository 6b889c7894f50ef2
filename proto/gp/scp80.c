#include "proto/gp/scp80.h"

#include "proto/gp/tlv.h"

enum {
    LENGTH_FIELD = 2,                                 /* CPL and RPL count what follows them */
    COMMAND_COUNTED = SCP80_CLEAR_LEN - LENGTH_FIELD, /* CHL..TAR */
    RESPONSE_PREFIX_LEN = 3,
    RESPONSE_COUNTED = SCP80_RESPONSE_CLEAR - RESPONSE_PREFIX_LEN - LENGTH_FIELD, /* RHL TAR */
    TAR_LEN = 3,
    KVN_SHIFT = 4, /* in KIc and KID */
};

/* User data header of a response packet: length 2, element 71 of no length. */
static const uint8_t response_prefix[RESPONSE_PREFIX_LEN] = {0x02, 0x71, 0x00};

struct scp80_header scp80_command_header(uint8_t kvn, const uint8_t tar[static 3], uint64_t counter)
{
    const uint8_t key = (uint8_t)(kvn << KVN_SHIFT | SCP80_ALG_AES_CBC);
    return (struct scp80_header){
        .spi1 = SCP80_SPI1_COMMAND,
        .spi2 = SCP80_SPI2_POR,
        .kic = key,
        .kid = key,
        .tar = {tar[0], tar[1], tar[2]},
        .counter = counter,
    };
}

/* Whether so many bytes can be the ciphered part behind a clear one: whole blocks, head included.
 */
static bool ciphered_len_valid(size_t clear_len, size_t ciphered_len, size_t head_len)
{
    return ciphered_len >= head_len && ciphered_len % SCP80_BLOCK == 0 &&
           ciphered_len <= SCP80_PACKET_MAX - clear_len;
}

void scp80_clear_put(struct writer *w, const struct scp80_header *h, size_t ciphered_len)
{
    if (!ciphered_len_valid(SCP80_CLEAR_LEN, ciphered_len, SCP80_CIPHERED_HEAD)) {
        w->overflow = true;
        return;
    }
    put_be(w, COMMAND_COUNTED + ciphered_len, LENGTH_FIELD);
    put_u8(w, SCP80_CHL);
    put_u8(w, h->spi1);
    put_u8(w, h->spi2);
    put_u8(w, h->kic);
    put_u8(w, h->kid);
    put_bytes(w, h->tar, TAR_LEN);
}

enum status scp80_clear_parse(struct span packet, struct scp80_header *h, struct span *ciphered)
{
    *h = (struct scp80_header){0};
    *ciphered = (struct span){0};
    if (packet.len < SCP80_CLEAR_LEN || packet.len > SCP80_PACKET_MAX ||
        load_be(packet.ptr, LENGTH_FIELD) != packet.len - LENGTH_FIELD ||
        packet.ptr[LENGTH_FIELD] != SCP80_CHL ||
        !ciphered_len_valid(SCP80_CLEAR_LEN, packet.len - SCP80_CLEAR_LEN, SCP80_CIPHERED_HEAD)) {
        return STATUS_SCP80_MALFORMED;
    }
    const uint8_t *p = packet.ptr + LENGTH_FIELD + 1;
    *h = (struct scp80_header){
        .spi1 = p[0], .spi2 = p[1], .kic = p[2], .kid = p[3], .tar = {p[4], p[5], p[6]}};
    *ciphered = span_of(packet.ptr + SCP80_CLEAR_LEN, packet.len - SCP80_CLEAR_LEN);
    return STATUS_OK;
}

void scp80_response_clear_put(struct writer *w, const uint8_t tar[static 3], size_t ciphered_len)
{
    if (!ciphered_len_valid(SCP80_RESPONSE_CLEAR, ciphered_len, SCP80_RESPONSE_HEAD)) {
        w->overflow = true;
        return;
    }
    put_bytes(w, response_prefix, sizeof response_prefix);
    put_be(w, RESPONSE_COUNTED + ciphered_len, LENGTH_FIELD);
    put_u8(w, SCP80_RHL);
    put_bytes(w, tar, TAR_LEN);
}

enum status scp80_response_clear_parse(struct span packet, uint8_t tar[static 3],
                                       struct span *ciphered)
{
    const size_t before_count = RESPONSE_PREFIX_LEN + LENGTH_FIELD;
    memset(tar, 0, TAR_LEN);
    *ciphered = (struct span){0};
    if (packet.len < SCP80_RESPONSE_CLEAR || packet.len > SCP80_PACKET_MAX ||
        memcmp(packet.ptr, response_prefix, sizeof response_prefix) != 0 ||
        load_be(packet.ptr + RESPONSE_PREFIX_LEN, LENGTH_FIELD) != packet.len - before_count ||
        packet.ptr[before_count] != SCP80_RHL ||
        !ciphered_len_valid(SCP80_RESPONSE_CLEAR, packet.len - SCP80_RESPONSE_CLEAR,
                            SCP80_RESPONSE_HEAD)) {
        return STATUS_SCP80_MALFORMED;
    }
    memcpy(tar, packet.ptr + before_count + 1, TAR_LEN);
    *ciphered = span_of(packet.ptr + SCP80_RESPONSE_CLEAR, packet.len - SCP80_RESPONSE_CLEAR);
    return STATUS_OK;
}
