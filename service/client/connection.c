#include "service/client/connection.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "proto/wire/limits.h"

#define MONITOR_ENDPOINT "inproc://ecka-monitor" /* the context is ours alone */

enum {
    RECONNECT_MS = 50,       /* a restarted eckad is found soon */
    RECONNECT_MAX_MS = 1000, /* and one that stays away is not hammered */
    HANDSHAKE_MS = 5000,     /* a server that accepts and says nothing is given up on */
    HEARTBEAT_MS = 5000,     /* a peer that vanished without a FIN is noticed */
    HEARTBEAT_TIMEOUT_MS = 15000,
    ZAP_DENIED = 400, /* RFC 27/ZAP: this key may not */
    MONITOR_EVENTS = ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED |
                     ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                     ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL,
};

static enum status refuse(char *error, const char *what, const char *why)
{
    (void)snprintf(error, KEYFILE_ERROR_MAX, "%s%s", what, why);
    return STATUS_BAD_REQUEST;
}

/* -- keys -- */

static enum status server_key(const struct ecka_options *o, char out[static KEYFILE_Z85_SIZE],
                              char *error)
{
    if ((o->server_key == NULL) == (o->server_key_file == NULL)) {
        return refuse(error, "give the server's public key: ",
                      "server_key_file (the FILE.pub of eckactl keygen) or server_key");
    }
    if (o->server_key_file != NULL) {
        return keyfile_read_public(o->server_key_file, out, error);
    }
    if (!keyfile_z85_valid(o->server_key)) {
        return refuse(error, "server_key is not 40 characters of Z85", "");
    }
    memcpy(out, o->server_key, KEYFILE_Z85_SIZE);
    return STATUS_OK;
}

static enum status own_pair(const struct ecka_options *o, struct curve_key_pair *out, char *error)
{
    if (o->key_file != NULL) {
        return keyfile_read_pair(o->key_file, out, error);
    }
    if (o->public_key == NULL || o->secret_key == NULL) {
        return refuse(error, "give this client's keys: ",
                      "key_file (made by eckactl keygen) or public_key and secret_key");
    }
    char derived[KEYFILE_Z85_SIZE];
    if (!keyfile_z85_valid(o->public_key) || !keyfile_z85_valid(o->secret_key) ||
        zmq_curve_public(derived, o->secret_key) != 0 || strcmp(derived, o->public_key) != 0) {
        return refuse(error, "public_key and secret_key are not a CURVE key pair in Z85", "");
    }
    memcpy(out->public_key, o->public_key, KEYFILE_Z85_SIZE);
    memcpy(out->secret_key, o->secret_key, KEYFILE_Z85_SIZE);
    return STATUS_OK;
}

static enum status set_keys(void *dealer, const struct ecka_options *o, char *error)
{
    char server[KEYFILE_Z85_SIZE] = "";
    struct curve_key_pair own = {0};
    TRY(server_key(o, server, error));
    enum status st = own_pair(o, &own, error);
    if (st == STATUS_OK &&
        (zmq_setsockopt(dealer, ZMQ_CURVE_SERVERKEY, server, KEYFILE_Z85_SIZE) != 0 ||
         zmq_setsockopt(dealer, ZMQ_CURVE_PUBLICKEY, own.public_key, KEYFILE_Z85_SIZE) != 0 ||
         zmq_setsockopt(dealer, ZMQ_CURVE_SECRETKEY, own.secret_key, KEYFILE_Z85_SIZE) != 0)) {
        st = refuse(error, "libzmq does not take the CURVE keys: ", zmq_strerror(errno));
    }
    sodium_memzero(&own, sizeof own);
    return st;
}

/* -- opening and closing -- */

static bool set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

static bool set_options(void *dealer, int hwm)
{
    const int64_t max_message = WIRE_FRAME_MAX;
    return set_int(dealer, ZMQ_LINGER, 0) && set_int(dealer, ZMQ_IMMEDIATE, 1) &&
           set_int(dealer, ZMQ_IPV6, 1) && set_int(dealer, ZMQ_SNDHWM, hwm) &&
           set_int(dealer, ZMQ_RCVHWM, hwm) && set_int(dealer, ZMQ_RECONNECT_IVL, RECONNECT_MS) &&
           set_int(dealer, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS) &&
           set_int(dealer, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS) &&
           set_int(dealer, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS) &&
           set_int(dealer, ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS) &&
           zmq_setsockopt(dealer, ZMQ_MAXMSGSIZE, &max_message, sizeof max_message) == 0;
}

static bool open_sockets(struct connection *c, int hwm)
{
    c->context = zmq_ctx_new();
    if (c->context == NULL) {
        return false;
    }
    c->dealer = zmq_socket(c->context, ZMQ_DEALER);
    c->monitor = zmq_socket(c->context, ZMQ_PAIR);
    return c->dealer != NULL && c->monitor != NULL && set_options(c->dealer, hwm) &&
           set_int(c->monitor, ZMQ_LINGER, 0) &&
           zmq_socket_monitor(c->dealer, MONITOR_ENDPOINT, MONITOR_EVENTS) == 0 &&
           zmq_connect(c->monitor, MONITOR_ENDPOINT) == 0;
}

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

