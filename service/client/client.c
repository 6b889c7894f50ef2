/*
 * The client: requests go out or wait for a connection, replies, deadlines and lost connections
 * come in, and every request is answered once. No thread of its own (libzmq has one for the
 * socket).
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "service/client/connection.h"
#include "service/client/pending.h"
#include "service/client/reply.h"
#include "service/client/request.h"

enum {
    US_PER_MS = 1000,
    US_PER_S = 1000 * 1000,
    DEFAULT_DEADLINE_US = 5 * US_PER_S,
    DEFAULT_OUTSTANDING = 256,
    ARENA_SIZE = (int)REQUEST_ARENA > (int)REPLY_ARENA ? (int)REQUEST_ARENA : (int)REPLY_ARENA,
};

static const uint64_t deadline_max_us = (uint64_t)24 * 3600 * US_PER_S;

struct ecka_client {
    struct connection connection;
    struct pending pending;
    uint64_t answered_epoch; /* connections lost and refusals that pending requests know of */
    uint64_t answered_refusals;
    size_t waiting; /* requests not sent yet */
    uint64_t default_deadline_us;
    bool delivering; /* inside a callback: what waits must not be called */
    bool closing;
    char *endpoint;
    struct arena arena; /* one message at a time, either way */
    void *arena_storage;
    uint8_t *frame; /* WIRE_FRAME_MAX */
};

static uint64_t now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * US_PER_S + (uint64_t)t.tv_nsec / 1000;
}

/* -- opening -- */

static int client_init(struct ecka_client *c, const struct ecka_options *o, char *error)
{
    size_t outstanding = o->max_outstanding != 0 ? o->max_outstanding : DEFAULT_OUTSTANDING;
    if (outstanding > PENDING_MAX) {
        (void)snprintf(error, KEYFILE_ERROR_MAX, "max_outstanding is %zu, the limit is %d",
                       outstanding, PENDING_MAX);
        return ECKA_BAD_REQUEST;
    }
    c->default_deadline_us =
        o->default_deadline_us != 0 ? o->default_deadline_us : DEFAULT_DEADLINE_US;
    enum status st = connection_open(&c->connection, o, (int)outstanding, error);
    if (st != STATUS_OK) {
        return (int)st;
    }
    c->answered_epoch = c->connection.epoch;
    c->endpoint = strdup(o->endpoint);
    c->arena_storage = aligned_alloc(16, ARENA_SIZE);
    c->frame = malloc(WIRE_FRAME_MAX);
    if (c->endpoint == NULL || c->arena_storage == NULL || c->frame == NULL ||
        pending_init(&c->pending, outstanding) != 0) {
        (void)snprintf(error, KEYFILE_ERROR_MAX, "memory is out");
        return STATUS_INTERNAL;
    }
    arena_init(&c->arena, c->arena_storage, ARENA_SIZE);
    return ECKA_OK;
}

static void client_free(struct ecka_client *c)
{
    connection_close(&c->connection);
    pending_fini(&c->pending);
    free(c->endpoint);
    free(c->arena_storage);
    free(c->frame);
    free(c);
}

int ecka_open(struct ecka_client **out, const struct ecka_options *options, char *error,
              size_t error_len)
{
    char why[KEYFILE_ERROR_MAX] = "";
    int st = STATUS_INTERNAL;
    *out = NULL;
    struct ecka_client *c = calloc(1, sizeof *c);
    if (c == NULL) {
        (void)snprintf(why, sizeof why, "memory is out");
    } else {
        c->connection.epoll_fd = c->connection.wake_fd = -1;
        st = client_init(c, options, why);
        if (st == ECKA_OK) {
            *out = c;
        } else {
            client_free(c);
        }
    }
    if (error != NULL && error_len != 0) {
        (void)snprintf(error, error_len, "%s", why);
    }
    return st;
}

/* -- answering -- */

/* Gives the entry its one answer and its slot back. The callback may submit again. */
static void deliver(struct ecka_client *c, struct pending_entry *e, struct ecka_reply *reply)
{
    static const struct ecka_reply out_of_memory = {.status = STATUS_INTERNAL,
                                                    .detail = "memory is out in this process"};
    ecka_callback *callback = e->callback;
    void *arg = e->arg;
    struct ecka_reply **capture = e->capture;
    c->waiting -= e->epoch == 0 ? 1 : 0;
    pending_remove(&c->pending, e);
    if (capture != NULL) {
        *capture = reply;
        *(bool *)arg = true;
        return;
    }
    bool nested = c->delivering;
    c->delivering = true;
    callback(arg, reply != NULL ? reply : &out_of_memory);
    c->delivering = nested;
    ecka_reply_free(&reply);
}

static void answer(struct ecka_client *c, struct pending_entry *e, int status, const char *detail)
{
    deliver(c, e, reply_local(e->op, status, detail));
}

/* A message from the server; whether it answered a request. Late and unreadable ones are dropped.
 */
