#include "smsr/transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

#include "smsr/clock.h"
#include "smsr/random.h"

enum {
    SOCKETS_MAX = 32, /* peers and those that have asked to be answered */
    SEND_HWM = 20000, /* messages that wait for one peer to read */
    LINGER_MS = 200,  /* for the last ones to leave */
    RECONNECT_MS = 50,
    RETRY_MS = 5,
    WAITING_MAX = 10000,
    WAITING_US = 1000000, /* then its party has said it again, or will */
    PER_MILLE = 1000,
};

struct peer {
    char endpoint[REPLY_TO_MAX];
    void *socket;
};

struct waiting { /* a message whose peer is not connected yet */
    struct waiting *next;
    uint64_t give_up_us;
    enum party to;
    char endpoint[REPLY_TO_MAX];
    size_t len;
    uint8_t bytes[];
};

struct transport {
    struct waiting *waiting;
    size_t waiting_count;
    void *context, *pull;
    const char *listen;
    struct peer sockets[SOCKETS_MAX];
    size_t count;
    const char *peers[PARTY_COUNT][TRANSPORT_PEERS_MAX];
    size_t turn[PARTY_COUNT];
    unsigned lose_per_mille;
    uint64_t random;
};

static bool local(const char *endpoint)
{
    static const char *const prefixes[] = {"ipc://", "tcp://127.0.0.1:", "tcp://[::1]:"};
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        if (strncmp(endpoint, prefixes[i], strlen(prefixes[i])) == 0) {
            return strlen(endpoint) < REPLY_TO_MAX;
        }
    }
    return false;
}

static bool complain(const char *what, const char *endpoint, const char *why)
{
    fprintf(stderr, "smsr-change: %s %s: %s\n", what, endpoint, why);
    return false;
}

bool transport_open(struct transport **out, const struct transport_options *options)
{
    struct transport *t = calloc(1, sizeof(*t));
    *out = t;
    if (t == NULL) {
        return false;
    }
    memcpy(t->peers, options->peers, sizeof(t->peers));
    t->listen = options->listen;
    t->lose_per_mille = options->lose_per_mille;
    t->random = options->seed;
    t->context = zmq_ctx_new();
    t->pull = t->context != NULL ? zmq_socket(t->context, ZMQ_PULL) : NULL;
    bool ok = t->pull != NULL && (local(options->listen) ||
                                  complain("listen", options->listen, "neither ipc nor loopback"));
    int hwm = SEND_HWM;
    ok = ok && zmq_setsockopt(t->pull, ZMQ_RCVHWM, &hwm, sizeof(hwm)) == 0 &&
         (zmq_bind(t->pull, options->listen) == 0 ||
          complain("listen", options->listen, zmq_strerror(zmq_errno())));
    if (!ok) {
        transport_close(out);
    }
    return ok;
}

void transport_close(struct transport **transport)
{
    if (*transport == NULL) {
        return;
    }
    while ((*transport)->waiting != NULL) {
        struct waiting *w = (*transport)->waiting;
        (*transport)->waiting = w->next;
        free(w);
    }
    for (size_t i = 0; i < (*transport)->count; i++) {
        (void)zmq_close((*transport)->sockets[i].socket);
    }
    if ((*transport)->pull != NULL) {
        (void)zmq_close((*transport)->pull);
    }
    if ((*transport)->context != NULL) {
        (void)zmq_ctx_term((*transport)->context);
    }
    free(*transport);
    *transport = NULL;
}

static void *connect_to(struct transport *t, const char *endpoint)
{
    int hwm = SEND_HWM, linger = LINGER_MS, reconnect = RECONNECT_MS, immediate = 1;
    void *socket = zmq_socket(t->context, ZMQ_PUSH);
    /* immediate: nothing queues for a peer that is not there, so that another one gets it. */
    bool ok = socket != NULL && zmq_setsockopt(socket, ZMQ_SNDHWM, &hwm, sizeof(hwm)) == 0 &&
              zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof(linger)) == 0 &&
              zmq_setsockopt(socket, ZMQ_RECONNECT_IVL, &reconnect, sizeof(reconnect)) == 0 &&
              zmq_setsockopt(socket, ZMQ_IMMEDIATE, &immediate, sizeof(immediate)) == 0 &&
              zmq_connect(socket, endpoint) == 0;
    if (!ok && socket != NULL) {
        (void)zmq_close(socket);
    }
    return ok ? socket : NULL;
}

