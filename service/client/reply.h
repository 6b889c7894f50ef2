/*
 * A frame becomes a struct ecka_reply: columns become arrays of structures, everything in one
 * block: an allocation that ecka_reply_free() frees, or a space that the next reply reuses. Any
 * thread, no state.
 */
#ifndef SERVICE_CLIENT_REPLY_H
#define SERVICE_CLIENT_REPLY_H

#include "proto/wire/wire.h"
#include "service/client/ecka.h"

enum {
    REPLY_ARENA = 2 * WIRE_FRAME_MAX
}; /* a frame unpacked: its bytes, rounded up, and headers */

struct reply_space { /* zero: empty; it grows and does not shrink */
    void *ptr;
    size_t cap;
};

void reply_space_fini(struct reply_space *space);

/* A checked reply as the caller's structures, in space, or in an allocation of its own when that is
 * NULL. NULL when memory is out. */
struct ecka_reply *reply_from_wire(struct reply_space *space, const Ecka__V1__Reply *msg,
                                   enum ecka_op op, size_t items);

/* A reply made on this side; the sentence is copied. NULL when memory is out. */
struct ecka_reply *reply_local(struct reply_space *space, enum ecka_op op, int status,
                               const char *detail);

#endif
