/*
 * KEYMGMT EC: every curve and every operation of the default provider's keys, by passing each call
 * on to the key inside.
 */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>

#include "providers/ossl/key.h"
#include "providers/ossl/process.h"

enum {
    KEYPAIR = OSSL_KEYMGMT_SELECT_KEYPAIR,
    PUBLIC = OSSL_KEYMGMT_SELECT_PUBLIC_KEY,
    PRIVATE = OSSL_KEYMGMT_SELECT_PRIVATE_KEY,
    DOMAIN = OSSL_KEYMGMT_SELECT_DOMAIN_PARAMETERS,
    PARAMETERS = OSSL_KEYMGMT_SELECT_ALL_PARAMETERS,
};

static void *ec_new(void *provctx)
{
    return key_new(provctx);
}

static void ec_free(void *keydata)
{
    key_free(keydata);
}

static int ec_has(const void *keydata, int selection)
{
    const struct key *k = keydata;
    if (k == NULL || ((selection & (KEYPAIR | PARAMETERS)) != 0 && k->standard == NULL)) {
        return 0;
    }
    return ((selection & PUBLIC) == 0 || k->has_public) &&
           ((selection & PRIVATE) == 0 || k->has_private || key_is_remote(k));
}

/* -- import and export -- */

static EVP_PKEY *from_params(const struct key *k, int selection, const OSSL_PARAM params[])
{
    EVP_PKEY *pkey = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(process()->libctx, "EC", NULL);
    /* EVP_PKEY_fromdata() only reads; its type lacks the const. */
    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &pkey, selection, (OSSL_PARAM *)(uintptr_t)params) != 1) {
        module_error(k->module, REASON_DELEGATION, "no key of these values");
    }
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

static int ec_import(void *keydata, int selection, const OSSL_PARAM params[])
{
    struct key *k = keydata;
    EVP_PKEY *pkey = from_params(k, selection, params);
    if (pkey == NULL) {
        return 0;
    }
    key_set(k, pkey);
    return 1;
}

static int ec_export(void *keydata, int selection, OSSL_CALLBACK *callback, void *arg)
{
    const struct key *k = keydata;
    if (key_is_remote(k) && (selection & PRIVATE) != 0) {
        module_error(k->module, REASON_REMOTE_PRIVATE_KEY, "key %s", k->label);
        return 0;
    }
    return k->standard != NULL && EVP_PKEY_export(k->standard, selection, callback, arg);
}

static const OSSL_PARAM *ec_types(int selection)
{
    return (selection & (KEYPAIR | PARAMETERS)) != 0 ? process()->key_types : NULL;
}

static void *ec_dup(const void *keydata, int selection)
{
    const struct key *from = keydata;
    struct key *k = key_new(from->module);
    OSSL_PARAM *params = NULL;
    if (k == NULL || from->standard == NULL) {
        return k;
    }
    EVP_PKEY *pkey = NULL;
    if ((selection & KEYPAIR) == KEYPAIR) {
        pkey = EVP_PKEY_dup(from->standard);
    } else if (EVP_PKEY_todata(from->standard, selection, &params) == 1) {
        pkey = from_params(k, selection, params);
    }
    OSSL_PARAM_free(params);
    if (pkey == NULL) {
        key_free(k);
        return NULL;
    }
    key_set(k, pkey);
    if ((selection & PRIVATE) != 0) {
        memcpy(k->label, from->label, sizeof k->label);
    }
    return k;
}

/* The store's loader hands the key over by its address. */
static void *ec_load(const void *reference, size_t reference_size)
{
    struct key *k = NULL;
    if (reference_size == sizeof(void *)) {
        struct key **at = (struct key **)(uintptr_t)reference;
        k = *at;
        *at = NULL;
    }
    return k;
}

/* -- questions -- */

static int ec_get_params(void *keydata, OSSL_PARAM params[])
{
    const struct key *k = keydata;
    return k->standard != NULL && EVP_PKEY_get_params(k->standard, params);
}

static int ec_set_params(void *keydata, const OSSL_PARAM params[])
{
    struct key *k = keydata;
    if (k->standard == NULL ||
        EVP_PKEY_set_params(k->standard, (OSSL_PARAM *)(uintptr_t)params) != 1) {
        return 0;
    }
    key_set(k, k->standard); /* the public half may be another one */
    return 1;
}

