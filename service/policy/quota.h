/*
 * So many items a period: a token bucket that starts full and fills evenly.
 *
 * Pure: the clock is passed in. A bucket counts in items x microseconds of the period, so that no
 * part of an item is ever lost to rounding.
 */
#ifndef SERVICE_QUOTA_H
#define SERVICE_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/status.h"

enum { QUOTA_ITEMS_MAX = 100 * 1000 * 1000 }; /* times a day in microseconds is below 2^63 */

struct quota_rate {
    uint64_t items; /* 0: no limit */
    uint64_t period_us;
};

struct quota {
    struct quota_rate rate;
    uint64_t level; /* items x period_us */
    uint64_t at_us; /* when it was that */
};

/* "1000/h": 1 to QUOTA_ITEMS_MAX items a s, min, h or d. */
bool quota_parse(const char *text, struct quota_rate *out);

/* The rate from now on. The same one changes nothing; another one keeps the items that are left, as
 * far as it has room for them; the first one is full. */
void quota_set(struct quota *q, struct quota_rate rate, uint64_t now_us);

/*
 * Whether n items may go now: OK; BUSY with the time after which they may; DENIED when they are
 * more than a whole period has. Nothing is taken.
 */
MUST_CHECK enum status quota_check(struct quota *q, uint64_t now_us, uint64_t n,
                                   uint64_t *after_us);

/* Takes what quota_check allowed. */
void quota_take(struct quota *q, uint64_t n);

#endif
