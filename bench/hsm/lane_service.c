/*
 * The lane `service`: requests of one item through an eckad, as a front-end sends them by libecka.
 * A thread is a client; what are sessions elsewhere are requests under way here.
 */
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/hsm/worker.h"
#include "providers/core/secret.h"
#include "service/client/ecka.h"

enum { POLL_MS = 1000, KEY_DATA_LEN = 32, SHARED_INFO_LEN = 19 };

struct hand;

struct under_way { /* a request */
    struct hand *hand;
    uint64_t sent_ns;
};

struct hand { /* of a thread */
    struct ecka_client *client;
    struct ecka_request request;
    struct ecka_sign_item sign;
    struct ecka_agree_item agree;
    uint8_t digest[ECKA_DIGEST_LEN], peer[ECKA_POINT_LEN], info[SHARED_INFO_LEN];
    struct thread_record *record, *out; /* of errors, and of what is counted */
    uint64_t ops;
    struct under_way places[SESSIONS_MAX], *free[SESSIONS_MAX];
    size_t free_n;
};

/* One status of a reply with one item. */
static int status_of(const struct ecka_reply *reply, enum ecka_op op)
{
    if (reply->status != ECKA_OK || reply->count != 1) {
        return reply->status != ECKA_OK ? reply->status : ECKA_INTERNAL;
    }
    return op == ECKA_SIGN ? reply->items.sign[0].status : reply->items.agree[0].status;
}

static unsigned long service_once(struct worker_thread *t)
{
    struct hand *h = t->state;
    struct ecka_reply *reply = NULL;
    atomic_store(&t->record->call, "ecka_call");
    const int rc = ecka_call(h->client, &h->request, &reply);
    const int status = reply != NULL ? status_of(reply, h->request.op) : rc;
    ecka_reply_free(&reply);
    return (unsigned long)status;
}

static void answered(void *arg, const struct ecka_reply *reply)
{
    struct under_way *place = arg;
    struct hand *h = place->hand;
    const int status = status_of(reply, h->request.op);
    if (status == ECKA_OK) {
        thread_done(h->out, clock_ns() - place->sent_ns);
        h->ops++;
    } else {
        thread_error(h->record, (unsigned long)status);
    }
    h->free[h->free_n++] = place;
}

static void submit_all(struct hand *h)
{
    while (h->free_n > 0) {
        struct under_way *place = h->free[h->free_n - 1];
        place->sent_ns = clock_ns();
        if (ecka_submit(h->client, &h->request, answered, place) != ECKA_OK) {
            return;
        }
        h->free_n--;
    }
}

/* So many under way until the time is over, then the last answers. */
static void service_closed(struct worker_thread *t, uint64_t ns, struct thread_record *out)
{
    struct hand *h = t->state;
    const uint64_t begin = clock_ns();
    h->ops = 0;
    h->out = out;
    atomic_store(&t->record->call, "ecka_poll");
    while (clock_ns() - begin < ns) {
        submit_all(h);
        (void)ecka_poll(h->client, POLL_MS);
    }
    const uint64_t ops = h->ops, took = clock_ns() - begin;
    while (ecka_outstanding(h->client) != 0) {
        (void)ecka_poll(h->client, POLL_MS);
    }
    out->ops[t->w->shared->batch] = ops;
    out->ns[t->w->shared->batch] = took;
}

/* It has no use for the PIN. */
static bool service_open(struct worker *w)
{
    if (w->target->pin != NULL) {
        secret_wipe(w->target->pin, sizeof *w->target->pin);
    }
    return true;
}

/* Somebody's point, which nobody has a private key of any more. */
static bool make_peer(struct hand *h, enum curve curve)
{
    size_t len = 0;
    EVP_PKEY *key = EVP_EC_gen(curve == CURVE_P256 ? "prime256v1" : "brainpoolP256r1");
    const bool ok =
        key != NULL &&
        EVP_PKEY_get_octet_string_param(key, "pub", h->peer, sizeof h->peer, &len) == 1 &&
        len == sizeof h->peer;
    EVP_PKEY_free(key);
    return ok;
}

static void make_request(struct hand *h, const struct worker *w)
{
    const bool agrees = w->load->operation == OP_AGREE;
    h->sign = (struct ecka_sign_item){.digest = h->digest};
    h->agree = (struct ecka_agree_item){h->peer, {h->info, sizeof h->info}};
    h->request = (struct ecka_request){.op = agrees ? ECKA_AGREE : ECKA_SIGN, .count = 1};
    if (agrees) {
        h->request.items.agree = &h->agree;
        h->request.curve = (enum ecka_curve)w->load->curve;
        h->request.length = KEY_DATA_LEN;
        h->request.custody = ECKA_CUSTODY_TOKEN;
    } else {
        h->request.items.sign = &h->sign;
        h->request.key_label = w->target->service.sign_key;
    }
}

static bool service_join(struct worker *w, struct worker_thread *t)
{
    const struct service_target *s = &w->target->service;
    const struct ecka_options options = {
        .endpoints = {{.address = s->endpoint, .server_key = s->server_key}},
        .public_key = s->keys.public_key,
        .secret_key = s->keys.secret_key,
        .max_outstanding = SESSIONS_MAX};
    char error[FAILURE_TEXT_MAX];
    struct hand *h = calloc(1, sizeof *h);
    t->state = h;
    if (h == NULL || !make_peer(h, w->load->curve)) {
        return worker_failed(w, NULL, 0, false, "there is no memory");
    }
    memset(h->digest, 1, sizeof h->digest);
    make_request(h, w);
    h->record = h->out = t->record;
    for (unsigned i = 0; i < w->load->sessions; i++) {
        h->places[i].hand = h;
        h->free[h->free_n++] = &h->places[i];
    }
    return ecka_open(&h->client, &options, error, sizeof error) == ECKA_OK ||
           worker_failed(w, "ecka_open", 0, false, error);
}

static void service_leave(struct worker_thread *t)
{
    struct hand *h = t->state;
    ecka_close(&h->client);
}

static void service_close(struct worker *w)
{
    (void)w;
}

static const char *service_error_name(unsigned long code)
{
    return ecka_status_name((int)code);
}

/* eckad says UNAVAILABLE where no custodian can, and a custodian what its token lacks. */
static bool service_lacking(unsigned long code)
{
    return code == STATUS_CUSTODY_LACKING || code == STATUS_BAD_CURVE || code == STATUS_KEY_UNKNOWN;
}

const struct lane lane_service = {
    .open = service_open,
    .join = service_join,
    .once = service_once,
    .closed = service_closed,
    .leave = service_leave,
    .close = service_close,
    .error_name = service_error_name,
    .lacking = service_lacking,
};
