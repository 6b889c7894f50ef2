/*
 * The way of one request: to an endpoint, perhaps to another, and back as its one answer.
 *
 * An entry is at an endpoint (its epoch is that of the endpoint's connection then) or in the queue
 * of those that wait (epoch 0). Each attempt has its own id, so that an answer to a former one is
 * known as late. A reply, a lost connection and the deadline are the only ways on.
 */
#include <stdio.h>
#include <stdlib.h>

#include "service/client/client.h"

/* -- to an endpoint -- */

static bool send_to(struct ecka_client *c, struct pending_entry *e, size_t i, uint64_t now)
{
    struct endpoint *to = &c->endpoints[i];
    uint64_t left = e->deadline > now ? e->deadline - now : 1; /* 0 is the server's default */
    if (!endpoint_send(to, request_finish(&e->frame, e->id, left), now)) {
        return false;
    }
    e->endpoint = i;
    e->epoch = to->connection.epoch;
    e->attempts++;
    return true;
}

static size_t choose(const struct ecka_client *c, uint32_t avoid, uint64_t now)
{
    return policy_choose(c->views, c->endpoint_count, avoid, c->turn, now);
}

static bool send_somewhere(struct ecka_client *c, struct pending_entry *e, uint64_t now)
{
    size_t i;
    while ((i = choose(c, e->avoid, now)) != c->endpoint_count) {
        if (send_to(c, e, i, now)) {
            c->turn = (i + 1) % c->endpoint_count;
            return true;
        }
        c->views[i].blocked = true;
    }
    return false;
}

void attempt_start(struct ecka_client *c, struct pending_entry *e, uint64_t now)
{
    bool in_turn = c->pending.waiting == 0;
    if (!in_turn || !send_somewhere(c, e, now)) {
        pending_wait(&c->pending, e);
    }
}

void attempt_waiting(struct ecka_client *c, uint64_t now)
{
    struct pending_entry *next;
    for (struct pending_entry *e = c->pending.first_waiting;
         e != NULL && choose(c, 0, now) != c->endpoint_count; e = next) {
        next = e->next; /* one that avoids what is left does not hold up the others */
        if (send_somewhere(c, e, now)) {
            pending_unwait(&c->pending, e);
        }
    }
}

static void leave_endpoint(struct ecka_client *c, struct pending_entry *e)
{
    if (e->epoch != 0) {
        endpoint_release(&c->endpoints[e->endpoint]);
        e->epoch = 0;
    }
}

/* The attempt under way has ended with this status. Whether the request goes on. */
static bool goes_on(struct ecka_client *c, struct pending_entry *e, enum status status,
                    uint64_t now)
{
    size_t from = e->endpoint;
    uint32_t here = (uint32_t)1 << from;
    leave_endpoint(c, e);
    e->ended = (int)status;
    e->avoid |= status == STATUS_UNAVAILABLE ? here : 0;
    bool elsewhere = choose(c, e->avoid | here, now) != c->endpoint_count;
    if (!policy_again(status, e->attempts, elsewhere)) {
        return false;
    }
    c->endpoints[from].retries++;
    pending_renew(e);
    attempt_start(c, e, now);
    return true;
}

/* -- answering -- */

/* reply: NULL when memory is out. It is freed here, unless ecka_call takes it. */
static void deliver(struct ecka_client *c, struct pending_entry *e, struct ecka_reply *reply)
{
    static const struct ecka_reply out_of_memory = {.status = STATUS_INTERNAL,
                                                    .detail = "memory is out in this process"};
    ecka_callback *callback = e->callback;
    void *arg = e->arg;
    struct ecka_reply **capture = e->capture;
    leave_endpoint(c, e);
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
}

/* A reply for ecka_call is the caller's; a callback's is ours, and the next one takes its place. */
static struct reply_space *space_for(struct ecka_client *c, const struct pending_entry *e)
{
    return e->capture != NULL ? NULL : &c->space;
}

void attempt_answer(struct ecka_client *c, struct pending_entry *e, int status, const char *detail)
{
    deliver(c, e, reply_local(space_for(c, e), e->op, status, detail));
}

/* -- from an endpoint -- */

/* What a reply says about its endpoint rather than about its request. */
static void heed(struct endpoint *from, const Ecka__V1__Reply *msg, uint64_t now)
{
    endpoint_heard(from, now);
    if (msg->status == STATUS_DRAINING) {
        from->view->draining = true;
    } else if (msg->status == STATUS_BUSY) {
        from->view->busy_until = policy_busy_until(msg->retry_after_us, now);
    }
}

