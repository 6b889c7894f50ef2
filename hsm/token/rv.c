/*
 * The return values of PKCS#11: their names, and what each asks for.
 */
#include <stdio.h>

#include "hsm/log.h"
#include "hsm/token/token.h"

static const struct {
    CK_RV rv;
    const char *name;
    enum rv_action action;
} values[] = {
#define CKR(name, action, meaning) {name, #name, RV_##action},
#include "hsm/token/ckr.def"
#undef CKR
};

const char *rv_name(CK_RV rv)
{
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        if (values[i].rv == rv) {
            return values[i].name;
        }
    }
    return NULL;
}

const char *rv_text(CK_RV rv)
{
    static char text[64];
    const char *name = rv_name(rv);
    snprintf(text, sizeof text, "%s (0x%lx)", name == NULL ? "CK_RV" : name, (unsigned long)rv);
    return text;
}

enum rv_action rv_action(CK_RV rv)
{
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        if (values[i].rv == rv) {
            return values[i].action;
        }
    }
    return RV_SESSION;
}

static void note(struct token *t, const char *function, CK_RV rv)
{
    const enum rv_action asked = rv_action(rv);
    const enum rv_action action = asked == RV_STAY_DOWN ? RV_ITEM : asked; /* but of a login */
    log_line("%s: %s", function, rv_text(rv));
    t->trouble = action > t->trouble ? action : t->trouble;
}

enum status token_rv(struct token *t, const char *function, CK_RV rv)
{
    if (rv == CKR_OK) {
        return STATUS_OK;
    }
    note(t, function, rv);
    return STATUS_TOKEN_ERROR;
}

bool token_says(struct token *t, const char *function, CK_RV rv)
{
    if (rv != CKR_OK && rv_action(rv) != RV_ITEM) {
        note(t, function, rv);
    }
    return rv == CKR_OK;
}
