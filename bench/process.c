#include "bench/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    START_TENTHS = 300, /* a good start takes one; a busy machine is given time */
    STOP_TENTHS = 100,
    TENTH_NS = 100 * 1000 * 1000,
    LOG_MAX = 16384,
};

static pid_t children[PROCESS_MAX]; /* 0: a free place */

static void wait_tenth(void)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = TENTH_NS}, NULL);
}

static void end_all(void)
{
    for (size_t i = 0; i < PROCESS_MAX; i++) {
        if (children[i] != 0) {
            (void)kill(children[i], SIGKILL);
            (void)waitpid(children[i], NULL, 0);
        }
    }
}

/* In the child. */
_Noreturn static void become(const char *const argv[], int out, pid_t parent)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent && dup2(out, STDOUT_FILENO) >= 0 && dup2(out, STDERR_FILENO) >= 0) {
        (void)execv(argv[0], (char *const *)(size_t)argv);
        (void)dprintf(STDERR_FILENO, "%s cannot be run: %s\n", argv[0], strerror(errno));
    }
    _exit(127);
}

static pid_t spawn(const char *const argv[], int out)
{
    static bool registered;
    size_t place = 0;
    const pid_t parent = getpid();
    if (!registered) {
        registered = true;
        (void)atexit(end_all);
    }
    while (place < PROCESS_MAX && children[place] != 0) {
        place++;
    }
    if (place == PROCESS_MAX) {
        return -1;
    }
    pid_t pid = fork();
    if (pid == 0) {
        become(argv, out, parent);
    }
    if (pid > 0) {
        children[place] = pid;
    }
    return pid;
}

/* What the process has printed so far, at most the last LOG_MAX bytes. */
static size_t read_log(const char *path, char out[static LOG_MAX + 1])
{
    size_t len = 0;
    FILE *f = fopen(path, "re");
    if (f != NULL) {
        if (fseek(f, -LOG_MAX, SEEK_END) != 0) {
            (void)fseek(f, 0, SEEK_SET);
        }
        len = fread(out, 1, LOG_MAX, f);
        (void)fclose(f);
    }
    out[len] = '\0';
    return len;
}

static bool has_line_ending(const char *log, const char *end)
{
    char line[128];
    (void)snprintf(line, sizeof line, "%s\n", end);
    return strstr(log, line) != NULL;
}

static bool ended(struct process *p, int *status)
{
    if (p->pid == 0 || waitpid(p->pid, status, WNOHANG) != p->pid) {
        return false;
    }
    for (size_t i = 0; i < PROCESS_MAX; i++) {
        children[i] = children[i] == p->pid ? 0 : children[i];
    }
    p->pid = 0;
    return true;
}

bool process_start(struct process *p, const char *log, const char *const argv[],
                   const char *ready_end)
{
    static char text[LOG_MAX + 1];
    int status;
    (void)snprintf(p->log, sizeof p->log, "%s", log);
    int out = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    p->pid = out >= 0 ? spawn(argv, out) : -1;
    if (out >= 0) {
        (void)close(out);
    }
    if (p->pid < 0) {
        (void)fprintf(stderr, "eckabench: %s cannot be started: %s\n", argv[0], strerror(errno));
        p->pid = 0;
        return false;
    }
    for (int i = 0; i < START_TENTHS && !ended(p, &status); i++) {
        (void)read_log(log, text);
        if (has_line_ending(text, ready_end)) {
            return true;
        }
        wait_tenth();
    }
    (void)read_log(log, text);
    (void)fprintf(stderr, "eckabench: %s did not start:\n%s", argv[0], text);
    (void)process_stop(p);
    return false;
}

void process_terminate(struct process *p)
{
    if (p->pid != 0) {
        (void)kill(p->pid, SIGTERM);
    }
}

int process_wait(struct process *p)
{
    int status = 0;
    for (int i = 0; i < STOP_TENTHS; i++) {
        if (p->pid == 0 || ended(p, &status)) {
            return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        }
        wait_tenth();
    }
    (void)kill(p->pid, SIGKILL);
    while (!ended(p, &status)) {
        wait_tenth();
    }
    return -1;
}

int process_stop(struct process *p)
{
    process_terminate(p);
    return process_wait(p);
}

int process_run(const char *const argv[], char *out, size_t cap)
{
    int fds[2], status = 0;
    size_t len = 0;
    ssize_t n;
    out[0] = '\0';
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return -1;
    }
    struct process p = {.pid = spawn(argv, fds[1])};
    (void)close(fds[1]);
    while (p.pid > 0 && len + 1 < cap && (n = read(fds[0], out + len, cap - 1 - len)) > 0) {
        len += (size_t)n;
    }
    out[len] = '\0';
    (void)close(fds[0]);
    if (p.pid < 0) {
        return -1;
    }
    while (!ended(&p, &status)) {
        wait_tenth();
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

double process_cpu_s(const struct process *p)
{
    clockid_t clock;
    struct timespec t = {0};
    if (clock_getcpuclockid(p->pid, &clock) != 0 || clock_gettime(clock, &t) != 0) {
        (void)fprintf(stderr, "eckabench: a server has ended; its log is %s\n", p->log);
        exit(EXIT_FAILURE);
    }
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

size_t process_rss(const struct process *p)
{
    char path[64];
    unsigned long long size, resident = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/statm", (int)p->pid);
    FILE *f = fopen(path, "re");
    if (f != NULL) {
        if (fscanf(f, "%llu %llu", &size, &resident) != 2) {
            resident = 0;
        }
        (void)fclose(f);
    }
    return (size_t)resident * (size_t)sysconf(_SC_PAGESIZE);
}
