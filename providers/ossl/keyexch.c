/* KEYEXCH ECDH: the default provider's, over the keys inside. */
#include <openssl/params.h>

#include "providers/ossl/key.h"
#include "providers/ossl/process.h"

struct exchange {
    struct module *module;
    EVP_PKEY_CTX *standard; /* NULL before the init */
};

static void *ecdh_newctx(void *provctx)
{
    struct exchange *x = OPENSSL_zalloc(sizeof *x);
    if (x != NULL) {
        x->module = provctx;
    }
    return x;
}

static void ecdh_freectx(void *ctx)
{
    struct exchange *x = ctx;
    if (x != NULL) {
        EVP_PKEY_CTX_free(x->standard);
        OPENSSL_free(x);
    }
}

static void *ecdh_dupctx(void *ctx)
{
    const struct exchange *from = ctx;
    struct exchange *x = ecdh_newctx(from->module);
    if (x == NULL || from->standard == NULL) {
        return x;
    }
    x->standard = EVP_PKEY_CTX_dup(from->standard);
    if (x->standard == NULL) {
        ecdh_freectx(x);
        return NULL;
    }
    return x;
}

static int ecdh_init(void *ctx, void *keydata, const OSSL_PARAM params[])
{
    struct exchange *x = ctx;
    const struct key *k = keydata;
    if (k == NULL) {
        return 0;
    }
    if (key_is_remote(k)) {
        module_error(x->module, REASON_REMOTE_PRIVATE_KEY, "key %s", k->label);
        return 0;
    }
    EVP_PKEY_CTX_free(x->standard);
    x->standard = key_context(k);
    return x->standard != NULL && EVP_PKEY_derive_init_ex(x->standard, params) == 1;
}

/* Without the check of the peer's key, which EVP has asked of our KEYMGMT if it was wanted. */
static int ecdh_set_peer(void *ctx, void *keydata)
{
    const struct exchange *x = ctx;
    const struct key *k = keydata;
    return x->standard != NULL && k != NULL && k->standard != NULL &&
           EVP_PKEY_derive_set_peer_ex(x->standard, k->standard, 0) == 1;
}

static int ecdh_derive(void *ctx, unsigned char *secret, size_t *len, size_t size)
{
    const struct exchange *x = ctx;
    *len = size;
    return x->standard != NULL && EVP_PKEY_derive(x->standard, secret, len) == 1;
}

static int ecdh_set_ctx_params(void *ctx, const OSSL_PARAM params[])
{
    const struct exchange *x = ctx;
    return params == NULL ||
           (x->standard != NULL && EVP_PKEY_CTX_set_params(x->standard, params) == 1);
}

static int ecdh_get_ctx_params(void *ctx, OSSL_PARAM params[])
{
    const struct exchange *x = ctx;
    return x->standard != NULL && EVP_PKEY_CTX_get_params(x->standard, params) == 1;
}

static const OSSL_PARAM *ecdh_gettable_ctx_params(void *ctx, void *provctx)
{
    (void)ctx;
    (void)provctx;
    return EVP_KEYEXCH_gettable_ctx_params(process()->keyexch);
}

static const OSSL_PARAM *ecdh_settable_ctx_params(void *ctx, void *provctx)
{
    (void)ctx;
    (void)provctx;
    return EVP_KEYEXCH_settable_ctx_params(process()->keyexch);
}

const OSSL_DISPATCH keyexch_functions[] = {
    ENTRY(OSSL_FUNC_KEYEXCH_NEWCTX, ecdh_newctx),
    ENTRY(OSSL_FUNC_KEYEXCH_FREECTX, ecdh_freectx),
    ENTRY(OSSL_FUNC_KEYEXCH_DUPCTX, ecdh_dupctx),
    ENTRY(OSSL_FUNC_KEYEXCH_INIT, ecdh_init),
    ENTRY(OSSL_FUNC_KEYEXCH_SET_PEER, ecdh_set_peer),
    ENTRY(OSSL_FUNC_KEYEXCH_DERIVE, ecdh_derive),
    ENTRY(OSSL_FUNC_KEYEXCH_SET_CTX_PARAMS, ecdh_set_ctx_params),
    ENTRY(OSSL_FUNC_KEYEXCH_SETTABLE_CTX_PARAMS, ecdh_settable_ctx_params),
    ENTRY(OSSL_FUNC_KEYEXCH_GET_CTX_PARAMS, ecdh_get_ctx_params),
    ENTRY(OSSL_FUNC_KEYEXCH_GETTABLE_CTX_PARAMS, ecdh_gettable_ctx_params),
    {0, NULL},
};
