#include "proto/gp/tlv.h"

enum {
    TAG_MORE_BYTES = 0x1F, /* low bits of a first tag byte that another one follows */
    TAG_NOT_LAST = 0x80,   /* bit of a later tag byte that another one follows */
    TAG_BYTES_MAX = 3,
    LENGTH_SHORT_MAX = 0x7F,
    LENGTH_ONE_BYTE = 0x81,
    LENGTH_TWO_BYTES = 0x82,
    DGI_LENGTH_SHORT_MAX = 0xFE,
    DGI_LENGTH_TWO_BYTES = 0xFF,
};

/* The second byte of a tag can neither be 80 nor say a number that one byte could have said. */
static bool second_tag_byte_valid(uint8_t b)
{
    return b != TAG_NOT_LAST && b >= TAG_MORE_BYTES;
}

static enum status read_tag(struct cursor *in, uint32_t *tag)
{
    uint8_t b;
    TRY(cursor_u8(in, &b));
    if (b == 0) { /* the universal class's end of contents */
        return STATUS_TLV_MALFORMED;
    }
    *tag = b;
    bool more = (b & TAG_MORE_BYTES) == TAG_MORE_BYTES;
    for (size_t n = 1; more; n++) {
        if (n == TAG_BYTES_MAX) {
            return STATUS_TLV_MALFORMED;
        }
        TRY(cursor_u8(in, &b));
        if (n == 1 && !second_tag_byte_valid(b)) {
            return STATUS_TLV_MALFORMED;
        }
        *tag = *tag << 8 | b;
        more = (b & TAG_NOT_LAST) != 0;
    }
    return STATUS_OK;
}

static enum status read_be(struct cursor *in, size_t bytes, size_t *value)
{
    struct span s;
    TRY(cursor_take(in, bytes, &s));
    *value = (size_t)load_be(s.ptr, bytes);
    return STATUS_OK;
}

static enum status read_length(struct cursor *in, size_t *len)
{
    uint8_t first;
    TRY(cursor_u8(in, &first));
    *len = first;
    if (first <= LENGTH_SHORT_MAX) {
        return STATUS_OK;
    }
    if (first == LENGTH_ONE_BYTE) {
        TRY(read_be(in, 1, len));
        return *len > LENGTH_SHORT_MAX ? STATUS_OK : STATUS_TLV_MALFORMED;
    }
    if (first == LENGTH_TWO_BYTES) {
        TRY(read_be(in, 2, len));
        return *len > UINT8_MAX ? STATUS_OK : STATUS_TLV_MALFORMED;
    }
    return STATUS_TLV_MALFORMED;
}

static enum status read_tlv(struct cursor *in, struct tlv *out)
{
    const uint8_t *start = in->ptr;
    size_t len;
    TRY(read_tag(in, &out->tag));
    TRY(read_length(in, &len));
    TRY(cursor_take(in, len, &out->value));
    out->raw = span_of(start, (size_t)(in->ptr - start));
    return STATUS_OK;
}

enum status tlv_next(struct cursor *in, struct tlv *out)
{
    struct cursor c = *in;
    enum status s = read_tlv(&c, out);
    if (s != STATUS_OK) {
        *out = (struct tlv){0};
        return s;
    }
    *in = c;
    return STATUS_OK;
}

enum status tlv_expect(struct cursor *in, uint32_t tag, struct span *value)
{
    struct cursor c = *in;
    struct tlv t;
    *value = (struct span){0};
    TRY(tlv_next(&c, &t));
    if (t.tag != tag) {
        return STATUS_TLV_MALFORMED;
    }
    *in = c;
    *value = t.value;
    return STATUS_OK;
}

enum status tlv_expect_u8(struct cursor *in, uint32_t tag, uint8_t *value)
{
    struct cursor c = *in;
    struct span s;
    *value = 0;
    TRY(tlv_expect(&c, tag, &s));
    if (s.len != 1) {
        return STATUS_TLV_MALFORMED;
    }
    *in = c;
    *value = s.ptr[0];
    return STATUS_OK;
}

static size_t tag_size(uint32_t tag)
{
    return tag > 0xFFFF ? 3 : tag > 0xFF ? 2 : 1;
}

static size_t length_size(size_t len)
{
    return len > UINT8_MAX ? 3 : len > LENGTH_SHORT_MAX ? 2 : 1;
}

size_t tlv_size(uint32_t tag, size_t value_len)
{
    return tag_size(tag) + length_size(value_len) + value_len;
}

void ber_length_put(struct writer *w, size_t len)
{
    if (len > TLV_LENGTH_MAX) {
        w->overflow = true;
        return;
    }
    if (len > UINT8_MAX) {
        put_u8(w, LENGTH_TWO_BYTES);
    } else if (len > LENGTH_SHORT_MAX) {
        put_u8(w, LENGTH_ONE_BYTE);
    }
    put_be(w, len, len > UINT8_MAX ? 2 : 1);
}

void tlv_put_header(struct writer *w, uint32_t tag, size_t value_len)
{
    put_be(w, tag, tag_size(tag));
    ber_length_put(w, value_len);
}

void tlv_put(struct writer *w, uint32_t tag, struct span value)
{
    tlv_put_header(w, tag, value.len);
    put_span(w, value);
}

void tlv_put_u8(struct writer *w, uint32_t tag, uint8_t value)
{
    tlv_put(w, tag, span_of(&value, 1));
}

void tlv_put_built(struct writer *w, uint32_t tag, const struct writer *body)
{
    if (body->overflow) {
        w->overflow = true;
        return;
    }
    tlv_put(w, tag, writer_span(body));
}

static enum status read_dgi(struct cursor *in, uint16_t *tag, struct span *value)
{
    size_t number;
    size_t len;
    TRY(read_be(in, 2, &number));
    TRY(read_be(in, 1, &len));
    if (len == DGI_LENGTH_TWO_BYTES) {
        TRY(read_be(in, 2, &len));
        if (len <= DGI_LENGTH_SHORT_MAX) {
            return STATUS_TLV_MALFORMED;
        }
    }
    TRY(cursor_take(in, len, value));
    *tag = (uint16_t)number;
    return STATUS_OK;
}

enum status dgi_next(struct cursor *in, uint16_t *tag, struct span *value)
{
    struct cursor c = *in;
    *tag = 0;
    *value = (struct span){0};
    TRY(read_dgi(&c, tag, value));
    *in = c;
    return STATUS_OK;
}

enum status dgi_expect(struct cursor *in, uint16_t tag, struct span *value)
{
    struct cursor c = *in;
    uint16_t found;
    TRY(dgi_next(&c, &found, value));
    if (found != tag) {
        *value = (struct span){0};
        return STATUS_TLV_MALFORMED;
    }
    *in = c;
    return STATUS_OK;
}

void dgi_put(struct writer *w, uint16_t tag, struct span value)
{
    if (value.len > TLV_LENGTH_MAX) {
        w->overflow = true;
        return;
    }
    put_be(w, tag, 2);
    if (value.len > DGI_LENGTH_SHORT_MAX) {
        put_u8(w, DGI_LENGTH_TWO_BYTES);
        put_be(w, value.len, 2);
    } else {
        put_u8(w, (uint8_t)value.len);
    }
    put_span(w, value);
}
