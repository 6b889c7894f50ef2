/*
 * Load, use, fork and unload, all at once: threads verify, sign and agree; others load the module
 * into contexts of their own, use it and unload it; one forks, and its children do the same. A
 * second of it, or with ECKA_TEST_LONG thirty.
 *
 * Two kinds of fork, since libcrypto's own locks know nothing of forks: at any moment while threads
 * are inside the kernels, and then the child verifies with a context made before; and with
 * everybody at rest, and then the child does everything.
 */
#include <openssl/err.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/ossl/ossl_test.h"

enum {
    SECONDS_SHORT = 1,
    SECONDS_LONG = 30,
    VERIFIERS = 2,
    USERS = 2,
    DIGEST = 32,
    SIG_MAX = 112, /* of P-384 */
    CHILD_ROUNDS = 20,
    CHILD_OK = 42,
    HUNG_SECONDS = 20, /* for a child's few milliseconds */
};

static atomic_bool over;
static atomic_ulong verified, used, loads, forks;
/* Held for reading by who is inside libcrypto, for writing by who forks; who forks goes first. */
static pthread_rwlock_t at_rest = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;

struct signature {
    EVP_PKEY *key;
    uint8_t digest[DIGEST], sig[SIG_MAX];
    size_t len;
};

static bool signature_make(OSSL_LIB_CTX *libctx, const char *group, struct signature *s)
{
    s->key = EVP_PKEY_Q_keygen(libctx, NULL, "EC", group);
    EVP_PKEY_CTX *ctx = s->key != NULL ? EVP_PKEY_CTX_new_from_pkey(libctx, s->key, NULL) : NULL;
    memset(s->digest, 7, sizeof s->digest);
    s->len = sizeof s->sig;
    const bool made = ctx != NULL && EVP_PKEY_sign_init(ctx) == 1 &&
                      EVP_PKEY_sign(ctx, s->sig, &s->len, s->digest, DIGEST) == 1;
    EVP_PKEY_CTX_free(ctx);
    return made;
}

/* A ready context takes no lock of libcrypto's. */
static bool verify_good_and_bad(EVP_PKEY_CTX *ctx, const struct signature *s)
{
    uint8_t other[DIGEST];
    memcpy(other, s->digest, sizeof other);
    other[0] ^= 1;
    return EVP_PKEY_verify(ctx, s->sig, s->len, s->digest, DIGEST) == 1 &&
           EVP_PKEY_verify(ctx, s->sig, s->len, other, DIGEST) == 0;
}

static EVP_PKEY_CTX *verifying(OSSL_LIB_CTX *libctx, EVP_PKEY *key)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(libctx, key, NULL);
    if (ctx != NULL && EVP_PKEY_verify_init(ctx) != 1) {
        EVP_PKEY_CTX_free(ctx);
        ctx = NULL;
    }
    return ctx;
}

static bool agree(OSSL_LIB_CTX *libctx, EVP_PKEY *key)
{
    uint8_t z[64];
    size_t len = sizeof z;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(libctx, key, NULL);
    const bool agreed = ctx != NULL && EVP_PKEY_derive_init(ctx) == 1 &&
                        EVP_PKEY_derive_set_peer(ctx, key) == 1 &&
                        EVP_PKEY_derive(ctx, z, &len) == 1;
    EVP_PKEY_CTX_free(ctx);
    return agreed;
}

static bool use_everything(OSSL_LIB_CTX *libctx, const char *group)
{
    struct signature s = {0};
    EVP_PKEY_CTX *ctx = NULL;
    const bool good = signature_make(libctx, group, &s) &&
                      (ctx = verifying(libctx, s.key)) != NULL && verify_good_and_bad(ctx, &s) &&
                      agree(libctx, s.key);
    if (!good) {
        ERR_print_errors_fp(stderr);
    }
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(s.key);
    return good;
}

static const char *group_of(unsigned i)
{
    static const char *const groups[] = {"P-256", "brainpoolP256r1", "P-384"};
    return groups[i % 3];
}

static void *verifier(void *arg)
{
    const struct contexts *c = arg;
    struct signature s = {0};
    if (!signature_make(c->with, "P-256", &s)) {
        return "no signature";
    }
    EVP_PKEY_CTX *ctx = verifying(c->with, s.key);
    bool good = ctx != NULL;
    while (good && !atomic_load(&over)) {
        good = verify_good_and_bad(ctx, &s);
        atomic_fetch_add(&verified, 1);
    }
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(s.key);
    return good ? NULL : "a wrong verdict";
}

