#include "providers/scp/scp03.h"

#include "providers/core/secret.h"
#include "providers/ec/declassify.h"

enum {
    MAC_LEN = SCP03_MAC_LEN,
    DERIVE_CARD_CRYPTOGRAM = 0x00, /* Amendment D, table 4-1 */
    DERIVE_HOST_CRYPTOGRAM = 0x01,
    DERIVE_S_ENC = 0x04,
    DERIVE_S_MAC = 0x06,
    DERIVE_S_RMAC = 0x07,
    DERIVE_ZEROS = 11, /* before the constant */

    CLA_ISO = 0x00,
    CLA_GP = 0x80,
    CLA_SECURE = 0x04, /* GlobalPlatform's secure messaging */
    INS_EXTERNAL_AUTHENTICATE = 0x82,

    PADDING_FIRST = 0x80,
    RESPONSE_ICV_FIRST = 0x80,

    SW_DONE = 0x9000,
    SW1_WARNING = 0x62,
    SW1_WARNING_STATE = 0x63,
};

static const uint8_t zero_iv[SYM_BLOCK];

bool scp03_level_valid(uint32_t level)
{
    return level == SCP03_C_MAC || level == (SCP03_C_DECRYPTION | SCP03_C_MAC) ||
           level == (SCP03_R_MAC | SCP03_C_MAC) ||
           level == (SCP03_R_MAC | SCP03_C_DECRYPTION | SCP03_C_MAC) ||
           level == (SCP03_R_ENCRYPTION | SCP03_R_MAC | SCP03_C_DECRYPTION | SCP03_C_MAC);
}

static enum status derive(struct sym *s, struct span key, uint8_t constant,
                          const struct scp03_challenges *c, uint8_t *out, size_t out_len)
{
    static const uint8_t zeros[DERIVE_ZEROS];
    uint8_t block[SYM_CMAC_LEN];
    enum status status = STATUS_OK;

    for (size_t done = 0, i = 1; done < out_len && status == STATUS_OK; i++) {
        uint8_t input[DERIVE_ZEROS + 1 + 1 + 2 + 1 + 2 * SCP03_CHALLENGE_LEN];
        struct writer w = writer_of(input, sizeof input);
        put_bytes(&w, zeros, sizeof zeros);
        put_u8(&w, constant);
        put_u8(&w, 0);
        put_be(&w, 8 * out_len, 2);
        put_u8(&w, (uint8_t)i);
        put_bytes(&w, c->host, SCP03_CHALLENGE_LEN);
        put_bytes(&w, c->card, SCP03_CHALLENGE_LEN);
        status = sym_cmac(s, key, writer_span(&w), block);
        size_t n = out_len - done < sizeof block ? out_len - done : sizeof block;
        memcpy(out + done, block, n);
        done += n;
    }
    secret_wipe(block, sizeof block);
    return status;
}

static enum status derive_session(struct sym *s, const struct scp03_keys *keys,
                                  const struct scp03_challenges *c, struct scp03_session *session)
{
    const size_t len = keys->enc.len;
    if (len > sizeof session->s_enc || keys->mac.len != len) {
        return STATUS_BAD_LENGTH;
    }
    session->key_len = (uint8_t)len;
    TRY(derive(s, keys->enc, DERIVE_S_ENC, c, session->s_enc, len));
    TRY(derive(s, keys->mac, DERIVE_S_MAC, c, session->s_mac, len));
    return derive(s, keys->mac, DERIVE_S_RMAC, c, session->s_rmac, len);
}

static enum status check_card(struct sym *s, const struct scp03_session *session,
                              const struct scp03_challenges *c,
                              const uint8_t claimed[static SCP03_CRYPTOGRAM_LEN])
{
    uint8_t expected[SCP03_CRYPTOGRAM_LEN];
    enum status status = derive(s, span_of(session->s_mac, session->key_len),
                                DERIVE_CARD_CRYPTOGRAM, c, expected, sizeof expected);
    if (status == STATUS_OK) {
        int same = secret_equal(expected, claimed, sizeof expected);
        ct_declassify(&same, sizeof same); /* the verdict is what the caller asks for */
        status = same ? STATUS_OK : STATUS_SCP03_CRYPTOGRAM;
    }
    secret_wipe(expected, sizeof expected); /* it would make a card of whoever reads it */
    return status;
}

/* The APDU with the data that go out and their C-MAC; the session's chaining value moves on once
 * all is written. */
