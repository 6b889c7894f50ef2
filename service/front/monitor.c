#include "service/front/monitor.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <zmq.h>

#include "service/clock.h"
#include "service/observe/log.h"
#include "service/policy/roster.h"

static const char endpoint[] = "inproc://eckad.connections";

enum {
    FAILED = ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
             ZMQ_EVENT_HANDSHAKE_FAILED_AUTH,
    HEARD = ZMQ_EVENT_LISTENING | ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED | FAILED,
};

enum status monitor_open(struct monitor *m, void *context, void *router, struct door *door,
                         unsigned limit, unsigned room)
{
    const int none = 0;
    m->router = router;
    m->door = door;
    TRY(connections_init(&m->connections, limit, room, ROSTER_MAX));
    m->events = zmq_socket(context, ZMQ_PAIR);
    /* No limit to what is unheard: libzmq's I/O thread would wait for us, and we for it at the end.
     */
    if (m->events == NULL || zmq_setsockopt(m->events, ZMQ_RCVHWM, &none, sizeof(none)) != 0 ||
        zmq_setsockopt(m->events, ZMQ_LINGER, &none, sizeof(none)) != 0 ||
        zmq_socket_monitor(router, endpoint, HEARD) != 0 || zmq_connect(m->events, endpoint) != 0) {
        return STATUS_INTERNAL;
    }
    return STATUS_OK;
}

void monitor_close(struct monitor *m)
{
    if (m->events != NULL) {
        (void)zmq_socket_monitor(m->router, NULL, 0);
        (void)zmq_close(m->events);
        m->events = NULL;
    }
    connections_fini(&m->connections);
}

/* -- ending one -- */

/* The kernel's number of a socket, never used again; 0 when it is none. */
static uint64_t cookie_of(int fd)
{
    uint64_t cookie = 0;
    socklen_t len = sizeof(cookie);
    return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) == 0 ? cookie : 0;
}

/* The descriptor may have been closed, and given to something else, since libzmq told of it. */
static void end(struct monitor *m, int fd)
{
    if (cookie_of(fd) == connections_cookie(&m->connections, fd)) {
        (void)shutdown(fd, SHUT_RDWR);
    }
    connections_going(&m->connections, fd);
}

/* -- what happens -- */

/*
 * Whether the handshake is over and the peer was let in. libzmq tells that some handshake
 * succeeded, not whose; the kernel tells what was sent to this one: to a peer that was let in a
 * READY (RFC 26), to others no more than greeting, WELCOME and ERROR. Local sockets tell nothing.
 */
static bool was_let_in(int fd)
{
    enum { GREETING = 64, WELCOME = 2 + 168, ERROR = 2 + 10 };
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 && len == sizeof(info) &&
           info.tcpi_bytes_sent > GREETING + WELCOME + ERROR;
}

/* Where a client is: others of its address are not held up by a crowd of strangers. */
static void know(struct monitor *m, int fd)
{
    struct sockaddr_storage from = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(from);
    if (getpeername(fd, (struct sockaddr *)&from, &len) == 0) {
        door_know(m->door, (struct sockaddr *)&from);
    }
}

static void opened(struct monitor *m, int fd)
{
    int last = connections_opened(&m->connections, fd, cookie_of(fd));
    metric_add(&m->metrics->opened_connections, 1);
    while (last != CONNECTIONS_NONE && last != fd && was_let_in(last)) {
        last = connections_let_in(&m->connections, last);
    }
    if (last != CONNECTIONS_NONE) {
        end(m, last);
        metric_add(&m->metrics->cut_strangers, 1);
        LOG(CONNECTION_CUT, "too many connections: the oldest that was not let in yet goes");
    }
}

/* An event is two frames: event and value, 2 + 4 bytes, and the endpoint. */
static bool take_one(struct monitor *m)
{
    struct __attribute__((packed)) {
        uint16_t event;
        uint32_t value;
    } what = {0};
    char where[256];
    if (zmq_recv(m->events, &what, sizeof(what), ZMQ_DONTWAIT) != sizeof(what)) {
        return false;
    }
    (void)zmq_recv(m->events, where, sizeof(where), ZMQ_DONTWAIT); /* messages are whole */
    if (what.event == ZMQ_EVENT_LISTENING) {
        (void)!door_watch(m->door, (int)what.value); /* who asked it to listen looks */
    } else if (what.event == ZMQ_EVENT_ACCEPTED) {
        opened(m, (int)what.value);
    } else if (what.event == ZMQ_EVENT_DISCONNECTED) {
        connections_closed(&m->connections, (int)what.value);
    } else if ((what.event & FAILED) != 0) {
        metric_add(&m->metrics->failed_handshakes, 1);
    }
    return true;
}

void monitor_take(struct monitor *m)
{
    while (take_one(m)) {
    }
    metric_set(&m->metrics->connections, m->connections.open);
    metric_set(&m->metrics->strangers, m->connections.strangers);
}

void monitor_asked(struct monitor *m, void *message, struct span id, uint32_t principal,
                   unsigned most)
{
    int fd = zmq_msg_get(message, ZMQ_SRCFD);
    if (connections_knows(&m->connections, fd, id)) {
        return;
    }
    know(m, fd);
    monitor_take(m); /* that it came was told before its request was */
    if (!connections_asked(&m->connections, fd, id, principal, most)) {
        end(m, fd);
        metric_add(&m->metrics->cut_share, 1);
        LOG(CONNECTION_CUT, "a principal has its share of connections: another one of it goes");
    }
}

void monitor_lost_reply(struct monitor *m, struct span id, uint64_t now_us)
{
    monitor_take(m);
    int fd = connections_of_id(&m->connections, id);
    if (connections_lost_reply(&m->connections, fd, now_us)) {
        end(m, fd);
        metric_add(&m->metrics->cut_unread, 1);
        LOG(CONNECTION_CUT, "a connection that leaves its replies unread goes");
    }
}
