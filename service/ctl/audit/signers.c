#include "service/ctl/audit/signers.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <stdio.h>

#include "providers/kdf/sym.h"

/* SubjectPublicKeyInfo of a P-256 key up to its point: SEQUENCE { SEQUENCE { id-ecPublicKey,
 * prime256v1 }, BIT STRING (RFC 5480). */
static const uint8_t spki_begin[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48,
                                     0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86, 0x48,
                                     0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};

static void key_id(const uint8_t point[static EC_POINT_LEN], uint8_t id[static AUDIT_KEY_ID_LEN])
{
    uint8_t spki[sizeof spki_begin + EC_POINT_LEN], hash[SHA256_LEN];
    memcpy(spki, spki_begin, sizeof spki_begin);
    memcpy(spki + sizeof spki_begin, point, EC_POINT_LEN);
    (void)SHA256(spki, sizeof spki, hash);
    memcpy(id, hash, AUDIT_KEY_ID_LEN);
}

static bool point_of(const EVP_PKEY *key, uint8_t point[static EC_POINT_LEN])
{
    char group[32] = "";
    uint8_t x[EC_SCALAR_LEN], y[EC_SCALAR_LEN];
    BIGNUM *X = NULL, *Y = NULL;
    bool ok = key != NULL && EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
              EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group,
                                             NULL) == 1 &&
              strcmp(group, "prime256v1") == 0 &&
              EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_X, &X) == 1 &&
              EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_Y, &Y) == 1 &&
              BN_bn2binpad(X, x, sizeof x) > 0 && BN_bn2binpad(Y, y, sizeof y) > 0;
    BN_free(X);
    BN_free(Y);
    if (ok) {
        point[0] = POINT_CONVERSION_UNCOMPRESSED;
        memcpy(point + 1, x, sizeof x);
        memcpy(point + 1 + sizeof x, y, sizeof y);
    }
    return ok;
}

static bool add(struct signers *s, EVP_PKEY *key, const char *file, char *error)
{
    struct signer new;
    if (!point_of(key, new.point)) {
        (void)snprintf(error, SIGNERS_ERROR_MAX, "%s: a public key there is not of P-256", file);
        return false;
    }
    key_id(new.point, new.id);
    if (signers_find(s, new.id) != NULL) {
        return true;
    }
    if (s->n == SIGNERS_MAX) {
        (void)snprintf(error, SIGNERS_ERROR_MAX, "%s: more than %d keys", file, SIGNERS_MAX);
        return false;
    }
    s->key[s->n++] = new;
    return true;
}

/* The public keys among a file's PEM blocks; false: one is not to be read. */
static bool add_all(struct signers *s, FILE *in, const char *file, char *error)
{
    size_t found = 0;
    char *name, *header;
    unsigned char *der;
    long len;
    bool ok = true;
    while (ok && PEM_read(in, &name, &header, &der, &len) == 1) {
        const unsigned char *at = der;
        if (strcmp(name, PEM_STRING_PUBLIC) == 0) {
            EVP_PKEY *key = d2i_PUBKEY(NULL, &at, len);
            ok = add(s, key, file, error);
            EVP_PKEY_free(key);
            found++;
        }
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_free(der);
    }
    if (ok && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
        (void)snprintf(error, SIGNERS_ERROR_MAX, "%s: a PEM block there is broken", file);
        ok = false;
    }
    if (ok && found == 0) {
        (void)snprintf(error, SIGNERS_ERROR_MAX,
                       "%s: no public key in PEM; eckactl keys list --pem checkpoint prints them",
                       file);
        ok = false;
    }
    ERR_clear_error(); /* the end of the file is one */
    return ok;
}

bool signers_load(struct signers *s, const char *file, char error[static SIGNERS_ERROR_MAX])
{
    FILE *in = fopen(file, "re");
    if (in == NULL) {
        (void)snprintf(error, SIGNERS_ERROR_MAX, "%s: %s", file, strerror(errno));
        return false;
    }
    bool ok = add_all(s, in, file, error);
    (void)fclose(in);
    return ok;
}

const struct signer *signers_find(const struct signers *s, const uint8_t *id)
{
    for (size_t i = 0; i < s->n; i++) {
        if (memcmp(s->key[i].id, id, AUDIT_KEY_ID_LEN) == 0) {
            return &s->key[i];
        }
    }
    return NULL;
}

enum status signers_check(const struct signers *s, struct provider *p,
                          const struct audit_checkpoint *c)
{
    const struct signer *key = signers_find(s, c->key_id);
    uint8_t text[AUDIT_NOTE_TEXT_MAX], digest[SHA256_LEN];
    struct writer w = writer_of(text, sizeof text);
    enum status st = STATUS_INTERNAL;

    if (key == NULL) {
        return STATUS_KEY_UNKNOWN;
    }
    audit_note_text_put(&w, c);
    TRY(writer_check(&w));
    TRY(sym_sha256(provider_sym(p), writer_span(&w), digest));
    const struct verify_item item = {CURVE_P256, key->point, digest, c->signature};
    provider_verify_vartime(p, 1, &item, &st);
    return st == STATUS_OK || st == STATUS_SIGNATURE_INVALID ? st : STATUS_INTERNAL;
}
