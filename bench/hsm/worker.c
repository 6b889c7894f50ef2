#include "bench/hsm/worker.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum {
    NS_PER_S = 1000 * 1000 * 1000,
    FIRST_TRIES = 8,      /* of a first operation: a token that errs now and then is measured */
    FRUITLESS_MAX = 1000, /* errors after each other that end a phase */
    SPIN_NS = 60 * 1000,  /* before an arrival: what a sleeping thread is late by */
};

const struct lane *lane_of(enum hsm_lane lane)
{
    static const struct lane *const lanes[LANE_COUNT] = {
        [LANE_DIRECT] = &lane_direct,
        [LANE_LIBP11] = &lane_libp11,
        [LANE_SERVICE] = &lane_service,
        [LANE_RAW] = &lane_raw,
    };
    return lanes[lane];
}

uint64_t clock_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

bool worker_failed(struct worker *w, const char *call, unsigned long code, bool lacking,
                   const char *text)
{
    struct failure *f = &w->shared->failures[w->index];
    f->call = call;
    f->code = code;
    f->lacking = lacking;
    (void)snprintf(f->text, sizeof f->text, "%s", text);
    return false;
}

void thread_done(struct thread_record *r, uint64_t ns)
{
    histogram_record(&r->latency, ns);
    r->done++;
}

void thread_error(struct thread_record *r, unsigned long code)
{
    case_count_error(r->errors, code, 1);
    r->failed++;
}

static const struct lane *lane_of_thread(const struct worker_thread *t)
{
    return lane_of(t->w->load->lane);
}

struct thread_record *worker_record(const struct worker *w)
{
    return &w->shared->threads[w->index * w->load->threads];
}

static bool one(struct worker_thread *t, unsigned *fruitless)
{
    const struct lane *lane = lane_of_thread(t);
    const unsigned long code = lane->once(t);
    if (code == 0) {
        *fruitless = 0;
        return true;
    }
    thread_error(t->record, code);
    if (lane->recover != NULL) {
        lane->recover(t, code);
    }
    ++*fruitless;
    return false;
}

/* -- closed loop -- */

static void closed(struct worker_thread *t, uint64_t ns, struct thread_record *out)
{
    const struct shared *s = t->w->shared;
    const uint64_t begin = clock_ns();
    uint64_t before = begin, now = begin, ops = 0;
    unsigned fruitless = 0;
    while (now - begin < ns && fruitless < FRUITLESS_MAX) {
        const bool ok = one(t, &fruitless);
        now = clock_ns();
        if (ok) {
            thread_done(out, now - before);
            ops++;
        }
        before = now;
    }
    out->ops[s->batch] = ops;
    out->ns[s->batch] = now - begin;
}

/* What it counts goes nowhere, but for the errors. */
static void warm_up(struct worker_thread *t)
{
    struct thread_record *aside = calloc(1, sizeof *aside);
    const struct lane *lane = lane_of_thread(t);
    if (aside != NULL) {
        (lane->closed != NULL ? lane->closed : closed)(t, t->w->shared->slice_ns, aside);
        free(aside);
    }
}

/* -- open loop -- */

static void wait_until(uint64_t at)
{
    const uint64_t wake = at - SPIN_NS;
    if (clock_ns() < wake) {
        const struct timespec t = {(time_t)(wake / NS_PER_S), (long)(wake % NS_PER_S)};
        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
    }
    while (clock_ns() < at) {
    }
}

