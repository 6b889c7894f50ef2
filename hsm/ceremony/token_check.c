/*
 * What a token must be before a key is made in it.
 */
#include "hsm/log.h"
#include "hsm/token/token.h"

static const struct {
    CK_MECHANISM_TYPE type;
    const char *name;
} needed[] = {
    {CKM_EC_KEY_PAIR_GEN, "CKM_EC_KEY_PAIR_GEN"},
    {CKM_ECDSA, "CKM_ECDSA"},
    {CKM_AES_KEY_GEN, "CKM_AES_KEY_GEN"},
    {CKM_AES_CMAC, "CKM_AES_CMAC"},
};

const char *token_weakness(CK_FLAGS flags)
{
    if ((flags & CKF_TOKEN_INITIALIZED) == 0) {
        return "it is not initialised; --init-token --so-pin-file FILE does that";
    }
    if ((flags & CKF_LOGIN_REQUIRED) == 0) {
        return "it asks for no login, so every program could use its keys";
    }
    if ((flags & CKF_USER_PIN_INITIALIZED) == 0) {
        return "its user PIN is not initialised; let the security officer set one";
    }
    if ((flags & CKF_WRITE_PROTECTED) != 0) {
        return "it is write-protected";
    }
    if ((flags & CKF_USER_PIN_LOCKED) != 0) {
        return "its user PIN is locked; let the security officer set a new one";
    }
    if ((flags & CKF_USER_PIN_FINAL_TRY) != 0) {
        return "one more wrong PIN would lock it; log in with the vendor's tool first";
    }
    if ((flags & CKF_USER_PIN_TO_BE_CHANGED) != 0) {
        return "its user PIN is still the one it was delivered with; change it first";
    }
    if ((flags & CKF_RNG) == 0) {
        return "it has no random number generator";
    }
    return NULL;
}

enum status token_check(struct token *t)
{
    CK_TOKEN_INFO info;
    CK_MECHANISM_INFO mechanism;

    TRY(token_rv(t, "C_GetTokenInfo", t->p11->C_GetTokenInfo(t->slot, &info)));
    const char *weakness = token_weakness(info.flags);
    if (weakness != NULL) {
        log_line("token %s is refused: %s", t->label, weakness);
        return STATUS_DENIED;
    }
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        if (!token_says(t, "C_GetMechanismInfo",
                        t->p11->C_GetMechanismInfo(t->slot, needed[i].type, &mechanism))) {
            log_line("token %s is refused: it lacks %s", t->label, needed[i].name);
            return STATUS_DENIED;
        }
    }
    return STATUS_OK;
}
