/*
 * A PKCS#11 module that is SoftHSM, but for what a script says: each call is counted, looked up in
 * the script and passed on. Here are the wrappers and C_GetFunctionList.
 *
 * ECKA_P11_MODULE names the real module, ECKA_P11_SCRIPT the script, ECKA_P11_COUNTS a file of
 * counts; the last two may be left out.
 */
#include <dlfcn.h>
#include <stdlib.h>

#include "tests/pkcs11/scripted.h"

CK_FUNCTION_LIST_PTR real;

/* Parameters and arguments of the calls, by shape. The names matter only here. */
#define POINTER    (CK_VOID_PTR p), (p)
#define INFO       (CK_INFO_PTR info), (info)
#define SLOTS      (CK_BBOOL present, CK_SLOT_ID_PTR slots, CK_ULONG_PTR n), (present, slots, n)
#define SLOT       (CK_SLOT_ID slot), (slot)
#define SLOT_INFO  (CK_SLOT_ID slot, CK_SLOT_INFO_PTR info), (slot, info)
#define TOKEN_INFO (CK_SLOT_ID slot, CK_TOKEN_INFO_PTR info), (slot, info)
#define EVENT      (CK_FLAGS flags, CK_SLOT_ID_PTR slot, CK_VOID_PTR p), (flags, slot, p)
#define MECHANISMS (CK_SLOT_ID slot, CK_MECHANISM_TYPE_PTR list, CK_ULONG_PTR n), (slot, list, n)
#define MECHANISM_INFO                                                                             \
    (CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO_PTR info), (slot, type, info)
#define INIT_TOKEN                                                                                 \
    (CK_SLOT_ID slot, CK_UTF8CHAR_PTR pin, CK_ULONG len, CK_UTF8CHAR_PTR label),                   \
        (slot, pin, len, label)
#define OPEN                                                                                       \
    (CK_SLOT_ID slot, CK_FLAGS flags, CK_VOID_PTR p, CK_NOTIFY notify, CK_SESSION_HANDLE_PTR s),   \
        (slot, flags, p, notify, s)
#define LOGIN                                                                                      \
    (CK_SESSION_HANDLE s, CK_USER_TYPE user, CK_UTF8CHAR_PTR pin, CK_ULONG len), (s, user, pin, len)
#define SESSION      (CK_SESSION_HANDLE s), (s)
#define SESSION_INFO (CK_SESSION_HANDLE s, CK_SESSION_INFO_PTR info), (s, info)
#define STATE                                                                                      \
    (CK_SESSION_HANDLE s, CK_BYTE_PTR state, CK_ULONG len, CK_OBJECT_HANDLE k,                     \
     CK_OBJECT_HANDLE a),                                                                          \
        (s, state, len, k, a)
#define IN (CK_SESSION_HANDLE s, CK_BYTE_PTR in, CK_ULONG len), (s, in, len)
#define IN_IN                                                                                      \
    (CK_SESSION_HANDLE s, CK_BYTE_PTR a, CK_ULONG a_len, CK_BYTE_PTR b, CK_ULONG b_len),           \
        (s, a, a_len, b, b_len)
#define OUT (CK_SESSION_HANDLE s, CK_BYTE_PTR out, CK_ULONG_PTR out_len), (s, out, out_len)
#define IN_OUT                                                                                     \
    (CK_SESSION_HANDLE s, CK_BYTE_PTR in, CK_ULONG len, CK_BYTE_PTR out, CK_ULONG_PTR out_len),    \
        (s, in, len, out, out_len)
#define RANDOM (CK_SESSION_HANDLE s, CK_BYTE_PTR out, CK_ULONG out_size), (s, out, out_size)
#define OBJECT (CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o), (s, o)
#define SIZE   (CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o, CK_ULONG_PTR size), (s, o, size)
#define ATTRIBUTES                                                                                 \
    (CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o, CK_ATTRIBUTE_PTR t, CK_ULONG n), (s, o, t, n)
#define TEMPLATE (CK_SESSION_HANDLE s, CK_ATTRIBUTE_PTR t, CK_ULONG n), (s, t, n)
#define CREATE                                                                                     \
    (CK_SESSION_HANDLE s, CK_ATTRIBUTE_PTR t, CK_ULONG n, CK_OBJECT_HANDLE_PTR o), (s, t, n, o)
