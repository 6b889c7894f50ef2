/*
 * A struct ecka_request becomes a frame: arrays of structures become columns, repeated public keys
 * and EUM certificates are sent once. Counts, lengths and NULL pointers are checked here, before
 * anything is sent; values are the server's to judge, item by item. Any thread, no state.
 */
#ifndef SERVICE_CLIENT_REQUEST_H
#define SERVICE_CLIENT_REQUEST_H

#include "proto/wire/wire.h"
#include "service/client/ecka.h"

enum {
    REQUEST_DEADLINE_MAX = 1 + 10, /* a tag and a 64-bit varint */
    REQUEST_FRAME_MAX = WIRE_FRAME_MAX - REQUEST_DEADLINE_MAX,
    /* columns and entries are at most a frame's bytes, each rounded up to 16, and their headers */
    REQUEST_ARENA = 2 * WIRE_FRAME_MAX,
};

/* The operation's number on the wire; WIRE_OP_NONE when there is no such operation. */
enum wire_op request_wire_op(enum ecka_op op);

/*
 * Writes the request, but for its deadline, into out[REQUEST_FRAME_MAX]. Uses the arena from its
 * start. BAD_REQUEST with a sentence that names the field.
 */
MUST_CHECK enum status request_encode(struct arena *arena, const struct ecka_request *request,
                                      uint64_t id, uint8_t *out, size_t *out_len,
                                      char detail[static WIRE_DETAIL_MAX]);

/*
 * The deadline as a field to append to a frame at the moment it is sent: it is the time left, and
 * protobuf takes fields in any order. Returns its length.
 */
size_t request_deadline_field(uint64_t deadline_us, uint8_t out[static REQUEST_DEADLINE_MAX]);

#endif
