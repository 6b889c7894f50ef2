/*
 * SIGNATURE ECDSA. Verification with keys on P-256 and brainpoolP256r1 runs on the kernels, signing
 * with a key behind the service in its token; the default provider does the rest, and every
 * verification that is not plain: an encoding that is not DER, a kernel that cannot tell.
 *
 * Digests are computed here, with the default provider's hashes, so that all ways end in the two
 * raw operations.
 */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <string.h>

#include "proto/status.h"
#include "providers/ossl/der.h"
#include "providers/ossl/key.h"
#include "providers/ossl/process.h"

enum {
    DIGEST_NAME_MAX = 64,
    SCALAR_LEN = EC_SCALAR_LEN,
};

struct signing {
    struct module *module;
    struct key *key;
    int operation; /* EVP_PKEY_OP_SIGN or EVP_PKEY_OP_VERIFY */
    EVP_MD *md;
    size_t md_size;         /* what is signed must have this length; 0: any */
    bool hashing;           /* between the init and the final: the digest stays */
    EVP_MD_CTX *hash;       /* NULL before the first digest init */
    EVP_PKEY_CTX *standard; /* the default provider's, made when it is needed */
};

static void *ecdsa_newctx(void *provctx, const char *properties)
{
    struct signing *s = OPENSSL_zalloc(sizeof *s);
    (void)properties; /* they choose among the application's providers, not ours */
    if (s != NULL) {
        s->module = provctx;
    }
    return s;
}

static void ecdsa_freectx(void *ctx)
{
    struct signing *s = ctx;
    if (s != NULL) {
        EVP_PKEY_CTX_free(s->standard);
        EVP_MD_CTX_free(s->hash);
        EVP_MD_free(s->md);
        key_free(s->key);
        OPENSSL_free(s);
    }
}

static void *ecdsa_dupctx(void *ctx)
{
    const struct signing *from = ctx;
    struct signing *s = OPENSSL_memdup(from, sizeof *from);
    if (s == NULL) {
        return NULL;
    }
    s->key = key_take(from->key);
    s->standard = NULL;
    s->hash = NULL;
    if (s->md != NULL && EVP_MD_up_ref(s->md) != 1) {
        s->md = NULL;
        ecdsa_freectx(s);
        return NULL;
    }
    if (from->hash != NULL &&
        ((s->hash = EVP_MD_CTX_new()) == NULL || EVP_MD_CTX_copy_ex(s->hash, from->hash) != 1)) {
        ecdsa_freectx(s);
        return NULL;
    }
    return s;
}

/* -- the default provider's side -- */

static bool pass_digest(const struct signing *s, EVP_PKEY_CTX *standard)
{
    if (s->md == NULL) {
        return true;
    }
    char name[DIGEST_NAME_MAX];
    (void)snprintf(name, sizeof name, "%s", EVP_MD_get0_name(s->md));
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, name, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_PKEY_CTX_set_params(standard, params) == 1;
}

/* NULL with an error, or before any init. A key behind the service has only its public half here.
 */
static EVP_PKEY_CTX *standard_of(struct signing *s)
{
    if (s->standard != NULL || s->key == NULL) {
        return s->standard;
    }
    EVP_PKEY_CTX *ctx = key_context(s->key);
    const bool sign = s->operation == EVP_PKEY_OP_SIGN && !key_is_remote(s->key);
    if (ctx == NULL || (sign ? EVP_PKEY_sign_init(ctx) : EVP_PKEY_verify_init(ctx)) != 1 ||
        !pass_digest(s, ctx)) {
        EVP_PKEY_CTX_free(ctx);
        return NULL;
    }
    s->standard = ctx;
    return ctx;
}

static void forget_standard(struct signing *s)
{
    EVP_PKEY_CTX_free(s->standard);
    s->standard = NULL;
}

/* -- parameters -- */

static bool set_digest(struct signing *s, const char *name)
{
    EVP_MD *md = EVP_MD_fetch(process()->libctx, name, NULL);
    if (md == NULL || (EVP_MD_get_flags(md) & EVP_MD_FLAG_XOF) != 0 ||
        (s->hashing && s->md != NULL && !EVP_MD_is_a(md, EVP_MD_get0_name(s->md)))) {
        module_error(s->module, REASON_BAD_PARAMETER, "digest %s", name);
        EVP_MD_free(md);
        return false;
    }
    if (s->hashing) {
        EVP_MD_free(md);
        return true;
    }
    EVP_MD_CTX_free(s->hash);
    s->hash = NULL;
    EVP_MD_free(s->md);
    s->md = md;
    s->md_size = (size_t)EVP_MD_get_size(md);
    forget_standard(s);
    return true;
}

