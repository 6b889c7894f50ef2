/*
 * The way of a request, between the sockets: frame in, job, batches to workers and lanes, reply
 * out.
 *
 * One thread owns it (the frontend's). It knows no socket: replies leave through a function that it
 * is given. Every accepted request is answered exactly once; a request that is not accepted is
 * answered at once with the reason.
 */
#ifndef SERVICE_DISPATCH_H
#define SERVICE_DISPATCH_H

#include "service/authz.h"
#include "service/batcher.h"
#include "service/custody_lane.h"
#include "service/drain.h"
#include "service/job.h"
#include "service/metrics.h"
#include "service/peers.h"
#include "service/worker.h"

enum {
    DISPATCH_SMALL_ITEMS = 8, /* a small verification batch: one vector of lanes */
    DISPATCH_SMALL_US = 50,   /* waking a worker and being woken by it costs about as much */
};

/*
 * Sends a reply to the client of this identity; what cannot be sent is the callee's to count. One
 * with id 0 and DRAINING answers nothing and may be lost. job is the one that is answered, or NULL;
 * true keeps it, with the reply packed in its storage, until job_return().
 */
typedef bool dispatch_reply_fn(void *arg, struct span identity, const Ecka__V1__Reply *reply,
                               struct job *job);

struct dispatch {
    const struct config *config;
    const struct trust *trust;
    dispatch_reply_fn *reply;
    void *reply_arg;
    struct wake done; /* readable when a worker or a lane gave something back */
    struct metrics *metrics;
    uint64_t now_us; /* as the caller said last */
    struct batcher batcher;
    struct drain drains[POOL_COUNT];
    struct job_slab slab;
    struct workers workers;
    struct verifier *own; /* for batches so small that a hand-over costs more */
    struct batch own_batch;
    uint64_t small_us; /* what the last small batch took, whoever did it */
    struct custody_lane *lanes;
    size_t lane_count; /* started */
    bool draining;
    struct peers peers; /* who is told of it */
};

/* Starts workers and lanes. INTERNAL with what failed in the log; dispatch_fini afterwards. */
MUST_CHECK enum status dispatch_init(struct dispatch *d, const struct config *config,
                                     const struct trust *trust, dispatch_reply_fn *reply,
                                     void *reply_arg);

/* Ends the threads. Jobs that are still there are not answered: drain first. */
void dispatch_fini(struct dispatch *d);

/* One frame of an authenticated client. */
void dispatch_request(struct dispatch *d, const struct config_principal *principal,
                      struct span identity, struct span frame, uint64_t now_us);

/* Takes back what is done, answers, expires, and hands out what waits. */
void dispatch_run(struct dispatch *d, uint64_t now_us);

/* When dispatch_run must be called at the latest; UINT64_MAX: only on d->done. */
uint64_t dispatch_next_us(const struct dispatch *d);

/* From now on new requests are answered DRAINING, and every client that is known is told so. */
void dispatch_drain(struct dispatch *d);

/* Whether no accepted request is left to answer. */
bool dispatch_idle(const struct dispatch *d);

/* -- info.c -- */

/* The reply to Info, in the landing job's result arena; NULL when it does not fit. */
const Ecka__V1__Reply *dispatch_info(struct dispatch *d, struct job *job);

#endif
