/*
 * How fast connections may come from one address and from all that are not known, and that others
 * do not pay for it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "service/front/arrivals.h"

enum { S = 1000 * 1000, MS = 1000, START = 100 * S, TRIES = 20000 };

static struct arrivals a;

static struct sockaddr_in four(const char *address)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    assert_int_equal(inet_pton(AF_INET, address, &in.sin_addr), 1);
    return in;
}

static enum arrival arrive(const char *address, uint64_t now)
{
    const struct sockaddr_in in = four(address);
    return arrivals_take(&a, (const struct sockaddr *)&in, now);
}

static void know(const char *address)
{
    const struct sockaddr_in in = four(address);
    arrivals_know(&a, (const struct sockaddr *)&in);
}

static bool from_four(const char *address, uint64_t now)
{
    return arrive(address, now) == ARRIVAL_TAKEN;
}

static bool from_six(const char *address, uint64_t now)
{
    struct sockaddr_in6 in = {.sin6_family = AF_INET6};
    assert_int_equal(inet_pton(AF_INET6, address, &in.sin6_addr), 1);
    return arrivals_take(&a, (struct sockaddr *)&in, now) == ARRIVAL_TAKEN;
}

static unsigned burst(bool (*take)(const char *, uint64_t), const char *address, uint64_t now)
{
    unsigned n = 0;
    for (int i = 0; i < TRIES; i++) {
        n += take(address, now);
    }
    return n;
}

static void a_burst_and_then_a_rate(void **state)
{
    (void)state;
    arrivals_init(&a);
    assert_int_equal(burst(from_four, "192.0.2.1", START), ARRIVALS_BURST);
    unsigned n = 0;
    for (uint64_t t = START + MS; t <= START + 10 * S; t += MS) {
        n += from_four("192.0.2.1", t); /* eight times the rate */
    }
    assert_in_range(n, 10 * ARRIVALS_A_SECOND - 1, 10 * ARRIVALS_A_SECOND + 10);
    assert_false(from_four("192.0.2.1", START + 10 * S));
    /* Who waits has the burst again, and no more. */
    assert_int_equal(burst(from_four, "192.0.2.1", START + 1000 * (uint64_t)S), ARRIVALS_BURST);
}

static void the_rate_is_never_exceeded_by_one_who_keeps_to_it(void **state)
{
    (void)state;
    arrivals_init(&a);
    for (uint64_t i = 0; i < 1000; i++) {
        assert_true(from_four("192.0.2.1", START + i * (S / ARRIVALS_A_SECOND)));
    }
}

/* By chance two addresses have one place: of a hundred hardly any with the first. What is refused
 * of the one is not counted among all. */
static void others_do_not_pay(void **state)
{
    (void)state;
    arrivals_init(&a);
    know("192.0.2.1");
    assert_int_equal(burst(from_four, "192.0.2.1", START), ARRIVALS_BURST);
    assert_int_equal(arrive("192.0.2.1", START), ARRIVAL_TOO_FAST);
    unsigned n = 0;
    for (unsigned i = 2; i < 102; i++) {
        char address[INET_ADDRSTRLEN];
        (void)snprintf(address, sizeof address, "192.0.2.%u", i);
        n += from_four(address, START);
    }
    assert_in_range(n, 97, 100);
}

/* Each from an address of its own, which it has not had before. */
static unsigned crowd(unsigned n, unsigned *number, uint64_t now)
{
    unsigned taken = 0;
    for (unsigned i = 0; i < n; i++) {
        char address[INET_ADDRSTRLEN];
        const unsigned x = (*number)++;
        (void)snprintf(address, sizeof address, "10.%u.%u.%u", x >> 16 & 255, x >> 8 & 255,
                       x & 255);
        taken += from_four(address, now);
    }
    return taken;
}

static void a_crowd_is_one(void **state)
{
    unsigned number = 0, n = 0;
    (void)state;
    arrivals_init(&a);
    know("192.0.2.1");
    assert_int_equal(crowd(TRIES, &number, START), ARRIVALS_BURST);
    for (uint64_t t = START + MS; t <= START + 10 * S; t += MS) {
        n += crowd(4, &number, t);
    }
    assert_in_range(n, 10 * ARRIVALS_A_SECOND - 1, 10 * ARRIVALS_A_SECOND + 10);
    assert_int_equal(arrive("192.0.2.2", START + 10 * S), ARRIVAL_CROWDED);
}

static void who_is_known_is_not_of_the_crowd(void **state)
{
    unsigned number = 0;
    (void)state;
    arrivals_init(&a);
    know("192.0.2.1");
    assert_int_equal(crowd(TRIES, &number, START), ARRIVALS_BURST);
    assert_int_equal(burst(from_four, "192.0.2.1", START), ARRIVALS_BURST);
    assert_int_equal(arrive("192.0.2.1", START), ARRIVAL_TOO_FAST);
    assert_int_equal(crowd(TRIES, &number, START), 0); /* nor does that help them */
}

/* A place that is known is of one address, not of all that the table puts there. */
static void whom_a_known_place_is_of(void **state)
{
    unsigned number = 0;
    (void)state;
    arrivals_init(&a);
    know("192.0.2.1");
    (void)crowd(TRIES, &number, START);
    for (uint64_t *place = a.known; place < a.known + ARRIVALS_PLACES; place++) {
        *place = a.known[0] ^ UINT64_MAX; /* somebody else's, everywhere */
    }
    assert_int_equal(arrive("192.0.2.1", START), ARRIVAL_CROWDED);
}

static void what_one_address_is(void **state)
{
    (void)state;
    arrivals_init(&a);
    assert_int_equal(burst(from_six, "2001:db8:1:2::1", START), ARRIVALS_BURST);
    assert_false(from_six("2001:db8:1:2:3:4:5:6", START)); /* the same half */
    arrivals_init(&a);
    know("192.0.2.9");
    assert_int_equal(burst(from_six, "::ffff:192.0.2.9", START), ARRIVALS_BURST);
    assert_int_equal(arrive("192.0.2.9", START), ARRIVAL_TOO_FAST); /* over a socket of both */
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    for (int i = 0; i < TRIES; i++) {
        assert_int_equal(arrivals_take(&a, (struct sockaddr *)&un, START), ARRIVAL_TAKEN);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_and_then_a_rate),
        cmocka_unit_test(the_rate_is_never_exceeded_by_one_who_keeps_to_it),
        cmocka_unit_test(others_do_not_pay),
        cmocka_unit_test(a_crowd_is_one),
        cmocka_unit_test(who_is_known_is_not_of_the_crowd),
        cmocka_unit_test(whom_a_known_place_is_of),
        cmocka_unit_test(what_one_address_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