static enum status secure(struct sym *s, struct scp03_session *session, const struct apdu *apdu,
                          struct span data, struct writer *out)
{
    const uint8_t header[] = {apdu->cla | CLA_SECURE, apdu->ins, apdu->p1, apdu->p2,
                              (uint8_t)(data.len + MAC_LEN)};
    const struct span parts[] = {span_of(session->chaining, SYM_CMAC_LEN),
                                 span_of(header, sizeof header), data};
    uint8_t mac[SYM_CMAC_LEN], secured[APDU_MAX];
    struct writer w = writer_of(secured, sizeof secured);

    if (data.len > APDU_DATA_MAX - MAC_LEN) {
        return STATUS_SCP03_APDU;
    }
    TRY(sym_cmac_parts(s, span_of(session->s_mac, session->key_len), sizeof parts / sizeof parts[0],
                       parts, mac));
    put_bytes(&w, header, sizeof header);
    put_span(&w, data);
    put_bytes(&w, mac, MAC_LEN);
    if (apdu->has_le) {
        put_u8(&w, SCP03_LE);
    }
    put_span(out, writer_span(&w));
    TRY(writer_check(out));
    memcpy(session->chaining, mac, sizeof mac);
    return STATUS_OK;
}

static enum status open_session(struct sym *s, const struct scp03_keys *keys,
                                const struct scp03_challenges *c, const uint8_t *card_cryptogram,
                                struct scp03_session *session, struct writer *out)
{
    uint8_t host[SCP03_CRYPTOGRAM_LEN];
    const struct apdu apdu = {
        .cla = CLA_GP, .ins = INS_EXTERNAL_AUTHENTICATE, .p1 = session->level};

    TRY(derive_session(s, keys, c, session));
    TRY(check_card(s, session, c, card_cryptogram));
    TRY(derive(s, span_of(session->s_mac, session->key_len), DERIVE_HOST_CRYPTOGRAM, c, host,
               sizeof host));
    return secure(s, session, &apdu, span_of(host, sizeof host), out);
}

enum status scp03_open(struct sym *s, const struct scp03_keys *keys,
                       const struct scp03_challenges *challenges,
                       const uint8_t card_cryptogram[static SCP03_CRYPTOGRAM_LEN], uint8_t level,
                       struct scp03_session *session, struct writer *out)
{
    *session = (struct scp03_session){.level = level};
    enum status status = scp03_level_valid(level) ? STATUS_OK : STATUS_SCP03_LEVEL;
    if (status == STATUS_OK) {
        status = open_session(s, keys, challenges, card_cryptogram, session, out);
    }
    if (status != STATUS_OK) {
        secret_wipe(session, sizeof *session);
    }
    return status;
}

/* The IV of a command's or its response's data. */
static enum status make_icv(struct sym *s, const struct scp03_session *session, uint32_t command,
                            uint8_t first, uint8_t icv[static SYM_BLOCK])
{
    uint8_t block[SYM_BLOCK] = {first};
    struct writer w = writer_of(block + SYM_BLOCK - sizeof command, sizeof command);
    put_be(&w, command, sizeof command);
    return sym_cbc_encrypt(s, span_of(session->s_enc, session->key_len), zero_iv, block, icv,
                           SYM_BLOCK);
}

/* Pads and ciphers a command's data into out, which has room for the longest. */
static enum status cipher_data(struct sym *s, const struct scp03_session *session, uint32_t command,
                               struct span data, uint8_t out[static APDU_DATA_MAX], size_t *len)
{
    uint8_t icv[SYM_BLOCK];
    if (data.len > SCP03_CIPHERED_DATA_MAX) {
        return STATUS_SCP03_APDU;
    }
    *len = (data.len / SYM_BLOCK + 1) * SYM_BLOCK;
    memset(out, 0, *len);
    memcpy(out, data.ptr, data.len);
    out[data.len] = PADDING_FIRST;
    TRY(make_icv(s, session, command, 0, icv));
    return sym_cbc_encrypt(s, span_of(session->s_enc, session->key_len), icv, out, out, *len);
}

enum status scp03_wrap(struct sym *s, struct scp03_session *session, struct span apdu,
                       struct writer *out)
{
    struct apdu parsed;
    uint8_t ciphered[APDU_DATA_MAX];
    const uint32_t command = session->commands + 1;

    if (apdu_parse(apdu, &parsed) != STATUS_OK || (parsed.cla != CLA_ISO && parsed.cla != CLA_GP)) {
        return STATUS_SCP03_APDU;
    }
    if (command == 0) {
        return STATUS_BAD_COUNTER; /* its IV would come again */
    }
    struct span data = parsed.data;
    /* A command without data is counted, but there is nothing to cipher (Amendment D, 6.2.6). */
    if ((session->level & SCP03_C_DECRYPTION) != 0 && data.len != 0) {
        size_t len;
        TRY(cipher_data(s, session, command, data, ciphered, &len));
        data = span_of(ciphered, len);
    }
    TRY(secure(s, session, &parsed, data, out));
    session->commands = command;
    return STATUS_OK;
}