#define COPY                                                                                       \
    (CK_SESSION_HANDLE s, CK_OBJECT_HANDLE from, CK_ATTRIBUTE_PTR t, CK_ULONG n,                   \
     CK_OBJECT_HANDLE_PTR o),                                                                      \
        (s, from, t, n, o)
#define FIND                                                                                       \
    (CK_SESSION_HANDLE s, CK_OBJECT_HANDLE_PTR list, CK_ULONG max, CK_ULONG_PTR n),                \
        (s, list, max, n)
#define INIT   (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE k), (s, m, k)
#define DIGEST (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m), (s, m)
#define GENERATE                                                                                   \
    (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_ATTRIBUTE_PTR t, CK_ULONG n,                      \
     CK_OBJECT_HANDLE_PTR o),                                                                      \
        (s, m, t, n, o)
#define GENERATE_PAIR                                                                              \
    (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_ATTRIBUTE_PTR t, CK_ULONG n, CK_ATTRIBUTE_PTR u,  \
     CK_ULONG v, CK_OBJECT_HANDLE_PTR a, CK_OBJECT_HANDLE_PTR b),                                  \
        (s, m, t, n, u, v, a, b)
#define WRAP                                                                                       \
    (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE w, CK_OBJECT_HANDLE k,              \
     CK_BYTE_PTR out, CK_ULONG_PTR out_len),                                                       \
        (s, m, w, k, out, out_len)
#define UNWRAP                                                                                     \
    (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE u, CK_BYTE_PTR in, CK_ULONG len,    \
     CK_ATTRIBUTE_PTR t, CK_ULONG n, CK_OBJECT_HANDLE_PTR o),                                      \
        (s, m, u, in, len, t, n, o)
#define DERIVE                                                                                     \
    (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE base, CK_ATTRIBUTE_PTR t,           \
     CK_ULONG n, CK_OBJECT_HANDLE_PTR o),                                                          \
        (s, m, base, t, n, o)

#define CALL(name, shape)      WRAPPER(name, real->name, , shape)
#define CALL_OUT(name, shape)  WRAPPER(name, real->name, FLIP_##shape, shape)
#define CALL_LIED(name, shape) WRAPPER(name, lied_##name, , shape)
#define FLIP_IN_OUT            flip(&fate, rv, out, out_len);
#define FLIP_OUT               FLIP_IN_OUT
#define FLIP_WRAP              FLIP_IN_OUT
#define FLIP_RANDOM            flip(&fate, rv, out, &out_size);
#define WRAPPER(...)           WRAPPER_(__VA_ARGS__)
#define WRAPPER_(name, forward, change, parameters, arguments)                                     \
    static CK_RV scripted_##name parameters                                                        \
    {                                                                                              \
        struct fate fate;                                                                          \
        if (script_before(CALL_##name, &fate)) {                                                   \
            return fate.rv;                                                                        \
        }                                                                                          \
        CK_RV rv = forward arguments;                                                              \
        change return script_after(&fate, rv);                                                     \
    }

/* One bit of the last byte. */
static void flip(const struct fate *fate, CK_RV rv, CK_BYTE_PTR out, const CK_ULONG *len)
{
    if (fate->flip && rv == CKR_OK && out != NULL && *len != 0) {
        out[*len - 1] ^= 1;
    }
}

#include "tests/pkcs11/scripted_calls.def"
#undef CALL
#undef CALL_OUT
#undef CALL_LIED

#define CALL(name, shape)      .name = scripted_##name,
#define CALL_OUT(name, shape)  .name = scripted_##name,
#define CALL_LIED(name, shape) .name = scripted_##name,
static CK_FUNCTION_LIST scripted = {
    .version = {CRYPTOKI_VERSION_MAJOR, CRYPTOKI_VERSION_MINOR},
    .C_GetFunctionList = C_GetFunctionList,
#include "tests/pkcs11/scripted_calls.def"
};

__attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list)
{
    const char *path = getenv("ECKA_P11_MODULE");
    void *module = path == NULL ? NULL : dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CK_C_GetFunctionList get = NULL;
    if (module != NULL) {
        *(void **)&get = dlsym(module, "C_GetFunctionList");
    }
    if (get == NULL || get(&real) != CKR_OK) {
        return CKR_GENERAL_ERROR;
    }
    *list = &scripted;
    return CKR_OK;
}
