/*
 * What Alpha keeps of each eUICC: the EIS, the change that runs or ran last, the counter of KS1. No
 * key: KS1 is diversified from a master that is not here.
 */
#ifndef SMSR_ALPHA_STORE_H
#define SMSR_ALPHA_STORE_H

#include "smsr/party/alpha.h"
#include "smsr/store/db.h"

enum store_found { STORE_FOUND, STORE_NONE, STORE_FAILED };

MUST_CHECK bool alpha_store_open(struct db **out, const char *path, enum db_sync sync);

/* A new eUICC with its EIS; one that is there stays as it is. */
MUST_CHECK bool alpha_store_add(struct db *db, const struct eis *eis);

/* Into an alpha that alpha_init() has made; rev is for alpha_store_save(). */
enum store_found alpha_store_load(struct db *db, struct alpha *alpha, uint64_t *rev);

/* One transaction. False, with nothing changed, when it failed or another process was faster. */
MUST_CHECK bool alpha_store_save(struct db *db, const struct alpha *alpha, uint64_t *rev);

/* EIDs whose due_us has passed, at most max; returns how many. */
size_t alpha_store_due(struct db *db, uint64_t now_us, uint8_t eids[][GP_EID_LEN], size_t max);

#endif
