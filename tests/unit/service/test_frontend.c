/*
 * Who gets in: a ROUTER secured as eckad's, with and without the ZAP handler behind it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <unistd.h>
#include <zmq.h>

#include "providers/provider.h"
#include "service/front/frontend.h"
#include "service/policy/authz.h"
#include "service/ring.h"

enum { PATIENCE_MS = 5000, SILENCE_MS = 600 };

struct key_pair {
    char public_z85[KEYFILE_Z85_SIZE], secret_z85[KEYFILE_Z85_SIZE];
    uint8_t public_key[CURVE_KEY_LEN], secret_key[CURVE_KEY_LEN];
};

static struct key_pair make_keys(void)
{
    struct key_pair k;
    assert_int_equal(zmq_curve_keypair(k.public_z85, k.secret_z85), 0);
    assert_true(keyfile_z85_decode(k.public_z85, k.public_key));
    assert_true(keyfile_z85_decode(k.secret_z85, k.secret_key));
    return k;
}

static void *dealer(void *context, const char *endpoint, const struct key_pair *server,
                    const struct key_pair *client)
{
    void *s = zmq_socket(context, ZMQ_DEALER);
    int zero = 0;
    assert_non_null(s);
    assert_int_equal(zmq_setsockopt(s, ZMQ_LINGER, &zero, sizeof(zero)), 0);
    if (client != NULL) {
        assert_int_equal(zmq_setsockopt(s, ZMQ_CURVE_SERVERKEY, server->public_key, 32), 0);
        assert_int_equal(zmq_setsockopt(s, ZMQ_CURVE_PUBLICKEY, client->public_key, 32), 0);
        assert_int_equal(zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, client->secret_key, 32), 0);
    }
    assert_int_equal(zmq_connect(s, endpoint), 0);
    return s;
}

static bool readable(void *socket, long timeout_ms)
{
    zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLIN};
    return zmq_poll(&item, 1, timeout_ms) == 1;
}

static void without_a_handler_nobody_gets_in(void **state)
{
    (void)state;
    static const char endpoint[] = "tcp://127.0.0.1:*";
    struct key_pair server = make_keys();
    struct key_pair client = make_keys();
    void *context = zmq_ctx_new();
    void *router = zmq_socket(context, ZMQ_ROUTER);
    int zero = 0;
    char bound[64];
    size_t len = sizeof(bound);
    assert_int_equal(zmq_setsockopt(router, ZMQ_LINGER, &zero, sizeof(zero)), 0);
    assert_int_equal(frontend_secure_socket(router, server.secret_key), STATUS_OK);
    assert_int_equal(zmq_bind(router, endpoint), 0);
    assert_int_equal(zmq_getsockopt(router, ZMQ_LAST_ENDPOINT, bound, &len), 0);
    void *good = dealer(context, bound, &server, &client);
    void *plain = dealer(context, bound, &server, NULL);
    assert_int_equal(zmq_send(good, "x", 1, 0), 1);
    assert_int_equal(zmq_send(plain, "x", 1, 0), 1);
    assert_false(readable(router, SILENCE_MS));
    assert_int_equal(zmq_close(good) | zmq_close(plain) | zmq_close(router), 0);
    assert_int_equal(zmq_ctx_term(context), 0);
}

static void another_socket_type_of_security_is_refused(void **state)
{
    (void)state;
    static const uint8_t key[CURVE_KEY_LEN];
    void *context = zmq_ctx_new();
    assert_int_equal(frontend_secure_socket(context, key), STATUS_INTERNAL); /* no socket at all */
    assert_int_equal(zmq_ctx_term(context), 0);
}

/* -- a whole frontend -- */

struct service {
    struct config config;
    struct policy_principal principal;
    struct policy_key policy_key;
    struct policy policy;
    struct trust trust;
    struct trust_eum no_eum;
    char *listen[1];
    char endpoint[96];
    char name[8];
    char *key;
    struct key_pair server, client;
    struct frontend *frontend;
    struct wake stop;
    pthread_t thread;
};

static void *serve(void *arg)
{
    struct service *s = arg;
    frontend_run(s->frontend, s->stop.fd, NULL);
    return NULL;
}

static void ignore(void *arg, const char *sentence)
{
    (void)arg;
    (void)sentence;
}

