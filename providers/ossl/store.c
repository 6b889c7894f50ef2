/*
 * STORE `ecka:key=LABEL`: a private key behind the service. Its public half is read from the file
 * that the configuration names for the label, a public key or a certificate in PEM, so that a
 * program loads its key without a connection; the service is asked at the first signature.
 */
#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/store.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "providers/ossl/key.h"
#include "providers/ossl/process.h"

#define SCHEME "ecka:key="
#define KEYS   "keys."

struct loader {
    struct module *module;
    char label[REMOTE_LABEL_MAX + 1];
    int expected; /* OSSL_STORE_INFO_..., 0: anything */
    bool done;
};

/* What a generic-sign key may be called. */
static bool label_ok(const char *label)
{
    const size_t len = strlen(label);
    return len >= 1 && len <= REMOTE_LABEL_MAX &&
           strspn(label, "abcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

static void *store_open(void *provctx, const char *uri)
{
    struct module *m = provctx;
    if (strncasecmp(uri, SCHEME, strlen(SCHEME)) != 0 || !label_ok(uri + strlen(SCHEME))) {
        module_error(m, REASON_BAD_URI, "%.100s", uri);
        return NULL;
    }
    if (m->remote == NULL || m->fault[0] != '\0') {
        module_error(m, REASON_CONFIGURATION, "%s",
                     m->fault[0] != '\0' ? m->fault : "no endpoint is configured");
        return NULL;
    }
    struct loader *l = OPENSSL_zalloc(sizeof *l);
    if (l != NULL) {
        l->module = m;
        (void)snprintf(l->label, sizeof l->label, "%s", uri + strlen(SCHEME));
    }
    return l;
}

static int store_close(void *ctx)
{
    OPENSSL_free(ctx);
    return 1;
}

static int store_eof(void *ctx)
{
    const struct loader *l = ctx;
    return l->done;
}

static const OSSL_PARAM *store_settable_ctx_params(void *provctx)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_int(OSSL_STORE_PARAM_EXPECT, NULL),
        OSSL_PARAM_END,
    };
    (void)provctx;
    return params;
}

static int store_set_ctx_params(void *ctx, const OSSL_PARAM params[])
{
    struct loader *l = ctx;
    const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, OSSL_STORE_PARAM_EXPECT);
    return p == NULL || OSSL_PARAM_get_int(p, &l->expected) == 1;
}

/* -- the public half -- */

static EVP_PKEY *certified_key(BIO *bio)
{
    EVP_PKEY *pkey = NULL;
    X509 *cert = X509_new_ex(process()->libctx, NULL);
    if (cert != NULL && PEM_read_bio_X509(bio, &cert, NULL, NULL) != NULL) {
        pkey = X509_get_pubkey(cert);
    }
    X509_free(cert);
    return pkey;
}

static EVP_PKEY *key_in(const char *path)
{
    BIO *bio = BIO_new_file(path, "r");
    if (bio == NULL) {
        return NULL;
    }
    (void)ERR_set_mark();
    EVP_PKEY *pkey = PEM_read_bio_PUBKEY_ex(bio, NULL, NULL, NULL, process()->libctx, NULL);
    if (pkey == NULL && BIO_seek(bio, 0) == 0) {
        pkey = certified_key(bio);
    }
    (void)ERR_pop_to_mark();
    (void)BIO_free(bio);
    return pkey;
}

static struct key *load_key(const struct loader *l)
{
    char name[sizeof KEYS + REMOTE_LABEL_MAX];
    (void)snprintf(name, sizeof name, KEYS "%s", l->label);
    const char *path = module_setting(l->module, name);
    if (path == NULL) {
        module_error(l->module, REASON_UNKNOWN_KEY, "%s = FILE is missing", name);
        return NULL;
    }
    EVP_PKEY *pkey = key_in(path);
    struct key *k = pkey != NULL ? key_new(l->module) : NULL;
    if (k == NULL) {
        EVP_PKEY_free(pkey);
        module_error(l->module, REASON_PUBLIC_KEY_FILE, "%s", path);
        return NULL;
    }
    key_set(k, pkey);
    if (k->curve != CURVE_P256) { /* the curve of generic-sign keys */
        module_error(l->module, REASON_PUBLIC_KEY_FILE, "%s holds no key on P-256", path);
        key_free(k);
        return NULL;
    }
    memcpy(k->label, l->label, sizeof k->label);
    return k;
}

static int store_load(void *ctx, OSSL_CALLBACK *object, void *object_arg,
                      OSSL_PASSPHRASE_CALLBACK *passphrase, void *passphrase_arg)
{
    struct loader *l = ctx;
    (void)passphrase;
    (void)passphrase_arg;
    if (l->done) {
        return 0;
    }
    l->done = true;
    if (l->expected != 0 && l->expected != OSSL_STORE_INFO_PKEY) {
        return 0;
    }
    struct key *k = load_key(l);
    if (k == NULL) {
        return 0;
    }
    int type = OSSL_OBJECT_PKEY;
    char data_type[] = "EC";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_int(OSSL_OBJECT_PARAM_TYPE, &type),
        OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_TYPE, data_type, 0),
        OSSL_PARAM_construct_octet_string(OSSL_OBJECT_PARAM_REFERENCE, &k, sizeof(void *)),
        OSSL_PARAM_construct_end(),
    };
    const int taken = object(params, object_arg);
    key_free(k); /* unless it was handed over: then it is NULL */
    return taken;
}

const OSSL_DISPATCH store_functions[] = {
    ENTRY(OSSL_FUNC_STORE_OPEN, store_open),
    ENTRY(OSSL_FUNC_STORE_SETTABLE_CTX_PARAMS, store_settable_ctx_params),
    ENTRY(OSSL_FUNC_STORE_SET_CTX_PARAMS, store_set_ctx_params),
    ENTRY(OSSL_FUNC_STORE_LOAD, store_load),
    ENTRY(OSSL_FUNC_STORE_EOF, store_eof),
    ENTRY(OSSL_FUNC_STORE_CLOSE, store_close),
    {0, NULL},
};
