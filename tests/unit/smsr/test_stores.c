/*
 * The parties' stores: what goes in comes out, one transition at a time, and of two processes that
 * move the same eUICC one is faster.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "smsr/store/beta_store.h"
#include "smsr/store/card_book.h"
#include "tests/unit/smsr/bench.h"

struct shelf {
    struct bench bench;
    char path[96];
    struct bus bus;
};

static const char *path_of(struct shelf *s, const char *name)
{
    (void)snprintf(s->path, sizeof(s->path), "%s/%s", s->bench.dir, name);
    return s->path;
}

/* -- Beta's -- */

static void fill_key_set(struct beta_key_set *set, uint8_t kvn)
{
    *set = (struct beta_key_set){.kvn = kvn, .counter = UINT32_MAX + (uint64_t)kvn};
    memset(set->bytes, kvn, set->len = WIRE_KEY_SET_MAX);
}

/* A value of its own in each field. */
static void fill(struct beta *beta, const struct eis *eis)
{
    struct beta_record *r = &beta->r;
    uint8_t n = 1;
    r->state = BETA_STORING;
    memset(r->change_id, n++, sizeof(r->change_id));
    (void)snprintf(r->alpha, sizeof(r->alpha), "ipc:///alpha");
    (void)snprintf(r->orderer, sizeof(r->orderer), "ipc:///operator");
    r->validity_s = n++;
    r->deadline_us = n++;
    r->due_us = n++;
    r->has_eis = true;
    memset(r->rc.b, n++, r->rc.len = RC_LEN_LONG);
    r->kvn = n++;
    r->burnt_kvns = n++;
    r->attempt = n++;
    r->attempts = n++;
    r->confirming = BETA_TICKETS_MAX - 1;
    r->late_from = BETA_WAIT_RC;
    r->late_due_us = n++;
    memset(r->epk, n++, sizeof(r->epk));
    memset(r->signature, n++, sizeof(r->signature));
    memset(r->receipt.b, n++, r->receipt.len = RECEIPT_LEN);
    memset(r->dr.b, n++, r->dr.len = DR_LEN);
    for (size_t i = 0; i < BETA_TICKETS_MAX; i++) {
        struct beta_ticket *t = &r->tickets[i];
        *t = (struct beta_ticket){.attempt = n, .kvn = n++, .expiry_s = n++};
        memset(t->change_id, n++, sizeof(t->change_id));
        memset(t->bytes, n++, t->len = WIRE_TICKET_MAX - i);
    }
    fill_key_set(&r->ks2, n++);
    fill_key_set(&r->second, n++);
    r->card_attempts = n++;
    r->told = n++;
    r->tellings = n++;
    es_answer_set(&r->answer, ES_EXECUTED_WITHWARNING, 25, "KEY_INFO", "another key set");
    beta->eis = *eis;
    beta->eis_moved = beta->tickets_moved = true;
}

static void beta_comes_out_as_it_went_in(void **state)
{
    struct shelf *s = *state;
    static struct beta in, out;
    struct db *db;
    uint64_t rev = 0, found = 0;
    beta_init(&in, &s->bus, &s->bench.silent, NULL, NULL);
    beta_init(&out, &s->bus, &s->bench.silent, NULL, NULL);
    fill(&in, &s->bench.robot.eis);
    assert_true(beta_store_open(&db, path_of(s, "beta.db"), DB_SYNC_FULL));
    assert_int_equal(beta_store_load(db, &out, &found), STORE_NONE);
    assert_true(beta_store_save(db, &in, "one", &rev));
    db_close(&db);
    assert_true(beta_store_open(&db, s->path, DB_SYNC_FULL));
    assert_int_equal(beta_store_load(db, &out, &found), STORE_FOUND);
    assert_int_equal(found, rev);
    assert_memory_equal(&in.r, &out.r, sizeof(in.r));
    assert_memory_equal(&in.eis, &out.eis, sizeof(in.eis));
    assert_int_equal(beta_store_count(db), 1);
    db_close(&db);
}

