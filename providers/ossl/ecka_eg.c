/*
 * KDF ECKA-EG (BSI TR-03111, 4.3.2): the whole agreement in one derivation, on the kernels, in
 * constant time. Parameters: `group` (P-256, brainpoolP256r1, FRP256v1), `secret` (the scalar, 32
 * bytes), `peer` (the other side's point, 04 || x || y), `info` (SharedInfo, may be absent). The
 * output is X9.63 with SHA-256 over Z, as SGP.02 has it.
 */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>
#include <strings.h>

#include "proto/status.h"
#include "providers/core/secret.h"
#include "providers/ossl/process.h"

#define PARAM_PEER "peer"

enum {
    INFO_MAX = 1024,
    GROUP_NAME_MAX = 32,
};

struct agreement {
    struct module *module;
    enum curve curve;
    bool has_secret, has_peer;
    uint8_t secret[EC_SCALAR_LEN];
    uint8_t peer[EC_POINT_LEN];
    uint8_t info[INFO_MAX];
    size_t info_len;
};

static void *eg_newctx(void *provctx)
{
    struct agreement *a = OPENSSL_zalloc(sizeof *a);
    if (a != NULL) {
        a->module = provctx;
    }
    return a;
}

static void eg_reset(void *ctx)
{
    struct agreement *a = ctx;
    struct module *m = a->module;
    secret_wipe(a, sizeof *a);
    a->module = m;
}

static void eg_freectx(void *ctx)
{
    OPENSSL_clear_free(ctx, sizeof(struct agreement));
}

static void *eg_dupctx(void *ctx)
{
    return OPENSSL_memdup(ctx, sizeof(struct agreement));
}

static enum curve group_of(const char *name)
{
    if (strcasecmp(name, "prime256v1") == 0 || strcasecmp(name, "secp256r1") == 0) {
        return CURVE_P256;
    }
    return curve_from_name(name);
}

static bool set_group(struct agreement *a, const OSSL_PARAM *p)
{
    const char *name = NULL;
    if (OSSL_PARAM_get_utf8_string_ptr(p, &name) != 1 ||
        (a->curve = group_of(name)) == CURVE_NONE) {
        module_error(a->module, REASON_BAD_PARAMETER, "group");
        return false;
    }
    return true;
}

static bool set_octets(const struct agreement *a, const OSSL_PARAM *p, uint8_t *out, size_t max,
                       size_t *len)
{
    void *at = out;
    if (OSSL_PARAM_get_octet_string(p, &at, max, len) != 1) {
        module_error(a->module, REASON_BAD_PARAMETER, "%s has more than %zu bytes", p->key, max);
        return false;
    }
    return true;
}

static bool set_exactly(const struct agreement *a, const OSSL_PARAM *p, uint8_t *out, size_t len,
                        bool *has)
{
    size_t got = 0;
    *has = false;
    if (!set_octets(a, p, out, len, &got)) {
        return false;
    }
    *has = got == len;
    if (!*has) {
        module_error(a->module, REASON_BAD_PARAMETER, "%s has %zu bytes, not %zu", p->key, got,
                     len);
    }
    return *has;
}

static int eg_set_ctx_params(void *ctx, const OSSL_PARAM params[])
{
    struct agreement *a = ctx;
    if (params == NULL) {
        return 1;
    }
    const OSSL_PARAM *group = OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_GROUP_NAME);
    const OSSL_PARAM *secret = OSSL_PARAM_locate_const(params, OSSL_KDF_PARAM_SECRET);
    const OSSL_PARAM *peer = OSSL_PARAM_locate_const(params, PARAM_PEER);
    const OSSL_PARAM *info = OSSL_PARAM_locate_const(params, OSSL_KDF_PARAM_INFO);
    return (group == NULL || set_group(a, group)) &&
           (secret == NULL ||
            set_exactly(a, secret, a->secret, sizeof a->secret, &a->has_secret)) &&
           (peer == NULL || set_exactly(a, peer, a->peer, sizeof a->peer, &a->has_peer)) &&
           (info == NULL || set_octets(a, info, a->info, sizeof a->info, &a->info_len));
}

static int eg_derive(void *ctx, unsigned char *out, size_t len, const OSSL_PARAM params[])
{
    const struct agreement *a = ctx;
    if (!eg_set_ctx_params(ctx, params)) {
        return 0;
    }
    if (a->curve == CURVE_NONE || !a->has_secret || !a->has_peer || len == 0) {
        module_error(a->module, REASON_BAD_PARAMETER, "ECKA-EG needs group, secret and peer");
        return 0;
    }
    const struct ecka_item item = {.curve = a->curve, .k = a->secret, .peer = a->peer};
    const enum status status = process_ecka_eg(&item, span_of(a->info, a->info_len), out, len);
    if (status != STATUS_OK) {
        secret_wipe(out, len);
        module_error(a->module, REASON_BAD_PARAMETER, "%s: %s", status_name(status),
                     status_meaning(status));
        return 0;
    }
    return 1;
}

static const OSSL_PARAM *eg_settable_ctx_params(void *ctx, void *provctx)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_KDF_PARAM_SECRET, NULL, 0),
        OSSL_PARAM_octet_string(PARAM_PEER, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_KDF_PARAM_INFO, NULL, 0),
        OSSL_PARAM_END,
    };
    (void)ctx;
    (void)provctx;
    return params;
}

const OSSL_DISPATCH ecka_eg_functions[] = {
    ENTRY(OSSL_FUNC_KDF_NEWCTX, eg_newctx),
    ENTRY(OSSL_FUNC_KDF_FREECTX, eg_freectx),
    ENTRY(OSSL_FUNC_KDF_DUPCTX, eg_dupctx),
    ENTRY(OSSL_FUNC_KDF_RESET, eg_reset),
    ENTRY(OSSL_FUNC_KDF_DERIVE, eg_derive),
    ENTRY(OSSL_FUNC_KDF_SET_CTX_PARAMS, eg_set_ctx_params),
    ENTRY(OSSL_FUNC_KDF_SETTABLE_CTX_PARAMS, eg_settable_ctx_params),
    {0, NULL},
};
