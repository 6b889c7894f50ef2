#include "service/client/policy.h"

bool policy_usable(const struct policy_endpoint *e, uint64_t now)
{
    return e->up && !e->draining && !e->blocked && e->busy_until <= now;
}

size_t policy_choose(const struct policy_endpoint *endpoints, size_t count, uint32_t avoid,
                     size_t first, uint64_t now)
{
    size_t best = count;
    for (size_t n = 0; n < count; n++) {
        size_t i = (first + n) % count;
        const struct policy_endpoint *e = &endpoints[i];
        if ((avoid >> i & 1) == 0 && policy_usable(e, now) &&
            (best == count || e->outstanding < endpoints[best].outstanding)) {
            best = i;
        }
    }
    return best;
}

uint64_t policy_busy_until(uint64_t retry_after_us, uint64_t now)
{
    if (retry_after_us == 0) {
        retry_after_us = POLICY_PAUSE_MIN_US;
    }
    return now + (retry_after_us < POLICY_PAUSE_MAX_US ? retry_after_us : POLICY_PAUSE_MAX_US);
}

bool policy_again(enum status status, unsigned attempts, bool elsewhere)
{
    if (attempts >= POLICY_ATTEMPTS_MAX) {
        return false;
    }
    switch (status) {
    case STATUS_DISCONNECTED:
    case STATUS_DRAINING:
        return true;
    case STATUS_BUSY:
    case STATUS_UNAVAILABLE:
        return elsewhere;
    default:
        return false;
    }
}

enum policy_pulse policy_pulse(const struct policy_heartbeat *h, uint64_t quiet_since,
                               uint64_t probed, uint64_t now)
{
    if (now < policy_pulse_at(h, quiet_since, probed)) {
        return PULSE_FINE;
    }
    return probed == 0 ? PULSE_PROBE : PULSE_GONE;
}

uint64_t policy_pulse_at(const struct policy_heartbeat *h, uint64_t quiet_since, uint64_t probed)
{
    return probed == 0 ? quiet_since + h->interval : probed + (h->timeout - h->interval);
}
