#include "service/dispatch.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "service/clock.h"
#include "service/observe/log.h"
#include "service/priority.h"
#include "service/withdraw.h"

/* -- replies -- */

static void send_failure(struct dispatch *d, struct span identity, uint64_t id, enum status s,
                         const char *detail, uint64_t retry_after_us)
{
    Ecka__V1__Reply reply = ECKA__V1__REPLY__INIT;
    reply.id = id;
    reply.status = (uint32_t)s;
    reply.detail = (char *)detail; /* only read */
    reply.retry_after_us = retry_after_us;
    (void)d->reply(d->reply_arg, identity, &reply, NULL);
}

static void publish_jobs(struct dispatch *d, uint32_t principal)
{
    metric_set(&d->metrics->jobs, d->slab.in_use);
    metric_set(&d->metrics->principals[principal].jobs, d->slab.held[principal]);
}

/* With BUSY: when there will be room in the queues that the operation goes through. */
static uint64_t retry_after_us(const struct dispatch *d, enum wire_op op)
{
    enum batch_pool first = batch_pool_of(priority_first_kind(op));
    uint64_t after = drain_after_us(&d->drains[first], d->now_us);
    return op == WIRE_OP_ESTABLISH ? after + drain_after_us(&d->drains[POOL_CUSTODY], d->now_us)
                                   : after;
}

static void publish_all_jobs(struct dispatch *d)
{
    for (uint32_t p = 0; p < roster_count(&d->roster); p++) {
        publish_jobs(d, p);
    }
}

void dispatch_item_done(struct dispatch *d, struct job *job)
{
    if (--job->unanswered > 0) {
        return;
    }
    if (job->withdrawn) {
        withdraw_results(job);
    }
    metrics_answered(d->metrics, job, d->now_us);
    struct span identity = span_of(job->identity, job->identity_len);
    job_slab_answered(&d->slab, job);
    if (!d->reply(d->reply_arg, identity, job_reply(job), job)) {
        job_slab_release(&d->slab, job);
    }
    publish_jobs(d, job->principal_index);
}

static void item_fail(struct dispatch *d, struct batcher_item *item, enum status s)
{
    job_of(item)->results.status[item->index] = (uint8_t)s;
    dispatch_item_done(d, job_of(item));
}

/* -- in -- */

static void queue_item(struct dispatch *d, struct batcher_item *item, enum batch_kind kind)
{
    enum batch_pool pool = batch_pool_of(kind);
    if (pool == POOL_CUSTODY && d->lane_count == 0) {
        item_fail(d, item, STATUS_UNAVAILABLE);
        return;
    }
    if (batcher_push(&d->batcher, item, kind) != STATUS_OK) { /* it has room for the whole slab */
        item_fail(d, item, STATUS_INTERNAL);
        return;
    }
    drain_add(&d->drains[pool], d->now_us, 1);
}

static uint64_t deadline_of(const struct dispatch *d, const struct job *job, uint64_t now_us)
{
    const uint64_t max = (uint64_t)CONFIG_DEADLINE_MS_MAX * US_PER_MS;
    uint64_t left = job->request.msg->deadline_us;
    if (left == 0) {
        left = (uint64_t)d->config->default_deadline_ms * US_PER_MS;
    }
    return now_us + (left < max ? left : max);
}

/* Everything that can refuse a whole frame, before it costs anything. *after_us: with BUSY. */
static enum status admit(struct dispatch *d, const struct policy_principal *principal,
                         struct job *job, struct span frame, uint64_t *after_us,
                         char detail[static WIRE_DETAIL_MAX])
{
    TRY(wire_request_decode(&job->request_arena, frame, &job->request, detail));
    TRY(authz_request(principal, job->request.msg, detail));
    if (d->draining) {
        (void)snprintf(detail, WIRE_DETAIL_MAX, "%s", status_meaning(STATUS_DRAINING));
        return STATUS_DRAINING;
    }
    if (job->request.op == WIRE_OP_INFO) {
        return STATUS_OK;
    }
    if (job_prepare(job, deadline_of(d, job, job->received_us)) != STATUS_OK) {
        (void)snprintf(detail, WIRE_DETAIL_MAX, "the results would not fit a reply");
        return STATUS_BAD_REQUEST;
    }
    TRY(dispatch_quota(d, job, after_us, detail));
    *after_us = retry_after_us(d, job->request.op);
    TRY(job_slab_admit(&d->slab, job, detail));
    dispatch_quota_take(d, job);
    return STATUS_OK;
}

