#include "service/memory.h"

#include "service/dispatch.h"
#include "service/frontend.h"
#include "service/http.h"
#include "service/worker.h"

enum {
    KIB = 1024,
    MIB = 1024 * KIB,
    PROGRAM = 48 * MIB,   /* code, libraries, what they keep; 36 MiB resident at rest */
    A_THREAD = 2 * MIB,   /* the stack that it uses, allocator's slack, arithmetic contexts */
    OTHER_THREADS = 4,    /* frontend, libzmq's reaper, two of HTTP's */
    A_MESSAGE = 128,      /* libzmq's and the allocator's part of a queued message */
    AN_ENGINE = 64 * KIB, /* libzmq's buffers and CURVE state of a connection */
};

static uint64_t of_jobs(const struct config *c)
{
    uint64_t one = sizeof(struct job) + JOB_REQUEST_ARENA + JOB_RESULT_ARENA +
                   sizeof(struct batcher_group *); /* in the heap of deadlines */
    return (c->jobs + UINT64_C(1)) * one;          /* and the landing job */
}

static uint64_t of_threads(const struct config *c)
{
    uint64_t worker = A_THREAD + WORKER_BATCHES * sizeof(struct batch);
    uint64_t lane = A_THREAD + sizeof(struct custody_lane) + LANE_ARENA + CUSTODY_FRAME_MAX;
    return c->workers * worker + c->custodians_count * lane +
           (c->io_threads + UINT64_C(1) * OTHER_THREADS) * A_THREAD;
}

static uint64_t of_principals(const struct config *c)
{
    return c->principals_count *
           (sizeof(struct config_principal) + sizeof(struct metrics_principal) +
            KIND_COUNT * sizeof(struct batcher_queue) + 2 * sizeof(uint32_t));
}

struct memory_bound memory_bound(const struct config *config)
{
    uint64_t replies = (uint64_t)FRONTEND_REPLIES_A_JOB * config->jobs;
    /* One more frame each way: the one that libzmq reads, the one that it encrypts. */
    uint64_t frames = (FRONTEND_UNREAD_MAX + 2) * (UINT64_C(1) * WIRE_FRAME_MAX + A_MESSAGE);
    return (struct memory_bound){
        .fixed = PROGRAM + (uint64_t)config->table_budget_mib * MIB + of_jobs(config) +
                 of_threads(config) + of_principals(config) + sizeof(struct metrics) +
                 http_memory(config) + config->trust.eum_count * sizeof(struct trust_eum) +
                 PEERS_MAX * sizeof(struct peers_id),
        .connection = AN_ENGINE + frames + replies * (FRONTEND_COPIED_MAX + A_MESSAGE),
    };
}
