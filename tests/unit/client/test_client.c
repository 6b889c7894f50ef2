/* libecka against a server that behaves and one that does not, over real CURVE on loopback. */
#include "tests/unit/client/client_test.h"

#include <poll.h>
#include <string.h>
#include <zmq.h>

static const uint8_t point[ECKA_POINT_LEN] = {4};
static const uint8_t signature[ECKA_SIGNATURE_LEN];

static struct ecka_client *open_client(struct fake_server *s, size_t max_outstanding)
{
    return test_client(&s, 1, (struct ecka_options){.max_outstanding = max_outstanding});
}

static void calls_are_answered(void **state)
{
    (void)state;
    struct fake_server s;
    struct probe p;
    struct ecka_reply *reply;
    fake_server_start(&s, ANSWER);
    struct ecka_client *client = open_client(&s, 0);
    assert_int_equal(ecka_call(client, probe(&p, 23, 2000 * MS), &reply), ECKA_OK);
    assert_int_equal(reply->count, 1);
    assert_int_equal(reply->items.verify[0], ECKA_SIGNATURE_INVALID);
    assert_string_equal(reply->detail, "");
    ecka_reply_free(&reply);
    assert_null(reply);
    /* the time left travels: less than was given, not much less */
    assert_in_range(s.last_deadline_us, 1, 2000 * MS);
    assert_int_equal(ecka_outstanding(client), 0);
    ecka_close(&client);
    assert_null(client);
    fake_server_stop(&s);
}

static void info_is_readable(void **state)
{
    (void)state;
    struct fake_server s;
    struct ecka_reply *reply;
    const struct ecka_request request = {.op = ECKA_INFO};
    fake_server_start(&s, ANSWER);
    struct ecka_client *client = open_client(&s, 0);
    assert_int_equal(ecka_call(client, &request, &reply), ECKA_OK);
    const struct ecka_info *info = reply->items.info;
    assert_string_equal(info->version, "1.2.3");
    assert_string_equal(info->principal, "beta");
    assert_string_equal(info->backend, "");
    assert_int_equal(info->curve_count, 2);
    assert_int_equal(info->curves[1], ECKA_FRP256V1);
    assert_int_equal(info->custodian_count, 1);
    assert_string_equal(info->custodians[0].name, "c1");
    assert_int_equal(info->custodians[0].up, 1);
    assert_int_equal(info->custodians[0].restarts, 7);
    assert_int_equal(info->custodians[0].sr_key_ids[0], 0xA5);
    assert_int_equal(info->eum_ids[0], 0x5A);
    ecka_reply_free(&reply);
    ecka_close(&client);
    fake_server_stop(&s);
}

static void answers_come_in_any_order(void **state)
{
    (void)state;
    struct fake_server s;
    struct log log = {0};
    fake_server_start(&s, ANSWER_REVERSED);
    struct ecka_client *client = open_client(&s, 0);
    struct probe p;
    /* wait for the connection, so that the three go out in the order submitted */
    for (uint8_t tag = 1; tag <= 3; tag++) {
        assert_int_equal(ecka_submit(client, probe(&p, tag, 0), note, &log), ECKA_OK);
        memset(&p, 0xEE, sizeof p); /* everything pointed to may be reused */
        while (s.requests < tag) {
            (void)ecka_poll(client, 10);
        }
    }
    poll_until(client, &log, 3);
    assert_int_equal(log.item[0], 3);
    assert_int_equal(log.item[1], 2);
    assert_int_equal(log.item[2], 1);
    ecka_close(&client);
    fake_server_stop(&s);
}

