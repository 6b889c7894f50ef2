/*
 * Reading a key, making it weaker where it is, and making a weaker copy.
 *
 * What a token lets be set is set back at once, with the signals blocked that would come between.
 * No attribute of the key's own purpose is ever touched; CKA_ID and CKA_LABEL are set to what they
 * are, which tells whether they can be set without a moment of another identity.
 */
#include <signal.h>
#include <string.h>

#include "hsm/log.h"
#include "hsm/report/probe.h"
#include "hsm/token/key_rules.h"

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
static const char weakest_id[] = "ecka-probe";

/* Every component of a private or secret key that is a secret. */
static const struct {
    CK_ATTRIBUTE_TYPE type;
    const char *name;
    bool of_rsa;
} components[] = {
    {CKA_VALUE, "CKA_VALUE", false},
    {CKA_PRIVATE_EXPONENT, "CKA_PRIVATE_EXPONENT", true},
    {CKA_PRIME_1, "CKA_PRIME_1", true},
    {CKA_PRIME_2, "CKA_PRIME_2", true},
    {CKA_EXPONENT_1, "CKA_EXPONENT_1", true},
    {CKA_EXPONENT_2, "CKA_EXPONENT_2", true},
    {CKA_COEFFICIENT, "CKA_COEFFICIENT", true},
};

/* What would make a key weaker, with the value that it must not get. */
static const struct weakening {
    CK_ATTRIBUTE_TYPE type;
    const char *name;
    bool value;
    bool copy_only; /* no token sets it back */
} weakenings[] = {
    {CKA_SENSITIVE, "CKA_SENSITIVE", false, false},
    {CKA_EXTRACTABLE, "CKA_EXTRACTABLE", true, false},
    {CKA_PRIVATE, "CKA_PRIVATE", false, true},
    {CKA_MODIFIABLE, "CKA_MODIFIABLE", true, true},
    {CKA_SIGN, "CKA_SIGN", true, false},
    {CKA_SIGN_RECOVER, "CKA_SIGN_RECOVER", true, false},
    {CKA_VERIFY, "CKA_VERIFY", true, false},
    {CKA_ENCRYPT, "CKA_ENCRYPT", true, false},
    {CKA_DECRYPT, "CKA_DECRYPT", true, false},
    {CKA_WRAP, "CKA_WRAP", true, false},
    {CKA_UNWRAP, "CKA_UNWRAP", true, false},
    {CKA_DERIVE, "CKA_DERIVE", true, false},
};

enum { WEAKENINGS = sizeof weakenings / sizeof weakenings[0] };

/* Whether it would make this key weaker: not what is its use, and nothing that it has already. */
static bool weakens(struct probe *p, const struct subject *key, const struct weakening *w)
{
    enum use use = use_of_attribute(w->type);
    if (use != USE_NONE && (use == key->purpose || !use_fits(key->class, use))) {
        return false;
    }
    return key_attribute_read(p->t, key->handle, w->type) !=
           (w->value ? ATTRIBUTE_YES : ATTRIBUTE_NO);
}

void probe_read(struct probe *p, const struct subject *key)
{
    bool rsa = kind_of(key->class, key->type) == KIND_RSA;
    for (size_t i = 0; i < sizeof components / sizeof components[0]; i++) {
        if (components[i].of_rsa != rsa) {
            continue;
        }
        CK_ATTRIBUTE a = {components[i].type, p->scratch, SCRATCH_LEN};
        struct attempt attempt = {.probe = PROBE_READ,
                                  .what = components[i].name,
                                  .answer =
                                      p->t->p11->C_GetAttributeValue(p->bench, key->handle, &a, 1)};
        if (attempt.answer == CKR_OK &&
            (a.ulValueLen == 0 || a.ulValueLen == CK_UNAVAILABLE_INFORMATION)) {
            attempt.said = "CKR_OK, and gave no byte";
            attempt.answer = CKR_ATTRIBUTE_SENSITIVE;
        }
        probe_tell(p, attempt);
    }
}

/* -- setting -- */

static CK_RV set(struct probe *p, const struct subject *key, CK_ATTRIBUTE_TYPE type,
                 const void *value, size_t len)
{
    CK_ATTRIBUTE a = {type, (void *)value, len};
    return p->t->p11->C_SetAttributeValue(p->bench, key->handle, &a, 1);
}

static void set_and_put_back(struct probe *p, const struct subject *key, const struct weakening *w)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, &before);
    struct attempt a = {.probe = PROBE_SET,
                        .what = w->name,
                        .answer = set(p, key, w->type, w->value ? &yes : &no, sizeof yes)};
    /* Whatever the answer: a token that failed may have done it. */
    if (!rv_is_refusal(a.answer)) {
        CK_RV back = set(p, key, w->type, w->value ? &no : &yes, sizeof yes);
        a.not_put_back = back != CKR_OK && key_attribute_read(p->t, key->handle, w->type) ==
                                               (w->value ? ATTRIBUTE_YES : ATTRIBUTE_NO);
    }
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    probe_tell(p, a);
}

void probe_set(struct probe *p, const struct subject *key)
{
    const struct {
        CK_ATTRIBUTE_TYPE type;
        const char *name;
        struct span value;
    } same[] = {{CKA_ID, "CKA_ID", key->id}, {CKA_LABEL, "CKA_LABEL", key->label}};

    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        if (same[i].value.len != 0) {
            CK_RV rv = set(p, key, same[i].type, same[i].value.ptr, same[i].value.len);
            probe_tell(p, (struct attempt){.probe = PROBE_SET, .what = same[i].name, .answer = rv});
        }
    }
    for (size_t i = 0; i < WEAKENINGS; i++) {
        if (!weakenings[i].copy_only && weakens(p, key, &weakenings[i])) {
            set_and_put_back(p, key, &weakenings[i]);
        }
    }
}

/* -- copying -- */

/* A session copy with one attribute more in its template, none when len is 0. */
static void try_copy(struct probe *p, const struct subject *key, const char *what,
                     CK_ATTRIBUTE_TYPE type, const void *value, size_t len)
{
    CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
    CK_ATTRIBUTE template[] = {{CKA_TOKEN, &no, sizeof no}, {type, (void *)value, len}};
    CK_RV rv = p->t->p11->C_CopyObject(p->bench, key->handle, template, len == 0 ? 1 : 2, &copy);
    if (rv == CKR_OK) {
        probe_destroy(p, copy);
    }
    probe_tell(p, (struct attempt){.probe = PROBE_COPY, .what = what, .answer = rv});
}

void probe_copy(struct probe *p, const struct subject *key)
{
    try_copy(p, key, "CKA_TOKEN", 0, NULL, 0);
    try_copy(p, key, "CKA_ID", CKA_ID, weakest_id, sizeof weakest_id - 1);
    for (size_t i = 0; i < WEAKENINGS; i++) {
        if (weakens(p, key, &weakenings[i])) {
            try_copy(p, key, weakenings[i].name, weakenings[i].type,
                     weakenings[i].value ? &yes : &no, sizeof yes);
        }
    }
}
