/* Several endpoints: who gets a request, and what becomes of it when its server fails it. */
#include "tests/unit/client/client_test.h"

#include <string.h>

enum { LONG_US = 60 * 1000 * 1000 };

struct pair { /* a client of two servers, connected to both */
    struct fake_server a, b;
    struct ecka_client *client;
    struct log log;
};

static void pair_open_with(struct pair *t, enum behaviour a, enum behaviour b,
                           struct ecka_options options)
{
    memset(&t->log, 0, sizeof t->log);
    fake_server_start(&t->a, a);
    fake_server_start(&t->b, b);
    t->client = test_client((struct fake_server *const[]){&t->a, &t->b}, 2, options);
    poll_until_up(t->client, 0, 1);
    poll_until_up(t->client, 1, 1);
}

static void pair_open(struct pair *t, enum behaviour a, enum behaviour b)
{
    pair_open_with(t, a, b, (struct ecka_options){0});
}

static void pair_close(struct pair *t)
{
    ecka_close(&t->client);
    fake_server_stop(&t->a);
    fake_server_stop(&t->b);
}

static void submit(struct pair *t, uint8_t tag)
{
    struct probe p;
    assert_int_equal(ecka_submit(t->client, probe(&p, tag, LONG_US), note, &t->log), ECKA_OK);
}

/* One call; the status of the request, and of its item when that is OK. */
static int call(struct pair *t, uint8_t tag, int *item)
{
    struct probe p;
    struct ecka_reply *reply;
    int status = ecka_call(t->client, probe(&p, tag, LONG_US), &reply);
    *item = status == ECKA_OK ? reply->items.verify[0] : -1;
    ecka_reply_free(&reply);
    return status;
}

/* Each tag of 1..count was answered, with its own status, exactly once. */
static void answered_once_each(const struct log *log, size_t count)
{
    uint8_t seen[256] = {0};
    assert_int_equal(log->count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(log->status[i], ECKA_OK);
        assert_in_range(log->item[i], 1, count);
        assert_int_equal(seen[log->item[i]]++, 0);
    }
}

/* -- the choice -- */

static void the_least_outstanding_gets_it(void **state)
{
    (void)state;
    struct pair t;
    pair_open(&t, HOLD, HOLD);
    for (uint8_t tag = 1; tag <= 10; tag++) {
        submit(&t, tag);
    }
    poll_until_seen(t.client, &t.a, 5);
    poll_until_seen(t.client, &t.b, 5);
    assert_int_equal(state_of(t.client, 0).outstanding, 5);
    assert_int_equal(state_of(t.client, 1).outstanding, 5);

    fake_server_release(&t.a);
    poll_until(t.client, &t.log, 5);
    assert_int_equal(state_of(t.client, 0).outstanding, 0);
    for (uint8_t tag = 11; tag <= 14; tag++) { /* all to the one that owes fewer */
        submit(&t, tag);
    }
    poll_until_seen(t.client, &t.a, 9);
    assert_int_equal(t.b.requests, 5);

    fake_server_release(&t.a);
    fake_server_release(&t.b);
    poll_until(t.client, &t.log, 14);
    answered_once_each(&t.log, 14);
    struct ecka_endpoint_state nobody;
    assert_int_equal(ecka_endpoint_state(t.client, 2, &nobody), ECKA_BAD_REQUEST);
    pair_close(&t);
}

static void none_there_yet_is_waited_for(void **state)
{
    (void)state;
    struct pair t = {.log = {0}};
    struct probe p;
    fake_server_start(&t.a, ANSWER);
    fake_server_start(&t.b, ANSWER);
    fake_server_stop(&t.a);
    fake_server_stop(&t.b);
    t.client = test_client((struct fake_server *const[]){&t.a, &t.b}, 2,
                           (struct ecka_options){.max_outstanding = 3});
    for (uint8_t tag = 1; tag <= 3; tag++) {
        submit(&t, tag);
    }
    assert_int_equal(ecka_submit(t.client, probe(&p, 4, 0), note, &t.log), ECKA_BUSY);
    (void)ecka_poll(t.client, 50);
    assert_int_equal(t.log.count, 0);
    fake_server_restart(&t.a, ANSWER);
    fake_server_restart(&t.b, ANSWER);
    poll_until(t.client, &t.log, 3);
    answered_once_each(&t.log, 3);
    pair_close(&t);
}

