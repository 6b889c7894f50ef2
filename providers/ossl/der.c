#include "providers/ossl/der.h"

#include <string.h>

enum {
    INTEGER = 0x02,
    SEQUENCE = 0x30,
    SIGN_BIT = 0x80,
    VALUE_LEN = DER_RS_LEN / 2,
    HEAD_LEN = 2, /* every length here is below 128 */
};

/* Takes tag, length and as many bytes from the front. */
static bool take(struct span *in, uint8_t tag, struct span *body)
{
    if (in->len < HEAD_LEN || in->ptr[0] != tag || in->ptr[1] >= SIGN_BIT ||
        in->ptr[1] > in->len - HEAD_LEN) {
        return false;
    }
    *body = span_of(in->ptr + HEAD_LEN, in->ptr[1]);
    *in = span_of(body->ptr + body->len, in->len - HEAD_LEN - body->len);
    return true;
}

/* Not negative, in its shortest form, of at most 256 bits. */
static bool take_value(struct span *in, uint8_t out[static VALUE_LEN])
{
    struct span body;
    if (!take(in, INTEGER, &body) || body.len == 0 || (body.ptr[0] & SIGN_BIT) != 0) {
        return false;
    }
    if (body.len > 1 && body.ptr[0] == 0) {
        if ((body.ptr[1] & SIGN_BIT) == 0) {
            return false;
        }
        body = span_of(body.ptr + 1, body.len - 1);
    }
    if (body.len > VALUE_LEN) {
        return false;
    }
    memset(out, 0, VALUE_LEN - body.len);
    memcpy(out + VALUE_LEN - body.len, body.ptr, body.len);
    return true;
}

bool der_read_signature(uint8_t rs[static DER_RS_LEN], struct span der)
{
    struct span body;
    return take(&der, SEQUENCE, &body) && der.len == 0 && take_value(&body, rs) &&
           take_value(&body, rs + VALUE_LEN) && body.len == 0;
}

static size_t put_value(uint8_t *out, const uint8_t value[static VALUE_LEN])
{
    size_t skip = 0;
    while (skip < VALUE_LEN - 1 && value[skip] == 0) {
        skip++;
    }
    const size_t pad = (value[skip] & SIGN_BIT) != 0;
    const size_t len = VALUE_LEN - skip;
    out[0] = INTEGER;
    out[1] = (uint8_t)(pad + len);
    out[HEAD_LEN] = 0; /* the pad, or overwritten */
    memcpy(out + HEAD_LEN + pad, value + skip, len);
    return HEAD_LEN + pad + len;
}

size_t der_write_signature(uint8_t out[static DER_SIGNATURE_MAX],
                           const uint8_t rs[static DER_RS_LEN])
{
    size_t len = HEAD_LEN;
    len += put_value(out + len, rs);
    len += put_value(out + len, rs + VALUE_LEN);
    out[0] = SEQUENCE;
    out[1] = (uint8_t)(len - HEAD_LEN);
    return len;
}
