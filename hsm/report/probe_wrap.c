/*
 * Taking a key out under another one; making readable keys with one that unwraps; wrapping with a
 * KEK what it is not there for.
 */
#include <string.h>

#include "hsm/report/probe.h"
#include "hsm/token/key_rules.h"

enum { MODULUS_MAX = 1024, EXPONENT_MAX = 16 };

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
static CK_OBJECT_CLASS secret_class = CKO_SECRET_KEY, public_class = CKO_PUBLIC_KEY;
static CK_KEY_TYPE aes_type = CKK_AES, rsa_type = CKK_RSA;

static const struct wrap_case {
    enum kind kind; /* of the key that wraps: RSA by its public half */
    CK_MECHANISM_TYPE type;
    enum parameter parameter;
} cases[] = {
    {KIND_AES, CKM_AES_KEY_WRAP, PARAMETER_NONE},  {KIND_AES, CKM_AES_KEY_WRAP_PAD, PARAMETER_NONE},
    {KIND_AES, CKM_AES_CBC, PARAMETER_IV16},       {KIND_AES, CKM_AES_CBC_PAD, PARAMETER_IV16},
    {KIND_AES, CKM_AES_ECB, PARAMETER_NONE},       {KIND_AES, CKM_AES_CTR, PARAMETER_CTR},
    {KIND_AES, CKM_AES_GCM, PARAMETER_GCM},        {KIND_DES, CKM_DES_CBC, PARAMETER_IV8},
    {KIND_DES, CKM_DES_CBC_PAD, PARAMETER_IV8},    {KIND_DES, CKM_DES_ECB, PARAMETER_NONE},
    {KIND_DES3, CKM_DES3_CBC, PARAMETER_IV8},      {KIND_DES3, CKM_DES3_CBC_PAD, PARAMETER_IV8},
    {KIND_DES3, CKM_DES3_ECB, PARAMETER_NONE},     {KIND_RSA, CKM_RSA_PKCS, PARAMETER_NONE},
    {KIND_RSA, CKM_RSA_PKCS_OAEP, PARAMETER_OAEP}, {KIND_RSA, CKM_RSA_X_509, PARAMETER_NONE},
};

enum { CASES = sizeof cases / sizeof cases[0] };

bool probe_wraps_by(CK_MECHANISM_TYPE type)
{
    for (size_t i = 0; i < CASES; i++) {
        if (cases[i].type == type) {
            return true;
        }
    }
    return false;
}

static CK_RV wrap(struct probe *p, const struct wrap_case *c, CK_OBJECT_HANDLE wrapping,
                  CK_OBJECT_HANDLE key, CK_ULONG *len)
{
    struct parameters parameters;
    *len = SCRATCH_LEN;
    return p->t->p11->C_WrapKey(p->bench, mechanism_with(&parameters, c->type, c->parameter),
                                wrapping, key, p->scratch, len);
}

static CK_RV wrap_under_fresh(struct probe *p, const struct wrap_case *c, CK_OBJECT_HANDLE key)
{
    CK_ULONG len;
    const struct fresh_key *wrapping =
        fresh_key(p, c->kind, c->kind == KIND_RSA ? USE_UNWRAP : USE_WRAP);
    return wrapping->rv != CKR_OK
               ? wrapping->rv
               : wrap(p, c, c->kind == KIND_RSA ? wrapping->public : wrapping->key, key, &len);
}

/* The same with a fresh key of the kind in the place of the one that is probed. */
static CK_RV wrap_fresh(struct probe *p, const void *of, enum kind target)
{
    const struct fresh_key *key = fresh_any(p, target);
    return key->rv != CKR_OK ? key->rv : wrap_under_fresh(p, of, key->key);
}

void probe_wrap(struct probe *p, const struct subject *key)
{
    for (size_t i = 0; i < CASES; i++) {
        if (!probe_has_mechanism(p, cases[i].type)) {
            continue;
        }
        CK_RV control = probe_control(p, &cases[i], kind_of(key->class, key->type), wrap_fresh);
        probe_tell(p, (struct attempt){.probe = PROBE_WRAP,
                                       .what = mechanism_name(cases[i].type),
                                       .answer = wrap_under_fresh(p, &cases[i], key->handle),
                                       .has_control = true,
                                       .control = control});
    }
}

