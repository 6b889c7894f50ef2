#include "smsr/store/beta_store.h"

#include "smsr/eis/eis_json.h"
#include "smsr/hex.h"

static const char *const migrations[] = {
    "CREATE TABLE euicc ("
    "  eid TEXT PRIMARY KEY, rev INTEGER NOT NULL, owner TEXT NOT NULL, state TEXT NOT NULL,"
    "  due_us INTEGER NOT NULL, change_id BLOB NOT NULL, alpha TEXT NOT NULL,"
    "  orderer TEXT NOT NULL, validity_s INTEGER NOT NULL, deadline_us INTEGER NOT NULL,"
    "  rc BLOB NOT NULL, kvn INTEGER NOT NULL, burnt_kvns INTEGER NOT NULL,"
    "  attempt INTEGER NOT NULL, attempts INTEGER NOT NULL, confirming INTEGER NOT NULL,"
    "  late_from TEXT NOT NULL, late_due_us INTEGER NOT NULL, epk BLOB NOT NULL,"
    "  signature BLOB NOT NULL, receipt BLOB NOT NULL, dr BLOB NOT NULL,"
    "  ks2_kvn INTEGER NOT NULL, ks2_counter INTEGER NOT NULL, ks2 BLOB NOT NULL,"
    "  second_kvn INTEGER NOT NULL, second_counter INTEGER NOT NULL, second BLOB NOT NULL,"
    "  card_attempts INTEGER NOT NULL, told INTEGER NOT NULL, tellings INTEGER NOT NULL,"
    "  answer BLOB NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE eis (eid TEXT PRIMARY KEY, json TEXT NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE ticket ("
    "  eid TEXT NOT NULL, slot INTEGER NOT NULL, change_id BLOB NOT NULL,"
    "  attempt INTEGER NOT NULL, kvn INTEGER NOT NULL, expiry_s INTEGER NOT NULL,"
    "  bytes BLOB NOT NULL, PRIMARY KEY (eid, slot)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX euicc_due ON euicc (due_us) WHERE due_us <> 0;",
};

bool beta_store_open(struct db **out, const char *path, enum db_sync sync)
{
    return db_open(out, path, sync, migrations, sizeof(migrations) / sizeof(migrations[0]));
}

/* -- reading -- */

static bool get_state(struct db *db, int column, enum beta_state *out)
{
    for (enum beta_state s = 0; s < BETA_STATES; s++) {
        if (strcmp(beta_state_name(s), db_text(db, column)) == 0) {
            *out = s;
            return true;
        }
    }
    return false;
}

static bool get_octets(struct db *db, int column, struct octets *out)
{
    return octets_set(out, db_blob(db, column)) == STATUS_OK;
}

static bool get_key_set(struct db *db, int column, struct beta_key_set *out)
{
    out->kvn = (uint8_t)db_int(db, column);
    out->counter = (uint64_t)db_int(db, column + 1);
    return db_blob_max(db, column + 2, out->bytes, sizeof(out->bytes), &out->len);
}

static bool get_answer(struct db *db, int column, struct es_answer *out)
{
    struct message m;
    struct span bytes = db_blob(db, column);
    if (bytes.len != 0 && message_parse(bytes, &m) != STATUS_OK) {
        return false;
    }
    if (bytes.len != 0) {
        *out = m.u.answer;
    }
    return true;
}

static bool read_row(struct db *db, struct beta *beta, uint64_t *rev)
{
    struct beta_record *r = &beta->r;
    *rev = (uint64_t)db_int(db, 0);
    r->due_us = (uint64_t)db_int(db, 2);
    r->validity_s = (uint32_t)db_int(db, 6);
    r->deadline_us = (uint64_t)db_int(db, 7);
    r->kvn = (uint8_t)db_int(db, 9);
    r->burnt_kvns = (uint32_t)db_int(db, 10);
    r->attempt = (uint32_t)db_int(db, 11);
    r->attempts = (unsigned)db_int(db, 12);
    r->confirming = (size_t)db_int(db, 13) % BETA_TICKETS_MAX;
    r->late_due_us = (uint64_t)db_int(db, 15);
    r->card_attempts = (unsigned)db_int(db, 26);
    r->told = (uint32_t)db_int(db, 27);
    r->tellings = (unsigned)db_int(db, 28);
    struct span json = db_blob(db, 30);
    r->has_eis = json.len != 0;
    return get_state(db, 1, &r->state) &&
           db_blob_exact(db, 3, r->change_id, sizeof(r->change_id)) &&
           db_text_max(db, 4, r->alpha, sizeof(r->alpha)) &&
           db_text_max(db, 5, r->orderer, sizeof(r->orderer)) && get_octets(db, 8, &r->rc) &&
           get_state(db, 14, &r->late_from) && db_blob_exact(db, 16, r->epk, sizeof(r->epk)) &&
           db_blob_exact(db, 17, r->signature, sizeof(r->signature)) &&
           get_octets(db, 18, &r->receipt) && get_octets(db, 19, &r->dr) &&
           get_key_set(db, 20, &r->ks2) && get_key_set(db, 23, &r->second) &&
           get_answer(db, 29, &r->answer) &&
           (!r->has_eis || eis_json_parse(json, &beta->eis, NULL) == STATUS_OK);
}

