/*
 * Where the module says what is not so: of attributes, of new keys, of slots whose token is gone.
 */
#include <string.h>

#include "tests/pkcs11/scripted.h"

enum { TEMPLATE_MAX = 32 };

/* Where changed templates take their values from; they outlive the call. */
static CK_BBOOL values[] = {CK_FALSE, CK_TRUE};

/* The template as the token takes it; what it answers instead, or CKR_OK. */
static CK_RV weaken(CK_ATTRIBUTE out[static TEMPLATE_MAX], const CK_ATTRIBUTE *in, CK_ULONG n)
{
    struct lie lies[LIES_MAX];
    size_t count = script_lies(lies);
    if (n > TEMPLATE_MAX) {
        return CKR_ARGUMENTS_BAD;
    }
    for (CK_ULONG i = 0; i < n; i++) {
        out[i] = in[i];
        for (size_t l = 0; l < count; l++) {
            if (in[i].type != lies[l].type) {
                continue;
            }
            if (lies[l].kind == LIE_UNKNOWN) {
                return CKR_ATTRIBUTE_TYPE_INVALID;
            }
            if (lies[l].kind == LIE_MAKE) {
                out[i].pValue = &values[lies[l].value];
            }
        }
    }
    return CKR_OK;
}

CK_RV lied_C_GenerateKey(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
                         CK_ATTRIBUTE_PTR template, CK_ULONG n, CK_OBJECT_HANDLE_PTR key)
{
    CK_ATTRIBUTE changed[TEMPLATE_MAX];
    CK_RV rv = weaken(changed, template, n);
    return rv != CKR_OK ? rv : real->C_GenerateKey(session, mechanism, changed, n, key);
}

CK_RV lied_C_GenerateKeyPair(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
                             CK_ATTRIBUTE_PTR publics, CK_ULONG n_publics,
                             CK_ATTRIBUTE_PTR privates, CK_ULONG n_privates,
                             CK_OBJECT_HANDLE_PTR public, CK_OBJECT_HANDLE_PTR private)
{
    CK_ATTRIBUTE changed[TEMPLATE_MAX];
    CK_RV rv = weaken(changed, privates, n_privates);
    return rv != CKR_OK ? rv
                        : real->C_GenerateKeyPair(session, mechanism, publics, n_publics, changed,
                                                  n_privates, public, private);
}

CK_RV lied_C_UnwrapKey(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
                       CK_OBJECT_HANDLE unwrapping, CK_BYTE_PTR wrapped, CK_ULONG len,
                       CK_ATTRIBUTE_PTR template, CK_ULONG n, CK_OBJECT_HANDLE_PTR key)
{
    CK_ATTRIBUTE changed[TEMPLATE_MAX];
    CK_RV rv = weaken(changed, template, n);
    return rv != CKR_OK
               ? rv
               : real->C_UnwrapKey(session, mechanism, unwrapping, wrapped, len, changed, n, key);
}

CK_RV lied_C_DeriveKey(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE base,
                       CK_ATTRIBUTE_PTR template, CK_ULONG n, CK_OBJECT_HANDLE_PTR key)
{
    CK_ATTRIBUTE changed[TEMPLATE_MAX];
    CK_RV rv = weaken(changed, template, n);
    return rv != CKR_OK ? rv : real->C_DeriveKey(session, mechanism, base, changed, n, key);
}

static bool is_about(const struct lie *lie, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
    uint8_t id[LIE_ID_MAX];
    CK_ATTRIBUTE a = {CKA_ID, id, sizeof id};
    return lie->id_len == 0 ||
           (real->C_GetAttributeValue(session, object, &a, 1) == CKR_OK &&
            a.ulValueLen == lie->id_len && memcmp(id, lie->id, a.ulValueLen) == 0);
}

CK_RV lied_C_GetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                               CK_ATTRIBUTE_PTR template, CK_ULONG n)
{
    struct lie lies[LIES_MAX];
    size_t count = script_lies(lies);
    CK_RV rv = real->C_GetAttributeValue(session, object, template, n);
    for (CK_ULONG i = 0; i < n; i++) {
        for (size_t l = 0; l < count; l++) {
            if (lies[l].kind == LIE_SAY && template[i].type == lies[l].type &&
                template[i].pValue != NULL && template[i].ulValueLen == sizeof(CK_BBOOL) &&
                is_about(&lies[l], session, object)) {
                *(CK_BBOOL *)template[i].pValue = lies[l].value;
            }
        }
    }
    return rv;
}

CK_RV lied_C_GetSlotList(CK_BBOOL present, CK_SLOT_ID_PTR slots, CK_ULONG_PTR count)
{
    if (present && script_token_is_gone()) {
        *count = 0;
        return CKR_OK;
    }
    return real->C_GetSlotList(present, slots, count);
}

CK_RV lied_C_GetSlotInfo(CK_SLOT_ID slot, CK_SLOT_INFO_PTR info)
{
    CK_RV rv = real->C_GetSlotInfo(slot, info);
    if (rv == CKR_OK && script_token_is_gone()) {
        info->flags &= ~(CK_FLAGS)CKF_TOKEN_PRESENT;
    }
    return rv;
}
