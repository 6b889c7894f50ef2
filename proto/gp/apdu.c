#include "proto/gp/apdu.h"

#include "proto/gp/tlv.h"

enum {
    APDU_HEADER_LEN = 4,
    SW_LEN = 2,

    TAG_COMMANDS = 0xAA,
    TAG_COMMANDS_INDEFINITE = 0xAE,
    TAG_ANSWER = 0xAB,
    TAG_ANSWER_INDEFINITE = 0xAF,
    TAG_C_APDU = 0x22,
    TAG_R_APDU = 0x23,
    TAG_EXECUTED = 0x80, /* number of commands executed */

    LENGTH_INDEFINITE = 0x80,
    END_OF_CONTENTS_LEN = 2, /* 00 00 */
    TAG_AND_LENGTH_LEN = 2,  /* AE 80 */
};

void apdu_put(struct writer *w, const struct apdu *apdu)
{
    const uint8_t header[APDU_HEADER_LEN] = {apdu->cla, apdu->ins, apdu->p1, apdu->p2};
    if (apdu->data.len > APDU_DATA_MAX) {
        w->overflow = true;
        return;
    }
    put_bytes(w, header, sizeof header);
    if (apdu->data.len != 0) {
        put_u8(w, (uint8_t)apdu->data.len);
        put_span(w, apdu->data);
    }
    if (apdu->has_le) {
        put_u8(w, apdu->le);
    }
}

/* What follows the four header bytes: nothing, Le, Lc data, or Lc data Le. */
static enum status read_body(struct cursor *in, struct apdu *out)
{
    uint8_t lc;
    if (in->left > 1) {
        TRY(cursor_u8(in, &lc));
        if (lc == 0 || cursor_take(in, lc, &out->data) != STATUS_OK) {
            return STATUS_BAD_LENGTH;
        }
    }
    if (in->left != 0) {
        out->has_le = true;
        TRY(cursor_u8(in, &out->le));
    }
    return in->left == 0 ? STATUS_OK : STATUS_BAD_LENGTH;
}

enum status apdu_parse(struct span in, struct apdu *out)
{
    struct cursor c = cursor_of(in);
    struct span header;
    *out = (struct apdu){0};
    TRY(cursor_take(&c, APDU_HEADER_LEN, &header));
    *out = (struct apdu){
        .cla = header.ptr[0], .ins = header.ptr[1], .p1 = header.ptr[2], .p2 = header.ptr[3]};
    enum status s = read_body(&c, out);
    if (s != STATUS_OK) {
        *out = (struct apdu){0};
    }
    return s;
}

void rapdu_put(struct writer *w, struct span data, uint16_t sw)
{
    if (data.len > RAPDU_DATA_MAX) {
        w->overflow = true;
        return;
    }
    put_span(w, data);
    put_be(w, sw, SW_LEN);
}

enum status rapdu_parse(struct span in, struct rapdu *out)
{
    *out = (struct rapdu){0};
    if (in.len < SW_LEN || in.len > RAPDU_DATA_MAX + SW_LEN) {
        return STATUS_TLV_MALFORMED;
    }
    size_t data_len = in.len - SW_LEN;
    out->data = span_of(in.ptr, data_len);
    out->sw = (uint16_t)load_be(in.ptr + data_len, SW_LEN);
    return STATUS_OK;
}

/*
 * What a template of definite or indefinite length holds. The end of contents of the latter must
 * be the last two bytes: no TLV inside starts with 00, so a reader of the TLVs cannot pass it.
 */
static enum status open_template(struct span in, uint32_t definite, uint8_t indefinite,
                                 struct span *body)
{
    if (in.len >= TAG_AND_LENGTH_LEN && in.ptr[0] == indefinite && in.ptr[1] == LENGTH_INDEFINITE) {
        size_t framing = TAG_AND_LENGTH_LEN + END_OF_CONTENTS_LEN;
        if (in.len < framing || in.ptr[in.len - 1] != 0 || in.ptr[in.len - 2] != 0) {
            return STATUS_TLV_MALFORMED;
        }
        *body = span_of(in.ptr + TAG_AND_LENGTH_LEN, in.len - framing);
        return STATUS_OK;
    }
    struct cursor c = cursor_of(in);
    TRY(tlv_expect(&c, definite, body));
    return cursor_expect_end(&c);
}

void expanded_commands_put(struct writer *w, const struct span *apdus, size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        len += tlv_size(TAG_C_APDU, apdus[i].len);
    }
    tlv_put_header(w, TAG_COMMANDS, len);
    for (size_t i = 0; i < count; i++) {
        tlv_put(w, TAG_C_APDU, apdus[i]);
    }
}

static enum status read_commands(struct span in, struct span *apdus, size_t *count)
{
    struct span body;
    TRY(open_template(in, TAG_COMMANDS, TAG_COMMANDS_INDEFINITE, &body));
    struct cursor c = cursor_of(body);
    do {
        if (*count == EXPANDED_COMMANDS_MAX) {
            return STATUS_TLV_MALFORMED;
        }
        TRY(tlv_expect(&c, TAG_C_APDU, &apdus[*count]));
        (*count)++;
    } while (c.left != 0);
    return STATUS_OK;
}

enum status expanded_commands_parse(struct span in, struct span apdus[static EXPANDED_COMMANDS_MAX],
                                    size_t *count)
{
    *count = 0;
    memset(apdus, 0, EXPANDED_COMMANDS_MAX * sizeof apdus[0]);
    enum status s = read_commands(in, apdus, count);
    if (s != STATUS_OK) {
        *count = 0;
        memset(apdus, 0, EXPANDED_COMMANDS_MAX * sizeof apdus[0]);
    }
    return s;
}

void expanded_answer_put(struct writer *w, uint8_t executed, struct span last_rapdu)
{
    tlv_put_header(w, TAG_ANSWER, tlv_size(TAG_EXECUTED, 1) + tlv_size(TAG_R_APDU, last_rapdu.len));
    tlv_put_u8(w, TAG_EXECUTED, executed);
    tlv_put(w, TAG_R_APDU, last_rapdu);
}

static enum status read_answer(struct span in, uint8_t *executed, struct span *last_rapdu)
{
    struct span body;
    TRY(open_template(in, TAG_ANSWER, TAG_ANSWER_INDEFINITE, &body));
    struct cursor c = cursor_of(body);
    TRY(tlv_expect_u8(&c, TAG_EXECUTED, executed));
    do {
        TRY(tlv_expect(&c, TAG_R_APDU, last_rapdu));
    } while (c.left != 0);
    return STATUS_OK;
}

enum status expanded_answer_parse(struct span in, uint8_t *executed, struct span *last_rapdu)
{
    *executed = 0;
    *last_rapdu = (struct span){0};
    enum status s = read_answer(in, executed, last_rapdu);
    if (s != STATUS_OK) {
        *executed = 0;
        *last_rapdu = (struct span){0};
    }
    return s;
}
