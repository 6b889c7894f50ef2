/* Single verifications become requests: how many, with which keys, and an answer for each item. */
#include "tests/unit/client/client_test.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t signature[ECKA_SIGNATURE_LEN];

struct item_log {
    size_t answered;
    int status[4096]; /* by item number; -1: not answered */
};

struct tag {
    struct item_log *log;
    size_t number;
};

static struct item_log item_log;
static struct tag tags[4096];

static void reset_log(void)
{
    item_log.answered = 0;
    for (size_t i = 0; i < 4096; i++) {
        item_log.status[i] = -1;
        tags[i] = (struct tag){&item_log, i};
    }
}

static void item_note(void *arg, int status)
{
    const struct tag *t = arg;
    assert_int_equal(t->log->status[t->number], -1);
    t->log->status[t->number] = status;
    t->log->answered++;
}

/* Adds item n: its key's second octet is key, its answer will be what the number says. Everything
 * pointed to is gone on return. */
static int add(struct ecka_verifier *v, enum ecka_curve curve, uint8_t key, size_t n)
{
    uint8_t point[ECKA_POINT_LEN] = {4, key};
    uint8_t digest[ECKA_DIGEST_LEN] = {(uint8_t)(n % 200)};
    struct ecka_verify_item item = {point, digest, signature};
    int st = ecka_verifier_add(v, curve, &item, item_note, &tags[n]);
    memset(point, 0xEE, sizeof point);
    memset(digest, 0xEE, sizeof digest);
    return st;
}

static void poll_until_answered(struct ecka_client *client, size_t count)
{
    uint64_t end = test_now_ms() + SOON_MS;
    while (item_log.answered < count && test_now_ms() < end) {
        (void)ecka_poll(client, 100);
    }
    assert_int_equal(item_log.answered, count);
}

static struct ecka_client *connected(struct fake_server *s, enum behaviour behaviour,
                                     size_t max_outstanding)
{
    reset_log();
    fake_server_start(s, behaviour);
    struct ecka_client *client =
        test_client(&s, 1, (struct ecka_options){.max_outstanding = max_outstanding});
    poll_until_up(client, 0, 1);
    return client;
}

static void what_came_travels_together(void **state)
{
    (void)state;
    enum { COUNT = 100, KEYS = 7 };
    struct fake_server s;
    struct ecka_verifier *v;
    struct ecka_client *client = connected(&s, ANSWER, 0);
    assert_int_equal(ecka_verifier_open(&v, client, NULL), ECKA_OK);
    for (size_t n = 0; n < COUNT; n++) {
        assert_int_equal(
            add(v, n % 3 == 0 ? ECKA_BRAINPOOLP256R1 : ECKA_P256, (uint8_t)(n % KEYS), n), ECKA_OK);
    }
    assert_int_equal(ecka_verifier_held(v), COUNT);
    assert_int_equal(s.requests, 0);
    assert_int_equal(ecka_wait_ms(client), 0); /* there is something to send */
    poll_until_answered(client, COUNT);
    for (size_t n = 0; n < COUNT; n++) {
        assert_int_equal(item_log.status[n], n % 200);
    }
    assert_int_equal(s.requests, 2); /* a curve each */
    assert_int_equal(s.items, COUNT);
    assert_int_equal(s.keys, 2 * KEYS); /* each key once */
    assert_int_equal(ecka_verifier_held(v), 0);
    assert_int_equal(ecka_wait_ms(client), -1);
    ecka_close(&client);
    fake_server_stop(&s);
}

static void a_full_batch_goes_at_once(void **state)
{
    (void)state;
    enum { BATCH = 4 };
    struct fake_server s;
    struct ecka_verifier *v;
    struct ecka_client *client = connected(&s, ANSWER, 0);
    const struct ecka_verifier_options options = {.batch = BATCH};
    assert_int_equal(ecka_verifier_open(&v, client, &options), ECKA_OK);
    for (size_t n = 0; n < 2 * BATCH + 1; n++) {
        assert_int_equal(add(v, ECKA_FRP256V1, (uint8_t)n, n), ECKA_OK);
    }
    assert_int_equal(ecka_outstanding(client), 2);
    assert_int_equal(ecka_verifier_flush(v), ECKA_OK);
    assert_int_equal(ecka_outstanding(client), 3);
    poll_until_answered(client, 2 * BATCH + 1);
    assert_int_equal(s.requests, 3);
    assert_int_equal(s.keys, 2 * BATCH + 1); /* all differ */
    ecka_close(&client);
    fake_server_stop(&s);
}

