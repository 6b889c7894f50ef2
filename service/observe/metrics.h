/*
 * What the service counts of itself: requests, items, batches, queues, custodians, principals.
 *
 * The frontend thread writes, with relaxed loads and stores and never a locked instruction; any
 * thread reads at any time and sees numbers of about one moment. A counter never goes back.
 * Nothing is allocated after metrics_new. What the numbers are called outside stands in
 * metrics.def.
 */
#ifndef SERVICE_METRICS_H
#define SERVICE_METRICS_H

#include <stdatomic.h>

#include "service/batch.h"
#include "service/job.h"

enum {
    /* Time, log-linear: 2^HISTOGRAM_SUB_BITS buckets an octave, so a bucket is at most 1/8 wide. */
    HISTOGRAM_SUB_BITS = 3,
    HISTOGRAM_TOP_BITS = 26, /* 2^26 us: past CONFIG_DEADLINE_MS_MAX */
    HISTOGRAM_BUCKETS = ((HISTOGRAM_TOP_BITS - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS) + 1,

    METRICS_FILLS = 9,             /* batches of at most 1, 2, 4, ... BATCH_ITEMS_MAX items */
    METRICS_STATUSES = 256,        /* a status is one byte */
    METRICS_GENERATIONS = 16,      /* of tickets, told apart; later ones are counted together */
    METRICS_GENERATION_OFFSET = 6, /* in a ticket: after magic, version and type */
    /* The first is for frames in which no operation could be read. */
    METRICS_OPERATIONS = WIRE_OP_END - WIRE_OP_FIRST + 1,
};

_Static_assert(1 << (METRICS_FILLS - 1) == BATCH_ITEMS_MAX, "the last fill is a full batch");

/* Written by one thread, read by others. */
typedef _Atomic uint64_t metric;

static inline uint64_t metric_get(const metric *m)
{
    return atomic_load_explicit(m, memory_order_relaxed);
}

static inline void metric_set(metric *m, uint64_t value)
{
    atomic_store_explicit(m, value, memory_order_relaxed);
}

/* The owner's: nobody else writes, so this needs no locked instruction. */
static inline void metric_add(metric *m, uint64_t n)
{
    metric_set(m, metric_get(m) + n);
}

struct histogram {
    metric buckets[HISTOGRAM_BUCKETS]; /* the last: above 2^HISTOGRAM_TOP_BITS us */
    metric sum_us;
};

void histogram_observe(struct histogram *h, uint64_t us);

/* The longest time that bucket i holds; UINT64_MAX for the last. */
uint64_t histogram_bound_us(size_t i);

struct metrics_operation {
    metric requests[METRICS_STATUSES]; /* answered with this status as a whole */
    metric items[METRICS_STATUSES];
    /* Of requests whose items were done: in the hands of workers and lanes; and from receipt to
     * the reply. */
    struct histogram executing, total;
};

struct metrics_kind {
    metric queued;
    metric oldest_us; /* clock_us() when the oldest waiting item's request came; 0: none waits */
    metric batches[METRICS_FILLS]; /* handed out, by fill */
    metric items;                  /* in them */
    metric executing_us;           /* of them, summed up */
};

struct metrics_custodian {
    metric up, losses;
    metric breaker, openings; /* its group's: enum breaker */
    metric busy_us;           /* with a batch */
    metric batches, items;
    metric ticket_generation, keyset_generation; /* as it said last; 0 before */
};

struct metrics_principal {
    metric jobs; /* held now */
    metric requests, refused, items;
};

struct metrics_generation {
    metric generation; /* 0: no ticket of another one was seen yet */
    metric issued, confirmed;
};

struct metrics {
    uint64_t start_us;
    int64_t start_s; /* calendar */
    struct metrics_operation operations[METRICS_OPERATIONS];
    struct metrics_kind kinds[KIND_COUNT];
    struct metrics_generation generations[METRICS_GENERATIONS];
    struct metrics_generation other_generations;
    const struct roster *roster;
    struct metrics_principal *principals; /* by their numbers in the roster */
    struct metrics_custodian *custodians; /* in the order of the configuration */
    size_t custodian_count;
    metric jobs, jobs_max;
    metric unsendable;          /* replies */
    metric refused_connections; /* CURVE keys of no principal */
    metric connections, connections_max;
    metric strangers;         /* connections that were not let in yet */
    metric failed_handshakes; /* also those refused */
    metric opened_connections;
    metric cut_strangers, cut_share, cut_unread; /* connections ended, by why */
    metric cut_address, cut_crowd, cut_descriptors; /* and at the door, which counts under its lock */
    metric draining;
    metric policy_generation;     /* of the policy in force; 1 at start */
    metric policy_reloads_failed; /* since start */
    metric policy_failed;         /* 1: the last one */
};

/* INTERNAL when there is no memory. */
MUST_CHECK enum status metrics_new(struct metrics **out, const struct roster *roster,
                                   size_t custodians);
void metrics_free(struct metrics **m);

/* The place of an operation in metrics.operations; 0 for WIRE_OP_NONE. And its name back. */
size_t metrics_operation_index(enum wire_op op);
const char *metrics_operation_name(size_t index);

const char *metrics_kind_name(enum batch_kind kind);

/* The batches that carry the kind's name; NULL when its items travel in KIND_VERIFY's. */
const char *metrics_batch_name(enum batch_kind kind);

/* -- what the frontend thread tells -- */

/* A request was answered as a whole and at once: refused, or Info. */
void metrics_answered_at_once(struct metrics *m, const struct job *job, enum status s);

/* Every item of a job has its status, and the reply is about to go. */
void metrics_answered(struct metrics *m, const struct job *job, uint64_t now_us);

/* A batch was handed out; one that was worked on is back from worker or lane. */
void metrics_batch_out(struct metrics *m, const struct batch *batch);
void metrics_batch_back(struct metrics *m, const struct batch *batch);
void metrics_custodian_back(struct metrics *m, size_t custodian, const struct batch *batch);

#endif
