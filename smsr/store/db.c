#include "smsr/store/db.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "smsr/files.h"

enum { STATEMENTS_MAX = 32, BUSY_MS = 20000, PRAGMA_MAX = 64 };

struct statement {
    const char *sql;
    sqlite3_stmt *prepared;
};

struct db {
    sqlite3 *handle;
    char path[PATH_TEXT_MAX];
    struct statement statements[STATEMENTS_MAX];
    size_t count;
    sqlite3_stmt *current; /* of the last db_query() */
    bool failed;
};

static bool complain(struct db *db, const char *what)
{
    fprintf(stderr, "smsr-change: %s: %s: %s\n", db->path, what, sqlite3_errmsg(db->handle));
    db->failed = true;
    return false;
}

static bool exec(struct db *db, const char *sql)
{
    return sqlite3_exec(db->handle, sql, NULL, NULL, NULL) == SQLITE_OK || complain(db, sql);
}

static bool version_of(struct db *db, int *version)
{
    sqlite3_stmt *s = NULL;
    bool ok = sqlite3_prepare_v2(db->handle, "PRAGMA user_version", -1, &s, NULL) == SQLITE_OK &&
              sqlite3_step(s) == SQLITE_ROW;
    *version = ok ? sqlite3_column_int(s, 0) : 0;
    sqlite3_finalize(s);
    return ok || complain(db, "user_version");
}

static bool step_up(struct db *db, const char *migration, int version)
{
    char pragma[PRAGMA_MAX];
    (void)snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %d", version);
    return exec(db, migration) && exec(db, pragma);
}

/* Each process may be the first: the version is read again under the lock. */
static bool migrate(struct db *db, const char *const migrations[], size_t count)
{
    int version;
    if (!exec(db, "BEGIN IMMEDIATE") || !version_of(db, &version)) {
        return false;
    }
    if ((size_t)version > count) {
        fprintf(stderr, "smsr-change: %s: made by a newer program (version %d)\n", db->path,
                version);
        return false;
    }
    for (size_t i = (size_t)version; i < count; i++) {
        if (!step_up(db, migrations[i], (int)i + 1)) {
            return false;
        }
    }
    return exec(db, "COMMIT");
}

/* So that the file, and those that SQLite makes beside it, are for the owner alone. */
static bool make_private(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        perror(path);
        return false;
    }
    (void)close(fd);
    return true;
}

bool db_open(struct db **out, const char *path, enum db_sync sync, const char *const migrations[],
             size_t count)
{
    struct db *db = calloc(1, sizeof(*db));
    *out = db;
    if (db == NULL) {
        return false;
    }
    (void)snprintf(db->path, sizeof(db->path), "%s", path);
    bool ok = make_private(path) &&
              (sqlite3_open(path, &db->handle) == SQLITE_OK || complain(db, "cannot be opened"));
    ok = ok && sqlite3_busy_timeout(db->handle, BUSY_MS) == SQLITE_OK &&
         exec(db, "PRAGMA journal_mode = WAL") &&
         exec(db,
              sync == DB_SYNC_FULL ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL") &&
         migrate(db, migrations, count);
    if (!ok) {
        db_close(out);
    }
    return ok;
}

void db_close(struct db **db)
{
    if (*db != NULL) {
        for (size_t i = 0; i < (*db)->count; i++) {
            sqlite3_finalize((*db)->statements[i].prepared);
        }
        sqlite3_close((*db)->handle);
        free(*db);
        *db = NULL;
    }
}

bool db_begin(struct db *db)
{
    return exec(db, "BEGIN IMMEDIATE");
}

bool db_commit(struct db *db)
{
    return exec(db, "COMMIT");
}

void db_rollback(struct db *db)
{
    if (sqlite3_get_autocommit(db->handle) == 0) {
        (void)sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
    }
}

/* -- statements -- */

static sqlite3_stmt *statement_of(struct db *db, const char *sql)
{
    for (size_t i = 0; i < db->count; i++) {
        if (db->statements[i].sql == sql) {
            return db->statements[i].prepared;
        }
    }
    if (db->count == STATEMENTS_MAX) {
        fprintf(stderr, "smsr-change: %s: too many statements\n", db->path);
        return NULL;
    }
    struct statement *s = &db->statements[db->count];
    if (sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->prepared, NULL) !=
        SQLITE_OK) {
        (void)complain(db, sql);
        return NULL;
    }
    s->sql = sql;
    db->count++;
    return s->prepared;
}

