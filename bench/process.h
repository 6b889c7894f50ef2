/*
 * Child processes of a benchmark: started with a log of their own, watched from outside, and ended
 * by pid on every way out; a child also ends when this process dies.
 */
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { PROCESS_PATH_MAX = 512, PROCESS_MAX = 16 };

struct process {
    pid_t pid; /* 0: none */
    char log[PROCESS_PATH_MAX];
};

/*
 * Runs argv[0] with stdout and stderr in the file `log`, and waits until a line there ends with
 * ready_end. False, with the log on stderr, when it ends before or does not come.
 */
bool process_start(struct process *p, const char *log, const char *const argv[],
                   const char *ready_end);

/* SIGTERM now; process_wait() or process_stop() later. */
void process_terminate(struct process *p);

/* Waits; the exit status, or -1 when it was killed or takes longer than ten seconds. */
int process_wait(struct process *p);

/* Both. */
int process_stop(struct process *p);

/* Runs argv[0] to its end and keeps what it prints. Its exit status, -1 when it has none. */
int process_run(const char *const argv[], char *out, size_t cap);

/* Processor time of all its threads so far, also of ended ones; resident memory now. */
double process_cpu_s(const struct process *p);
size_t process_rss(const struct process *p);

#endif