/* What eckad itself refuses for good goes into an audit log; what may be asked again does not. */
static void note_refusal(struct dispatch *d, const struct job *job, enum status s)
{
    const char *op = job->request.msg != NULL ? wire_op_name(job->request.op) : NULL;
    if (!status_retryable(s)) {
        notes_refused(&d->notes, job->principal != NULL ? job->principal->name : "",
                      op != NULL ? op : "request", s, 1);
    }
}

/* Each item that policy lets in waits; the others have their status. */
static void queue_items(struct dispatch *d, const struct policy_principal *principal,
                        struct job *job)
{
    enum batch_kind kind = priority_first_kind(job->request.op);
    struct batcher_item *items = job->group.items;
    job->unanswered++; /* so that it is not answered before the last of them was looked at */
    for (uint32_t i = 0; i < job->group.count; i++) {
        enum status s = authz_item(d->policy, principal, job->request.msg, i);
        if (s == STATUS_OK) {
            queue_item(d, &items[i], kind);
        } else {
            note_refusal(d, job, s);
            item_fail(d, &items[i], s);
        }
    }
    dispatch_item_done(d, job);
}

/* Who asks, into the landing job; NULL for a key that the policy does not hold. */
static const struct policy_principal *land(struct dispatch *d, struct job *job,
                                           const char key[static KEYFILE_Z85_LEN],
                                           struct span identity, uint64_t now_us)
{
    const struct policy_principal *principal = policy_of_key(d->policy, key);
    job->principal_index = principal != NULL ? principal->number : ROSTER_NOBODY;
    job->principal = principal != NULL ? &d->roster.entries[principal->number] : NULL;
    job->received_us = now_us;
    job->identity_len = identity.len;
    memcpy(job->identity, identity.ptr, identity.len);
    memcpy(job->key, key, sizeof(job->key));
    return principal;
}

/* A sentence may quote a name that the request brought, and end in the client's log. */
static void make_printable(char *text)
{
    for (; *text != '\0'; text++) {
        if (*text < ' ' || *text > '~') {
            *text = '?';
        }
    }
}

void dispatch_request(struct dispatch *d, const char key[static KEYFILE_Z85_LEN],
                      struct span identity, struct span frame, uint64_t now_us)
{
    char detail[WIRE_DETAIL_MAX] = "";
    struct job *job = job_slab_landing(&d->slab);
    d->now_us = now_us;
    if (identity.len > sizeof(job->identity)) {
        return; /* libzmq makes none */
    }
    const struct policy_principal *principal = land(d, job, key, identity, now_us);
    peers_add(&d->peers, identity);

    uint64_t after_us = 0;
    enum status s = admit(d, principal, job, frame, &after_us, detail);
    if (s != STATUS_OK) {
        uint64_t id = job->request.msg != NULL ? job->request.msg->id : 0;
        metrics_answered_at_once(d->metrics, job, s);
        make_printable(detail);
        note_refusal(d, job, s);
        send_failure(d, identity, id, s, detail, s == STATUS_BUSY ? after_us : 0);
        return;
    }
    if (job->request.op == WIRE_OP_INFO) {
        const Ecka__V1__Reply *reply = dispatch_info(d, job);
        metrics_answered_at_once(d->metrics, job, reply != NULL ? STATUS_OK : STATUS_NO_SPACE);
        if (reply != NULL) {
            (void)d->reply(d->reply_arg, identity, reply, NULL);
        } else {
            send_failure(d, identity, job->request.msg->id, STATUS_NO_SPACE, "Info does not fit",
                         0);
        }
        return;
    }
    publish_jobs(d, job->principal_index);
    queue_items(d, principal, job);
}

/* -- back -- */

/* An item is back from a worker or a lane: on to custody, or done. */
static void item_back(struct dispatch *d, struct batcher_item *item)
{
    struct job *job = job_of(item);
    if (item->kind == KIND_ESTABLISH_CHAIN && item->withdrawn == STATUS_OK &&
        job->results.status[item->index] == STATUS_OK) {
        queue_item(d, item, KIND_ESTABLISH);
        return;
    }
    dispatch_item_done(d, job);
}

/* Only custody lanes lose batches. */
static void item_lost(struct dispatch *d, struct batcher_item *item)
{
    enum status s = item->withdrawn == STATUS_OK ? batcher_requeue(&d->batcher, item)
                                                 : (enum status)item->withdrawn;
    if (s != STATUS_OK) {
        drain_done(&d->drains[POOL_CUSTODY], d->now_us, 1);
        item_fail(d, item, s == STATUS_BUSY ? STATUS_INTERNAL : s);
    }
}

