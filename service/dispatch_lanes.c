/*
 * The dispatcher's custody lanes: which gets a batch, and what becomes of a group whose token
 * fails.
 */
#include <assert.h>

#include "service/dispatch.h"
#include "service/observe/log.h"

/* What a token that fails gives back; TOKEN_ERROR for some items alone may be theirs. */
static bool batch_failed(const struct batch *batch)
{
    size_t failed = 0;
    for (size_t i = 0; i < batch->live; i++) {
        struct batcher_item *item = batch->items[i];
        failed += job_of(item)->results.status[item->index] == STATUS_TOKEN_ERROR;
    }
    return batch->lost || (batch->live > 0 && failed == batch->live);
}

void dispatch_lane_judge(struct dispatch *d, size_t lane, const struct batch *batch)
{
    if (batch->live > 0 && groups_result(&d->groups, lane, !batch_failed(batch), d->now_us)) {
        LOG_ABOUT(BREAKER_OPEN, d->lanes[lane].config->name,
                  "group %s: %d batches failed in a row, none is sent there until its token works",
                  d->groups.of[lane]->name, (int)GROUP_FAILURES_MAX);
    }
}

static void tell_probed(struct dispatch *d, size_t lane, bool ok)
{
    if (groups_probed(&d->groups, lane, ok, d->now_us)) {
        LOG_ABOUT(BREAKER_CLOSED, d->lanes[lane].config->name, "group %s: its token works again",
                  d->groups.of[lane]->name);
    }
}

void dispatch_lanes_try(struct dispatch *d)
{
    for (size_t i = 0; i < d->lane_count; i++) {
        struct custody_lane *lane = &d->lanes[i];
        const enum lane_probe probe = atomic_load(&lane->probe);
        if (probe == LANE_PROBE_PASSED || probe == LANE_PROBE_FAILED) {
            atomic_store(&lane->probe, LANE_PROBE_NONE);
            tell_probed(d, i, probe == LANE_PROBE_PASSED);
        }
        if (!lane->busy && atomic_load(&lane->up) && groups_probe_due(&d->groups, i, d->now_us)) {
            custody_lane_probe(lane);
        }
    }
}

bool dispatch_lanes_any(const struct dispatch *d)
{
    for (size_t i = 0; i < d->lane_count; i++) {
        if (atomic_load(&d->lanes[i].up) && groups_closed(&d->groups, i)) {
            return true;
        }
    }
    return false;
}

static bool fill_custody(struct dispatch *d, struct batch *batch)
{
    batch->lost = false;
    batch->started_us = 0;
    batch->ended_us = 0;
    batch->count = batcher_take(&d->batcher, POOL_CUSTODY, CUSTODY_ITEMS_MAX, batch->items);
    if (batch->count == 0) {
        return false;
    }
    batch->kind = (enum batch_kind)batch->items[0]->kind;
    metrics_batch_out(d->metrics, batch);
    return true;
}

void dispatch_lanes_feed(struct dispatch *d)
{
    bool free[CONFIG_CUSTODIANS_MAX] = {false};
    for (size_t i = 0; i < d->lane_count; i++) {
        free[i] = !d->lanes[i].busy && atomic_load(&d->lanes[i].up);
    }
    size_t next;
    while ((next = groups_next(&d->groups, free)) < d->lane_count) {
        struct custody_lane *lane = &d->lanes[next];
        if (!fill_custody(d, &lane->batch)) {
            return;
        }
        groups_gave(&d->groups, next, lane->batch.count);
        free[next] = false;
        lane->busy = true;
        bool pushed = ring_push(&lane->todo, &lane->batch); /* room for the one batch there is */
        assert(pushed);
        (void)pushed;
        wake_signal(&lane->wake);
    }
}

uint64_t dispatch_lanes_due_us(const struct dispatch *d)
{
    bool up[CONFIG_CUSTODIANS_MAX] = {false};
    for (size_t i = 0; i < d->lane_count; i++) {
        up[i] = !d->lanes[i].busy && atomic_load(&d->lanes[i].up);
    }
    return groups_due_us(&d->groups, up);
}
