/* The module itself: parameters, properties, self-test, TLS groups, configuration and the store. */
#include <dirent.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/store.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/ossl/ossl_test.h"

static void it_says_who_it_is(void **state)
{
    const struct contexts *c = *state;
    char *name = NULL, *backend = NULL;
    int status = 0;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_ptr(OSSL_PROV_PARAM_NAME, &name, 0),
        OSSL_PARAM_construct_utf8_ptr("backend", &backend, 0),
        OSSL_PARAM_construct_int(OSSL_PROV_PARAM_STATUS, &status),
        OSSL_PARAM_construct_end(),
    };
    assert_int_equal(OSSL_PROVIDER_get_params(c->ecka, params), 1);
    assert_string_equal(name, "eckad's EC provider");
    assert_true(strcmp(backend, "ifma") == 0 || strcmp(backend, "portable") == 0);
    assert_int_equal(status, 1);
    assert_int_equal(OSSL_PROVIDER_self_test(c->ecka), 1);
}

static void properties_choose(void **state)
{
    const struct contexts *c = *state;
    static const struct {
        const char *query, *home;
    } cases[] = {{NULL, "ecka"},
                 {"provider=ecka", "ecka"},
                 {"provider=default", "default"},
                 {"?provider=default", "default"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        EVP_SIGNATURE *s = EVP_SIGNATURE_fetch(c->with, "ECDSA", cases[i].query);
        EVP_KEYEXCH *x = EVP_KEYEXCH_fetch(c->with, "ECDH", cases[i].query);
        EVP_KEYMGMT *k = EVP_KEYMGMT_fetch(c->with, "id-ecPublicKey", cases[i].query);
        assert_non_null(s);
        assert_non_null(x);
        assert_non_null(k);
        assert_string_equal(OSSL_PROVIDER_get0_name(EVP_SIGNATURE_get0_provider(s)), cases[i].home);
        assert_string_equal(OSSL_PROVIDER_get0_name(EVP_KEYEXCH_get0_provider(x)), cases[i].home);
        assert_string_equal(OSSL_PROVIDER_get0_name(EVP_KEYMGMT_get0_provider(k)), cases[i].home);
        EVP_SIGNATURE_free(s);
        EVP_KEYEXCH_free(x);
        EVP_KEYMGMT_free(k);
    }
    assert_null(EVP_SIGNATURE_fetch(c->with, "ECDSA", "provider=ecka,fips=yes"));
    EVP_KEYMGMT *rsa = EVP_KEYMGMT_fetch(c->with, "RSA", NULL); /* nobody's way is barred */
    assert_non_null(rsa);
    EVP_KEYMGMT_free(rsa);
}

static int count_ec(const OSSL_PARAM params[], void *arg)
{
    const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, OSSL_CAPABILITY_TLS_GROUP_ALG);
    const char *algorithm = "";
    assert_int_equal(OSSL_PARAM_get_utf8_string_ptr(p, &algorithm), 1);
    *(size_t *)arg += strcmp(algorithm, "EC") == 0;
    return 1;
}

/* libssl would do without those of the default provider, whose keys are not the ones fetched. */
static void tls_groups_are_all_there(void **state)
{
    const struct contexts *c = *state;
    size_t standard = 0, ours = 0;
    assert_int_equal(
        OSSL_PROVIDER_get_capabilities(c->with_default, "TLS-GROUP", count_ec, &standard), 1);
    assert_int_equal(OSSL_PROVIDER_get_capabilities(c->ecka, "TLS-GROUP", count_ec, &ours), 1);
    assert_true(standard > 5);
    assert_int_equal(ours, standard);
}

/* -- by configuration -- */

/* The provider's section gets these lines. */
static OSSL_LIB_CTX *configured(const char *lines)
{
    char path[] = "/tmp/ecka-conf.XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *f = fdopen(fd, "w");
    assert_true(fprintf(f,
                        "openssl_conf = init\n[init]\nproviders = all\nalg_section = alg\n"
                        "[alg]\ndefault_properties = ?provider=ecka\n"
                        "[all]\ndefault = d\necka = e\n[d]\nactivate = 1\n"
                        "[e]\nmodule = %s/ecka.so\nactivate = 1\n%s",
                        getenv("ECKA_SO"), lines) > 0);
    (void)fclose(f);
    OSSL_LIB_CTX *libctx = OSSL_LIB_CTX_new();
    (void)OSSL_LIB_CTX_load_config(libctx, path);
    (void)unlink(path);
    return libctx;
}

