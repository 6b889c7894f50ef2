#include "service/client/connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/wire/limits.h"

enum {
    RECONNECT_MS = 50,       /* a restarted eckad is found soon */
    RECONNECT_MAX_MS = 1000, /* and one that stays away is not hammered */
    CONNECT_MS = 5000,       /* a host that says nothing at all is tried again */
    HANDSHAKE_MS = 5000,     /* a server that accepts and says nothing is given up on */
    US_PER_MS = 1000,
    ZAP_DENIED = 400, /* RFC 27/ZAP: this key may not */
    MONITOR_EVENTS = ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED |
                     ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                     ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL,
};

static enum status refuse(char *error, const char *address, const char *what)
{
    (void)snprintf(error, KEYFILE_ERROR_MAX, "%.200s: %s: %s", address, what, zmq_strerror(errno));
    return STATUS_BAD_REQUEST;
}

/* -- opening and closing -- */

static bool set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

static bool set_options(void *dealer, const struct client_options *o, int hwm)
{
    const int64_t max_message = WIRE_FRAME_MAX;
    return set_int(dealer, ZMQ_LINGER, 0) && set_int(dealer, ZMQ_IMMEDIATE, 1) &&
           set_int(dealer, ZMQ_IPV6, 1) && set_int(dealer, ZMQ_SNDHWM, hwm) &&
           set_int(dealer, ZMQ_RCVHWM, hwm) && set_int(dealer, ZMQ_RECONNECT_IVL, RECONNECT_MS) &&
           set_int(dealer, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS) &&
           set_int(dealer, ZMQ_CONNECT_TIMEOUT, CONNECT_MS) &&
           set_int(dealer, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS) &&
           set_int(dealer, ZMQ_HEARTBEAT_IVL, (int)(o->heartbeat.interval / US_PER_MS)) &&
           set_int(dealer, ZMQ_HEARTBEAT_TIMEOUT, (int)(o->heartbeat.timeout / US_PER_MS)) &&
           zmq_setsockopt(dealer, ZMQ_MAXMSGSIZE, &max_message, sizeof max_message) == 0;
}

static bool set_keys(void *dealer, const char *server, const struct curve_key_pair *own)
{
    return zmq_setsockopt(dealer, ZMQ_CURVE_SERVERKEY, server, KEYFILE_Z85_SIZE) == 0 &&
           zmq_setsockopt(dealer, ZMQ_CURVE_PUBLICKEY, own->public_key, KEYFILE_Z85_SIZE) == 0 &&
           zmq_setsockopt(dealer, ZMQ_CURVE_SECRETKEY, own->secret_key, KEYFILE_Z85_SIZE) == 0;
}

static bool open_sockets(struct connection *c, void *context, size_t i,
                         const struct client_options *options, int hwm)
{
    char monitor[32]; /* the context is the client's alone, the number the endpoint's */
    (void)snprintf(monitor, sizeof monitor, "inproc://ecka-monitor-%zu", i);
    c->dealer = zmq_socket(context, ZMQ_DEALER);
    c->monitor = zmq_socket(context, ZMQ_PAIR);
    return c->dealer != NULL && c->monitor != NULL && set_options(c->dealer, options, hwm) &&
           set_int(c->monitor, ZMQ_LINGER, 0) &&
           zmq_socket_monitor(c->dealer, monitor, MONITOR_EVENTS) == 0 &&
           zmq_connect(c->monitor, monitor) == 0;
}

enum status connection_open(struct connection *out, void *context,
                            const struct client_options *options, size_t i, int hwm,
                            char error[static KEYFILE_ERROR_MAX])
{
    const struct options_endpoint *e = &options->endpoints[i];
    enum status st = STATUS_OK;
    *out = (struct connection){.epoch = 1, .address = strdup(e->address)};
    if (out->address == NULL || !open_sockets(out, context, i, options, hwm)) {
        st = refuse(error, e->address, "no socket can be made");
    } else if (!set_keys(out->dealer, e->server_key, &options->own)) {
        st = refuse(error, e->address, "libzmq does not take the CURVE keys");
    } else if (zmq_connect(out->dealer, e->address) != 0) {
        st = refuse(error, e->address, "this endpoint cannot be connected to");
    }
    if (st != STATUS_OK) {
        connection_close(out);
    }
    return st;
}

void connection_close(struct connection *c)
{
    if (c->dealer != NULL) {
        (void)zmq_socket_monitor(c->dealer, NULL, 0);
        (void)zmq_close(c->dealer);
    }
    if (c->monitor != NULL) {
        (void)zmq_close(c->monitor);
    }
    free(c->address);
    *c = (struct connection){0};
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

static void lost(struct connection *c)
{
    if (c->up) { /* libzmq also says DISCONNECTED where no handshake had succeeded */
        c->epoch++;
        c->up = false;
    }
}

void connection_watch(struct connection *c)
{
    struct event event;
    while (next_event(c->monitor, &event)) {
        switch (event.id) {
        case ZMQ_EVENT_DISCONNECTED:
            lost(c);
            break;
        case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
            c->up = true;
            c->handshakes++;
            c->refused = false;
            c->handshake_failed = false;
            break;
        default:
            c->refused = event.id == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH && event.value == ZAP_DENIED;
            c->refusals += c->refused ? 1 : 0; /* else its ZAP handler is ill */
            c->handshake_failed = true;
            break;
        }
    }
}

void connection_reset(struct connection *c)
{
    lost(c);
    /* Commands to the I/O thread keep their order: nothing of the old connection is reported after
     * something of the new one. Should libzmq refuse, its own heartbeat still ends the old one. */
    if (zmq_disconnect(c->dealer, c->address) == 0) {
        (void)zmq_connect(c->dealer, c->address);
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
