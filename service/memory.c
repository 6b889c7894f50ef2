#include "service/memory.h"

#include "service/dispatch.h"
#include "service/front/connections.h"
#include "service/front/frontend.h"
#include "service/observe/http.h"
#include "service/worker.h"

enum {
    KIB = 1024,
    MIB = 1024 * KIB,
    PROGRAM = 48 * MIB,   /* code, libraries, what they keep; 36 MiB resident at rest */
    A_THREAD = 2 * MIB,   /* the stack that it uses, allocator's slack, arithmetic contexts */
    OTHER_THREADS = 5,    /* frontend, policy's, libzmq's reaper, two of HTTP's */
    A_MESSAGE = 128,      /* libzmq's and the allocator's part of a queued message */
    A_LIST_ENTRY = 160,   /* its text, its pointer, and what is made from it */
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

/* The policy in force and the one that comes after it; what is kept of every principal ever. */
static uint64_t of_policy(void)
{
    uint64_t entries =
        POLICY_PRINCIPALS_MAX * (POLICY_EIDS_MAX + 2 * POLICY_LABELS_MAX) + 2 * POLICY_BLOCKED_MAX;
    uint64_t one = POLICY_PRINCIPALS_MAX * sizeof(struct policy_principal) +
                   TRUST_CERTS_MAX * sizeof(struct trust_eum) + entries * A_LIST_ENTRY;
    uint64_t known = sizeof(struct metrics_principal) + KIND_COUNT * sizeof(struct batcher_queue) +
                     POLICY_OPS * sizeof(struct quota) + sizeof(struct roster_entry) +
                     2 * sizeof(uint32_t);
    return 2 * one + ROSTER_MAX * known;
}

/* Who was not let in yet may have sent half a handshake, in a frame of the largest size. */
static uint64_t of_strangers(const struct config *c)
{
    return connections_strangers_max(c->connections) * (AN_ENGINE + UINT64_C(1) * WIRE_FRAME_MAX) +
           config_descriptors(c, c->connections) * sizeof(struct connection) +
           ROSTER_MAX * sizeof(uint32_t);
}

struct memory_bound memory_bound(const struct config *config)
{
    uint64_t replies = (uint64_t)FRONTEND_REPLIES_A_JOB * config->jobs;
    /* One more frame each way: the one that libzmq reads, the one that it encrypts. */
    uint64_t frames = (FRONTEND_UNREAD_MAX + 2) * (UINT64_C(1) * WIRE_FRAME_MAX + A_MESSAGE);
    return (struct memory_bound){
        .fixed = PROGRAM + (uint64_t)config->table_budget_mib * MIB + of_jobs(config) +
                 of_threads(config) + of_policy() + of_strangers(config) + sizeof(struct metrics) +
                 http_memory(config) + PEERS_MAX * sizeof(struct peers_id),
        .connection = AN_ENGINE + frames + replies * (FRONTEND_COPIED_MAX + A_MESSAGE),
    };
}
