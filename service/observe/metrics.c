#include "service/observe/metrics.h"

#include <stdlib.h>

#include "service/clock.h"

/* -- histograms -- */

void histogram_observe(struct histogram *h, uint64_t us)
{
    uint64_t below = us > 0 ? us - 1 : 0; /* a bound belongs to the bucket that it ends */
    size_t i = (size_t)below;
    if (below >= (uint64_t)1 << HISTOGRAM_TOP_BITS) {
        i = HISTOGRAM_BUCKETS - 1;
    } else if (below >= 1u << HISTOGRAM_SUB_BITS) {
        unsigned octave = 63u - (unsigned)__builtin_clzll(below);
        unsigned shift = octave - HISTOGRAM_SUB_BITS;
        /* The shifted value has its top bit at HISTOGRAM_SUB_BITS: it counts as one octave. */
        i = ((size_t)shift << HISTOGRAM_SUB_BITS) + (size_t)(below >> shift);
    }
    metric_add(&h->buckets[i], 1);
    metric_add(&h->sum_us, us);
}

uint64_t histogram_bound_us(size_t i)
{
    enum { PER_OCTAVE = 1 << HISTOGRAM_SUB_BITS };
    if (i >= HISTOGRAM_BUCKETS - 1) {
        return UINT64_MAX;
    }
    if (i < PER_OCTAVE) {
        return i + 1;
    }
    size_t shift = (i >> HISTOGRAM_SUB_BITS) - 1;
    return (uint64_t)(PER_OCTAVE + i % PER_OCTAVE + 1) << shift;
}

/* -- start and end -- */

enum status metrics_new(struct metrics **out, const struct roster *roster, size_t custodians)
{
    struct metrics *m = calloc(1, sizeof(*m));
    *out = m;
    if (m == NULL) {
        return STATUS_INTERNAL;
    }
    m->start_us = clock_us();
    m->start_s = clock_calendar_s();
    m->roster = roster;
    m->custodian_count = custodians;
    m->principals = calloc(ROSTER_MAX, sizeof(*m->principals));
    m->custodians = calloc(custodians + 1, sizeof(*m->custodians)); /* there may be none */
    if (m->principals == NULL || m->custodians == NULL) {
        metrics_free(out);
        return STATUS_INTERNAL;
    }
    return STATUS_OK;
}

void metrics_free(struct metrics **metrics)
{
    struct metrics *m = *metrics;
    if (m != NULL) {
        free(m->principals);
        free(m->custodians);
        free(m);
    }
    *metrics = NULL;
}

/* -- names -- */

size_t metrics_operation_index(enum wire_op op)
{
    return op >= WIRE_OP_FIRST && op < WIRE_OP_END ? (size_t)(op - WIRE_OP_FIRST) + 1 : 0;
}

const char *metrics_operation_name(size_t index)
{
    return index == 0 ? "none" : wire_op_name((enum wire_op)(WIRE_OP_FIRST + index - 1));
}

const char *metrics_kind_name(enum batch_kind kind)
{
    static const char *const names[KIND_COUNT] = {
        [KIND_VERIFY] = "verify",
        [KIND_VERIFY_CHAIN] = "verify_chain",
        [KIND_ESTABLISH_CHAIN] = "establish_chain",
        [KIND_ESTABLISH] = "establish",
        [KIND_CONFIRM] = "confirm",
        [KIND_WRAP] = "wrap",
        [KIND_UNWRAP] = "unwrap",
        [KIND_SIGN] = "sign",
        [KIND_AGREE] = "agree",
        [KIND_KEY_SET_CREATE] = "key_set_create",
        [KIND_SCP03_OPEN] = "scp03_open",
        [KIND_SCP03_WRAP] = "scp03_wrap",
        [KIND_SCP03_UNWRAP] = "scp03_unwrap",
        [KIND_RESEAL] = "reseal",
        [KIND_REWRAP] = "rewrap",
    };
    return names[kind];
}

const char *metrics_batch_name(enum batch_kind kind)
{
    if (batch_pool_of(kind) == POOL_CUSTODY) {
        return metrics_kind_name(kind);
    }
    return kind == KIND_VERIFY ? "verification" : NULL;
}

/* -- requests -- */

/* The operation that a frame named, also when the rest of it could not be used. */
static struct metrics_operation *operation_of(struct metrics *m, const struct job *job)
{
    const Ecka__V1__Request *msg = job->request.msg;
    return &m->operations[metrics_operation_index(msg != NULL ? (enum wire_op)msg->op_case
                                                              : WIRE_OP_NONE)];
}