static size_t threads_now(void)
{
    DIR *tasks = opendir("/proc/self/task");
    size_t n = 0;
    while (readdir(tasks) != NULL) {
        n++;
    }
    (void)closedir(tasks);
    return n;
}

/* The key of this URI, and whether the errors say the text. */
static EVP_PKEY *from_store(OSSL_LIB_CTX *libctx, const char *uri, const char *says)
{
    EVP_PKEY *key = NULL;
    bool said = says == NULL;
    ERR_clear_error();
    OSSL_STORE_CTX *store = OSSL_STORE_open_ex(uri, libctx, NULL, NULL, NULL, NULL, NULL, NULL);
    while (store != NULL && !OSSL_STORE_eof(store)) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);
        if (info == NULL) {
            break;
        }
        key = OSSL_STORE_INFO_get1_PKEY(info);
        OSSL_STORE_INFO_free(info);
    }
    (void)OSSL_STORE_close(store);
    const char *data = NULL;
    for (unsigned long e; (e = ERR_get_error_all(NULL, NULL, NULL, &data, NULL)) != 0;) {
        const char *reason = ERR_reason_error_string(e);
        said |= reason != NULL && says != NULL && strstr(reason, says) != NULL;
    }
    assert_true(said);
    return key;
}

/* The program lives on, the kernels too; who asks for a key is told. */
static void faults_of_configuration_are_told(void **state)
{
    static const struct {
        const char *lines, *fault;
    } bad[] = {
        {"table_budget = much\nendpoint = ipc:///nowhere\n", "table_budget = much is no number"},
        {"deadline_ms = -1\n", "deadline_ms = -1 is no number"},
        {"endpoint = ipc:///nowhere\n", "endpoint ipc:///nowhere has no server_key_file"},
        {"endpoint = ipc:///nowhere\nserver_key_file = s.pub\n", "or there is no key_file"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        OSSL_LIB_CTX *libctx = configured(bad[i].lines);
        EVP_PKEY *key = EVP_PKEY_Q_keygen(libctx, NULL, "EC", "P-256");
        assert_non_null(key);
        assert_string_equal(home_of(key), "ecka");
        char *fault = NULL;
        OSSL_PARAM params[] = {
            OSSL_PARAM_construct_utf8_ptr("fault", &fault, 0),
            OSSL_PARAM_construct_end(),
        };
        assert_int_equal(OSSL_PROVIDER_get_params(EVP_PKEY_get0_provider(key), params), 1);
        assert_non_null(strstr(fault, bad[i].fault));
        assert_null(from_store(libctx, "ecka:key=tls", "configuration is unusable"));
        EVP_PKEY_free(key);
        OSSL_LIB_CTX_free(libctx);
    }
}

/* A file with the public half of a key made here. */
static void public_key_file(OSSL_LIB_CTX *libctx, const char *group, char path[static 32])
{
    (void)snprintf(path, 32, "/tmp/ecka-public.XXXXXX");
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *f = fdopen(fd, "w");
    EVP_PKEY *key = EVP_PKEY_Q_keygen(libctx, NULL, "EC", group);
    assert_non_null(key);
    assert_int_equal(PEM_write_PUBKEY(f, key), 1);
    (void)fclose(f);
    EVP_PKEY_free(key);
}

static void keys_of_the_store(void **state)
{
    const struct contexts *c = *state;
    char public[32], other[32], lines[512];
    public_key_file(c->plain, "P-256", public);
    public_key_file(c->plain, "P-384", other);
    (void)snprintf(lines, sizeof lines,
                   "endpoint = ipc:///nowhere/eckad.sock\nserver_key_file = /nowhere/server.pub\n"
                   "key_file = /nowhere/me.key\nkeys = k\n"
                   "[k]\ntls = %s\np384 = %s\nabsent = /nowhere/absent.pem\n",
                   public, other);
    OSSL_LIB_CTX *libctx = configured(lines);
    assert_non_null(libctx);
    const size_t threads = threads_now();
    EVP_PKEY *key = from_store(libctx, "ecka:key=tls", NULL);
    assert_non_null(key);
    assert_string_equal(home_of(key), "ecka");
    assert_int_equal(threads_now(), threads);

    assert_null(from_store(libctx, "ecka:key=unknown", "no public key is configured"));
    assert_null(from_store(libctx, "ecka:key=", "not of the form"));
    assert_null(from_store(libctx, "ecka:label=tls", "not of the form"));
    assert_null(from_store(libctx, "ecka:key=A/b", "not of the form"));
    assert_null(
        from_store(libctx, "ecka:key=aaaaaaaaaabbbbbbbbbbccccccccccddd", "not of the form"));
    assert_null(from_store(libctx, "ecka:key=absent", "file cannot be used"));
    assert_null(from_store(libctx, "ecka:key=p384", "file cannot be used"));
    assert_null(from_store(c->with, "ecka:key=tls", "configuration is unusable"));

    /* Its private half does not come out, nor does it agree. */
    BIGNUM *d = NULL;
    OSSL_PARAM *params = NULL;
    assert_int_equal(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &d), 0);
    assert_int_equal(EVP_PKEY_todata(key, EVP_PKEY_KEYPAIR, &params), 0);
    assert_int_equal(EVP_PKEY_todata(key, EVP_PKEY_PUBLIC_KEY, &params), 1);
    OSSL_PARAM_free(params);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(libctx, key, NULL);
    assert_int_not_equal(EVP_PKEY_derive_init(ctx), 1);
    EVP_PKEY_CTX_free(ctx);

    /* Without a usable identity a signature is an error that says so. */
    uint8_t digest[32] = {0}, sig[80];
    size_t len = sizeof sig;
    ctx = EVP_PKEY_CTX_new_from_pkey(libctx, key, NULL);
    assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
    ERR_clear_error();
    assert_int_equal(EVP_PKEY_sign(ctx, sig, &len, digest, sizeof digest), 0);
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    assert_non_null(reason);
    assert_string_equal(reason, "eckad refused");
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(key);
    OSSL_LIB_CTX_free(libctx);
    (void)unlink(public);
    (void)unlink(other);
}

