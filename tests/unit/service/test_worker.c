/*
 * Workers and their open batches: each item is worked on once, whoever takes it; idle workers share
 * what waits; a batch that nobody has taken yet grows; threads are called and placed as told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>
#include <sched.h>

#include "providers/provider.h"
#include "service/clock.h"
#include "service/job.h"
#include "service/place.h"
#include "service/worker.h"

enum { ITEMS = WIRE_VERIFY_ITEMS_MAX, ROUNDS = 300, PATIENCE_MS = 20000 };

struct world {
    struct config config;
    struct policy_principal principal;
    struct wake done;
    struct job_slab slab;
    Ecka__V1__Request request;
    Ecka__V1__Verify verify;
    uint8_t zero[ITEMS * 64];
    struct job *job;
    struct workers workers;
    size_t next;      /* item to hand out */
    size_t asked[16]; /* how many each batch was offered */
    size_t asked_count;
    unsigned done_times[ITEMS];
};

static void start(struct world **out, unsigned workers)
{
    char detail[WIRE_DETAIL_MAX];
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    *w = (struct world){.config = {.workers = workers},
                        .request = ECKA__V1__REQUEST__INIT,
                        .verify = ECKA__V1__VERIFY__INIT};
    assert_int_equal(wake_init(&w->done), STATUS_OK);
    assert_int_equal(job_slab_init(&w->slab, 1, &w->principal, 1, &w->done), STATUS_OK);
    w->request.verify = &w->verify; /* of no curve: cheap, and each item still gets its status */
    w->job = job_slab_landing(&w->slab);
    w->job->request = (struct wire_request){&w->request, WIRE_OP_VERIFY, ITEMS};
    assert_int_equal(job_prepare(w->job, UINT64_MAX), STATUS_OK);
    assert_int_equal(job_slab_admit(&w->slab, w->job, detail), STATUS_OK);
    assert_int_equal(workers_start(&w->workers, &w->config, &w->done), STATUS_OK);
    *out = w;
}

static void end(struct world *w)
{
    workers_stop(&w->workers);
    job_slab_fini(&w->slab);
    wake_fini(&w->done);
    free(w);
}

/* A workers_fill_fn. */
static size_t fill(void *arg, struct batch *batch, size_t max)
{
    struct world *w = arg;
    size_t n = 0;
    if (w->asked_count < sizeof(w->asked) / sizeof(*w->asked)) {
        w->asked[w->asked_count++] = max;
    }
    for (; n < max && w->next < ITEMS; n++) {
        assert_in_range(batch->count, 0, BATCH_ITEMS_MAX - 1);
        batch->items[batch->count++] = &w->job->group.items[w->next++];
    }
    return n;
}

/* Takes back what is done; the number of items. */
static size_t take_done(struct world *w)
{
    size_t items = 0;
    struct batch *batch;
    wake_arm(&w->done);
    while ((batch = workers_done(&w->workers)) != NULL) {
        for (size_t i = 0; i < batch->count; i++) {
            w->done_times[batch->items[i]->index]++;
            assert_int_equal(w->job->results.status[batch->items[i]->index], STATUS_BAD_CURVE);
        }
        items += batch->count;
        workers_free(&w->workers, batch);
    }
    return items;
}

/* Feeds what waits until that many items came back. */
static void run_until(struct world *w, size_t items)
{
    for (size_t done = take_done(w); done < items; done += take_done(w)) {
        struct pollfd p = {.fd = w->done.fd, .events = POLLIN};
        workers_feed(&w->workers, ITEMS - w->next, fill, w);
        assert_int_equal(poll(&p, 1, PATIENCE_MS), 1); /* a lost wake-up ends here */
    }
}

/* Items that come one by one, or in handfuls, while workers take them and fall asleep. */
static void each_item_is_worked_on_once(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 3; workers++) {
        struct world *w;
        start(&w, workers);
        for (int round = 0; round < ROUNDS; round++) {
            size_t done = 0;
            w->next = 0;
            memset(w->job->results.status, 0xEE, ITEMS);
            memset(w->done_times, 0, sizeof(w->done_times));
            while (w->next < ITEMS) {
                size_t waiting = 1 + (size_t)(round * 37) % 100;
                waiting = waiting < ITEMS - w->next ? waiting : ITEMS - w->next;
                size_t before = w->next;
                workers_feed(&w->workers, waiting, fill, w);
                done += take_done(w);
                if (w->next == before) {
                    sched_yield(); /* every batch is in hand */
                }
            }
            run_until(w, ITEMS - done);
            for (size_t i = 0; i < ITEMS; i++) {
                assert_int_equal(w->done_times[i], 1);
            }
        }
        end(w);
    }
}

static void idle_workers_share_what_waits(void **state)
{
    (void)state;
    static const struct {
        size_t waiting, share;
    } cases[] = {{5, WORKER_SPLIT_MIN}, {64, 32}, {100, 56}, {500, 256}, {2000, 256}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct world *w;
        start(&w, 2);
        assert_int_equal(workers_idle(&w->workers), 2);
        w->next = ITEMS - cases[i].waiting;
        workers_feed(&w->workers, cases[i].waiting, fill, w);
        assert_int_equal(w->asked[0], cases[i].share);
        run_until(w, cases[i].waiting);
        end(w);
    }
}

