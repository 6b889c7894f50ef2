#include "service/policy/reload.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "service/observe/log.h"

struct reload {
    pthread_t thread;
    bool started;
    const char *path;
    int hangup_fd; /* a signalfd */
    int stop_fd, taken_fd;
    _Atomic(struct policy *) fresh; /* not yet taken; the newest alone */
    _Atomic uint64_t failed;
};

static bool hangup_set(sigset_t *set)
{
    return sigemptyset(set) == 0 && sigaddset(set, SIGHUP) == 0;
}

enum status reload_block_signal(void)
{
    sigset_t set;
    return hangup_set(&set) && pthread_sigmask(SIG_BLOCK, &set, NULL) == 0 ? STATUS_OK
                                                                           : STATUS_INTERNAL;
}

static void signal_fd(int fd)
{
    (void)!write(fd, &(uint64_t){1}, sizeof(uint64_t)); /* full, it is readable all the same */
}

static void read_policy(struct reload *r)
{
    char error[CONFIG_ERROR_MAX] = "";
    struct policy *policy = NULL;
    if (policy_load(r->path, &policy, error) != STATUS_OK) {
        LOG_ABOUT(POLICY_REFUSED, r->path, "policy not reloaded, the one in force stays: %s",
                  error);
        atomic_fetch_add(&r->failed, 1);
    } else {
        struct policy *untaken = atomic_exchange(&r->fresh, policy);
        policy_drop(&untaken); /* nobody else has seen it */
    }
    signal_fd(r->taken_fd);
}

static void *reload_main(void *arg)
{
    struct reload *r = arg;
    struct pollfd p[2] = {{.fd = r->hangup_fd, .events = POLLIN},
                          {.fd = r->stop_fd, .events = POLLIN}};
    for (;;) {
        struct signalfd_siginfo info;
        if (poll(p, 2, -1) < 0 && errno != EINTR) {
            LOG(POLL_FAILED, "poll: %s", strerror(errno));
            return NULL;
        }
        if (p[1].revents != 0) {
            return NULL;
        }
        if (p[0].revents != 0 && read(r->hangup_fd, &info, sizeof(info)) == sizeof(info)) {
            read_policy(r);
        }
    }
}

enum status reload_start(struct reload **out, const char *path, char error[static CONFIG_ERROR_MAX])
{
    sigset_t set;
    struct reload *r = calloc(1, sizeof(*r));
    *out = r;
    if (r == NULL) {
        (void)snprintf(error, CONFIG_ERROR_MAX, "out of memory");
        return STATUS_INTERNAL;
    }
    r->path = path;
    r->hangup_fd = hangup_set(&set) ? signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK) : -1;
    r->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r->taken_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r->started = r->hangup_fd >= 0 && r->stop_fd >= 0 && r->taken_fd >= 0 &&
                 pthread_create(&r->thread, NULL, reload_main, r) == 0;
    if (!r->started) {
        (void)snprintf(error, CONFIG_ERROR_MAX,
                       "the thread that reloads the policy does not start");
        reload_stop(out);
        return STATUS_INTERNAL;
    }
    return STATUS_OK;
}

static void close_fd(int fd)
{
    if (fd >= 0) {
        (void)close(fd);
    }
}

void reload_stop(struct reload **reload)
{
    struct reload *r = *reload;
    if (r == NULL) {
        return;
    }
    if (r->started) {
        signal_fd(r->stop_fd);
        (void)pthread_join(r->thread, NULL);
    }
    struct policy *untaken = atomic_exchange(&r->fresh, NULL);
    policy_drop(&untaken);
    close_fd(r->hangup_fd);
    close_fd(r->stop_fd);
    close_fd(r->taken_fd);
    free(r);
    *reload = NULL;
}

int reload_fd(const struct reload *r)
{
    return r->taken_fd;
}

struct policy *reload_take(struct reload *r, uint64_t *failed)
{
    uint64_t signals;
    (void)!read(r->taken_fd, &signals, sizeof(signals)); /* before looking */
    *failed = atomic_load(&r->failed);
    return atomic_exchange(&r->fresh, NULL);
}
