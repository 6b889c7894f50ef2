/*
 * What the HTTP thread looks at, and what it concludes: readiness, and numbers of the process.
 *
 * Only things that any thread may read at any time; nothing here waits for another thread.
 */
#ifndef SERVICE_OBSERVED_H
#define SERVICE_OBSERVED_H

#include "service/config.h"
#include "service/observe/metrics.h"

enum {
    OBSERVED_CODES = 600, /* HTTP status codes are below */
};

struct observed {
    const struct config *config;
    const struct metrics *metrics;
    metric responses[OBSERVED_CODES]; /* HTTP, by status code; the HTTP thread's own */
};

/*
 * Ready: self-tests passed, not draining, and at least one custodian is up, which it is only when
 * its token is open. A configuration without custodians serves verification alone, and is ready for
 * that. The sentence says why not, or for what.
 */
bool observed_ready(const struct observed *o, const char **sentence);

/* How long the oldest item of a kind waits; 0 when none does. */
uint64_t observed_age_us(const struct metrics_kind *kind, uint64_t now_us);

struct observed_process {
    uint64_t cpu_us, resident_bytes, open_fds;
};

/* What cannot be learned is 0. */
void observed_process(struct observed_process *out);

#endif