static void *socket_to(struct transport *t, const char *endpoint)
{
    for (size_t i = 0; i < t->count; i++) {
        if (strcmp(t->sockets[i].endpoint, endpoint) == 0) {
            return t->sockets[i].socket;
        }
    }
    if (t->count == SOCKETS_MAX || !local(endpoint)) {
        return NULL;
    }
    struct peer *p = &t->sockets[t->count];
    p->socket = connect_to(t, endpoint);
    if (p->socket == NULL) {
        return NULL;
    }
    (void)snprintf(p->endpoint, sizeof(p->endpoint), "%s", endpoint);
    t->count++;
    return p->socket;
}

static bool push(struct transport *t, const char *endpoint, struct span bytes)
{
    void *socket = socket_to(t, endpoint);
    return socket != NULL && zmq_send(socket, bytes.ptr, bytes.len, ZMQ_DONTWAIT) >= 0;
}

/* To the one that asked; when it is gone, or nobody did, to one that plays the party. */
static bool push_out(struct transport *t, enum party to, const char *endpoint, struct span bytes)
{
    if (endpoint[0] != '\0' && push(t, endpoint, bytes)) {
        return true;
    }
    size_t count = 0;
    while (count < TRANSPORT_PEERS_MAX && t->peers[to][count] != NULL) {
        count++;
    }
    for (size_t i = 0; i < count; i++) {
        if (push(t, t->peers[to][t->turn[to]++ % count], bytes)) {
            return true;
        }
    }
    return false;
}

static void wait_for_peer(struct transport *t, const struct message *m, struct span bytes)
{
    struct waiting *w = t->waiting_count < WAITING_MAX ? malloc(sizeof(*w) + bytes.len) : NULL;
    if (w == NULL) {
        return; /* lost */
    }
    w->give_up_us = clock_us() + WAITING_US;
    w->to = m->to;
    memcpy(w->endpoint, m->reply_to, sizeof(w->endpoint));
    w->len = bytes.len;
    memcpy(w->bytes, bytes.ptr, bytes.len);
    w->next = t->waiting;
    t->waiting = w;
    t->waiting_count++;
}

/* Tries what waits once more, and drops what has waited too long. */
static void flush_waiting(struct transport *t)
{
    uint64_t now_us = t->waiting != NULL ? clock_us() : 0;
    for (struct waiting **at = &t->waiting; *at != NULL;) {
        struct waiting *w = *at;
        if (w->give_up_us <= now_us || push_out(t, w->to, w->endpoint, span_of(w->bytes, w->len))) {
            *at = w->next;
            t->waiting_count--;
            free(w);
        } else {
            at = &w->next;
        }
    }
}

void transport_send(struct transport *t, const struct message *m)
{
    uint8_t bytes[MESSAGE_BYTES_MAX];
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct message out = *m;
    (void)snprintf(out.reply_to, sizeof(out.reply_to), "%s", t->listen);
    if (message_put(&w, &out) != STATUS_OK ||
        random_below(&t->random, PER_MILLE) < t->lose_per_mille) {
        return;
    }
    if (!push_out(t, m->to, m->reply_to, writer_span(&w))) {
        wait_for_peer(t, m, writer_span(&w));
    }
}

bool transport_receive(struct transport *t, struct message *out)
{
    uint8_t bytes[MESSAGE_BYTES_MAX];
    int len;
    while ((len = zmq_recv(t->pull, bytes, sizeof(bytes), ZMQ_DONTWAIT)) >= 0) {
        if ((size_t)len <= sizeof(bytes) &&
            message_parse(span_of(bytes, (size_t)len), out) == STATUS_OK) {
            return true;
        }
        fprintf(stderr, "smsr-change: %s: what came is no message\n", t->listen);
    }
    return false;
}

void transport_wait(struct transport *t, int fd, int timeout_ms)
{
    flush_waiting(t);
    if (t->waiting != NULL && timeout_ms > RETRY_MS) {
        timeout_ms = RETRY_MS;
    }
    zmq_pollitem_t items[] = {{t->pull, 0, ZMQ_POLLIN, 0}, {NULL, fd, ZMQ_POLLIN, 0}};
    (void)zmq_poll(items, fd >= 0 ? 2 : 1, timeout_ms); /* a signal ends it, too */
}
