#include "providers/kdf/sym.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "providers/core/secret.h"

enum {
    SHA256_OUT = 32,
    HKDF_BLOCKS_MAX = 255,
    KCV_FILL = 0x01,
};

/* A context keeps its cipher or digest, so there is one for each. */
enum mac_kind { CMAC_AES128, CMAC_AES192, CMAC_AES256, HMAC_SHA256, MAC_KINDS };

static const struct {
    const char *mac, *param, *value;
} mac_kinds[MAC_KINDS] = {
    [CMAC_AES128] = {"CMAC", OSSL_MAC_PARAM_CIPHER, "AES-128-CBC"},
    [CMAC_AES192] = {"CMAC", OSSL_MAC_PARAM_CIPHER, "AES-192-CBC"},
    [CMAC_AES256] = {"CMAC", OSSL_MAC_PARAM_CIPHER, "AES-256-CBC"},
    [HMAC_SHA256] = {"HMAC", OSSL_MAC_PARAM_DIGEST, "SHA256"},
};

struct sym {
    EVP_MD *sha256;
    EVP_MD_CTX *md;
    EVP_MAC_CTX *mac[MAC_KINDS]; /* NULL after a failure, until the next use */
    EVP_CIPHER *ecb128, *cbc128, *cbc192, *cbc256, *gcm256;
    EVP_CIPHER_CTX *ecb, *cbc, *gcm;
};

/* What a context is given as key so that it forgets the last one. */
static const uint8_t no_key[SYM_AES256_KEY_LEN];

/* The one place where libcrypto's answer becomes a status; outputs of a failure are wiped. */
static enum status conclude(int good, void *out, size_t out_len)
{
    if (good == 1) {
        return STATUS_OK;
    }
    ERR_clear_error();
    secret_wipe(out, out_len);
    return STATUS_INTERNAL;
}

static EVP_MAC_CTX *mac_new(enum mac_kind kind)
{
    char value[16];
    (void)snprintf(value, sizeof value, "%s", mac_kinds[kind].value);
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(mac_kinds[kind].param, value, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *mac = EVP_MAC_fetch(NULL, mac_kinds[kind].mac, NULL);
    EVP_MAC_CTX *ctx = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;
    EVP_MAC_free(mac);
    if (ctx != NULL && EVP_MAC_CTX_set_params(ctx, params) != 1) {
        EVP_MAC_CTX_free(ctx);
        ctx = NULL;
    }
    return ctx;
}

static enum status fetch_all(struct sym *s)
{
    s->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    s->md = EVP_MD_CTX_new();
    s->ecb128 = EVP_CIPHER_fetch(NULL, "AES-128-ECB", NULL);
    s->cbc128 = EVP_CIPHER_fetch(NULL, "AES-128-CBC", NULL);
    s->cbc192 = EVP_CIPHER_fetch(NULL, "AES-192-CBC", NULL);
    s->cbc256 = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    s->gcm256 = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    s->ecb = EVP_CIPHER_CTX_new();
    s->cbc = EVP_CIPHER_CTX_new();
    s->gcm = EVP_CIPHER_CTX_new();
    bool all = s->sha256 != NULL && s->md != NULL && s->ecb128 != NULL && s->cbc128 != NULL &&
               s->cbc192 != NULL && s->cbc256 != NULL && s->gcm256 != NULL && s->ecb != NULL &&
               s->cbc != NULL && s->gcm != NULL;
    for (size_t kind = 0; kind < MAC_KINDS; kind++) {
        s->mac[kind] = mac_new((enum mac_kind)kind);
        all = all && s->mac[kind] != NULL;
    }
    return all ? STATUS_OK : STATUS_INTERNAL;
}

enum status sym_new(struct sym **out)
{
    *out = NULL;
    struct sym *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return STATUS_INTERNAL;
    }
    if (fetch_all(s) != STATUS_OK) {
        ERR_clear_error();
        sym_free(&s);
        return STATUS_INTERNAL;
    }
    *out = s;
    return STATUS_OK;
}

void sym_free(struct sym **sp)
{
    struct sym *s = *sp;
    if (s == NULL) {
        return;
    }
    EVP_CIPHER_CTX_free(s->ecb);
    EVP_CIPHER_CTX_free(s->cbc);
    EVP_CIPHER_CTX_free(s->gcm);
    EVP_CIPHER_free(s->ecb128);
    EVP_CIPHER_free(s->cbc128);
    EVP_CIPHER_free(s->cbc192);
    EVP_CIPHER_free(s->cbc256);
    EVP_CIPHER_free(s->gcm256);
    for (size_t kind = 0; kind < MAC_KINDS; kind++) {
        EVP_MAC_CTX_free(s->mac[kind]);
    }
    EVP_MD_CTX_free(s->md);
    EVP_MD_free(s->sha256);
    free(s);
    *sp = NULL;
}

