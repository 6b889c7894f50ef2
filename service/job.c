#include "service/job.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "proto/gp/crt.h"
#include "providers/provider.h"

_Static_assert((int)JOB_CRT_MAX == (int)CRT_MAX, "as in proto/gp");

enum { JOB_ARENAS = JOB_REQUEST_ARENA + JOB_RESULT_ARENA };

static uint32_t share_of(const struct config_principal *principal, size_t capacity, size_t count)
{
    enum { WHOLE = 100 }; /* percent */
    unsigned percent = principal->share != 0 ? principal->share : count > 1 ? WHOLE / 2 : WHOLE;
    size_t share = (capacity * percent + WHOLE - 1) / WHOLE; /* rounded up: at least one */
    return (uint32_t)share;
}

enum status job_slab_init(struct job_slab *slab, size_t capacity,
                          const struct config_principal principals[], size_t count,
                          struct wake *wake)
{
    size_t jobs = capacity + 1; /* and the landing job */
    *slab = (struct job_slab){.wake = wake, .capacity = capacity, .arenas_len = jobs * JOB_ARENAS};
    slab->jobs = calloc(jobs, sizeof(*slab->jobs));
    slab->share = calloc(count, sizeof(*slab->share));
    slab->held = calloc(count, sizeof(*slab->held));
    /* Pages are taken from the machine when a job first needs them. */
    slab->arenas = mmap(NULL, slab->arenas_len, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (slab->jobs == NULL || slab->share == NULL || slab->held == NULL ||
        slab->arenas == MAP_FAILED) {
        job_slab_fini(slab);
        return STATUS_INTERNAL;
    }
    for (size_t i = 0; i < count; i++) {
        slab->share[i] = share_of(&principals[i], capacity, count);
    }
    for (size_t i = jobs; i-- > 0;) {
        struct job *job = &slab->jobs[i];
        uint8_t *storage = (uint8_t *)slab->arenas + i * JOB_ARENAS;
        job->slab = slab;
        arena_init(&job->request_arena, storage, JOB_REQUEST_ARENA);
        arena_init(&job->result_arena, storage + JOB_REQUEST_ARENA, JOB_RESULT_ARENA);
        job->next_free = slab->free;
        slab->free = job;
    }
    return STATUS_OK;
}

void job_slab_fini(struct job_slab *slab)
{
    if (slab->arenas != NULL && slab->arenas != MAP_FAILED) {
        (void)munmap(slab->arenas, slab->arenas_len);
    }
    free(slab->jobs);
    free(slab->share);
    free(slab->held);
    *slab = (struct job_slab){0};
}

/* Forgets what the arenas hold, but not how far they were used. */
static void reset(struct job *job)
{
    struct arena *request = &job->request_arena;
    struct arena *result = &job->result_arena;
    job->request_touched =
        request->used > job->request_touched ? request->used : job->request_touched;
    job->result_touched = result->used > job->result_touched ? result->used : job->result_touched;
    arena_reset(request);
    arena_reset(result);
}

/* Gives pages back; a refusal would leave them in memory, where the slab's bound has room. */
static void trim(struct arena *a, size_t *touched)
{
    if (*touched > JOB_ARENA_KEPT) {
        (void)madvise(a->base + JOB_ARENA_KEPT, a->cap - JOB_ARENA_KEPT, MADV_DONTNEED);
        *touched = JOB_ARENA_KEPT;
    }
}

bool job_slab_reclaim(struct job_slab *slab)
{
    if (atomic_load_explicit(&slab->returned, memory_order_relaxed) == NULL) {
        return false;
    }
    struct job *job = atomic_exchange_explicit(&slab->returned, NULL, memory_order_acquire);
    while (job != NULL) {
        struct job *next = job->next_free;
        job_slab_release(slab, job);
        job = next;
    }
    return true;
}

struct job *job_slab_landing(struct job_slab *slab)
{
    reset(slab->free);
    return slab->free;
}

enum status job_slab_admit(struct job_slab *slab, struct job *job,
                           char detail[static WIRE_DETAIL_MAX])
{
    assert(job == slab->free);
    if (slab->in_use == slab->capacity) {
        (void)snprintf(detail, WIRE_DETAIL_MAX, "all %zu jobs are taken", slab->capacity);
        return STATUS_BUSY;
    }
    uint32_t share = slab->share[job->principal_index];
    if (slab->held[job->principal_index] >= share) {
        (void)snprintf(detail, WIRE_DETAIL_MAX, "%s has its share of %u jobs outstanding",
                       job->principal->name, share);
        return STATUS_BUSY;
    }
    slab->free = job->next_free;
    slab->in_use++;
    slab->unanswered++;
    slab->held[job->principal_index]++;
    job->in_use = true;
    return STATUS_OK;
}

void job_slab_answered(struct job_slab *slab, struct job *job)
{
    assert(job->in_use && job->group.queued == 0);
    (void)job;
    slab->unanswered--;
}

void job_slab_release(struct job_slab *slab, struct job *job)
{
    assert(job->in_use);
    reset(job);
    trim(&job->request_arena, &job->request_touched);
    trim(&job->result_arena, &job->result_touched);
    job->in_use = false;
    slab->in_use--;
    slab->held[job->principal_index]--;
    job->next_free = slab->free;
    slab->free = job;
}

/* Release: what this thread did with the job's memory comes before its next use. */
void job_return(struct job *job)
{
    struct job_slab *slab = job->slab; /* the job may be another's before this ends */
    _Atomic(struct job *) *returned = &slab->returned;
    job->next_free = atomic_load_explicit(returned, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(returned, &job->next_free, job,
                                                  memory_order_release, memory_order_relaxed)) {
    }
    wake_signal(slab->wake);
}

uint8_t *job_reply_storage(struct job *job, size_t len)
{
    struct arena *a = &job->request_arena;
    if (len > a->cap) {
        return NULL;
    }
    a->used = len > a->used ? len : a->used; /* it counts as touched */
    return a->base;
}

/* -- results -- */

static bool add_column(struct arena *a, ProtobufCBinaryData *out, size_t width, size_t n)
{
    out->data = arena_alloc(a, n, width);
    out->len = n * width;
    return out->data != NULL;
}

/* n entries, empty, each over max bytes of storage of its own. */
static bool add_entries(struct arena *a, ProtobufCBinaryData **out, size_t *out_n, size_t max,
                        size_t n)
{
    uint8_t *storage = arena_alloc(a, n, max);
    ProtobufCBinaryData *entries = arena_alloc(a, n, sizeof(*entries));
    if (storage == NULL || entries == NULL) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        entries[i].data = storage + i * max;
    }
    *out = entries;
    *out_n = n;
    return true;
}

