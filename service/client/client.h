/*
 * The client's inside, shared by the files that make it: client.c (the interface), attempt.c (the
 * way of one request) and verifier.c.
 */
#ifndef SERVICE_CLIENT_CLIENT_H
#define SERVICE_CLIENT_CLIENT_H

#include <time.h>

#include "service/client/endpoint.h"
#include "service/client/pending.h"
#include "service/client/poller.h"
#include "service/client/reply.h"

enum { CLIENT_US_PER_MS = 1000, CLIENT_US_PER_S = 1000 * 1000 };

struct ecka_client {
    void *context; /* of ZeroMQ, with one thread of its own */
    size_t endpoint_count;
    struct endpoint endpoints[ECKA_ENDPOINTS_MAX];
    struct policy_endpoint views[ECKA_ENDPOINTS_MAX];
    struct connection *connections[ECKA_ENDPOINTS_MAX]; /* the endpoints' */
    size_t turn;                                        /* where the next choice begins */
    struct pending pending;
    struct poller poller;
    bool fd_wanted; /* by an event loop of the caller's */
    uint64_t default_deadline_us;
    bool delivering; /* inside a callback: what waits must not be called */
    bool closing;
    struct ecka_verifier *verifiers; /* verifier.c: flushed by ecka_poll, freed with the client */
    struct arena arena;              /* one message at a time, either way */
    void *arena_storage;
    struct reply_space space; /* the reply that a callback is shown */
};

static inline uint64_t client_now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail with this clock */
    return (uint64_t)t.tv_sec * CLIENT_US_PER_S + (uint64_t)t.tv_nsec / 1000;
}

/* -- attempt.c -- */

/* Sends the entry to the best endpoint, or lets it wait for one. */
void attempt_start(struct ecka_client *c, struct pending_entry *e, uint64_t now);

/* Sends what waits, as far as endpoints can take it. */
void attempt_waiting(struct ecka_client *c, uint64_t now);

/* What came from the endpoints, was lost with their connections, or has run out of time; each
 * returns the number of answers given. */
int attempt_replies(struct ecka_client *c, uint64_t now);
int attempt_losses(struct ecka_client *c, uint64_t now);
int attempt_refusals(struct ecka_client *c);
int attempt_expired(struct ecka_client *c, uint64_t now);

/* Gives the entry its one answer and its slot back. The callback may submit again. */
void attempt_answer(struct ecka_client *c, struct pending_entry *e, int status, const char *detail);

/* -- verifier.c -- */

/* Sends what the verifiers hold, as far as the client takes it. */
void verifiers_flush(struct ecka_client *c);
/* Whether they hold something that the client could take. */
bool verifiers_ready(const struct ecka_client *c);
/* Answers what they hold, ECKA_DISCONNECTED; then frees them. */
void verifiers_close(struct ecka_client *c);
void verifiers_free(struct ecka_client *c);

#endif
