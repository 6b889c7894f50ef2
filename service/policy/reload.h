/*
 * The thread that reads policy.yaml again when it is told to, by SIGHUP.
 *
 * It parses the file and loads the trust store in full, while the frontend serves under the policy
 * in force; the frontend then takes the new one with reload_take(). A file at fault is named in the
 * log and counted, and changes nothing.
 */
#ifndef SERVICE_RELOAD_H
#define SERVICE_RELOAD_H

#include "service/policy/policy.h"

struct reload;

/* Blocks SIGHUP in this thread, and so in those that it starts later. INTERNAL. */
MUST_CHECK enum status reload_block_signal(void);

/* Starts the thread; path outlives it. INTERNAL with a sentence. */
MUST_CHECK enum status reload_start(struct reload **out, const char *path,
                                    char error[static CONFIG_ERROR_MAX]);
void reload_stop(struct reload **reload);

/* Readable when there is something to take. */
int reload_fd(const struct reload *r);

/*
 * What came since the last call, for one other thread: a policy, with its one hold, or NULL where
 * the file was at fault. *failed: how often it was, since the start.
 */
struct policy *reload_take(struct reload *r, uint64_t *failed);

#endif