/* Whether the message answered a request. Unreadable ones are dropped, late ones counted. */
static bool take_message(struct ecka_client *c, size_t i, struct span message, uint64_t now)
{
    struct endpoint *from = &c->endpoints[i];
    Ecka__V1__Reply *msg;
    arena_reset(&c->arena);
    if (wire_reply_decode(&c->arena, message, &msg) != STATUS_OK) {
        return false;
    }
    heed(from, msg, now);
    if (msg->id == 0 || msg->id == ENDPOINT_PROBE_ID) { /* to no request of ours */
        return false;
    }
    struct pending_entry *e = pending_find(&c->pending, msg->id);
    if (e == NULL || e->epoch == 0 || e->endpoint != i) {
        from->late++;
        return false;
    }
    if (wire_reply_check(msg, request_wire_op(e->op), (uint32_t)e->items) != STATUS_OK) {
        attempt_answer(c, e, STATUS_INTERNAL, "the server's reply does not fit the request");
        return true;
    }
    if (msg->status != STATUS_OK && goes_on(c, e, (enum status)msg->status, now)) {
        return false;
    }
    from->answered++;
    deliver(c, e, reply_from_wire(space_for(c, e), msg, e->op, e->items));
    return true;
}

int attempt_replies(struct ecka_client *c, uint64_t now)
{
    int delivered = 0;
    zmq_msg_t msg;
    (void)zmq_msg_init(&msg);
    for (size_t i = 0; i < c->endpoint_count; i++) {
        /* at most as many as may be outstanding: callbacks that submit cannot keep us here */
        for (size_t n = 0; n < c->pending.cap && connection_receive(c->connections[i], &msg); n++) {
            if (zmq_msg_more(&msg) == 0) {
                struct span message = span_of(zmq_msg_data(&msg), zmq_msg_size(&msg));
                delivered += take_message(c, i, message, now) ? 1 : 0;
            }
        }
    }
    (void)zmq_msg_close(&msg);
    return delivered;
}

/* -- no answer -- */

static int lose(struct ecka_client *c, size_t i, uint64_t now)
{
    int delivered = 0;
    for (size_t slot = 0; slot < c->pending.cap; slot++) { /* rare, so a scan does */
        struct pending_entry *e = &c->pending.entries[slot];
        if (e->id == 0 || e->epoch == 0 || e->endpoint != i ||
            e->epoch >= c->endpoints[i].connection.epoch) {
            continue;
        }
        if (!goes_on(c, e, STATUS_DISCONNECTED, now)) {
            attempt_answer(c, e, ECKA_DISCONNECTED,
                           "connections were lost with this request under way, too many to try it "
                           "again; it may have been carried out");
            delivered++;
        }
    }
    return delivered;
}

int attempt_losses(struct ecka_client *c, uint64_t now)
{
    int delivered = 0;
    for (size_t i = 0; i < c->endpoint_count; i++) {
        delivered += endpoint_was_lost(&c->endpoints[i]) ? lose(c, i, now) : 0;
    }
    return delivered;
}

int attempt_refusals(struct ecka_client *c)
{
    bool news = false, all = true;
    for (size_t i = 0; i < c->endpoint_count; i++) {
        struct endpoint *e = &c->endpoints[i];
        news = news || e->refusals != e->connection.refusals;
        all = all && e->connection.refused;
        e->refusals = e->connection.refusals;
    }
    size_t waiting = news && all ? c->pending.waiting : 0; /* callbacks' own are not meant */
    for (size_t n = 0; n < waiting; n++) {
        attempt_answer(
            c, c->pending.first_waiting, ECKA_DISCONNECTED,
            "the server refuses this client's key; add its public key to a principal there");
    }
    return (int)waiting;
}

/* Why an entry that no endpoint has is still waiting. */
static int why_waiting(const struct ecka_client *c, const struct pending_entry *e, uint64_t now,
                       char detail[static WIRE_DETAIL_MAX])
{
    int status = e->ended != 0 ? e->ended : ECKA_DISCONNECTED;
    bool failed = false;
    for (size_t i = 0; i < c->endpoint_count; i++) {
        const struct policy_endpoint *view = &c->views[i];
        failed = failed || c->connections[i]->handshake_failed;
        if (e->ended == 0 && view->up) {
            status = view->draining ? ECKA_DRAINING : view->busy_until > now ? ECKA_BUSY : status;
        }
    }
    const char *why = failed ? "; a handshake failed: check the server's key" : "";
    if (status != ECKA_DISCONNECTED) {
        (void)snprintf(detail, WIRE_DETAIL_MAX, "no endpoint took it within the deadline%s", why);
    } else if (c->endpoint_count == 1) {
        (void)snprintf(detail, WIRE_DETAIL_MAX, "no connection to %.60s within the deadline%s",
                       c->connections[0]->address, why);
    } else {
        (void)snprintf(detail, WIRE_DETAIL_MAX,
                       "no connection to any of %zu endpoints within the deadline%s",
                       c->endpoint_count, why);
    }
    return status;
}

int attempt_expired(struct ecka_client *c, uint64_t now)
{
    int delivered = 0;
    struct pending_entry *e;
    /* now is fixed: what a callback submits meanwhile expires later */
    while ((e = pending_first(&c->pending)) != NULL && e->deadline <= now) {
        if (e->epoch != 0) {
            attempt_answer(c, e, ECKA_DEADLINE, "no answer came within the deadline");
        } else {
            char detail[WIRE_DETAIL_MAX];
            int status = why_waiting(c, e, now, detail);
            attempt_answer(c, e, status, detail);
        }
        delivered++;
    }
    return delivered;
}