static bool read_ticket(struct db *db, struct beta *beta)
{
    struct beta_ticket *t = &beta->r.tickets[(size_t)db_int(db, 0) % BETA_TICKETS_MAX];
    t->attempt = (uint32_t)db_int(db, 2);
    t->kvn = (uint8_t)db_int(db, 3);
    t->expiry_s = (uint64_t)db_int(db, 4);
    return db_blob_exact(db, 1, t->change_id, sizeof(t->change_id)) &&
           db_blob_max(db, 5, t->bytes, sizeof(t->bytes), &t->len);
}

static bool read_tickets(struct db *db, struct beta *beta, const char *eid)
{
    bool ok = db_query(db,
                       "SELECT slot, change_id, attempt, kvn, expiry_s, bytes FROM ticket"
                       " WHERE eid = ?",
                       "t", eid);
    while (ok && db_next(db)) {
        ok = read_ticket(db, beta);
    }
    return ok && !db_failed(db);
}

enum store_found beta_store_load(struct db *db, struct beta *beta, uint64_t *rev)
{
    char eid[EID_TEXT_LEN + 1];
    eid_text(beta->eid, eid);
    *rev = 0;
    if (!db_query(db,
                  "SELECT rev, state, due_us, change_id, alpha, orderer, validity_s, deadline_us,"
                  " rc, kvn, burnt_kvns, attempt, attempts, confirming, late_from, late_due_us,"
                  " epk, signature, receipt, dr, ks2_kvn, ks2_counter, ks2, second_kvn,"
                  " second_counter, second, card_attempts, told, tellings, answer, json"
                  " FROM euicc LEFT JOIN eis USING (eid) WHERE eid = ?",
                  "t", eid)) {
        return STORE_FAILED;
    }
    if (!db_next(db)) {
        return db_failed(db) ? STORE_FAILED : STORE_NONE;
    }
    bool ok = read_row(db, beta, rev);
    (void)db_next(db);
    return ok && read_tickets(db, beta, eid) ? STORE_FOUND : STORE_FAILED;
}

/* -- writing -- */

static bool write_row(struct db *db, const struct beta *beta, const char *eid, const char *owner,
                      uint64_t rev)
{
    const struct beta_record *r = &beta->r;
    uint8_t bytes[MESSAGE_BYTES_MAX];
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct message answer = {
        .type = ES7_HANDOVER_EUICC_ANSWER, .from = PARTY_BETA, .to = PARTY_ALPHA};
    answer.u.answer = r->answer;
    return message_put(&w, &answer) == STATUS_OK &&
           db_run(db,
                  "INSERT INTO euicc VALUES (?, ? + 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
                  " ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                  " ON CONFLICT (eid) DO UPDATE SET rev = excluded.rev, owner = excluded.owner,"
                  " state = excluded.state, due_us = excluded.due_us,"
                  " change_id = excluded.change_id, alpha = excluded.alpha,"
                  " orderer = excluded.orderer, validity_s = excluded.validity_s,"
                  " deadline_us = excluded.deadline_us, rc = excluded.rc, kvn = excluded.kvn,"
                  " burnt_kvns = excluded.burnt_kvns, attempt = excluded.attempt,"
                  " attempts = excluded.attempts, confirming = excluded.confirming,"
                  " late_from = excluded.late_from, late_due_us = excluded.late_due_us,"
                  " epk = excluded.epk, signature = excluded.signature,"
                  " receipt = excluded.receipt, dr = excluded.dr, ks2_kvn = excluded.ks2_kvn,"
                  " ks2_counter = excluded.ks2_counter, ks2 = excluded.ks2,"
                  " second_kvn = excluded.second_kvn, second_counter = excluded.second_counter,"
                  " second = excluded.second, card_attempts = excluded.card_attempts,"
                  " told = excluded.told, tellings = excluded.tellings, answer = excluded.answer"
                  " WHERE rev = excluded.rev - 1",
                  "tittibttiibiiiiitibbbbiibiibiiib", eid, (long long)rev, owner,
                  beta_state_name(r->state), (long long)r->due_us, r->change_id,
                  sizeof(r->change_id), r->alpha, r->orderer, (long long)r->validity_s,
                  (long long)r->deadline_us, r->rc.b, r->rc.len, (long long)r->kvn,
                  (long long)r->burnt_kvns, (long long)r->attempt, (long long)r->attempts,
                  (long long)r->confirming, beta_state_name(r->late_from),
                  (long long)r->late_due_us, r->epk, sizeof(r->epk), r->signature,
                  sizeof(r->signature), r->receipt.b, r->receipt.len, r->dr.b, r->dr.len,
                  (long long)r->ks2.kvn, (long long)r->ks2.counter, r->ks2.bytes, r->ks2.len,
                  (long long)r->second.kvn, (long long)r->second.counter, r->second.bytes,
                  r->second.len, (long long)r->card_attempts, (long long)r->told,
                  (long long)r->tellings, w.ptr, w.len) &&
           db_changes(db) == 1;
}

