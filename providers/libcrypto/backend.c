/* The table of operations, and a thread's context: everything fetched and built once. */
#include "providers/libcrypto/backend.h"

#include <openssl/err.h>
#include <stdlib.h>

#include "providers/libcrypto/internal.h"

static const char *unusable(void)
{
    return NULL;
}

static void thread_free(void **ctxp)
{
    struct libcrypto_ctx *ctx = *ctxp;
    if (ctx == NULL) {
        return;
    }
    key_cache_fini(ctx);
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        curve_ctx_fini(&ctx->curve[c]);
    }
    BN_CTX_free(ctx->bn);
    free(ctx);
    *ctxp = NULL;
}

static enum status thread_init(struct libcrypto_ctx *ctx)
{
    ctx->bn = BN_CTX_new();
    if (ctx->bn == NULL) {
        return STATUS_INTERNAL;
    }
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        TRY(curve_ctx_init(&ctx->curve[c], (enum curve)c, ctx->bn));
    }
    return STATUS_OK;
}

static enum status thread_new(void **out)
{
    *out = NULL;
    void *ctx = calloc(1, sizeof(struct libcrypto_ctx));
    if (ctx == NULL) {
        return STATUS_INTERNAL;
    }
    enum status status = thread_init(ctx);
    if (status != STATUS_OK) {
        ERR_clear_error();
        thread_free(&ctx);
        return status;
    }
    *out = ctx;
    return STATUS_OK;
}

static enum status check_point(void *arg, enum curve curve, const uint8_t point[EC_POINT_LEN])
{
    struct libcrypto_ctx *ctx = arg;
    struct curve_ctx *c = curve_ctx(ctx, curve);
    enum status s = c != NULL ? point_import(c, point, ctx->bn) : STATUS_BAD_CURVE;
    if (s != STATUS_OK) {
        ERR_clear_error();
    }
    return s;
}

const struct provider_ops libcrypto_backend = {
    .name = "libcrypto",
    .unusable = unusable,
    .thread_new = thread_new,
    .thread_free = thread_free,
    .verify_vartime = libcrypto_verify_vartime,
    .check_point = check_point,
    .keygen = libcrypto_keygen,
    .ecka = libcrypto_ecka,
};
