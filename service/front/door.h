/*
 * The door: who is turned away before libzmq knows of him.
 *
 * libzmq 4.3.4 asks nobody whom it accepts. It makes a session of each, and that takes some 60 us
 * of its thread and ours until it is ended again, in which no client is heard; and where a local
 * socket has no descriptor left, it ends the process. So this program has an accept4() of its own,
 * which the dynamic linker gives to libzmq in the place of the C library's: a connection that comes
 * too fast (arrivals.h), or finds no descriptor, is ended there, and libzmq hears of one that was
 * aborted. Sockets that are not watched get what the kernel gives.
 *
 * A door is owned by the thread that watches; accepting happens on any.
 */
#ifndef SERVICE_DOOR_H
#define SERVICE_DOOR_H

#include "proto/status.h"
#include "service/front/arrivals.h"
#include "service/observe/metrics.h"

enum { DOOR_LISTENERS_MAX = 16 }; /* of all doors of the process */

struct door {
    struct arrivals arrivals;
    struct metrics *metrics; /* NULL: nothing is counted */
    int spare;               /* a descriptor, for when there is no other */
    unsigned listeners;
};

/* INTERNAL when others than we have the name accept4, or there is no descriptor. */
MUST_CHECK enum status door_init(struct door *d);
/* Its sockets are no longer watched. Before they are closed. */
void door_fini(struct door *d);

/* A listening socket: from now on who comes there is looked at. INTERNAL when they are too many. */
MUST_CHECK enum status door_watch(struct door *d, int listener);

/* A client was let in from there: arrivals_know(). */
void door_know(struct door *d, const struct sockaddr *from);

/* What libzmq calls; accept4(2). ECONNABORTED: whoever it was is gone. */
int door_accept(int listener, struct sockaddr *from, socklen_t *len, int flags) __asm__("accept4")
    __attribute__((visibility("default")));

#endif
