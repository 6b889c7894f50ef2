#include "service/batch.h"

#include "service/job.h"

void batch_drop_late(struct batch *batch, uint64_t now_us)
{
    batch->live = batch->count;
    for (size_t i = batch->count; i-- > 0;) {
        struct batcher_item *item = batch->items[i];
        if (item->group->deadline_us <= now_us) {
            job_of(item)->results.status[item->index] = STATUS_DEADLINE;
            batch->items[i] = batch->items[--batch->live];
            batch->items[batch->live] = item;
        }
    }
}
