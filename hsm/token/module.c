#include "hsm/token/token.h"

#include <dlfcn.h>
#include <libp11.h>
#include <p11-kit/uri.h>
#include <string.h>

#include "hsm/log.h"

static enum status parse_uri(struct token *t, const char *text)
{
    t->uri = p11_kit_uri_new();
    if (t->uri == NULL) {
        return STATUS_INTERNAL;
    }
    int rc = p11_kit_uri_parse(text, P11_KIT_URI_FOR_TOKEN | P11_KIT_URI_FOR_MODULE, t->uri);
    if (rc != P11_KIT_URI_OK) {
        log_line("the token URI cannot be used: %s", p11_kit_uri_message(rc));
    } else if (p11_kit_uri_get_pin_value(t->uri) != NULL) {
        log_line("the token URI holds a pin-value; a PIN comes from a file or credential only");
    } else if (p11_kit_uri_any_unrecognized(t->uri)) {
        log_line("the token URI holds an attribute that is not known");
    } else if (p11_kit_uri_get_module_path(t->uri) == NULL) {
        log_line("the token URI names no module-path");
    } else {
        return STATUS_OK;
    }
    return STATUS_BAD_REQUEST;
}

/* libp11 initialises the module; a context is used for one start only, since loading it again would
 * leak what it learned at first. */
static enum status start_module(struct token *t)
{
    const char *path = p11_kit_uri_get_module_path(t->uri);
    t->libp11 = PKCS11_CTX_new();
    if (t->libp11 != NULL && PKCS11_CTX_load(t->libp11, path) == 0) {
        return STATUS_OK;
    }
    log_line("the PKCS#11 module %s cannot be loaded", path);
    if (t->libp11 != NULL) {
        PKCS11_CTX_free(t->libp11);
        t->libp11 = NULL;
    }
    return STATUS_TOKEN_ERROR;
}

static void end_module(struct token *t)
{
    if (t->libp11 != NULL) {
        PKCS11_CTX_unload(t->libp11);
        PKCS11_CTX_free(t->libp11);
        t->libp11 = NULL;
    }
}

enum status token_load(struct token *t, const char *uri)
{
    *t = (struct token){.session = CK_INVALID_HANDLE};
    TRY(parse_uri(t, uri));
    TRY(start_module(t));

    const char *path = p11_kit_uri_get_module_path(t->uri);
    /* The same module once more: libp11 initialised it, and does not hand out its function list. */
    t->module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CK_C_GetFunctionList get = NULL;
    if (t->module != NULL) {
        *(void **)&get = dlsym(t->module, "C_GetFunctionList");
    }
    if (get == NULL) {
        log_line("the PKCS#11 module %s has no C_GetFunctionList", path);
        return STATUS_TOKEN_ERROR;
    }
    return token_rv(t, "C_GetFunctionList", get(&t->p11));
}

void token_fini(struct token *t)
{
    if (t->p11 != NULL && t->session != CK_INVALID_HANDLE) {
        (void)t->p11->C_Logout(t->session);
        (void)t->p11->C_CloseSession(t->session);
    }
    end_module(t);
    if (t->module != NULL) {
        dlclose(t->module);
    }
    p11_kit_uri_free(t->uri);
    *t = (struct token){.session = CK_INVALID_HANDLE};
}

static void take_label(struct token *t, const CK_TOKEN_INFO *info)
{
    size_t len = TOKEN_LABEL_LEN;
    while (len > 0 && info->label[len - 1] == ' ') {
        len--;
    }
    memcpy(t->label, info->label, len);
    t->label[len] = '\0';
}

enum slot_wanted { SLOT_NAMED, SLOT_BLANK };

/* How many slots hold a token as wanted; t->slot and what tells of the token are the first's.
 * *raced: one of them could not say what it holds while somebody writes it. */