static const OSSL_PARAM *ec_gettable_params(void *provctx)
{
    (void)provctx;
    return EVP_KEYMGMT_gettable_params(process()->keymgmt);
}

static const OSSL_PARAM *ec_settable_params(void *provctx)
{
    (void)provctx;
    return EVP_KEYMGMT_settable_params(process()->keymgmt);
}

static const char *ec_operation_name(int operation)
{
    switch (operation) {
    case OSSL_OP_KEYEXCH:
        return "ECDH";
    case OSSL_OP_SIGNATURE:
        return "ECDSA";
    default:
        return NULL;
    }
}

static bool same_private(const struct key *a, const struct key *b)
{
    BIGNUM *x = NULL, *y = NULL;
    bool same;
    if (key_is_remote(a) || key_is_remote(b)) {
        same = strcmp(a->label, b->label) == 0;
    } else {
        same = EVP_PKEY_get_bn_param(a->standard, OSSL_PKEY_PARAM_PRIV_KEY, &x) == 1 &&
               EVP_PKEY_get_bn_param(b->standard, OSSL_PKEY_PARAM_PRIV_KEY, &y) == 1 &&
               BN_cmp(x, y) == 0;
    }
    BN_clear_free(x);
    BN_clear_free(y);
    return same;
}

static int ec_match(const void *keydata1, const void *keydata2, int selection)
{
    const struct key *a = keydata1, *b = keydata2;
    if (a->standard == NULL || b->standard == NULL ||
        ((selection & DOMAIN) != 0 && EVP_PKEY_parameters_eq(a->standard, b->standard) != 1)) {
        return 0;
    }
    if ((selection & KEYPAIR) == 0) {
        return 1;
    }
    if ((selection & PUBLIC) != 0 && a->has_public && b->has_public) {
        return EVP_PKEY_eq(a->standard, b->standard) == 1;
    }
    return (selection & PRIVATE) != 0 && same_private(a, b);
}

static int ec_validate(const void *keydata, int selection, int check_type)
{
    const struct key *k = keydata;
    const bool quick = check_type == OSSL_KEYMGMT_VALIDATE_QUICK_CHECK;
    EVP_PKEY_CTX *ctx = key_context(k);
    bool ok = ctx != NULL;
    if (ok && (selection & DOMAIN) != 0) {
        ok = (quick ? EVP_PKEY_param_check_quick(ctx) : EVP_PKEY_param_check(ctx)) == 1;
    }
    if (ok && (selection & PUBLIC) != 0) {
        ok = (quick ? EVP_PKEY_public_check_quick(ctx) : EVP_PKEY_public_check(ctx)) == 1;
    }
    if (ok && (selection & PRIVATE) != 0 && !key_is_remote(k)) {
        ok = EVP_PKEY_private_check(ctx) == 1;
        if (ok && (selection & KEYPAIR) == KEYPAIR) {
            ok = EVP_PKEY_pairwise_check(ctx) == 1;
        }
    }
    EVP_PKEY_CTX_free(ctx);
    return ok;
}

/* -- generation -- */

struct generation {
    struct module *module;
    int selection;
    bool group_given; /* then a template's is not taken */
    EVP_PKEY_CTX *ctx;
};

static int ec_gen_set_params(void *genctx, const OSSL_PARAM params[])
{
    struct generation *g = genctx;
    if (params == NULL || params->key == NULL) {
        return 1;
    }
    g->group_given |= OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_GROUP_NAME) != NULL ||
                      OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_EC_P) != NULL;
    return EVP_PKEY_CTX_set_params(g->ctx, params);
}

static void ec_gen_cleanup(void *genctx)
{
    struct generation *g = genctx;
    if (g != NULL) {
        EVP_PKEY_CTX_free(g->ctx);
        OPENSSL_free(g);
    }
}

