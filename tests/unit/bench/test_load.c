/*
 * The load generator's measure: percentiles are what they say, a slow answer is counted for every
 * request that it delays, a mix is what its weights say, and a hostile reply is read as nothing.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

#include <cmocka.h>

#include "bench/load.h"
#include "bench/mix.h"
#include "bench/reply.h"

/* -- histogram -- */

static uint64_t random_state = 1;

static uint64_t next_random(void)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return random_state >> 20;
}

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void percentiles_are_at_most_one_step_above_the_truth(void **state)
{
    enum { N = 5000 };
    static uint64_t values[N];
    static struct histogram h;
    static const unsigned per_mille[] = {1, 500, 900, 990, 999, 1000};
    (void)state;
    for (size_t i = 0; i < N; i++) {
        values[i] = next_random() >> next_random() % 44; /* every magnitude up to 2^44 */
        histogram_record(&h, values[i]);
    }
    qsort(values, N, sizeof values[0], compare);
    for (size_t i = 0; i < sizeof per_mille / sizeof per_mille[0]; i++) {
        const uint64_t truth = values[(N * per_mille[i] + 999) / 1000 - 1];
        const uint64_t said = histogram_per_mille(&h, per_mille[i]);
        assert_true(said >= truth && said <= truth + truth / HISTOGRAM_STEPS);
    }
    assert_int_equal(histogram_per_mille(&h, 1000), values[N - 1]);
    assert_int_equal(h.max, values[N - 1]);
}

static void small_values_and_bounds_are_exact(void **state)
{
    static const uint64_t values[] = {0, 1, 63, 64, 65, 127, UINT64_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct histogram *h = calloc(1, sizeof *h);
        assert_non_null(h);
        assert_int_equal(histogram_per_mille(h, 990), 0);
        histogram_record(h, values[i]);
        assert_int_equal(histogram_per_mille(h, 990), values[i]);
        histogram_add(h, h);
        assert_int_equal(h->count, 2);
        free(h);
    }
}

/* -- a server that stalls -- */

enum { STALL_MS = 200, RATE = 1000, BEFORE = 20 };

struct stalling {
    void *context, *router;
    char endpoint[64];
    pthread_t thread;
    unsigned answered;
};

static void *serve(void *arg)
{
    struct stalling *s = arg;
    zmq_msg_t frame;
    (void)zmq_msg_init(&frame);
    while (zmq_msg_recv(&frame, s->router, 0) >= 0) {
        const int more = zmq_msg_more(&frame);
        if (more != 0 && s->answered++ == BEFORE) {
            (void)nanosleep(&(struct timespec){.tv_nsec = STALL_MS * 1000000L}, NULL);
        }
        (void)zmq_msg_send(&frame, s->router, more != 0 ? ZMQ_SNDMORE : 0);
    }
    (void)zmq_msg_close(&frame);
    (void)zmq_close(s->router);
    return NULL;
}

