/*
 * The processes of one case, as the process that measures sees them: started one after the other,
 * told what to do next, watched, ended by their pids.
 *
 * A worker that dies, or does not answer in time, ends its crew: the case says which and in what
 * call, and keeps what was counted before.
 */
#ifndef BENCH_HSM_CREW_H
#define BENCH_HSM_CREW_H

#include <signal.h>
#include <sys/types.h>

#include "bench/hsm/worker.h"

struct crew {
    struct hsm_case *of;
    struct shared *shared;
    pid_t pids[PROCESSES_MAX]; /* 0: it has ended */
    bool lost;                 /* a worker ended otherwise than it was told to */
};

/* Set by SIGINT and SIGTERM: what runs is ended, and nothing begins. */
extern volatile sig_atomic_t hsm_interrupted;

/* Seconds that a call may take. */
void crew_watchdog(double seconds);

/* All processes are ready. False: the case has its status and why, and nothing runs. */
bool crew_start(struct crew *crew, struct hsm_case *of, const struct target *target);

/* A warm-up, or a batch of a closed loop, of so many seconds; its rate. Negative: the crew has
 * ended. */
double crew_warm_up(struct crew *crew, double seconds);
double crew_closed(struct crew *crew, unsigned batch, double seconds);

/* An open loop. Arrivals are in shared already, and warm_ns, slice_ns, arrivals_n. */
bool crew_open(struct crew *crew, double seconds, double give_up_after);

/* Ends what runs, and adds what was counted to the case. */
void crew_end(struct crew *crew);

/* Runs a function in a process of its own that is killed after so many seconds. False: it died or
 * was killed, and says how. `shared` is made by memory_shared(). */
bool process_aside(void (*function)(void *arg), void *arg, double seconds, char why[static 128]);

/* Memory that processes started from now on share; NULL: there is none. */
void *memory_shared(size_t size);
void memory_unshare(void *memory, size_t size);

#endif
