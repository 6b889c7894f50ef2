/* Notes for an audit log: counted, bounded, and none lost that could not be told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "service/custody/notes.h"

static struct notes notes;
static struct note taken[NOTES_MAX];

static int setup(void **state)
{
    (void)state;
    notes_init(&notes);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    notes_fini(&notes);
    return 0;
}

static void put_policy(uint8_t number)
{
    uint8_t sha256[NOTE_HASH_LEN] = {number};
    notes_event(&notes, CUSTODY_NOTE_POLICY, sha256, "a policy");
}

static void equal_refusals_are_counted(void **state)
{
    (void)state;
    notes_refused(&notes, "beta", "Sign", STATUS_DENIED, 1);
    notes_refused(&notes, "beta", "Sign", STATUS_DENIED, 2);
    notes_refused(&notes, "beta", "Sign", STATUS_EID_BLOCKED, 1);
    notes_refused(&notes, "gamma", "Sign", STATUS_DENIED, 1);
    notes_refused(&notes, "beta", "Agree", STATUS_DENIED, 1);
    assert_int_equal(notes_take(&notes, taken), 4);
    assert_true(taken[0].count == 3 && taken[1].count == 1);
    assert_string_equal(taken[2].principal, "gamma");
    assert_string_equal(taken[3].operation, "Agree");
    assert_int_equal(notes_take(&notes, taken), 0);
}

static void refusals_of_too_many_kinds_are_counted_together(void **state)
{
    (void)state;
    uint64_t sum = 0;
    for (int i = 0; i < 1000; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "p%d", i);
        notes_refused(&notes, name, "Sign", STATUS_DENIED, 1);
    }
    size_t n = notes_take(&notes, taken);
    assert_int_equal(n, NOTE_REFUSALS_MAX);
    for (size_t i = 0; i < n; i++) {
        sum += taken[i].count;
    }
    assert_true(sum == 1000);
    assert_string_equal(taken[n - 1].operation, "others");
}

static void the_newest_policies_are_kept(void **state)
{
    (void)state;
    for (unsigned i = 0; i < NOTE_EVENTS_MAX + 3; i++) {
        put_policy((uint8_t)i);
    }
    assert_int_equal(notes_take(&notes, taken), NOTE_EVENTS_MAX);
    assert_int_equal(taken[0].sha256[0], 3);
    assert_int_equal(taken[NOTE_EVENTS_MAX - 1].sha256[0], NOTE_EVENTS_MAX + 2);
}

static void what_was_not_told_comes_first_again(void **state)
{
    (void)state;
    put_policy(1);
    notes_refused(&notes, "beta", "Sign", STATUS_DENIED, 5);
    size_t n = notes_take(&notes, taken);
    put_policy(2);
    notes_refused(&notes, "beta", "Sign", STATUS_DENIED, 1);
    notes_put_back(&notes, n, taken);
    assert_int_equal(notes_take(&notes, taken), 3);
    assert_int_equal(taken[0].sha256[0], 1);
    assert_int_equal(taken[1].sha256[0], 2);
    assert_true(taken[2].count == 6);
}

static void all_of_them_fit_a_message_after_coming_back_to_a_full_table(void **state)
{
    (void)state;
    struct note kept[NOTES_MAX];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 100; i++) {
            char name[16];
            (void)snprintf(name, sizeof(name), "p%d-%d", round, i);
            notes_refused(&notes, name, "Sign", STATUS_DENIED, 1);
            put_policy((uint8_t)i);
        }
        if (round == 0) {
            assert_int_equal(notes_take(&notes, kept), NOTES_MAX);
        }
    }
    notes_put_back(&notes, NOTES_MAX, kept);
    assert_int_equal(notes_take(&notes, taken), NOTES_MAX);
    uint64_t sum = 0;
    for (size_t i = NOTE_EVENTS_MAX; i < NOTES_MAX; i++) {
        sum += taken[i].count;
    }
    assert_true(sum == 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(equal_refusals_are_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(refusals_of_too_many_kinds_are_counted_together, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_newest_policies_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_not_told_comes_first_again, setup, teardown),
        cmocka_unit_test_setup_teardown(all_of_them_fit_a_message_after_coming_back_to_a_full_table,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