static bool is_error(uint16_t sw)
{
    return sw != SW_DONE && sw >> 8 != SW1_WARNING && sw >> 8 != SW1_WARNING_STATE;
}

/*
 * The length of data and padding 80 00.. in the last block at tail: how many bytes the padding
 * takes, 0 when it is none. The whole block is read, whatever stands there.
 */
static size_t padding_len(const uint8_t tail[static SYM_BLOCK])
{
    uint32_t found = 0, broken = 0, len = 0; /* 0 or 1 each but len */
    for (uint32_t i = 1; i <= SYM_BLOCK; i++) {
        const uint32_t byte = tail[SYM_BLOCK - i];
        const uint32_t is_first = ((byte ^ PADDING_FIRST) - 1) >> 31;
        const uint32_t is_zero = (byte - 1) >> 31;
        const uint32_t open = (found | broken) ^ 1;
        len |= (0 - (open & is_first)) & i;
        broken |= open & ((is_first | is_zero) ^ 1);
        found |= open & is_first;
    }
    return len;
}

/* Deciphers an authentic response's data where they are copied to, and finds their end. */
static enum status decipher(struct sym *s, const struct scp03_session *session, struct span data,
                            uint8_t plain[static RAPDU_DATA_MAX], size_t *len)
{
    uint8_t icv[SYM_BLOCK];
    TRY(make_icv(s, session, session->commands, RESPONSE_ICV_FIRST, icv));
    TRY(sym_cbc_decrypt(s, span_of(session->s_enc, session->key_len), icv, data.ptr, plain,
                        data.len));
    const size_t padding = padding_len(plain + data.len - SYM_BLOCK);
    ct_declassify(&padding, sizeof padding); /* the length of what an authentic response carries */
    *len = data.len - padding;
    return padding == 0 ? STATUS_SCP03_RESPONSE : STATUS_OK;
}

/* Whether the R-MAC behind the data is the right one. */
static enum status check_rmac(struct sym *s, const struct scp03_session *session, struct span data,
                              uint16_t sw, const uint8_t claimed[static MAC_LEN])
{
    const uint8_t sw_bytes[] = {(uint8_t)(sw >> 8), (uint8_t)sw};
    const struct span parts[] = {span_of(session->chaining, SYM_CMAC_LEN), data,
                                 span_of(sw_bytes, sizeof sw_bytes)};
    uint8_t mac[SYM_CMAC_LEN];
    TRY(sym_cmac_parts(s, span_of(session->s_rmac, session->key_len),
                       sizeof parts / sizeof parts[0], parts, mac));
    int genuine = secret_equal(mac, claimed, MAC_LEN);
    ct_declassify(&genuine, sizeof genuine); /* as above */
    secret_wipe(mac, sizeof mac);            /* a forger must not find the right one */
    return genuine ? STATUS_OK : STATUS_SCP03_RESPONSE;
}

/* A response with R-MAC and, where the level says so, ciphered data. */
static enum status open_response(struct sym *s, const struct scp03_session *session,
                                 const struct rapdu *r, struct writer *out)
{
    uint8_t plain[RAPDU_DATA_MAX];
    if (r->data.len < MAC_LEN) {
        return STATUS_SCP03_RESPONSE;
    }
    struct span data = span_of(r->data.ptr, r->data.len - MAC_LEN);
    TRY(check_rmac(s, session, data, r->sw, data.ptr + data.len));
    enum status status = STATUS_OK;
    if ((session->level & SCP03_R_ENCRYPTION) != 0 && data.len != 0) {
        size_t len = 0;
        status = data.len % SYM_BLOCK != 0 ? STATUS_SCP03_RESPONSE
                                           : decipher(s, session, data, plain, &len);
        data = span_of(plain, len);
    }
    if (status == STATUS_OK) {
        rapdu_put(out, data, r->sw);
        status = writer_check(out);
    }
    secret_wipe(plain, sizeof plain);
    return status;
}

enum status scp03_unwrap(struct sym *s, const struct scp03_session *session, struct span rapdu,
                         struct writer *out)
{
    struct rapdu r;
    if (rapdu_parse(rapdu, &r) != STATUS_OK) {
        return STATUS_SCP03_RESPONSE;
    }
    if ((session->level & SCP03_R_MAC) == 0) {
        put_span(out, rapdu);
        return writer_check(out);
    }
    if (!is_error(r.sw)) {
        return open_response(s, session, &r, out);
    }
    if (r.data.len != 0) {
        return STATUS_SCP03_RESPONSE;
    }
    put_span(out, rapdu);
    TRY(writer_check(out));
    return STATUS_SCP03_UNPROTECTED;
}
