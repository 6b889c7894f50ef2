/*
 * One supervised program: started, its stderr passed on line by line, known to be ready by a line
 * that ends in ": ready", started again after a growing pause when it ends.
 *
 * A child is its own process group, so that a Ctrl-C at the terminal reaches the supervisor alone,
 * and gets SIGTERM should the supervisor die. Single-threaded; the clock is handed in
 * (microseconds).
 */
#ifndef SERVICE_CTL_CHILD_H
#define SERVICE_CTL_CHILD_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    CHILD_LINE_MAX = 1024,          /* a longer one is passed on in pieces */
    CHILD_REFUSALS_MAX = 5,         /* ends with status 1 before it was ready for the first time */
    CHILD_EXIT_PIN = 3,             /* a custodian's: a wrong PIN tried again locks the token */
    CHILD_EXIT_RECYCLED = 4,        /* a custodian's: it makes room for a fresh one */
    CHILD_LIVED_US = 1000000,       /* recycled sooner, it waits a little all the same */
    CHILD_BACKOFF_MIN_US = 100000,  /* the pause doubles from the one */
    CHILD_BACKOFF_MAX_US = 2000000, /* to the other; who lived that long starts over */
};

struct child {
    const char *name; /* for sentences: "eckad", or the custodian's configuration file */
    const char *config;
    char program[PATH_MAX];
    pid_t pid; /* 0: not running */
    int stderr_fd;
    bool ready;
    bool was_ready; /* once, by this or an earlier process: its configuration can be used */
    bool given_up;  /* not started again */
    uint64_t started_at, restart_at; /* restart_at: 0 when no start is due */
    uint64_t backoff_us;
    unsigned refusals;
    int last_status; /* of waitpid */
    char line[CHILD_LINE_MAX];
    size_t line_len;
};

/* Finds the program. Nothing runs yet. */
void child_init(struct child *c, const char *program, const char *name, const char *config);

/* Runs "PROGRAM --config CONFIG". False when no process can be made; a restart is then due. */
bool child_start(struct child *c, uint64_t now);

/* Passes on what the child wrote; true when it became ready by that. */
bool child_read(struct child *c);

/* Takes note that waitpid() gave this status: the child is gone, and a restart is due unless
 * stopping. Returns false when the child is to be given up: its PIN was refused, or it never was
 * ready and ended with status 1 CHILD_REFUSALS_MAX times. One that was ready before may be waiting
 * for its token, and is started for as long as that takes. */
bool child_ended(struct child *c, int status, uint64_t now, bool stopping);

void child_signal(const struct child *c, int signal_number);

/* "exited with status 1", "was killed by signal 11 (Segmentation fault)". */
void child_describe_end(const struct child *c, char *out, size_t size);

#endif
