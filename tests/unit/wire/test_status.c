/* The status table: names, meanings, what can be retried, and the curves' names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/curve.h"
#include "proto/status.h"

static void every_status_is_described(void **state)
{
    (void)state;
#define STATUS(name, code, retry, meaning)                                                         \
    assert_string_equal(status_name((enum status)(code)), #name);                                  \
    assert_true(strlen(status_meaning((enum status)(code))) > 3);                                  \
    assert_true(status_known(code));                                                               \
    _Static_assert((code) >= 0 && (code) < 256, "a status travels in one byte");
#include "proto/status.def"
#undef STATUS
}

static void no_code_is_used_twice(void **state)
{
    (void)state;
    uint8_t seen[256] = {0};
#define STATUS(name, code, retry, meaning) assert_int_equal(seen[code]++, 0);
#include "proto/status.def"
#undef STATUS
}

static void unknown_codes_are_safe(void **state)
{
    (void)state;
    assert_false(status_known(255));
    assert_false(status_known(70000));
    assert_string_equal(status_name((enum status)255), "UNKNOWN");
    assert_false(status_retryable((enum status)255));
}

static void retry_follows_the_table(void **state)
{
    (void)state;
    assert_true(status_retryable(STATUS_BUSY));
    assert_true(status_retryable(STATUS_UNAVAILABLE));
    assert_false(status_retryable(STATUS_OK));
    assert_false(status_retryable(STATUS_RECEIPT_MISMATCH));
}

static void curves_have_names_and_references(void **state)
{
    (void)state;
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        assert_int_equal(curve_from_name(curve_name(c)), c);
        assert_int_equal(curve_from_ref(curve_ref((enum curve)c)), c);
    }
    assert_int_equal(curve_from_ref(0x01), CURVE_NONE);
    assert_int_equal(curve_from_name("secp256k1"), CURVE_NONE);
    assert_string_equal(curve_name(77), "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_is_described),
        cmocka_unit_test(no_code_is_used_twice),
        cmocka_unit_test(unknown_codes_are_safe),
        cmocka_unit_test(retry_follows_the_table),
        cmocka_unit_test(curves_have_names_and_references),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