static void a_deadline_ends_a_request(void **state)
{
    (void)state;
    struct fake_server s;
    struct probe p;
    struct ecka_reply *reply;
    fake_server_start(&s, LATE);
    struct ecka_client *client = open_client(&s, 0);
    uint64_t begin = test_now_ms();
    /* long enough to connect, and then never answered in time */
    assert_int_equal(ecka_call(client, probe(&p, 1, 700 * MS), &reply), ECKA_DEADLINE);
    assert_in_range(test_now_ms() - begin, 700, 3000);
    assert_true(strlen(reply->detail) > 0);
    assert_int_equal(ecka_outstanding(client), 0);
    ecka_reply_free(&reply);
    /* the late answer to the first comes before the second's, into the same slot, and is dropped */
    assert_int_equal(ecka_call(client, probe(&p, 2, 0), &reply), ECKA_OK);
    assert_int_equal(reply->items.verify[0], 2);
    ecka_reply_free(&reply);
    ecka_close(&client);
    fake_server_stop(&s);
}

static void no_server_is_disconnected(void **state)
{
    (void)state;
    struct fake_server s;
    struct probe p;
    struct ecka_reply *reply;
    fake_server_start(&s, ANSWER);
    fake_server_stop(&s); /* its port is closed now */
    struct ecka_client *client = open_client(&s, 0);
    assert_int_equal(ecka_call(client, probe(&p, 1, 100 * MS), &reply), ECKA_DISCONNECTED);
    assert_non_null(strstr(reply->detail, s.endpoint));
    ecka_reply_free(&reply);
    ecka_close(&client);
}

static void outstanding_requests_are_bounded(void **state)
{
    (void)state;
    struct fake_server s;
    struct probe p;
    struct log log = {0};
    struct ecka_reply *reply;
    fake_server_start(&s, SILENT);
    struct ecka_client *client = open_client(&s, 2);
    assert_int_equal(ecka_submit(client, probe(&p, 1, 0), note, &log), ECKA_OK);
    assert_int_equal(ecka_submit(client, probe(&p, 2, 0), note, &log), ECKA_OK);
    assert_int_equal(ecka_submit(client, probe(&p, 3, 0), note, &log), ECKA_BUSY);
    assert_int_equal(ecka_call(client, probe(&p, 4, 0), &reply), ECKA_BUSY);
    assert_non_null(strstr(reply->detail, "max_outstanding"));
    ecka_reply_free(&reply);
    assert_int_equal(ecka_outstanding(client), 2);
    assert_int_equal(log.count, 0);
    ecka_close(&client); /* answers what is left */
    assert_int_equal(log.count, 2);
    assert_int_equal(log.status[0], ECKA_DISCONNECTED);
    assert_int_equal(log.status[1], ECKA_DISCONNECTED);
    fake_server_stop(&s);
}

static void a_server_that_stays_away_is_disconnected(void **state)
{
    (void)state;
    struct fake_server s;
    struct probe p;
    struct log log = {0};
    fake_server_start(&s, SILENT);
    struct ecka_client *client = open_client(&s, 0);
    assert_int_equal(ecka_submit(client, probe(&p, 1, 1000 * MS), note, &log), ECKA_OK);
    while (s.requests == 0) {
        (void)ecka_poll(client, 10);
    }
    fake_server_stop(&s);
    poll_until(client, &log, 1);
    assert_int_equal(log.status[0], ECKA_DISCONNECTED);
    assert_non_null(strstr(log.detail, s.endpoint));
    ecka_close(&client);
}

static void a_refused_key_says_so(void **state)
{
    (void)state;
    struct fake_server s;
    struct probe p;
    struct ecka_reply *reply;
    fake_server_start(&s, REFUSE_KEY);
    struct ecka_client *client = open_client(&s, 0);
    uint64_t begin = test_now_ms();
    assert_int_equal(ecka_call(client, probe(&p, 1, 60000 * MS), &reply), ECKA_DISCONNECTED);
    assert_true(test_now_ms() - begin < SOON_MS);
    assert_non_null(strstr(reply->detail, "refuses this client's key"));
    ecka_reply_free(&reply);
    assert_int_equal(s.requests, 0);
    ecka_close(&client);
    fake_server_stop(&s);
}

