/*
 * Who is turned away before libzmq knows of him: on sockets of the kernel's, and through libzmq
 * itself, which is given our accept4().
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

#include "service/front/door.h"

static struct metrics metrics;

static void open_door(struct door *d)
{
    assert_int_equal(door_init(d), STATUS_OK);
    memset(&metrics, 0, sizeof metrics);
    d->metrics = &metrics;
}

static int listen_tcp(struct sockaddr_in *at)
{
    socklen_t len = sizeof *at;
    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)at, len), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)at, &len), 0);
    return fd;
}

static int visit(const struct sockaddr_in *at)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)at, sizeof *at), 0);
    return fd;
}

static int take(int listener)
{
    struct sockaddr_storage from;
    socklen_t len = sizeof from;
    return door_accept(listener, (struct sockaddr *)&from, &len, SOCK_CLOEXEC);
}

static void gets_in(int listener, const struct sockaddr_in *at)
{
    int guest = visit(at), fd = take(listener);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(close(guest), 0);
}

/* He is gone, and the listener is told of one who is. */
static void is_turned_away(int listener, const struct sockaddr_in *at)
{
    char octet;
    int guest = visit(at);
    assert_int_equal(take(listener), -1);
    assert_int_equal(errno, ECONNABORTED);
    assert_int_equal(read(guest, &octet, 1), -1);
    assert_int_equal(errno, ECONNRESET);
    assert_int_equal(close(guest), 0);
}

/* As after a flood from each of them that goes on for long. */
static void every_address_has_come_too_fast(struct door *d)
{
    for (size_t i = 0; i < ARRIVALS_PLACES; i++) {
        d->arrivals.busy_until_us[i] = UINT64_MAX / 2;
    }
}

static void who_comes_too_fast_is_turned_away(void **state)
{
    struct door d;
    struct sockaddr_in at;
    (void)state;
    open_door(&d);
    int listener = listen_tcp(&at);
    assert_int_equal(door_watch(&d, listener), STATUS_OK);
    gets_in(listener, &at);
    every_address_has_come_too_fast(&d);
    is_turned_away(listener, &at);
    is_turned_away(listener, &at);
    assert_int_equal(metric_get(&metrics.cut_address), 2);
    assert_int_equal(metric_get(&metrics.cut_crowd), 0);
    door_fini(&d);
    assert_int_equal(close(listener), 0);
}

static void who_is_known_comes_in_from_a_crowd(void **state)
{
    struct door d;
    struct sockaddr_in at;
    struct sockaddr_in loopback = {.sin_family = AF_INET};
    (void)state;
    open_door(&d);
    int listener = listen_tcp(&at);
    assert_int_equal(door_watch(&d, listener), STATUS_OK);
    d.arrivals.crowd_until_us = UINT64_MAX / 2;
    is_turned_away(listener, &at);
    assert_int_equal(metric_get(&metrics.cut_crowd), 1);
    loopback.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    door_know(&d, (struct sockaddr *)&loopback);
    gets_in(listener, &at);
    door_fini(&d);
    assert_int_equal(close(listener), 0);
}

