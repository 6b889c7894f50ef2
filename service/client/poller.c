#include "service/client/poller.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static bool watch_fd(int epoll_fd, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static int socket_fd(void *socket)
{
    int fd = -1;
    size_t len = sizeof fd;
    return zmq_getsockopt(socket, ZMQ_FD, &fd, &len) == 0 ? fd : -1;
}

bool poller_open(struct poller *p)
{
    p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return p->epoll_fd >= 0 && p->wake_fd >= 0 && watch_fd(p->epoll_fd, p->wake_fd);
}

void poller_close(struct poller *p)
{
    if (p->epoll_fd >= 0) {
        (void)close(p->epoll_fd);
    }
    if (p->wake_fd >= 0) {
        (void)close(p->wake_fd);
    }
    *p = (struct poller){-1, -1};
}

bool poller_add(struct poller *p, const struct connection *c)
{
    return watch_fd(p->epoll_fd, socket_fd(c->dealer)) &&
           watch_fd(p->epoll_fd, socket_fd(c->monitor));
}

static short wanted(uint32_t for_room, size_t i)
{
    return (short)(ZMQ_POLLIN | ((for_room >> i & 1) != 0 ? ZMQ_POLLOUT : 0));
}

static bool ready(void *socket, short mask)
{
    int events = 0;
    size_t len = sizeof events;
    return zmq_getsockopt(socket, ZMQ_EVENTS, &events, &len) == 0 && (events & mask) != 0;
}

void poller_rearm(struct poller *p, struct connection *const connections[], size_t count,
                  uint32_t for_room)
{
    uint64_t value;
    for (size_t i = 0; i < count; i++) {
        if (ready(connections[i]->dealer, wanted(for_room, i)) ||
            ready(connections[i]->monitor, ZMQ_POLLIN)) {
            (void)eventfd_write(p->wake_fd, 1);
            return;
        }
    }
    (void)!read(p->wake_fd, &value, sizeof value);
}

void poller_wait(struct connection *const connections[], size_t count, uint32_t for_room,
                 long timeout_ms)
{
    zmq_pollitem_t items[2 * ECKA_ENDPOINTS_MAX]; /* libzmq allocates for more than these 16 */
    int n = 0;
    for (size_t i = 0; i < count; i++) {
        items[n++] =
            (zmq_pollitem_t){.socket = connections[i]->dealer, .events = wanted(for_room, i)};
        items[n++] = (zmq_pollitem_t){.socket = connections[i]->monitor, .events = ZMQ_POLLIN};
    }
    (void)zmq_poll(items, n, timeout_ms); /* EINTR: the caller looks */
}
