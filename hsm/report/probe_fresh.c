/*
 * Fresh keys: what an attempt is made with, and what shows that it can succeed. Session objects,
 * one use each, made when they are first needed.
 */
#include <string.h>

#include "hsm/report/probe.h"

enum { TEMPLATE_MAX = 16, AES_LEN = 32, RSA_BITS = 2048 };

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
static CK_ULONG aes_len = AES_LEN, rsa_bits = RSA_BITS;
static uint8_t rsa_exponent[] = {1, 0, 1};

/* The attributes of every fresh key, and each use that its class has: one of them. */
static CK_ULONG base_template(CK_ATTRIBUTE out[static TEMPLATE_MAX], CK_OBJECT_CLASS class,
                              enum use may)
{
    CK_ULONG n = 0;
    out[n++] = (CK_ATTRIBUTE){CKA_TOKEN, &no, sizeof no};
    out[n++] = (CK_ATTRIBUTE){CKA_PRIVATE, &yes, sizeof yes};
    out[n++] = (CK_ATTRIBUTE){CKA_SENSITIVE, &yes, sizeof yes};
    out[n++] = (CK_ATTRIBUTE){CKA_EXTRACTABLE, &yes, sizeof yes};
    for (enum use use = 0; use < USE_COUNT; use++) {
        if (use_fits(class, use)) {
            out[n++] = (CK_ATTRIBUTE){use_attribute(use), use == may ? &yes : &no, sizeof yes};
        }
    }
    return n;
}

static CK_RV make_secret(struct probe *p, enum kind kind, enum use use, struct fresh_key *out)
{
    CK_MECHANISM mechanism = {kind == KIND_AES       ? CKM_AES_KEY_GEN
                              : kind == KIND_GENERIC ? CKM_GENERIC_SECRET_KEY_GEN
                              : kind == KIND_DES     ? CKM_DES_KEY_GEN
                                                     : CKM_DES3_KEY_GEN,
                              NULL, 0};
    CK_ATTRIBUTE template[TEMPLATE_MAX];
    CK_ULONG n = base_template(template, CKO_SECRET_KEY, use);
    if (kind == KIND_AES || kind == KIND_GENERIC) {
        template[n++] = (CK_ATTRIBUTE){CKA_VALUE_LEN, &aes_len, sizeof aes_len};
    }
    return p->t->p11->C_GenerateKey(p->shop, &mechanism, template, n, &out->key);
}

/* The other half of a private key's use. */
static CK_ATTRIBUTE_TYPE public_use(enum use use)
{
    return use == USE_DECRYPT ? CKA_ENCRYPT : use == USE_UNWRAP ? CKA_WRAP : CKA_VERIFY;
}

static CK_RV make_pair(struct probe *p, enum kind kind, enum use use, struct fresh_key *out)
{
    struct span params = key_ec_params(CURVE_P256);
    CK_MECHANISM mechanism = {kind == KIND_EC ? CKM_EC_KEY_PAIR_GEN : CKM_RSA_PKCS_KEY_PAIR_GEN,
                              NULL, 0};
    CK_ATTRIBUTE private[TEMPLATE_MAX];
    CK_ATTRIBUTE public[5] = {{CKA_TOKEN, &no, sizeof no}, {CKA_PRIVATE, &no, sizeof no}};
    CK_ULONG n_private = base_template(private, CKO_PRIVATE_KEY, use), n_public = 2;

    if (use != USE_DERIVE) {
        public[n_public++] = (CK_ATTRIBUTE){public_use(use), &yes, sizeof yes};
    }
    if (kind == KIND_EC) {
        public[n_public++] = (CK_ATTRIBUTE){CKA_EC_PARAMS, (void *)params.ptr, params.len};
    } else {
        public[n_public++] = (CK_ATTRIBUTE){CKA_MODULUS_BITS, &rsa_bits, sizeof rsa_bits};
        public[n_public++] = (CK_ATTRIBUTE){CKA_PUBLIC_EXPONENT, rsa_exponent, sizeof rsa_exponent};
    }
    return p->t->p11->C_GenerateKeyPair(p->shop, &mechanism, public, n_public, private, n_private,
                                        &out->public, &out->key);
}

const struct fresh_key *fresh_key(struct probe *p, enum kind kind, enum use use)
{
    struct fresh_key *out = &p->fresh[kind][use];
    if (!out->tried) {
        out->tried = true;
        out->rv = kind == KIND_OTHER                    ? CKR_KEY_TYPE_INCONSISTENT
                  : kind == KIND_EC || kind == KIND_RSA ? make_pair(p, kind, use, out)
                                                        : make_secret(p, kind, use, out);
    }
    return out;
}

const struct fresh_key *fresh_any(struct probe *p, enum kind kind)
{
    return fresh_key(p, kind, kind == KIND_EC || kind == KIND_GENERIC ? USE_SIGN : USE_DECRYPT);
}

CK_RV probe_control(struct probe *p, const void *of, enum kind target,
                    CK_RV (*attempt)(struct probe *p, const void *of, enum kind target))
{
    for (size_t i = 0; i < p->n_controls; i++) {
        if (p->controls[i].of == of && p->controls[i].target == target) {
            return p->controls[i].rv;
        }
    }
    CK_RV rv = attempt(p, of, target);
    if (p->n_controls < CONTROLS_MAX) {
        p->controls[p->n_controls++] = (struct control){of, target, rv};
    }
    return rv;
}