/* HTTP's, and those of a door that is gone. */
static void others_get_what_the_kernel_gives(void **state)
{
    struct door d;
    struct sockaddr_in at;
    (void)state;
    open_door(&d);
    every_address_has_come_too_fast(&d);
    int listener = listen_tcp(&at);
    gets_in(listener, &at);
    assert_int_equal(take(listener), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(door_watch(&d, listener), STATUS_OK);
    assert_int_equal(take(listener), -1);
    assert_int_equal(errno, EAGAIN);
    door_fini(&d);
    gets_in(listener, &at);
    assert_int_equal(close(listener), 0);
}

static void without_a_descriptor_who_waits_goes(void **state)
{
    struct door d;
    struct rlimit before, none;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int guests[3], highest, listener;
    (void)state;
    (void)snprintf(at.sun_path + 1, sizeof at.sun_path - 1, "eckad-test-door-%d", (int)getpid());
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(listener, 8), 0);
    for (size_t i = 0; i < 3; i++) {
        guests[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(guests[i], (struct sockaddr *)&at, sizeof at), 0);
    }
    open_door(&d);
    assert_int_equal(door_watch(&d, listener), STATUS_OK);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    highest = dup(listener);
    assert_int_equal(close(highest), 0);
    none = (struct rlimit){(rlim_t)highest, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    for (size_t i = 0; i < 2; i++) {
        char octet;
        assert_int_equal(door_accept(listener, NULL, NULL, SOCK_CLOEXEC), -1);
        assert_int_equal(errno, ECONNABORTED);
        assert_int_equal(read(guests[i], &octet, 1), 0); /* gone, and the next one's turn */
    }
    assert_int_equal(metric_get(&metrics.cut_descriptors), 2);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    int fd = door_accept(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(close(guests[i]), 0);
    }
    door_fini(&d);
    assert_int_equal(close(listener), 0);
}

static void doors_are_not_endless(void **state)
{
    struct door d, other;
    (void)state;
    open_door(&d);
    assert_int_equal(door_init(&other), STATUS_OK);
    for (int i = 0; i < DOOR_LISTENERS_MAX; i++) {
        assert_int_equal(door_watch(&d, i + 100), STATUS_OK);
    }
    assert_int_equal(door_watch(&other, 1), STATUS_INTERNAL);
    door_fini(&d);
    assert_int_equal(door_watch(&other, 1), STATUS_OK);
    door_fini(&other);
}

static int descriptor_of(void *monitor)
{
    struct __attribute__((packed)) {
        uint16_t event;
        uint32_t value;
    } what = {0};
    char where[256];
    assert_int_equal(zmq_recv(monitor, &what, sizeof what, 0), sizeof what);
    assert_true(zmq_recv(monitor, where, sizeof where, 0) > 0);
    assert_int_equal(what.event, ZMQ_EVENT_LISTENING);
    return (int)what.value;
}

/* What all of it is for: libzmq's listener asks us. */
static void libzmq_comes_to_the_door(void **state)
{
    struct door d;
    char endpoint[64];
    unsigned short port;
    size_t len = sizeof endpoint;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    (void)state;
    open_door(&d);
    void *context = zmq_ctx_new(), *router = zmq_socket(context, ZMQ_ROUTER);
    void *monitor = zmq_socket(context, ZMQ_PAIR);
    assert_int_equal(zmq_socket_monitor(router, "inproc://told", ZMQ_EVENT_LISTENING), 0);
    assert_int_equal(zmq_connect(monitor, "inproc://told"), 0);
    assert_int_equal(zmq_bind(router, "tcp://127.0.0.1:*"), 0);
    assert_int_equal(zmq_getsockopt(router, ZMQ_LAST_ENDPOINT, endpoint, &len), 0);
    assert_int_equal(sscanf(endpoint, "tcp://127.0.0.1:%hu", &port), 1);
    at.sin_port = htons(port);
    assert_int_equal(door_watch(&d, descriptor_of(monitor)), STATUS_OK);
    d.arrivals.crowd_until_us = UINT64_MAX / 2; /* before anybody can come */
    int guest = visit(&at);
    assert_int_equal(read(guest, endpoint, sizeof endpoint), -1); /* waits for libzmq's thread */
    assert_int_equal(errno, ECONNRESET);
    assert_int_equal(metric_get(&metrics.cut_crowd), 1);
    assert_int_equal(close(guest), 0);
    door_fini(&d);
    assert_int_equal(zmq_socket_monitor(router, NULL, 0), 0);
    assert_int_equal(zmq_close(monitor), 0);
    assert_int_equal(zmq_close(router), 0);
    assert_int_equal(zmq_ctx_term(context), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_comes_too_fast_is_turned_away),
        cmocka_unit_test(who_is_known_comes_in_from_a_crowd),
        cmocka_unit_test(others_get_what_the_kernel_gives),
        cmocka_unit_test(without_a_descriptor_who_waits_goes),
        cmocka_unit_test(doors_are_not_endless),
        cmocka_unit_test(libzmq_comes_to_the_door),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
