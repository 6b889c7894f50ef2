#include "providers/scp/scp80.h"

#include "providers/core/secret.h"
#include "providers/ec/declassify.h"

enum {
    CC_LEN = SCP80_CC_LEN,
    COUNTER_BITS = 8 * SCP80_COUNTER_LEN,
    PACKET_MAX = SCP80_PACKET_MAX,
};

static const uint8_t zero_iv[SYM_BLOCK];

/*
 * What is ciphered: a head (counter, padding count, in responses a status), CC, data and padding.
 * CC covers everything but itself, the packet's clear header first.
 */
struct body {
    size_t head_len; /* bytes before CC */
    uint8_t *ptr;
    size_t len;
};

static enum status checksum(struct sym *s, const struct scp80_keys *keys, struct span clear,
                            const struct body *b, uint8_t cc[static SYM_CMAC_LEN])
{
    const size_t data = b->head_len + CC_LEN;
    const struct span parts[] = {clear, span_of(b->ptr, b->head_len),
                                 span_of(b->ptr + data, b->len - data)};
    return sym_cmac_parts(s, span_of(keys->kid, SYM_AES128_KEY_LEN), sizeof parts / sizeof parts[0],
                          parts, cc);
}

/* Puts CC in its place and ciphers the body where it stands. */
static enum status secure(struct sym *s, const struct scp80_keys *keys, struct span clear,
                          const struct body *b)
{
    uint8_t cc[SYM_CMAC_LEN];
    TRY(checksum(s, keys, clear, b, cc));
    memcpy(b->ptr + b->head_len, cc, CC_LEN);
    return sym_cbc_encrypt(s, span_of(keys->kic, SYM_AES128_KEY_LEN), zero_iv, b->ptr, b->ptr,
                           b->len);
}

/*
 * Deciphers the body where it stands, compares CC, and finds the data. A wrong CC and a wrong
 * padding count are one answer, SCP80_CC: both are always looked at, and there is one branch.
 */
static enum status unsecure(struct sym *s, const struct scp80_keys *keys, struct span clear,
                            const struct body *b, struct span *data)
{
    uint8_t cc[SYM_CMAC_LEN];
    TRY(sym_cbc_decrypt(s, span_of(keys->kic, SYM_AES128_KEY_LEN), zero_iv, b->ptr, b->ptr,
                        b->len));
    TRY(checksum(s, keys, clear, b, cc));
    const size_t head = b->head_len + CC_LEN, room = b->len - head;
    const uint32_t limit = room < SYM_BLOCK - 1 ? (uint32_t)room : SYM_BLOCK - 1;
    const uint32_t padding = b->ptr[SCP80_COUNTER_LEN];
    uint32_t good = (uint32_t)secret_equal(cc, b->ptr + b->head_len, CC_LEN); /* 0 or 1 */
    good &= (padding - limit - 1) >> 31; /* 1 when padding <= limit: both are below 2^31 */
    secret_wipe(cc, sizeof cc);          /* a forger must not find the right one */
    ct_declassify(&good, sizeof good);   /* the verdict is what the caller asks for */
    if (good != 1) {
        return STATUS_SCP80_CC;
    }
    ct_declassify(&padding, sizeof padding); /* the length of what an authentic packet carries */
    *data = span_of(b->ptr + head, room - padding);
    return STATUS_OK;
}

/* A copy of the received ciphered part to work on. */
static enum status body_copy(struct body *b, uint8_t storage[static PACKET_MAX],
                             struct span ciphered, size_t head_len)
{
    if (ciphered.len % SYM_BLOCK != 0 || ciphered.len < head_len + CC_LEN ||
        ciphered.len > PACKET_MAX) {
        return STATUS_SCP80_MALFORMED;
    }
    memcpy(storage, ciphered.ptr, ciphered.len);
    *b = (struct body){head_len, storage, ciphered.len};
    return STATUS_OK;
}

/* Counter and data as every packet that we make has them. */
static enum status check_outgoing(uint64_t counter, struct span data)
{
    if (counter >> COUNTER_BITS != 0) {
        return STATUS_BAD_COUNTER;
    }
    return data.len > SCP80_DATA_MAX ? STATUS_BAD_LENGTH : STATUS_OK;
}

/* Appends everything or nothing. */
static enum status deliver(struct writer *out, struct span bytes)
{
    if (out->overflow || bytes.len > out->cap - out->len) {
        return STATUS_NO_SPACE;
    }
    put_span(out, bytes);
    return STATUS_OK;
}

/* Head, room for CC, data and padding behind a clear header that w already holds; then secures it.
 */
