/*
 * One CURVE connection to eckad: a DEALER socket, and what its monitor says about it.
 *
 * The socket takes a message only while the connection stands (ZMQ_IMMEDIATE), so that nothing is
 * delivered long after its deadline: what cannot be sent now stays with the caller. libzmq connects
 * again by itself. Used by one thread at a time.
 */
#ifndef SERVICE_CLIENT_CONNECTION_H
#define SERVICE_CLIENT_CONNECTION_H

#include <zmq.h>

#include "proto/bytes.h"
#include "service/client/ecka.h"
#include "service/client/keyfile.h"

struct connection {
    void *context;
    void *dealer;
    void *monitor;
    int epoll_fd;          /* readable when either socket may have something, or wake_fd is set */
    int wake_fd;           /* libzmq signals once; this says again what was seen and left */
    uint64_t epoch;        /* from 1, one more with every connection lost */
    uint64_t refusals;     /* handshakes that the server ended because of this client's key */
    bool handshake_failed; /* since the last one that succeeded */
};

/* BAD_REQUEST with a sentence, and then out is zero. hwm: messages that may wait either way. */
MUST_CHECK enum status connection_open(struct connection *out, const struct ecka_options *options,
                                       int hwm, char error[static KEYFILE_ERROR_MAX]);
void connection_close(struct connection *c);

/* Reads what the monitor has: moves epoch, refusals and handshake_failed. */
void connection_watch(struct connection *c);

/* Whether the whole message went out; it does not when there is no connection. */
bool connection_send(struct connection *c, struct span message);

/* Takes one message into msg, which the caller has initialised; false when there is none. */
bool connection_receive(struct connection *c, zmq_msg_t *msg);

/* Waits for something to receive or to watch, or, if asked, for room to send. */
void connection_wait(struct connection *c, bool for_room, long timeout_ms);

/* Makes epoll_fd readable again if something is still there to take; wake_fd is reset otherwise. */
void connection_rearm(struct connection *c);

#endif
