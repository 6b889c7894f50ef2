/*
 * Which connection goes when there are too many: the oldest stranger, and never a client that
 * asked, but for those of a principal past its share.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "service/front/connections.h"

enum { LIMIT = 8, ROOM = 32, PRINCIPALS = 2, MOST = 4, STEPS = 200000 };

static struct connections fresh(void)
{
    struct connections c;
    assert_int_equal(connections_init(&c, LIMIT, ROOM, PRINCIPALS), STATUS_OK);
    return c;
}

/* Whom it ends, too. */
static int comes(struct connections *c, int fd)
{
    int last = connections_opened(c, fd, 1);
    connections_going(c, last);
    return last;
}

/* Routing ids as libzmq makes them. */
static struct span id_of(int i, uint8_t out[static 5])
{
    out[0] = 0;
    memcpy(out + 1, &i, sizeof(i));
    return span_of(out, 5);
}

static bool asks(struct connections *c, int fd, uint32_t principal)
{
    uint8_t id[5];
    return connections_asked(c, fd, id_of(fd, id), principal, MOST);
}

static void the_oldest_stranger_goes(void **state)
{
    (void)state;
    struct connections c = fresh();
    for (int fd = 0; fd < LIMIT / 2; fd++) {
        assert_int_equal(comes(&c, fd), CONNECTIONS_NONE);
    }
    for (int fd = LIMIT / 2; fd < ROOM;
         fd++) { /* those that go keep their descriptors for a while */
        assert_int_equal(comes(&c, fd), fd - LIMIT / 2);
        assert_int_equal(c.open, LIMIT / 2);
    }
    for (int fd = 0; fd < ROOM; fd++) {
        connections_closed(&c, fd);
    }
    assert_int_equal(c.open, 0);
    assert_int_equal(c.strangers, 0);
    connections_fini(&c);
}

static void who_asked_stays(void **state)
{
    (void)state;
    struct connections c = fresh();
    for (int fd = 0; fd < LIMIT; fd++) {
        assert_int_equal(comes(&c, fd), CONNECTIONS_NONE);
        assert_true(asks(&c, fd, (uint32_t)fd % PRINCIPALS));
    }
    for (int i = 0; i < 100; i++) { /* nobody but the one that comes can go */
        assert_int_equal(comes(&c, LIMIT), LIMIT);
        connections_closed(&c, LIMIT);
    }
    assert_int_equal(c.open, LIMIT);
    connections_closed(&c, 3);
    assert_int_equal(comes(&c, 3), CONNECTIONS_NONE);
    connections_fini(&c);
}

static void a_new_client_gets_in_between_strangers(void **state)
{
    (void)state;
    struct connections c = fresh();
    int stranger = 1;
    for (int i = 0; i < 1000; i++) {
        (void)comes(&c, 0);
        for (int n = 0; n < LIMIT / 2 - 1; n++) { /* fewer than there is room for */
            connections_closed(&c, stranger);
            assert_int_not_equal(comes(&c, stranger), 0);
            stranger = stranger % (ROOM - 1) + 1;
        }
        assert_true(asks(&c, 0, 0));
        connections_closed(&c, 0);
    }
    connections_fini(&c);
}

static void who_was_let_in_stays(void **state)
{
    (void)state;
    struct connections c = fresh();
    uint8_t id[5];
    for (int fd = 0; fd < LIMIT / 2; fd++) {
        assert_int_equal(comes(&c, fd), CONNECTIONS_NONE);
    }
    assert_int_equal(connections_opened(&c, LIMIT, 1), 0);
    assert_int_equal(connections_let_in(&c, 0), CONNECTIONS_NONE); /* and so there is room */
    assert_false(connections_knows(&c, 0, id_of(0, id)));
    assert_int_equal(connections_opened(&c, LIMIT + 1, 1), 1);
    assert_int_equal(connections_let_in(&c, 1), CONNECTIONS_NONE);
    assert_true(asks(&c, 0, 0));
    assert_true(connections_knows(&c, 0, id_of(0, id)));
    for (int fd = 2; fd < LIMIT / 2; fd++) {
        assert_int_equal(connections_let_in(&c, fd), CONNECTIONS_NONE);
    }
    assert_int_equal(c.open, LIMIT - 2);
    assert_int_equal(comes(&c, LIMIT + 2), CONNECTIONS_NONE);
    assert_int_equal(comes(&c, LIMIT + 3), CONNECTIONS_NONE);
    assert_int_equal(connections_opened(&c, LIMIT + 4, 1), LIMIT); /* the whole room is taken */
    assert_int_equal(connections_let_in(&c, LIMIT), LIMIT + 1);
    connections_fini(&c);
}

