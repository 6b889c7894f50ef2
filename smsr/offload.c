#include "smsr/offload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smsr/clock.h"

enum {
    WINDOW_MIN = 256,
    BUSY_WAIT_US = 2000,    /* when BUSY says no time of its own */
    RETRY_WAIT_US = 100000, /* for a custodian to come back */
    ERROR_MAX = 200,
    US_PER_MS = 1000,
    US_PER_S = 1000000,
};

struct offload {
    struct ecka_client *client;
    struct eckad_call *queue; /* not sent yet, in no order */
};

bool offload_open(struct offload **out, const struct offload_options *options)
{
    char error[ERROR_MAX] = "";
    struct ecka_options o = {
        .key_file = options->key_file,
        .max_outstanding = options->window < WINDOW_MIN ? WINDOW_MIN : options->window,
    };
    memcpy(o.endpoints, options->endpoints, sizeof(o.endpoints));
    *out = calloc(1, sizeof(**out));
    if (*out == NULL) {
        return false;
    }
    if (ecka_open(&(*out)->client, &o, error, sizeof(error)) != ECKA_OK) {
        fprintf(stderr, "smsr-change: %s\n", error);
        free(*out);
        *out = NULL;
        return false;
    }
    return true;
}

void offload_close(struct offload **offload)
{
    if (*offload != NULL) {
        ecka_close(&(*offload)->client);
        free(*offload);
        *offload = NULL;
    }
}

static void enqueue(struct eckad_call *call, uint64_t due_us)
{
    call->due_us = due_us;
    call->next = call->offload->queue;
    call->offload->queue = call;
}

void offload_call(struct offload *offload, struct eckad_call *call)
{
    call->offload = offload;
    call->attempts = 0;
    call->give_up_us = clock_us() + (uint64_t)OFFLOAD_BUSY_S * US_PER_S;
    call->request.count = call->request.op == ECKA_INFO ? 0 : 1;
    enqueue(call, 0);
}

bool offload_cancel(struct offload *offload, struct eckad_call *call)
{
    for (struct eckad_call **at = &offload->queue; *at != NULL; at = &(*at)->next) {
        if (*at == call) {
            *at = call->next;
            return true;
        }
    }
    return false;
}

static int item_status(const struct ecka_reply *reply)
{
    if (reply->count == 0) {
        return ECKA_OK;
    }
    switch (reply->op) {
    case ECKA_VERIFY:
        return reply->items.verify[0];
    case ECKA_VERIFY_CHAIN:
        return reply->items.chain[0].status;
    case ECKA_ESTABLISH:
        return reply->items.establish[0].status;
    case ECKA_CONFIRM:
        return reply->items.confirm[0].status;
    case ECKA_SCP80_WRAP:
        return reply->items.wrap[0].status;
    case ECKA_SCP80_UNWRAP:
        return reply->items.unwrap[0].status;
    case ECKA_KEY_SET_CREATE:
        return reply->items.key_set_create[0].status;
    default:
        return ECKA_OK;
    }
}

/* Whether the call goes out once more; it is queued then. */
static bool retried(struct eckad_call *call, int status, uint64_t retry_after_us)
{
    uint64_t now = clock_us();
    if (status == ECKA_BUSY && now < call->give_up_us) {
        enqueue(call, now + (retry_after_us != 0 ? retry_after_us : BUSY_WAIT_US));
        return true;
    }
    /* A deadline has had its time, and without a connection libecka waited that long already. */
    if (status == ECKA_BUSY || status == ECKA_DEADLINE || status == ECKA_DISCONNECTED ||
        !ecka_status_retryable(status) || ++call->attempts >= OFFLOAD_ATTEMPTS) {
        return false;
    }
    enqueue(call, now + RETRY_WAIT_US);
    return true;
}

static void answered(void *arg, const struct ecka_reply *reply)
{
    struct eckad_call *call = arg;
    int status = reply->status != ECKA_OK ? reply->status : item_status(reply);
    if (status == ECKA_OK || !retried(call, status, reply->retry_after_us)) {
        call->done(call->arg, status, reply->detail, reply->status == ECKA_OK ? reply : NULL);
    }
}

static void send_call(struct offload *offload, struct eckad_call *call)
{
    int status = ecka_submit(offload->client, &call->request, answered, call);
    if (status != ECKA_OK && !retried(call, status, 0)) {
        call->done(call->arg, status, "libecka refused the request", NULL);
    }
}

/* Sends what is due; returns how many ms until the next is, at most max_ms. */
static int flush(struct offload *offload, int max_ms)
{
    uint64_t now = clock_us();
    struct eckad_call *due = offload->queue;
    offload->queue = NULL; /* callbacks and retries fill it anew */
    while (due != NULL) {
        struct eckad_call *call = due;
        due = call->next;
        if (call->due_us <= now) {
            send_call(offload, call);
        } else {
            enqueue(call, call->due_us);
        }
    }
    for (const struct eckad_call *c = offload->queue; c != NULL; c = c->next) {
        uint64_t wait_ms = c->due_us > now ? (c->due_us - now) / US_PER_MS + 1 : 0;
        if (wait_ms < (uint64_t)max_ms) {
            max_ms = (int)wait_ms;
        }
    }
    return max_ms;
}

int offload_fd(struct offload *offload)
{
    return ecka_fd(offload->client);
}

void offload_poll(struct offload *offload, int max_ms)
{
    int wait_ms = flush(offload, max_ms);
    ecka_poll(offload->client, wait_ms);
}
