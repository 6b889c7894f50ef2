/*
 * The client's interface: opening and closing, submitting, waiting. The way of each request is in
 * attempt.c. No thread of its own (libzmq has one a client).
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "service/client/client.h"

enum {
    ARENA_SIZE = (int)REQUEST_ARENA > (int)REPLY_ARENA ? (int)REQUEST_ARENA : (int)REPLY_ARENA,
    HWM_SPARE = 16, /* the socket's queues hold all requests, and probes */
};

static const uint64_t deadline_max_us = (uint64_t)24 * 3600 * CLIENT_US_PER_S;

/* -- opening and closing -- */

static enum status out_of_memory(char *detail, size_t size)
{
    (void)snprintf(detail, size, "memory or descriptors are out in this process");
    return STATUS_INTERNAL;
}

static enum status open_endpoints(struct ecka_client *c, const struct client_options *o,
                                  char error[static KEYFILE_ERROR_MAX])
{
    c->context = zmq_ctx_new();
    if (c->context == NULL || !poller_open(&c->poller)) {
        return out_of_memory(error, KEYFILE_ERROR_MAX);
    }
    for (size_t i = 0; i < o->count; i++) {
        struct endpoint *e = &c->endpoints[i];
        *e = (struct endpoint){.view = &c->views[i], .heartbeat = o->heartbeat, .epoch = 1};
        c->connections[i] = &e->connection;
        TRY(connection_open(&e->connection, c->context, o, i, (int)o->outstanding + HWM_SPARE,
                            error));
        c->endpoint_count++;
        if (!poller_add(&c->poller, &e->connection)) {
            return out_of_memory(error, KEYFILE_ERROR_MAX);
        }
    }
    return STATUS_OK;
}

static enum status client_init(struct ecka_client *c, const struct client_options *o,
                               char error[static KEYFILE_ERROR_MAX])
{
    c->default_deadline_us = o->deadline_us;
    c->arena_storage = aligned_alloc(16, ARENA_SIZE);
    if (c->arena_storage == NULL || pending_init(&c->pending, o->outstanding) != 0) {
        return out_of_memory(error, KEYFILE_ERROR_MAX);
    }
    arena_init(&c->arena, c->arena_storage, ARENA_SIZE);
    return open_endpoints(c, o, error);
}

static void client_free(struct ecka_client *c)
{
    for (size_t i = 0; i < c->endpoint_count; i++) {
        connection_close(&c->endpoints[i].connection);
    }
    while (c->context != NULL && zmq_ctx_term(c->context) != 0 && errno == EINTR) {
    }
    poller_close(&c->poller);
    pending_fini(&c->pending);
    reply_space_fini(&c->space);
    verifiers_free(c);
    free(c->arena_storage);
    free(c);
}

int ecka_open(struct ecka_client **out, const struct ecka_options *options, char *error,
              size_t error_len)
{
    char why[KEYFILE_ERROR_MAX] = "";
    struct client_options checked;
    struct ecka_client *c = NULL;
    enum status st = options_check(&checked, options, why);
    if (st == STATUS_OK) {
        c = calloc(1, sizeof *c);
        st = c != NULL ? STATUS_OK : out_of_memory(why, sizeof why);
    }
    if (st == STATUS_OK) {
        c->poller = (struct poller){-1, -1};
        st = client_init(c, &checked, why);
    }
    if (st != STATUS_OK && c != NULL) {
        client_free(c);
        c = NULL;
    }
    options_wipe(&checked);
    *out = c;
    if (error != NULL && error_len != 0) {
        (void)snprintf(error, error_len, "%s", why);
    }
    return (int)st;
}

void ecka_close(struct ecka_client **client)
{
    if (client == NULL || *client == NULL) {
        return;
    }
    struct ecka_client *c = *client;
    *client = NULL;
    c->closing = true;
    verifiers_close(c);
    struct pending_entry *e;
    while ((e = pending_first(&c->pending)) != NULL) {
        attempt_answer(c, e, ECKA_DISCONNECTED, "the client was closed before the answer came");
    }
    client_free(c);
}

/* -- waiting -- */

/* Everything that can be done without waiting; the number of answers given. */
static int turn(struct ecka_client *c)
{
    uint64_t now = client_now_us();
    for (size_t i = 0; i < c->endpoint_count; i++) {
        endpoint_watch(&c->endpoints[i], now);
    }
    int delivered = attempt_replies(c, now); /* before the losses: these came before them */
    for (size_t i = 0; i < c->endpoint_count; i++) {
        endpoint_pulse(&c->endpoints[i], now);
    }
    delivered += attempt_losses(c, now);
    delivered += attempt_refusals(c);
    delivered += attempt_expired(c, now); /* before the waiting: those had their time */
    attempt_waiting(c, now);
    return delivered;
}

/* When time alone makes work: a deadline, a pulse, an endpoint that is no longer to be left alone.
 */
