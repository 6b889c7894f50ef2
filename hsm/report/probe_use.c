/*
 * Using a key for what it is not there for, by every mechanism of its kind that the token has.
 *
 * The bytes that go in mean nothing, and what comes out is wiped. An operation that began is
 * carried out, so that the session is free again.
 */
#include <string.h>

#include "hsm/report/probe.h"

enum {
    DIGEST_LEN = 32,  /* also two blocks of AES and four of DES */
    WRAPPED_LEN = 40, /* 32 bytes under AES-KW */
    RSA_MAX = 1024,   /* bytes of a modulus */
    RESULT_LEN = 32,
};

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

static const struct use_case {
    enum kind kind;
    enum use use;
    CK_MECHANISM_TYPE type;
    enum parameter parameter;
} cases[] = {
    {KIND_AES, USE_SIGN, CKM_AES_CMAC, PARAMETER_NONE},
    {KIND_AES, USE_SIGN, CKM_AES_MAC, PARAMETER_NONE},
    {KIND_AES, USE_SIGN, CKM_SHA256_HMAC, PARAMETER_NONE},
    {KIND_AES, USE_VERIFY, CKM_AES_CMAC, PARAMETER_NONE},
    {KIND_AES, USE_VERIFY, CKM_AES_MAC, PARAMETER_NONE},
    {KIND_AES, USE_ENCRYPT, CKM_AES_ECB, PARAMETER_NONE},
    {KIND_AES, USE_ENCRYPT, CKM_AES_CBC, PARAMETER_IV16},
    {KIND_AES, USE_ENCRYPT, CKM_AES_CBC_PAD, PARAMETER_IV16},
    {KIND_AES, USE_ENCRYPT, CKM_AES_CTR, PARAMETER_CTR},
    {KIND_AES, USE_ENCRYPT, CKM_AES_GCM, PARAMETER_GCM},
    {KIND_AES, USE_DECRYPT, CKM_AES_ECB, PARAMETER_NONE},
    {KIND_AES, USE_DECRYPT, CKM_AES_CBC, PARAMETER_IV16},
    {KIND_AES, USE_DECRYPT, CKM_AES_CBC_PAD, PARAMETER_IV16},
    {KIND_AES, USE_DECRYPT, CKM_AES_CTR, PARAMETER_CTR},
    {KIND_AES, USE_DECRYPT, CKM_AES_GCM, PARAMETER_GCM},
    {KIND_AES, USE_WRAP, CKM_AES_KEY_WRAP, PARAMETER_NONE},
    {KIND_AES, USE_WRAP, CKM_AES_KEY_WRAP_PAD, PARAMETER_NONE},
    {KIND_AES, USE_WRAP, CKM_AES_CBC, PARAMETER_IV16},
    {KIND_AES, USE_WRAP, CKM_AES_CBC_PAD, PARAMETER_IV16},
    {KIND_AES, USE_WRAP, CKM_AES_ECB, PARAMETER_NONE},
    {KIND_AES, USE_WRAP, CKM_AES_GCM, PARAMETER_GCM},
    {KIND_AES, USE_UNWRAP, CKM_AES_KEY_WRAP, PARAMETER_NONE},
    {KIND_AES, USE_UNWRAP, CKM_AES_KEY_WRAP_PAD, PARAMETER_NONE},
    {KIND_AES, USE_UNWRAP, CKM_AES_CBC, PARAMETER_IV16},
    {KIND_AES, USE_UNWRAP, CKM_AES_CBC_PAD, PARAMETER_IV16},
    {KIND_AES, USE_UNWRAP, CKM_AES_ECB, PARAMETER_NONE},
    {KIND_AES, USE_UNWRAP, CKM_AES_GCM, PARAMETER_GCM},
    {KIND_AES, USE_DERIVE, CKM_AES_ECB_ENCRYPT_DATA, PARAMETER_STRING},
    {KIND_AES, USE_DERIVE, CKM_AES_CBC_ENCRYPT_DATA, PARAMETER_AES_CBC_STRING},
    {KIND_AES, USE_DERIVE, CKM_CONCATENATE_BASE_AND_DATA, PARAMETER_STRING},
    {KIND_AES, USE_DERIVE, CKM_XOR_BASE_AND_DATA, PARAMETER_STRING},
    {KIND_GENERIC, USE_SIGN, CKM_SHA256_HMAC, PARAMETER_NONE},
    {KIND_GENERIC, USE_VERIFY, CKM_SHA256_HMAC, PARAMETER_NONE},
    {KIND_GENERIC, USE_DERIVE, CKM_CONCATENATE_BASE_AND_DATA, PARAMETER_STRING},
    {KIND_GENERIC, USE_DERIVE, CKM_XOR_BASE_AND_DATA, PARAMETER_STRING},
    {KIND_DES3, USE_SIGN, CKM_DES3_CMAC, PARAMETER_NONE},
    {KIND_DES3, USE_ENCRYPT, CKM_DES3_CBC, PARAMETER_IV8},
    {KIND_DES3, USE_DECRYPT, CKM_DES3_CBC, PARAMETER_IV8},
    {KIND_DES3, USE_WRAP, CKM_DES3_CBC, PARAMETER_IV8},
    {KIND_DES3, USE_UNWRAP, CKM_DES3_CBC, PARAMETER_IV8},
    {KIND_DES3, USE_DERIVE, CKM_DES3_ECB_ENCRYPT_DATA, PARAMETER_STRING},
    {KIND_DES3, USE_DERIVE, CKM_DES3_CBC_ENCRYPT_DATA, PARAMETER_DES_CBC_STRING},
    {KIND_EC, USE_SIGN, CKM_ECDSA, PARAMETER_NONE},
    {KIND_EC, USE_DERIVE, CKM_ECDH1_DERIVE, PARAMETER_ECDH},
    {KIND_EC, USE_DERIVE, CKM_ECDH1_COFACTOR_DERIVE, PARAMETER_ECDH},
    {KIND_RSA, USE_SIGN, CKM_RSA_PKCS, PARAMETER_NONE},
    {KIND_RSA, USE_SIGN, CKM_SHA256_RSA_PKCS, PARAMETER_NONE},
    {KIND_RSA, USE_SIGN_RECOVER, CKM_RSA_PKCS, PARAMETER_NONE},
    {KIND_RSA, USE_DECRYPT, CKM_RSA_PKCS, PARAMETER_NONE},
    {KIND_RSA, USE_DECRYPT, CKM_RSA_PKCS_OAEP, PARAMETER_OAEP},
    {KIND_RSA, USE_DECRYPT, CKM_RSA_X_509, PARAMETER_NONE},
    {KIND_RSA, USE_UNWRAP, CKM_RSA_PKCS, PARAMETER_NONE},
    {KIND_RSA, USE_UNWRAP, CKM_RSA_PKCS_OAEP, PARAMETER_OAEP},
};

