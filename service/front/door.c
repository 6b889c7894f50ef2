#include "service/front/door.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "service/clock.h"
#include "service/observe/log.h"

/* libzmq's threads and ours. Held for a few loads and stores, but where descriptors ran out. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    int listener;
    struct door *door; /* NULL: a free place */
} watched[DOOR_LISTENERS_MAX];

static struct door *of_locked(int listener)
{
    for (size_t i = 0; i < DOOR_LISTENERS_MAX; i++) {
        if (watched[i].door != NULL && watched[i].listener == listener) {
            return watched[i].door;
        }
    }
    return NULL;
}

/* Read only, as every file that eckad opens once it is confined. */
static int open_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

enum status door_init(struct door *d)
{
    *d = (struct door){.spare = -1};
    arrivals_init(&d->arrivals);
    if ((uintptr_t)dlsym(RTLD_DEFAULT, "accept4") != (uintptr_t)door_accept) {
        return STATUS_INTERNAL;
    }
    d->spare = open_spare();
    return d->spare >= 0 ? STATUS_OK : STATUS_INTERNAL;
}

void door_fini(struct door *d)
{
    (void)pthread_mutex_lock(&lock);
    for (size_t i = 0; i < DOOR_LISTENERS_MAX; i++) {
        watched[i].door = watched[i].door == d ? NULL : watched[i].door;
    }
    (void)pthread_mutex_unlock(&lock);
    if (d->spare >= 0) {
        (void)close(d->spare);
    }
    d->spare = -1;
}

enum status door_watch(struct door *d, int listener)
{
    enum status s = STATUS_INTERNAL;
    (void)pthread_mutex_lock(&lock);
    for (size_t i = 0; i < DOOR_LISTENERS_MAX && s != STATUS_OK; i++) {
        if (watched[i].door == NULL) {
            watched[i].door = d;
            watched[i].listener = listener;
            d->listeners++;
            s = STATUS_OK;
        }
    }
    (void)pthread_mutex_unlock(&lock);
    return s;
}

void door_know(struct door *d, const struct sockaddr *from)
{
    (void)pthread_mutex_lock(&lock);
    arrivals_know(&d->arrivals, from);
    (void)pthread_mutex_unlock(&lock);
}

/* -- who comes -- */

static int next(int listener, struct sockaddr *from, socklen_t *len, int flags)
{
    return (int)syscall(SYS_accept4, listener, from, len, flags);
}

/* With a reset: he has no more to say, and nothing is kept of him. */
static void turn_away(int fd)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    (void)close(fd);
}

/*
 * No descriptor was left. A listener with somebody waiting stays readable, so that libzmq would ask
 * again and again: he is taken in on the spare one, and goes.
 */
static void make_room_locked(struct door *d, int listener)
{
    struct pollfd one = {.fd = listener, .events = POLLIN};
    if (d->spare >= 0) {
        (void)close(d->spare);
    }
    int fd = poll(&one, 1, 0) == 1 ? next(listener, NULL, NULL, SOCK_CLOEXEC) : -1;
    if (fd >= 0) {
        turn_away(fd);
    }
    d->spare = open_spare();
}

static bool is_exhaustion(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

enum verdict { LET_IN, TOO_FAST, CROWDED, NO_DESCRIPTOR, VERDICTS };

static enum verdict judge_locked(struct door *d, int listener, int fd, int error,
                                 const struct sockaddr *from)
{
    if (fd < 0 && is_exhaustion(error)) {
        make_room_locked(d, listener);
        return NO_DESCRIPTOR;
    }
    const enum arrival arrival =
        fd >= 0 && from != NULL ? arrivals_take(&d->arrivals, from, clock_us()) : ARRIVAL_TAKEN;
    return arrival == ARRIVAL_TOO_FAST ? TOO_FAST : arrival == ARRIVAL_CROWDED ? CROWDED : LET_IN;
}

static void count_locked(struct metrics *m, enum verdict v)
{
    if (m != NULL && v != LET_IN) {
        metric_add(v == TOO_FAST  ? &m->cut_address
                   : v == CROWDED ? &m->cut_crowd
                                  : &m->cut_descriptors,
                   1);
    }
}

int door_accept(int listener, struct sockaddr *from, socklen_t *len, int flags)
{
    static const char *const why[VERDICTS] = {
        [TOO_FAST] = "connections come too fast from one address: the newest goes",
        [CROWDED] = "connections come too fast from unknown addresses: the newest goes",
        [NO_DESCRIPTOR] = "no descriptor is left for a connection: it goes",
    };
    int fd = next(listener, from, len, flags);
    int error = errno;
    (void)pthread_mutex_lock(&lock);
    struct door *d = of_locked(listener);
    enum verdict v = LET_IN;
    if (d != NULL) {
        v = judge_locked(d, listener, fd, error, from);
        count_locked(d->metrics, v);
    }
    (void)pthread_mutex_unlock(&lock);
    if (v == LET_IN) {
        errno = error;
        return fd;
    }
    if (fd >= 0) {
        turn_away(fd);
    }
    LOG(CONNECTION_CUT, "%s", why[v]);
    errno = ECONNABORTED;
    return -1;
}
