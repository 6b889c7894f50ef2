/*
 * A process that works on the token, with its threads, and the memory that it shares with the one
 * that started it.
 *
 * Each process loads the module by itself; nothing of the module is ever called in the process that
 * measures, so that a module that hangs or dies takes one worker with it. What a thread has done is
 * in the shared memory after each operation, and stays there when its process dies.
 */
#ifndef BENCH_HSM_WORKER_H
#define BENCH_HSM_WORKER_H

#include <semaphore.h>
#include <stdatomic.h>

#include "bench/hsm/case.h"
#include "bench/hsm/target.h"

enum phase { PHASE_WARM_UP, PHASE_CLOSED, PHASE_OPEN, PHASE_END };

enum { ARRIVALS_MAX = 1 << 20, FAILURE_TEXT_MAX = 700 };

struct thread_record {
    sem_t go;
    _Atomic(const char *) call; /* the one that it is in; NULL: none. A text of this program */
    uint64_t ops[BATCHES_MAX], ns[BATCHES_MAX];
    uint64_t done, failed;
    struct hsm_error errors[ERRORS_MAX];
    struct histogram latency;
};

/* Why a process is not ready. */
struct failure {
    const char *call; /* that answered so; NULL: none */
    unsigned long code;
    bool lacking; /* the token has no such thing */
    char text[FAILURE_TEXT_MAX];
};

struct shared {
    sem_t done; /* posted by each thread after a phase, and by each process when it is ready */
    enum phase phase;
    unsigned batch;    /* that a closed loop's phase is */
    uint64_t slice_ns; /* length of a closed loop's phase; of a batch of an open one */
    uint64_t start_ns; /* of an open loop: arrivals count from here */
    uint64_t warm_ns;  /* arrivals before this are not counted */
    uint64_t give_up_ns;
    uint64_t arrivals_n;
    _Atomic uint64_t next_arrival;
    struct failure failures[PROCESSES_MAX];
    atomic_bool ready[PROCESSES_MAX];
    struct thread_record threads[THREADS_MAX]; /* those of the first process first */
    uint64_t arrivals[ARRIVALS_MAX];           /* ns after the start, drawn beforehand */
};

struct worker { /* a process */
    const struct target *target;
    const struct hsm_load *load;
    struct shared *shared;
    unsigned index;
    void *state; /* the lane's */
};

struct worker_thread {
    struct worker *w;
    struct thread_record *record;
    void *state; /* the lane's */
};

/* How a lane does an operation. Codes are the lane's; 0 is success. */
struct lane {
    /* Once a process, before its threads are; once a thread, in the process's first thread. False
     * with worker_failed(). */
    bool (*open)(struct worker *w);
    bool (*join)(struct worker *w, struct worker_thread *t);
    unsigned long (*once)(struct worker_thread *t);
    /* Whether what once() gave is right, after it succeeded the first time; may be NULL. */
    bool (*right)(struct worker_thread *t);
    /* A closed loop for so long, instead of once() after once(); may be NULL. */
    void (*closed)(struct worker_thread *t, uint64_t ns, struct thread_record *out);
    /* After an error; may be NULL. */
    void (*recover)(struct worker_thread *t, unsigned long code);
    void (*leave)(struct worker_thread *t);
    void (*close)(struct worker *w);
    const char *(*error_name)(unsigned long code);
    bool (*lacking)(unsigned long code); /* the token has no such thing: not a failure */
};

extern const struct lane lane_direct, lane_libp11, lane_service, lane_raw;
const struct lane *lane_of(enum hsm_lane lane);

/* In a process just forked: works until the end of its phases, and leaves the process. */
_Noreturn void worker_run(struct worker *w);

/* False, for a lane to return. code 0: the text alone says it. */
bool worker_failed(struct worker *w, const char *call, unsigned long code, bool lacking,
                   const char *text);

/* Of its first thread: what a process does before it has threads stands there. */
struct thread_record *worker_record(const struct worker *w);

/* What a thread did. */
void thread_done(struct thread_record *r, uint64_t ns);
void thread_error(struct thread_record *r, unsigned long code);

uint64_t clock_ns(void);

#endif
