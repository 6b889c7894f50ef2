/*
 * The audit log of a custodian: what it did with token keys and key sets, in a Merkle tree (RFC
 * 6962) whose checkpoints the token signs. proto/audit/audit.h has the lines.
 *
 * Leaves are gathered in memory and written by a commit: leaves, then a checkpoint over them, one
 * write, one fdatasync. Whoever releases a result commits before. So at rest the last line is a
 * checkpoint, every released result is under one, and what stands behind the last one was never
 * released: it is cut off at the next start.
 *
 * The directory is locked for the time of a commit only, and a commit first reads what others
 * appended, so a ceremony writes into the log of a custodian that serves. Space for reserve_bytes
 * is set aside behind the last line; when the disk is full, what begins something is refused and
 * what finishes something goes on from there. Whatever else fails, a commit fails, the file is as
 * before, and the next one tries again.
 *
 * The last checkpoint is also kept in the token, renewed about once a second, and in the process's
 * log; a start finds a log that is older than it, or not its extension. A NULL log takes
 * everything and writes nothing: it is off. One thread.
 */
#ifndef HSM_AUDIT_H
#define HSM_AUDIT_H

#include "hsm/config.h"
#include "hsm/token/keys.h"
#include "proto/audit/audit.h"

/* What the token remembers: the label is the origin, the value a note. */
#define AUDIT_RECORDS "eckad audit"

struct audit;

struct audit_event { /* what is left out is empty in the leaf */
    enum audit_op op;
    const char *principal;
    const uint8_t *eid; /* AUDIT_EID_LEN */
    bool has_kvn;
    uint8_t kvn;
    const char *key;
    const uint8_t *sha256; /* AUDIT_HASH_LEN */
    enum status status;
    uint64_t count; /* 0: one */
    const char *detail;
};

/*
 * Reads the log, makes it whole and compares it with what the token remembers; *out is NULL when
 * the configuration says off. The keys are read at each commit. AUDIT_UNAVAILABLE after a sentence
 * in the log.
 */
MUST_CHECK enum status audit_open(struct audit **out, const struct audit_config *config,
                                  struct token *token, const struct key_list *keys);
/* Forgets leaves that were not committed. */
void audit_close(struct audit **a);

/* -- gathering -- */

void audit_add(struct audit *a, const struct audit_event *event);
/* So many items refused: counted, and written as at most one leaf a second and kind. */
void audit_refused(struct audit *a, const char *principal, const char *operation,
                   enum status status, uint64_t count);

/* Refusals that wait for their second become leaves now, as at an end. */
void audit_settle(struct audit *a);

/* -- writing -- */

/* Whether a batch that begins something may be done: AUDIT_UNAVAILABLE while its leaves would have
 * to go into the reserve. What is added from now on, audit_discard() takes back. */
MUST_CHECK enum status audit_admit(struct audit *a, bool begins);
void audit_discard(struct audit *a);

/* Everything gathered is on the disk, under a checkpoint, when it is OK; else AUDIT_UNAVAILABLE or
 * TOKEN_ERROR, and the leaves stay gathered. */
MUST_CHECK enum status audit_commit(struct audit *a);

/* -- between batches; ms: monotonic -- */

/* When audit_run has something to do, in milliseconds; UINT64_MAX: nothing. */
uint64_t audit_due_ms(const struct audit *a, uint64_t ms);
/* Writes refusals that wait, and renews what the token remembers. */
void audit_run(struct audit *a, uint64_t ms);
/* Has the token remember the last checkpoint now; a failure is said once. */
void audit_mirror(struct audit *a);
/* Has the token and the process's log remember it. */
void audit_remember(struct audit *a);

#endif
