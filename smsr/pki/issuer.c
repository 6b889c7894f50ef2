#include "smsr/pki/issuer.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/param_build.h>
#include <openssl/x509v3.h>

static const char *group_name(enum curve curve)
{
    switch (curve) {
    case CURVE_P256:
        return "prime256v1";
    case CURVE_BRAINPOOLP256R1:
        return "brainpoolP256r1";
    default:
        return NULL;
    }
}

enum status issuer_generate(enum curve curve, EVP_PKEY **out)
{
    *out = NULL;
    const char *group = group_name(curve);
    if (group == NULL) {
        return STATUS_BAD_CURVE;
    }
    *out = EVP_EC_gen(group);
    return *out != NULL ? STATUS_OK : STATUS_INTERNAL;
}

static OSSL_PARAM *key_params(const char *group, const uint8_t *scalar, const uint8_t *point)
{
    OSSL_PARAM *params = NULL;
    BIGNUM *d = BN_bin2bn(scalar, EC_SCALAR_LEN, NULL);
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    if (d != NULL && bld != NULL &&
        OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, group, 0) == 1 &&
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, d) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, EC_POINT_LEN) == 1) {
        params = OSSL_PARAM_BLD_to_param(bld);
    }
    OSSL_PARAM_BLD_free(bld);
    BN_clear_free(d);
    return params;
}

enum status issuer_import(enum curve curve, const uint8_t scalar[static EC_SCALAR_LEN],
                          const uint8_t point[static EC_POINT_LEN], EVP_PKEY **out)
{
    *out = NULL;
    const char *group = group_name(curve);
    if (group == NULL) {
        return STATUS_BAD_CURVE;
    }
    OSSL_PARAM *params = key_params(group, scalar, point);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    enum status s = STATUS_INTERNAL;
    if (params != NULL && ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
        EVP_PKEY_fromdata(ctx, out, EVP_PKEY_KEYPAIR, params) == 1) {
        s = STATUS_OK;
    }
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return s;
}

enum status issuer_point(const EVP_PKEY *key, uint8_t out[static EC_POINT_LEN])
{
    size_t len = 0;
    memset(out, 0, EC_POINT_LEN);
    if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, out, EC_POINT_LEN, &len) !=
            1 ||
        len != EC_POINT_LEN || out[0] != 0x04) {
        memset(out, 0, EC_POINT_LEN);
        return STATUS_BAD_POINT;
    }
    return STATUS_OK;
}

/* DER SEQUENCE { r, s } to r || s. */
static enum status raw_signature(const uint8_t *der, size_t len, uint8_t *out)
{
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);
    enum status s = STATUS_INTERNAL;
    if (sig != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, EC_SCALAR_LEN) == EC_SCALAR_LEN &&
        BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + EC_SCALAR_LEN, EC_SCALAR_LEN) == EC_SCALAR_LEN) {
        s = STATUS_OK;
    }
    ECDSA_SIG_free(sig);
    return s;
}

enum status issuer_sign(EVP_PKEY *key, struct span message, uint8_t out[static EC_SIGNATURE_LEN])
{
    uint8_t der[2 + 2 * (2 + 1 + EC_SCALAR_LEN)];
    size_t len = sizeof(der);
    enum status s = STATUS_INTERNAL;
    memset(out, 0, EC_SIGNATURE_LEN);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx != NULL && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
        EVP_DigestSign(ctx, der, &len, message.ptr, message.len) == 1) {
        s = raw_signature(der, len, out);
    }
    EVP_MD_CTX_free(ctx);
    return s;
}

enum status issuer_certify(EVP_PKEY *key, const struct gp_cert_fields *fields, struct writer *out)
{
    uint8_t tbs_bytes[GP_CERT_MAX];
    uint8_t signature[EC_SIGNATURE_LEN];
    struct writer tbs = writer_of(tbs_bytes, sizeof(tbs_bytes));
    gp_cert_put_tbs(&tbs, fields);
    TRY(writer_check(&tbs));
    TRY(issuer_sign(key, writer_span(&tbs), signature));
    gp_cert_put(out, writer_span(&tbs), span_of(signature, sizeof(signature)));
    return writer_check(out);
}

enum status issuer_read_x509(struct span der, uint8_t point[static EC_POINT_LEN],
                             uint8_t ski[static ISSUER_SKI_LEN])
{
    const uint8_t *p = der.ptr;
    enum status s = STATUS_CERT_MALFORMED;
    X509 *x = d2i_X509(NULL, &p, (long)der.len);
    const ASN1_OCTET_STRING *id = x != NULL ? X509_get0_subject_key_id(x) : NULL;
    if (id != NULL && ASN1_STRING_length(id) == ISSUER_SKI_LEN && X509_get0_pubkey(x) != NULL) {
        memcpy(ski, ASN1_STRING_get0_data(id), ISSUER_SKI_LEN);
        s = issuer_point(X509_get0_pubkey(x), point);
    }
    X509_free(x);
    return s;
}

void issuer_eid_prefix(struct span der, char out[static ISSUER_EID_PREFIX_MAX])
{
    const uint8_t *p = der.ptr;
    X509 *x = d2i_X509(NULL, &p, (long)der.len);
    NAME_CONSTRAINTS *c = x != NULL ? X509_get_ext_d2i(x, NID_name_constraints, NULL, NULL) : NULL;
    const GENERAL_SUBTREE *first =
        c != NULL ? sk_GENERAL_SUBTREE_value(c->permittedSubtrees, 0) : NULL;
    out[0] = '\0';
    if (first != NULL && first->base->type == GEN_DIRNAME &&
        X509_NAME_get_text_by_NID(first->base->d.directoryName, NID_serialNumber, out,
                                  ISSUER_EID_PREFIX_MAX) < 0) {
        out[0] = '\0';
    }
    NAME_CONSTRAINTS_free(c);
    X509_free(x);
}

enum status issuer_sha256(struct span in, uint8_t out[static SHA256_LEN])
{
    size_t len = SHA256_LEN;
    return EVP_Q_digest(NULL, "SHA256", NULL, in.ptr, in.len, out, &len) == 1 ? STATUS_OK
                                                                              : STATUS_INTERNAL;
}