/* A KEK wraps the keys of a set and no private key, whatever is extractable. */
void probe_wrap_other(struct probe *p, const struct subject *key)
{
    const struct fresh_key *other = fresh_any(p, KIND_EC);
    for (size_t i = 0; key->is_kek && other->rv == CKR_OK && i < CASES; i++) {
        CK_ULONG len;
        if (cases[i].kind != KIND_AES || !probe_has_mechanism(p, cases[i].type)) {
            continue;
        }
        CK_RV control = probe_control(p, &cases[i], KIND_EC, wrap_fresh);
        probe_tell(p, (struct attempt){.probe = PROBE_WRAP_OTHER,
                                       .what = mechanism_name(cases[i].type),
                                       .answer = wrap(p, &cases[i], key->handle, other->key, &len),
                                       .has_control = true,
                                       .control = control});
    }
}

/* -- unwrapping -- */

/* A session object of the RSA key's public half that may wrap, which the token's own may not. */
static CK_RV public_half(struct probe *p, const struct subject *key, CK_OBJECT_HANDLE *out)
{
    uint8_t modulus[MODULUS_MAX], exponent[EXPONENT_MAX];
    CK_ATTRIBUTE read[] = {{CKA_MODULUS, modulus, sizeof modulus},
                           {CKA_PUBLIC_EXPONENT, exponent, sizeof exponent}};
    CK_RV rv = p->t->p11->C_GetAttributeValue(p->bench, key->handle, read, 2);
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &public_class, sizeof public_class},
        {CKA_KEY_TYPE, &rsa_type, sizeof rsa_type},
        {CKA_TOKEN, &no, sizeof no},
        {CKA_PRIVATE, &no, sizeof no},
        {CKA_WRAP, &yes, sizeof yes},
        {CKA_MODULUS, modulus, read[0].ulValueLen},
        {CKA_PUBLIC_EXPONENT, exponent, read[1].ulValueLen},
    };
    return rv != CKR_OK ? rv : p->t->p11->C_CreateObject(p->bench, template, 7, out);
}

/* A fresh key goes under the wrapping key and comes out of the unwrapping one, readable. */
static CK_RV unwrap_readable(struct probe *p, const struct wrap_case *c, CK_OBJECT_HANDLE wrapping,
                             CK_OBJECT_HANDLE unwrapping)
{
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &secret_class, sizeof secret_class},
        {CKA_KEY_TYPE, &aes_type, sizeof aes_type},
        {CKA_TOKEN, &no, sizeof no},
        {CKA_SENSITIVE, &no, sizeof no},
        {CKA_EXTRACTABLE, &yes, sizeof yes},
    };
    const struct fresh_key *wrapped = fresh_any(p, KIND_AES);
    CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
    struct parameters parameters;
    CK_ULONG len;
    CK_RV rv = wrapped->rv != CKR_OK ? wrapped->rv : wrap(p, c, wrapping, wrapped->key, &len);
    if (rv == CKR_OK) {
        rv = p->t->p11->C_UnwrapKey(p->bench, mechanism_with(&parameters, c->type, c->parameter),
                                    unwrapping, p->scratch, len, template,
                                    sizeof template / sizeof template[0], &made);
    }
    if (rv == CKR_OK) {
        probe_destroy(p, made);
    }
    return rv;
}

static CK_RV unwrap_fresh(struct probe *p, const void *of, enum kind kind)
{
    const struct wrap_case *c = of;
    const struct fresh_key *key = fresh_key(p, KIND_RSA, USE_UNWRAP);
    (void)kind;
    return key->rv != CKR_OK ? key->rv : unwrap_readable(p, c, key->public, key->key);
}

/* Of RSA keys, whose public half anybody can wrap with. */
void probe_unwrap_weaker(struct probe *p, const struct subject *key)
{
    CK_OBJECT_HANDLE wrapping = CK_INVALID_HANDLE;
    if (kind_of(key->class, key->type) != KIND_RSA ||
        key_attribute_read(p->t, key->handle, CKA_UNWRAP) == ATTRIBUTE_NO) {
        return;
    }
    CK_RV made = public_half(p, key, &wrapping);
    for (size_t i = 0; i < CASES; i++) {
        const struct wrap_case *c = &cases[i];
        if (c->kind != KIND_RSA || !probe_has_mechanism(p, c->type)) {
            continue;
        }
        /* Its own control beside that of wrapping: the address of the mechanism tells them apart.
         */
        CK_RV control = probe_control(p, c, KIND_COUNT, unwrap_fresh);
        probe_tell(p, (struct attempt){.probe = PROBE_UNWRAP_WEAKER,
                                       .what = mechanism_name(c->type),
                                       .answer = made != CKR_OK
                                                     ? made
                                                     : unwrap_readable(p, c, wrapping, key->handle),
                                       .has_control = true,
                                       .control = control});
    }
    if (made == CKR_OK) {
        probe_destroy(p, wrapping);
    }
}
