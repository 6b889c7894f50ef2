/*
 * The checkpoint key under a report: ECDSA on P-256 over the SHA-256 of its text, in the form that
 * openssl dgst -verify reads.
 */
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <string.h>

#include "hsm/hex.h"
#include "hsm/log.h"
#include "hsm/report/report.h"
#include "hsm/token/ec_public.h"

static bool put_pem(EVP_PKEY *key, char *out, size_t size)
{
    BIO *bio = BIO_new(BIO_s_mem());
    int len =
        bio != NULL && PEM_write_bio_PUBKEY(bio, key) == 1 ? BIO_read(bio, out, (int)size - 1) : 0;
    out[len > 0 ? len : 0] = '\0';
    BIO_free(bio);
    return len > 0;
}

static enum status sign(struct token *t, const struct token_key *key, EVP_PKEY *public,
                        const uint8_t digest[static SHA256_LEN], struct report_signature *out)
{
    uint8_t signature[EC_SIGNATURE_LEN], der[ECDSA_DER_MAX];

    TRY(keys_sign_checkpoint(t, key, digest, signature));
    size_t len = ecdsa_der(signature, der);
    if (len == 0 || !put_pem(public, out->pem, sizeof out->pem)) {
        return STATUS_INTERNAL;
    }
    if (!ecdsa_verifies(public, digest, der, len)) {
        log_line("the report's signature does not verify under the checkpoint key's own point");
        return STATUS_TOKEN_ERROR;
    }
    (void)EVP_EncodeBlock((unsigned char *)out->base64, der, (int)len);
    return STATUS_OK;
}

enum status report_sign(struct token *t, const struct token_key *key, struct span text,
                        struct report_signature *out, uint8_t digest[static SHA256_LEN])
{
    uint8_t fingerprint[SHA256_LEN];
    EVP_PKEY *public = ec_public(key);

    *out = (struct report_signature){0};
    (void)SHA256(text.ptr, text.len, digest);
    (void)SHA256(key->point, sizeof key->point, fingerprint);
    hex_put(out->point_sha256, fingerprint, sizeof fingerprint);
    enum status st = public == NULL ? STATUS_INTERNAL : sign(t, key, public, digest, out);
    EVP_PKEY_free(public);
    return st;
}