static uint64_t next_at(const struct ecka_client *c)
{
    const struct pending_entry *first = pending_first(&c->pending);
    uint64_t at = first != NULL ? first->deadline : UINT64_MAX;
    for (size_t i = 0; i < c->endpoint_count; i++) {
        const struct policy_endpoint *view = &c->views[i];
        uint64_t pulse = endpoint_pulse_at(&c->endpoints[i]);
        at = pulse < at ? pulse : at;
        if (c->pending.waiting != 0 && view->up && !view->draining && view->busy_until != 0) {
            at = view->busy_until < at ? view->busy_until : at;
        }
    }
    return at;
}

/* Milliseconds from now, rounded up. */
static int until_ms(uint64_t at)
{
    uint64_t now = client_now_us();
    uint64_t left = at > now ? (at - now + CLIENT_US_PER_MS - 1) / CLIENT_US_PER_MS : 0;
    return left < INT_MAX ? (int)left : INT_MAX;
}

static uint32_t blocked(const struct ecka_client *c)
{
    uint32_t mask = 0;
    if (c->pending.waiting == 0) {
        return 0;
    }
    for (size_t i = 0; i < c->endpoint_count; i++) {
        mask |= c->views[i].blocked ? (uint32_t)1 << i : 0;
    }
    return mask;
}

static int wait_until(struct ecka_client *c, uint64_t until)
{
    int delivered;
    while ((delivered = turn(c)) == 0 && client_now_us() < until) {
        uint64_t at = next_at(c);
        poller_wait(c->connections, c->endpoint_count, blocked(c),
                    until_ms(at < until ? at : until));
    }
    return delivered;
}

static void rearm(struct ecka_client *c)
{
    if (c->fd_wanted) {
        poller_rearm(&c->poller, c->connections, c->endpoint_count, blocked(c));
    }
}

int ecka_poll(struct ecka_client *client, int timeout_ms)
{
    if (client->delivering) {
        return 0;
    }
    verifiers_flush(client);
    if (timeout_ms < 0 && client->pending.count == 0) {
        return 0;
    }
    uint64_t until = timeout_ms < 0
                         ? UINT64_MAX
                         : client_now_us() + (uint64_t)timeout_ms * (uint64_t)CLIENT_US_PER_MS;
    int delivered = wait_until(client, until);
    verifiers_flush(client); /* what callbacks added */
    rearm(client);
    return delivered;
}

size_t ecka_outstanding(const struct ecka_client *client)
{
    return client->pending.count;
}

int ecka_fd(struct ecka_client *client)
{
    client->fd_wanted = true;
    rearm(client);
    return client->poller.epoll_fd;
}

int ecka_wait_ms(const struct ecka_client *client)
{
    uint64_t at = next_at(client);
    if (verifiers_ready(client)) {
        return 0;
    }
    return at == UINT64_MAX ? -1 : until_ms(at);
}

int ecka_endpoint_state(const struct ecka_client *client, size_t index,
                        struct ecka_endpoint_state *state)
{
    if (index >= client->endpoint_count) {
        return ECKA_BAD_REQUEST;
    }
    const struct endpoint *e = &client->endpoints[index];
    uint64_t now = client_now_us();
    *state = (struct ecka_endpoint_state){
        .address = e->connection.address,
        .up = e->view->up,
        .draining = e->view->draining,
        .refused = e->connection.refused,
        .busy_us = e->view->busy_until > now ? e->view->busy_until - now : 0,
        .outstanding = e->view->outstanding,
        .sent = e->sent,
        .answered = e->answered,
        .retries = e->retries,
        .lost = e->lost,
        .silent = e->silent,
        .late = e->late,
    };
    return ECKA_OK;
}

/* -- sending -- */

static uint64_t absolute_deadline(const struct ecka_client *c, uint64_t deadline_us, uint64_t now)
{
    uint64_t d = deadline_us != 0 ? deadline_us : c->default_deadline_us;
    return now + (d < deadline_max_us ? d : deadline_max_us);
}

/* Nothing that time or the network did since the last turn is known yet: look, when it matters. */
static void look_for_endpoints(struct ecka_client *c, uint64_t now)
{
    for (size_t i = 0; i < c->endpoint_count; i++) {
        if (policy_usable(&c->views[i], now)) {
            return;
        }
    }
    for (size_t i = 0; i < c->endpoint_count; i++) {
        endpoint_watch(&c->endpoints[i], now);
    }
}

/* A request that is refused leaves nothing behind, and a sentence in detail. */
static int submit(struct ecka_client *c, const struct ecka_request *request,
                  struct pending_entry **out, char detail[static WIRE_DETAIL_MAX])
{
    uint64_t now = client_now_us();
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
    enum status st = request_encode(&c->arena, request, &e->frame, detail);
    if (st != STATUS_OK) {
        pending_remove(&c->pending, e);
        return (int)st;
    }
    look_for_endpoints(c, now);
    attempt_start(c, e, now);
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
        rearm(client); /* sending may have taken libzmq's signal */
    }
    return st;
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
        *reply = reply_local(NULL, request->op, st, detail);
    } else {
        e->capture = reply;
        e->arg = &answered;
        verifiers_flush(client);
        while (!answered) {
            (void)wait_until(client, UINT64_MAX);
        }
        rearm(client);
    }
    return *reply != NULL ? (*reply)->status : ECKA_INTERNAL;
}