static void batch_back(struct dispatch *d, struct batch *batch)
{
    size_t lost = batch->lost ? batch->live : 0;
    drain_done(&d->drains[batch_pool_of(batch->kind)], d->now_us, batch->count - lost);
    if (!batch->lost) {
        metrics_batch_back(d->metrics, batch);
    }
    for (size_t i = lost; i < batch->count; i++) {
        item_back(d, batch->items[i]);
    }
    while (lost-- > 0) { /* from the last to the first, which keeps their order */
        item_lost(d, batch->items[lost]);
    }
}

static void verified(struct dispatch *d, struct batch *batch)
{
    if (batch->count <= DISPATCH_SMALL_ITEMS) {
        d->small_us = batch->ended_us - batch->started_us;
    }
    metrics_batch_out(d->metrics, batch);
    policy_drop(&batch->policy);
    batch_back(d, batch);
}

static void collect(struct dispatch *d)
{
    struct batch *batch;
    while ((batch = workers_done(&d->workers)) != NULL) {
        verified(d, batch);
        workers_free(&d->workers, batch);
    }
    for (size_t i = 0; i < d->lane_count; i++) {
        if ((batch = ring_pop(&d->lanes[i].done)) != NULL) {
            metrics_custodian_back(d->metrics, i, batch);
            dispatch_lane_judge(d, i, batch);
            batch_back(d, batch);
            d->lanes[i].busy = false;
        }
    }
}

static void expire(struct dispatch *d)
{
    struct batcher_item *item;
    while ((item = batcher_expire(&d->batcher, d->now_us)) != NULL) {
        enum batch_pool pool = batch_pool_of(item->kind);
        bool no_lane = pool == POOL_CUSTODY && !dispatch_lanes_any(d);
        drain_done(&d->drains[pool], d->now_us, 1);
        item_fail(d, item, no_lane ? STATUS_UNAVAILABLE : STATUS_DEADLINE);
    }
}

/* -- out to threads -- */

/* A workers_fill_fn. */
static size_t fill_verify(void *arg, struct batch *batch, size_t max)
{
    struct dispatch *d = arg;
    size_t n = batcher_take(&d->batcher, POOL_VERIFY, max, batch->items + batch->count);
    batch->kind = KIND_VERIFY;
    batch->lost = false;
    batch->count += n;
    if (n > 0 && batch->policy != d->policy) { /* also one that was filled before a reload */
        policy_drop(&batch->policy);
        batch->policy = policy_hold(d->policy);
        batch->trust = d->policy->trust;
    }
    return n;
}

/* A few items when nobody verifies: done here sooner than handed over. The thread is held up for no
 * longer than the last such batch took, which DISPATCH_SMALL_US bounds. */
static bool is_small(const struct dispatch *d, size_t waiting)
{
    return waiting <= DISPATCH_SMALL_ITEMS && d->small_us <= DISPATCH_SMALL_US &&
           workers_idle(&d->workers) == d->workers.count;
}

static void feed_workers(struct dispatch *d)
{
    size_t waiting = batcher_pool_queued(&d->batcher, POOL_VERIFY);
    if (waiting == 0 || !is_small(d, waiting)) {
        workers_feed(&d->workers, waiting, fill_verify, d);
        return;
    }
    d->own_batch.count = 0;
    fill_verify(d, &d->own_batch, waiting);
    verifier_work(d->own, &d->own_batch);
    verified(d, &d->own_batch);
}

/* -- what others may see of it -- */

static void publish_queue(struct dispatch *d, enum batch_kind kind)
{
    struct metrics_kind *m = &d->metrics->kinds[kind];
    size_t queued = batcher_queued(&d->batcher, kind);
    uint64_t oldest_us = UINT64_MAX;
    for (uint32_t p = 0; queued > 0 && p < roster_count(&d->roster); p++) {
        const struct batcher_item *item = batcher_first(&d->batcher, kind, p);
        if (item != NULL && job_of(item)->received_us < oldest_us) {
            oldest_us = job_of(item)->received_us;
        }
    }
    metric_set(&m->oldest_us, queued > 0 ? oldest_us : 0);
    metric_set(&m->queued, queued);
}

static void publish_lane(struct dispatch *d, size_t i)
{
    struct metrics_custodian *m = &d->metrics->custodians[i];
    bool up = atomic_load(&d->lanes[i].up);
    uint64_t losses = atomic_load(&d->lanes[i].losses);
    metric_set(&m->breaker, d->groups.of[i]->breaker);
    metric_set(&m->openings, d->groups.of[i]->openings);
    if (up == (metric_get(&m->up) != 0) && losses == metric_get(&m->losses)) {
        return; /* the custodian that said the last Hello, or none as before */
    }
    struct lane_hello hello;
    custody_lane_hello(&d->lanes[i], &hello);
    metric_set(&m->ticket_generation, hello.ticket_generation);
    metric_set(&m->keyset_generation, hello.keyset_generation);
    metric_set(&m->losses, losses);
    metric_set(&m->up, up);
}