static void *ec_gen_init(void *provctx, int selection, const OSSL_PARAM params[])
{
    struct module *m = provctx;
    struct generation *g = OPENSSL_zalloc(sizeof *g);
    if (g == NULL) {
        return NULL;
    }
    g->module = m;
    g->selection = selection;
    g->ctx = EVP_PKEY_CTX_new_from_name(process()->libctx, "EC", NULL);
    const bool pair = (selection & KEYPAIR) != 0;
    if (g->ctx == NULL ||
        (pair ? EVP_PKEY_keygen_init(g->ctx) : EVP_PKEY_paramgen_init(g->ctx)) != 1 ||
        !ec_gen_set_params(g, params)) {
        module_error(m, REASON_DELEGATION, "no generation of keys");
        ec_gen_cleanup(g);
        return NULL;
    }
    return g;
}

/* Takes the parameter of this name out of the list. */
static void drop(OSSL_PARAM params[], const char *name)
{
    OSSL_PARAM *p = OSSL_PARAM_locate(params, name);
    for (; p != NULL && p->key != NULL; p++) {
        p[0] = p[1];
    }
}

/* The group's alone; and libcrypto 3.0 leaks a copy of group-check, which says nothing here. */
static int ec_gen_set_template(void *genctx, void *keydata)
{
    struct generation *g = genctx;
    const struct key *k = keydata;
    OSSL_PARAM *params = NULL;
    if (g->group_given) {
        return 1;
    }
    bool ok = k->standard != NULL && EVP_PKEY_todata(k->standard, PARAMETERS, &params) == 1;
    if (ok) {
        drop(params, OSSL_PKEY_PARAM_EC_GROUP_CHECK_TYPE);
        ok = EVP_PKEY_CTX_set_params(g->ctx, params) == 1;
    }
    OSSL_PARAM_free(params);
    return ok;
}

static const OSSL_PARAM *ec_gen_settable_params(void *genctx, void *provctx)
{
    (void)genctx;
    (void)provctx;
    return EVP_KEYMGMT_gen_settable_params(process()->keymgmt);
}

static void *ec_gen(void *genctx, OSSL_CALLBACK *callback, void *arg)
{
    struct generation *g = genctx;
    EVP_PKEY *pkey = NULL;
    struct key *k = key_new(g->module);
    (void)callback; /* nothing about a point takes long enough to be told */
    (void)arg;
    if (k == NULL || EVP_PKEY_generate(g->ctx, &pkey) != 1) {
        key_free(k);
        return NULL;
    }
    key_set(k, pkey);
    return k;
}

const OSSL_DISPATCH keymgmt_functions[] = {
    ENTRY(OSSL_FUNC_KEYMGMT_NEW, ec_new),
    ENTRY(OSSL_FUNC_KEYMGMT_FREE, ec_free),
    ENTRY(OSSL_FUNC_KEYMGMT_LOAD, ec_load),
    ENTRY(OSSL_FUNC_KEYMGMT_DUP, ec_dup),
    ENTRY(OSSL_FUNC_KEYMGMT_HAS, ec_has),
    ENTRY(OSSL_FUNC_KEYMGMT_MATCH, ec_match),
    ENTRY(OSSL_FUNC_KEYMGMT_VALIDATE, ec_validate),
    ENTRY(OSSL_FUNC_KEYMGMT_IMPORT, ec_import),
    ENTRY(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, ec_types),
    ENTRY(OSSL_FUNC_KEYMGMT_EXPORT, ec_export),
    ENTRY(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, ec_types),
    ENTRY(OSSL_FUNC_KEYMGMT_GET_PARAMS, ec_get_params),
    ENTRY(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, ec_gettable_params),
    ENTRY(OSSL_FUNC_KEYMGMT_SET_PARAMS, ec_set_params),
    ENTRY(OSSL_FUNC_KEYMGMT_SETTABLE_PARAMS, ec_settable_params),
    ENTRY(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, ec_operation_name),
    ENTRY(OSSL_FUNC_KEYMGMT_GEN_INIT, ec_gen_init),
    ENTRY(OSSL_FUNC_KEYMGMT_GEN_SET_TEMPLATE, ec_gen_set_template),
    ENTRY(OSSL_FUNC_KEYMGMT_GEN_SET_PARAMS, ec_gen_set_params),
    ENTRY(OSSL_FUNC_KEYMGMT_GEN_SETTABLE_PARAMS, ec_gen_settable_params),
    ENTRY(OSSL_FUNC_KEYMGMT_GEN, ec_gen),
    ENTRY(OSSL_FUNC_KEYMGMT_GEN_CLEANUP, ec_gen_cleanup),
    {0, NULL},
};