static size_t count_slots(struct token *t, enum slot_wanted wanted, bool *raced)
{
    PKCS11_SLOT *slots = NULL;
    unsigned int n = 0;
    size_t found = 0;

    *raced = false;
    if (PKCS11_enumerate_slots(t->libp11, &slots, &n) != 0) {
        log_line("the module's slots cannot be listed");
        return 0;
    }
    for (unsigned int i = 0; i < n; i++) {
        CK_TOKEN_INFO info;
        CK_SLOT_ID id = PKCS11_get_slotid_from_slot(&slots[i]);
        CK_RV rv = t->p11->C_GetTokenInfo(id, &info);
        *raced = *raced || rv_action(rv) == RV_RACE;
        if (rv != CKR_OK) {
            continue; /* an empty slot says CKR_TOKEN_NOT_PRESENT */
        }
        bool initialised = (info.flags & CKF_TOKEN_INITIALIZED) != 0;
        bool match = wanted == SLOT_BLANK
                         ? !initialised
                         : initialised && p11_kit_uri_match_token_info(t->uri, &info) == 1;
        if (match && found++ == 0) {
            t->slot = id;
            take_label(t, &info);
            memcpy(t->serial, info.serialNumber, TOKEN_SERIAL_LEN);
        }
    }
    PKCS11_release_all_slots(t->libp11, slots, n);
    return found;
}

bool token_exists(struct token *t)
{
    bool raced;
    return count_slots(t, SLOT_NAMED, &raced) != 0;
}

enum status token_find(struct token *t)
{
    bool raced;
    size_t n = count_slots(t, SLOT_NAMED, &raced);
    for (unsigned tries = 1; n == 0 && raced && token_race_pause(tries); tries++) {
        n = count_slots(t, SLOT_NAMED, &raced);
    }
    if (n != 1) {
        log_line(n == 0 ? "no token answers to the URI" : "several tokens answer to the URI");
        return STATUS_TOKEN_ERROR;
    }
    return STATUS_OK;
}

enum status token_same(struct token *t)
{
    CK_TOKEN_INFO info;
    TRY(token_rv(t, "C_GetTokenInfo", t->p11->C_GetTokenInfo(t->slot, &info)));
    if (memcmp(info.serialNumber, t->serial, TOKEN_SERIAL_LEN) != 0 ||
        p11_kit_uri_match_token_info(t->uri, &info) != 1) {
        log_line("the slot holds another token than at the start");
        return STATUS_TOKEN_ERROR;
    }
    return STATUS_OK;
}

static enum status set_user_pin(struct token *t, const struct pin *so_pin,
                                const struct pin *user_pin)
{
    CK_SESSION_HANDLE session;
    TRY(token_rv(
        t, "C_OpenSession",
        t->p11->C_OpenSession(t->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session)));
    enum status st =
        token_rv(t, "C_Login (SO)",
                 t->p11->C_Login(session, CKU_SO, (CK_UTF8CHAR_PTR)so_pin->bytes, so_pin->len));
    if (st == STATUS_OK) {
        st = token_rv(t, "C_InitPIN",
                      t->p11->C_InitPIN(session, (CK_UTF8CHAR_PTR)user_pin->bytes, user_pin->len));
        (void)t->p11->C_Logout(session);
    }
    (void)t->p11->C_CloseSession(session);
    return st;
}

enum status token_initialise(struct token *t, const struct pin *so_pin, const struct pin *user_pin)
{
    bool raced;
    CK_TOKEN_INFO_PTR named = p11_kit_uri_get_token_info(t->uri);
    if (named->label[0] == '\0') {
        log_line("the URI names no token label to initialise");
        return STATUS_BAD_REQUEST;
    }
    if (count_slots(t, SLOT_BLANK, &raced) == 0) {
        log_line("no slot holds a blank token");
        return STATUS_TOKEN_ERROR;
    }
    TRY(token_rv(
        t, "C_InitToken",
        t->p11->C_InitToken(t->slot, (CK_UTF8CHAR_PTR)so_pin->bytes, so_pin->len, named->label)));
    /* SoftHSM gives an initialised token a new slot number, which libp11 may learn of only when the
     * module starts again. */
    end_module(t);
    TRY(start_module(t));
    TRY(token_find(t));
    return set_user_pin(t, so_pin, user_pin);
}
