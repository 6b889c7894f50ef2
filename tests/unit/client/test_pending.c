/* The table of outstanding requests: ids, slots and the order of deadlines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "service/client/pending.h"

static void ids_are_fresh(void **state)
{
    (void)state;
    struct pending p;
    assert_int_equal(pending_init(&p, 1), 0);
    struct pending_entry *e = pending_add(&p, 1);
    uint64_t first = e->id;
    assert_int_not_equal(first, 0);
    assert_null(pending_add(&p, 1)); /* full */
    assert_ptr_equal(pending_find(&p, first), e);
    assert_null(pending_find(&p, 0));
    assert_null(pending_find(&p, first + 1)); /* a slot that is not there */
    pending_remove(&p, e);
    assert_null(pending_find(&p, first));
    e = pending_add(&p, 1);
    assert_int_not_equal(e->id, first);
    assert_null(pending_find(&p, first)); /* the slot's former request */
    pending_remove(&p, e);
    pending_fini(&p);
}

static void the_next_deadline_is_first(void **state)
{
    (void)state;
    enum { CAP = 100, STEPS = 20000, SEED = 2 };
    struct pending p;
    struct pending_entry *in[CAP];
    size_t n = 0;
    srandom(SEED);
    assert_int_equal(pending_init(&p, CAP), 0);
    for (size_t step = 0; step < STEPS; step++) {
        if (n == 0 || (n < CAP && random() % 2 == 0)) {
            in[n++] = pending_add(&p, (uint64_t)random() % 50); /* many are equal */
        } else {
            size_t which = (size_t)random() % n;
            pending_remove(&p, in[which]);
            in[which] = in[--n];
        }
        uint64_t least = UINT64_MAX;
        for (size_t i = 0; i < n; i++) {
            least = in[i]->deadline < least ? in[i]->deadline : least;
        }
        assert_int_equal(p.count, n);
        assert_int_equal(n == 0 ? UINT64_MAX : pending_first(&p)->deadline, least);
    }
    while (n != 0) {
        pending_remove(&p, in[--n]);
    }
    assert_null(pending_first(&p));
    pending_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_fresh),
        cmocka_unit_test(the_next_deadline_is_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
