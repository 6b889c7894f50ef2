#include "bench/reply.h"

#include "ecka.pb-c.h"

enum { PAYLOAD_BITS = 7, MORE = 0x80, TYPE_BITS = 3, TYPE_VARINT = 0, TYPE_BYTES = 2 };

static enum status read_varint(struct cursor *in, uint64_t *out)
{
    uint8_t b;
    *out = 0;
    for (unsigned i = 0; i < REPLY_VARINT_MAX; i++) {
        TRY(cursor_u8(in, &b));
        *out |= (uint64_t)(b & (MORE - 1)) << (PAYLOAD_BITS * i);
        if ((b & MORE) == 0) {
            return STATUS_OK;
        }
    }
    return STATUS_TLV_MALFORMED;
}

struct field {
    uint64_t number, value;
    struct span bytes; /* when its type is bytes */
};

static enum status read_field(struct cursor *in, struct field *out)
{
    uint64_t tag;
    TRY(read_varint(in, &tag));
    TRY(read_varint(in, &out->value));
    out->number = tag >> TYPE_BITS;
    out->bytes = (struct span){NULL, 0};
    switch (tag & ((1 << TYPE_BITS) - 1)) {
    case TYPE_VARINT:
        return STATUS_OK;
    case TYPE_BYTES:
        return cursor_take(in, out->value, &out->bytes);
    default:
        return STATUS_TLV_MALFORMED; /* the protocol has no other */
    }
}

enum status reply_read(struct span frame, struct reply_view *out)
{
    enum { ID = 1, STATUS = 2, FIRST_RESULT = ECKA__V1__REPLY__RESULT_VERIFY };
    struct cursor in = cursor_of(frame);
    struct field f;
    *out = (struct reply_view){0};
    while (in.left != 0) {
        TRY(read_field(&in, &f));
        if (f.number == ID) {
            out->id = f.value;
        } else if (f.number == STATUS) {
            out->status = f.value;
        } else if (f.number >= FIRST_RESULT) {
            out->result = f.bytes;
        }
    }
    return STATUS_OK;
}

enum status reply_item_status(struct span result, struct span *out)
{
    enum { ITEM_STATUS = 1 };
    struct cursor in = cursor_of(result);
    struct field f;
    TRY(read_field(&in, &f));
    *out = f.bytes;
    return f.number == ITEM_STATUS ? STATUS_OK : STATUS_TLV_MALFORMED;
}

void put_varint(struct writer *w, uint64_t v)
{
    while (v >= MORE) {
        put_u8(w, (uint8_t)(v | MORE));
        v >>= PAYLOAD_BITS;
    }
    put_u8(w, (uint8_t)v);
}
