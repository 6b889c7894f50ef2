/*
 * A flood at the door of a server, for as long as it is wanted: connections that stop in the middle
 * of their handshake and are opened again when they are ended, and CURVE clients whose key nobody
 * knows, each of which comes anew every second, whatever became of it. All come from one address,
 * or each from one of its own. One thread and one of libzmq's, which take what everything
 * else on the machine leaves (SCHED_IDLE), as if they were elsewhere: whoever measures looks at how
 * many came.
 */
#ifndef BENCH_GUESTS_H
#define BENCH_GUESTS_H

#include <stdbool.h>
#include <stddef.h>

enum {
    GUESTS_A_SECOND = 2000, /* half open ones opened a second, at most; evenly */
};

struct guests;

/* endpoint: tcp://ADDRESS:PORT. Failures end the program. */
struct guests *guests_start(const char *endpoint, const char *server_key, size_t half_open,
                            size_t unauthorised, bool scattered);

/* Ends all of them. */
void guests_stop(struct guests **guests);

#endif
