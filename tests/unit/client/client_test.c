#include "tests/unit/client/client_test.h"

#include <stdio.h>
#include <time.h>
#include <zmq.h>

static const uint8_t point[ECKA_POINT_LEN] = {4};
static const uint8_t signature[ECKA_SIGNATURE_LEN];

struct ecka_client *test_client(struct fake_server *const servers[], size_t count,
                                struct ecka_options options)
{
    char public_key[KEYFILE_Z85_SIZE], secret_key[KEYFILE_Z85_SIZE], error[256] = "";
    struct ecka_client *client;
    assert_int_equal(zmq_curve_keypair(public_key, secret_key), 0);
    for (size_t i = 0; i < count; i++) {
        options.endpoints[i] = (struct ecka_endpoint){.address = servers[i]->endpoint,
                                                      .server_key = servers[i]->public_key};
    }
    options.public_key = public_key;
    options.secret_key = secret_key;
    assert_int_equal(ecka_open(&client, &options, error, sizeof error), ECKA_OK);
    assert_string_equal(error, "");
    return client;
}

uint64_t test_now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

const struct ecka_request *probe(struct probe *p, uint8_t tag, uint64_t deadline_us)
{
    *p = (struct probe){.digest = {tag}};
    p->item = (struct ecka_verify_item){point, p->digest, signature};
    p->request = (struct ecka_request){.op = ECKA_VERIFY,
                                       .count = 1,
                                       .items.verify = &p->item,
                                       .curve = ECKA_P256,
                                       .deadline_us = deadline_us};
    return &p->request;
}

void note(void *arg, const struct ecka_reply *reply)
{
    struct log *log = arg;
    assert_true(log->count < LOG_MAX);
    log->status[log->count] = reply->status;
    log->item[log->count] = reply->status == ECKA_OK ? reply->items.verify[0] : -1;
    (void)snprintf(log->detail, sizeof log->detail, "%s", reply->detail);
    log->count++;
}

void poll_until(struct ecka_client *client, const struct log *log, size_t count)
{
    uint64_t end = test_now_ms() + SOON_MS;
    while (log->count < count && test_now_ms() < end) {
        (void)ecka_poll(client, 100);
    }
    assert_int_equal(log->count, count);
}

void poll_until_seen(struct ecka_client *client, struct fake_server *s, int requests)
{
    uint64_t end = test_now_ms() + SOON_MS;
    while (s->requests < requests && test_now_ms() < end) {
        (void)ecka_poll(client, 5);
    }
    assert_int_equal(s->requests, requests);
}

void poll_until_up(struct ecka_client *client, size_t endpoint, int up)
{
    uint64_t end = test_now_ms() + SOON_MS;
    while (state_of(client, endpoint).up != up && test_now_ms() < end) {
        (void)ecka_poll(client, 5);
    }
    assert_int_equal(state_of(client, endpoint).up, up);
}

struct ecka_endpoint_state state_of(const struct ecka_client *client, size_t endpoint)
{
    struct ecka_endpoint_state state;
    assert_int_equal(ecka_endpoint_state(client, endpoint, &state), ECKA_OK);
    return state;
}
