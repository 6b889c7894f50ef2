/*
 * Who is told of a drain: every client once, and never more than the table holds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "service/front/peers.h"

enum { CLIENTS = 300, FLOOD = 100000 };

struct told {
    unsigned times[CLIENTS];
    unsigned count;
};

/* Ids as libzmq makes them: a zero and a count. */
static struct span id_of(uint32_t i, uint8_t out[static 5])
{
    out[0] = 0;
    memcpy(out + 1, &i, sizeof(i));
    return span_of(out, 5);
}

static void tell(void *arg, struct span id)
{
    struct told *t = arg;
    uint32_t i;
    t->count++;
    if (id.len == 5) {
        memcpy(&i, id.ptr + 1, sizeof(i));
        if (i < CLIENTS) {
            t->times[i]++;
        }
    }
}

static void each_client_is_told_once(void **state)
{
    (void)state;
    struct peers p;
    struct told t = {0};
    uint8_t id[5];
    assert_int_equal(peers_init(&p), STATUS_OK);
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < CLIENTS; i++) {
            peers_add(&p, id_of(i, id));
        }
    }
    peers_add(&p, span_of("chosen by a client", 18));
    peers_each(&p, tell, &t);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        assert_int_equal(t.times[i], 1);
    }
    assert_int_equal(t.count, CLIENTS + 1);
    peers_fini(&p);
}

static void a_flood_of_ids_takes_no_more_than_the_table(void **state)
{
    (void)state;
    struct peers p;
    struct told t = {0};
    uint8_t id[5];
    assert_int_equal(peers_init(&p), STATUS_OK);
    for (uint32_t i = 0; i < FLOOD; i++) {
        peers_add(&p, id_of(FLOOD - 1 - i, id));
    }
    peers_each(&p, tell, &t);
    assert_int_equal(t.count, PEERS_MAX);
    assert_int_equal(t.times[0], 1); /* the last is there */
    peers_fini(&p);
}

static void an_id_too_long_is_left_out(void **state)
{
    (void)state;
    struct peers p;
    struct told t = {0};
    uint8_t id[PEERS_ID_MAX + 1] = {1};
    assert_int_equal(peers_init(&p), STATUS_OK);
    peers_add(&p, span_of(id, sizeof(id)));
    peers_add(&p, span_of(id, 0));
    peers_each(&p, tell, &t);
    assert_int_equal(t.count, 0);
    peers_add(&p, span_of(id, sizeof(id) - 1));
    peers_each(&p, tell, &t);
    assert_int_equal(t.count, 1);
    peers_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_client_is_told_once),
        cmocka_unit_test(a_flood_of_ids_takes_no_more_than_the_table),
        cmocka_unit_test(an_id_too_long_is_left_out),
    };
    return cmocka_run_group_tests_name("peers", tests, NULL, NULL);
}
