/*
 * A job is one accepted request: who asked, the unpacked message, and a place for every result.
 *
 * Jobs come from a slab sized at start; each has two mapped arenas, one for the request and one for
 * the results, and nothing is allocated while requests flow. Workers and custody lanes write
 * results of the items they were handed and nothing else; the frontend thread owns everything
 * around that, and frees a job only when none of its items is queued or handed out.
 */
#ifndef SERVICE_JOB_H
#define SERVICE_JOB_H

#include <stdatomic.h>

#include "proto/wire/wire.h"
#include "service/batcher.h"
#include "service/policy/policy.h"
#include "service/policy/roster.h"
#include "service/ring.h"

enum {
    JOB_IDENTITY_MAX = 255, /* ZMTP 3.1: a routing id is at most 255 bytes */
    /* A frame unpacked: its bytes, each field rounded up to 16, and protobuf-c's list of fields. */
    JOB_REQUEST_ARENA = 2 * WIRE_FRAME_MAX,
    JOB_RESULT_ARENA = WIRE_FRAME_MAX,
    JOB_ARENA_KEPT = 64 * 1024, /* bytes of an arena that stay with a free job */
};

/* Results are columns and entries of the reply, filled in place. */
struct job_results {
    uint8_t *status;   /* N, of each item: the result's item_status */
    uint8_t *curves;   /* N; of PK.ECASD.ECKA, chain operations */
    uint8_t *pk_ecasd; /* N x 65; chain operations */
    void *result;      /* the operation's message, which the reply's oneof points to */
    Ecka__V1__Reply reply;
};

struct job_slab;

struct job {
    struct job_slab *slab;
    struct job *next_free;
    bool in_use;
    size_t request_touched, result_touched; /* bytes of each arena that may be in memory */
    struct roster_entry *principal;         /* NULL: the key is in no policy */
    uint32_t principal_index;               /* in the roster; ROSTER_NOBODY */
    char key[KEYFILE_Z85_LEN];              /* the connection's */
    uint64_t received_us;
    uint8_t identity[JOB_IDENTITY_MAX];
    size_t identity_len;
    struct arena request_arena;
    struct arena result_arena;
    struct wire_request request;
    struct batcher_group group;
    uint32_t unanswered;   /* items without a final status */
    bool withdrawn;        /* some of them, by a policy that came later */
    uint64_t executing_us; /* in which some item was worked on */
    uint64_t executed_until_us;
    struct job_results results;
};

static inline struct job *job_of(const struct batcher_item *item)
{
    return (struct job *)((char *)item->group - offsetof(struct job, group));
}

/*
 * The slab. It holds one job more than it admits: the landing job, into which the next frame is
 * read before it is known whether there is room for it.
 */
struct job_slab {
    struct job *jobs;
    _Atomic(struct job *) returned; /* by other threads, not yet free */
    struct wake *wake;              /* the owner's */
    void *arenas;
    size_t arenas_len;
    size_t capacity; /* jobs admitted at once */
    size_t in_use;
    size_t unanswered; /* of them */
    uint32_t *share;   /* jobs each principal may hold */
    uint32_t *held;    /* and holds */
    struct job *free;  /* last freed first, so that few arenas are ever touched under low load */
};

/* The shares are those of job_slab_share(). INTERNAL when there is no memory. */
MUST_CHECK enum status job_slab_init(struct job_slab *slab, size_t capacity,
                                     const struct policy_principal principals[], size_t count,
                                     struct wake *wake);
void job_slab_fini(struct job_slab *slab);

/*
 * A principal's share is the policy's percentage of the capacity, at least one job; where it gives
 * none, all of it for one principal alone and half of it as soon as there are more. Principals that
 * are not among these keep what they hold.
 */
void job_slab_share(struct job_slab *slab, const struct policy_principal principals[],
                    size_t count);

/* The landing job, its arenas empty. */
struct job *job_slab_landing(struct job_slab *slab);

/*
 * Admits the landing job for its principal_index. BUSY with a sentence when the slab is full or the
 * principal holds its share.
 */
MUST_CHECK enum status job_slab_admit(struct job_slab *slab, struct job *job,
                                      char detail[static WIRE_DETAIL_MAX]);

/* Its reply was made: no longer unanswered, still in use. */
void job_slab_answered(struct job_slab *slab, struct job *job);

/*
 * Makes its place free. What the job used beyond JOB_ARENA_KEPT goes back to the machine, so that
 * memory follows load.
 */
void job_slab_release(struct job_slab *slab, struct job *job);

/* Any thread: gives back an answered job and wakes the slab's owner, who releases it by
 * job_slab_reclaim(): true when there was any. */
void job_return(struct job *job);
bool job_slab_reclaim(struct job_slab *slab);

/* Where an answered job's reply may be packed; the request is gone then. NULL when too long. */
uint8_t *job_reply_storage(struct job *job, size_t len);

/* Lays out results and items for the request, all zero. BAD_REQUEST when they do not fit. */
MUST_CHECK enum status job_prepare(struct job *job, uint64_t deadline_us);

/* The reply with the results as they are now; a view into the job. */
const Ecka__V1__Reply *job_reply(struct job *job);

#endif
