/*
 * One endpoint of a client: its connection, what the choice looks at, its heartbeat and what is
 * counted about it. Used by the client's thread.
 *
 * An eckad whose ZeroMQ thread still answers ZMTP heartbeats may yet serve nobody. So an endpoint
 * that owes answers and says nothing for an interval is asked for Info, which eckad answers (or
 * denies) at once whatever else it has to do; one that does not answer that either is given up and
 * connected to anew.
 */
#ifndef SERVICE_CLIENT_ENDPOINT_H
#define SERVICE_CLIENT_ENDPOINT_H

#include "service/client/connection.h"
#include "service/client/policy.h"

/* The id of a probe, out of reach of pending.h's. */
#define ENDPOINT_PROBE_ID (UINT64_C(1) << 63)

struct endpoint {
    struct connection connection;
    struct policy_endpoint *view; /* its place in the array that policy_choose looks at */
    struct policy_heartbeat heartbeat;
    uint64_t epoch, handshakes, refusals; /* the connection's, as far as they were dealt with */
    uint64_t quiet_since;                 /* nothing came since then, or nothing was owed */
    uint64_t probed;                      /* 0: not since quiet_since */
    uint64_t sent, answered, retries, lost, silent, late;
};

/* The connection's news become the view's. */
void endpoint_watch(struct endpoint *e, uint64_t now);

/* Whether connections were lost since the last call: what was sent before endpoint.epoch is lost
 * with them. */
bool endpoint_was_lost(struct endpoint *e);

/* Whether the message went out; then the endpoint owes an answer more. */
bool endpoint_send(struct endpoint *e, struct span message, uint64_t now);
/* It owes one answer less. */
void endpoint_release(struct endpoint *e);

/* Something came. */
void endpoint_heard(struct endpoint *e, uint64_t now);

/* Probes a silent endpoint and gives up one that stays silent. */
void endpoint_pulse(struct endpoint *e, uint64_t now);
/* When endpoint_pulse has something to do; UINT64_MAX: not while nothing changes. */
uint64_t endpoint_pulse_at(const struct endpoint *e);

#endif
