/*
 * What Beta keeps of each eUICC: the EIS, tickets and key sets (sealed), and how far a change has
 * come. Any Beta of the same principal goes on from it.
 */
#ifndef SMSR_BETA_STORE_H
#define SMSR_BETA_STORE_H

#include "smsr/party/beta.h"
#include "smsr/store/alpha_store.h"

enum { BETA_OWNER_MAX = 64 };

MUST_CHECK bool beta_store_open(struct db **out, const char *path, enum db_sync sync);

/* Into a beta that beta_init() has made; rev is for beta_store_save(), 0 for an unknown eUICC. */
enum store_found beta_store_load(struct db *db, struct beta *beta, uint64_t *rev);

/* One transaction. False, with nothing changed, when it failed or another process was faster. */
MUST_CHECK bool beta_store_save(struct db *db, struct beta *beta, const char *owner, uint64_t *rev);

/* EIDs whose due_us has passed, of another owner by grace_us more; at most max; how many. */
size_t beta_store_due(struct db *db, const char *owner, uint64_t now_us, uint64_t grace_us,
                      uint8_t eids[][GP_EID_LEN], size_t max);

/* eUICCs that are Beta's, or about to be. */
size_t beta_store_count(struct db *db);

#endif