/* Counters go to the file that the configuration names, when the module is unloaded. */
static void statistics_are_written(void **state)
{
    char path[] = "/tmp/ecka-statistics.XXXXXX", lines[64], line[512] = "";
    (void)state;
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)snprintf(lines, sizeof lines, "statistics = %s\n", path);
    OSSL_LIB_CTX *libctx = configured(lines);
    assert_non_null(libctx);
    EVP_PKEY *key = EVP_PKEY_Q_keygen(libctx, NULL, "EC", "P-256");
    uint8_t digest[32] = {0}, sig[80];
    size_t len = sizeof sig;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(libctx, key, NULL);
    assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
    assert_int_equal(EVP_PKEY_sign(ctx, sig, &len, digest, sizeof digest), 1);
    EVP_PKEY_CTX_free(ctx);
    assert_int_equal(verify_raw(libctx, key, sig, len, digest, sizeof digest), 1);
    EVP_PKEY_free(key);
    assert_int_equal(read(fd, line, sizeof line - 1), 0);
    OSSL_LIB_CTX_free(libctx);
    assert_true(read(fd, line, sizeof line - 1) > 0);
    assert_non_null(strstr(line, "\"verify_kernel\":1,\"verify_delegated\":0,\"store_sign\":0}\n"));
    (void)close(fd);
    (void)unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_says_who_it_is),
        cmocka_unit_test(properties_choose),
        cmocka_unit_test(tls_groups_are_all_there),
        cmocka_unit_test(faults_of_configuration_are_told),
        cmocka_unit_test(keys_of_the_store),
        cmocka_unit_test(statistics_are_written),
    };
    return cmocka_run_group_tests(tests, contexts_open, contexts_close);
}
