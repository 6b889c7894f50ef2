/*
 * up: eckad and its custodians on one host, for those who run no systemd.
 *
 * One thread waits for signals (a signalfd) and for the children's stderr. Custodians start first,
 * and eckad once they are ready or have had their time, so that 'eckactl: up' means that requests
 * will be served. Going down, eckad drains while the custodians still serve it.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "service/ctl/child.h"
#include "service/ctl/ctl.h"

enum {
    US_PER_S = 1000 * 1000,
    US_PER_MS = 1000,
    PATIENCE_US = 10 * US_PER_S, /* eckad starts without custodians that are not ready by then */
    DRAIN_US = 30 * US_PER_S,    /* then SIGKILL */
    STOP_US = 10 * US_PER_S,     /* a custodian ends after the batch in hand */
    CHILDREN_MAX = 1 + CTL_CUSTODIANS_MAX,
    ECKAD = 0, /* its place in children[] */
};

enum phase { RUNNING, DRAINING, STOPPING };

struct supervisor {
    struct child children[CHILDREN_MAX];
    size_t count;
    enum phase phase;
    uint64_t phase_ends; /* when SIGKILL is due, while DRAINING or STOPPING */
    uint64_t eckad_due;  /* when it starts at the latest */
    bool eckad_started;
    bool said_up;
    bool gave_up;
    bool killed;
    int signal_fd;
};

static uint64_t now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * US_PER_S + (uint64_t)t.tv_nsec / 1000;
}

static bool custodians_ready(const struct supervisor *s)
{
    for (size_t i = ECKAD + 1; i < s->count; i++) {
        if (!s->children[i].ready) {
            return false;
        }
    }
    return true;
}

/* Whether there is one that runs or will run again. */
static bool any_custodian_left(const struct supervisor *s)
{
    for (size_t i = ECKAD + 1; i < s->count; i++) {
        if (!s->children[i].given_up) {
            return true;
        }
    }
    return false;
}

/* -- going down -- */

static void signal_phase(struct supervisor *s, int signal_number)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->phase == STOPPING || i == ECKAD) {
            child_signal(&s->children[i], signal_number);
        }
    }
}

static bool phase_done(const struct supervisor *s)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->children[i].pid != 0 && (s->phase == STOPPING || i == ECKAD)) {
            return false;
        }
    }
    return true;
}

static void enter(struct supervisor *s, enum phase phase, uint64_t lasts_us)
{
    s->phase = phase;
    s->phase_ends = now_us() + lasts_us;
    signal_phase(s, SIGTERM);
}

/* From draining to stopping when eckad is gone, and the last means when time is up. */
static void advance(struct supervisor *s)
{
    if (s->phase != RUNNING && !phase_done(s) && now_us() >= s->phase_ends) {
        ctl_say("%s did not end in time and is killed",
                s->phase == DRAINING ? "eckad" : "a custodian");
        s->killed = true;
        signal_phase(s, SIGKILL);
        s->phase_ends = UINT64_MAX; /* SIGKILL needs no second */
    }
    if (s->phase == DRAINING && phase_done(s)) {
        enter(s, STOPPING, STOP_US);
    }
}

/* -- what happens to children -- */

static void note_end(struct supervisor *s, struct child *c, int status)
{
    char how[128];
    bool keep = child_ended(c, status, now_us(), s->phase != RUNNING);
    child_describe_end(c, how, sizeof how);
    if (s->phase != RUNNING) {
        if (status != 0) {
            ctl_say("%s %s while it was being stopped", c->name, how);
        }
        return;
    }
    if (keep) {
        ctl_say("%s %s and is started again", c->name, how);
        return;
    }
    ctl_say("%s %s and is not started again; put right what it says above, then run eckactl up "
            "again",
            c->name, how);
    if (s->said_up && c != &s->children[ECKAD] && any_custodian_left(s)) {
        ctl_say("the other custodians serve on");
        return;
    }
    s->gave_up = true;
    enter(s, DRAINING, DRAIN_US);
}

static void reap(struct supervisor *s)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (size_t i = 0; i < s->count; i++) {
            if (s->children[i].pid == pid) {
                note_end(s, &s->children[i], status);
            }
        }
    }
}