static void *user(void *arg)
{
    const struct contexts *c = arg;
    bool good = true;
    for (unsigned i = 0; good && !atomic_load(&over); i++) {
        (void)pthread_rwlock_rdlock(&at_rest);
        good = use_everything(c->with, group_of(i));
        (void)pthread_rwlock_unlock(&at_rest);
        atomic_fetch_add(&used, 1);
    }
    return good ? NULL : "a use failed";
}

/* In a context of its own, from loading to unloading. */
static bool load_use_unload(unsigned i)
{
    OSSL_LIB_CTX *libctx = OSSL_LIB_CTX_new();
    bool good = OSSL_PROVIDER_set_default_search_path(libctx, getenv("ECKA_SO")) == 1;
    OSSL_PROVIDER *standard = OSSL_PROVIDER_load(libctx, "default");
    OSSL_PROVIDER *ecka = OSSL_PROVIDER_load(libctx, "ecka");
    good = good && standard != NULL && ecka != NULL &&
           EVP_set_default_properties(libctx, "?provider=ecka") == 1 &&
           use_everything(libctx, group_of(i));
    (void)OSSL_PROVIDER_unload(ecka);
    (void)OSSL_PROVIDER_unload(standard);
    OPENSSL_thread_stop_ex(libctx);
    OSSL_LIB_CTX_free(libctx);
    return good;
}

static void *loader(void *arg)
{
    bool good = true;
    (void)arg;
    for (unsigned i = 0; good && !atomic_load(&over); i++) {
        (void)pthread_rwlock_rdlock(&at_rest);
        good = load_use_unload(i);
        (void)pthread_rwlock_unlock(&at_rest);
        atomic_fetch_add(&loads, 1);
    }
    return good ? NULL : "a loading failed";
}

static bool child_ended_well(pid_t pid)
{
    int status = 0;
    const time_t hung = time(NULL) + HUNG_SECONDS;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (time(NULL) > hung) {
            (void)kill(pid, SIGKILL);
            (void)waitpid(pid, &status, 0);
            return false;
        }
        (void)usleep(200);
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == CHILD_OK;
}

/* Threads are in the kernels meanwhile; users and loaders may not be in libcrypto's own locks. */
static bool fork_busy(EVP_PKEY_CTX *ctx, const struct signature *s)
{
    (void)pthread_rwlock_wrlock(&at_rest);
    const pid_t pid = fork();
    if (pid == 0) {
        bool good = true;
        for (int i = 0; good && i < CHILD_ROUNDS; i++) {
            good = verify_good_and_bad(ctx, s);
        }
        _exit(good ? CHILD_OK : 1);
    }
    (void)pthread_rwlock_unlock(&at_rest);
    return pid > 0 && child_ended_well(pid);
}

static bool fork_at_rest(const struct contexts *c, unsigned i)
{
    (void)pthread_rwlock_wrlock(&at_rest);
    const pid_t pid = fork();
    if (pid == 0) {
        const bool good = counter(c, "verify_kernel") == 0 &&
                          use_everything(c->with, group_of(i)) && load_use_unload(i);
        _exit(good ? CHILD_OK : 1);
    }
    (void)pthread_rwlock_unlock(&at_rest);
    return pid > 0 && child_ended_well(pid);
}

static void *forker(void *arg)
{
    const struct contexts *c = arg;
    struct signature s = {0};
    EVP_PKEY_CTX *ctx = NULL;
    bool good = signature_make(c->with, "P-256", &s) && (ctx = verifying(c->with, s.key)) != NULL;
    for (unsigned i = 0; good && !atomic_load(&over); i++) {
        good = fork_busy(ctx, &s) && fork_at_rest(c, i);
        atomic_fetch_add(&forks, 2);
    }
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(s.key);
    return good ? NULL : "a child failed";
}

static void load_use_fork_unload(void **state)
{
    void *(*const work[])(void *) = {loader, forker, verifier, verifier, user, user};
    enum { THREADS = sizeof work / sizeof work[0] };
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, work[i], *state), 0);
    }
    (void)sleep(getenv("ECKA_TEST_LONG") != NULL ? SECONDS_LONG : SECONDS_SHORT);
    atomic_store(&over, true);
    for (size_t i = 0; i < THREADS; i++) {
        void *fault = NULL;
        assert_int_equal(pthread_join(threads[i], &fault), 0);
        if (fault != NULL) {
            fail_msg("%s", (const char *)fault);
        }
    }
    print_message("%lu verifications, %lu uses, %lu loadings, %lu forks\n", verified, used, loads,
                  forks);
    assert_true(verified > 0 && used > 0 && loads > 0 && forks > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(load_use_fork_unload)};
    return cmocka_run_group_tests(tests, contexts_open, contexts_close);
}
