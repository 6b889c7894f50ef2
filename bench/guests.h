/*
 * A flood at the door of a server, for as long as it is wanted: connections that stop in the middle
 * of their handshake and are opened again when they are ended, and CURVE clients whose key nobody
 * knows, each of which comes again every second. One thread and one of libzmq's, behind everything
 * else on the machine as far as nice(2) goes.
 */
#ifndef BENCH_GUESTS_H
#define BENCH_GUESTS_H

#include <stdbool.h>
#include <stddef.h>

enum {
    GUESTS_A_SECOND = 2000, /* connections opened a second, at most */
};

struct guests;

/* endpoint: tcp://ADDRESS:PORT. Failures end the program. */
struct guests *guests_start(const char *endpoint, const char *server_key, size_t half_open,
                            size_t unauthorised);

/* Ends all of them. */
void guests_stop(struct guests **guests);

#endif
