/*
 * Messages between the parties' processes over ZeroMQ: each listens on one PULL socket and pushes
 * to the others. Sending never waits: what cannot go out at once is lost, and its party says it
 * again.
 *
 * Every connection is CURVE both ways: a party is let in by its key (ZAP, RFC 27), a message that
 * says it is from another party than its connection's key, or that is not that party's to say, is
 * dropped, and what goes out goes to whoever has the key of the party that it is for. Only ipc and
 * the loopback. One thread.
 */
#ifndef SMSR_TRANSPORT_H
#define SMSR_TRANSPORT_H

#include "smsr/party/message.h"

enum { TRANSPORT_PEERS_MAX = 8 };

struct transport_options {
    const char *listen;
    const char *keys; /* directory of the parties' keys (smsr/party_keys.h) */
    enum party self;
    const char *peers[PARTY_COUNT][TRANSPORT_PEERS_MAX]; /* up to the first NULL */
    unsigned lose_per_mille; /* of what is sent, as a bad network would; for tests */
    uint64_t seed;
};

struct transport;

/* Says on stderr what is wrong with an endpoint. */
MUST_CHECK bool transport_open(struct transport **out, const struct transport_options *options);
void transport_close(struct transport **transport);

/* To m->reply_to, or to one of the peers that play m->to, in turns. */
void transport_send(struct transport *transport, const struct message *m);

/* The next message that has come; false when none waits. */
MUST_CHECK bool transport_receive(struct transport *transport, struct message *out);

/* Waits for a message, for fd (-1: none) to be readable, or for timeout_ms. */
void transport_wait(struct transport *transport, int fd, int timeout_ms);

#endif