void metrics_answered_at_once(struct metrics *m, const struct job *job, enum status s)
{
    struct metrics_operation *o = operation_of(m, job);
    metric_add(&o->requests[s], 1);
    if (job->principal_index != ROSTER_NOBODY) {
        struct metrics_principal *p = &m->principals[job->principal_index];
        metric_add(&p->requests, 1);
        metric_add(&p->refused, s != STATUS_OK);
    }
    if (s != STATUS_OK) {
        return;
    }
    uint64_t took_us = clock_us() - job->received_us;
    histogram_observe(&o->executing, took_us);
    histogram_observe(&o->total, took_us);
}

/* The counters of a ticket's generation; a sealed blob's header can be read by anybody. */
static struct metrics_generation *generation_of(struct metrics *m, const ProtobufCBinaryData *blob)
{
    if (blob->len < METRICS_GENERATION_OFFSET + sizeof(uint32_t)) {
        return &m->other_generations;
    }
    uint64_t generation = load_be(blob->data + METRICS_GENERATION_OFFSET, sizeof(uint32_t));
    for (size_t i = 0; i < METRICS_GENERATIONS; i++) {
        struct metrics_generation *g = &m->generations[i];
        if (metric_get(&g->generation) == 0) {
            metric_set(&g->generation, generation);
        }
        if (metric_get(&g->generation) == generation) {
            return g;
        }
    }
    return &m->other_generations;
}

static void count_ticket(struct metrics *m, const struct job *job, size_t i)
{
    if (job->request.op == WIRE_OP_ESTABLISH) {
        metric_add(&generation_of(m, &job->results.reply.establish->tickets[i])->issued, 1);
    } else if (job->request.op == WIRE_OP_CONFIRM) {
        metric_add(&generation_of(m, &job->request.msg->confirm->tickets[i])->confirmed, 1);
    }
}

void metrics_answered(struct metrics *m, const struct job *job, uint64_t now_us)
{
    struct metrics_operation *o = operation_of(m, job);
    struct metrics_principal *p = &m->principals[job->principal_index];
    uint32_t items = job->request.items;
    bool has_ticket = job->request.op == WIRE_OP_ESTABLISH || job->request.op == WIRE_OP_CONFIRM;
    for (uint32_t i = 0; i < items; i++) {
        uint8_t s = job->results.status[i];
        metric_add(&o->items[s], 1);
        if (has_ticket && s == STATUS_OK) {
            count_ticket(m, job, i);
        }
    }
    metric_add(&o->requests[STATUS_OK], 1);
    metric_add(&p->requests, 1);
    metric_add(&p->items, items);
    /* The last batch may have ended after the dispatcher looked at the clock. */
    uint64_t end_us = job->executed_until_us > now_us ? job->executed_until_us : now_us;
    histogram_observe(&o->executing, job->executing_us);
    histogram_observe(&o->total, end_us - job->received_us);
}

/* -- batches -- */

void metrics_batch_out(struct metrics *m, const struct batch *batch)
{
    struct metrics_kind *k = &m->kinds[batch->kind];
    size_t fill = 0;
    while (((size_t)1 << fill) < batch->count) {
        fill++;
    }
    metric_add(&k->batches[fill], 1);
    metric_add(&k->items, batch->count);
}

/* Batches overlap: a job's executing time is the time in which some item of it was worked on. */
static void add_executing(struct job *job, const struct batch *batch)
{
    uint64_t from =
        batch->started_us > job->executed_until_us ? batch->started_us : job->executed_until_us;
    if (batch->ended_us > from) {
        job->executing_us += batch->ended_us - from;
        job->executed_until_us = batch->ended_us;
    }
}

void metrics_batch_back(struct metrics *m, const struct batch *batch)
{
    metric_add(&m->kinds[batch->kind].executing_us, batch->ended_us - batch->started_us);
    for (size_t i = 0; i < batch->count; i++) {
        add_executing(job_of(batch->items[i]), batch);
    }
}

void metrics_custodian_back(struct metrics *m, size_t custodian, const struct batch *batch)
{
    struct metrics_custodian *c = &m->custodians[custodian];
    metric_add(&c->busy_us, batch->ended_us - batch->started_us);
    metric_add(&c->batches, 1);
    metric_add(&c->items, batch->count);
}