static void items_are_bounded(void **state)
{
    (void)state;
    enum { BATCH = 4, ITEMS = 10 };
    struct fake_server s;
    struct ecka_verifier *v;
    struct ecka_client *client = connected(&s, HOLD, 0);
    const struct ecka_verifier_options options = {.batch = BATCH, .max_items = ITEMS};
    assert_int_equal(ecka_verifier_open(&v, client, &options), ECKA_OK);
    for (size_t n = 0; n < ITEMS; n++) {
        assert_int_equal(add(v, ECKA_P256, 1, n), ECKA_OK);
    }
    assert_int_equal(add(v, ECKA_P256, 1, ITEMS), ECKA_BUSY);
    poll_until_seen(client, &s, 3);
    assert_int_equal(add(v, ECKA_P256, 1, ITEMS), ECKA_BUSY);
    assert_int_equal(item_log.answered, 0);
    fake_server_release(&s);
    poll_until_answered(client, ITEMS);
    s.behaviour = ANSWER;
    assert_int_equal(add(v, ECKA_P256, 1, ITEMS), ECKA_OK);
    poll_until_answered(client, ITEMS + 1);
    ecka_close(&client);
    fake_server_stop(&s);
}

static void a_client_without_room_pushes_back(void **state)
{
    (void)state;
    enum { BATCH = 2 };
    struct fake_server s;
    struct ecka_verifier *v;
    struct ecka_client *client = connected(&s, HOLD, 1);
    const struct ecka_verifier_options options = {.batch = BATCH, .max_items = 100};
    assert_int_equal(ecka_verifier_open(&v, client, &options), ECKA_OK);
    for (size_t n = 0; n < 2 * BATCH; n++) { /* one batch is out, one is full */
        assert_int_equal(add(v, ECKA_P256, 1, n), ECKA_OK);
    }
    assert_int_equal(add(v, ECKA_P256, 1, 2 * BATCH), ECKA_BUSY);
    assert_int_equal(ecka_verifier_flush(v), ECKA_BUSY);
    assert_int_equal(ecka_verifier_held(v), 2 * BATCH);
    poll_until_seen(client, &s, 1);
    s.behaviour = ANSWER;
    fake_server_release(&s);
    poll_until_answered(client, 2 * BATCH); /* the second went out by itself */
    assert_int_equal(s.requests, 2);
    ecka_close(&client);
    fake_server_stop(&s);
}

static void a_failed_request_fails_its_items(void **state)
{
    (void)state;
    struct fake_server s;
    struct ecka_verifier *v;
    struct ecka_client *client = connected(&s, FAIL, 0);
    s.fail_with = ECKA_DENIED;
    assert_int_equal(ecka_verifier_open(&v, client, NULL), ECKA_OK);
    for (size_t n = 0; n < 5; n++) {
        assert_int_equal(add(v, ECKA_P256, 1, n), ECKA_OK);
    }
    poll_until_answered(client, 5);
    for (size_t n = 0; n < 5; n++) {
        assert_int_equal(item_log.status[n], ECKA_DENIED);
    }
    ecka_close(&client);
    fake_server_stop(&s);
}

static void closing_answers_everything(void **state)
{
    (void)state;
    enum { BATCH = 4, COUNT = 4 + 3 };
    struct fake_server s;
    struct ecka_verifier *v;
    struct ecka_client *client = connected(&s, HOLD, 0);
    const struct ecka_verifier_options options = {.batch = BATCH};
    assert_int_equal(ecka_verifier_open(&v, client, &options), ECKA_OK);
    for (size_t n = 0; n < COUNT; n++) { /* one batch out, three items not sent */
        assert_int_equal(add(v, ECKA_P256, 1, n), ECKA_OK);
    }
    ecka_close(&client);
    assert_int_equal(item_log.answered, COUNT);
    for (size_t n = 0; n < COUNT; n++) {
        assert_int_equal(item_log.status[n], ECKA_DISCONNECTED);
    }
    fake_server_stop(&s);
}

