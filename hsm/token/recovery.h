/*
 * What a custodian does about a token that failed: as much as the return values asked for
 * (ckr.def), between two batches.
 *
 * A new session, a login, the keys' handles, the token opened afresh: each when the one before did
 * not help. A token that is away is asked for every RECOVERY_PAUSE_MS; when it is not back after
 * RECOVERY_PATIENCE_MS, the process ends, because some modules find a token again only in a new
 * one. The PIN is read again from where it was read at the start; one that was refused is never
 * tried again. On the custodian's one thread.
 */
#ifndef HSM_RECOVERY_H
#define HSM_RECOVERY_H

#include "hsm/custodian.h"

enum {
    RECOVERY_PAUSE_MS = 250,
    RECOVERY_PATIENCE_MS = 10 * 1000,
};

/*
 * OK: the token is at hand. UNAVAILABLE: it is away, call again after RECOVERY_PAUSE_MS.
 * DENIED: the PIN was refused. TOKEN_ERROR: a new process is needed. now_ms: monotonic.
 */
MUST_CHECK enum status recovery_run(struct custodian *c, uint64_t now_ms);

#endif
