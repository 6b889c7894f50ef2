#include "service/policy/quota.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "service/clock.h"

static const struct {
    const char *name;
    uint64_t us;
} periods[] = {
    {"s", US_PER_S},
    {"min", UINT64_C(60) * US_PER_S},
    {"h", UINT64_C(3600) * US_PER_S},
    {"d", UINT64_C(86400) * US_PER_S},
};

bool quota_parse(const char *text, struct quota_rate *out)
{
    enum { DECIMAL = 10 };
    char *end = NULL;
    if (!isdigit((unsigned char)text[0])) {
        return false;
    }
    unsigned long long items = strtoull(text, &end, DECIMAL);
    if (items < 1 || items > QUOTA_ITEMS_MAX || *end != '/') {
        return false;
    }
    for (size_t i = 0; i < sizeof(periods) / sizeof(*periods); i++) {
        if (strcmp(end + 1, periods[i].name) == 0) {
            *out = (struct quota_rate){.items = items, .period_us = periods[i].us};
            return true;
        }
    }
    return false;
}

static uint64_t full(const struct quota *q)
{
    return q->rate.items * q->rate.period_us;
}

static void refill(struct quota *q, uint64_t now_us)
{
    uint64_t elapsed = now_us > q->at_us ? now_us - q->at_us : 0;
    if (elapsed > q->rate.period_us) {
        elapsed = q->rate.period_us; /* which fills it */
    }
    uint64_t gained = elapsed * q->rate.items;
    q->level = gained < full(q) - q->level ? q->level + gained : full(q);
    q->at_us = now_us > q->at_us ? now_us : q->at_us;
}

void quota_set(struct quota *q, struct quota_rate rate, uint64_t now_us)
{
    if (rate.items == q->rate.items && rate.period_us == q->rate.period_us) {
        return;
    }
    uint64_t left = rate.items;
    if (q->rate.items != 0) {
        refill(q, now_us);
        left = q->level / q->rate.period_us;
    }
    *q = (struct quota){.rate = rate, .at_us = now_us};
    q->level = (left < rate.items ? left : rate.items) * rate.period_us;
}

enum status quota_check(struct quota *q, uint64_t now_us, uint64_t n, uint64_t *after_us)
{
    *after_us = 0;
    if (q->rate.items == 0) {
        return STATUS_OK;
    }
    if (n > q->rate.items) {
        return STATUS_DENIED;
    }
    refill(q, now_us);
    uint64_t need = n * q->rate.period_us;
    if (need <= q->level) {
        return STATUS_OK;
    }
    *after_us = (need - q->level + q->rate.items - 1) / q->rate.items;
    return STATUS_BUSY;
}

void quota_take(struct quota *q, uint64_t n)
{
    if (q->rate.items != 0) {
        assert(n * q->rate.period_us <= q->level);
        q->level -= n * q->rate.period_us;
    }
}
