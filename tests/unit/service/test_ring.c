/*
 * The ring: bounds on one thread, order and completeness between two. Run it with
 * -Db_sanitize=thread as well: the memory orders are what it tests then.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>

#include "service/ring.h"

static void it_holds_its_capacity(void **state)
{
    (void)state;
    struct ring r;
    int values[4];
    assert_int_equal(ring_init(&r, 3), STATUS_OK); /* rounded up to 4 */
    for (int round = 0; round < 3; round++) {
        assert_null(ring_pop(&r));
        for (int i = 0; i < 4; i++) {
            assert_true(ring_push(&r, &values[i]));
        }
        assert_false(ring_push(&r, &values[0]));
        for (int i = 0; i < 4; i++) {
            assert_ptr_equal(ring_pop(&r), &values[i]);
        }
    }
    ring_fini(&r);
}

static bool is_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

/* Nobody sleeps, so nobody is woken: no system call, and nothing left behind. */
static void who_is_awake_is_not_woken(void **state)
{
    (void)state;
    struct wake w;
    assert_int_equal(wake_init(&w), STATUS_OK);
    wake_disarm(&w);
    wake_signal(&w);
    assert_false(is_readable(w.fd));
    wake_arm(&w);
    assert_false(is_readable(w.fd));
    wake_signal(&w);
    assert_true(is_readable(w.fd));
    wake_fini(&w);
}

static void signals_are_kept_and_taken_together(void **state)
{
    (void)state;
    struct wake w;
    assert_int_equal(wake_init(&w), STATUS_OK);
    for (int round = 0; round < 3; round++) {
        assert_true(wake_armed(&w));
        wake_signal(&w);
        assert_false(wake_armed(&w));
        wake_signal(&w);
        assert_true(is_readable(w.fd));
        wake_wait(&w, -1); /* returns: the signals came before */
        assert_false(is_readable(w.fd));
        wake_arm(&w);
        assert_false(is_readable(w.fd));
    }
    wake_fini(&w);
    assert_int_equal(w.fd, -1);
}

/* What a signal was about is found before its word is seen: one wake-up for nothing, then sleep;
 * and the next signal is shown. */
static void a_late_signal_wakes_once(void **state)
{
    (void)state;
    struct wake w;
    assert_int_equal(wake_init(&w), STATUS_OK);
    wake_signal(&w);
    wake_arm(&w); /* the consumer found something, worked, and armed again */
    wake_wait(&w, -1);
    assert_true(wake_armed(&w));
    assert_false(is_readable(w.fd));
    wake_signal(&w);
    assert_true(is_readable(w.fd));
    wake_fini(&w);
}

enum { MESSAGES = 200000, RING = 16 };

struct pipe {
    struct ring ring;
    struct wake wake;
    uint64_t *payload; /* written by the producer before the push, read after the pop */
};

static void *produce(void *arg)
{
    struct pipe *p = arg;
    for (uint64_t i = 0; i < MESSAGES; i++) {
        p->payload[i] = i * i;
        while (!ring_push(&p->ring, &p->payload[i])) {
            wake_signal(&p->wake);
        }
        if (i % 7 == 0) { /* one wake-up for many */
            wake_signal(&p->wake);
        }
    }
    wake_signal(&p->wake);
    return NULL;
}

static void two_threads_lose_nothing(void **state)
{
    (void)state;
    struct pipe p = {.payload = calloc(MESSAGES, sizeof(uint64_t))};
    pthread_t producer;
    assert_non_null(p.payload);
    assert_int_equal(ring_init(&p.ring, RING), STATUS_OK);
    assert_int_equal(wake_init(&p.wake), STATUS_OK);
    assert_int_equal(pthread_create(&producer, NULL, produce, &p), 0);
    for (uint64_t i = 0; i < MESSAGES;) {
        uint64_t *value = ring_pop(&p.ring);
        if (value == NULL) {
            wake_arm(&p.wake);
            value = ring_pop(&p.ring);
            if (value == NULL) {
                wake_wait(&p.wake, -1); /* a wake-up lost here is a test that never ends */
                continue;
            }
            wake_disarm(&p.wake);
        }
        assert_ptr_equal(value, &p.payload[i]);
        assert_true(*value == i * i);
        i++;
    }
    assert_null(ring_pop(&p.ring));
    assert_int_equal(pthread_join(producer, NULL), 0);
    ring_fini(&p.ring);
    wake_fini(&p.wake);
    free(p.payload);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_holds_its_capacity),
        cmocka_unit_test(signals_are_kept_and_taken_together),
        cmocka_unit_test(a_late_signal_wakes_once),
        cmocka_unit_test(who_is_awake_is_not_woken),
        cmocka_unit_test(two_threads_lose_nothing),
    };
    return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
