#include "smsr/store/alpha_store.h"

#include "smsr/eis/eis_json.h"
#include "smsr/hex.h"

static const char *const migrations[] = {
    "CREATE TABLE euicc ("
    "  eid TEXT PRIMARY KEY, rev INTEGER NOT NULL, ks1_counter INTEGER NOT NULL,"
    "  state TEXT NOT NULL, locked INTEGER NOT NULL, deadline_us INTEGER NOT NULL,"
    "  due_us INTEGER NOT NULL, card_attempts INTEGER NOT NULL, change BLOB NOT NULL,"
    "  request BLOB NOT NULL, reply BLOB NOT NULL, outcome BLOB NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE eis (eid TEXT PRIMARY KEY, json TEXT NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE INDEX euicc_due ON euicc (due_us) WHERE due_us <> 0;",
    "ALTER TABLE euicc ADD COLUMN receipts INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE euicc ADD COLUMN receipts_end_us INTEGER NOT NULL DEFAULT 0;",
};

bool alpha_store_open(struct db **out, const char *path, enum db_sync sync)
{
    return db_open(out, path, sync, migrations, sizeof(migrations) / sizeof(migrations[0]));
}

/* A message as bytes; none for one of no type. */
static bool put_message(const struct message *m, struct writer *w)
{
    return m->type == MESSAGE_TYPES || message_put(w, m) == STATUS_OK;
}

static bool get_message(struct db *db, int column, struct message *out)
{
    struct span bytes = db_blob(db, column);
    if (bytes.len == 0) {
        memset(out, 0, sizeof(*out));
        out->type = MESSAGE_TYPES;
        return true;
    }
    return message_parse(bytes, out) == STATUS_OK;
}

bool alpha_store_add(struct db *db, const struct eis *eis)
{
    char eid[EID_TEXT_LEN + 1];
    uint8_t json[EIS_JSON_MAX];
    struct writer w = writer_of(json, sizeof(json));
    eid_text(eis->signed_info.eid, eid);
    bool ok =
        eis_json_put(&w, eis) == STATUS_OK && db_begin(db) &&
        db_run(db,
               "INSERT INTO euicc VALUES (?, 0, 0, 'idle', 0, 0, 0, 0, x'', x'', x'', x'', 0, 0)"
               " ON CONFLICT DO NOTHING",
               "t", eid) &&
        (db_changes(db) == 0 ||
         db_run(db, "INSERT INTO eis VALUES (?, CAST(? AS TEXT))", "tb", eid, w.ptr, w.len)) &&
        db_commit(db);
    if (!ok) {
        db_rollback(db);
    }
    return ok;
}

static bool read_row(struct db *db, struct alpha *alpha, uint64_t *rev)
{
    struct message outcome;
    *rev = (uint64_t)db_int(db, 0);
    alpha->ks1->counter = (uint64_t)db_int(db, 1);
    for (enum alpha_state s = 0; s < ALPHA_STATES; s++) {
        if (strcmp(alpha_state_name(s), db_text(db, 2)) == 0) {
            alpha->state = s;
        }
    }
    alpha->locked = db_int(db, 3) != 0;
    alpha->deadline_us = (uint64_t)db_int(db, 4);
    alpha->due_us = (uint64_t)db_int(db, 5);
    alpha->card_attempts = (unsigned)db_int(db, 6);
    alpha->receipts = (uint32_t)db_int(db, 11);
    alpha->receipts_end_us = (uint64_t)db_int(db, 12);
    struct span json = db_blob(db, 13);
    alpha->has_eis = json.len != 0;
    bool ok = get_message(db, 7, &alpha->order) && get_message(db, 8, &alpha->request) &&
              get_message(db, 9, &alpha->reply) && get_message(db, 10, &outcome) &&
              (!alpha->has_eis || eis_json_parse(json, &alpha->eis, NULL) == STATUS_OK);
    alpha->outcome = outcome.u.answer;
    return ok;
}

enum store_found alpha_store_load(struct db *db, struct alpha *alpha, uint64_t *rev)
{
    char eid[EID_TEXT_LEN + 1];
    eid_text(alpha->bus->eid, eid);
    if (!db_query(db,
                  "SELECT rev, ks1_counter, state, locked, deadline_us, due_us, card_attempts,"
                  " change, request, reply, outcome, receipts, receipts_end_us, json"
                  " FROM euicc LEFT JOIN eis USING (eid)"
                  " WHERE eid = ?",
                  "t", eid)) {
        return STORE_FAILED;
    }
    if (!db_next(db)) {
        return db_failed(db) ? STORE_FAILED : STORE_NONE;
    }
    bool ok = read_row(db, alpha, rev);
    (void)db_next(db);
    return ok ? STORE_FOUND : STORE_FAILED;
}

static bool write_row(struct db *db, const struct alpha *alpha, const char *eid, uint64_t rev)
{
    uint8_t bytes[4][MESSAGE_BYTES_MAX];
    struct message outcome = alpha->order;
    const struct message *parts[4] = {&alpha->order, &alpha->request, &alpha->reply, &outcome};
    struct writer w[4];
    outcome.u.answer = alpha->outcome;
    outcome.type = alpha->order.type == MESSAGE_TYPES ? MESSAGE_TYPES : ES4_SMSR_CHANGE_ANSWER;
    for (size_t i = 0; i < 4; i++) {
        w[i] = writer_of(bytes[i], sizeof(bytes[i]));
        if (!put_message(parts[i], &w[i])) {
            return false;
        }
    }
    return db_run(db,
                  "UPDATE euicc SET rev = rev + 1, ks1_counter = ?, state = ?, locked = ?,"
                  " deadline_us = ?, due_us = ?, card_attempts = ?, change = ?, request = ?,"
                  " reply = ?, outcome = ?, receipts = ?, receipts_end_us = ? WHERE eid = ? AND "
                  "rev = ?",
                  "itiiiibbbbiiti", (long long)alpha->ks1->counter, alpha_state_name(alpha->state),
                  (long long)alpha->locked, (long long)alpha->deadline_us, (long long)alpha->due_us,
                  (long long)alpha->card_attempts, w[0].ptr, w[0].len, w[1].ptr, w[1].len, w[2].ptr,
                  w[2].len, w[3].ptr, w[3].len, (long long)alpha->receipts,
                  (long long)alpha->receipts_end_us, eid, (long long)rev) &&
           db_changes(db) == 1;
}

bool alpha_store_save(struct db *db, const struct alpha *alpha, uint64_t *rev)
{
    char eid[EID_TEXT_LEN + 1];
    eid_text(alpha->bus->eid, eid);
    bool ok = db_begin(db) && write_row(db, alpha, eid, *rev) &&
              (alpha->has_eis || db_run(db, "DELETE FROM eis WHERE eid = ?", "t", eid)) &&
              db_commit(db);
    if (!ok) {
        db_rollback(db);
        return false;
    }
    (*rev)++;
    return true;
}

size_t alpha_store_due(struct db *db, uint64_t now_us, uint8_t eids[][GP_EID_LEN], size_t max)
{
    size_t count = 0, len;
    if (!db_query(db,
                  "SELECT eid FROM euicc WHERE due_us <> 0 AND due_us <= ? ORDER BY due_us LIMIT ?",
                  "ii", (long long)now_us, (long long)max)) {
        return 0;
    }
    while (db_next(db)) {
        if (count < max && hex_decode(db_text(db, 0), eids[count], GP_EID_LEN, &len) == STATUS_OK) {
            count++;
        }
    }
    return count;
}
