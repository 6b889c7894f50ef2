/*
 * See trust_x509.h. The chain has three certificates and one shape, so each rule of RFC 5280 that
 * matters is spelled out instead of asking for a general path validation: a failed rule has its own
 * status.
 */
#include "service/policy/trust_x509.h"

#include <limits.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* id-rspRole-eum: the policy of an EUM certificate (SGP.22 4.5.2.1.0.2, which SGP.26 follows). */
static const char eum_policy[] = "2.23.146.1.2.1.2";

struct trust_ci {
    X509 *cert;
    struct trust_validity validity;
    struct trust_key key;
};

/* The one certificate that fills the span, its extensions understood; NULL otherwise. */
static X509 *parse(struct span der)
{
    const unsigned char *p = der.ptr;
    X509 *cert = der.len <= LONG_MAX ? d2i_X509(NULL, &p, (long)der.len) : NULL;
    if (cert == NULL) {
        return NULL;
    }
    bool whole = p == der.ptr + der.len;
    uint32_t flags = X509_get_extension_flags(cert); /* parses and caches the extensions */
    if (!whole || (flags & (EXFLAG_INVALID | EXFLAG_CRITICAL)) != 0) {
        X509_free(cert);
        return NULL;
    }
    return cert;
}

static bool seconds_of(const ASN1_TIME *time, int64_t *out)
{
    struct tm tm;
    if (ASN1_TIME_to_tm(time, &tm) != 1) {
        return false;
    }
    *out = (int64_t)timegm(&tm);
    return true;
}

static bool validity_of(const X509 *cert, struct trust_validity *out)
{
    return seconds_of(X509_get0_notBefore(cert), &out->not_before) &&
           seconds_of(X509_get0_notAfter(cert), &out->not_after);
}

static bool is_ca(X509 *cert)
{
    return (X509_get_extension_flags(cert) & (EXFLAG_BCONS | EXFLAG_CA)) ==
           (EXFLAG_BCONS | EXFLAG_CA);
}

/* keyUsage must be there: a certificate without it could be used for anything. */
static bool may_sign_certificates(X509 *cert)
{
    return (X509_get_extension_flags(cert) & EXFLAG_KUSAGE) != 0 &&
           (X509_get_key_usage(cert) & KU_KEY_CERT_SIGN) != 0;
}

/* The curve of an EC key that names it; explicit parameters are refused, whatever they hold. */
static enum curve named_curve(EVP_PKEY *key)
{
    char name[64];
    int is_explicit = 1;
    if (key == NULL || !EVP_PKEY_is_a(key, "EC") ||
        EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS,
                               &is_explicit) != 1 ||
        is_explicit != 0 || EVP_PKEY_get_group_name(key, name, sizeof(name), NULL) != 1) {
        return CURVE_NONE;
    }
    switch (OBJ_txt2nid(name)) {
    case NID_X9_62_prime256v1:
        return CURVE_P256;
    case NID_brainpoolP256r1:
        return CURVE_BRAINPOOLP256R1;
    default:
        return CURVE_NONE;
    }
}

/* 04 || x || y, however the certificate encodes it. libcrypto checked the point when it decoded. */
static bool point_of(EVP_PKEY *key, uint8_t out[static GP_POINT_LEN])
{
    enum { COORDINATE = (GP_POINT_LEN - 1) / 2 };
    BIGNUM *x = NULL;
    BIGNUM *y = NULL;
    bool ok = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_X, &x) == 1 &&
              EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_Y, &y) == 1 &&
              BN_bn2binpad(x, out + 1, COORDINATE) == COORDINATE &&
              BN_bn2binpad(y, out + 1 + COORDINATE, COORDINATE) == COORDINATE;
    out[0] = 0x04;
    BN_free(x);
    BN_free(y);
    return ok;
}

/* -- CI -- */

