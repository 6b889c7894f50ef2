/*
 * The routing ids that requests came from, so that a draining server can tell its clients.
 *
 * A bounded table: where it is full, a new client takes the place of one not told then, which finds
 * out from the answer to its next request. Owned by the frontend thread.
 */
#ifndef SERVICE_PEERS_H
#define SERVICE_PEERS_H

#include "proto/bytes.h"
#include "proto/status.h"

enum {
    PEERS_MAX = 4096,
    PEERS_PROBES = 16, /* places looked at for one id */
    PEERS_ID_MAX = 31, /* bytes; libzmq makes ids of 5, longer ones a client has chosen */
};

struct peers_id {
    uint8_t len; /* 0: empty */
    uint8_t bytes[PEERS_ID_MAX];
};

struct peers {
    struct peers_id *ids;
};

/* INTERNAL when there is no memory. */
MUST_CHECK enum status peers_init(struct peers *p);
void peers_fini(struct peers *p);

void peers_add(struct peers *p, struct span id);

/* Every id that is known, once. */
void peers_each(const struct peers *p, void (*tell)(void *arg, struct span id), void *arg);

#endif
