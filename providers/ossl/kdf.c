/* KDF X963KDF: the default provider's. */
#include <openssl/kdf.h>

#include "providers/ossl/process.h"

static void *x963_newctx(void *provctx)
{
    (void)provctx;
    return EVP_KDF_CTX_new(process()->x963);
}

static void x963_freectx(void *ctx)
{
    EVP_KDF_CTX_free(ctx);
}

static void *x963_dupctx(void *ctx)
{
    return EVP_KDF_CTX_dup(ctx);
}

static void x963_reset(void *ctx)
{
    EVP_KDF_CTX_reset(ctx);
}

static int x963_derive(void *ctx, unsigned char *out, size_t len, const OSSL_PARAM params[])
{
    return EVP_KDF_derive(ctx, out, len, params);
}

static int x963_set_ctx_params(void *ctx, const OSSL_PARAM params[])
{
    return EVP_KDF_CTX_set_params(ctx, params);
}

static int x963_get_ctx_params(void *ctx, OSSL_PARAM params[])
{
    return EVP_KDF_CTX_get_params(ctx, params);
}

static const OSSL_PARAM *x963_settable_ctx_params(void *ctx, void *provctx)
{
    (void)ctx;
    (void)provctx;
    return EVP_KDF_settable_ctx_params(process()->x963);
}

static const OSSL_PARAM *x963_gettable_ctx_params(void *ctx, void *provctx)
{
    (void)ctx;
    (void)provctx;
    return EVP_KDF_gettable_ctx_params(process()->x963);
}

const OSSL_DISPATCH kdf_functions[] = {
    ENTRY(OSSL_FUNC_KDF_NEWCTX, x963_newctx),
    ENTRY(OSSL_FUNC_KDF_FREECTX, x963_freectx),
    ENTRY(OSSL_FUNC_KDF_DUPCTX, x963_dupctx),
    ENTRY(OSSL_FUNC_KDF_RESET, x963_reset),
    ENTRY(OSSL_FUNC_KDF_DERIVE, x963_derive),
    ENTRY(OSSL_FUNC_KDF_SET_CTX_PARAMS, x963_set_ctx_params),
    ENTRY(OSSL_FUNC_KDF_SETTABLE_CTX_PARAMS, x963_settable_ctx_params),
    ENTRY(OSSL_FUNC_KDF_GET_CTX_PARAMS, x963_get_ctx_params),
    ENTRY(OSSL_FUNC_KDF_GETTABLE_CTX_PARAMS, x963_gettable_ctx_params),
    {0, NULL},
};