/* -- connections lost -- */

static void a_lost_connection_moves_its_requests(void **state)
{
    (void)state;
    struct pair t;
    pair_open(&t, SILENT, HOLD);
    for (uint8_t tag = 1; tag <= 6; tag++) {
        submit(&t, tag);
    }
    poll_until_seen(t.client, &t.a, 3);
    fake_server_stop(&t.a);
    poll_until_seen(t.client, &t.b, 6);
    fake_server_release(&t.b);
    poll_until(t.client, &t.log, 6);
    answered_once_each(&t.log, 6);
    struct ecka_endpoint_state a = state_of(t.client, 0);
    assert_int_equal(a.up, 0);
    assert_int_equal(a.lost, 1);
    assert_int_equal(a.sent, 3);
    assert_int_equal(a.retries, 3);
    assert_int_equal(a.answered, 0);
    assert_int_equal(a.outstanding, 0);
    assert_int_equal(state_of(t.client, 1).answered, 6);
    fake_server_restart(&t.a, ANSWER);
    pair_close(&t);
}

static void with_one_endpoint_a_lost_connection_is_waited_for(void **state)
{
    (void)state;
    struct pair t = {.log = {0}};
    fake_server_start(&t.a, SILENT);
    t.client = test_client((struct fake_server *const[]){&t.a}, 1, (struct ecka_options){0});
    submit(&t, 1);
    poll_until_seen(t.client, &t.a, 1);
    fake_server_stop(&t.a);
    fake_server_restart(&t.a, ANSWER);
    poll_until(t.client, &t.log, 1);
    answered_once_each(&t.log, 1);
    assert_int_equal(t.a.requests, 2); /* the same request, once to each server */
    assert_int_equal(state_of(t.client, 0).lost, 1);
    ecka_close(&t.client);
    fake_server_stop(&t.a);
}

static void a_request_that_kills_is_not_sent_for_ever(void **state)
{
    (void)state;
    enum { ATTEMPTS = 4 };
    struct pair t = {.log = {0}};
    fake_server_start(&t.a, SILENT);
    t.client = test_client((struct fake_server *const[]){&t.a}, 1, (struct ecka_options){0});
    submit(&t, 1);
    for (int n = 1; n <= ATTEMPTS; n++) {
        poll_until_seen(t.client, &t.a, n);
        fake_server_stop(&t.a);
        if (n < ATTEMPTS) {
            fake_server_restart(&t.a, SILENT);
        }
    }
    poll_until(t.client, &t.log, 1);
    assert_int_equal(t.log.status[0], ECKA_DISCONNECTED);
    assert_non_null(strstr(t.log.detail, "may have been carried out"));
    ecka_close(&t.client);
}

/* -- answers that say: not here -- */

static void draining_sends_it_elsewhere(void **state)
{
    (void)state;
    struct pair t;
    int item;
    pair_open(&t, FAIL, ANSWER);
    t.a.fail_with = ECKA_DRAINING;
    for (uint8_t tag = 1; tag <= 5; tag++) {
        assert_int_equal(call(&t, tag, &item), ECKA_OK);
        assert_int_equal(item, tag);
    }
    assert_int_equal(t.a.requests, 1);
    assert_int_equal(t.b.requests, 5);
    assert_int_equal(state_of(t.client, 0).draining, 1);
    assert_int_equal(state_of(t.client, 0).retries, 1);
    pair_close(&t);
}

