/*
 * Just enough of protobuf to look at a reply without unpacking it: the generator shares the
 * machine with the server that it measures.
 */
#ifndef BENCH_REPLY_H
#define BENCH_REPLY_H

#include "proto/bytes.h"

struct reply_view {
    uint64_t id;
    uint64_t status;
    struct span result; /* of the operation; empty when there is none */
};

/* TLV_MALFORMED. */
MUST_CHECK enum status reply_read(struct span frame, struct reply_view *out);

/* The column of item statuses, every result's first field. TLV_MALFORMED. */
MUST_CHECK enum status reply_item_status(struct span result, struct span *out);

/* A protobuf number; at most REPLY_VARINT_MAX bytes. */
enum { REPLY_VARINT_MAX = 10 };
void put_varint(struct writer *w, uint64_t v);

#endif