static bool take_message(struct ecka_client *c, struct span message)
{
    Ecka__V1__Reply *msg;
    arena_reset(&c->arena);
    if (wire_reply_decode(&c->arena, message, &msg) != STATUS_OK) {
        return false;
    }
    struct pending_entry *e = pending_find(&c->pending, msg->id);
    if (e == NULL || e->epoch == 0) { /* nobody answers what was not sent */
        return false;
    }
    if (wire_reply_check(msg, request_wire_op(e->op), (uint32_t)e->items) != STATUS_OK) {
        answer(c, e, STATUS_INTERNAL, "the server's reply does not fit the request");
    } else {
        deliver(c, e, reply_from_wire(msg, e->op, e->items));
    }
    return true;
}

/* At most as many as may be outstanding, so that callbacks that submit cannot keep us here. */
static int take_messages(struct ecka_client *c)
{
    int delivered = 0;
    zmq_msg_t msg;
    (void)zmq_msg_init(&msg);
    for (size_t i = 0; i < c->pending.cap && connection_receive(&c->connection, &msg); i++) {
        if (zmq_msg_more(&msg) == 0) {
            delivered += take_message(c, span_of(zmq_msg_data(&msg), zmq_msg_size(&msg))) ? 1 : 0;
        }
    }
    (void)zmq_msg_close(&msg);
    return delivered;
}

/* Answers what was sent before the connection in use, and, once refused, what was not sent. */
static int answer_lost(struct ecka_client *c)
{
    uint64_t epoch = c->connection.epoch;
    bool refused = c->connection.refusals != c->answered_refusals;
    if (epoch == c->answered_epoch && !refused) {
        return 0;
    }
    c->answered_epoch = epoch;
    c->answered_refusals = c->connection.refusals;
    int delivered = 0;
    uint64_t before = now_us(); /* callbacks may submit: theirs are not meant */
    for (size_t i = 0; i < c->pending.cap; i++) {
        struct pending_entry *e = &c->pending.entries[i];
        if (e->id == 0 || e->submitted > before) {
            continue;
        }
        if (e->epoch != 0 && e->epoch < epoch) {
            answer(c, e, ECKA_DISCONNECTED,
                   "the connection was lost; the request may have been carried out");
            delivered++;
        } else if (e->epoch == 0 && refused) {
            answer(c, e, ECKA_DISCONNECTED,
                   "the server refuses this client's key; add its public key to a principal there");
            delivered++;
        }
    }
    return delivered;
}

static void answer_unsent(struct ecka_client *c, struct pending_entry *e)
{
    char detail[WIRE_DETAIL_MAX];
    const char *why =
        c->connection.handshake_failed ? ": the handshake failed; check the server's key" : "";
    (void)snprintf(detail, sizeof detail, "no connection to %.60s within the deadline%s",
                   c->endpoint, why);
    answer(c, e, ECKA_DISCONNECTED, detail);
}

static int answer_expired(struct ecka_client *c)
{
    int delivered = 0;
    uint64_t now = now_us(); /* fixed: what a callback submits now expires later */
    struct pending_entry *e;
    while ((e = pending_first(&c->pending)) != NULL && e->deadline <= now) {
        if (e->epoch == 0) {
            answer_unsent(c, e);
        } else {
            answer(c, e, ECKA_DEADLINE, "no answer came within the deadline");
        }
        delivered++;
    }
    return delivered;
}

/* -- sending -- */

/* Appends the time left and sends; frame has REQUEST_DEADLINE_MAX bytes to spare behind len. */
static bool send_frame(struct ecka_client *c, struct pending_entry *e, uint8_t *frame, size_t len)
{
    uint64_t now = now_us();
    uint64_t left =
        e->deadline > now ? e->deadline - now : 1; /* 0 would mean the server's default */
    len += request_deadline_field(left, frame + len);
    if (!connection_send(&c->connection, span_of(frame, len))) {
        return false;
    }
    e->epoch = c->connection.epoch;
    return true;
}

static bool hold_frame(struct ecka_client *c, struct pending_entry *e, size_t len)
{
    e->frame = malloc(len + REQUEST_DEADLINE_MAX);
    if (e->frame == NULL) {
        return false;
    }
    memcpy(e->frame, c->frame, len);
    e->frame_len = len;
    c->waiting++;
    return true;
}

/* Sends what waited, by slot; it is rare and short-lived, so a scan does. */
static void send_waiting(struct ecka_client *c)
{
    for (size_t i = 0; c->waiting != 0 && i < c->pending.cap; i++) {
        struct pending_entry *e = &c->pending.entries[i];
        if (e->id == 0 || e->epoch != 0) {
            continue;
        }
        if (!send_frame(c, e, e->frame, e->frame_len)) {
            return;
        }
        c->waiting--;
        free(e->frame);
        e->frame = NULL;
    }
}

static uint64_t absolute_deadline(const struct ecka_client *c, uint64_t deadline_us, uint64_t now)
{
    uint64_t d = deadline_us != 0 ? deadline_us : c->default_deadline_us;
    return now + (d < deadline_max_us ? d : deadline_max_us);
}

