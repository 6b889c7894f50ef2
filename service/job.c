#include "service/job.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "proto/gp/crt.h"
#include "proto/wire/shape.h"
#include "providers/provider.h"

_Static_assert((int)WIRE_CRT_MAX == (int)CRT_MAX, "as in proto/gp");

enum { JOB_ARENAS = JOB_REQUEST_ARENA + JOB_RESULT_ARENA };

static uint32_t share_of(const struct policy_principal *principal, size_t capacity, size_t count)
{
    enum { WHOLE = 100 }; /* percent */
    unsigned percent = principal->share != 0 ? principal->share : count > 1 ? WHOLE / 2 : WHOLE;
    size_t share = (capacity * percent + WHOLE - 1) / WHOLE; /* rounded up: at least one */
    return (uint32_t)share;
}

enum status job_slab_init(struct job_slab *slab, size_t capacity,
                          const struct policy_principal principals[], size_t count,
                          struct wake *wake)
{
    size_t jobs = capacity + 1; /* and the landing job */
    *slab = (struct job_slab){.wake = wake, .capacity = capacity, .arenas_len = jobs * JOB_ARENAS};
    slab->jobs = calloc(jobs, sizeof(*slab->jobs));
    slab->share = calloc(ROSTER_MAX, sizeof(*slab->share));
    slab->held = calloc(ROSTER_MAX, sizeof(*slab->held));
    /* Pages are taken from the machine when a job first needs them. */
    slab->arenas = mmap(NULL, slab->arenas_len, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (slab->jobs == NULL || slab->share == NULL || slab->held == NULL ||
        slab->arenas == MAP_FAILED) {
        job_slab_fini(slab);
        return STATUS_INTERNAL;
    }
    job_slab_share(slab, principals, count);
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

void job_slab_share(struct job_slab *slab, const struct policy_principal principals[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        slab->share[principals[i].number] = share_of(&principals[i], slab->capacity, count);
    }
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

static bool add_column(struct arena *a, void *result, const struct wire_field *f, size_t n)
{
    ProtobufCBinaryData *out = (void *)((char *)result + f->at);
    out->data = arena_alloc(a, n, f->width);
    out->len = n * f->width;
    return out->data != NULL;
}

/* n entries, empty, each over width bytes of storage of its own. */
static bool add_entries(struct arena *a, void *result, const struct wire_field *f, size_t n)
{
    uint8_t *storage = arena_alloc(a, n, f->width);
    ProtobufCBinaryData *entries = arena_alloc(a, n, sizeof(*entries));
    if (storage == NULL || entries == NULL) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        entries[i].data = storage + i * f->width;
    }
    *(ProtobufCBinaryData **)(void *)((char *)result + f->at) = entries;
    *(size_t *)(void *)((char *)result + f->n_at) = n;
    return true;
}

static bool lay_out(struct arena *a, void *result, struct wire_fields fields, size_t n)
{
    for (size_t i = 0; i < fields.count; i++) {
        const struct wire_field *f = &fields.list[i];
        if (!(f->form == WIRE_COLUMN ? add_column : add_entries)(a, result, f, n)) {
            return false;
        }
    }
    return true;
}

/* VerifyChain returns what Establish's first stage keeps for its second. */
static bool add_chain(struct job *job, size_t n)
{
    struct job_results *r = &job->results;
    if (job->request.op == WIRE_OP_VERIFY_CHAIN) {
        r->curves = r->reply.verify_chain->curves.data;
        r->pk_ecasd = r->reply.verify_chain->pk_ecasd.data;
        return true;
    }
    r->curves = arena_alloc(&job->result_arena, n, 1);
    r->pk_ecasd = arena_alloc(&job->result_arena, n, EC_POINT_LEN);
    return r->curves != NULL && r->pk_ecasd != NULL;
}

static bool prepare_results(struct job *job, size_t n)
{
    struct job_results *r = &job->results;
    const struct wire_shape *shape = wire_shape(job->request.op);
    r->result = arena_alloc(&job->result_arena, 1, shape->result->sizeof_message);
    if (r->result == NULL) {
        return false;
    }
    protobuf_c_message_init(shape->result, r->result);
    ecka__v1__reply__init(&r->reply);
    /* The numbers of the operations in Request and of their results in Reply are the same, and
     * members of the oneof are pointers, all alike. */
    r->reply.result_case = (Ecka__V1__Reply__ResultCase)shape->op;
    r->reply.info = r->result;
    if (!lay_out(&job->result_arena, r->result, shape->out, n)) {
        return false;
    }
    r->status = wire_column(r->result, shape->out.list)->data;
    bool chain = shape->op == WIRE_OP_VERIFY_CHAIN || shape->op == WIRE_OP_ESTABLISH;
    return !chain || add_chain(job, n);
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
    job->withdrawn = false;
    job->executing_us = 0;
    job->executed_until_us = 0;
    return STATUS_OK;
}

const Ecka__V1__Reply *job_reply(struct job *job)
{
    job->results.reply.id = job->request.msg->id;
    return &job->results.reply;
}
