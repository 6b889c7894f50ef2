#include "bench/hsm/token.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/hsm/crew.h"
#include "bench/hsm/direct.h"

enum { FOUND_AT_ONCE = 64 };

struct look { /* shared with the process aside */
    struct target *target;
    struct token_facts facts;
    struct census census;
    struct thread_record record; /* the call it is in */
    const char *call;            /* that failed */
    CK_RV rv;
    char text[FAILURE_TEXT_MAX];
    bool ok;
};

static void take(char out[static TOKEN_TEXT_MAX], const unsigned char *text, size_t len)
{
    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\0')) {
        len--;
    }
    for (size_t i = 0; i < len; i++) {
        out[i] = (char)(text[i] >= ' ' && text[i] <= '~' ? text[i] : '?');
    }
    out[len] = '\0';
}

static void take_version(char out[static TOKEN_TEXT_MAX], const CK_VERSION *v)
{
    (void)snprintf(out, TOKEN_TEXT_MAX, "%u.%u", v->major, v->minor);
}

static CK_RV read_facts(struct direct *d, struct token_facts *f)
{
    CK_TOKEN_INFO token;
    CK_INFO module;
    CK_RV rv = DIRECT_CALL(d, d->record, C_GetTokenInfo, d->slot, &token);
    if (rv == CKR_OK) {
        rv = DIRECT_CALL(d, d->record, C_GetInfo, &module);
    }
    if (rv != CKR_OK) {
        return rv;
    }
    take(f->label, token.label, sizeof token.label);
    take(f->manufacturer, token.manufacturerID, sizeof token.manufacturerID);
    take(f->model, token.model, sizeof token.model);
    take(f->serial, token.serialNumber, sizeof token.serialNumber);
    take_version(f->firmware, &token.firmwareVersion);
    take_version(f->hardware, &token.hardwareVersion);
    take(f->module_manufacturer, module.manufacturerID, sizeof module.manufacturerID);
    take(f->module_description, module.libraryDescription, sizeof module.libraryDescription);
    take_version(f->module_version, &module.libraryVersion);
    f->needs_login = (token.flags & CKF_LOGIN_REQUIRED) != 0;
    return CKR_OK;
}

/* What ended the look, for the sentence. */
static void conclude(struct look *l, const struct direct *d, CK_RV rv)
{
    l->call = atomic_load(&l->record.call);
    l->rv = rv;
    l->ok = rv == CKR_OK;
    (void)snprintf(l->text, sizeof l->text, "%s", d->text);
    atomic_store(&l->record.call, NULL);
}

static bool look(struct look *l, struct target *target, double watchdog, void (*function)(void *))
{
    char why[128];
    l->target = target;
    if (!process_aside(function, l, watchdog, why)) {
        const char *call = atomic_load(&l->record.call);
        (void)fprintf(stderr, "eckabench: %s%s%s\n", why, call != NULL ? " in " : "",
                      call != NULL ? call : "");
    } else if (!l->ok && l->text[0] != '\0') {
        (void)fprintf(stderr, "eckabench: %s\n", l->text);
    } else if (!l->ok) {
        (void)fprintf(stderr, "eckabench: %s of %s answered %s\n", l->call, target->module,
                      direct_error_name(l->rv));
    }
    return l->ok;
}

/* -- identity -- */

static void identify_aside(void *arg)
{
    struct look *l = arg;
    struct direct d;
    CK_RV rv = direct_open(&d, l->target, &l->record);
    if (rv == CKR_OK) {
        rv = read_facts(&d, &l->facts);
    }
    conclude(l, &d, rv);
    direct_close(&d);
}

bool token_identify(struct target *target, double watchdog)
{
    struct look *l = memory_shared(sizeof *l);
    const bool ok = l != NULL && look(l, target, watchdog, identify_aside);
    if (ok) {
        target->facts = l->facts;
        (void)snprintf(target->label, sizeof target->label, "%s", l->facts.label);
    }
    memory_unshare(l, sizeof *l);
    return ok;
}