static int ecdsa_set_ctx_params(void *ctx, const OSSL_PARAM params[])
{
    struct signing *s = ctx;
    if (params == NULL) {
        return 1;
    }
    const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_DIGEST);
    const char *name = NULL;
    if (p != NULL && (OSSL_PARAM_get_utf8_string_ptr(p, &name) != 1 || !set_digest(s, name))) {
        return 0;
    }
    p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_DIGEST_SIZE);
    size_t size = 0;
    if (p != NULL) {
        if (OSSL_PARAM_get_size_t(p, &size) != 1 || (s->hashing && size != s->md_size)) {
            return 0;
        }
        s->md_size = size;
    }
    if (OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_KAT) != NULL) {
        EVP_PKEY_CTX *standard = standard_of(s);
        return standard != NULL && EVP_PKEY_CTX_set_params(standard, params);
    }
    return 1;
}

static int ecdsa_get_ctx_params(void *ctx, OSSL_PARAM params[])
{
    EVP_PKEY_CTX *standard = standard_of(ctx);
    return standard != NULL && EVP_PKEY_CTX_get_params(standard, params);
}

static const OSSL_PARAM *ecdsa_gettable_ctx_params(void *ctx, void *provctx)
{
    (void)ctx;
    (void)provctx;
    return EVP_SIGNATURE_gettable_ctx_params(process()->signature);
}

static const OSSL_PARAM *ecdsa_settable_ctx_params(void *ctx, void *provctx)
{
    (void)ctx;
    (void)provctx;
    return EVP_SIGNATURE_settable_ctx_params(process()->signature);
}

static int ecdsa_get_ctx_md_params(void *ctx, OSSL_PARAM params[])
{
    struct signing *s = ctx;
    return s->hash != NULL && EVP_MD_CTX_get_params(s->hash, params);
}

static int ecdsa_set_ctx_md_params(void *ctx, const OSSL_PARAM params[])
{
    struct signing *s = ctx;
    return s->hash != NULL && EVP_MD_CTX_set_params(s->hash, params);
}

static const OSSL_PARAM *ecdsa_gettable_ctx_md_params(void *ctx)
{
    const struct signing *s = ctx;
    return s->md != NULL ? EVP_MD_gettable_ctx_params(s->md) : NULL;
}

static const OSSL_PARAM *ecdsa_settable_ctx_md_params(void *ctx)
{
    const struct signing *s = ctx;
    return s->md != NULL ? EVP_MD_settable_ctx_params(s->md) : NULL;
}

/* -- the raw operations -- */

static int begin(struct signing *s, struct key *key, const OSSL_PARAM params[], int operation)
{
    if (key != NULL) {
        struct key *old = s->key;
        s->key = key_take(key);
        key_free(old);
    }
    if (s->key == NULL || s->key->standard == NULL) {
        module_error(s->module, REASON_BAD_PARAMETER, "no key");
        return 0;
    }
    s->operation = operation;
    s->hashing = false;
    forget_standard(s);
    return ecdsa_set_ctx_params(s, params);
}

static int ecdsa_verify_init(void *ctx, void *key, const OSSL_PARAM params[])
{
    return begin(ctx, key, params, EVP_PKEY_OP_VERIFY);
}

static int ecdsa_sign_init(void *ctx, void *key, const OSSL_PARAM params[])
{
    return begin(ctx, key, params, EVP_PKEY_OP_SIGN);
}

/* The leftmost 256 bits, the length of both orders (FIPS 186-4, 6.4). */
static void to_digest(uint8_t digest[static SHA256_LEN], const unsigned char *tbs, size_t len)
{
    const size_t taken = len < SHA256_LEN ? len : SHA256_LEN;
    memset(digest, 0, SHA256_LEN - taken);
    if (taken != 0) {
        memcpy(digest + SHA256_LEN - taken, tbs, taken);
    }
}

