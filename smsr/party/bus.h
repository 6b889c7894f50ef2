/*
 * What one eUICC's parties hear and say: a short queue of messages, in order, and the time. A party
 * reads no clock: it lives at now_us, which whoever delivers to it has set.
 */
#ifndef SMSR_BUS_H
#define SMSR_BUS_H

#include "smsr/party/message.h"

enum { BUS_MAX = 16 }; /* most that parties ever have under way, with room */

struct patience { /* how long a party waits before it says the same again */
    uint64_t peer_us, card_us;
    unsigned card_attempts; /* packets sent to a card that stays silent */
};

/* Seconds for a peer, as long as an SMS may take for a card. */
extern const struct patience patience_default;

struct bus {
    uint64_t now_us; /* calendar time */
    struct patience patience;
    uint8_t eid[GP_EID_LEN]; /* goes into every message */
    struct message queue[BUS_MAX];
    size_t head, count;
};

/* Queues a message, zeroed but for its head, for the caller to fill before it returns. */
struct message *bus_post(struct bus *bus, enum message_type type, enum party from, enum party to);

/* The same in answer to a request: to its sender, with its change_id and attempt. */
struct message *bus_answer(struct bus *bus, enum message_type type, const struct message *request);

/* Takes the oldest; false when there is none. */
MUST_CHECK bool bus_take(struct bus *bus, struct message *out);

#endif