static bool open_fds(struct connection *c)
{
    c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return c->epoll_fd >= 0 && c->wake_fd >= 0 && watch_fd(c->epoll_fd, c->wake_fd) &&
           watch_fd(c->epoll_fd, socket_fd(c->dealer)) &&
           watch_fd(c->epoll_fd, socket_fd(c->monitor));
}

enum status connection_open(struct connection *out, const struct ecka_options *options, int hwm,
                            char error[static KEYFILE_ERROR_MAX])
{
    enum status st = STATUS_OK;
    *out = (struct connection){.epoll_fd = -1, .wake_fd = -1, .epoch = 1};
    if (options->endpoint == NULL) {
        st = refuse(error, "endpoint is NULL; give one like tcp://127.0.0.1:5570", "");
    } else if (!open_sockets(out, hwm) || !open_fds(out)) {
        st = refuse(error, "no socket can be made: ", zmq_strerror(errno));
    } else {
        st = set_keys(out->dealer, options, error);
    }
    if (st == STATUS_OK && zmq_connect(out->dealer, options->endpoint) != 0) {
        st = refuse(error, "endpoint cannot be connected to: ", zmq_strerror(errno));
    }
    if (st != STATUS_OK) {
        connection_close(out);
    }
    return st;
}

void connection_close(struct connection *c)
{
    if (c->epoll_fd >= 0) {
        (void)close(c->epoll_fd);
    }
    if (c->wake_fd >= 0) {
        (void)close(c->wake_fd);
    }
    if (c->dealer != NULL) {
        (void)zmq_socket_monitor(c->dealer, NULL, 0);
        (void)zmq_close(c->dealer);
    }
    if (c->monitor != NULL) {
        (void)zmq_close(c->monitor);
    }
    while (c->context != NULL && zmq_ctx_term(c->context) != 0 && errno == EINTR) {
    }
    *c = (struct connection){.epoll_fd = -1, .wake_fd = -1};
}

/* -- watching -- */

struct event {
    uint16_t id; /* ZMQ_EVENT_... */
    uint32_t value;
};

/* One event: a frame {id 2, value 4, host order}, and a frame with the address, unused. */
static bool next_event(void *monitor, struct event *event)
{
    uint8_t head[sizeof event->id + sizeof event->value];
    char address[1]; /* cut off: zmq_recv drops what does not fit */
    if (zmq_recv(monitor, head, sizeof head, ZMQ_DONTWAIT) != sizeof head) {
        return false;
    }
    memcpy(&event->id, head, sizeof event->id);
    memcpy(&event->value, head + sizeof event->id, sizeof event->value);
    (void)zmq_recv(monitor, address, sizeof address, ZMQ_DONTWAIT);
    return true;
}

void connection_watch(struct connection *c)
{
    struct event event;
    while (next_event(c->monitor, &event)) {
        switch (event.id) {
        case ZMQ_EVENT_DISCONNECTED:
            c->epoch++;
            break;
        case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
            c->handshake_failed = false;
            break;
        case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
            c->refusals += event.value == ZAP_DENIED ? 1 : 0; /* else its ZAP handler is ill */
            c->handshake_failed = true;
            break;
        default:
            c->handshake_failed = true;
            break;
        }
    }
}

bool connection_send(struct connection *c, struct span message)
{
    int n;
    do {
        n = zmq_send(c->dealer, message.ptr, message.len, ZMQ_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    return n >= 0;
}

bool connection_receive(struct connection *c, zmq_msg_t *msg)
{
    int n;
    do {
        n = zmq_msg_recv(msg, c->dealer, ZMQ_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    return n >= 0;
}

void connection_wait(struct connection *c, bool for_room, long timeout_ms)
{
    zmq_pollitem_t items[] = {
        {.socket = c->dealer, .events = (short)(ZMQ_POLLIN | (for_room ? ZMQ_POLLOUT : 0))},
        {.socket = c->monitor, .events = ZMQ_POLLIN},
    };
    (void)zmq_poll(items, sizeof items / sizeof *items, timeout_ms); /* EINTR: the caller looks */
}

static bool readable(void *socket)
{
    int events = 0;
    size_t len = sizeof events;
    return zmq_getsockopt(socket, ZMQ_EVENTS, &events, &len) == 0 && (events & ZMQ_POLLIN) != 0;
}

void connection_rearm(struct connection *c)
{
    uint64_t count;
    if (readable(c->dealer) || readable(c->monitor)) {
        (void)eventfd_write(c->wake_fd, 1);
    } else {
        (void)!read(c->wake_fd, &count, sizeof count);
    }
}