static void draining_alone_is_waited_for(void **state)
{
    (void)state;
    struct pair t = {.log = {0}};
    struct probe p;
    fake_server_start(&t.a, FAIL);
    t.a.fail_with = ECKA_DRAINING;
    t.client = test_client((struct fake_server *const[]){&t.a}, 1, (struct ecka_options){0});
    submit(&t, 1);
    poll_until_seen(t.client, &t.a, 1);
    while (state_of(t.client, 0).draining == 0) {
        (void)ecka_poll(t.client, 5);
    }
    assert_int_equal(ecka_submit(t.client, probe(&p, 2, 20 * MS), note, &t.log), ECKA_OK);
    poll_until(t.client, &t.log, 1); /* the second has no time to wait for the restart */
    assert_int_equal(t.log.status[0], ECKA_DRAINING);
    assert_int_equal(t.a.requests, 1);

    fake_server_stop(&t.a);
    fake_server_restart(&t.a, ANSWER);
    poll_until(t.client, &t.log, 2);
    assert_int_equal(t.log.status[1], ECKA_OK);
    assert_int_equal(t.log.item[1], 1);
    assert_int_equal(state_of(t.client, 0).draining, 0);
    ecka_close(&t.client);
    fake_server_stop(&t.a);
}

static void goaway_keeps_what_is_there_and_takes_nothing_new(void **state)
{
    (void)state;
    struct pair t;
    pair_open(&t, HOLD, HOLD);
    submit(&t, 1);
    submit(&t, 2);
    poll_until_seen(t.client, &t.a, 1);
    poll_until_seen(t.client, &t.b, 1);
    fake_server_goaway(&t.a);
    while (state_of(t.client, 0).draining == 0) {
        (void)ecka_poll(t.client, 5);
    }
    for (uint8_t tag = 3; tag <= 5; tag++) {
        submit(&t, tag);
    }
    poll_until_seen(t.client, &t.b, 4);
    assert_int_equal(t.a.requests, 1);
    assert_int_equal(state_of(t.client, 0).outstanding, 1);
    fake_server_release(&t.a); /* what it had it still answers */
    poll_until(t.client, &t.log, 1);
    assert_int_equal(state_of(t.client, 0).retries, 0);
    fake_server_release(&t.b);
    poll_until(t.client, &t.log, 5);
    answered_once_each(&t.log, 5);

    fake_server_stop(&t.a); /* it comes back, and is used again */
    poll_until_up(t.client, 0, 0);
    fake_server_restart(&t.a, ANSWER);
    poll_until_up(t.client, 0, 1);
    assert_int_equal(state_of(t.client, 0).draining, 0);
    t.b.behaviour = ANSWER;
    submit(&t, 6);
    submit(&t, 7);
    poll_until(t.client, &t.log, 7);
    answered_once_each(&t.log, 7);
    assert_int_equal(t.a.requests, 2);
    pair_close(&t);
}

static void busy_sends_it_elsewhere(void **state)
{
    (void)state;
    struct pair t;
    int item;
    pair_open(&t, FAIL, ANSWER);
    t.a.fail_with = ECKA_BUSY;
    t.a.retry_after_us = 1000 * MS;
    for (uint8_t tag = 1; tag <= 5; tag++) {
        assert_int_equal(call(&t, tag, &item), ECKA_OK);
        assert_int_equal(item, tag);
    }
    assert_true(t.a.requests > 0);
    assert_int_equal(state_of(t.client, 0).retries, (uint64_t)t.a.requests);
    pair_close(&t);
}

static void busy_everywhere_is_the_callers(void **state)
{
    (void)state;
    struct pair t;
    struct probe p;
    struct ecka_reply *reply;
    pair_open(&t, FAIL, FAIL);
    t.a.fail_with = t.b.fail_with = ECKA_BUSY;
    t.a.retry_after_us = t.b.retry_after_us = 1000 * MS;
    assert_int_equal(ecka_call(t.client, probe(&p, 1, LONG_US), &reply), ECKA_BUSY);
    assert_int_equal(reply->retry_after_us, 1000 * MS);
    assert_true(t.a.requests > 0 && t.b.requests > 0);
    ecka_reply_free(&reply);
    pair_close(&t);
}