/* One queue for all threads of all processes: whoever is free takes the next arrival. */
static void open_loop(struct worker_thread *t)
{
    struct shared *s = t->w->shared;
    struct thread_record *r = t->record;
    unsigned fruitless = 0;
    for (;;) {
        const uint64_t i = atomic_fetch_add(&s->next_arrival, 1);
        if (i >= s->arrivals_n || clock_ns() >= s->give_up_ns) {
            return;
        }
        wait_until(s->start_ns + s->arrivals[i]);
        const bool ok = one(t, &fruitless);
        const uint64_t now = clock_ns();
        if (ok && s->arrivals[i] >= s->warm_ns) {
            const uint64_t batch = (now - s->start_ns - s->warm_ns) / s->slice_ns;
            thread_done(r, now - s->start_ns - s->arrivals[i]);
            r->ops[batch < BATCHES_MAX ? batch : BATCHES_MAX - 1]++;
        }
    }
}

/* -- the process -- */

static void *thread_main(void *arg)
{
    struct worker_thread *t = arg;
    struct shared *s = t->w->shared;
    const struct lane *lane = lane_of_thread(t);
    for (;;) {
        while (sem_wait(&t->record->go) != 0) {
        }
        switch (s->phase) {
        case PHASE_WARM_UP:
            warm_up(t);
            break;
        case PHASE_CLOSED:
            (lane->closed != NULL ? lane->closed : closed)(t, s->slice_ns, t->record);
            break;
        case PHASE_OPEN:
            open_loop(t);
            break;
        case PHASE_END:
            return NULL;
        }
        atomic_store(&t->record->call, NULL);
        (void)sem_post(&s->done);
    }
}

/* The first operation says what a token lacks, and whether it computes what it should. */
static bool first(struct worker *w, struct worker_thread *t)
{
    const struct lane *lane = lane_of(w->load->lane);
    unsigned long code = 0;
    const char *call = NULL;
    for (unsigned i = 0; i < FIRST_TRIES; i++) {
        code = lane->once(t);
        call = atomic_load(&t->record->call);
        if (code == 0) {
            return lane->right == NULL || lane->right(t) ||
                   worker_failed(w, NULL, 0, false, "the result is wrong");
        }
        if (lane->lacking(code)) {
            return worker_failed(w, call, code, true, "");
        }
        thread_error(t->record, code);
        if (lane->recover != NULL) {
            lane->recover(t, code);
        }
    }
    return worker_failed(w, call, code, false, "");
}

static struct worker_thread threads[THREADS_MAX];

static bool start(struct worker *w)
{
    const struct lane *lane = lane_of(w->load->lane);
    if (!lane->open(w)) {
        return false;
    }
    for (unsigned i = 0; i < w->load->threads; i++) {
        threads[i] = (struct worker_thread){.w = w, .record = worker_record(w) + i};
        if (!lane->join(w, &threads[i]) || !first(w, &threads[i])) {
            return false;
        }
        atomic_store(&threads[i].record->call, NULL);
    }
    return true;
}

/* The first one is this process's own: with one alone, as a custodian has, libraries take the ways
 * that they have for a process without threads. */
static bool make_threads(struct worker *w, pthread_t ids[], unsigned *n)
{
    for (*n = 1; *n < w->load->threads; ++*n) {
        if (pthread_create(&ids[*n], NULL, thread_main, &threads[*n]) != 0) {
            return worker_failed(w, NULL, 0, false, "no thread can be made");
        }
    }
    return true;
}

_Noreturn void worker_run(struct worker *w)
{
    static pthread_t ids[THREADS_MAX];
    const struct lane *lane = lane_of(w->load->lane);
    unsigned n;
    (void)prctl(PR_SET_TIMERSLACK, 1);
    const bool ok = start(w) && make_threads(w, ids, &n);
    atomic_store(&w->shared->ready[w->index], ok);
    (void)sem_post(&w->shared->done);
    if (ok) {
        (void)thread_main(&threads[0]);
        lane->leave(&threads[0]);
        for (unsigned i = 1; i < n; i++) {
            (void)pthread_join(ids[i], NULL);
            lane->leave(&threads[i]);
        }
    }
    /* of a start that failed too: what it made must not stay */
    lane->close(w);
    _exit(ok ? EXIT_SUCCESS : EXIT_FAILURE);
}
