#include "tests/unit/service/x509_maker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509v3.h>

#include "proto/wire/limits.h"

/* The private key of a P-256 scalar. */
static EVP_PKEY *key_of_scalar(struct span scalar)
{
    BIGNUM *d = BN_bin2bn(scalar.ptr, (int)scalar.len, NULL);
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    EC_POINT *Q = EC_POINT_new(group);
    uint8_t point[65];
    assert_int_equal(EC_POINT_mul(group, Q, d, NULL, NULL, NULL), 1);
    assert_int_equal(
        EC_POINT_point2oct(group, Q, POINT_CONVERSION_UNCOMPRESSED, point, sizeof(point), NULL),
        sizeof(point));
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    assert_true(
        OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, d) &&
        OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)));
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *key = NULL;
    assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
    assert_int_equal(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params), 1);
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    EC_POINT_free(Q);
    EC_GROUP_free(group);
    BN_free(d);
    return key;
}

static EVP_PKEY *fresh_key(const struct x509_recipe *r)
{
    const char *curve = r->curve != NULL ? r->curve : r->brainpool ? "brainpoolP256r1" : "P-256";
    EVP_PKEY *key = EVP_EC_gen(curve);
    assert_non_null(key);
    if (r->explicit_parameters) {
        assert_int_equal(EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_ENCODING,
                                                        OSSL_PKEY_EC_ENCODING_EXPLICIT),
                         1);
    }
    return key;
}

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    CONF *conf = NCONF_new(NULL); /* empty, but policies are not parsed without one */
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509V3_set_nconf(&ctx, conf);
    X509_EXTENSION *e = X509V3_EXT_nconf_nid(conf, &ctx, nid, value);
    assert_non_null(e);
    NCONF_free(conf);
    assert_int_equal(X509_add_ext(cert, e, -1), 1);
    X509_EXTENSION_free(e);
}

static void add_name_constraints(X509 *cert, const char *prefix, bool excluded)
{
    NAME_CONSTRAINTS *nc = NAME_CONSTRAINTS_new();
    GENERAL_SUBTREE *tree = GENERAL_SUBTREE_new();
    X509_NAME *name = X509_NAME_new();
    assert_true(
        X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC, (const uint8_t *)"Maker", -1, -1, 0));
    assert_true(X509_NAME_add_entry_by_NID(name, NID_serialNumber, MBSTRING_ASC,
                                           (const uint8_t *)prefix, -1, -1, 0));
    tree->base->type = GEN_DIRNAME;
    tree->base->d.directoryName = name;
    nc->permittedSubtrees = sk_GENERAL_SUBTREE_new_null();
    assert_true(sk_GENERAL_SUBTREE_push(nc->permittedSubtrees, tree) > 0);
    if (excluded) {
        nc->excludedSubtrees = sk_GENERAL_SUBTREE_new_null();
        GENERAL_SUBTREE *other = GENERAL_SUBTREE_new();
        other->base->type = GEN_DIRNAME;
        other->base->d.directoryName = X509_NAME_dup(name);
        assert_true(sk_GENERAL_SUBTREE_push(nc->excludedSubtrees, other) > 0);
    }
    assert_int_equal(X509_add1_ext_i2d(cert, NID_name_constraints, nc, 1, X509V3_ADD_DEFAULT), 1);
    NAME_CONSTRAINTS_free(nc);
}

static void add_unknown_critical(X509 *cert)
{
    ASN1_OBJECT *oid = OBJ_txt2obj("2.999.77", 1);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    assert_int_equal(ASN1_OCTET_STRING_set(value, (const uint8_t *)"\x05\x00", 2), 1);
    X509_EXTENSION *e = X509_EXTENSION_create_by_OBJ(NULL, oid, 1, value);
    assert_non_null(e);
    assert_int_equal(X509_add_ext(cert, e, -1), 1);
    X509_EXTENSION_free(e);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(oid);
}

static void add_extensions(const struct x509_recipe *r, X509 *cert, X509 *issuer)
{
    const char *ca = r->not_ca ? "critical,CA:FALSE" : "critical,CA:TRUE,pathlen:0";
    char policy[64];
    add_extension(cert, issuer, NID_subject_key_identifier, "hash");
    if (!r->self_signed) {
        /* With the certificate itself as the issuer, the identifier is its own: a wrong one. */
        add_extension(cert, r->other_authority_key_id ? cert : issuer, NID_authority_key_identifier,
                      "keyid:always");
    }
    add_extension(cert, issuer, NID_basic_constraints,
                  r->basic_constraints != NULL ? r->basic_constraints : ca);
    if (!r->no_key_usage) {
        add_extension(cert, issuer, NID_key_usage,
                      r->key_usage != NULL ? r->key_usage : "critical,keyCertSign");
    }
    if (!r->no_policy) {
        (void)snprintf(policy, sizeof(policy), "critical,%s",
                       r->policy != NULL ? r->policy : "2.23.146.1.2.1.2");
        add_extension(cert, issuer, NID_certificate_policies, policy);
    }
    if (!r->no_name_constraints) {
        add_name_constraints(cert, r->prefix != NULL ? r->prefix : "89049032", r->excluded);
    }
    if (r->unknown_critical) {
        add_unknown_critical(cert);
    }
}

static void set_names(const struct x509_recipe *r, X509 *cert, X509 *issuer)
{
    X509_NAME *name = X509_NAME_new();
    assert_true(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"Made EUM",
                                           -1, -1, 0));
    const X509_NAME *issuer_name = X509_get_subject_name(issuer);
    assert_true(X509_set_issuer_name(cert, r->other_issuer_name ? name : issuer_name));
    assert_true(X509_set_subject_name(cert, r->self_signed ? issuer_name : name));
    X509_NAME_free(name);
}

static void set_dates(const struct x509_recipe *r, X509 *cert)
{
    enum { YEAR_2021 = 1609459200 };
    const int64_t year_2050 = 2524608000;
    int64_t from = r->not_before != 0 ? r->not_before : YEAR_2021;
    int64_t to = r->not_after != 0 ? r->not_after : year_2050;
    assert_non_null(ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)from));
    assert_non_null(ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)to));
}

struct span x509_make(const struct x509_recipe *r, struct span issuer_der, struct span issuer_key,
                      uint8_t *out)
{
    const unsigned char *in = issuer_der.ptr;
    X509 *issuer = d2i_X509(NULL, &in, (long)issuer_der.len);
    EVP_PKEY *signer = r->other_issuer_key ? EVP_EC_gen("P-256") : key_of_scalar(issuer_key);
    EVP_PKEY *key = r->self_signed ? key_of_scalar(issuer_key) : fresh_key(r);
    X509 *cert = X509_new();
    assert_true(issuer != NULL && signer != NULL && cert != NULL);
    assert_int_equal(X509_set_version(cert, X509_VERSION_3), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(cert), 77), 1);
    set_names(r, cert, issuer);
    set_dates(r, cert);
    assert_int_equal(X509_set_pubkey(cert, key), 1);
    add_extensions(r, cert, issuer);
    assert_true(X509_sign(cert, signer, r->sha1 ? EVP_sha1() : EVP_sha256()) > 0);
    unsigned char *to = out;
    int len = i2d_X509(cert, NULL);
    assert_in_range(len, 1, WIRE_EUM_MAX);
    assert_int_equal(i2d_X509(cert, &to), len);
    X509_free(cert);
    X509_free(issuer);
    EVP_PKEY_free(key);
    EVP_PKEY_free(signer);
    return span_of(out, (size_t)len);
}