static void a_busy_endpoint_is_left_alone(void **state)
{
    (void)state;
    struct pair t = {.log = {0}};
    int item;
    bool left_alone = false;
    fake_server_start(&t.a, FAIL);
    t.a.fail_with = ECKA_BUSY;
    t.a.retry_after_us = 1000 * MS;
    t.client = test_client((struct fake_server *const[]){&t.a}, 1, (struct ecka_options){0});
    while (!left_alone) { /* again when this machine stood still for the second that it asked for */
        struct probe p;
        struct log log = {0};
        assert_int_equal(call(&t, 1, &item), ECKA_BUSY);
        int before = t.a.requests;
        assert_int_equal(ecka_submit(t.client, probe(&p, 1, 10 * MS), note, &log), ECKA_OK);
        left_alone = state_of(t.client, 0).busy_us != 0; /* so it was when it was submitted */
        poll_until(t.client, &log, 1);
        if (left_alone) {
            assert_int_equal(log.status[0], ECKA_BUSY);
            assert_int_equal(t.a.requests, before);
        }
    }
    t.a.behaviour = ANSWER; /* and then it is asked again, with nobody else doing anything */
    submit(&t, 1);
    poll_until(t.client, &t.log, 1);
    answered_once_each(&t.log, 1);
    ecka_close(&t.client);
    fake_server_stop(&t.a);
}

static void unavailable_is_tried_once_everywhere(void **state)
{
    (void)state;
    struct pair t;
    int item;
    pair_open(&t, FAIL, FAIL);
    t.a.fail_with = t.b.fail_with = ECKA_UNAVAILABLE;
    assert_int_equal(call(&t, 1, &item), ECKA_UNAVAILABLE);
    assert_int_equal(t.a.requests, 1);
    assert_int_equal(t.b.requests, 1);
    t.b.behaviour = ANSWER;
    for (uint8_t tag = 1; tag <= 4; tag++) {
        assert_int_equal(call(&t, tag, &item), ECKA_OK);
        assert_int_equal(item, tag);
    }
    assert_true(t.a.requests > 1); /* it is not shunned: it may serve other operations */
    pair_close(&t);
}

static void answers_are_not_tried_again(void **state)
{
    (void)state;
    static const int final[] = {ECKA_BAD_REQUEST, 2, 3, ECKA_DENIED, ECKA_DEADLINE, ECKA_INTERNAL};
    for (size_t i = 0; i < sizeof final / sizeof *final; i++) {
        struct pair t;
        int item;
        pair_open(&t, FAIL, FAIL);
        t.a.fail_with = t.b.fail_with = final[i];
        assert_int_equal(call(&t, 1, &item), final[i]);
        assert_int_equal(t.a.requests + t.b.requests, 1);
        /* nor are items, whatever their status */
        t.a.behaviour = t.b.behaviour = ANSWER;
        assert_int_equal(call(&t, ECKA_UNAVAILABLE, &item), ECKA_OK);
        assert_int_equal(item, ECKA_UNAVAILABLE);
        assert_int_equal(t.a.requests + t.b.requests, 2);
        pair_close(&t);
    }
}

static void a_second_answer_is_late(void **state)
{
    (void)state;
    struct pair t;
    int item;
    pair_open(&t, TWICE, TWICE);
    for (uint8_t tag = 1; tag <= 4; tag++) {
        assert_int_equal(call(&t, tag, &item), ECKA_OK);
        assert_int_equal(item, tag);
    }
    uint64_t late = 0, end = test_now_ms() + SOON_MS;
    while (late < 4 && test_now_ms() < end) {
        (void)ecka_poll(t.client, 5);
        late = state_of(t.client, 0).late + state_of(t.client, 1).late;
    }
    assert_int_equal(late, 4);
    pair_close(&t);
}

/* -- keys -- */

