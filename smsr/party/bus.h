/*
 * The message bus of one handover: a short queue, in order. Parties reach each other by nothing
 * else.
 */
#ifndef SMSR_BUS_H
#define SMSR_BUS_H

#include "smsr/party/message.h"

enum { BUS_MAX = 8 }; /* most that parties ever have under way, with room */

struct bus {
    struct message queue[BUS_MAX];
    size_t head, count;
};

/* Queues a message, zeroed but for its head, for the caller to fill before it returns. */
struct message *bus_post(struct bus *bus, enum message_type type, enum party from, enum party to);

/* Takes the oldest; false when there is none. */
MUST_CHECK bool bus_take(struct bus *bus, struct message *out);

#endif
