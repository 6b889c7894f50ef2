/*
 * A struct ecka_request becomes a frame: arrays of structures become columns, repeated public keys
 * and EUM certificates are sent once. Counts, lengths and NULL pointers are checked here, before
 * anything is sent; values are the server's to judge, item by item. Any thread, no state.
 *
 * What may differ from one attempt to the next, the id and the time left, is not in the frame: it
 * is appended each time it is sent, as protobuf takes fields in any order.
 */
#ifndef SERVICE_CLIENT_REQUEST_H
#define SERVICE_CLIENT_REQUEST_H

#include "proto/wire/wire.h"
#include "service/client/ecka.h"

enum {
    REQUEST_TRAILER_MAX = 2 * (1 + 10), /* twice a tag and a 64-bit varint */
    REQUEST_FRAME_MAX = WIRE_FRAME_MAX - REQUEST_TRAILER_MAX,
    /* columns and entries are at most a frame's bytes, each rounded up to 16, and their headers */
    REQUEST_ARENA = 2 * WIRE_FRAME_MAX,
};

struct frame { /* zero: empty; it grows and does not shrink */
    uint8_t *ptr;
    size_t len, cap;
};

void frame_fini(struct frame *f);

/* The operation's number on the wire; WIRE_OP_NONE when there is no such operation. */
enum wire_op request_wire_op(enum ecka_op op);

/*
 * Writes the request, but for its trailer, into out, and leaves room for that. Uses the arena from
 * its start. BAD_REQUEST with a sentence that names the field; INTERNAL when memory is out.
 */
MUST_CHECK enum status request_encode(struct arena *arena, const struct ecka_request *request,
                                      struct frame *out, char detail[static WIRE_DETAIL_MAX]);

/* The frame with id and deadline behind it, ready to be sent; good until the next call for it. */
struct span request_finish(struct frame *f, uint64_t id, uint64_t deadline_us);

#endif
