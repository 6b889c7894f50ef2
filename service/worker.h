/*
 * Verification workers: threads that compute on public data, raw signatures and chains alike.
 *
 * A worker owns its provider context. It takes batches from one ring and returns them on another;
 * WORKER_DEPTH batches may be underway, so that it finds the next one when it ends the first. It
 * writes the item statuses of the batch's jobs, and curve and point of a chain; it touches nothing
 * else of them.
 */
#ifndef SERVICE_WORKER_H
#define SERVICE_WORKER_H

#include <pthread.h>

#include "service/batch.h"
#include "service/place.h"
#include "service/ring.h"
#include "service/trust.h"

struct provider;

enum { WORKER_DEPTH = 2 };

struct worker {
    pthread_t thread;
    struct place place;
    const struct trust *trust;
    struct provider *provider;
    struct worker_scratch *scratch;
    struct wake *done_wake; /* the frontend's */
    struct wake wake;
    struct ring todo, done;
    atomic_bool stop;
    /* The frontend thread's. */
    struct batch batches[WORKER_DEPTH];
    struct batch *idle[WORKER_DEPTH];
    size_t idle_count;
};

/* Starts the thread. INTERNAL; nothing is left behind then. */
MUST_CHECK enum status worker_start(struct worker *w, const struct trust *trust,
                                    const struct place *place, struct wake *done_wake);

/* Ends the thread after the batches it has and frees what it used. */
void worker_stop(struct worker *w);

#endif
