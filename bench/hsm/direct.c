#include "bench/hsm/direct.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "hsm/token/keys.h"
#include "providers/core/secret.h"

enum { SLOTS_MAX = 64 };

const char *direct_error_name(unsigned long code)
{
    static _Thread_local char text[32];
    const char *name = rv_name(code);
    if (name != NULL) {
        return name;
    }
    (void)snprintf(text, sizeof text, "CKR_0x%lX", code);
    return text;
}

bool direct_lacking(unsigned long code)
{
    switch (code) {
    case CKR_FUNCTION_NOT_SUPPORTED:
    case CKR_MECHANISM_INVALID:
    case CKR_MECHANISM_PARAM_INVALID:
    case CKR_CURVE_NOT_SUPPORTED:
    case CKR_DOMAIN_PARAMS_INVALID:
    case CKR_KEY_INDIGESTIBLE:
    case CKR_KEY_SIZE_RANGE:
    case CKR_KEY_TYPE_INCONSISTENT:
    case CKR_KEY_NOT_WRAPPABLE:
    case CKR_KEY_UNEXTRACTABLE:
    case CKR_KEY_FUNCTION_NOT_PERMITTED:
    case CKR_ATTRIBUTE_TYPE_INVALID:
    case CKR_ATTRIBUTE_VALUE_INVALID:
    case CKR_TEMPLATE_INCONSISTENT:
    case CKR_TEMPLATE_INCOMPLETE:
    case CKR_RANDOM_NO_RNG:
        return true;
    default:
        return false;
    }
}

/* -- the module and its token -- */

/* NSS reads a pointer more than the standard's structure has. */
struct init_args {
    CK_C_INITIALIZE_ARGS standard;
    void *nothing;
};

static CK_RV initialise(struct direct *d, const struct target *target)
{
    struct init_args args = {.standard.flags = CKF_OS_LOCKING_OK};
    if (target->module_args[0] != '\0') {
        args.standard.pReserved = (void *)(uintptr_t)target->module_args;
    }
    const CK_RV rv = DIRECT_CALL(d, d->record, C_Initialize, &args);
    d->initialised = rv == CKR_OK;
    return rv;
}

static CK_RV load(struct direct *d, const struct target *target)
{
    CK_C_GetFunctionList get = NULL;
    if (target->softhsm_conf[0] != '\0') {
        (void)setenv("SOFTHSM2_CONF", target->softhsm_conf, 1);
    }
    d->module = dlopen(target->module, RTLD_NOW | RTLD_LOCAL);
    if (d->module != NULL) {
        *(void **)&get = dlsym(d->module, "C_GetFunctionList");
    }
    if (get == NULL) {
        (void)snprintf(d->text, sizeof d->text, "%s is no PKCS#11 module: %s", target->module,
                       dlerror());
        return CKR_LIBRARY_LOAD_FAILED;
    }
    atomic_store(&d->record->call, "C_GetFunctionList");
    return get(&d->p11);
}

static void take_text(char out[static TOKEN_TEXT_MAX], const unsigned char *text, size_t len)
{
    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\0')) {
        len--;
    }
    for (size_t i = 0; i < len; i++) {
        out[i] = (char)(text[i] >= ' ' && text[i] <= '~' ? text[i] : '?');
    }
    out[len] = '\0';
}

/* Whether it is the one wanted: that of a label, or any that is initialised. */
static bool wanted(const struct target *target, const CK_TOKEN_INFO *info, const char *label)
{
    return target->label[0] != '\0' ? strcmp(target->label, label) == 0
                                    : (info->flags & CKF_TOKEN_INITIALIZED) != 0;
}

struct looked { /* at the slots */
    size_t found;
    bool raced; /* one could not say what it holds, as while somebody writes it */
    char seen[FAILURE_TEXT_MAX / 2];
};

