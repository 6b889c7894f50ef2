/*
 * Requests and replies of ecka.proto: unpacked, and every length checked once.
 *
 * After wire_request_decode() the columns of msg have the widths and counts that ecka.proto states,
 * so that nothing behind it checks a length again; values (curves, points, KVNs) are still whatever
 * the client sent. Optional columns are either absent (len or n 0) or whole.
 */
#ifndef PROTO_WIRE_WIRE_H
#define PROTO_WIRE_WIRE_H

#include "ecka.pb-c.h"
#include "proto/arena.h"
#include "proto/bytes.h"
#include "proto/wire/limits.h"

enum wire_op { /* the field numbers of the oneof in Request, and so of Reply */
               WIRE_OP_NONE = 0,
               WIRE_OP_VERIFY = ECKA__V1__REQUEST__OP_VERIFY,
               WIRE_OP_VERIFY_CHAIN = ECKA__V1__REQUEST__OP_VERIFY_CHAIN,
               WIRE_OP_ESTABLISH = ECKA__V1__REQUEST__OP_ESTABLISH,
               WIRE_OP_CONFIRM = ECKA__V1__REQUEST__OP_CONFIRM,
               WIRE_OP_SCP80_WRAP = ECKA__V1__REQUEST__OP_SCP80_WRAP,
               WIRE_OP_SCP80_UNWRAP = ECKA__V1__REQUEST__OP_SCP80_UNWRAP,
               WIRE_OP_INFO = ECKA__V1__REQUEST__OP_INFO,
               WIRE_OP_SIGN = ECKA__V1__REQUEST__OP_SIGN,
               WIRE_OP_AGREE = ECKA__V1__REQUEST__OP_AGREE,
               WIRE_OP_KEY_SET_CREATE = ECKA__V1__REQUEST__OP_KEY_SET_CREATE,
               WIRE_OP_SCP03_OPEN = ECKA__V1__REQUEST__OP_SCP03_OPEN,
               WIRE_OP_SCP03_WRAP = ECKA__V1__REQUEST__OP_SCP03_WRAP,
               WIRE_OP_SCP03_UNWRAP = ECKA__V1__REQUEST__OP_SCP03_UNWRAP,
               WIRE_OP_RESEAL = ECKA__V1__REQUEST__OP_RESEAL,
               WIRE_OP_REWRAP = ECKA__V1__REQUEST__OP_REWRAP,
               WIRE_OP_END, /* one past the last */
               WIRE_OP_FIRST = WIRE_OP_VERIFY,
};

/* "Verify", "VerifyChain", ...: as policy files spell them; NULL when there is no such operation.
 */
const char *wire_op_name(enum wire_op op);
enum wire_op wire_op_from_name(const char *name);

struct wire_request {
    Ecka__V1__Request *msg; /* in the arena; NULL when the frame is no request at all */
    enum wire_op op;
    uint32_t items; /* N; 0 with Info */
};

/*
 * Reads one frame. On failure detail holds a sentence that names the field, and out->msg tells
 * whether there is an id to answer to. BAD_REQUEST, UNSUPPORTED_VERSION, UNKNOWN_OPERATION.
 */
MUST_CHECK enum status wire_request_decode(struct arena *arena, struct span frame,
                                           struct wire_request *out,
                                           char detail[static WIRE_DETAIL_MAX]);

/*
 * Reads a reply to a request of this operation with this many items: either a failure without a
 * result, or the result of that operation with whole columns. BAD_REQUEST.
 */
MUST_CHECK enum status wire_reply_decode(struct arena *arena, struct span frame,
                                         Ecka__V1__Reply **out);
MUST_CHECK enum status wire_reply_check(const Ecka__V1__Reply *reply, enum wire_op op,
                                        uint32_t items);

/* Value i of a column of values of this width. */
static inline const uint8_t *wire_col(const ProtobufCBinaryData *column, size_t width, size_t i)
{
    return column->data + width * i;
}

/* Entry i of a repeated bytes field that has N entries, 1 for all, or none (then empty). */
static inline struct span wire_entry(const ProtobufCBinaryData *entries, size_t n, size_t i)
{
    if (n == 0) {
        return (struct span){NULL, 0};
    }
    const ProtobufCBinaryData *e = &entries[n == 1 ? 0 : i];
    return (struct span){e->data, e->len};
}

#endif