static enum status finish_packet(struct sym *s, const struct scp80_keys *keys, struct writer *w,
                                 struct span head, struct span data, size_t padding)
{
    static const uint8_t zeros[SYM_BLOCK];
    const size_t clear_len = w->len;
    put_span(w, head);
    put_bytes(w, zeros, CC_LEN);
    put_span(w, data);
    put_bytes(w, zeros, padding);
    TRY(writer_check(w));
    const struct body b = {head.len, w->ptr + clear_len, w->len - clear_len};
    return secure(s, keys, span_of(w->ptr, clear_len), &b);
}

enum status scp80_wrap_command(struct sym *s, const struct scp80_keys *keys,
                               const struct scp80_header *header, struct span data,
                               struct writer *out)
{
    TRY(check_outgoing(header->counter, data));
    const size_t padding = scp80_padding(SCP80_CIPHERED_HEAD, data.len);
    uint8_t head[SCP80_CIPHERED_HEAD - CC_LEN];
    struct writer hw = writer_of(head, sizeof head);
    put_be(&hw, header->counter, SCP80_COUNTER_LEN);
    put_u8(&hw, (uint8_t)padding);

    uint8_t packet[PACKET_MAX];
    struct writer w = writer_of(packet, sizeof packet);
    scp80_clear_put(&w, header, SCP80_CIPHERED_HEAD + data.len + padding);
    enum status status = finish_packet(s, keys, &w, writer_span(&hw), data, padding);
    if (status == STATUS_OK) {
        status = deliver(out, writer_span(&w));
    }
    secret_wipe(packet, sizeof packet);
    return status;
}

enum status scp80_unwrap_command(struct sym *s, const struct scp80_keys *keys, struct span packet,
                                 struct scp80_header *header, struct writer *out)
{
    uint8_t storage[PACKET_MAX];
    struct body b;
    struct span ciphered, data;
    struct scp80_header h = {0};
    memset(header, 0, sizeof *header);
    TRY(scp80_clear_parse(packet, &h, &ciphered));
    TRY(body_copy(&b, storage, ciphered, SCP80_CIPHERED_HEAD - CC_LEN));
    enum status status = unsecure(s, keys, span_of(packet.ptr, SCP80_CLEAR_LEN), &b, &data);
    if (status == STATUS_OK) {
        status = deliver(out, data);
    }
    if (status == STATUS_OK) {
        h.counter = load_be(b.ptr, SCP80_COUNTER_LEN);
        *header = h;
    }
    secret_wipe(storage, sizeof storage);
    return status;
}

enum status scp80_wrap_response(struct sym *s, const struct scp80_keys *keys,
                                const struct scp80_response *response, struct span data,
                                struct writer *out)
{
    TRY(check_outgoing(response->counter, data));
    const size_t padding = scp80_padding(SCP80_RESPONSE_HEAD, data.len);
    uint8_t head[SCP80_RESPONSE_HEAD - CC_LEN];
    struct writer hw = writer_of(head, sizeof head);
    put_be(&hw, response->counter, SCP80_COUNTER_LEN);
    put_u8(&hw, (uint8_t)padding);
    put_u8(&hw, response->rsc);

    uint8_t packet[PACKET_MAX];
    struct writer w = writer_of(packet, sizeof packet);
    scp80_response_clear_put(&w, response->tar, SCP80_RESPONSE_HEAD + data.len + padding);
    enum status status = finish_packet(s, keys, &w, writer_span(&hw), data, padding);
    if (status == STATUS_OK) {
        status = deliver(out, writer_span(&w));
    }
    secret_wipe(packet, sizeof packet);
    return status;
}

enum status scp80_unwrap_response(struct sym *s, const struct scp80_keys *keys, struct span packet,
                                  struct scp80_response *response, struct writer *out)
{
    uint8_t storage[PACKET_MAX];
    struct body b;
    struct span ciphered, data;
    struct scp80_response r = {0};
    memset(response, 0, sizeof *response);
    TRY(scp80_response_clear_parse(packet, r.tar, &ciphered));
    TRY(body_copy(&b, storage, ciphered, SCP80_RESPONSE_HEAD - CC_LEN));
    enum status status = unsecure(s, keys, span_of(packet.ptr, SCP80_RESPONSE_CLEAR), &b, &data);
    if (status == STATUS_OK) {
        status = deliver(out, data);
    }
    if (status == STATUS_OK) {
        r.counter = load_be(b.ptr, SCP80_COUNTER_LEN);
        r.rsc = b.ptr[SCP80_COUNTER_LEN + 1];
        *response = r;
    }
    secret_wipe(storage, sizeof storage);
    return status;
}
