/*
 * keys-csr: a PKCS#10 request of an sr-establish key.
 *
 * The one signature of SK.SR.ECDSA beside key establishments. It is over the SHA-256 of a
 * CertificationRequestInfo that this file built from the token's own point and a common name: a DER
 * SEQUENCE (30), which no card takes for the DGI 3A02 that a key establishment begins with.
 */
#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "hsm/ceremony/stage.h"
#include "hsm/log.h"
#include "hsm/token/ec_public.h"

/* r || s as a DER ECDSA-Sig-Value in a bit string. */
static ASN1_BIT_STRING *signature_bits(const uint8_t signature[static EC_SIGNATURE_LEN])
{
    uint8_t der[ECDSA_DER_MAX];
    size_t len = ecdsa_der(signature, der);
    ASN1_BIT_STRING *out = len == 0 ? NULL : ASN1_BIT_STRING_new();
    if (out != NULL && ASN1_BIT_STRING_set(out, der, (int)len) != 1) {
        ASN1_BIT_STRING_free(out);
        return NULL;
    }
    if (out != NULL) {
        out->flags &= ~(ASN1_STRING_FLAG_BITS_LEFT | 0x07); /* all bits are used */
        out->flags |= ASN1_STRING_FLAG_BITS_LEFT;
    }
    return out;
}

static bool fill_in(X509_REQ *req, EVP_PKEY *key, const char *common_name)
{
    X509_NAME *name = X509_NAME_new();
    bool ok = name != NULL &&
              X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                         (const unsigned char *)common_name, -1, -1, 0) == 1 &&
              X509_REQ_set_version(req, X509_REQ_VERSION_1) == 1 &&
              X509_REQ_set_subject_name(req, name) == 1 && X509_REQ_set_pubkey(req, key) == 1;
    X509_NAME_free(name);
    return ok;
}

static enum status sign_in_token(struct token *t, const struct token_key *key, X509_REQ *req)
{
    unsigned char *tbs = NULL;
    uint8_t digest[SHA256_LEN], signature[EC_SIGNATURE_LEN];
    X509_ALGOR *algorithm = X509_ALGOR_new();
    ASN1_BIT_STRING *bits = NULL;
    enum status st = STATUS_INTERNAL;

    int len = i2d_re_X509_REQ_tbs(req, &tbs);
    if (len > 0 && algorithm != NULL && SHA256(tbs, (size_t)len, digest) != NULL) {
        st = keys_sign_sr(t, key, digest, signature);
    }
    if (st == STATUS_OK) {
        bits = signature_bits(signature);
        st = bits != NULL &&
                     X509_ALGOR_set0(algorithm, OBJ_nid2obj(NID_ecdsa_with_SHA256), V_ASN1_UNDEF,
                                     NULL) == 1 &&
                     X509_REQ_set1_signature_algo(req, algorithm) == 1
                 ? STATUS_OK
                 : STATUS_INTERNAL;
    }
    if (st == STATUS_OK) {
        X509_REQ_set0_signature(req, bits); /* takes it */
    } else {
        ASN1_BIT_STRING_free(bits);
    }
    X509_ALGOR_free(algorithm);
    OPENSSL_free(tbs);
    return st;
}

enum status csr_make(struct token *t, const struct token_key *key, const char *common_name,
                     FILE *out)
{
    EVP_PKEY *public = ec_public(key);
    X509_REQ *req = X509_REQ_new();
    enum status st = STATUS_INTERNAL;

    if (public != NULL && req != NULL && fill_in(req, public, common_name)) {
        st = sign_in_token(t, key, req);
    }
    if (st == STATUS_OK && X509_REQ_verify(req, public) != 1) {
        log_line("the token's signature does not verify under the key's own point");
        st = STATUS_TOKEN_ERROR;
    }
    if (st == STATUS_OK && out != NULL && PEM_write_X509_REQ(out, req) != 1) {
        st = STATUS_INTERNAL;
    }
    X509_REQ_free(req);
    EVP_PKEY_free(public);
    return st;
}

enum status ceremony_csr(struct stage *s)
{
    const struct ceremony *c = s->asked;
    const struct token_key *key = keys_find(&s->keys, KEY_SR_ESTABLISH, c->generation);

    if (key == NULL) {
        log_line("the token holds no sr-establish %" PRIu32 "; eckactl keys list shows what there "
                 "is",
                 c->generation);
        return STATUS_DENIED;
    }
    if (stage_only_says(s, "sign a request of sr-establish %" PRIu32 " for CN=%s", c->generation,
                        c->common_name)) {
        return STATUS_OK;
    }
    TRY(csr_make(&s->token, key, c->common_name, stdout));
    TRY(stage_event(s, "signed a certification request CN=\"%s\"", c->common_name));
    return stage_record_key(s, "requested", key);
}
