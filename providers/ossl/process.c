#include "providers/ossl/process.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/provider.h>
#include <pthread.h>
#include <stdatomic.h>

#include "providers/core/secret.h"
#include "providers/core/selftest.h"
#include "providers/kdf/sym.h"
#include "providers/ossl/lanes.h"

static struct process shared;
static bool started;
static struct module *modules;
/* Held while the above change, and over a fork. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

const struct process *process(void)
{
    return &shared;
}

/* -- forks -- */

static void fork_prepare(void)
{
    (void)pthread_mutex_lock(&lock);
    for (struct module *m = modules; m != NULL; m = m->next) {
        if (m->remote != NULL) {
            remote_fork_prepare(m->remote);
        }
    }
    lanes_hold(); /* last: who waits for one of the above may be on a lane */
}

static void fork_parent(void)
{
    lanes_release();
    for (struct module *m = modules; m != NULL; m = m->next) {
        if (m->remote != NULL) {
            remote_fork_parent(m->remote);
        }
    }
    (void)pthread_mutex_unlock(&lock);
}

static void fork_child(void)
{
    lanes_release();
    for (struct module *m = modules; m != NULL; m = m->next) {
        for (size_t i = 0; i < COUNTERS; i++) {
            atomic_store(&m->count[i], 0);
        }
        if (m->remote != NULL) {
            remote_fork_child(m->remote);
        }
    }
    (void)pthread_mutex_unlock(&lock);
}

void process_enter(struct module *m)
{
    (void)pthread_mutex_lock(&lock);
    m->next = modules;
    modules = m;
    (void)pthread_mutex_unlock(&lock);
}

void process_leave(struct module *m)
{
    (void)pthread_mutex_lock(&lock);
    for (struct module **at = &modules; *at != NULL; at = &(*at)->next) {
        if (*at == m) {
            *at = m->next;
            break;
        }
    }
    (void)pthread_mutex_unlock(&lock);
}

const struct module *process_modules(void)
{
    return modules;
}

/* -- starting -- */

static const OSSL_PARAM *key_types(void)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(shared.libctx, "EC", NULL);
    const OSSL_PARAM *types = NULL;
    if (ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1) {
        types = EVP_PKEY_fromdata_settable(ctx, OSSL_KEYMGMT_SELECT_ALL);
    }
    EVP_PKEY_CTX_free(ctx);
    return types; /* the default provider's constants */
}

/* Of its own rather than a child of the application's: what is delegated must not come back here
 * through the application's property query, and must be there whatever the application loads. */
static bool open_libctx(void)
{
    shared.libctx = OSSL_LIB_CTX_new();
    if (shared.libctx == NULL) {
        return false;
    }
    shared.standard = OSSL_PROVIDER_load(shared.libctx, "default");
    shared.keymgmt = EVP_KEYMGMT_fetch(shared.libctx, "EC", NULL);
    shared.signature = EVP_SIGNATURE_fetch(shared.libctx, "ECDSA", NULL);
    shared.keyexch = EVP_KEYEXCH_fetch(shared.libctx, "ECDH", NULL);
    shared.x963 = EVP_KDF_fetch(shared.libctx, "X963KDF", NULL);
    shared.key_types = key_types();
    return shared.standard != NULL && shared.keymgmt != NULL && shared.signature != NULL &&
           shared.keyexch != NULL && shared.x963 != NULL && shared.key_types != NULL;
}

static void close_libctx(void)
{
    EVP_KDF_free(shared.x963);
    EVP_KEYEXCH_free(shared.keyexch);
    EVP_SIGNATURE_free(shared.signature);
    EVP_KEYMGMT_free(shared.keymgmt);
    if (shared.standard != NULL) {
        (void)OSSL_PROVIDER_unload(shared.standard);
    }
    OSSL_LIB_CTX_free(shared.libctx);
    shared = (struct process){0};
}

/* Without kernels everything is delegated: provider_name() says "none". */
static void choose_kernels(size_t table_budget)
{
    OSSL_LIB_CTX *application = OSSL_LIB_CTX_set0_default(shared.libctx);
    provider_set_table_budget(table_budget);
    if (provider_select(NULL, NULL) != STATUS_OK) {
        ERR_clear_error();
    }
    (void)OSSL_LIB_CTX_set0_default(application);
}

enum status process_start(size_t table_budget)
{
    enum status status = STATUS_OK;
    (void)pthread_mutex_lock(&lock);
    if (!started) {
        if (!open_libctx() || pthread_atfork(fork_prepare, fork_parent, fork_child) != 0) {
            close_libctx();
            status = STATUS_INTERNAL;
        } else {
            choose_kernels(table_budget);
            started = true;
        }
    }
    (void)pthread_mutex_unlock(&lock);
    return status;
}

bool process_self_test(void)
{
    char failed[SELFTEST_NAME_SIZE] = "";
    bool passed = false;
    OSSL_LIB_CTX *application = OSSL_LIB_CTX_set0_default(shared.libctx);
    for (const struct provider_ops *const *b = provider_backends(); *b != NULL; b++) {
        if (strcmp((*b)->name, provider_name()) == 0) {
            passed = selftest_backend(*b, failed) == STATUS_OK;
        }
    }
    (void)OSSL_LIB_CTX_set0_default(application);
    return passed;
}

/* -- computing; re-checks use libcrypto, so its default is this module's context meanwhile -- */

enum status process_verify_vartime(const struct verify_item *item)
{
    enum status status = STATUS_COULD_NOT_TELL;
    struct lane lane;
    if (!lane_take(&lane)) {
        return status;
    }
    OSSL_LIB_CTX *application = OSSL_LIB_CTX_set0_default(shared.libctx);
    if (lane_ready(&lane)) {
        provider_verify_vartime(lane.provider, 1, item, &status);
    }
    (void)OSSL_LIB_CTX_set0_default(application);
    lane_give(&lane);
    return status;
}

enum status process_ecka_eg(const struct ecka_item *item, struct span shared_info, uint8_t *out,
                            size_t out_len)
{
    enum status status = STATUS_INTERNAL;
    uint8_t z[ECDH_Z_LEN] = {0};
    const struct ecka_item own = {item->curve, item->k, item->peer, z};
    struct lane lane;
    if (!lane_wait(&lane)) {
        return status;
    }
    OSSL_LIB_CTX *application = OSSL_LIB_CTX_set0_default(shared.libctx);
    if (lane_ready(&lane)) {
        provider_ecka(lane.provider, 1, &own, &status);
    }
    if (status == STATUS_OK) {
        status =
            sym_x963(provider_sym(lane.provider), span_of(z, sizeof z), shared_info, out, out_len);
    }
    (void)OSSL_LIB_CTX_set0_default(application);
    lane_give(&lane);
    secret_wipe(z, sizeof z);
    return status;
}
