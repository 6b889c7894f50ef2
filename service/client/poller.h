/*
 * Waiting for several connections at once, here or in an event loop of the caller's.
 *
 * libzmq signals a socket's descriptor once for news that it then expects to be taken; whoever
 * leaves some behind says so again through a descriptor of ours (poller_rearm).
 */
#ifndef SERVICE_CLIENT_POLLER_H
#define SERVICE_CLIENT_POLLER_H

#include "service/client/connection.h"

struct poller {
    int epoll_fd; /* readable when a socket may have something, or wake_fd is set; -1: unused */
    int wake_fd;
};

/* Whether both descriptors are to be had. */
bool poller_open(struct poller *p);
void poller_close(struct poller *p);
bool poller_add(struct poller *p, const struct connection *c);

/* Makes epoll_fd readable while a connection has something to receive or to watch or, with its bit
 * set in for_room, room to send; and not by our doing else. */
void poller_rearm(struct poller *p, struct connection *const connections[], size_t count,
                  uint32_t for_room);

/* Waits for the same. At most ECKA_ENDPOINTS_MAX connections. */
void poller_wait(struct connection *const connections[], size_t count, uint32_t for_room,
                 long timeout_ms);

#endif