/* After its final a context still holds the digest as its state; starting anew overwrites it. */
static int hash(struct sym *s, size_t n, const struct span parts[], uint8_t out[static SHA256_OUT])
{
    int good = EVP_DigestInit_ex2(s->md, s->sha256, NULL);
    for (size_t i = 0; i < n && good == 1; i++) {
        good = EVP_DigestUpdate(s->md, parts[i].ptr, parts[i].len);
    }
    good = good == 1 ? EVP_DigestFinal_ex(s->md, out, NULL) : 0;
    return EVP_DigestInit_ex2(s->md, s->sha256, NULL) == 1 ? good : 0;
}

enum status sym_sha256(struct sym *s, struct span in, uint8_t out[static 32])
{
    return conclude(hash(s, 1, &in, out), out, SHA256_OUT);
}

enum status sym_sha256_parts(struct sym *s, size_t n, const struct span parts[],
                             uint8_t out[static 32])
{
    return conclude(hash(s, n, parts, out), out, SHA256_OUT);
}

enum status sym_x963(struct sym *s, struct span z, struct span shared_info, uint8_t *out,
                     size_t out_len)
{
    uint8_t counter[4] = {0};
    uint8_t block[SHA256_OUT];
    int good = 1;
    if (out_len / SHA256_OUT >= UINT32_MAX) {
        secret_wipe(out, out_len);
        return STATUS_BAD_LENGTH;
    }
    for (size_t done = 0, i = 1; done < out_len && good == 1; i++) {
        struct writer w = writer_of(counter, sizeof counter);
        put_be(&w, i, sizeof counter);
        const struct span parts[] = {z, span_of(counter, sizeof counter), shared_info};
        good = hash(s, sizeof parts / sizeof parts[0], parts, block);
        size_t n = out_len - done < SHA256_OUT ? out_len - done : SHA256_OUT;
        memcpy(out + done, block, n);
        done += n;
    }
    secret_wipe(block, sizeof block);
    return conclude(good, out, out_len);
}

static int mac_compute(EVP_MAC_CTX *ctx, struct span key, size_t n, const struct span parts[],
                       uint8_t *out, size_t out_len)
{
    size_t len = 0;
    if (EVP_MAC_init(ctx, key.ptr, key.len, NULL) != 1) {
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        if (EVP_MAC_update(ctx, parts[i].ptr, parts[i].len) != 1) {
            return 0;
        }
    }
    if (EVP_MAC_final(ctx, out, &len, out_len) != 1 || len != out_len) {
        return 0;
    }
    size_t blank = key.len < sizeof no_key ? key.len : sizeof no_key;
    return EVP_MAC_init(ctx, no_key, blank, NULL);
}

/*
 * One MAC over parts; the context is re-keyed before and after. One that failed is freed, which
 * wipes it too: libcrypto 3.0 crashes when it re-keys a CMAC whose last keying ran out of memory.
 */
static int mac(struct sym *s, enum mac_kind kind, struct span key, size_t n,
               const struct span parts[], uint8_t *out, size_t out_len)
{
    EVP_MAC_CTX **ctx = &s->mac[kind];
    if (*ctx == NULL) {
        *ctx = mac_new(kind);
    }
    int good = *ctx != NULL ? mac_compute(*ctx, key, n, parts, out, out_len) : 0;
    if (good != 1) {
        EVP_MAC_CTX_free(*ctx);
        *ctx = NULL;
    }
    return good;
}

enum status sym_cmac_parts(struct sym *s, struct span key, size_t n, const struct span parts[],
                           uint8_t out[static SYM_CMAC_LEN])
{
    enum mac_kind kind;
    switch (key.len) {
    case SYM_AES128_KEY_LEN:
        kind = CMAC_AES128;
        break;
    case SYM_AES192_KEY_LEN:
        kind = CMAC_AES192;
        break;
    case SYM_AES256_KEY_LEN:
        kind = CMAC_AES256;
        break;
    default:
        secret_wipe(out, SYM_CMAC_LEN);
        return STATUS_BAD_LENGTH;
    }
    return conclude(mac(s, kind, key, n, parts, out, SYM_CMAC_LEN), out, SYM_CMAC_LEN);
}

