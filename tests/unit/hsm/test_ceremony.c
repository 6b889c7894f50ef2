/*
 * What ceremonies decide without a token: which tokens are too weak, which names and times are
 * ones, and when a ticket generation ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hsm/clock_text.h"
#include "hsm/upkeep.h"

static const CK_FLAGS good =
    CKF_RNG | CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED | CKF_TOKEN_INITIALIZED;

static void a_weaker_token_is_refused(void **state)
{
    (void)state;
    const CK_FLAGS needed[] = {CKF_RNG, CKF_LOGIN_REQUIRED, CKF_USER_PIN_INITIALIZED,
                               CKF_TOKEN_INITIALIZED};
    const CK_FLAGS unwanted[] = {CKF_WRITE_PROTECTED, CKF_USER_PIN_LOCKED, CKF_USER_PIN_FINAL_TRY,
                                 CKF_USER_PIN_TO_BE_CHANGED};
    assert_null(token_weakness(good));
    assert_null(token_weakness(good | CKF_SO_PIN_COUNT_LOW | CKF_USER_PIN_COUNT_LOW));
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        assert_non_null(token_weakness(good & ~needed[i]));
    }
    for (size_t i = 0; i < sizeof unwanted / sizeof unwanted[0]; i++) {
        assert_non_null(token_weakness(good | unwanted[i]));
    }
}

static void names_have_one_alphabet(void **state)
{
    (void)state;
    const char *const names[] = {"a", "invoices-2026.v1_x", "0123456789abcdef0123456789abcdef"};
    const char *const others[] = {"",    "A", "a b", "a/b", "0123456789abcdef0123456789abcdefg",
                                  "\xc3"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_true(key_name_valid(names[i]));
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_false(key_name_valid(others[i]));
    }
}

static void purposes_have_one_name_each(void **state)
{
    (void)state;
    for (unsigned i = 1; i < KEY_PURPOSE_COUNT; i++) {
        assert_int_equal(key_purpose_of(key_purpose_name((enum key_purpose)i)), i);
    }
    assert_int_equal(key_purpose_of("unknown"), 0);
    assert_int_equal(key_purpose_of(""), 0);
}

static void times_come_back(void **state)
{
    (void)state;
    const uint64_t times[] = {1, 951782400, 1795476000, 4102444799};
    char text[CLOCK_TEXT_MAX];
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        clock_text(text, times[i]);
        assert_int_equal(strlen(text), CLOCK_TEXT_MAX - 1);
        assert_true(clock_of_text(text) == times[i]);
    }
    const char *const others[] = {"", "3", "2026-11-23", "2026-11-23T23:20:00",
                                  "2026-11-23T23:20:00Zx"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_true(clock_of_text(others[i]) == 0);
    }
}

static struct token_key ticket_key(uint32_t generation, uint64_t created)
{
    return (struct token_key){.purpose = KEY_TICKET, .generation = generation, .created = created};
}

static void a_generation_ends_with_its_last_ticket(void **state)
{
    (void)state;
    const struct config config = {.ticket_rotation_s = 100, .ticket_lifetime_s = 1000};
    struct key_list keys = {.n = 3};
    keys.keys[0] = ticket_key(5, 7000); /* in no order, and with a gap */
    keys.keys[1] = ticket_key(1, 2000);
    keys.keys[2] = ticket_key(2, 3000);

    assert_true(ticket_generation_end(&keys, &config, 1) == 3000 + 100 + 1000);
    assert_true(ticket_generation_end(&keys, &config, 2) == 7000 + 100 + 1000);
    assert_true(ticket_generation_end(&keys, &config, 5) == 0); /* the newest has no end */
    keys.keys[0].created = 0; /* nobody can say since when 2 is not sealed under */
    assert_true(ticket_generation_end(&keys, &config, 2) == 0);
    keys.keys[0].purpose = KEY_KEYSET; /* another purpose ends nothing */
    assert_true(ticket_generation_end(&keys, &config, 2) == 0);
}

static void uses_are_counted_by_generation(void **state)
{
    (void)state;
    static struct use_counts counts;
    counts.now = 50;
    uses_add(&counts, KEY_KEYSET, 1);
    counts.now = 60;
    uses_add(&counts, KEY_KEYSET, 1);
    uses_add(&counts, KEY_TICKET, 1);
    assert_int_equal(counts.n, 2);
    assert_true(counts.list[0].since == 50 && counts.list[0].last == 60);
    assert_true(counts.list[0].uses == 2 && counts.list[1].uses == 1);
    for (uint32_t i = 2; i < 2 * USE_COUNTS_MAX; i++) { /* more than there is room for */
        uses_add(&counts, KEY_KEYSET, i);
    }
    assert_int_equal(counts.n, USE_COUNTS_MAX);
    assert_null(uses_of(&counts, KEY_KEYSET, 2 * USE_COUNTS_MAX));
    assert_non_null(uses_of(&counts, KEY_KEYSET, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_weaker_token_is_refused),
        cmocka_unit_test(names_have_one_alphabet),
        cmocka_unit_test(purposes_have_one_name_each),
        cmocka_unit_test(times_come_back),
        cmocka_unit_test(a_generation_ends_with_its_last_ticket),
        cmocka_unit_test(uses_are_counted_by_generation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
