#include "service/drain.h"

#include <assert.h>

void drain_add(struct drain *d, uint64_t now_us, size_t items)
{
    if (d->waiting == 0) {
        d->since_us = now_us;
    }
    d->waiting += items;
}

void drain_done(struct drain *d, uint64_t now_us, size_t items)
{
    assert(items <= d->waiting);
    d->busy_us += now_us - d->since_us;
    d->since_us = now_us;
    d->done += items * DRAIN_UNIT;
    d->waiting -= items;
    while (d->busy_us > DRAIN_WINDOW_US && d->done > 1) {
        d->busy_us /= 2;
        d->done /= 2;
    }
}

uint64_t drain_after_us(const struct drain *d, uint64_t now_us)
{
    if (d->done == 0) {
        return DRAIN_AFTER_UNKNOWN_US;
    }
    uint64_t busy = d->busy_us + (d->waiting > 0 ? now_us - d->since_us : 0);
    uint64_t after = busy * (d->waiting * DRAIN_UNIT / 2) / d->done;
    if (after < DRAIN_AFTER_MIN_US) {
        return DRAIN_AFTER_MIN_US;
    }
    return after < DRAIN_AFTER_MAX_US ? after : DRAIN_AFTER_MAX_US;
}
