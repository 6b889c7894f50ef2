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

static void a_new_attempt_has_a_new_id(void **state)
{
    (void)state;
    struct pending p;
    assert_int_equal(pending_init(&p, 4), 0);
    (void)pending_add(&p, 1);
    struct pending_entry *e = pending_add(&p, 2);
    uint64_t first = e->id;
    pending_renew(e);
    assert_null(pending_find(&p, first));
    assert_ptr_equal(pending_find(&p, e->id), e);
    uint64_t second = e->id;
    pending_remove(&p, e);
    assert_null(pending_find(&p, second));
    e = pending_add(&p, 2); /* the same slot again, and neither of its former ids */
    assert_int_not_equal(e->id, first);
    assert_int_not_equal(e->id, second);
    pending_remove(&p, e);
    pending_remove(&p, pending_first(&p));
    pending_fini(&p);
}

static void a_slot_keeps_its_frame(void **state)
{
    (void)state;
    struct pending p;
    assert_int_equal(pending_init(&p, 1), 0);
    struct pending_entry *e = pending_add(&p, 1);
    e->frame = (struct frame){.ptr = malloc(100), .cap = 100};
    uint8_t *memory = e->frame.ptr;
    pending_remove(&p, e);
    e = pending_add(&p, 1);
    assert_ptr_equal(e->frame.ptr, memory);
    assert_int_equal(e->frame.cap, 100);
    pending_remove(&p, e);
    pending_fini(&p); /* and frees it: the leak checker looks */
}

static void those_that_wait_keep_their_order(void **state)
{
    (void)state;
    struct pending p;
    struct pending_entry *e[5];
    assert_int_equal(pending_init(&p, 5), 0);
    for (size_t i = 0; i < 5; i++) {
        e[i] = pending_add(&p, 10 - i);
        pending_wait(&p, e[i]);
    }
    pending_unwait(&p, e[2]); /* from the middle, the front and the back */
    pending_unwait(&p, e[0]);
    pending_remove(&p, e[4]);
    assert_int_equal(p.waiting, 2);
    assert_ptr_equal(p.first_waiting, e[1]);
    assert_ptr_equal(e[1]->next, e[3]);
    assert_null(e[3]->next);
    assert_ptr_equal(p.last_waiting, e[3]);
    pending_unwait(&p, e[0]); /* who does not wait is not disturbed */
    pending_wait(&p, e[0]);
    assert_ptr_equal(e[3]->next, e[0]);
    for (size_t i = 0; i < 4; i++) {
        pending_remove(&p, e[i]);
    }
    assert_int_equal(p.waiting, 0);
    assert_null(p.first_waiting);
    assert_null(p.last_waiting);
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
        cmocka_unit_test(a_new_attempt_has_a_new_id),
        cmocka_unit_test(a_slot_keeps_its_frame),
        cmocka_unit_test(those_that_wait_keep_their_order),
        cmocka_unit_test(the_next_deadline_is_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