/* OK, SIGNATURE_INVALID, or another status: ask the default provider. */
static enum status kernel_verdict(const struct key *k, const unsigned char *sig, size_t sig_len,
                                  const unsigned char *tbs, size_t tbs_len)
{
    uint8_t rs[DER_RS_LEN], digest[SHA256_LEN];
    if (k->curve == CURVE_NONE || !der_read_signature(rs, span_of(sig, sig_len))) {
        return STATUS_COULD_NOT_TELL;
    }
    to_digest(digest, tbs, tbs_len);
    const struct verify_item item = {k->curve, k->point, digest, rs};
    return process_verify_vartime(&item);
}

static int ecdsa_verify(void *ctx, const unsigned char *sig, size_t sig_len,
                        const unsigned char *tbs, size_t tbs_len)
{
    struct signing *s = ctx;
    if (s->md_size != 0 && tbs_len != s->md_size) {
        return 0;
    }
    const enum status verdict = kernel_verdict(s->key, sig, sig_len, tbs, tbs_len);
    if (verdict == STATUS_OK || verdict == STATUS_SIGNATURE_INVALID) {
        module_count(s->module, COUNT_VERIFY_KERNEL);
        return verdict == STATUS_OK;
    }
    EVP_PKEY_CTX *standard = standard_of(s);
    module_count(s->module, COUNT_VERIFY_DELEGATED);
    return standard != NULL ? EVP_PKEY_verify(standard, sig, sig_len, tbs, tbs_len) : 0;
}

/* What the service answered is held against the configured public key before anybody uses it. */
static int sign_remotely(struct signing *s, unsigned char *sig, size_t *sig_len, size_t sig_size,
                         const unsigned char *tbs, size_t tbs_len)
{
    uint8_t digest[SHA256_LEN], rs[DER_RS_LEN], der[DER_SIGNATURE_MAX];
    char detail[REMOTE_DETAIL_MAX] = "";
    to_digest(digest, tbs, tbs_len);
    const enum status status =
        s->module->remote != NULL
            ? remote_sign(s->module->remote, s->key->label, digest, rs, detail)
            : STATUS_INTERNAL;
    if (status != STATUS_OK) {
        const bool away = status == STATUS_DISCONNECTED || status == STATUS_DEADLINE;
        module_error(s->module, away ? REASON_SERVICE_UNREACHABLE : REASON_SERVICE,
                     "key %s: %s%s%s", s->key->label, status_name(status),
                     detail[0] != '\0' ? ": " : "", detail);
        return 0;
    }
    const size_t len = der_write_signature(der, rs);
    const struct verify_item item = {s->key->curve, s->key->point, digest, rs};
    bool fits = process_verify_vartime(&item) == STATUS_OK;
    if (!fits) { /* or the kernels could not tell */
        EVP_PKEY_CTX *standard = standard_of(s);
        fits = standard != NULL && EVP_PKEY_verify(standard, der, len, tbs, tbs_len) == 1;
    }
    if (!fits) {
        module_error(s->module, REASON_WRONG_SIGNATURE, "key %s", s->key->label);
        return 0;
    }
    if (len > sig_size) {
        module_error(s->module, REASON_BUFFER_TOO_SMALL, "%zu bytes", sig_size);
        return 0;
    }
    memcpy(sig, der, len);
    *sig_len = len;
    module_count(s->module, COUNT_STORE_SIGN);
    return 1;
}

static int ecdsa_sign(void *ctx, unsigned char *sig, size_t *sig_len, size_t sig_size,
                      const unsigned char *tbs, size_t tbs_len)
{
    struct signing *s = ctx;
    if (sig == NULL) {
        *sig_len = (size_t)EVP_PKEY_get_size(s->key->standard);
        return 1;
    }
    if (s->md_size != 0 && tbs_len != s->md_size) {
        return 0;
    }
    if (key_is_remote(s->key)) {
        return sign_remotely(s, sig, sig_len, sig_size, tbs, tbs_len);
    }
    EVP_PKEY_CTX *standard = standard_of(s);
    *sig_len = sig_size;
    return standard != NULL && EVP_PKEY_sign(standard, sig, sig_len, tbs, tbs_len) == 1;
}

/* -- with a digest -- */