static const char *ci_complaint(struct trust_ci *ci)
{
    if (!validity_of(ci->cert, &ci->validity)) {
        return "has dates that cannot be read";
    }
    if (!is_ca(ci->cert)) {
        return "is not a CA certificate";
    }
    if (!may_sign_certificates(ci->cert)) {
        return "may not sign certificates (keyCertSign)";
    }
    EVP_PKEY *key = X509_get0_pubkey(ci->cert);
    ci->key.curve = named_curve(key);
    if (ci->key.curve == CURVE_NONE || !point_of(key, ci->key.point)) {
        return "has a key on no supported named curve";
    }
    return NULL;
}

enum status trust_ci_new(struct span der, struct trust_ci **out, const char **complaint)
{
    *out = NULL;
    struct trust_ci *ci = calloc(1, sizeof(*ci));
    if (ci == NULL) {
        *complaint = "does not fit in memory";
        return STATUS_INTERNAL;
    }
    ci->cert = parse(der);
    *complaint = ci->cert == NULL ? "cannot be parsed" : ci_complaint(ci);
    if (*complaint != NULL) {
        trust_ci_free(&ci);
        return STATUS_CERT_MALFORMED;
    }
    *out = ci;
    return STATUS_OK;
}

const struct trust_key *trust_ci_key(const struct trust_ci *ci)
{
    return &ci->key;
}

void trust_ci_free(struct trust_ci **ci)
{
    if (*ci != NULL) {
        X509_free((*ci)->cert);
        free(*ci);
    }
    *ci = NULL;
}

/* -- EUM -- */

static bool named_as_issuer(const struct trust_ci *ci, X509 *eum)
{
    if (X509_NAME_cmp(X509_get_issuer_name(eum), X509_get_subject_name(ci->cert)) != 0) {
        return false;
    }
    const ASN1_OCTET_STRING *authority = X509_get0_authority_key_id(eum);
    const ASN1_OCTET_STRING *subject = X509_get0_subject_key_id(ci->cert);
    return authority == NULL || (subject != NULL && ASN1_OCTET_STRING_cmp(authority, subject) == 0);
}

/* The pinned CI that issued the certificate. Two CIs may share a name: all are tried. */
static enum status find_issuer(X509 *eum, size_t ci_count, struct trust_ci *const ci[],
                               const struct trust_ci **out)
{
    enum status s = STATUS_EUM_CI_UNKNOWN;
    for (size_t i = 0; i < ci_count; i++) {
        if (!named_as_issuer(ci[i], eum)) {
            continue;
        }
        if (X509_get_signature_nid(eum) == NID_ecdsa_with_SHA256 &&
            X509_verify(eum, X509_get0_pubkey(ci[i]->cert)) == 1) {
            *out = ci[i];
            return STATUS_OK;
        }
        s = STATUS_EUM_SIGNATURE;
    }
    return s;
}

/* CI -> EUM -> ECASD: the EUM is one CA below the CI, and no CA stands below the EUM. */
static bool path_length_allows(const struct trust_ci *ci)
{
    long allowed = X509_get_pathlen(ci->cert); /* -1: no limit */
    return allowed == -1 || allowed >= 1;
}

static bool has_policy(X509 *cert, const char *oid)
{
    CERTIFICATEPOLICIES *policies = X509_get_ext_d2i(cert, NID_certificate_policies, NULL, NULL);
    ASN1_OBJECT *wanted = OBJ_txt2obj(oid, 1);
    bool found = false;
    for (int i = 0; wanted != NULL && i < sk_POLICYINFO_num(policies); i++) {
        found = found || OBJ_cmp(sk_POLICYINFO_value(policies, i)->policyid, wanted) == 0;
    }
    ASN1_OBJECT_free(wanted);
    CERTIFICATEPOLICIES_free(policies);
    return found;
}

/* The serialNumber of a permitted directoryName: the leading digits of the EIDs that the EUM may
 * issue for (SGP.22 4.5.2.1.0.2). False unless there is exactly one, of digits. */
