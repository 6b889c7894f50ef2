/*
 * What travels between the frontend thread and a worker or a lane: items to do, and back again with
 * their statuses written. A batch belongs to one side at a time; the ring hands it over.
 */
#ifndef SERVICE_BATCH_H
#define SERVICE_BATCH_H

#include "service/batcher.h"

struct policy;
struct trust;

enum {
    BATCH_ITEMS_MAX = 256, /* a verification batch: enough to fill every lane many times over */
};

struct batch {
    enum batch_kind kind; /* KIND_VERIFY for all that verification mixes */
    size_t count;
    size_t live; /* the first of them; the others were late when their turn came */
    bool lost;   /* the live ones came back undone: the custodian was lost before it answered */
    const struct trust *trust;     /* of the policy in force when verification's was filled */
    struct policy *policy;         /* that policy, held; the frontend thread's */
    uint64_t started_us, ended_us; /* the work on it, by whoever did it */
    struct batcher_item *items[BATCH_ITEMS_MAX];
};

/* The last look at the clock before the work: items past their deadline get the status DEADLINE and
 * move behind the live ones. */
void batch_drop_late(struct batch *batch, uint64_t now_us);

#endif
