#include "hsm/recycle.h"

#include <inttypes.h>
#include <sys/resource.h>

#include "hsm/log.h"

enum { KIB_PER_MIB = 1024, SPREAD = 8 };

enum status recycle_init(struct custodian *c)
{
    uint32_t random;
    const uint32_t spread = c->config->recycle.operations / SPREAD + 1;
    TRY(drbg_bytes(c->drbg, (uint8_t *)&random, sizeof random));
    c->operations_max = c->config->recycle.operations + random % spread;
    return STATUS_OK;
}

/* The most it ever had, which for a leak is what it has. */
static uint64_t rss_mib(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss / KIB_PER_MIB : 0;
}

bool recycle_due(const struct custodian *c)
{
    const struct recycle *limits = &c->config->recycle;
    if (limits->operations != 0 && c->operations >= c->operations_max) {
        log_line("recycled after %" PRIu64 " operations", c->operations);
        return true;
    }
    if (limits->rss_mib != 0 && rss_mib() >= limits->rss_mib) {
        log_line("recycled at %" PRIu64 " MiB, after %" PRIu64 " operations", rss_mib(),
                 c->operations);
        return true;
    }
    return false;
}