static bool prefix_of(const X509_NAME *name, char out[static TRUST_EID_DIGITS + 1])
{
    int at = X509_NAME_get_index_by_NID(name, NID_serialNumber, -1);
    if (at < 0 || X509_NAME_get_index_by_NID(name, NID_serialNumber, at) >= 0) {
        return false;
    }
    const ASN1_STRING *value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
    size_t len = (size_t)ASN1_STRING_length(value);
    const char *digits = (const char *)ASN1_STRING_get0_data(value);
    if (len == 0 || len > TRUST_EID_DIGITS) {
        return false;
    }
    memcpy(out, digits, len);
    out[len] = '\0';
    return strspn(out, "0123456789") == len;
}

/* Only permitted directory names with a prefix are understood; anything else is refused, because
 * a constraint that is not applied is one that is ignored. */
static bool prefixes_of(X509 *cert, struct trust_eum *eum)
{
    NAME_CONSTRAINTS *nc = X509_get_ext_d2i(cert, NID_name_constraints, NULL, NULL);
    int permitted = nc != NULL ? sk_GENERAL_SUBTREE_num(nc->permittedSubtrees) : 0;
    bool ok = nc != NULL && sk_GENERAL_SUBTREE_num(nc->excludedSubtrees) <= 0 && permitted > 0 &&
              permitted <= TRUST_PREFIXES_MAX;
    for (int i = 0; ok && i < permitted; i++) {
        const GENERAL_SUBTREE *tree = sk_GENERAL_SUBTREE_value(nc->permittedSubtrees, i);
        ok = tree->base->type == GEN_DIRNAME && tree->minimum == NULL && tree->maximum == NULL &&
             prefix_of(tree->base->d.directoryName, eum->prefixes[i]);
    }
    eum->prefix_count = ok ? (size_t)permitted : 0;
    NAME_CONSTRAINTS_free(nc);
    return ok;
}

static bool key_of(X509 *cert, struct trust_eum *eum)
{
    EVP_PKEY *key = X509_get0_pubkey(cert);
    eum->curve = named_curve(key);
    return eum->curve != CURVE_NONE && point_of(key, eum->point);
}

static bool ski_of(X509 *cert, struct trust_eum *eum)
{
    const ASN1_OCTET_STRING *ski = X509_get0_subject_key_id(cert);
    if (ski == NULL) { /* then no C9 can match */
        return true;
    }
    size_t len = (size_t)ASN1_STRING_length(ski);
    if (len == 0 || len > sizeof(eum->ski)) {
        return false;
    }
    memcpy(eum->ski, ASN1_STRING_get0_data(ski), len);
    eum->ski_len = len;
    return true;
}

static enum status judge(X509 *cert, size_t ci_count, struct trust_ci *const ci[],
                         struct trust_eum *eum)
{
    const struct trust_ci *issuer = NULL;
    struct trust_validity own;
    if (cert == NULL || !validity_of(cert, &own) || !ski_of(cert, eum)) {
        return STATUS_EUM_MALFORMED;
    }
    TRY(find_issuer(cert, ci_count, ci, &issuer));
    if (!is_ca(cert)) {
        return STATUS_EUM_NOT_CA;
    }
    if (!path_length_allows(issuer)) {
        return STATUS_EUM_PATH_LENGTH;
    }
    if (!may_sign_certificates(cert)) {
        return STATUS_EUM_KEY_USAGE;
    }
    if (!has_policy(cert, eum_policy)) {
        return STATUS_EUM_POLICY;
    }
    if (!prefixes_of(cert, eum)) {
        return STATUS_EUM_NAME_CONSTRAINTS;
    }
    if (!key_of(cert, eum)) {
        return STATUS_EUM_CURVE;
    }
    eum->validity = (struct trust_validity){
        .not_before = own.not_before > issuer->validity.not_before ? own.not_before
                                                                   : issuer->validity.not_before,
        .not_after =
            own.not_after < issuer->validity.not_after ? own.not_after : issuer->validity.not_after,
    };
    return STATUS_OK;
}

enum status trust_eum_judge(struct span der, size_t ci_count, struct trust_ci *const ci[],
                            struct trust_eum *eum)
{
    X509 *cert = parse(der);
    enum status s = judge(cert, ci_count, ci, eum);
    X509_free(cert);
    return s;
}