static void publish(struct dispatch *d)
{
    for (enum batch_kind kind = 0; kind < KIND_COUNT; kind++) {
        publish_queue(d, kind);
    }
    for (size_t i = 0; i < d->lane_count; i++) {
        publish_lane(d, i);
    }
}

void dispatch_run(struct dispatch *d, uint64_t now_us)
{
    d->now_us = now_us;
    wake_arm(&d->done); /* before looking: a signal after it is about something not yet seen */
    if (job_slab_reclaim(&d->slab)) {
        publish_all_jobs(d);
    }
    collect(d);
    expire(d);
    dispatch_lanes_try(d);
    feed_workers(d);
    dispatch_lanes_feed(d);
    publish(d);
}

uint64_t dispatch_next_us(const struct dispatch *d)
{
    const uint64_t probe = dispatch_lanes_due_us(d);
    const uint64_t deadline = batcher_next_deadline(&d->batcher);
    return probe < deadline ? probe : deadline;
}

static void tell_draining(void *arg, struct span identity)
{
    send_failure(arg, identity, 0, STATUS_DRAINING, status_meaning(STATUS_DRAINING), 0);
}

void dispatch_drain(struct dispatch *d)
{
    d->draining = true;
    metric_set(&d->metrics->draining, 1);
    peers_each(&d->peers, tell_draining, d);
}

bool dispatch_idle(const struct dispatch *d)
{
    return d->slab.unanswered == 0;
}

/* -- start and end -- */

static enum status start_threads(struct dispatch *d)
{
    const struct config_cores *cores = &d->config->cores;
    const unsigned timeout_ms = d->config->custodian_timeout_ms != 0
                                    ? d->config->custodian_timeout_ms
                                    : (unsigned)CONFIG_CUSTODIAN_TIMEOUT_MS;
    groups_init(&d->groups, d->config->custodians, d->config->custodians_count);
    TRY(verifier_new(&d->own));
    TRY(workers_start(&d->workers, d->config, &d->done));
    for (; d->lane_count < d->config->custodians_count; d->lane_count++) {
        const struct config_custodian *c = &d->config->custodians[d->lane_count];
        struct place place = place_of(cores->lanes, cores->lanes_count, "lane", d->lane_count);
        if (custody_lane_start(&d->lanes[d->lane_count], c, timeout_ms, &place, &d->done,
                               &d->notes) != STATUS_OK) {
            LOG(THREAD_NOT_STARTED, "the lane of custodian %s does not start", c->name);
            return STATUS_INTERNAL;
        }
    }
    return STATUS_OK;
}

enum status dispatch_init(struct dispatch *d, const struct config *config, struct policy *policy,
                          dispatch_reply_fn *reply, void *reply_arg)
{
    char error[CONFIG_ERROR_MAX];
    *d = (struct dispatch){
        .config = config, .reply = reply, .reply_arg = reply_arg, .done = {.fd = -1}};
    notes_init(&d->notes);
    d->lanes = aligned_alloc(_Alignof(struct custody_lane),
                             (config->custodians_count + 1u) * sizeof(*d->lanes));
    if (d->lanes == NULL) {
        return STATUS_INTERNAL;
    }
    d->quotas = calloc(ROSTER_MAX, sizeof(*d->quotas));
    if (d->quotas == NULL) {
        return STATUS_INTERNAL;
    }
    TRY(metrics_new(&d->metrics, &d->roster, config->custodians_count));
    metric_set(&d->metrics->jobs_max, config->jobs);
    metric_set(&d->metrics->connections_max, config->connections);
    TRY(wake_init(&d->done));
    TRY(peers_init(&d->peers));
    enum batch_kind order[KIND_COUNT];
    priority_order(config->priorities, config->priority_names_count, order);
    TRY(batcher_init(&d->batcher, ROSTER_MAX, config->jobs, order));
    TRY(job_slab_init(&d->slab, config->jobs, NULL, 0, &d->done));
    TRY(dispatch_adopt(d, policy, clock_us(), error)); /* an empty roster has room */
    return start_threads(d);
}

void dispatch_fini(struct dispatch *d)
{
    workers_stop(&d->workers);
    verifier_free(&d->own);
    peers_fini(&d->peers);
    while (d->lane_count > 0) {
        custody_lane_stop(&d->lanes[--d->lane_count]);
    }
    free(d->lanes);
    d->lanes = NULL;
    notes_fini(&d->notes);
    batcher_fini(&d->batcher);
    job_slab_fini(&d->slab);
    wake_fini(&d->done);
    metrics_free(&d->metrics);
    free(d->quotas);
    d->quotas = NULL;
    policy_drop(&d->policy);
}
