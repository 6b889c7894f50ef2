#include "service/worker.h"

#include <stdlib.h>

#include "service/observe/log.h"

/* -- the thread -- */

static struct batch *take_open(struct workers *w)
{
    for (size_t i = 0; i < w->open_count; i++) {
        struct batch *batch =
            atomic_load(&w->open[i]) != NULL ? atomic_exchange(&w->open[i], NULL) : NULL;
        if (batch != NULL) {
            return batch;
        }
    }
    return NULL;
}

/* Armed before the last look: what is put after that look finds the flag and wakes. */
static struct batch *wait_for_batch(struct worker *w)
{
    struct batch *batch = take_open(w->all);
    while (batch == NULL && !atomic_load(&w->all->stop)) {
        wake_arm(&w->wake);
        batch = take_open(w->all);
        if (batch != NULL) {
            wake_disarm(&w->wake);
        } else if (!atomic_load(&w->all->stop)) {
            wake_wait(&w->wake, -1);
            batch = take_open(w->all);
        }
    }
    return batch;
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct batch *batch;
    place_here(&w->place);
    while ((batch = wait_for_batch(w)) != NULL) {
        verifier_work(w->verifier, batch);
        if (ring_push(&w->done, batch)) { /* always: it has room for every batch there is */
            wake_signal(w->all->done_wake);
        }
    }
    return NULL;
}

/* -- the frontend's side -- */

size_t workers_idle(const struct workers *w)
{
    size_t idle = 0;
    for (size_t i = 0; i < w->count; i++) {
        idle += wake_armed(&w->each[i].wake);
    }
    return idle;
}

size_t worker_limit(size_t count, uint64_t took_us)
{
    uint64_t items = took_us == 0 ? BATCH_ITEMS_MAX : WORKER_BATCH_US * count / took_us;
    if (items >= BATCH_ITEMS_MAX) {
        return BATCH_ITEMS_MAX;
    }
    items -= items % BATCHER_TURN_ITEMS;
    return items > WORKER_LIMIT_MIN ? items : WORKER_LIMIT_MIN;
}

/* An even share for each idle worker, in whole turns, and not too small. */
static size_t share_of(size_t waiting, size_t idle, size_t limit)
{
    if (idle == 0) {
        return limit;
    }
    size_t turns = (waiting + idle * BATCHER_TURN_ITEMS - 1) / (idle * BATCHER_TURN_ITEMS);
    size_t share = turns * BATCHER_TURN_ITEMS;
    share = share > WORKER_SPLIT_MIN ? share : WORKER_SPLIT_MIN;
    return share < limit ? share : limit;
}

static struct batch *reopen(struct workers *w, size_t i)
{
    struct batch *batch = atomic_exchange(&w->open[i], NULL);
    if (batch == NULL && w->free_count > 0) {
        batch = w->free[--w->free_count];
        batch->count = 0;
    }
    return batch;
}

static void wake_idle(struct workers *w)
{
    size_t open = 0;
    for (size_t i = 0; i < w->open_count; i++) {
        open += atomic_load(&w->open[i]) != NULL;
    }
    for (size_t i = 0; i < w->count && open > 0; i++) {
        if (wake_armed(&w->each[i].wake)) {
            wake_signal(&w->each[i].wake);
            open--;
        }
    }
}

void workers_feed(struct workers *w, size_t waiting, workers_fill_fn *fill, void *arg)
{
    size_t share = share_of(waiting, workers_idle(w), w->limit);
    for (size_t i = 0; i < w->open_count && waiting > 0; i++) {
        struct batch *batch = reopen(w, i);
        if (batch == NULL) {
            break; /* all are in hand, or done and not yet collected */
        }
        if (batch->count < share) {
            waiting -= fill(arg, batch, share - batch->count);
        }
        atomic_store(&w->open[i], batch);
    }
    wake_idle(w); /* also for a batch that was put before its worker fell asleep */
}

struct batch *workers_done(struct workers *w)
{
    for (size_t i = 0; i < w->count; i++) {
        struct batch *batch = ring_pop(&w->each[i].done);
        if (batch != NULL) {
            return batch;
        }
    }
    return NULL;
}

void workers_free(struct workers *w, struct batch *batch)
{
    if (batch->live > 0) {
        w->limit = worker_limit(batch->live, batch->ended_us - batch->started_us);
    }
    w->free[w->free_count++] = batch;
}

/* -- start and end -- */

static void worker_fini(struct worker *w)
{
    verifier_free(&w->verifier);
    wake_fini(&w->wake);
    ring_fini(&w->done);
}

static enum status worker_start(struct workers *all, size_t i, const struct config *config)
{
    const struct config_cores *cores = &config->cores;
    struct worker *w = &all->each[i];
    *w = (struct worker){
        .all = all,
        .place = place_of(cores->workers, cores->workers_count, "worker", i),
        .wake = {.fd = -1},
    };
    if (wake_init(&w->wake) == STATUS_OK &&
        ring_init(&w->done, all->open_count * WORKER_BATCHES) == STATUS_OK &&
        verifier_new(&w->verifier) == STATUS_OK &&
        pthread_create(&w->thread, NULL, worker_main, w) == 0) {
        return STATUS_OK;
    }
    worker_fini(w);
    return STATUS_INTERNAL;
}

static bool allocate(struct workers *w, size_t count)
{
    w->each = aligned_alloc(_Alignof(struct worker), count * sizeof(*w->each));
    w->open = calloc(count, sizeof(*w->open));
    w->batches = calloc(count * WORKER_BATCHES, sizeof(*w->batches));
    w->free = calloc(count * WORKER_BATCHES, sizeof(struct batch *));
    if (w->each == NULL || w->open == NULL || w->batches == NULL || w->free == NULL) {
        return false;
    }
    w->open_count = count;
    for (size_t i = 0; i < count * WORKER_BATCHES; i++) {
        workers_free(w, &w->batches[i]);
    }
    return true;
}

enum status workers_start(struct workers *w, const struct config *config, struct wake *done_wake)
{
    *w = (struct workers){.done_wake = done_wake, .limit = BATCH_ITEMS_MAX};
    bool ok = allocate(w, config->workers);
    for (; ok && w->count < config->workers; w->count++) {
        if (worker_start(w, w->count, config) != STATUS_OK) {
            LOG(THREAD_NOT_STARTED, "verification worker %zu does not start", w->count + 1);
            ok = false;
            break;
        }
    }
    if (!ok) {
        workers_stop(w);
        return STATUS_INTERNAL;
    }
    return STATUS_OK;
}

void workers_stop(struct workers *w)
{
    atomic_store(&w->stop, true);
    for (size_t i = 0; i < w->count; i++) {
        wake_signal(&w->each[i].wake);
    }
    for (size_t i = 0; i < w->count; i++) {
        (void)pthread_join(w->each[i].thread, NULL);
        worker_fini(&w->each[i]);
    }
    free(w->each);
    free(w->open);
    free(w->batches);
    free(w->free);
    *w = (struct workers){0};
}
