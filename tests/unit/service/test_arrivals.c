/*
 * How fast connections may come from one address, and that others do not pay for it.
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

static bool from_four(const char *address, uint64_t now)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    assert_int_equal(inet_pton(AF_INET, address, &in.sin_addr), 1);
    return arrivals_take(&a, (struct sockaddr *)&in, now);
}

static bool from_six(const char *address, uint64_t now)
{
    struct sockaddr_in6 in = {.sin6_family = AF_INET6};
    assert_int_equal(inet_pton(AF_INET6, address, &in.sin6_addr), 1);
    return arrivals_take(&a, (struct sockaddr *)&in, now);
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

/* By chance two addresses have one place: of a hundred hardly any with the first. */
static void others_do_not_pay(void **state)
{
    (void)state;
    arrivals_init(&a);
    assert_int_equal(burst(from_four, "192.0.2.1", START), ARRIVALS_BURST);
    unsigned n = 0;
    for (unsigned i = 2; i < 102; i++) {
        char address[INET_ADDRSTRLEN];
        (void)snprintf(address, sizeof address, "192.0.2.%u", i);
        n += from_four(address, START);
    }
    assert_in_range(n, 97, 100);
}

static void what_one_address_is(void **state)
{
    (void)state;
    arrivals_init(&a);
    assert_int_equal(burst(from_six, "2001:db8:1:2::1", START), ARRIVALS_BURST);
    assert_false(from_six("2001:db8:1:2:3:4:5:6", START)); /* the same half */
    arrivals_init(&a);
    assert_int_equal(burst(from_six, "::ffff:192.0.2.9", START), ARRIVALS_BURST);
    assert_false(from_four("192.0.2.9", START)); /* the same, over a socket of both */
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    for (int i = 0; i < TRIES; i++) {
        assert_true(arrivals_take(&a, (struct sockaddr *)&un, START));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_and_then_a_rate),
        cmocka_unit_test(the_rate_is_never_exceeded_by_one_who_keeps_to_it),
        cmocka_unit_test(others_do_not_pay),
        cmocka_unit_test(what_one_address_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