static void what_is_no_item_is_refused(void **state)
{
    (void)state;
    struct fake_server s;
    struct ecka_verifier *v;
    struct ecka_client *client = connected(&s, ANSWER, 0);
    const struct ecka_verifier_options too_long = {.batch = 2049},
                                       too_many = {.max_items = 2 << 20};
    const uint8_t point[ECKA_POINT_LEN] = {4}, digest[ECKA_DIGEST_LEN] = {0};
    const struct ecka_verify_item good = {point, digest, signature};
    const struct ecka_verify_item bad[] = {
        {NULL, digest, signature}, {point, NULL, signature}, {point, digest, NULL}};
    assert_int_equal(ecka_verifier_open(&v, client, &too_long), ECKA_BAD_REQUEST);
    assert_null(v);
    assert_int_equal(ecka_verifier_open(&v, client, &too_many), ECKA_BAD_REQUEST);
    assert_int_equal(ecka_verifier_open(&v, client, NULL), ECKA_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(ecka_verifier_add(v, ECKA_P256, &bad[i], item_note, &tags[0]),
                         ECKA_BAD_REQUEST);
    }
    assert_int_equal(ecka_verifier_add(v, (enum ecka_curve)0, &good, item_note, &tags[0]),
                     ECKA_BAD_REQUEST);
    assert_int_equal(ecka_verifier_add(v, (enum ecka_curve)4, &good, item_note, &tags[0]),
                     ECKA_BAD_REQUEST);
    assert_int_equal(ecka_verifier_add(v, ECKA_P256, &good, NULL, NULL), ECKA_BAD_REQUEST);
    assert_int_equal(ecka_verifier_held(v), 0);
    ecka_close(&client);
    fake_server_stop(&s);
}

/* -- callbacks that add -- */

struct chain {
    struct ecka_verifier *verifier;
    size_t added, answered;
};

static void add_next(void *arg, int status)
{
    struct chain *c = arg;
    uint8_t point[ECKA_POINT_LEN] = {4}, digest[ECKA_DIGEST_LEN] = {9};
    const struct ecka_verify_item item = {point, digest, signature};
    assert_int_equal(status, 9);
    c->answered++;
    if (c->added < 200) {
        c->added++;
        assert_int_equal(ecka_verifier_add(c->verifier, ECKA_P256, &item, add_next, c), ECKA_OK);
    }
}

static void a_callback_may_add(void **state)
{
    (void)state;
    enum { DEPTH = 8 };
    struct fake_server s;
    struct chain c = {0};
    struct ecka_client *client = connected(&s, ANSWER, 0);
    const struct ecka_verifier_options options = {.max_items = DEPTH, .batch = 3};
    const uint8_t point[ECKA_POINT_LEN] = {4}, digest[ECKA_DIGEST_LEN] = {9};
    const struct ecka_verify_item item = {point, digest, signature};
    assert_int_equal(ecka_verifier_open(&c.verifier, client, &options), ECKA_OK);
    for (; c.added < DEPTH; c.added++) {
        assert_int_equal(ecka_verifier_add(c.verifier, ECKA_P256, &item, add_next, &c), ECKA_OK);
    }
    uint64_t end = test_now_ms() + SOON_MS;
    while (c.answered < 200 && test_now_ms() < end) {
        (void)ecka_poll(client, 100);
    }
    assert_int_equal(c.answered, 200);
    assert_int_equal(s.items, 200);
    assert_true(s.requests < 200);
    ecka_close(&client);
    fake_server_stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_came_travels_together),
        cmocka_unit_test(a_full_batch_goes_at_once),
        cmocka_unit_test(items_are_bounded),
        cmocka_unit_test(a_client_without_room_pushes_back),
        cmocka_unit_test(a_failed_request_fails_its_items),
        cmocka_unit_test(closing_answers_everything),
        cmocka_unit_test(what_is_no_item_is_refused),
        cmocka_unit_test(a_callback_may_add),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
