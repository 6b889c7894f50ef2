/*
 * Verification workers: threads that take batches, verify them and give them back.
 *
 * There are as many open batches as workers. The frontend thread puts what waits into them and may
 * take one back to put more in; a worker that has nothing in hand takes the first that it finds. So
 * an item waits for the first worker to be free, whichever that is, and a batch grows until then.
 * The last exchange on an open batch's place says whose it is.
 */
#ifndef SERVICE_WORKER_H
#define SERVICE_WORKER_H

#include <pthread.h>

#include "service/config.h"
#include "service/place.h"
#include "service/ring.h"
#include "service/verifier.h"

enum {
    WORKER_BATCHES = 2,    /* one in hand and one open */
    WORKER_SPLIT_MIN = 32, /* items; fewer are not worth waking a second worker for */
    WORKER_LIMIT_MIN = 64, /* items; the kernels' pace hardly grows from there on */
    WORKER_BATCH_US = 500, /* what a batch of more may take */
};

struct workers;

struct worker {
    pthread_t thread;
    struct workers *all;
    struct place place;
    struct verifier *verifier;
    struct wake wake;
    struct ring done;
};

struct workers {
    struct worker *each;
    size_t count;           /* started */
    struct wake *done_wake; /* the frontend's */
    atomic_bool stop;
    _Atomic(struct batch *) *open; /* count places, each a batch that nobody works on, or NULL */
    size_t open_count;
    /* The frontend thread's. */
    struct batch *batches;
    struct batch **free;
    size_t free_count;
    size_t limit; /* items of the next batches */
};

/* Adds up to max items to the batch, behind those that it has; the number added. */
typedef size_t workers_fill_fn(void *arg, struct batch *batch, size_t max);

/* Starts the configured number. INTERNAL with what failed in the log; nothing is left behind. */
MUST_CHECK enum status workers_start(struct workers *w, const struct config *config,
                                     struct wake *done_wake);

/* Ends the threads, each after the batch that it has, and frees what they used. */
void workers_stop(struct workers *w);

/* How many have nothing to do. */
size_t workers_idle(const struct workers *w);

/*
 * Puts what waits into open batches and wakes as many idle workers as there are batches: shares of
 * one size for the idle ones, full batches when nobody is.
 */
void workers_feed(struct workers *w, size_t waiting, workers_fill_fn *fill, void *arg);

/*
 * The most items of a batch after one of count items took so long: what takes WORKER_BATCH_US at
 * that pace, within WORKER_LIMIT_MIN and BATCH_ITEMS_MAX. Who comes while the workers are busy
 * waits for the batches in hand, and signatures under keys that nobody knows take ten times as
 * long.
 */
size_t worker_limit(size_t count, uint64_t took_us);

/* A batch that is done, NULL when there is none; workers_free() when its items are dealt with. */
struct batch *workers_done(struct workers *w);
void workers_free(struct workers *w, struct batch *batch);

#endif