/* BAD_REQUEST and BUSY leave nothing behind, and a sentence in detail. */
static int submit(struct ecka_client *c, const struct ecka_request *request,
                  struct pending_entry **out, char detail[static WIRE_DETAIL_MAX])
{
    uint64_t now = now_us();
    size_t len;
    struct pending_entry *e =
        pending_add(&c->pending, absolute_deadline(c, request->deadline_us, now));
    if (e == NULL) {
        (void)snprintf(detail, WIRE_DETAIL_MAX,
                       "%zu requests are outstanding, the limit set by max_outstanding",
                       c->pending.count);
        return ECKA_BUSY;
    }
    e->op = request->op;
    e->items = request->count;
    e->submitted = now;
    enum status st = request_encode(&c->arena, request, e->id, c->frame, &len, detail);
    if (st == STATUS_OK) {
        connection_watch(&c->connection); /* so that the epoch noted is that of this connection */
        bool in_turn = c->waiting == 0;
        if (!(in_turn && send_frame(c, e, c->frame, len)) && !hold_frame(c, e, len)) {
            (void)snprintf(detail, WIRE_DETAIL_MAX, "memory is out in this process");
            st = STATUS_INTERNAL;
        }
    }
    if (st != STATUS_OK) {
        pending_remove(&c->pending, e);
        return (int)st;
    }
    *out = e;
    return ECKA_OK;
}

int ecka_submit(struct ecka_client *client, const struct ecka_request *request,
                ecka_callback *callback, void *arg)
{
    char detail[WIRE_DETAIL_MAX];
    struct pending_entry *e;
    if (callback == NULL) {
        return ECKA_BAD_REQUEST;
    }
    if (client->closing) {
        return ECKA_DISCONNECTED;
    }
    int st = submit(client, request, &e, detail);
    if (st == ECKA_OK) {
        e->callback = callback;
        e->arg = arg;
        connection_rearm(&client->connection); /* sending may have taken libzmq's signal */
    }
    return st;
}

/* -- waiting -- */

/* Everything that can be done without waiting; the number of answers given. */
static int turn(struct ecka_client *c)
{
    connection_watch(&c->connection);
    int delivered = take_messages(c); /* before the lost ones: these came before the loss */
    delivered += answer_lost(c);
    send_waiting(c);
    return delivered + answer_expired(c);
}

/* Milliseconds until the time or the first deadline, whichever is sooner; rounded up. */
static long wait_ms(const struct ecka_client *c, uint64_t until)
{
    const struct pending_entry *first = pending_first(&c->pending);
    uint64_t now = now_us();
    uint64_t at = first != NULL && first->deadline < until ? first->deadline : until;
    uint64_t left = at > now ? (at - now + US_PER_MS - 1) / US_PER_MS : 0;
    return left < INT_MAX ? (long)left : INT_MAX;
}

static int wait_until(struct ecka_client *c, uint64_t until)
{
    int delivered;
    while ((delivered = turn(c)) == 0 && now_us() < until) {
        connection_wait(&c->connection, c->waiting != 0, wait_ms(c, until));
    }
    return delivered;
}

int ecka_poll(struct ecka_client *client, int timeout_ms)
{
    if (client->delivering || (timeout_ms < 0 && client->pending.count == 0)) {
        return 0;
    }
    uint64_t until =
        timeout_ms < 0 ? UINT64_MAX : now_us() + (uint64_t)timeout_ms * (uint64_t)US_PER_MS;
    int delivered = wait_until(client, until);
    connection_rearm(&client->connection);
    return delivered;
}

int ecka_call(struct ecka_client *client, const struct ecka_request *request,
              struct ecka_reply **reply)
{
    char detail[WIRE_DETAIL_MAX] = "ecka_call must not be called from a callback";
    struct pending_entry *e;
    bool answered = false;
    *reply = NULL;
    int st = client->delivering ? ECKA_BAD_REQUEST : submit(client, request, &e, detail);
    if (st != ECKA_OK) {
        *reply = reply_local(request->op, st, detail);
    } else {
        e->capture = reply;
        e->arg = &answered;
        while (!answered) {
            (void)wait_until(client, UINT64_MAX);
        }
        connection_rearm(&client->connection);
    }
    return *reply != NULL ? (*reply)->status : STATUS_INTERNAL;
}

void ecka_close(struct ecka_client **client)
{
    if (client == NULL || *client == NULL) {
        return;
    }
    struct ecka_client *c = *client;
    *client = NULL;
    c->closing = true;
    struct pending_entry *e;
    while ((e = pending_first(&c->pending)) != NULL) {
        answer(c, e, ECKA_DISCONNECTED, "the client was closed before the answer came");
    }
    client_free(c);
}

size_t ecka_outstanding(const struct ecka_client *client)
{
    return client->pending.count;
}

int ecka_fd(const struct ecka_client *client)
{
    return client->connection.epoll_fd;
}