static void a_wrong_server_key_says_so(void **state)
{
    (void)state;
    struct fake_server s;
    struct probe p;
    struct ecka_reply *reply;
    char other_secret[KEYFILE_Z85_SIZE];
    fake_server_start(&s, ANSWER);
    assert_int_equal(zmq_curve_keypair(s.public_key, other_secret), 0);
    struct ecka_client *client = open_client(&s, 0);
    assert_int_equal(ecka_call(client, probe(&p, 1, 500 * MS), &reply), ECKA_DISCONNECTED);
    assert_non_null(strstr(reply->detail, "server's key"));
    ecka_reply_free(&reply);
    assert_int_equal(s.requests, 0);
    ecka_close(&client);
    fake_server_stop(&s);
}

static void replies_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    static const enum behaviour bad[] = {WRONG_COUNT, WRONG_RESULT};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct fake_server s;
        struct probe p;
        struct ecka_reply *reply;
        fake_server_start(&s, bad[i]);
        struct ecka_client *client = open_client(&s, 0);
        assert_int_equal(ecka_call(client, probe(&p, 0, 0), &reply), 8 /* INTERNAL */);
        assert_non_null(strstr(reply->detail, "does not fit"));
        assert_null(reply->items.verify);
        ecka_reply_free(&reply);
        ecka_close(&client);
        fake_server_stop(&s);
    }
}

static void noise_is_passed_over(void **state)
{
    (void)state;
    struct fake_server s;
    struct probe p;
    struct ecka_reply *reply;
    fake_server_start(&s, GARBAGE_FIRST);
    struct ecka_client *client = open_client(&s, 0);
    assert_int_equal(ecka_call(client, probe(&p, 9, 0), &reply), ECKA_OK);
    assert_int_equal(reply->items.verify[0], 9);
    ecka_reply_free(&reply);
    ecka_close(&client);
    fake_server_stop(&s);
}

/* -- callbacks that submit, and the event loop's descriptor -- */

struct chain {
    struct ecka_client *client;
    struct probe probe;
    uint8_t next;
    uint8_t done;
    int nested_poll;
    int nested_call;
};

static void submit_next(void *arg, const struct ecka_reply *reply)
{
    struct chain *c = arg;
    struct ecka_reply *nested;
    assert_int_equal(reply->status, ECKA_OK);
    assert_int_equal(reply->items.verify[0], c->done + 1);
    c->done++;
    c->nested_poll += ecka_poll(c->client, 1000);
    c->nested_call = ecka_call(c->client, probe(&c->probe, 1, 0), &nested);
    ecka_reply_free(&nested);
    if (c->next < 20) {
        assert_int_equal(ecka_submit(c->client, probe(&c->probe, ++c->next, 0), submit_next, c),
                         ECKA_OK);
    }
}

static void a_callback_may_submit(void **state)
{
    (void)state;
    struct fake_server s;
    fake_server_start(&s, ANSWER);
    struct chain c = {.client = open_client(&s, 1), .next = 1};
    assert_int_equal(ecka_submit(c.client, probe(&c.probe, 1, 0), submit_next, &c), ECKA_OK);
    uint64_t end = test_now_ms() + SOON_MS;
    while (c.done < 20 && test_now_ms() < end) {
        struct pollfd fd = {.fd = ecka_fd(c.client), .events = POLLIN};
        assert_int_equal(poll(&fd, 1, SOON_MS), 1); /* the descriptor alone wakes us */
        (void)ecka_poll(c.client, 0);
    }
    assert_int_equal(c.done, 20);
    assert_int_equal(c.nested_poll, 0);
    assert_int_equal(c.nested_call, ECKA_BAD_REQUEST);
    ecka_close(&c.client);
    fake_server_stop(&s);
}