/* -- objects -- */

/* Those that a template fits, counted and, where that is asked for, destroyed. */
static CK_RV count(struct direct *d, CK_ATTRIBUTE *template, CK_ULONG n, bool destroy, size_t *out)
{
    CK_OBJECT_HANDLE found[FOUND_AT_ONCE];
    CK_ULONG got = 0;
    *out = 0;
    CK_RV rv = DIRECT_CALL(d, d->record, C_FindObjectsInit, d->home, template, n);
    while (rv == CKR_OK) {
        rv = DIRECT_CALL(d, d->record, C_FindObjects, d->home, found, FOUND_AT_ONCE, &got);
        if (rv != CKR_OK || got == 0) {
            break;
        }
        for (CK_ULONG i = 0; destroy && rv == CKR_OK && i < got; i++) {
            rv = DIRECT_CALL(d, d->record, C_DestroyObject, d->home, found[i]);
        }
        *out += got;
    }
    const char *call = atomic_load(&d->record->call);
    const CK_RV final = DIRECT_CALL(d, d->record, C_FindObjectsFinal, d->home);
    if (rv != CKR_OK) {
        atomic_store(&d->record->call, call);
    }
    return rv != CKR_OK ? rv : final;
}

static CK_RV count_all(struct direct *d, struct census *out)
{
    CK_BBOOL yes = CK_TRUE;
    char label[] = DIRECT_LABEL;
    CK_ATTRIBUTE token[] = {{CKA_TOKEN, &yes, sizeof yes}, {CKA_LABEL, label, sizeof label - 1}};
    CK_RV rv = count(d, token, 2, false, &out->destroyed);
    if (rv == CKR_OK && out->destroyed != 0) {
        d->read_write = true;
        rv = direct_session(d, d->record,
                            &d->home); /* the other one keeps the login until the end */
        rv = rv == CKR_OK ? count(d, token, 2, true, &out->destroyed) : rv;
    }
    return rv == CKR_OK ? count(d, token, 1, false, &out->objects) : rv;
}

static void census_aside(void *arg)
{
    struct look *l = arg;
    struct direct d;
    CK_RV rv = direct_open(&d, l->target, &l->record);
    if (rv == CKR_OK) {
        rv = direct_login(&d, l->target);
    }
    if (rv == CKR_OK) {
        rv = count_all(&d, &l->census);
    }
    conclude(l, &d, rv);
    direct_close(&d);
}

bool token_census(struct target *target, double watchdog, struct census *out)
{
    struct look *l = memory_shared(sizeof *l);
    const bool ok = l != NULL && look(l, target, watchdog, census_aside);
    if (ok) {
        *out = l->census;
    }
    memory_unshare(l, sizeof *l);
    return ok;
}

/* -- consent -- */

bool token_is_own(const struct target *target)
{
    return strncmp(target->facts.label, TOKEN_OWN_LABEL, strlen(TOKEN_OWN_LABEL)) == 0;
}

bool token_consent(const struct target *target, bool yes)
{
    const struct token_facts *f = &target->facts;
    char answer[8] = "";
    if (yes || token_is_own(target)) {
        return true;
    }
    if (!isatty(STDIN_FILENO)) {
        (void)fprintf(stderr,
                      "eckabench: the token '%s' is not eckabench's own (%s...); --yes says that "
                      "it may be worked to its limit\n",
                      f->label, TOKEN_OWN_LABEL);
        return false;
    }
    (void)fprintf(stderr,
                  "The token '%s' (%s %s, serial %s) is not eckabench's own.\n"
                  "It will be worked to its limit for minutes, and others who use it will wait.\n"
                  "Keys are made %s; nothing stays. Go on? [y/N] ",
                  f->label, f->manufacturer, f->model, f->serial,
                  target->keys_in_token ? "in it and taken away again"
                                        : "in sessions and end with them");
    return fgets(answer, sizeof answer, stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y');
}
