/*
 * A frame becomes a struct ecka_reply: columns become arrays of structures, everything in one
 * allocation that ecka_reply_free() frees. Any thread, no state.
 */
#ifndef SERVICE_CLIENT_REPLY_H
#define SERVICE_CLIENT_REPLY_H

#include "proto/wire/wire.h"
#include "service/client/ecka.h"

enum {
    REPLY_ARENA = 2 * WIRE_FRAME_MAX
}; /* a frame unpacked: its bytes, rounded up, and headers */

/* A checked reply as the caller's structures; NULL when memory is out. */
struct ecka_reply *reply_from_wire(const Ecka__V1__Reply *msg, enum ecka_op op, size_t items);

/* A reply made on this side; the sentence is copied. NULL when memory is out. */
struct ecka_reply *reply_local(enum ecka_op op, int status, const char *detail);

#endif