/* The slower one changes nothing, and sees what the faster one did when it looks again. */
static void of_two_betas_one_is_faster(void **state)
{
    struct shelf *s = *state;
    static struct beta one, two;
    struct db *first, *second;
    uint64_t rev_one = 0, rev_two = 0;
    beta_init(&one, &s->bus, &s->bench.silent, NULL, NULL);
    beta_init(&two, &s->bus, &s->bench.silent, NULL, NULL);
    assert_true(beta_store_open(&first, path_of(s, "two.db"), DB_SYNC_PROCESS));
    assert_true(beta_store_open(&second, s->path, DB_SYNC_PROCESS));
    one.r.state = BETA_WAIT_RC;
    assert_true(beta_store_save(first, &one, "one", &rev_one));
    assert_false(beta_store_save(second, &two, "two", &rev_two)); /* as if it were new */
    assert_int_equal(beta_store_load(second, &two, &rev_two), STORE_FOUND);
    two.r.ks2.counter = 1;
    assert_true(beta_store_save(second, &two, "two", &rev_two));
    one.r.ks2.counter = 1; /* the same counter: for another packet */
    assert_false(beta_store_save(first, &one, "one", &rev_one));
    assert_int_equal(beta_store_load(first, &one, &rev_one), STORE_FOUND);
    one.r.ks2.counter++;
    assert_true(beta_store_save(first, &one, "one", &rev_one));
    db_close(&first);
    db_close(&second);
}

static void due_is_the_owners_first(void **state)
{
    struct shelf *s = *state;
    static struct beta beta;
    uint8_t eids[2][GP_EID_LEN];
    struct db *db;
    uint64_t rev = 0;
    beta_init(&beta, &s->bus, &s->bench.silent, NULL, NULL);
    beta.r.state = BETA_WAIT_RC;
    beta.r.due_us = 1000;
    assert_true(beta_store_open(&db, path_of(s, "due.db"), DB_SYNC_PROCESS));
    assert_true(beta_store_save(db, &beta, "one", &rev));
    assert_int_equal(beta_store_due(db, "one", 999, 50, eids, 2), 0);
    assert_int_equal(beta_store_due(db, "one", 1000, 50, eids, 2), 1);
    assert_memory_equal(eids[0], s->bus.eid, GP_EID_LEN);
    assert_int_equal(beta_store_due(db, "two", 1049, 50, eids, 2), 0);
    assert_int_equal(beta_store_due(db, "two", 1050, 50, eids, 2), 1);
    db_close(&db);
}

/* -- Alpha's -- */

static void alpha_comes_out_as_it_went_in(void **state)
{
    struct shelf *s = *state;
    static struct alpha in, out;
    struct db *db;
    uint64_t rev, again;
    const struct bench *b = &s->bench;
    assert_true(alpha_store_open(&db, path_of(s, "alpha.db"), DB_SYNC_FULL));
    assert_int_equal(alpha_init(&in, &s->bus, &b->silent, NULL, NULL, NULL), STATUS_OK);
    assert_int_equal(alpha_init(&out, &s->bus, &b->silent, NULL, NULL, NULL), STATUS_OK);
    assert_int_equal(alpha_store_load(db, &in, &rev), STORE_NONE);
    assert_true(alpha_store_add(db, &b->robot.eis));
    assert_int_equal(alpha_store_load(db, &in, &rev), STORE_FOUND);
    assert_memory_equal(&in.eis, &b->robot.eis, sizeof(in.eis));
    in.ks1->counter = 77;
    in.locked = true;
    in.state = ALPHA_WAIT_CARD_2;
    in.deadline_us = 5;
    in.due_us = 6;
    in.card_attempts = 7;
    in.receipts_end_us = 9;
    in.receipts = 1U << CRT_KVN_MAX | 1U << 2;
    in.order.type = ES4_SMSR_CHANGE;
    in.order.to = PARTY_ALPHA;
    memset(in.order.change_id, 8, sizeof(in.order.change_id));
    in.request = in.reply = in.order;
    in.request.type = ES7_CREATE_ADDITIONAL_KEY_SET;
    in.reply.type = ES7_CREATE_ADDITIONAL_KEY_SET_ANSWER;
    in.request.u.create = (struct es7_create_key_set){.kvn = 9};
    in.reply.u.created = (struct es7_create_key_set_answer){.sw = 0x6985};
    es_answer_set(&in.outcome, ES_EXPIRED, 7, "EXPIRED", "over");
    assert_true(alpha_store_save(db, &in, &rev));
    assert_true(alpha_store_add(db, &b->robot.eis)); /* what is there stays as it is */
    assert_int_equal(alpha_store_load(db, &out, &again), STORE_FOUND);
    assert_int_equal(again, rev);
    assert_int_equal(out.ks1->counter, 77);
    assert_memory_equal(&out.order, &in.order, sizeof(in.order));
    assert_memory_equal(&out.request, &in.request, sizeof(in.request));
    assert_memory_equal(&out.reply, &in.reply, sizeof(in.reply));
    assert_memory_equal(&out.outcome, &in.outcome, sizeof(in.outcome));
    assert_true(out.locked && out.has_eis && out.state == ALPHA_WAIT_CARD_2);
    assert_true(out.deadline_us == 5 && out.due_us == 6 && out.card_attempts == 7);
    assert_int_equal(out.receipts, in.receipts);
    assert_int_equal(out.receipts_end_us, 9);
    again--;
    assert_false(alpha_store_save(db, &out, &again)); /* of two, one is faster */
    in.has_eis = false;
    assert_true(alpha_store_save(db, &in, &rev));
    assert_int_equal(alpha_store_load(db, &out, &again), STORE_FOUND);
    assert_false(out.has_eis);
    db_close(&db);
    alpha_fini(&in);
    alpha_fini(&out);
}

