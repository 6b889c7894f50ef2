/*
 * Keys behind the service, for ecka.so: many threads over one libecka client.
 *
 * There is no thread here. Whoever waits for a signature and finds nobody at the connection leads:
 * it delivers everybody's answers until its own has come, and then wakes another that waits. The
 * client is touched under the lock alone; the leader lets go of it while it sleeps, so others send
 * meanwhile.
 */
#include "providers/ossl/remote_key.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "service/client/ecka.h"

enum { OUTSTANDING_MAX = 4096 };

struct call {
    pthread_cond_t changed;
    struct call *next;
    bool done;
    int status;
    uint8_t *signature;
    char *detail;
};

struct remote {
    pthread_mutex_t lock;
    struct remote_identity identity;
    struct ecka_client *client; /* NULL before the first call, and after a fork */
    bool led;
    struct call *waiting; /* not done */
};

/* Clients of a parent: their thread is not in this process, so they cannot be closed here. Kept,
 * because they are not lost, and the descriptors are closed by no one. */
static struct abandoned {
    struct abandoned *next;
    struct ecka_client *client;
} * abandoned;

enum status remote_new(struct remote **out, const struct remote_identity *identity)
{
    struct remote *r = calloc(1, sizeof *r);
    *out = r;
    if (r == NULL) {
        return STATUS_INTERNAL;
    }
    r->identity = *identity;
    (void)pthread_mutex_init(&r->lock, NULL);
    return STATUS_OK;
}

void remote_free(struct remote **remote)
{
    struct remote *r = *remote;
    if (r != NULL) {
        ecka_close(&r->client);
        (void)pthread_mutex_destroy(&r->lock);
        free(r);
        *remote = NULL;
    }
}

/* -- the connection; the lock is held -- */

static int open_locked(struct remote *r, char detail[static REMOTE_DETAIL_MAX])
{
    struct ecka_options options = {
        .key_file = r->identity.key_file,
        .default_deadline_us = r->identity.deadline_us,
        .max_outstanding = OUTSTANDING_MAX,
    };
    _Static_assert((int)REMOTE_ENDPOINTS_MAX <= (int)ECKA_ENDPOINTS_MAX, "each finds its place");
    for (size_t i = 0; i < REMOTE_ENDPOINTS_MAX; i++) {
        options.endpoints[i].address = r->identity.endpoints[i].address;
        options.endpoints[i].server_key_file = r->identity.endpoints[i].server_key_file;
    }
    return r->client != NULL ? ECKA_OK : ecka_open(&r->client, &options, detail, REMOTE_DETAIL_MAX);
}

static void answered(void *arg, const struct ecka_reply *reply)
{
    struct call *call = arg;
    call->status = reply->status;
    if (reply->status == ECKA_OK) {
        const struct ecka_sign_result *result = &reply->items.sign[0];
        call->status = result->status;
        memcpy(call->signature, result->signature, REMOTE_SIGNATURE_LEN);
    }
    (void)snprintf(call->detail, REMOTE_DETAIL_MAX, "%s", reply->detail);
    call->done = true;
    (void)pthread_cond_signal(&call->changed);
}

/* Delivers what has come, or sleeps until something may have, without the lock. */
static void lead_locked(struct remote *r)
{
    if (ecka_poll(r->client, 0) > 0) {
        return;
    }
    struct pollfd fd = {.fd = ecka_fd(r->client), .events = POLLIN};
    const int wait_ms = ecka_wait_ms(r->client);
    (void)pthread_mutex_unlock(&r->lock);
    (void)poll(&fd, 1, wait_ms);
    (void)pthread_mutex_lock(&r->lock);
}

static void remove_locked(struct remote *r, const struct call *call)
{
    struct call **at = &r->waiting;
    while (*at != call) {
        at = &(*at)->next;
    }
    *at = call->next;
}

static void wait_locked(struct remote *r, struct call *call)
{
    call->next = r->waiting;
    r->waiting = call;
    while (!call->done) {
        if (r->led) {
            (void)pthread_cond_wait(&call->changed, &r->lock);
            continue;
        }
        r->led = true;
        while (!call->done) {
            lead_locked(r);
        }
        r->led = false;
    }
    remove_locked(r, call);
    if (!r->led && r->waiting != NULL) {
        (void)pthread_cond_signal(&r->waiting->changed);
    }
}

enum status remote_sign(struct remote *r, const char *label,
                        const uint8_t digest[static REMOTE_DIGEST_LEN],
                        uint8_t signature[static REMOTE_SIGNATURE_LEN],
                        char detail[static REMOTE_DETAIL_MAX])
{
    const struct ecka_sign_item item = {digest};
    const struct ecka_request request = {
        .op = ECKA_SIGN, .count = 1, .items.sign = &item, .key_label = label};
    struct call call = {.signature = signature, .detail = detail};
    detail[0] = '\0';
    memset(signature, 0, REMOTE_SIGNATURE_LEN);
    (void)pthread_cond_init(&call.changed, NULL);
    (void)pthread_mutex_lock(&r->lock);
    call.status = open_locked(r, detail);
    if (call.status == ECKA_OK) {
        call.status = ecka_submit(r->client, &request, answered, &call);
    }
    if (call.status == ECKA_OK) {
        wait_locked(r, &call);
    }
    (void)pthread_mutex_unlock(&r->lock);
    (void)pthread_cond_destroy(&call.changed);
    return (enum status)call.status;
}

/* -- forks -- */

void remote_fork_prepare(struct remote *r)
{
    (void)pthread_mutex_lock(&r->lock);
}

void remote_fork_parent(struct remote *r)
{
    (void)pthread_mutex_unlock(&r->lock);
}

void remote_fork_child(struct remote *r)
{
    struct abandoned *a = r->client != NULL ? malloc(sizeof *a) : NULL;
    if (a != NULL) {
        *a = (struct abandoned){abandoned, r->client};
        abandoned = a;
    }
    r->client = NULL;
    r->led = false;
    r->waiting = NULL; /* those who waited are not in this process */
    (void)pthread_mutex_unlock(&r->lock);
}