/* Two feeds before anybody is awake: the second puts more into the batch of the first. */
static void an_open_batch_grows(void **state)
{
    (void)state;
    struct world w = {.asked_count = 0};
    struct batch batches[WORKER_BATCHES];
    struct batch *free_batches[WORKER_BATCHES] = {&batches[0], &batches[1]};
    _Atomic(struct batch *) open[1] = {NULL};
    struct worker nobody = {.wake = {.fd = -1}}; /* awake, with something in hand */
    struct batcher_item *items = calloc(ITEMS, sizeof(*items));
    struct job job = {.group = {.items = items}};
    w.job = &job;
    w.workers = (struct workers){.each = &nobody,
                                 .count = 1,
                                 .open = open,
                                 .open_count = 1,
                                 .free = free_batches,
                                 .free_count = WORKER_BATCHES,
                                 .limit = BATCH_ITEMS_MAX};
    w.next = ITEMS - 300;
    workers_feed(&w.workers, 3, fill, &w);
    struct batch *first = atomic_load(&open[0]);
    assert_non_null(first);
    assert_int_equal(first->count, BATCH_ITEMS_MAX); /* fill gives what is there */
    w.next = ITEMS - 300;
    first->count = 3;
    workers_feed(&w.workers, 1, fill, &w);
    assert_ptr_equal(atomic_load(&open[0]), first);
    assert_int_equal(first->count, BATCH_ITEMS_MAX);
    assert_int_equal(w.asked[1], BATCH_ITEMS_MAX - 3);
    size_t before = w.asked_count;
    workers_feed(&w.workers, 1, fill, &w); /* full: what waits stays in the queue */
    assert_int_equal(w.asked_count, before);
    assert_int_equal(w.workers.free_count, WORKER_BATCHES - 1);
    free(items);
}

struct seen {
    struct place place;
    char name[PLACE_NAME_MAX];
    cpu_set_t cores;
};

static void *look(void *arg)
{
    struct seen *s = arg;
    place_here(&s->place);
    (void)pthread_getname_np(pthread_self(), s->name, sizeof(s->name));
    (void)pthread_getaffinity_np(pthread_self(), sizeof(s->cores), &s->cores);
    return NULL;
}

static void a_thread_is_where_it_was_put(void **state)
{
    (void)state;
    unsigned allowed[CPU_SETSIZE];
    unsigned count = 0;
    for (unsigned core = 0; core < CPU_SETSIZE; core++) {
        if (place_may_run_on(core)) {
            allowed[count++] = core;
        }
    }
    assert_int_equal(count, place_cores());
    for (unsigned i = 0; i < 2 * count && i < 8; i++) {
        pthread_t thread;
        char expected[PLACE_NAME_MAX];
        struct seen s = {.place = place_of(allowed, count, "test", i)};
        (void)snprintf(expected, sizeof(expected), i == 0 ? "test" : "test-%u", i + 1);
        assert_int_equal(pthread_create(&thread, NULL, look, &s), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_string_equal(s.name, expected);
        assert_int_equal(CPU_COUNT(&s.cores), 1);
        assert_true(CPU_ISSET(allowed[i % count], &s.cores));
    }
    assert_int_equal(place_of(NULL, 0, "test", 0).core, -1);
}

static void ignore(void *arg, const char *sentence)
{
    (void)arg;
    (void)sentence;
}

static int select_provider(void **state)
{
    (void)state;
    return provider_select(ignore, NULL) == STATUS_OK ? 0 : -1;
}

static void a_batch_takes_no_longer_than_it_may(void **state)
{
    (void)state;
    assert_int_equal(worker_limit(BATCH_ITEMS_MAX, 170), BATCH_ITEMS_MAX); /* keys with tables */
    assert_int_equal(worker_limit(BATCH_ITEMS_MAX, WORKER_BATCH_US), BATCH_ITEMS_MAX);
    assert_int_equal(worker_limit(BATCH_ITEMS_MAX, 2 * WORKER_BATCH_US), BATCH_ITEMS_MAX / 2);
    assert_int_equal(worker_limit(100, 600), 80); /* 83, in whole turns */
    assert_int_equal(worker_limit(BATCH_ITEMS_MAX, 1000 * 1000), WORKER_LIMIT_MIN);
    assert_int_equal(worker_limit(1, 40), WORKER_LIMIT_MIN);
    assert_int_equal(worker_limit(1, 0), BATCH_ITEMS_MAX);
    assert_int_equal(worker_limit(WORKER_LIMIT_MIN, 45), BATCH_ITEMS_MAX); /* and back */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_item_is_worked_on_once),
        cmocka_unit_test(idle_workers_share_what_waits),
        cmocka_unit_test(an_open_batch_grows),
        cmocka_unit_test(a_thread_is_where_it_was_put),
        cmocka_unit_test(a_batch_takes_no_longer_than_it_may),
    };
    return cmocka_run_group_tests_name("worker", tests, select_provider, NULL);
}