static bool add_chain(struct job *job, size_t n)
{
    struct job_results *r = &job->results;
    r->curves = arena_alloc(&job->result_arena, n, 1);
    r->pk_ecasd = arena_alloc(&job->result_arena, n, EC_POINT_LEN);
    return r->curves != NULL && r->pk_ecasd != NULL;
}

static bool prepare_establish(struct job *job, size_t n)
{
    struct arena *a = &job->result_arena;
    Ecka__V1__EstablishResult *m = &job->results.as.establish;
    ecka__v1__establish_result__init(m);
    return add_chain(job, n) && add_column(a, &m->epks, EC_POINT_LEN, n) &&
           add_entries(a, &m->crts, &m->n_crts, JOB_CRT_MAX, n) &&
           add_entries(a, &m->store_data, &m->n_store_data, JOB_STORE_DATA_MAX, n) &&
           add_column(a, &m->signatures, EC_SIGNATURE_LEN, n) &&
           add_entries(a, &m->tickets, &m->n_tickets, WIRE_TICKET_MAX, n) &&
           add_column(a, &m->custody, CUSTODY_BYTES, n);
}

static bool prepare_confirm(struct job *job, size_t n)
{
    enum { KCVS = 9 };
    struct arena *a = &job->result_arena;
    Ecka__V1__ConfirmResult *m = &job->results.as.confirm;
    ecka__v1__confirm_result__init(m);
    return add_entries(a, &m->key_sets, &m->n_key_sets, WIRE_KEY_SET_MAX, n) &&
           add_column(a, &m->kcvs, KCVS, n) && add_column(a, &m->custody, CUSTODY_BYTES, n);
}

