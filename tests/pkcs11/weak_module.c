/*
 * A PKCS#11 module that is SoftHSM, but for what it makes of the templates of new keys: a token
 * that does not do what it was asked for.
 *
 * ECKA_STRONG_MODULE names SoftHSM's module; ECKA_WEAKEN one attribute that comes out true although
 * it was asked for as false (extractable, modifiable, copyable, encrypt, derive), or false although
 * asked for as true (sensitive, private). "unknown-copyable" answers like a token that knows no
 * CKA_COPYABLE; "imported" lies: each key was made there and has no use but those of its kind, so
 * that a custodian takes one whose value a test knows.
 */
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { TEMPLATE_MAX = 32 };

static CK_FUNCTION_LIST strong, weak;
static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

static const struct {
    const char *word;
    CK_ATTRIBUTE_TYPE type;
    CK_BBOOL *value;
} changes[] = {
    {"extractable", CKA_EXTRACTABLE, &yes}, {"modifiable", CKA_MODIFIABLE, &yes},
    {"copyable", CKA_COPYABLE, &yes},       {"encrypt", CKA_ENCRYPT, &yes},
    {"derive", CKA_DERIVE, &yes},           {"sensitive", CKA_SENSITIVE, &no},
    {"private", CKA_PRIVATE, &no},
};

/* The template with the one attribute changed; false: it names one this token does not know. */
static bool weaken(CK_ATTRIBUTE *out, const CK_ATTRIBUTE *in, CK_ULONG n)
{
    const char *word = getenv("ECKA_WEAKEN");
    bool forget = word != NULL && strcmp(word, "unknown-copyable") == 0;
    for (CK_ULONG i = 0; i < n; i++) {
        out[i] = in[i];
        if (forget && in[i].type == CKA_COPYABLE) {
            return false;
        }
        for (size_t c = 0; word != NULL && c < sizeof changes / sizeof changes[0]; c++) {
            if (strcmp(word, changes[c].word) == 0 && in[i].type == changes[c].type) {
                out[i].pValue = changes[c].value;
            }
        }
    }
    return true;
}

static CK_RV generate_key(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
                          CK_ATTRIBUTE_PTR template, CK_ULONG n, CK_OBJECT_HANDLE_PTR key)
{
    CK_ATTRIBUTE changed[TEMPLATE_MAX];
    if (n > TEMPLATE_MAX) {
        return CKR_ARGUMENTS_BAD;
    }
    if (!weaken(changed, template, n)) {
        return CKR_ATTRIBUTE_TYPE_INVALID;
    }
    return strong.C_GenerateKey(session, mechanism, changed, n, key);
}

static CK_RV generate_pair(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
                           CK_ATTRIBUTE_PTR publics, CK_ULONG n_publics, CK_ATTRIBUTE_PTR privates,
                           CK_ULONG n_privates, CK_OBJECT_HANDLE_PTR public,
                           CK_OBJECT_HANDLE_PTR private)
{
    CK_ATTRIBUTE changed[TEMPLATE_MAX];
    if (n_privates > TEMPLATE_MAX) {
        return CKR_ARGUMENTS_BAD;
    }
    if (!weaken(changed, privates, n_privates)) {
        return CKR_ATTRIBUTE_TYPE_INVALID;
    }
    return strong.C_GenerateKeyPair(session, mechanism, publics, n_publics, changed, n_privates,
                                    public, private);
}

/* What a lying token says of every key. */
static const struct {
    CK_ATTRIBUTE_TYPE type;
    CK_BBOOL value;
} lies[] = {
    {CKA_LOCAL, CK_TRUE},         {CKA_ALWAYS_SENSITIVE, CK_TRUE}, {CKA_NEVER_EXTRACTABLE, CK_TRUE},
    {CKA_DECRYPT, CK_FALSE},      {CKA_UNWRAP, CK_FALSE},          {CKA_DERIVE, CK_FALSE},
    {CKA_SIGN_RECOVER, CK_FALSE},
};

static CK_RV attribute_value(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                             CK_ATTRIBUTE_PTR template, CK_ULONG n)
{
    CK_RV rv = strong.C_GetAttributeValue(session, object, template, n);
    const char *word = getenv("ECKA_WEAKEN");
    if (rv != CKR_OK || word == NULL || strcmp(word, "imported") != 0) {
        return rv;
    }
    for (CK_ULONG i = 0; i < n; i++) {
        for (size_t l = 0; l < sizeof lies / sizeof lies[0]; l++) {
            if (template[i].type == lies[l].type && template[i].pValue != NULL) {
                *(CK_BBOOL *)template[i].pValue = lies[l].value;
            }
        }
    }
    return rv;
}

__attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list)
{
    const char *path = getenv("ECKA_STRONG_MODULE");
    void *module = path == NULL ? NULL : dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CK_C_GetFunctionList get = NULL;
    CK_FUNCTION_LIST_PTR found;
    if (module != NULL) {
        *(void **)&get = dlsym(module, "C_GetFunctionList");
    }
    if (get == NULL || get(&found) != CKR_OK) {
        return CKR_GENERAL_ERROR;
    }
    strong = weak = *found;
    weak.C_GenerateKey = generate_key;
    weak.C_GenerateKeyPair = generate_pair;
    weak.C_GetAttributeValue = attribute_value;
    *list = &weak;
    return CKR_OK;
}
