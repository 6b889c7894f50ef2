#include "smsr/pki/pki_x509.h"

#include <openssl/rand.h>
#include <openssl/x509v3.h>

#define CI_POLICY        "2.23.146.1.2.1.0" /* GSMA id-rspRole-ci */
#define EUM_POLICY       "2.23.146.1.2.1.2" /* GSMA id-rspRole-eum */
#define EUM_ORGANISATION "eckad Test EUM"

enum { SERIAL_LEN = 8 };

static bool add_rdn(X509_NAME *name, const char *field, const char *value)
{
    return X509_NAME_add_entry_by_txt(name, field, MBSTRING_ASC, (const uint8_t *)value, -1, -1,
                                      0) == 1;
}

static bool set_serial(X509 *x)
{
    uint8_t serial[SERIAL_LEN];
    if (RAND_bytes(serial, SERIAL_LEN) != 1) {
        return false;
    }
    serial[0] = (uint8_t)((serial[0] & 0x7F) | 0x40); /* positive, and no leading zero byte */
    BIGNUM *n = BN_bin2bn(serial, SERIAL_LEN, NULL);
    bool ok = n != NULL && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x)) != NULL;
    BN_free(n);
    return ok;
}

static bool add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = ext != NULL && X509_add_ext(x, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    return ok;
}

/* Certificate policies, critical, with the one policy. */
static bool add_policy(X509 *x, const char *oid)
{
    bool ok = false;
    CERTIFICATEPOLICIES *policies = sk_POLICYINFO_new_null();
    POLICYINFO *info = POLICYINFO_new();
    if (policies != NULL && info != NULL) {
        ASN1_OBJECT_free(info->policyid);
        info->policyid = OBJ_txt2obj(oid, 1);
        if (info->policyid != NULL && sk_POLICYINFO_push(policies, info) > 0) {
            info = NULL;
            ok =
                X509_add1_ext_i2d(x, NID_certificate_policies, policies, 1, X509V3_ADD_APPEND) == 1;
        }
    }
    POLICYINFO_free(info);
    sk_POLICYINFO_pop_free(policies, POLICYINFO_free);
    return ok;
}

/* permitted: DirName { O=..., serialNumber=prefix }, as SGP.26's EUM has it. */
static bool add_name_constraints(X509 *x)
{
    bool ok = false;
    NAME_CONSTRAINTS *constraints = NAME_CONSTRAINTS_new();
    GENERAL_SUBTREE *subtree = GENERAL_SUBTREE_new();
    X509_NAME *name = X509_NAME_new();
    if (constraints == NULL || subtree == NULL || name == NULL ||
        (constraints->permittedSubtrees = sk_GENERAL_SUBTREE_new_null()) == NULL ||
        !add_rdn(name, "O", EUM_ORGANISATION) || !add_rdn(name, "serialNumber", PKI_EID_PREFIX)) {
        goto out;
    }
    GENERAL_NAME_set0_value(subtree->base, GEN_DIRNAME, name);
    name = NULL;
    if (sk_GENERAL_SUBTREE_push(constraints->permittedSubtrees, subtree) <= 0) {
        goto out;
    }
    subtree = NULL;
    ok = X509_add1_ext_i2d(x, NID_name_constraints, constraints, 1, X509V3_ADD_APPEND) == 1;
out:
    X509_NAME_free(name);
    GENERAL_SUBTREE_free(subtree);
    NAME_CONSTRAINTS_free(constraints);
    return ok;
}

static bool set_validity(X509 *x, const char *from, const char *to)
{
    return ASN1_TIME_set_string_X509(X509_getm_notBefore(x), from) == 1 &&
           ASN1_TIME_set_string_X509(X509_getm_notAfter(x), to) == 1;
}

static enum status sign_and_put(X509 *x, EVP_PKEY *key, struct writer *out)
{
    uint8_t *der = NULL;
    if (X509_sign(x, key, EVP_sha256()) <= 0) {
        return STATUS_INTERNAL;
    }
    int len = i2d_X509(x, &der);
    if (len <= 0) {
        return STATUS_INTERNAL;
    }
    put_bytes(out, der, (size_t)len);
    OPENSSL_free(der);
    return writer_check(out);
}

enum status pki_x509_ci(EVP_PKEY *ci, struct writer *out)
{
    enum status s = STATUS_INTERNAL;
    X509 *x = X509_new();
    if (x == NULL || X509_set_version(x, X509_VERSION_3) != 1 || !set_serial(x) ||
        !set_validity(x, "20240101000000Z", "20550101000000Z")) {
        goto out;
    }
    X509_NAME *name = X509_get_subject_name(x);
    if (add_rdn(name, "CN", "eckad Test CI brainpoolP256r1") && add_rdn(name, "OU", "TESTCERT") &&
        add_rdn(name, "O", "eckad") && X509_set_issuer_name(x, name) == 1 &&
        X509_set_pubkey(x, ci) == 1 && add_extension(x, x, NID_subject_key_identifier, "hash") &&
        add_extension(x, x, NID_basic_constraints, "critical,CA:TRUE") &&
        add_policy(x, CI_POLICY) &&
        add_extension(x, x, NID_key_usage, "critical,keyCertSign,cRLSign") &&
        add_extension(x, x, NID_subject_alt_name, "RID:2.999.2")) {
        s = sign_and_put(x, ci, out);
    }
out:
    X509_free(x);
    return s;
}

static bool fill_eum(X509 *x, X509 *issuer, EVP_PKEY *eum)
{
    X509_NAME *name = X509_get_subject_name(x);
    return X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) &&
           set_validity(x, "20240101000000Z", "20540101000000Z") && add_rdn(name, "C", "ES") &&
           add_rdn(name, "O", EUM_ORGANISATION) && add_rdn(name, "CN", "eckad EUM Test") &&
           X509_set_issuer_name(x, X509_get_subject_name(issuer)) == 1 &&
           X509_set_pubkey(x, eum) == 1 &&
           add_extension(x, issuer, NID_authority_key_identifier, "keyid:always") &&
           add_extension(x, issuer, NID_subject_key_identifier, "hash") &&
           add_extension(x, issuer, NID_key_usage, "critical,keyCertSign") &&
           add_policy(x, EUM_POLICY) &&
           add_extension(x, issuer, NID_subject_alt_name, "RID:2.999.6") &&
           add_extension(x, issuer, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
           add_name_constraints(x);
}

enum status pki_x509_eum(EVP_PKEY *eum, EVP_PKEY *ci, struct span ci_der, struct writer *out)
{
    const uint8_t *p = ci_der.ptr;
    X509 *issuer = d2i_X509(NULL, &p, (long)ci_der.len);
    X509 *x = X509_new();
    enum status s = STATUS_INTERNAL;
    if (issuer != NULL && x != NULL && fill_eum(x, issuer, eum)) {
        s = sign_and_put(x, ci, out);
    }
    X509_free(x);
    X509_free(issuer);
    return s;
}
