#include "proto/gp/put_key.h"

enum { LEN_BEFORE_VALUE = 1 + PUT_KEY_VALUE_LEN };

void put_key_put(struct writer *w, enum put_key_psk_form form, const struct put_key *in)
{
    put_u8(w, in->kvn);
    for (size_t i = 0; i < in->n; i++) {
        const struct put_key_block *b = &in->blocks[i];
        put_u8(w, b->type);
        if (b->type == PUT_KEY_TYPE_AES || form == PUT_KEY_PSK_AS_AES) {
            put_u8(w, LEN_BEFORE_VALUE);
        }
        put_u8(w, PUT_KEY_VALUE_LEN);
        put_bytes(w, b->value, PUT_KEY_VALUE_LEN);
        put_u8(w, PUT_KEY_KCV_LEN);
        put_bytes(w, b->kcv, PUT_KEY_KCV_LEN);
    }
}

static enum status expect(struct cursor *in, uint8_t value)
{
    uint8_t got;
    TRY(cursor_u8(in, &got));
    return got == value ? STATUS_OK : STATUS_TLV_MALFORMED;
}

static enum status read_value(struct cursor *in, struct put_key_block *out)
{
    struct span s;
    uint8_t len;
    TRY(cursor_u8(in, &len));
    if (len == LEN_BEFORE_VALUE) {
        TRY(expect(in, PUT_KEY_VALUE_LEN));
    } else if (len != PUT_KEY_VALUE_LEN || out->type != PUT_KEY_TYPE_PSK) {
        return STATUS_TLV_MALFORMED;
    }
    TRY(cursor_take(in, PUT_KEY_VALUE_LEN, &s));
    out->value = s.ptr;
    return STATUS_OK;
}

static enum status read_block(struct cursor *in, struct put_key_block *out)
{
    struct span s;
    TRY(cursor_u8(in, &out->type));
    if (out->type != PUT_KEY_TYPE_AES && out->type != PUT_KEY_TYPE_PSK) {
        return STATUS_TLV_MALFORMED;
    }
    TRY(read_value(in, out));
    TRY(expect(in, PUT_KEY_KCV_LEN));
    TRY(cursor_take(in, PUT_KEY_KCV_LEN, &s));
    out->kcv = s.ptr;
    return STATUS_OK;
}

static enum status read_all(struct cursor *in, struct put_key *out)
{
    TRY(cursor_u8(in, &out->kvn));
    do {
        if (out->n == PUT_KEY_KEYS_MAX) {
            return STATUS_TLV_MALFORMED;
        }
        TRY(read_block(in, &out->blocks[out->n]));
        out->n++;
    } while (in->left != 0);
    return STATUS_OK;
}

enum status put_key_parse(struct span data, struct put_key *out)
{
    struct cursor in = cursor_of(data);
    *out = (struct put_key){0};
    if (read_all(&in, out) != STATUS_OK) {
        *out = (struct put_key){0};
        return STATUS_TLV_MALFORMED;
    }
    return STATUS_OK;
}
