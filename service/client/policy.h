/*
 * What a client decides: which endpoint takes a request, what becomes of one whose attempt ended
 * without a result, and when a silent endpoint is given up. Pure functions; the time is handed in.
 */
#ifndef SERVICE_CLIENT_POLICY_H
#define SERVICE_CLIENT_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/status.h"

enum {
    /* A request that brings its servers down reaches this many of them and no more. */
    POLICY_ATTEMPTS_MAX = 4,
    POLICY_PAUSE_MIN_US = 1000,    /* when BUSY names no time */
    POLICY_PAUSE_MAX_US = 2000000, /* whatever it names: nobody is put to sleep for good */
};

struct policy_endpoint { /* what the choice looks at */
    bool up;             /* the connection stands, its handshake done */
    bool draining;       /* it takes no new request on this connection */
    bool blocked;        /* its socket took nothing just now */
    uint64_t busy_until; /* it asked to be left alone until then; 0: not */
    size_t outstanding;
};

/* Whether an endpoint can be sent a request now. */
bool policy_usable(const struct policy_endpoint *e, uint64_t now);

/*
 * The usable endpoint with the least outstanding, those with their bit in avoid left out; count if
 * there is none. Equals take turns: the search begins at first.
 */
size_t policy_choose(const struct policy_endpoint *endpoints, size_t count, uint32_t avoid,
                     size_t first, uint64_t now);

/* Until when an endpoint that answered BUSY with this retry-after is left alone. */
uint64_t policy_busy_until(uint64_t retry_after_us, uint64_t now);

/*
 * Whether a request goes out again after its attempt ended with this status. elsewhere: another
 * endpoint can take it now. A connection lost, DISCONNECTED, and DRAINING are worth waiting for:
 * the endpoint comes back or another one does. BUSY and UNAVAILABLE go on only if there is where
 * to; else the caller gets them and decides. Everything else is an answer.
 */
bool policy_again(enum status status, unsigned attempts, bool elsewhere);

enum policy_pulse { PULSE_FINE, PULSE_PROBE, PULSE_GONE };

struct policy_heartbeat {
    uint64_t interval, timeout; /* interval < timeout */
};

/*
 * Looks after an endpoint that owes answers: quiet since then, probed at that time (0: not since).
 * A probe is due after an interval of silence; the endpoint is gone when the rest of the timeout
 * brought no answer to it. Silence nobody probed proves nothing: the caller may not have looked.
 */
enum policy_pulse policy_pulse(const struct policy_heartbeat *h, uint64_t quiet_since,
                               uint64_t probed, uint64_t now);

/* When policy_pulse will next say something else than PULSE_FINE. */
uint64_t policy_pulse_at(const struct policy_heartbeat *h, uint64_t quiet_since, uint64_t probed);

#endif