static void take_signals(struct supervisor *s)
{
    struct signalfd_siginfo info;
    while (read(s->signal_fd, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGCHLD) {
            reap(s);
        } else if (info.ssi_signo == SIGHUP && info.ssi_code != SI_KERNEL) {
            for (size_t i = 0; i < s->count;
                 i++) { /* somebody's; the kernel's is a lost terminal */
                child_signal(&s->children[i], SIGHUP);
            }
        } else if (s->phase == RUNNING) {
            enter(s, DRAINING, DRAIN_US);
        } else {
            s->phase_ends = 0; /* asked twice */
        }
    }
}

static void start_due(struct supervisor *s)
{
    uint64_t now = now_us();
    for (size_t i = 0; i < s->count; i++) {
        struct child *c = &s->children[i];
        if (c->pid == 0 && c->restart_at != 0 && c->restart_at <= now) {
            (void)child_start(c, now);
        }
    }
    if (!s->eckad_started && (custodians_ready(s) || now >= s->eckad_due)) {
        s->eckad_started = true;
        (void)child_start(&s->children[ECKAD], now);
    }
}

static void say_up(struct supervisor *s)
{
    if (!s->said_up && s->children[ECKAD].ready && custodians_ready(s)) {
        s->said_up = true;
        ctl_say("up");
    }
}

/* -- the loop -- */

static int wait_ms(const struct supervisor *s)
{
    uint64_t next = s->phase != RUNNING ? s->phase_ends : UINT64_MAX;
    if (s->phase == RUNNING && !s->eckad_started) {
        next = s->eckad_due;
    }
    for (size_t i = 0; s->phase == RUNNING && i < s->count; i++) {
        uint64_t at = s->children[i].restart_at;
        next = at != 0 && at < next ? at : next;
    }
    uint64_t now = now_us();
    if (next == UINT64_MAX) {
        return -1;
    }
    return next <= now ? 0 : (int)((next - now + US_PER_MS - 1) / US_PER_MS);
}

static void wait_and_read(struct supervisor *s)
{
    struct pollfd fds[1 + CHILDREN_MAX] = {{.fd = s->signal_fd, .events = POLLIN}};
    for (size_t i = 0; i < s->count; i++) { /* poll passes over fds below 0 */
        fds[1 + i] = (struct pollfd){.fd = s->children[i].stderr_fd, .events = POLLIN};
    }
    (void)poll(fds, 1 + (nfds_t)s->count, wait_ms(s));
    for (size_t i = 0; i < s->count; i++) {
        if (fds[1 + i].revents != 0) {
            (void)child_read(&s->children[i]);
        }
    }
    take_signals(s);
}

static int supervise(struct supervisor *s)
{
    uint64_t now = now_us();
    s->eckad_due = now + PATIENCE_US;
    for (size_t i = ECKAD + 1; i < s->count; i++) {
        (void)child_start(&s->children[i], now);
    }
    while (s->phase != STOPPING || !phase_done(s)) {
        if (s->phase == RUNNING) {
            start_due(s);
            say_up(s);
        }
        advance(s);
        if (s->phase != STOPPING || !phase_done(s)) {
            wait_and_read(s);
        }
    }
    bool clean = !s->gave_up && !s->killed && s->children[ECKAD].last_status == 0;
    return clean ? CTL_OK : CTL_FAILED;
}

static bool take_over_signals(struct supervisor *s)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0) {
        return false;
    }
    (void)signal(SIGPIPE, SIG_IGN); /* a log reader that leaves takes no service down */
    s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return s->signal_fd >= 0;
}

int ctl_up(int argc, char **argv)
{
    static const struct option options[] = {
        {"eckad", required_argument, NULL, 'e'}, {"custodian", required_argument, NULL, 'c'}, {0}};
    static struct supervisor s;
    const char *eckad = NULL;
    int c;
    s.count = 1;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'e' && eckad == NULL) {
            eckad = optarg;
        } else if (c == 'c' && s.count < CHILDREN_MAX) {
            child_init(&s.children[s.count++], "eckad-custodian", optarg, optarg);
        } else {
            return ctl_misused("up takes one --eckad and at most %d --custodian",
                               CTL_CUSTODIANS_MAX);
        }
    }
    if (optind != argc || eckad == NULL || s.count == 1) {
        return ctl_misused("up needs --eckad FILE and at least one --custodian FILE");
    }
    child_init(&s.children[ECKAD], "eckad", "eckad", eckad);
    if (!take_over_signals(&s)) {
        ctl_say("signals cannot be taken over: %s", strerror(errno));
        return CTL_FAILED;
    }
    return supervise(&s);
}
