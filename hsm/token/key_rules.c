#include "hsm/token/key_rules.h"

#include "hsm/token/kek.h"

const struct key_attribute key_attributes[KEY_ATTRIBUTE_COUNT] = {
    {CKA_PRIVATE, "private"},
    {CKA_SENSITIVE, "sensitive"},
    {CKA_ALWAYS_SENSITIVE, "always-sensitive"},
    {CKA_EXTRACTABLE, "extractable"},
    {CKA_NEVER_EXTRACTABLE, "never-extractable"},
    {CKA_LOCAL, "local"},
    {CKA_MODIFIABLE, "modifiable"},
    {CKA_COPYABLE, "copyable"},
    {CKA_SIGN, "sign"},
    {CKA_SIGN_RECOVER, "sign-recover"},
    {CKA_VERIFY, "verify"},
    {CKA_ENCRYPT, "encrypt"},
    {CKA_DECRYPT, "decrypt"},
    {CKA_WRAP, "wrap"},
    {CKA_UNWRAP, "unwrap"},
    {CKA_DERIVE, "derive"},
};

/* What a key can be used for, with what is said of one that should not have this use. */
static const struct {
    CK_ATTRIBUTE_TYPE type;
    const char *refusal;
} uses[] = {
    {CKA_SIGN, "its purpose does not sign and it may"},
    {CKA_SIGN_RECOVER, "it may be used to sign with recovery"},
    {CKA_VERIFY, "it may be used to verify"},
    {CKA_ENCRYPT, "it may be used to encrypt"},
    {CKA_DECRYPT, "it may be used to decrypt"},
    {CKA_WRAP, "its purpose does not wrap and it may"},
    {CKA_UNWRAP, "it may be used to unwrap"},
    {CKA_DERIVE, "it may be used to derive"},
};

enum attribute_answer key_attribute_read(struct token *t, CK_OBJECT_HANDLE object,
                                         CK_ATTRIBUTE_TYPE type)
{
    CK_BBOOL value = CK_FALSE;
    CK_ATTRIBUTE a = {type, &value, sizeof value};
    if (!token_says(t, "C_GetAttributeValue",
                    t->p11->C_GetAttributeValue(t->session, object, &a, 1)) ||
        a.ulValueLen != sizeof value) {
        return ATTRIBUTE_UNSTATED;
    }
    return value != CK_FALSE ? ATTRIBUTE_YES : ATTRIBUTE_NO;
}

CK_OBJECT_CLASS key_class(enum key_purpose purpose)
{
    return key_purpose_is_ec(purpose) ? CKO_PRIVATE_KEY : CKO_SECRET_KEY;
}

CK_ATTRIBUTE_TYPE key_use(enum key_purpose purpose)
{
    return purpose == KEY_KEK ? CKA_WRAP : CKA_SIGN;
}

/* A use that the token does not state is one that objects of this class do not have. */
static const char *use_refusal(struct token *t, const struct token_key *key)
{
    for (size_t i = 0; i < sizeof uses / sizeof uses[0]; i++) {
        enum attribute_answer answer = key_attribute_read(t, key->handle, uses[i].type);
        if (uses[i].type == key_use(key->purpose)) {
            if (answer != ATTRIBUTE_YES) {
                return "it may not be used for its purpose";
            }
        } else if (answer == ATTRIBUTE_YES) {
            return uses[i].refusal;
        }
    }
    return NULL;
}

const char *key_refusal(struct token *t, const struct token_key *key, CK_OBJECT_CLASS class)
{
    if (class != key_class(key->purpose)) {
        return "an object of another class carries its identity";
    }
    if (key_attribute_read(t, key->handle, CKA_SENSITIVE) != ATTRIBUTE_YES) {
        return "it is not CKA_SENSITIVE";
    }
    if (key_attribute_read(t, key->handle, CKA_EXTRACTABLE) != ATTRIBUTE_NO) {
        return "it is CKA_EXTRACTABLE";
    }
    if (key_attribute_read(t, key->handle, CKA_PRIVATE) != ATTRIBUTE_YES) {
        return "it is not CKA_PRIVATE";
    }
    if (key->purpose == KEY_KEK) {
        const char *refusal = kek_refusal(t, key);
        return refusal != NULL ? refusal : use_refusal(t, key);
    }
    if (key_attribute_read(t, key->handle, CKA_LOCAL) != ATTRIBUTE_YES) {
        return "it was not made in the token";
    }
    return use_refusal(t, key);
}

const char *key_weakness(struct token *t, const struct token_key *key)
{
    const char *refusal = key_refusal(t, key, key_class(key->purpose));
    if (refusal != NULL) {
        return refusal;
    }
    if (key->purpose != KEY_KEK &&
        (key_attribute_read(t, key->handle, CKA_ALWAYS_SENSITIVE) != ATTRIBUTE_YES ||
         key_attribute_read(t, key->handle, CKA_NEVER_EXTRACTABLE) != ATTRIBUTE_YES)) {
        return "the token does not say that it was never weaker";
    }
    if (key_attribute_read(t, key->handle, CKA_MODIFIABLE) != ATTRIBUTE_NO) {
        return "its attributes can be changed";
    }
    /* Older tokens know no CKA_COPYABLE; one that does has to say no. */
    return key_attribute_read(t, key->handle, CKA_COPYABLE) == ATTRIBUTE_YES ? "it can be copied"
                                                                             : NULL;
}