static bool bind_one(sqlite3_stmt *s, int at, char type, va_list *args)
{
    const void *ptr;
    size_t len;
    switch (type) {
    case 't':
        return sqlite3_bind_text(s, at, va_arg(*args, const char *), -1, SQLITE_TRANSIENT) ==
               SQLITE_OK;
    case 'i':
        return sqlite3_bind_int64(s, at, va_arg(*args, long long)) == SQLITE_OK;
    default:
        ptr = va_arg(*args, const void *);
        len = va_arg(*args, size_t);
        return sqlite3_bind_blob64(s, at, len != 0 ? ptr : "", len, SQLITE_TRANSIENT) == SQLITE_OK;
    }
}

static sqlite3_stmt *bound(struct db *db, const char *sql, const char *types, va_list *args)
{
    sqlite3_stmt *s = statement_of(db, sql);
    db->failed = s == NULL;
    db->current = NULL;
    if (s == NULL) {
        return NULL;
    }
    (void)sqlite3_reset(s);
    for (int i = 0; types[i] != '\0'; i++) {
        if (!bind_one(s, i + 1, types[i], args)) {
            (void)complain(db, sql);
            return NULL;
        }
    }
    return s;
}

bool db_run(struct db *db, const char *sql, const char *types, ...)
{
    va_list args;
    va_start(args, types);
    sqlite3_stmt *s = bound(db, sql, types, &args);
    va_end(args);
    bool ok = s != NULL && (sqlite3_step(s) == SQLITE_DONE || complain(db, sql));
    if (s != NULL) {
        (void)sqlite3_reset(s);
    }
    return ok;
}

bool db_query(struct db *db, const char *sql, const char *types, ...)
{
    va_list args;
    va_start(args, types);
    db->current = bound(db, sql, types, &args);
    va_end(args);
    return db->current != NULL;
}

size_t db_changes(const struct db *db)
{
    return (size_t)sqlite3_changes(db->handle);
}

bool db_next(struct db *db)
{
    int rc = sqlite3_step(db->current);
    if (rc == SQLITE_ROW) {
        return true;
    }
    if (rc != SQLITE_DONE) {
        (void)complain(db, "query");
    }
    (void)sqlite3_reset(db->current);
    return false;
}

bool db_failed(const struct db *db)
{
    return db->failed;
}

long long db_int(struct db *db, int column)
{
    return sqlite3_column_int64(db->current, column);
}

const char *db_text(struct db *db, int column)
{
    const unsigned char *text = sqlite3_column_text(db->current, column);
    return text != NULL ? (const char *)text : "";
}

struct span db_blob(struct db *db, int column)
{
    const void *ptr = sqlite3_column_blob(db->current, column);
    return span_of(ptr, (size_t)sqlite3_column_bytes(db->current, column));
}

bool db_blob_exact(struct db *db, int column, uint8_t *out, size_t len)
{
    size_t have;
    return db_blob_max(db, column, out, len, &have) && have == len;
}

bool db_blob_max(struct db *db, int column, uint8_t *out, size_t cap, size_t *len)
{
    struct span s = db_blob(db, column);
    if (s.len > cap) {
        return false;
    }
    if (s.len != 0) {
        memcpy(out, s.ptr, s.len);
    }
    *len = s.len;
    return true;
}

bool db_text_max(struct db *db, int column, char *out, size_t cap)
{
    const char *text = db_text(db, column);
    size_t len = strlen(text);
    if (len >= cap) {
        return false;
    }
    memcpy(out, text, len + 1);
    return true;
}
