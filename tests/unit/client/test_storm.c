/*
 * Everything at once: three servers that come and go, fall silent, drain and fail, and requests
 * that are each answered once all the same.
 */
#include "tests/unit/client/client_test.h"

#include <stdlib.h>

enum { SERVERS = 3, STORM = 600 };

struct storm {
    struct fake_server servers[SERVERS];
    bool running[SERVERS];
    struct ecka_client *client;
    uint8_t answers[STORM];
    size_t submitted, answered, ok;
};

struct drop {
    struct storm *storm;
    size_t number;
};

static void dropped(void *arg, const struct ecka_reply *reply)
{
    const struct drop *d = arg;
    assert_int_equal(d->storm->answers[d->number]++, 0);
    d->storm->answered++;
    switch (reply->status) {
    case ECKA_OK:
        assert_int_equal(reply->items.verify[0], d->number % 200);
        d->storm->ok++;
        break;
    case ECKA_BUSY:
    case ECKA_DEADLINE:
    case ECKA_DRAINING:
    case ECKA_UNAVAILABLE:
    case ECKA_DISCONNECTED:
        break;
    default:
        fail_msg("status %d: %s", reply->status, reply->detail);
    }
}

static void change_something(struct storm *t)
{
    static const int failures[] = {ECKA_BUSY, ECKA_DRAINING, ECKA_UNAVAILABLE};
    size_t i = (size_t)random() % SERVERS;
    struct fake_server *s = &t->servers[i];
    s->fail_with = failures[random() % 3];
    switch (random() % 8) {
    case 0:
        if (t->running[i]) {
            fake_server_stop(s);
        } else {
            fake_server_restart(s, ANSWER);
        }
        t->running[i] = !t->running[i];
        break;
    case 1:
        s->behaviour = SILENT;
        break;
    case 2:
        s->behaviour = TWICE;
        break;
    case 3:
    case 4:
        s->behaviour = FAIL;
        break;
    case 5:
        if (t->running[i] && s->requests > 0) {
            fake_server_goaway(s);
        }
        break;
    default:
        s->behaviour = ANSWER;
        break;
    }
}

static void in_a_storm_each_request_is_answered_once(void **state)
{
    (void)state;
    enum { SEED = 7, EACH_MS = 2, CHANGE_EVERY = 4 };
    const struct ecka_options quick = {.heartbeat_interval_ms = 50, .heartbeat_timeout_ms = 200};
    static struct storm t;
    static struct drop drops[STORM];
    struct fake_server *const all[SERVERS] = {&t.servers[0], &t.servers[1], &t.servers[2]};
    srandom(SEED);
    for (size_t i = 0; i < SERVERS; i++) {
        fake_server_start(&t.servers[i], ANSWER);
        t.running[i] = true;
    }
    t.client = test_client(all, SERVERS, quick);
    while (t.submitted < STORM) {
        struct probe p;
        drops[t.submitted] = (struct drop){&t, t.submitted};
        if (ecka_submit(t.client, probe(&p, (uint8_t)(t.submitted % 200), 3000 * MS), dropped,
                        &drops[t.submitted]) == ECKA_OK) {
            t.submitted++;
        }
        (void)ecka_poll(t.client, EACH_MS);
        if (t.submitted % CHANGE_EVERY == 0) {
            change_something(&t);
        }
    }
    uint64_t end = test_now_ms() + SOON_MS;
    while (t.answered < STORM && test_now_ms() < end) {
        (void)ecka_poll(t.client, 100);
    }
    assert_int_equal(t.answered, STORM);
    assert_true(t.ok > 0);
    assert_int_equal(ecka_outstanding(t.client), 0);
    uint64_t lost = 0, retries = 0;
    for (size_t i = 0; i < SERVERS; i++) {
        struct ecka_endpoint_state s = state_of(t.client, i);
        assert_int_equal(s.outstanding, 0);
        assert_true(s.sent >= s.answered + s.retries); /* the rest ran out of time there */
        lost += s.lost;
        retries += s.retries;
    }
    assert_true(lost > 0 && retries > 0);
    ecka_close(&t.client);
    for (size_t i = 0; i < SERVERS; i++) {
        if (t.running[i]) {
            fake_server_stop(&t.servers[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_a_storm_each_request_is_answered_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