/* A key that an attempt makes: readable, since it would be what an attacker wants. */
#define READABLE_SECRET                                                                            \
    {CKA_CLASS, &secret_class, sizeof secret_class}, {CKA_KEY_TYPE, &generic, sizeof generic},     \
        {CKA_TOKEN, &no, sizeof no}, {CKA_SENSITIVE, &no, sizeof no},                              \
    {                                                                                              \
        CKA_EXTRACTABLE, &yes, sizeof yes                                                          \
    }

static CK_OBJECT_CLASS secret_class = CKO_SECRET_KEY;
static CK_KEY_TYPE generic = CKK_GENERIC_SECRET;

/* Of the kinds and uses above, the bytes that an operation is given: as long as they have to be. */
static size_t input_len(struct probe *p, const struct use_case *c, CK_OBJECT_HANDLE key)
{
    if (c->kind == KIND_RSA && (c->use == USE_DECRYPT || c->use == USE_UNWRAP)) {
        CK_ATTRIBUTE modulus = {CKA_MODULUS, NULL, 0};
        CK_RV rv = p->t->p11->C_GetAttributeValue(p->bench, key, &modulus, 1);
        return rv == CKR_OK && modulus.ulValueLen <= RSA_MAX ? modulus.ulValueLen : 256;
    }
    return c->use == USE_UNWRAP && c->parameter == PARAMETER_NONE && c->type != CKM_AES_ECB
               ? WRAPPED_LEN
               : DIGEST_LEN;
}