static void start(struct stalling *s, const char *secret)
{
    size_t len = sizeof s->endpoint;
    int on = 1;
    s->context = zmq_ctx_new();
    s->router = zmq_socket(s->context, ZMQ_ROUTER);
    assert_int_equal(zmq_setsockopt(s->router, ZMQ_CURVE_SERVER, &on, sizeof on), 0);
    assert_int_equal(zmq_setsockopt(s->router, ZMQ_CURVE_SECRETKEY, secret, KEYFILE_Z85_SIZE), 0);
    assert_int_equal(zmq_bind(s->router, "tcp://127.0.0.1:*"), 0);
    assert_int_equal(zmq_getsockopt(s->router, ZMQ_LAST_ENDPOINT, s->endpoint, &len), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static struct span next_nothing(void *arg, size_t slot)
{
    (void)arg;
    (void)slot;
    return span_of("", 0);
}

/* Were latency counted from when a request is sent, the stall would show in one of them. */
static void a_stall_is_counted_for_all_that_arrived_in_it(void **state)
{
    static struct load_result r;
    struct stalling server = {0};
    struct curve_key_pair keys, server_keys;
    const struct load_source source = {.items = 1, .next = next_nothing};
    (void)state;
    assert_int_equal(zmq_curve_keypair(keys.public_key, keys.secret_key), 0);
    assert_int_equal(zmq_curve_keypair(server_keys.public_key, server_keys.secret_key), 0);
    start(&server, server_keys.secret_key);
    const struct load_options o = {.endpoint = server.endpoint,
                                   .server_key = server_keys.public_key,
                                   .keys = &keys,
                                   .clients = 1,
                                   .pipelining = 1,
                                   .rate = RATE,
                                   .seed = 7,
                                   .seconds = 0.5,
                                   .deadline_us = 10 * 1000 * 1000,
                                   .echo = true};
    assert_true(load_run(&o, &source, &r));
    (void)zmq_ctx_shutdown(server.context);
    (void)pthread_join(server.thread, NULL);
    (void)zmq_ctx_term(server.context);

    uint64_t delayed = 0;
    for (unsigned per_mille = 1; per_mille <= 1000; per_mille++) {
        delayed += histogram_per_mille(&r.latency, per_mille) > 1000000ULL * STALL_MS / 4 ? 1 : 0;
    }
    assert_true(r.arrivals > RATE / 4); /* a Poisson process gives about RATE / 2 */
    assert_int_equal(r.outcome[LOAD_OK], r.arrivals);
    assert_int_equal(r.latency.count, r.arrivals);
    /* 3/4 of a stall of 200 ms in 500 ms of arrivals: 300 per mille, and half of that is asked. */
    assert_true(delayed > 150);
}

/* -- mixes and replies -- */

static enum load_step done(void *arg, size_t slot, struct span reply)
{
    (void)slot;
    (void)reply;
    ++*(unsigned *)arg;
    return LOAD_DONE;
}

static void a_mix_follows_its_weights(void **state)
{
    enum { DRAWS = 10000 };
    unsigned taken[2] = {0};
    struct mix mix;
    (void)state;
    mix_init(&mix, 1, 3);
    mix_add(&mix, &(struct load_source){.arg = &taken[0], .next = next_nothing, .take = done}, 3);
    mix_add(&mix, &(struct load_source){.arg = &taken[1], .next = next_nothing, .take = done}, 1);
    const struct load_source source = mix_source(&mix);
    for (int i = 0; i < DRAWS; i++) {
        (void)source.next(source.arg, 0);
        assert_int_equal(source.take(source.arg, 0, span_of("", 0)), LOAD_DONE);
    }
    mix_fini(&mix);
    assert_int_equal(taken[0] + taken[1], DRAWS);
    assert_in_range(taken[1], DRAWS / 4 - 300, DRAWS / 4 + 300); /* 7 standard deviations */
}

static void replies_are_read_or_refused(void **state)
{
    /* id 300, status 5; then a Verify result with the statuses 0 and 23 */
    static const uint8_t busy[] = {0x08, 0xAC, 0x02, 0x10, 0x05};
    static const uint8_t good[] = {0x08, 0x01, 0x52, 0x04, 0x0A, 0x02, 0x00, 0x17};
    static const uint8_t fixed32[] = {0x0D, 1, 2, 3, 4};
    struct reply_view view;
    struct span item_status;
    (void)state;
    assert_int_equal(reply_read(span_of(busy, sizeof busy), &view), STATUS_OK);
    assert_int_equal(view.id, 300);
    assert_int_equal(view.status, STATUS_BUSY);
    assert_int_equal(reply_read(span_of(good, sizeof good), &view), STATUS_OK);
    assert_int_equal(reply_item_status(view.result, &item_status), STATUS_OK);
    assert_int_equal(item_status.len, 2);
    assert_int_equal(item_status.ptr[1], STATUS_SIGNATURE_INVALID);
    for (size_t len = 1; len < sizeof good; len++) {
        if (len != 2) { /* the id alone is a whole message */
            assert_int_not_equal(reply_read(span_of(good, len), &view), STATUS_OK);
        }
    }
    assert_int_not_equal(reply_read(span_of(fixed32, sizeof fixed32), &view), STATUS_OK);
    assert_int_not_equal(reply_item_status(span_of(good, 0), &item_status), STATUS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_at_most_one_step_above_the_truth),
        cmocka_unit_test(small_values_and_bounds_are_exact),
        cmocka_unit_test(a_stall_is_counted_for_all_that_arrived_in_it),
        cmocka_unit_test(a_mix_follows_its_weights),
        cmocka_unit_test(replies_are_read_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