static void an_endpoint_that_refuses_the_key_is_not_used(void **state)
{
    (void)state;
    struct pair t = {.log = {0}};
    int item;
    fake_server_start(&t.a, REFUSE_KEY);
    fake_server_start(&t.b, ANSWER);
    t.client = test_client((struct fake_server *const[]){&t.a, &t.b}, 2, (struct ecka_options){0});
    while (state_of(t.client, 0).refused == 0) {
        (void)ecka_poll(t.client, 5);
    }
    for (uint8_t tag = 1; tag <= 3; tag++) {
        assert_int_equal(call(&t, tag, &item), ECKA_OK);
    }
    assert_int_equal(state_of(t.client, 0).up, 0);

    t.b.behaviour = REFUSE_KEY; /* and when all do, waiting is for nothing */
    fake_server_stop(&t.b);
    fake_server_restart(&t.b, REFUSE_KEY);
    assert_int_equal(call(&t, 4, &item), ECKA_DISCONNECTED);
    pair_close(&t);
}

/* -- silence -- */

static void a_silent_endpoint_is_given_up(void **state)
{
    (void)state;
    struct pair t;
    /* long enough for a server that is only slow to be scheduled */
    pair_open_with(
        &t, SILENT, HOLD,
        (struct ecka_options){.heartbeat_interval_ms = 100, .heartbeat_timeout_ms = 2000});
    submit(&t, 1);
    submit(&t, 2);
    poll_until_seen(t.client, &t.a, 1);
    poll_until_seen(t.client, &t.b, 2); /* its own, and then the other's */
    fake_server_release(&t.b);
    poll_until(t.client, &t.log, 2);
    answered_once_each(&t.log, 2);
    assert_int_equal(state_of(t.client, 0).silent, 1);
    assert_int_equal(state_of(t.client, 0).lost, 1);
    assert_int_equal(state_of(t.client, 1).silent, 0);
    assert_int_equal(t.a.probes, 1);
    t.a.behaviour = ANSWER;
    poll_until_up(t.client, 0, 1); /* connected anew, and used again */
    t.b.behaviour = ANSWER;
    submit(&t, 3);
    submit(&t, 4);
    poll_until(t.client, &t.log, 4);
    answered_once_each(&t.log, 4);
    assert_int_equal(t.a.requests, 2);
    pair_close(&t);
}

static void a_slow_endpoint_is_not(void **state)
{
    (void)state;
    struct pair t;
    pair_open_with(
        &t, HOLD, HOLD,
        (struct ecka_options){.heartbeat_interval_ms = 20, .heartbeat_timeout_ms = 10000});
    submit(&t, 1);
    submit(&t, 2);
    uint64_t end = test_now_ms() + SOON_MS;
    while ((t.a.probes < 5 || t.b.probes < 5) && test_now_ms() < end) {
        (void)ecka_poll(t.client, 10);
    }
    assert_true(t.a.probes >= 5 && t.b.probes >= 5);
    fake_server_release(&t.a);
    fake_server_release(&t.b);
    poll_until(t.client, &t.log, 2);
    answered_once_each(&t.log, 2);
    assert_int_equal(state_of(t.client, 0).lost + state_of(t.client, 1).lost, 0);
    assert_int_equal(state_of(t.client, 0).late + state_of(t.client, 1).late, 0);
    pair_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_outstanding_gets_it),
        cmocka_unit_test(none_there_yet_is_waited_for),
        cmocka_unit_test(a_lost_connection_moves_its_requests),
        cmocka_unit_test(with_one_endpoint_a_lost_connection_is_waited_for),
        cmocka_unit_test(a_request_that_kills_is_not_sent_for_ever),
        cmocka_unit_test(draining_sends_it_elsewhere),
        cmocka_unit_test(draining_alone_is_waited_for),
        cmocka_unit_test(goaway_keeps_what_is_there_and_takes_nothing_new),
        cmocka_unit_test(busy_sends_it_elsewhere),
        cmocka_unit_test(busy_everywhere_is_the_callers),
        cmocka_unit_test(a_busy_endpoint_is_left_alone),
        cmocka_unit_test(unavailable_is_tried_once_everywhere),
        cmocka_unit_test(answers_are_not_tried_again),
        cmocka_unit_test(a_second_answer_is_late),
        cmocka_unit_test(an_endpoint_that_refuses_the_key_is_not_used),
        cmocka_unit_test(a_silent_endpoint_is_given_up),
        cmocka_unit_test(a_slow_endpoint_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
