/*
 * What recovery makes of return values, of a token that is away for longer or shorter, and of
 * another token in its slot.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hsm/token/recovery.h"

static CK_RV answer;
static CK_TOKEN_INFO token_there;
static unsigned asked;

static CK_RV get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO_PTR out)
{
    (void)slot;
    asked++;
    *out = token_there;
    return answer;
}

static CK_RV close_all(CK_SLOT_ID slot)
{
    (void)slot;
    return CKR_OK;
}

static CK_RV open_nothing(CK_SLOT_ID slot, CK_FLAGS flags, void *arg, CK_NOTIFY notify,
                          CK_SESSION_HANDLE_PTR out)
{
    (void)slot, (void)flags, (void)arg, (void)notify;
    *out = CK_INVALID_HANDLE;
    return CKR_DEVICE_REMOVED;
}

static void set_info(const char *label, const char *serial)
{
    memset(&token_there, ' ', sizeof token_there);
    memcpy(token_there.label, label, strlen(label));
    memcpy(token_there.serialNumber, serial, strlen(serial));
}

static struct custodian *custodian(void)
{
    static struct custodian c; /* too wide for the stack */
    static CK_FUNCTION_LIST list;
    list = (CK_FUNCTION_LIST){.C_GetTokenInfo = get_token_info,
                              .C_CloseAllSessions = close_all,
                              .C_OpenSession = open_nothing};
    c = (struct custodian){0};
    /* The URI is parsed before the module is looked for, and no module is needed here. */
    assert_int_equal(token_load(&c.token, "pkcs11:token=eckad?module-path=/nowhere.so"),
                     STATUS_TOKEN_ERROR);
    c.token.p11 = &list;
    set_info("eckad", "1234");
    memcpy(c.token.serial, token_there.serialNumber, sizeof c.token.serial);
    answer = CKR_OK;
    asked = 0;
    return &c;
}

static void another_token_is_not_taken(void **state)
{
    struct custodian *c = custodian();
    (void)state;
    assert_int_equal(token_same(&c->token), STATUS_OK);
    set_info("eckad", "1235");
    assert_int_equal(token_same(&c->token), STATUS_TOKEN_ERROR);
    set_info("other", "1234");
    assert_int_equal(token_same(&c->token), STATUS_TOKEN_ERROR);
    set_info("eckad", "1234");
    answer = CKR_TOKEN_NOT_PRESENT;
    assert_int_equal(token_same(&c->token), STATUS_TOKEN_ERROR);
    assert_int_equal(c->token.trouble, RV_TOKEN);
    token_fini(&c->token);
}

static void asks_for_no_more_than_there_is_trouble(void **state)
{
    struct custodian *c = custodian();
    (void)state;
    assert_int_equal(recovery_run(c, 1), STATUS_OK);
    c->token.trouble = RV_ITEM;
    assert_int_equal(recovery_run(c, 1), STATUS_OK);
    assert_int_equal(c->token.trouble, RV_NONE);
    c->token.trouble = RV_PROCESS;
    assert_int_equal(recovery_run(c, 1), STATUS_TOKEN_ERROR);
    c->token.trouble = RV_STAY_DOWN;
    assert_int_equal(recovery_run(c, 1), STATUS_DENIED);
    assert_int_equal(asked, 0);
    token_fini(&c->token);
}

static void waits_for_a_token_but_not_for_ever(void **state)
{
    static const CK_RV away[] = {CKR_DEVICE_REMOVED, CKR_TOKEN_NOT_PRESENT, CKR_SLOT_ID_INVALID,
                                 CKR_DEVICE_ERROR, CKR_TOKEN_NOT_RECOGNIZED};
    struct custodian *c = custodian();
    (void)state;
    for (size_t i = 0; i < sizeof away / sizeof away[0]; i++) {
        const uint64_t start = 1000 * (i + 1);
        answer = away[i];
        c->away_ms = 0;
        c->token.trouble = RV_SESSION; /* a new session does not help */
        assert_int_equal(recovery_run(c, start), STATUS_UNAVAILABLE);
        assert_int_equal(recovery_run(c, start + RECOVERY_PATIENCE_MS - 1), STATUS_UNAVAILABLE);
        assert_int_equal(recovery_run(c, start + RECOVERY_PATIENCE_MS), STATUS_TOKEN_ERROR);
    }
    answer = CKR_GENERAL_ERROR; /* waiting does not help */
    c->token.trouble = RV_TOKEN;
    assert_int_equal(recovery_run(c, 1), STATUS_TOKEN_ERROR);
    token_fini(&c->token);
}

/* The table's actions, by the values that users ask about. */
static void each_value_has_its_action(void **state)
{
    static const struct {
        CK_RV rv;
        enum rv_action action;
    } values[] = {
        {CKR_OK, RV_NONE},
        {CKR_MECHANISM_INVALID, RV_ITEM},
        {CKR_DEVICE_ERROR, RV_SESSION},
        {CKR_KEY_HANDLE_INVALID, RV_KEYS},
        {CKR_SESSION_HANDLE_INVALID, RV_LOGIN},
        {CKR_USER_NOT_LOGGED_IN, RV_LOGIN},
        {CKR_DEVICE_REMOVED, RV_TOKEN},
        {CKR_USER_PIN_NOT_INITIALIZED, RV_RACE},
        {CKR_TOKEN_NOT_RECOGNIZED, RV_RACE},
        {CKR_GENERAL_ERROR, RV_PROCESS},
        {CKR_PIN_INCORRECT, RV_STAY_DOWN},
        {CKR_PIN_LOCKED, RV_STAY_DOWN},
        {CKR_VENDOR_DEFINED | 1, RV_SESSION},
    };
    struct custodian *c = custodian();
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        assert_int_equal(rv_action(values[i].rv), values[i].action);
        c->token.trouble = RV_NONE;
        assert_int_equal(token_says(&c->token, "C_Test", values[i].rv), values[i].rv == CKR_OK);
        const enum rv_action noted = /* a no is no trouble, and nobody logged in */
            values[i].action == RV_ITEM        ? RV_NONE
            : values[i].action == RV_STAY_DOWN ? RV_ITEM
                                               : values[i].action;
        assert_int_equal(c->token.trouble, noted);
    }
    token_fini(&c->token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_token_is_not_taken),
        cmocka_unit_test(asks_for_no_more_than_there_is_trouble),
        cmocka_unit_test(waits_for_a_token_but_not_for_ever),
        cmocka_unit_test(each_value_has_its_action),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
