/*
 * What an answer of a token tells of a key: a refusal counts where a fresh key is not refused, a
 * failure never does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hsm/report/probe.h"

static enum outcome alone(enum probe_kind probe, CK_RV answer)
{
    return probe_outcome(&(struct attempt){.probe = probe, .answer = answer});
}

static enum outcome beside(CK_RV control, CK_RV answer)
{
    return probe_outcome(&(struct attempt){
        .probe = PROBE_USE, .answer = answer, .has_control = true, .control = control});
}

static void what_was_done_is_weak_whatever_a_fresh_key_gets(void **state)
{
    (void)state;
    const CK_RV controls[] = {CKR_OK, CKR_MECHANISM_INVALID, CKR_DEVICE_ERROR,
                              CKR_KEY_FUNCTION_NOT_PERMITTED};
    const CK_RV done[] = {CKR_OK, CKR_BUFFER_TOO_SMALL, CKR_WRAPPED_KEY_INVALID,
                          CKR_ENCRYPTED_DATA_INVALID, CKR_SIGNATURE_INVALID};
    for (size_t d = 0; d < sizeof done / sizeof done[0]; d++) {
        assert_int_equal(alone(PROBE_READ, done[d]), OUTCOME_WEAK);
        for (size_t c = 0; c < sizeof controls / sizeof controls[0]; c++) {
            assert_int_equal(beside(controls[c], done[d]), OUTCOME_WEAK);
        }
    }
}

static void a_refusal_holds_where_the_fresh_key_is_not_refused(void **state)
{
    (void)state;
    const CK_RV refusals[] = {CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_KEY_UNEXTRACTABLE,
                              CKR_ATTRIBUTE_SENSITIVE, CKR_ACTION_PROHIBITED};
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        assert_int_equal(alone(PROBE_SET, refusals[i]), OUTCOME_HELD);
        assert_int_equal(beside(CKR_OK, refusals[i]), OUTCOME_HELD);
        assert_int_equal(beside(CKR_WRAPPED_KEY_INVALID, refusals[i]), OUTCOME_HELD);
        assert_int_equal(beside(CKR_MECHANISM_INVALID, refusals[i]), OUTCOME_UNTESTED);
        assert_int_equal(beside(refusals[i], refusals[i]), OUTCOME_UNTESTED);
    }
    assert_int_equal(beside(CKR_MECHANISM_INVALID, CKR_MECHANISM_INVALID), OUTCOME_UNTESTED);
    assert_int_equal(beside(CKR_MECHANISM_INVALID, CKR_FUNCTION_NOT_SUPPORTED), OUTCOME_UNTESTED);
}

static void a_failure_tells_nothing(void **state)
{
    (void)state;
    const CK_RV failures[] = {CKR_DEVICE_ERROR, CKR_GENERAL_ERROR, CKR_HOST_MEMORY,
                              CKR_FUNCTION_FAILED, CKR_VENDOR_DEFINED + 1};
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        assert_int_equal(alone(PROBE_COPY, failures[i]), OUTCOME_UNCLEAR);
        assert_int_equal(beside(CKR_OK, failures[i]), OUTCOME_UNCLEAR);
        assert_int_equal(beside(CKR_MECHANISM_INVALID, failures[i]), OUTCOME_UNCLEAR);
    }
    assert_int_equal(beside(CKR_OK, CKR_MECHANISM_INVALID), OUTCOME_UNCLEAR);
    assert_int_equal(alone(PROBE_READ, CKR_KEY_HANDLE_INVALID), OUTCOME_UNCLEAR);
    assert_int_equal(beside(CKR_OK, CKR_KEY_HANDLE_INVALID), OUTCOME_UNCLEAR);
}

/* Some tokens fail on bytes that mean nothing in a way of their own: who fails as a key that may do
 * it, may do it. */
static void to_fail_as_a_fresh_key_does_is_weak(void **state)
{
    (void)state;
    assert_int_equal(beside(CKR_GENERAL_ERROR, CKR_GENERAL_ERROR), OUTCOME_WEAK);
    assert_int_equal(beside(CKR_GENERAL_ERROR, CKR_KEY_FUNCTION_NOT_PERMITTED), OUTCOME_HELD);
    assert_int_equal(beside(CKR_GENERAL_ERROR, CKR_DEVICE_ERROR), OUTCOME_UNCLEAR);
}

static void some_answers_refuse_in_one_place(void **state)
{
    (void)state;
    assert_int_equal(alone(PROBE_COPY, CKR_FUNCTION_NOT_SUPPORTED), OUTCOME_HELD);
    assert_int_equal(beside(CKR_OK, CKR_FUNCTION_NOT_SUPPORTED), OUTCOME_UNCLEAR);
    const struct attempt template_says_no = {.probe = PROBE_WRAP_OTHER,
                                             .answer = CKR_KEY_HANDLE_INVALID,
                                             .has_control = true,
                                             .control = CKR_OK};
    assert_int_equal(probe_outcome(&template_says_no), OUTCOME_HELD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_done_is_weak_whatever_a_fresh_key_gets),
        cmocka_unit_test(a_refusal_holds_where_the_fresh_key_is_not_refused),
        cmocka_unit_test(a_failure_tells_nothing),
        cmocka_unit_test(to_fail_as_a_fresh_key_does_is_weak),
        cmocka_unit_test(some_answers_refuse_in_one_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
