/*
 * SQLite, as the parties' stores use it: WAL, synced at every commit, migrations by user_version.
 *
 * One statement at a time: db_next() walks the rows of the last db_query(), whose columns are valid
 * until the next call. What fails is said on stderr with the file's name. One thread.
 */
#ifndef SMSR_STORE_DB_H
#define SMSR_STORE_DB_H

#include "proto/bytes.h"

struct db;

enum db_sync {
    DB_SYNC_FULL,    /* a commit survives the loss of power */
    DB_SYNC_PROCESS, /* a commit survives the end of any process */
};

/* migrations[i] leads from version i to i + 1; a newer file than them all is refused. Mode 0600. */
MUST_CHECK bool db_open(struct db **out, const char *path, enum db_sync sync,
                        const char *const migrations[], size_t count);
void db_close(struct db **db);

/* A transaction that writes; db_rollback() also when the commit failed. */
MUST_CHECK bool db_begin(struct db *db);
MUST_CHECK bool db_commit(struct db *db);
void db_rollback(struct db *db);

/*
 * sql is a literal: statements are kept by its address. types has a letter a parameter: t (const
 * char *), i (long long), b (const void *, size_t).
 */
MUST_CHECK bool db_run(struct db *db, const char *sql, const char *types, ...);
MUST_CHECK bool db_query(struct db *db, const char *sql, const char *types, ...);
/* The rows that the last db_run() changed. */
size_t db_changes(const struct db *db);

/* True while there is a row; false at the end, and on failure (db_failed). */
bool db_next(struct db *db);
bool db_failed(const struct db *db);

long long db_int(struct db *db, int column);
const char *db_text(struct db *db, int column);
struct span db_blob(struct db *db, int column);
/* Exactly len bytes, or at most cap: false when the column holds something else. */
MUST_CHECK bool db_blob_exact(struct db *db, int column, uint8_t *out, size_t len);
MUST_CHECK bool db_blob_max(struct db *db, int column, uint8_t *out, size_t cap, size_t *len);
MUST_CHECK bool db_text_max(struct db *db, int column, char *out, size_t cap);

#endif