static CK_RV look(struct direct *d, const struct target *target, struct looked *out)
{
    CK_SLOT_ID slots[SLOTS_MAX];
    CK_ULONG n = SLOTS_MAX;
    size_t len = 0;
    *out = (struct looked){0};
    CK_RV rv = DIRECT_CALL(d, d->record, C_GetSlotList, CK_TRUE, slots, &n);
    for (CK_ULONG i = 0; rv == CKR_OK && i < n; i++) {
        CK_TOKEN_INFO info;
        char label[TOKEN_TEXT_MAX];
        const CK_RV told = DIRECT_CALL(d, d->record, C_GetTokenInfo, slots[i], &info);
        if (told != CKR_OK) {
            out->raced = out->raced || rv_action(told) == RV_RACE;
            continue;
        }
        take_text(label, info.label, sizeof info.label);
        if (label[0] != '\0' && len < sizeof out->seen) {
            len += (size_t)snprintf(out->seen + len, sizeof out->seen - len, "%s'%s'",
                                    len == 0 ? "" : ", ", label);
        }
        if (wanted(target, &info, label) && out->found++ == 0) {
            d->slot = slots[i];
        }
    }
    return rv;
}

static CK_RV find_token(struct direct *d, const struct target *target)
{
    struct looked l;
    CK_RV rv = look(d, target, &l);
    for (unsigned tries = 1; rv == CKR_OK && l.found == 0 && l.raced && token_race_pause(tries);
         tries++) {
        rv = look(d, target, &l);
    }
    if (rv != CKR_OK || l.found == 1) {
        return rv;
    }
    (void)snprintf(d->text, sizeof d->text, "%s; --token names one of: %s",
                   l.found == 0 ? "no such token" : "several tokens",
                   l.seen[0] != '\0' ? l.seen : "none there");
    return CKR_TOKEN_NOT_PRESENT;
}

CK_RV direct_open(struct direct *d, const struct target *target, struct thread_record *record)
{
    *d = (struct direct){
        .record = record, .home = CK_INVALID_HANDLE, .keys_in_token = target->keys_in_token};
    CK_RV rv = load(d, target);
    if (rv == CKR_OK) {
        rv = initialise(d, target);
    }
    return rv == CKR_OK ? find_token(d, target) : rv;
}

CK_RV direct_session(struct direct *d, struct thread_record *record, CK_SESSION_HANDLE *out)
{
    const CK_FLAGS flags = CKF_SERIAL_SESSION | (d->read_write ? (CK_FLAGS)CKF_RW_SESSION : 0);
    return DIRECT_CALL(d, record, C_OpenSession, d->slot, flags, NULL, NULL, out);
}

CK_RV direct_login(struct direct *d, const struct target *target)
{
    struct pin *pin = target->pin;
    CK_RV rv = direct_session(d, d->record, &d->home);
    if (rv == CKR_OK && pin != NULL) {
        (void)mlock(pin, sizeof *pin); /* a lock does not come along with a fork */
        rv = DIRECT_CALL(d, d->record, C_Login, d->home, CKU_USER, pin->bytes, pin->len);
    }
    if (pin != NULL) {
        secret_wipe(pin, sizeof *pin);
    }
    return rv == CKR_USER_ALREADY_LOGGED_IN ? CKR_OK : rv;
}

static void destroy(struct direct *d, CK_OBJECT_HANDLE object)
{
    if (object != CK_INVALID_HANDLE) {
        (void)DIRECT_CALL(d, d->record, C_DestroyObject, d->home, object);
    }
}

void direct_close(struct direct *d)
{
    if (d->initialised && d->home != CK_INVALID_HANDLE) {
        destroy(d, d->private);
        destroy(d, d->public);
        destroy(d, d->aes);
        destroy(d, d->kek);
        destroy(d, d->wrappable);
        (void)DIRECT_CALL(d, d->record, C_CloseSession, d->home);
    }
    if (d->initialised) {
        (void)DIRECT_CALL(d, d->record, C_Finalize, NULL);
    }
    /* The module stays loaded: some leave threads behind that would run into nothing. */
}