static void a_principal_has_its_share(void **state)
{
    (void)state;
    struct connections c = fresh();
    for (int fd = 0; fd < MOST; fd++) {
        (void)comes(&c, fd);
        assert_true(asks(&c, fd, 0));
        assert_true(asks(&c, fd, 0)); /* again: it is counted once */
    }
    (void)comes(&c, MOST);
    assert_false(asks(&c, MOST, 0));
    connections_going(&c, MOST);
    (void)comes(&c, MOST + 1);
    assert_true(asks(&c, MOST + 1, 1));
    connections_closed(&c, 0);
    connections_closed(&c, MOST);
    (void)comes(&c, 0);
    assert_true(asks(&c, 0, 0));
    connections_fini(&c);
}

static void ids(void **state)
{
    (void)state;
    struct connections c = fresh();
    uint8_t id[5], other[5], longest[CONNECTIONS_ID_MAX + 1] = {1};
    assert_false(connections_knows(&c, 2, id_of(2, id)));
    assert_int_equal(connections_opened(&c, 2, 77), CONNECTIONS_NONE);
    assert_int_equal(connections_of_id(&c, id_of(2, id)), CONNECTIONS_NONE);
    assert_true(asks(&c, 2, 0));
    assert_true(connections_knows(&c, 2, id_of(2, id)));
    assert_false(connections_knows(&c, 2, id_of(3, other)));
    assert_int_equal(connections_of_id(&c, id_of(2, id)), 2);
    assert_int_equal(connections_cookie(&c, 2), 77);
    connections_closed(&c, 2);
    assert_int_equal(connections_of_id(&c, id_of(2, id)), CONNECTIONS_NONE);
    assert_int_equal(connections_cookie(&c, 2), 0);

    (void)comes(&c, 4);
    struct span beyond = span_of(longest, sizeof longest);
    assert_true(connections_asked(&c, 4, beyond, 0, MOST));
    assert_true(connections_knows(&c, 4, beyond));
    assert_int_equal(connections_of_id(&c, beyond), CONNECTIONS_NONE);
    connections_fini(&c);
}

static void lost_replies(void **state)
{
    (void)state;
    enum { S = 1000 * 1000 };
    struct connections c = fresh();
    assert_false(connections_lost_reply(&c, 1, 5 * S)); /* of none */
    assert_int_equal(comes(&c, 1), CONNECTIONS_NONE);
    assert_true(asks(&c, 1, 0));
    for (uint64_t t = 10 * S; t < 12 * S; t += S / 10) {
        assert_false(connections_lost_reply(&c, 1, t));
    }
    assert_true(connections_lost_reply(&c, 1, 12 * S));
    assert_int_equal(comes(&c, 1), CONNECTIONS_NONE);   /* another one */
    for (uint64_t t = 12 * S; t < 40 * S; t += 2 * S) { /* it reads in between */
        assert_false(connections_lost_reply(&c, 1, t));
    }
    connections_fini(&c);
}

static void numbers_outside(void **state)
{
    (void)state;
    struct connections c = fresh();
    uint8_t id[5];
    assert_int_equal(comes(&c, ROOM), ROOM);
    assert_int_equal(comes(&c, -1), -1);
    connections_closed(&c, ROOM);
    connections_closed(&c, -1);
    connections_going(&c, ROOM);
    assert_true(connections_asked(&c, -1, id_of(1, id), 0, MOST));
    (void)comes(&c, 1);
    assert_true(connections_asked(&c, 1, id_of(1, id), PRINCIPALS, MOST)); /* of no principal */
    assert_int_equal(c.strangers, 1);
    connections_fini(&c);
}

/* Whatever happens in whatever order, the sums are those of the connections that are there. */
static void sums_hold(void **state)
{
    (void)state;
    struct connections c = fresh();
    unsigned seed = 1;
    for (int i = 0; i < STEPS; i++) {
        int fd = rand_r(&seed) % ROOM;
        switch (rand_r(&seed) % 5) {
        case 0:
            (void)comes(&c, fd);
            break;
        case 1:
            connections_closed(&c, fd);
            break;
        case 2:
            connections_going(&c, connections_let_in(&c, fd));
            break;
        case 3:
            (void)asks(&c, fd, (uint32_t)rand_r(&seed) % PRINCIPALS);
            break;
        default:
            connections_going(&c, fd);
        }
        unsigned listed = 0;
        for (int at = c.oldest; at != CONNECTIONS_NONE; at = c.list[at].newer) {
            listed++;
        }
        assert_int_equal(listed, c.strangers);
        assert_int_equal(c.open, c.strangers + c.held[0] + c.held[1] + c.held[PRINCIPALS]);
        assert_in_range(c.strangers, 0, LIMIT / 2);
    }
    for (int fd = 0; fd < ROOM; fd++) {
        connections_closed(&c, fd);
    }
    assert_int_equal(c.open, 0);
    connections_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_stranger_goes),
        cmocka_unit_test(who_asked_stays),
        cmocka_unit_test(a_new_client_gets_in_between_strangers),
        cmocka_unit_test(who_was_let_in_stays),
        cmocka_unit_test(a_principal_has_its_share),
        cmocka_unit_test(ids),
        cmocka_unit_test(lost_replies),
        cmocka_unit_test(numbers_outside),
        cmocka_unit_test(sums_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
