/*
 * The mobile network and the cards behind it, simulated: takes each ENVELOPE to its card and the
 * answer back, after as long as an SMS takes. Latencies are log-normal around a median, and a few
 * of a hundred take ten times as long: cards in tunnels and basements.
 */
#ifndef SMSR_NETWORK_H
#define SMSR_NETWORK_H

#include "smsr/store/card_book.h"
#include "smsr/transport.h"

struct network_options { /* borrowed */
    struct engine *engine;
    const char *cards; /* path of the card book */
    enum db_sync sync;
    unsigned median_ms; /* of an ENVELOPE and its answer; 0: at once */
    uint64_t seed;
    const struct trace *trace;
    struct transport *transport;
};

struct network;

MUST_CHECK bool network_open(struct network **out, const struct network_options *options);
void network_close(struct network **network);

void network_receive(struct network *network, const struct message *m, uint64_t now_us);

/* Sends what has arrived by now; returns the ms until the next does, at most max_ms. */
int network_turn(struct network *network, uint64_t now_us, int max_ms);

#endif