/* A store that was made before sets were cleared from cards: as it was, and of no receipt. */
static void an_older_store_of_alphas_is_read(void **state)
{
    struct shelf *s = *state;
    static struct alpha out;
    sqlite3 *old;
    struct db *db;
    uint64_t rev;
    const char *path = path_of(s, "older.db");
    assert_true(alpha_store_open(&db, path, DB_SYNC_FULL));
    assert_true(alpha_store_add(db, &s->bench.robot.eis));
    db_close(&db);
    assert_int_equal(sqlite3_open(path, &old), SQLITE_OK);
    assert_int_equal(sqlite3_exec(old,
                                  "ALTER TABLE euicc DROP COLUMN receipts;"
                                  "ALTER TABLE euicc DROP COLUMN receipts_end_us;"
                                  "UPDATE euicc SET ks1_counter = 77; PRAGMA user_version = 1",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(old);
    assert_true(alpha_store_open(&db, path, DB_SYNC_FULL));
    assert_int_equal(alpha_init(&out, &s->bus, &s->bench.silent, NULL, NULL, NULL), STATUS_OK);
    assert_int_equal(alpha_store_load(db, &out, &rev), STORE_FOUND);
    assert_true(out.has_eis && out.ks1->counter == 77 && out.receipts == 0);
    assert_true(alpha_store_save(db, &out, &rev));
    db_close(&db);
    alpha_fini(&out);
}

/* -- any -- */

static void files_are_the_owners_and_never_newer(void **state)
{
    struct shelf *s = *state;
    struct stat st;
    struct db *db;
    const char *path = path_of(s, "plain.db");
    static const char *const one[] = {"CREATE TABLE a (x TEXT) STRICT"};
    static const char *const two[] = {"CREATE TABLE a (x TEXT) STRICT",
                                      "CREATE TABLE b (x TEXT) STRICT"};
    assert_true(db_open(&db, path, DB_SYNC_FULL, one, 1));
    assert_true(db_run(db, "INSERT INTO a VALUES (?)", "t", "kept"));
    db_close(&db);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_true(db_open(&db, path, DB_SYNC_FULL, two, 2)); /* a step up keeps what is there */
    assert_true(db_query(db, "SELECT x FROM a", "") && db_next(db));
    assert_string_equal(db_text(db, 0), "kept");
    assert_false(db_next(db));
    assert_true(db_run(db, "INSERT INTO b VALUES (?)", "t", "new"));
    db_close(&db);
    assert_false(db_open(&db, path, DB_SYNC_FULL, one, 1)); /* and no program goes back */
    assert_null(db);
}

static void cards_are_kept_whole(void **state)
{
    struct shelf *s = *state;
    static uint8_t image[CARD_IMAGE_LEN], again[CARD_IMAGE_LEN];
    struct db *db;
    memset(image, 0xCA, sizeof(image));
    assert_true(card_book_open(&db, path_of(s, "cards.db"), DB_SYNC_PROCESS));
    assert_false(card_book_load(db, s->bus.eid, again));
    assert_int_equal(card_book_save(db, s->bus.eid, span_of(image, sizeof(image))), STATUS_OK);
    image[0] = 0xFE;
    assert_int_equal(card_book_save(db, s->bus.eid, span_of(image, sizeof(image))), STATUS_OK);
    assert_true(card_book_load(db, s->bus.eid, again));
    assert_memory_equal(image, again, sizeof(image));
    db_close(&db);
}

static int set_up(void **state)
{
    static struct shelf s;
    bench_init(&s.bench, CURVE_P256, RC_LEN_SHORT);
    memcpy(s.bus.eid, s.bench.robot.eis.signed_info.eid, sizeof(s.bus.eid));
    *state = &s;
    return 0;
}

static int tear_down(void **state)
{
    struct shelf *s = *state;
    bench_fini(&s->bench);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beta_comes_out_as_it_went_in),
        cmocka_unit_test(of_two_betas_one_is_faster),
        cmocka_unit_test(due_is_the_owners_first),
        cmocka_unit_test(alpha_comes_out_as_it_went_in),
        cmocka_unit_test(an_older_store_of_alphas_is_read),
        cmocka_unit_test(files_are_the_owners_and_never_newer),
        cmocka_unit_test(cards_are_kept_whole),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