static void verify_takes_any_count(void **state)
{
    (void)state;
    enum { COUNT = 2048 + 3 }; /* one request more than a frame takes */
    static uint8_t digests[COUNT][ECKA_DIGEST_LEN];
    static struct ecka_verify_item items[COUNT];
    static int status[COUNT];
    struct fake_server s;
    for (size_t i = 0; i < COUNT; i++) {
        digests[i][0] = (uint8_t)(i % 200);
        items[i] = (struct ecka_verify_item){point, digests[i], signature};
    }
    fake_server_start(&s, ANSWER);
    struct ecka_client *client = open_client(&s, 0);
    assert_int_equal(ecka_verify(client, ECKA_P256, items, COUNT, status), ECKA_OK);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(status[i], i % 200);
    }
    assert_int_equal(s.requests, 2);
    /* no item looks verified when the request failed */
    memset(status, 0, sizeof status);
    assert_int_equal(ecka_verify(client, (enum ecka_curve)9, items, COUNT, status),
                     ECKA_BAD_REQUEST);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(status[i], ECKA_BAD_REQUEST);
    }
    ecka_close(&client);
    fake_server_stop(&s);
}

static void bad_options_are_named(void **state)
{
    (void)state;
    static const char key[] = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
    static const char here[] = "tcp://127.0.0.1:1";
    char pair[2][KEYFILE_Z85_SIZE];
    assert_int_equal(zmq_curve_keypair(pair[0], pair[1]), 0);
    const struct {
        struct ecka_options options;
        const char *says;
    } cases[] = {
        {{.public_key = key, .secret_key = key}, "endpoints[0]"},
        {{.endpoints = {{here, NULL, NULL}}, .public_key = key, .secret_key = key}, "server_key"},
        {{.endpoints = {{here, key, key}}, .public_key = key, .secret_key = key}, "server_key"},
        {{.endpoints = {{here, "short", NULL}}}, "server_key"},
        {{.endpoints = {{here, key, NULL}, {"tcp://127.0.0.1:2", "short", NULL}}}, "endpoints[1]"},
        {{.endpoints = {{here, key, NULL}, {here, key, NULL}}}, "the same"},
        {{.endpoints = {{here, key, NULL}}}, "key_file"},
        {{.endpoints = {{here, key, NULL}}, .public_key = key, .secret_key = key}, "key pair"},
        {{.endpoints = {{here, key, NULL}}, .key_file = "/nonexistent"}, "/nonexistent"},
        {{.endpoints = {{here, key, NULL}},
          .public_key = pair[0],
          .secret_key = pair[1],
          .max_outstanding = 1 << 20},
         "max_outstanding"},
        {{.endpoints = {{here, key, NULL}},
          .public_key = pair[0],
          .secret_key = pair[1],
          .heartbeat_interval_ms = 100,
          .heartbeat_timeout_ms = 100},
         "heartbeat_timeout_ms"},
        {{.endpoints = {{"nowhere", key, NULL}}, .public_key = pair[0], .secret_key = pair[1]},
         "nowhere"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char error[512] = "";
        struct ecka_client *client = (struct ecka_client *)&error;
        assert_int_equal(ecka_open(&client, &cases[i].options, error, sizeof error),
                         ECKA_BAD_REQUEST);
        assert_null(client);
        assert_non_null(strstr(error, cases[i].says));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_answered),
        cmocka_unit_test(info_is_readable),
        cmocka_unit_test(answers_come_in_any_order),
        cmocka_unit_test(a_deadline_ends_a_request),
        cmocka_unit_test(no_server_is_disconnected),
        cmocka_unit_test(outstanding_requests_are_bounded),
        cmocka_unit_test(a_server_that_stays_away_is_disconnected),
        cmocka_unit_test(a_refused_key_says_so),
        cmocka_unit_test(a_wrong_server_key_says_so),
        cmocka_unit_test(replies_that_do_not_fit_are_refused),
        cmocka_unit_test(noise_is_passed_over),
        cmocka_unit_test(a_callback_may_submit),
        cmocka_unit_test(verify_takes_any_count),
        cmocka_unit_test(bad_options_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