/* C_XxxInit and C_Xxx. */
static CK_RV operate(struct probe *p, const struct use_case *c, CK_MECHANISM_PTR mechanism,
                     CK_OBJECT_HANDLE key, uint8_t *in, CK_ULONG len)
{
    CK_FUNCTION_LIST_PTR f = p->t->p11;
    CK_ULONG out_len = SCRATCH_LEN;
    CK_RV rv;
    switch (c->use) {
    case USE_SIGN:
        rv = f->C_SignInit(p->bench, mechanism, key);
        return rv != CKR_OK ? rv : f->C_Sign(p->bench, in, len, p->scratch, &out_len);
    case USE_SIGN_RECOVER:
        rv = f->C_SignRecoverInit(p->bench, mechanism, key);
        return rv != CKR_OK ? rv : f->C_SignRecover(p->bench, in, len, p->scratch, &out_len);
    case USE_VERIFY:
        rv = f->C_VerifyInit(p->bench, mechanism, key);
        return rv != CKR_OK ? rv : f->C_Verify(p->bench, in, len, in, len / 2);
    case USE_ENCRYPT:
        rv = f->C_EncryptInit(p->bench, mechanism, key);
        return rv != CKR_OK ? rv : f->C_Encrypt(p->bench, in, len, p->scratch, &out_len);
    default:
        rv = f->C_DecryptInit(p->bench, mechanism, key);
        return rv != CKR_OK ? rv : f->C_Decrypt(p->bench, in, len, p->scratch, &out_len);
    }
}

static CK_RV use(struct probe *p, const struct use_case *c, CK_OBJECT_HANDLE key)
{
    CK_ULONG result_len = RESULT_LEN, out_len = SCRATCH_LEN;
    CK_ATTRIBUTE template[] = {READABLE_SECRET, {CKA_VALUE_LEN, &result_len, sizeof result_len}};
    const CK_ULONG attributes = sizeof template / sizeof template[0];
    CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
    struct parameters parameters;
    uint8_t in[RSA_MAX] = {0};
    CK_MECHANISM_PTR mechanism = mechanism_with(&parameters, c->type, c->parameter);
    size_t len = input_len(p, c, key);
    CK_RV rv;

    switch (c->use) {
    case USE_WRAP: {
        const struct fresh_key *wrapped = fresh_any(p, KIND_AES);
        return wrapped->rv != CKR_OK ? wrapped->rv
                                     : p->t->p11->C_WrapKey(p->bench, mechanism, key, wrapped->key,
                                                            p->scratch, &out_len);
    }
    case USE_UNWRAP: /* a length in the template of what is unwrapped is not allowed everywhere */
        rv = p->t->p11->C_UnwrapKey(p->bench, mechanism, key, in, len, template, attributes - 1,
                                    &made);
        break;
    case USE_DERIVE:
        rv = p->t->p11->C_DeriveKey(p->bench, mechanism, key, template, attributes, &made);
        break;
    default:
        return operate(p, c, mechanism, key, in, len);
    }
    if (rv == CKR_OK) {
        probe_destroy(p, made);
    }
    return rv;
}

static CK_RV use_fresh(struct probe *p, const void *of, enum kind kind)
{
    const struct use_case *c = of;
    const struct fresh_key *key = fresh_key(p, kind, c->use);
    return key->rv != CKR_OK ? key->rv : use(p, c, key->key);
}

void probe_uses(struct probe *p, const struct subject *key)
{
    enum kind kind = kind_of(key->class, key->type);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct use_case *c = &cases[i];
        if (c->kind != kind || c->use == key->purpose || !probe_has_mechanism(p, c->type)) {
            continue;
        }
        CK_RV control = probe_control(p, c, kind, use_fresh);
        probe_tell(p, (struct attempt){.probe = PROBE_USE,
                                       .use = c->use,
                                       .what = mechanism_name(c->type),
                                       .answer = use(p, c, key->handle),
                                       .has_control = true,
                                       .control = control});
    }
}
