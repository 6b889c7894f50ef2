/*
 * Return values of PKCS#11 by name.
 */
#include <stdio.h>

#include "hsm/token.h"

static const struct {
    CK_RV rv;
    const char *name;
} names[] = {
#define CKR(name) {name, #name},
#include "hsm/ckr.def"
#undef CKR
};

const char *rv_name(CK_RV rv)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].rv == rv) {
            return names[i].name;
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
