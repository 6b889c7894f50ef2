/*
 * What libzmq tells of connections: who comes, who goes, whose handshake fails; and the one thing
 * that libzmq does not do, which is to end one of them.
 *
 * libzmq 4.3.4 limits neither their number nor what one of them may leave unread for how long.
 * A connection is ended by shutting its descriptor down, as a peer that left would: libzmq then
 * closes it. Owned by the frontend thread.
 */
#ifndef SERVICE_MONITOR_H
#define SERVICE_MONITOR_H

#include "service/front/connections.h"
#include "service/front/door.h"
#include "service/observe/metrics.h"

struct monitor {
    void *router, *events; /* libzmq's */
    struct connections connections;
    struct door *door; /* where new listening sockets are watched */
    struct metrics *metrics;
};

/* After the router's options and before it listens. INTERNAL when libzmq does not tell, or there is
 * no memory. */
MUST_CHECK enum status monitor_open(struct monitor *m, void *context, void *router,
                                    struct door *door, unsigned limit, unsigned room);
/* Before the router is closed. */
void monitor_close(struct monitor *m);

/* Hears what there is to hear, and ends connections that are too many. */
void monitor_take(struct monitor *m);

/* A request (libzmq's message) of this principal came, which may have so many connections. */
void monitor_asked(struct monitor *m, void *message, struct span id, uint32_t principal,
                   unsigned most);

/* A reply found no room, because replies before it are unread. Ends the connection when that has
 * been so for too long: a burst is no crime. */
void monitor_lost_reply(struct monitor *m, struct span id, uint64_t now_us);

#endif
