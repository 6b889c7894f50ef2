#include "service/ctl/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "service/ctl/ctl.h"

#define READY_END ": ready"

void child_init(struct child *c, const char *program, const char *name, const char *config)
{
    *c = (struct child){
        .name = name, .config = config, .stderr_fd = -1, .backoff_us = CHILD_BACKOFF_MIN_US};
    ctl_find_program(program, c->program, sizeof c->program);
}

/* -- starting -- */

static void put(const char *text)
{
    (void)!write(STDERR_FILENO, text, strlen(text));
}

/* In the child, between fork and exec: nothing here may allocate. */
_Noreturn static void run(const struct child *c, int stderr_fd, pid_t parent)
{
    sigset_t none;
    (void)sigemptyset(&none);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) { /* it died before the line above */
        _exit(1);
    }
    (void)setpgid(0, 0);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null >= 0) {
        (void)dup2(null, STDIN_FILENO);
    }
    (void)dup2(stderr_fd, STDERR_FILENO);
    (void)execlp(c->program, c->program, "--config", c->config, (char *)NULL);
    put("eckactl: ");
    put(c->program);
    put(" cannot be run; install it beside eckactl or put it on PATH\n");
    _exit(1);
}

static void schedule_restart(struct child *c, uint64_t now)
{
    c->restart_at = now + c->backoff_us;
    c->backoff_us *= 2;
    if (c->backoff_us > CHILD_BACKOFF_MAX_US) {
        c->backoff_us = CHILD_BACKOFF_MAX_US;
    }
}

bool child_start(struct child *c, uint64_t now)
{
    int fds[2];
    pid_t parent = getpid();
    c->restart_at = 0;
    c->started_at = now;
    c->ready = false;
    c->line_len = 0;
    if (pipe2(fds, O_CLOEXEC) != 0) {
        ctl_say("no pipe for %s: %s", c->name, strerror(errno));
        schedule_restart(c, now);
        return false;
    }
    pid_t pid = fork();
    if (pid == 0) {
        run(c, fds[1], parent);
    }
    (void)close(fds[1]);
    if (pid < 0) {
        ctl_say("%s cannot be started: %s", c->name, strerror(errno));
        (void)close(fds[0]);
        schedule_restart(c, now);
        return false;
    }
    (void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
    c->pid = pid;
    c->stderr_fd = fds[0];
    return true;
}

/* -- its stderr -- */

static void pass_on(const char *text, size_t len)
{
    while (len != 0) {
        ssize_t n = write(STDERR_FILENO, text, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return; /* nobody reads: a log lost is no reason to stop a service */
        }
        text += n;
        len -= (size_t)n;
    }
}

/* One line or a piece of one, without its newline. */
static void take_line(struct child *c)
{
    size_t end_len = strlen(READY_END);
    if (c->line_len >= end_len &&
        memcmp(c->line + c->line_len - end_len, READY_END, end_len) == 0) {
        c->ready = true;
        c->was_ready = true;
    }
    c->line[c->line_len] = '\n';
    pass_on(c->line, c->line_len + 1);
    c->line_len = 0;
}

static void take_text(struct child *c, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '\n') {
            c->line[c->line_len++] = text[i];
        }
        if (text[i] == '\n' || c->line_len == sizeof c->line - 1) {
            take_line(c);
        }
    }
}

bool child_read(struct child *c)
{
    char text[4096];
    bool was_ready = c->ready;
    ssize_t n;
    while (c->stderr_fd >= 0 && (n = read(c->stderr_fd, text, sizeof text)) != -1) {
        if (n == 0) {
            (void)close(c->stderr_fd);
            c->stderr_fd = -1;
            break;
        }
        take_text(c, text, (size_t)n);
    }
    return c->ready && !was_ready;
}

/* -- ending -- */

bool child_ended(struct child *c, int status, uint64_t now, bool stopping)
{
    (void)child_read(c);
    if (c->line_len != 0) {
        take_line(c);
    }
    if (c->stderr_fd >= 0) { /* a grandchild may hold the other end */
        (void)close(c->stderr_fd);
        c->stderr_fd = -1;
    }
    c->pid = 0;
    c->last_status = status;
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    c->refusals = code == 1 && !c->was_ready ? c->refusals + 1 : 0;
    c->given_up = code == CHILD_EXIT_PIN || c->refusals == CHILD_REFUSALS_MAX;
    if (now - c->started_at >= CHILD_BACKOFF_MAX_US) {
        c->backoff_us = CHILD_BACKOFF_MIN_US;
    }
    c->ready = false;
    if (code == CHILD_EXIT_RECYCLED) {
        bool lived = now - c->started_at >= CHILD_LIVED_US;
        c->restart_at = lived ? now : now + CHILD_BACKOFF_MIN_US;
    } else if (!c->given_up) {
        schedule_restart(c, now);
    }
    if (stopping) {
        c->restart_at = 0;
    }
    return !c->given_up;
}

void child_signal(const struct child *c, int signal_number)
{
    if (c->pid != 0) {
        (void)kill(c->pid, signal_number);
    }
}

void child_describe_end(const struct child *c, char *out, size_t size)
{
    if (WIFSIGNALED(c->last_status)) {
        int s = WTERMSIG(c->last_status);
        (void)snprintf(out, size, "was killed by signal %d (%s)", s, strsignal(s));
    } else {
        (void)snprintf(out, size, "exited with status %d", WEXITSTATUS(c->last_status));
    }
}