static bool write_eis(struct db *db, const struct beta *beta, const char *eid)
{
    uint8_t json[EIS_JSON_MAX];
    struct writer w = writer_of(json, sizeof(json));
    if (!beta->r.has_eis) {
        return db_run(db, "DELETE FROM eis WHERE eid = ?", "t", eid);
    }
    return eis_json_put(&w, &beta->eis) == STATUS_OK &&
           db_run(db, "INSERT OR REPLACE INTO eis VALUES (?, CAST(? AS TEXT))", "tb", eid, w.ptr,
                  w.len);
}

static bool write_tickets(struct db *db, const struct beta *beta, const char *eid)
{
    bool ok = db_run(db, "DELETE FROM ticket WHERE eid = ?", "t", eid);
    for (size_t i = 0; ok && i < BETA_TICKETS_MAX; i++) {
        const struct beta_ticket *t = &beta->r.tickets[i];
        if (t->expiry_s != 0) {
            ok = db_run(db, "INSERT INTO ticket VALUES (?, ?, ?, ?, ?, ?, ?)", "tibiiib", eid,
                        (long long)i, t->change_id, sizeof(t->change_id), (long long)t->attempt,
                        (long long)t->kvn, (long long)t->expiry_s, t->bytes, t->len);
        }
    }
    return ok;
}

bool beta_store_save(struct db *db, struct beta *beta, const char *owner, uint64_t *rev)
{
    char eid[EID_TEXT_LEN + 1];
    eid_text(beta->eid, eid);
    bool ok = db_begin(db) && write_row(db, beta, eid, owner, *rev) &&
              (!beta->eis_moved || write_eis(db, beta, eid)) &&
              (!beta->tickets_moved || write_tickets(db, beta, eid)) && db_commit(db);
    if (!ok) {
        db_rollback(db);
        return false;
    }
    beta->eis_moved = beta->tickets_moved = false;
    (*rev)++;
    return true;
}

/* -- what waits -- */

size_t beta_store_due(struct db *db, const char *owner, uint64_t now_us, uint64_t grace_us,
                      uint8_t eids[][GP_EID_LEN], size_t max)
{
    size_t count = 0, len;
    if (!db_query(db,
                  "SELECT eid FROM euicc WHERE due_us <> 0 AND due_us <= ?1"
                  " AND (owner = ?2 OR due_us + ?3 <= ?1) ORDER BY due_us LIMIT ?4",
                  "itii", (long long)now_us, owner, (long long)grace_us, (long long)max)) {
        return 0;
    }
    while (db_next(db)) {
        if (count < max && hex_decode(db_text(db, 0), eids[count], GP_EID_LEN, &len) == STATUS_OK) {
            count++;
        }
    }
    return count;
}

size_t beta_store_count(struct db *db)
{
    size_t count = SIZE_MAX; /* no room when nothing can be counted */
    if (db_query(db, "SELECT count(*) FROM euicc WHERE state <> 'idle' AND state <> 'failed'",
                 "") &&
        db_next(db)) {
        count = (size_t)db_int(db, 0);
        (void)db_next(db);
    }
    return count;
}