static int digest_begin(struct signing *s, const char *digest, struct key *key,
                        const OSSL_PARAM params[], int operation)
{
    if (!begin(s, key, params, operation) ||
        (digest != NULL && digest[0] != '\0' && !set_digest(s, digest)) || s->md == NULL) {
        return 0;
    }
    if (s->hash == NULL) {
        s->hash = EVP_MD_CTX_new();
    }
    if (s->hash == NULL || EVP_DigestInit_ex2(s->hash, s->md, params) != 1) {
        return 0;
    }
    s->hashing = true;
    return 1;
}

static int ecdsa_digest_verify_init(void *ctx, const char *digest, void *key,
                                    const OSSL_PARAM params[])
{
    return digest_begin(ctx, digest, key, params, EVP_PKEY_OP_VERIFY);
}

static int ecdsa_digest_sign_init(void *ctx, const char *digest, void *key,
                                  const OSSL_PARAM params[])
{
    return digest_begin(ctx, digest, key, params, EVP_PKEY_OP_SIGN);
}

static int ecdsa_digest_update(void *ctx, const unsigned char *data, size_t len)
{
    struct signing *s = ctx;
    return s->hash != NULL && EVP_DigestUpdate(s->hash, data, len);
}

static bool digest_end(struct signing *s, uint8_t digest[static EVP_MAX_MD_SIZE], size_t *len)
{
    unsigned n = 0;
    if (s->hash == NULL || EVP_DigestFinal_ex(s->hash, digest, &n) != 1) {
        return false;
    }
    s->hashing = false;
    *len = n;
    return true;
}

static int ecdsa_digest_verify_final(void *ctx, const unsigned char *sig, size_t sig_len)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    size_t len;
    return digest_end(ctx, digest, &len) ? ecdsa_verify(ctx, sig, sig_len, digest, len) : 0;
}

static int ecdsa_digest_sign_final(void *ctx, unsigned char *sig, size_t *sig_len, size_t sig_size)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    size_t len = 0;
    if (sig != NULL && !digest_end(ctx, digest, &len)) {
        return 0;
    }
    return ecdsa_sign(ctx, sig, sig_len, sig_size, digest, len);
}

const OSSL_DISPATCH signature_functions[] = {
    ENTRY(OSSL_FUNC_SIGNATURE_NEWCTX, ecdsa_newctx),
    ENTRY(OSSL_FUNC_SIGNATURE_FREECTX, ecdsa_freectx),
    ENTRY(OSSL_FUNC_SIGNATURE_DUPCTX, ecdsa_dupctx),
    ENTRY(OSSL_FUNC_SIGNATURE_SIGN_INIT, ecdsa_sign_init),
    ENTRY(OSSL_FUNC_SIGNATURE_SIGN, ecdsa_sign),
    ENTRY(OSSL_FUNC_SIGNATURE_VERIFY_INIT, ecdsa_verify_init),
    ENTRY(OSSL_FUNC_SIGNATURE_VERIFY, ecdsa_verify),
    ENTRY(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, ecdsa_digest_sign_init),
    ENTRY(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_UPDATE, ecdsa_digest_update),
    ENTRY(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_FINAL, ecdsa_digest_sign_final),
    ENTRY(OSSL_FUNC_SIGNATURE_DIGEST_VERIFY_INIT, ecdsa_digest_verify_init),
    ENTRY(OSSL_FUNC_SIGNATURE_DIGEST_VERIFY_UPDATE, ecdsa_digest_update),
    ENTRY(OSSL_FUNC_SIGNATURE_DIGEST_VERIFY_FINAL, ecdsa_digest_verify_final),
    ENTRY(OSSL_FUNC_SIGNATURE_GET_CTX_PARAMS, ecdsa_get_ctx_params),
    ENTRY(OSSL_FUNC_SIGNATURE_GETTABLE_CTX_PARAMS, ecdsa_gettable_ctx_params),
    ENTRY(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, ecdsa_set_ctx_params),
    ENTRY(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, ecdsa_settable_ctx_params),
    ENTRY(OSSL_FUNC_SIGNATURE_GET_CTX_MD_PARAMS, ecdsa_get_ctx_md_params),
    ENTRY(OSSL_FUNC_SIGNATURE_GETTABLE_CTX_MD_PARAMS, ecdsa_gettable_ctx_md_params),
    ENTRY(OSSL_FUNC_SIGNATURE_SET_CTX_MD_PARAMS, ecdsa_set_ctx_md_params),
    ENTRY(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_MD_PARAMS, ecdsa_settable_ctx_md_params),
    {0, NULL},
};
