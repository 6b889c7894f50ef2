/*
 * The way of a request, between the sockets: frame in, job, batches to workers and lanes, reply
 * out.
 *
 * One thread owns it (the frontend's). It knows no socket: replies leave through a function that it
 * is given. Every accepted request is answered exactly once; a request that is not accepted is
 * answered at once with the reason.
 */
#ifndef SERVICE_DISPATCH_H
#define SERVICE_DISPATCH_H

#include "service/batcher.h"
#include "service/custody/custody_lane.h"
#include "service/custody/groups.h"
#include "service/drain.h"
#include "service/front/peers.h"
#include "service/job.h"
#include "service/observe/metrics.h"
#include "service/policy/authz.h"
#include "service/worker.h"

enum {
    DISPATCH_SMALL_ITEMS = 8, /* a small verification batch: one vector of lanes */
    DISPATCH_SMALL_US = 50,   /* waking a worker and being woken by it costs about as much */
};

/*
 * Sends a reply to the client of this identity; what cannot be sent is the callee's to count. One
 * with id 0 and DRAINING answers nothing and may be lost. job is the one that is answered, or NULL;
 * true keeps it, with the reply packed in its storage, until job_return().
 */
typedef bool dispatch_reply_fn(void *arg, struct span identity, const Ecka__V1__Reply *reply,
                               struct job *job);

struct dispatch {
    const struct config *config;
    struct policy *policy; /* in force; held */
    struct roster roster;
    struct quota (*quotas)[POLICY_OPS]; /* by numbers of the roster */
    dispatch_reply_fn *reply;
    void *reply_arg;
    struct wake done; /* readable when a worker or a lane gave something back */
    struct metrics *metrics;
    uint64_t now_us; /* as the caller said last */
    struct batcher batcher;
    struct drain drains[POOL_COUNT];
    struct job_slab slab;
    struct workers workers;
    struct verifier *own; /* for batches so small that a hand-over costs more */
    struct batch own_batch;
    uint64_t small_us; /* what the last small batch took, whoever did it */
    struct custody_lane *lanes;
    size_t lane_count;  /* started */
    struct notes notes; /* for an audit log, by way of the lanes */
    struct groups groups;
    bool draining;
    struct peers peers; /* who is told of it */
};

/* Starts workers and lanes. INTERNAL with what failed in the log; dispatch_fini afterwards. The
 * policy is held. */
MUST_CHECK enum status dispatch_init(struct dispatch *d, const struct config *config,
                                     struct policy *policy, dispatch_reply_fn *reply,
                                     void *reply_arg);

/* Ends the threads. Jobs that are still there are not answered: drain first. */
void dispatch_fini(struct dispatch *d);

/* One frame of a client that was authenticated by this CURVE key, under whatever policy. */
void dispatch_request(struct dispatch *d, const char key[static KEYFILE_Z85_LEN],
                      struct span identity, struct span frame, uint64_t now_us);

/* Takes back what is done, answers, expires, and hands out what waits. */
void dispatch_run(struct dispatch *d, uint64_t now_us);

/* When dispatch_run must be called at the latest; UINT64_MAX: only on d->done. */
uint64_t dispatch_next_us(const struct dispatch *d);

/* From now on new requests are answered DRAINING, and every client that is known is told so. */
void dispatch_drain(struct dispatch *d);

/* Whether no accepted request is left to answer. */
bool dispatch_idle(const struct dispatch *d);

/* -- dispatch_policy.c -- */

/*
 * Puts the policy in force and holds it. What waits and is no longer granted is denied at once;
 * what a worker or a lane has in hand is denied when it is back. NO_SPACE with a sentence when it
 * names more new principals than the roster has room for: nothing changed then.
 */
MUST_CHECK enum status dispatch_adopt(struct dispatch *d, struct policy *policy, uint64_t now_us,
                                      char error[static CONFIG_ERROR_MAX]);

/* Whether a request's items are within its principal's quota: OK, BUSY with a time, DENIED; each
 * with a sentence. */
MUST_CHECK enum status dispatch_quota(struct dispatch *d, const struct job *job, uint64_t *after_us,
                                      char detail[static WIRE_DETAIL_MAX]);

/* What it allowed goes. */
void dispatch_quota_take(struct dispatch *d, const struct job *job);

/* -- dispatch_lanes.c -- */

/* Gives waiting items to lanes that are free, by the weights and breakers of their groups. */
void dispatch_lanes_feed(struct dispatch *d);
/* Whether there is a lane to wait for: connected, of a group that is closed. */
bool dispatch_lanes_any(const struct dispatch *d);
/* What a batch that is back tells of its group. */
void dispatch_lane_judge(struct dispatch *d, size_t lane, const struct batch *batch);
/* Tries of tokens: takes back what is over, asks for what is due; and when that will be. */
void dispatch_lanes_try(struct dispatch *d);
uint64_t dispatch_lanes_due_us(const struct dispatch *d);

/* -- dispatch.c, for them -- */

/* An item of the job has its final status; with the last one the job is answered. */
void dispatch_item_done(struct dispatch *d, struct job *job);

/* -- info.c -- */

/* The reply to Info, in the landing job's result arena; NULL when it does not fit. */
const Ecka__V1__Reply *dispatch_info(struct dispatch *d, struct job *job);

#endif