static bool prepare_unwrap(struct job *job, size_t n)
{
    enum { TAR = 3, COUNTER = 5 };
    struct arena *a = &job->result_arena;
    Ecka__V1__Scp80UnwrapResult *m = &job->results.as.unwrap;
    ecka__v1__scp80_unwrap_result__init(m);
    return add_column(a, &m->por_status, 1, n) && add_column(a, &m->tars, TAR, n) &&
           add_column(a, &m->counters, COUNTER, n) &&
           add_entries(a, &m->payloads, &m->n_payloads, WIRE_PACKET_MAX, n);
}

static bool prepare_results(struct job *job, size_t n)
{
    struct job_results *r = &job->results;
    r->status = arena_alloc(&job->result_arena, n, 1);
    if (r->status == NULL) {
        return false;
    }
    switch (job->request.op) {
    case WIRE_OP_VERIFY:
        ecka__v1__verify_result__init(&r->as.verify);
        return true;
    case WIRE_OP_VERIFY_CHAIN:
        ecka__v1__verify_chain_result__init(&r->as.chain);
        return add_chain(job, n);
    case WIRE_OP_ESTABLISH:
        return prepare_establish(job, n);
    case WIRE_OP_CONFIRM:
        return prepare_confirm(job, n);
    case WIRE_OP_SCP80_WRAP:
        ecka__v1__scp80_wrap_result__init(&r->as.wrap);
        return add_entries(&job->result_arena, &r->as.wrap.packets, &r->as.wrap.n_packets,
                           WIRE_PACKET_MAX, n);
    case WIRE_OP_SCP80_UNWRAP:
        return prepare_unwrap(job, n);
    default:
        return false;
    }
}

enum status job_prepare(struct job *job, uint64_t deadline_us)
{
    uint32_t n = job->request.items;
    job->results = (struct job_results){0};
    struct batcher_item *items = arena_alloc(&job->result_arena, n, sizeof(*items));
    if (items == NULL || !prepare_results(job, n)) {
        return STATUS_BAD_REQUEST;
    }
    batcher_group_init(&job->group, items, n, job->principal_index, deadline_us);
    job->unanswered = n;
    job->executing_us = 0;
    job->executed_until_us = 0;
    return STATUS_OK;
}

const Ecka__V1__Reply *job_reply(struct job *job)
{
    struct job_results *r = &job->results;
    size_t n = job->request.items;
    ProtobufCBinaryData status = {.len = n, .data = r->status};
    ecka__v1__reply__init(&r->reply);
    r->reply.id = job->request.msg->id;
    /* The numbers of the operations in Request and of their results in Reply are the same. */
    r->reply.result_case = (Ecka__V1__Reply__ResultCase)job->request.op;
    switch (job->request.op) {
    case WIRE_OP_VERIFY:
        r->as.verify.item_status = status;
        r->reply.verify = &r->as.verify;
        break;
    case WIRE_OP_VERIFY_CHAIN:
        r->as.chain.item_status = status;
        r->as.chain.curves = (ProtobufCBinaryData){.len = n, .data = r->curves};
        r->as.chain.pk_ecasd = (ProtobufCBinaryData){.len = n * EC_POINT_LEN, .data = r->pk_ecasd};
        r->reply.verify_chain = &r->as.chain;
        break;
    case WIRE_OP_ESTABLISH:
        r->as.establish.item_status = status;
        r->reply.establish = &r->as.establish;
        break;
    case WIRE_OP_CONFIRM:
        r->as.confirm.item_status = status;
        r->reply.confirm = &r->as.confirm;
        break;
    case WIRE_OP_SCP80_WRAP:
        r->as.wrap.item_status = status;
        r->reply.scp80_wrap = &r->as.wrap;
        break;
    case WIRE_OP_SCP80_UNWRAP:
        r->as.unwrap.item_status = status;
        r->reply.scp80_unwrap = &r->as.unwrap;
        break;
    default:
        assert(!"a job has an operation with items");
    }
    return &r->reply;
}