enum status sym_cmac(struct sym *s, struct span key, struct span in,
                     uint8_t out[static SYM_CMAC_LEN])
{
    return sym_cmac_parts(s, key, 1, &in, out);
}

static enum status hmac_parts(struct sym *s, struct span key, size_t n, const struct span parts[],
                              uint8_t out[static SHA256_OUT])
{
    uint8_t digest[SHA256_OUT]; /* a key over the block length is hashed first (RFC 2104) */
    enum { HMAC_BLOCK = 64 };
    enum status status = STATUS_OK;
    if (key.len > HMAC_BLOCK) {
        status = sym_sha256(s, key, digest);
        key = span_of(digest, sizeof digest);
    } else if (key.len == 0) {
        key = span_of(no_key, 1); /* the same key, once padded with zeros */
    }
    if (status == STATUS_OK) {
        status = conclude(mac(s, HMAC_SHA256, key, n, parts, out, SHA256_OUT), out, SHA256_OUT);
    } else {
        secret_wipe(out, SHA256_OUT);
    }
    secret_wipe(digest, sizeof digest);
    return status;
}

enum status sym_hmac_sha256(struct sym *s, struct span key, struct span in, uint8_t out[static 32])
{
    return hmac_parts(s, key, 1, &in, out);
}

static enum status hkdf_expand(struct sym *s, struct span prk, struct span info, uint8_t *out,
                               size_t out_len)
{
    uint8_t t[SHA256_OUT];
    size_t t_len = 0; /* T(0) is empty */
    uint8_t i = 0;
    enum status status = STATUS_OK;
    for (size_t done = 0; done < out_len && status == STATUS_OK;) {
        i++;
        const struct span parts[] = {span_of(t, t_len), info, span_of(&i, 1)};
        status = hmac_parts(s, prk, sizeof parts / sizeof parts[0], parts, t);
        t_len = sizeof t;
        size_t n = out_len - done < sizeof t ? out_len - done : sizeof t;
        memcpy(out + done, t, n);
        done += n;
    }
    secret_wipe(t, sizeof t);
    return status;
}

enum status sym_hkdf(struct sym *s, struct span ikm, struct span salt, struct span info,
                     uint8_t *out, size_t out_len)
{
    uint8_t prk[SHA256_OUT];
    enum status status = out_len > HKDF_BLOCKS_MAX * sizeof prk ? STATUS_BAD_LENGTH : STATUS_OK;
    if (status == STATUS_OK) {
        status = hmac_parts(s, salt, 1, &ikm, prk);
    }
    if (status == STATUS_OK) {
        status = hkdf_expand(s, span_of(prk, sizeof prk), info, out, out_len);
    }
    if (status != STATUS_OK) {
        secret_wipe(out, out_len);
    }
    secret_wipe(prk, sizeof prk);
    return status;
}

enum status sym_kcv(struct sym *s, const uint8_t key[static 16], uint8_t out[static SYM_KCV_LEN])
{
    uint8_t block[SYM_BLOCK];
    int len = 0;
    memset(block, KCV_FILL, sizeof block);
    int good = EVP_EncryptInit_ex2(s->ecb, s->ecb128, key, NULL, NULL) == 1 &&
               EVP_CIPHER_CTX_set_padding(s->ecb, 0) == 1 &&
               EVP_EncryptUpdate(s->ecb, block, &len, block, sizeof block) == 1 &&
               len == (int)sizeof block;
    memcpy(out, block, SYM_KCV_LEN);
    secret_wipe(block, sizeof block);
    int forgotten = EVP_EncryptInit_ex2(s->ecb, s->ecb128, no_key, NULL, NULL);
    return conclude(good == 1 ? forgotten : 0, out, SYM_KCV_LEN);
}

enum { DECRYPT = 0, ENCRYPT = 1 };

static const EVP_CIPHER *cbc_of(const struct sym *s, size_t key_len)
{
    return key_len == SYM_AES128_KEY_LEN   ? s->cbc128
           : key_len == SYM_AES192_KEY_LEN ? s->cbc192
           : key_len == SYM_AES256_KEY_LEN ? s->cbc256
                                           : NULL;
}