static void service_start(struct service *s)
{
    char error[CONFIG_ERROR_MAX] = "";
    *s = (struct service){.server = make_keys(), .client = make_keys(), .name = "beta"};
    (void)snprintf(s->endpoint, sizeof(s->endpoint), "ipc://@eckad-test-%d", (int)getpid());
    s->listen[0] = s->endpoint;
    s->key = s->client.public_z85;
    s->trust.eums = &s->no_eum;
    s->principal = (struct policy_principal){.name = s->name,
                                             .keys_z85 = &s->key,
                                             .keys_z85_count = 1,
                                             .granted = authz_bit(WIRE_OP_INFO)};
    s->policy_key = (struct policy_key){s->key, &s->principal};
    s->policy = (struct policy){.principals = &s->principal,
                                .principals_count = 1,
                                .trust = &s->trust,
                                .keys = &s->policy_key,
                                .key_count = 1,
                                .holds = 1};
    s->config = (struct config){.listen = s->listen,
                                .listen_count = 1,
                                .workers = 1,
                                .jobs = 4,
                                .connections = 8,
                                .default_deadline_ms = 1000};
    assert_int_equal(wake_init(&s->stop), STATUS_OK);
    enum status st =
        frontend_new(&s->frontend, &s->config, &s->policy, s->server.secret_key, error);
    if (st != STATUS_OK) {
        print_error("%s\n", error);
    }
    assert_int_equal(st, STATUS_OK);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void service_stop(struct service *s)
{
    wake_signal(&s->stop);
    assert_int_equal(pthread_join(s->thread, NULL), 0);
    frontend_free(&s->frontend);
    assert_null(s->frontend);
    wake_fini(&s->stop);
}

static void send_info(void *socket, uint64_t id)
{
    uint8_t frame[64];
    Ecka__V1__Info info = ECKA__V1__INFO__INIT;
    Ecka__V1__Request request = ECKA__V1__REQUEST__INIT;
    request.version = WIRE_VERSION;
    request.id = id;
    request.op_case = ECKA__V1__REQUEST__OP_INFO;
    request.info = &info;
    size_t len = ecka__v1__request__pack(&request, frame);
    assert_int_equal(zmq_send(socket, frame, len, 0), len);
}

static Ecka__V1__Reply *receive(void *socket)
{
    uint8_t frame[4096];
    assert_true(readable(socket, PATIENCE_MS));
    int len = zmq_recv(socket, frame, sizeof(frame), 0);
    assert_in_range(len, 1, (int)sizeof(frame));
    Ecka__V1__Reply *reply = ecka__v1__reply__unpack(NULL, (size_t)len, frame);
    assert_non_null(reply);
    return reply;
}

static void only_a_known_key_gets_in(void **state)
{
    (void)state;
    struct service s;
    struct key_pair stranger = make_keys();
    service_start(&s);
    void *context = zmq_ctx_new();
    void *known = dealer(context, s.endpoint, &s.server, &s.client);
    void *unknown = dealer(context, s.endpoint, &s.server, &stranger);
    void *plain = dealer(context, s.endpoint, &s.server, NULL);
    send_info(unknown, 1);
    send_info(plain, 2);
    send_info(known, 3);
    Ecka__V1__Reply *reply = receive(known);
    assert_int_equal(reply->id, 3);
    assert_int_equal(reply->status, STATUS_OK);
    assert_string_equal(reply->info->principal, "beta");
    ecka__v1__reply__free_unpacked(reply, NULL);
    assert_false(readable(unknown, SILENCE_MS));
    assert_false(readable(plain, 0));

    /* After strangers came and went, the known one is still served. */
    send_info(known, 4);
    reply = receive(known);
    assert_int_equal(reply->id, 4);
    ecka__v1__reply__free_unpacked(reply, NULL);
    assert_int_equal(zmq_close(known) | zmq_close(unknown) | zmq_close(plain), 0);
    assert_int_equal(zmq_ctx_term(context), 0);
    service_stop(&s);
}

static void a_bad_frame_is_answered_and_forgiven(void **state)
{
    (void)state;
    struct service s;
    service_start(&s);
    void *context = zmq_ctx_new();
    void *known = dealer(context, s.endpoint, &s.server, &s.client);
    assert_int_equal(zmq_send(known, "\xff\xff", 2, 0), 2);
    Ecka__V1__Reply *reply = receive(known);
    assert_int_equal(reply->id, 0);
    assert_int_equal(reply->status, STATUS_BAD_REQUEST);
    assert_true(strlen(reply->detail) > 0);
    ecka__v1__reply__free_unpacked(reply, NULL);

    assert_int_equal(zmq_send(known, "a", 1, ZMQ_SNDMORE), 1);
    assert_int_equal(zmq_send(known, "b", 1, 0), 1);
    reply = receive(known);
    assert_int_equal(reply->status, STATUS_BAD_REQUEST);
    ecka__v1__reply__free_unpacked(reply, NULL);

    send_info(known, 5);
    reply = receive(known);
    assert_int_equal(reply->status, STATUS_OK);
    ecka__v1__reply__free_unpacked(reply, NULL);
    assert_int_equal(zmq_close(known), 0);
    assert_int_equal(zmq_ctx_term(context), 0);
    service_stop(&s);
}

static void a_drain_is_told_to_the_clients(void **state)
{
    (void)state;
    struct service s;
    service_start(&s);
    void *context = zmq_ctx_new();
    void *told[2];
    for (uint64_t i = 0; i < 2; i++) {
        told[i] = dealer(context, s.endpoint, &s.server, &s.client);
        send_info(told[i], i + 1);
        ecka__v1__reply__free_unpacked(receive(told[i]), NULL);
    }
    service_stop(&s);
    for (int i = 0; i < 2; i++) {
        Ecka__V1__Reply *reply = receive(told[i]);
        assert_int_equal(reply->id, 0);
        assert_int_equal(reply->status, STATUS_DRAINING);
        assert_true(strlen(reply->detail) > 0);
        ecka__v1__reply__free_unpacked(reply, NULL);
        assert_int_equal(zmq_close(told[i]), 0);
    }
    assert_int_equal(zmq_ctx_term(context), 0);
}

static void two_services_do_not_share_an_endpoint(void **state)
{
    (void)state;
    struct service s;
    struct frontend *second = NULL;
    char error[CONFIG_ERROR_MAX] = "";
    service_start(&s);
    assert_int_equal(frontend_new(&second, &s.config, &s.policy, s.server.secret_key, error),
                     STATUS_BAD_REQUEST);
    assert_null(second);
    assert_non_null(strstr(error, "listen"));
    service_stop(&s);
}

static int select_provider(void **state)
{
    (void)state;
    return provider_select(ignore, NULL) == STATUS_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_handler_nobody_gets_in),
        cmocka_unit_test(another_socket_type_of_security_is_refused),
        cmocka_unit_test(only_a_known_key_gets_in),
        cmocka_unit_test(a_bad_frame_is_answered_and_forgiven),
        cmocka_unit_test(a_drain_is_told_to_the_clients),
        cmocka_unit_test(two_services_do_not_share_an_endpoint),
    };
    return cmocka_run_group_tests_name("frontend", tests, select_provider, NULL);
}
