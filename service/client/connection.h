/*
 * One CURVE connection to an eckad: a DEALER socket, and what its monitor says about it.
 *
 * The socket takes a message only while the connection stands (ZMQ_IMMEDIATE), so that nothing is
 * delivered long after its deadline: what cannot be sent now stays with the caller. libzmq connects
 * again by itself, and closes a connection whose peer answers no ZMTP heartbeat. Used by one thread
 * at a time.
 */
#ifndef SERVICE_CLIENT_CONNECTION_H
#define SERVICE_CLIENT_CONNECTION_H

#include <zmq.h>

#include "proto/bytes.h"
#include "service/client/options.h"

struct connection {
    void *dealer;
    void *monitor;
    char *address;
    uint64_t epoch;        /* from 1, one more with every connection lost */
    uint64_t handshakes;   /* that succeeded */
    uint64_t refusals;     /* handshakes that the server ended because of this client's key */
    bool up;               /* the handshake succeeded and the connection was not lost since */
    bool refused;          /* the last handshake was one of the refusals */
    bool handshake_failed; /* since the last one that succeeded */
};

/* Connects to endpoint i of the options in the background. BAD_REQUEST with a sentence, and then
 * out is zero. hwm: messages that may wait either way. */
MUST_CHECK enum status connection_open(struct connection *out, void *context,
                                       const struct client_options *options, size_t i, int hwm,
                                       char error[static KEYFILE_ERROR_MAX]);
void connection_close(struct connection *c);

/* Reads what the monitor has. */
void connection_watch(struct connection *c);

/* Gives a connection up that is not worth waiting for, and connects anew: a connection lost. */
void connection_reset(struct connection *c);

/* Whether the whole message went out; it does not when there is no connection. */
bool connection_send(struct connection *c, struct span message);

/* Takes one message into msg, which the caller has initialised; false when there is none. */
bool connection_receive(struct connection *c, zmq_msg_t *msg);

#endif