static enum status cbc(struct sym *s, int direction, struct span key, const uint8_t *iv,
                       const uint8_t *in, uint8_t *out, size_t len)
{
    const EVP_CIPHER *cipher = cbc_of(s, key.len);
    if (cipher == NULL || len % SYM_BLOCK != 0 || len > INT_MAX) {
        secret_wipe(out, len);
        return STATUS_BAD_LENGTH;
    }
    int n = 0;
    int good = EVP_CipherInit_ex2(s->cbc, cipher, key.ptr, iv, direction, NULL) == 1 &&
               EVP_CIPHER_CTX_set_padding(s->cbc, 0) == 1 &&
               EVP_CipherUpdate(s->cbc, out, &n, in, (int)len) == 1 && n == (int)len;
    int forgotten = EVP_CipherInit_ex2(s->cbc, cipher, no_key, no_key, direction, NULL);
    return conclude(good == 1 ? forgotten : 0, out, len);
}

enum status sym_cbc_encrypt(struct sym *s, struct span key, const uint8_t iv[static 16],
                            const uint8_t *in, uint8_t *out, size_t len)
{
    return cbc(s, ENCRYPT, key, iv, in, out, len);
}

enum status sym_cbc_decrypt(struct sym *s, struct span key, const uint8_t iv[static 16],
                            const uint8_t *in, uint8_t *out, size_t len)
{
    return cbc(s, DECRYPT, key, iv, in, out, len);
}

/* Key, nonce, associated data and text; what is left is the tag. */
static int gcm_text(struct sym *s, int direction, const uint8_t *key, const uint8_t *nonce,
                    struct span aad, struct span in, uint8_t *out)
{
    int n = 0;
    if (aad.len > INT_MAX || in.len > INT_MAX ||
        EVP_CipherInit_ex2(s->gcm, s->gcm256, key, nonce, direction, NULL) != 1) {
        return 0;
    }
    if (aad.len != 0 && EVP_CipherUpdate(s->gcm, NULL, &n, aad.ptr, (int)aad.len) != 1) {
        return 0;
    }
    if (in.len == 0) {
        return 1;
    }
    return EVP_CipherUpdate(s->gcm, out, &n, in.ptr, (int)in.len) == 1 && n == (int)in.len;
}

static int gcm_forget(struct sym *s)
{
    return EVP_EncryptInit_ex2(s->gcm, s->gcm256, no_key, no_key, NULL);
}

enum status sym_gcm_seal(struct sym *s, const uint8_t key[static 32],
                         const uint8_t nonce[static SYM_GCM_NONCE_LEN], struct span aad,
                         struct span in, uint8_t *out, uint8_t tag[static SYM_GCM_TAG_LEN])
{
    int n = 0;
    uint8_t none[SYM_BLOCK]; /* a stream mode's final writes nothing, but wants a place */
    int good = gcm_text(s, ENCRYPT, key, nonce, aad, in, out) == 1 &&
               EVP_EncryptFinal_ex(s->gcm, none, &n) == 1 &&
               EVP_CIPHER_CTX_ctrl(s->gcm, EVP_CTRL_AEAD_GET_TAG, SYM_GCM_TAG_LEN, tag) == 1;
    int forgotten = gcm_forget(s);
    enum status status = conclude(good == 1 ? forgotten : 0, out, in.len);
    if (status != STATUS_OK) {
        secret_wipe(tag, SYM_GCM_TAG_LEN);
    }
    return status;
}

enum status sym_gcm_open(struct sym *s, const uint8_t key[static 32],
                         const uint8_t nonce[static SYM_GCM_NONCE_LEN], struct span aad,
                         struct span in, const uint8_t tag[static SYM_GCM_TAG_LEN], uint8_t *out)
{
    int n = 0;
    uint8_t none[SYM_BLOCK];
    uint8_t expected[SYM_GCM_TAG_LEN]; /* EVP takes the tag by a pointer that is not const */
    memcpy(expected, tag, sizeof expected);
    int good = gcm_text(s, DECRYPT, key, nonce, aad, in, out) == 1 &&
               EVP_CIPHER_CTX_ctrl(s->gcm, EVP_CTRL_AEAD_SET_TAG, sizeof expected, expected) == 1;
    bool genuine = good == 1 && EVP_DecryptFinal_ex(s->gcm, none, &n) == 1;
    int forgotten = gcm_forget(s);
    if (good == 1 && !genuine) {
        ERR_clear_error();
        secret_wipe(out, in.len);
        return STATUS_BLOB_FORGED;
    }
    return conclude(good == 1 ? forgotten : 0, out, in.len);
}
