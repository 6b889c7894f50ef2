#include "providers/ossl/module.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "providers/ossl/process.h"

enum {
    TABLE_BUDGET = 64 << 20, /* bytes of key tables, unless set: some eighty of the widest */
    US_PER_MS = 1000,
    LINE_MAX_LEN = 512,
};

#define PROPERTIES "provider=ecka"

/* The names that the default provider has for them, or OpenSSL would take them for others. */
static const OSSL_ALGORITHM keymgmts[] = {
    {"EC:id-ecPublicKey:1.2.840.10045.2.1", PROPERTIES, keymgmt_functions, "EC keys"},
    {0},
};
static const OSSL_ALGORITHM signatures[] = {
    {"ECDSA", PROPERTIES, signature_functions, "ECDSA"},
    {0},
};
static const OSSL_ALGORITHM keyexchs[] = {
    {"ECDH", PROPERTIES, keyexch_functions, "ECDH"},
    {0},
};
static const OSSL_ALGORITHM kdfs[] = {
    {"X963KDF:X942KDF-CONCAT", PROPERTIES, kdf_functions, "ANSI X9.63 KDF"},
    {"ECKA-EG", PROPERTIES, ecka_eg_functions, "ECKA-EG (BSI TR-03111) with X9.63"},
    {0},
};
static const OSSL_ALGORITHM stores[] = {
    {"ecka", PROPERTIES, store_functions, "keys behind eckad"},
    {0},
};

static const OSSL_ITEM reasons[] = {
    {REASON_DELEGATION, "the default provider failed"},
    {REASON_BAD_URI, "not of the form ecka:key=LABEL"},
    {REASON_UNKNOWN_KEY, "no public key is configured for this label"},
    {REASON_PUBLIC_KEY_FILE, "the public key's file cannot be used"},
    {REASON_CONFIGURATION, "the provider's configuration is unusable"},
    {REASON_REMOTE_PRIVATE_KEY, "the private key stays in its token and only signs"},
    {REASON_SERVICE, "eckad refused"},
    {REASON_SERVICE_UNREACHABLE, "eckad did not answer"},
    {REASON_WRONG_SIGNATURE, "eckad's signature does not fit the configured public key"},
    {REASON_BAD_PARAMETER, "a parameter is missing or unusable"},
    {REASON_BUFFER_TOO_SMALL, "the buffer is too small"},
    {REASON_MEMORY, "out of memory"},
    {REASON_SELF_TEST, "a known-answer test failed"},
    {0, NULL},
};

static const char *const counter_names[COUNTERS] = {
    [COUNT_VERIFY_KERNEL] = "verify_kernel",
    [COUNT_VERIFY_DELEGATED] = "verify_delegated",
    [COUNT_STORE_SIGN] = "store_sign",
};

void module_error_at(const struct module *m, const char *file, int line, const char *function,
                     enum reason reason, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    m->new_error(m->handle);
    m->set_error_debug(m->handle, file, line, function);
    m->vset_error(m->handle, (uint32_t)reason, format, args);
    va_end(args);
}

const char *module_setting(const struct module *m, const char *name)
{
    char *value = NULL;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_ptr(name, &value, 0),
        OSSL_PARAM_construct_end(),
    };
    return m->get_params(m->handle, params) == 1 && OSSL_PARAM_modified(params) ? value : NULL;
}

/* -- what OpenSSL asks -- */

static const OSSL_PARAM *gettable_params(void *provctx)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_NAME, NULL, 0),
        OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_VERSION, NULL, 0),
        OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_BUILDINFO, NULL, 0),
        OSSL_PARAM_int(OSSL_PROV_PARAM_STATUS, NULL),
        OSSL_PARAM_utf8_ptr("backend", NULL, 0),
        OSSL_PARAM_utf8_ptr("fault", NULL, 0),
        OSSL_PARAM_uint64("verify_kernel", NULL),
        OSSL_PARAM_uint64("verify_delegated", NULL),
        OSSL_PARAM_uint64("store_sign", NULL),
        OSSL_PARAM_END,
    };
    (void)provctx;
    return params;
}

static bool put_text(OSSL_PARAM params[], const char *name, const char *text)
{
    OSSL_PARAM *p = OSSL_PARAM_locate(params, name);
    return p == NULL || OSSL_PARAM_set_utf8_ptr(p, text) == 1;
}

static int get_params(void *provctx, OSSL_PARAM params[])
{
    struct module *m = provctx;
    OSSL_PARAM *p = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_STATUS);
    bool ok = p == NULL || OSSL_PARAM_set_int(p, 1) == 1;
    for (size_t i = 0; i < COUNTERS; i++) {
        p = OSSL_PARAM_locate(params, counter_names[i]);
        ok = ok && (p == NULL || OSSL_PARAM_set_uint64(p, atomic_load(&m->count[i])) == 1);
    }
    return ok && put_text(params, OSSL_PROV_PARAM_NAME, "eckad's EC provider") &&
           put_text(params, OSSL_PROV_PARAM_VERSION, ECKAD_VERSION) &&
           put_text(params, OSSL_PROV_PARAM_BUILDINFO, ECKAD_VERSION) &&
           put_text(params, "backend", provider_name()) && put_text(params, "fault", m->fault);
}

static const OSSL_ALGORITHM *query_operation(void *provctx, int operation, int *no_cache)
{
    (void)provctx;
    *no_cache = 0;
    switch (operation) {
    case OSSL_OP_KEYMGMT:
        return keymgmts;
    case OSSL_OP_SIGNATURE:
        return signatures;
    case OSSL_OP_KEYEXCH:
        return keyexchs;
    case OSSL_OP_KDF:
        return kdfs;
    case OSSL_OP_STORE:
        return stores;
    default:
        return NULL;
    }
}

static const OSSL_ITEM *reason_strings(void *provctx)
{
    (void)provctx;
    return reasons;
}

static int self_test(void *provctx)
{
    const struct module *m = provctx;
    if (!process_self_test()) {
        module_error(m, REASON_SELF_TEST, "backend %s", provider_name());
        return 0;
    }
    return 1;
}

/*
 * libssl offers a TLS group only if its keys are fetched from the provider that named it. So with
 * EC fetched from here the default provider's EC groups are to be named here, too.
 */
struct ec_groups {
    OSSL_CALLBACK *callback;
    void *arg;
};

static int pass_ec_group(const OSSL_PARAM params[], void *arg)
{
    const struct ec_groups *to = arg;
    const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, OSSL_CAPABILITY_TLS_GROUP_ALG);
    const char *algorithm = NULL;
    if (p == NULL || OSSL_PARAM_get_utf8_string_ptr(p, &algorithm) != 1 ||
        strcmp(algorithm, "EC") != 0) {
        return 1;
    }
    return to->callback(params, to->arg);
}

static int get_capabilities(void *provctx, const char *capability, OSSL_CALLBACK *callback,
                            void *arg)
{
    struct ec_groups to = {callback, arg};
    (void)provctx;
    return OPENSSL_strcasecmp(capability, "TLS-GROUP") != 0 ||
           OSSL_PROVIDER_get_capabilities(process()->standard, capability, pass_ec_group, &to);
}

/* -- the end -- */

/* One line, in one write: several processes may append to one file. */
static void write_statistics(const struct module *m)
{
    char line[LINE_MAX_LEN];
    const int fd = open(m->statistics, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    const int len =
        snprintf(line, sizeof line,
                 "{\"pid\":%ld,\"program\":\"%s\",\"backend\":\"%s\",\"verify_kernel\":%llu,"
                 "\"verify_delegated\":%llu,\"store_sign\":%llu}\n",
                 (long)getpid(), m->program, provider_name(),
                 (unsigned long long)atomic_load(&m->count[COUNT_VERIFY_KERNEL]),
                 (unsigned long long)atomic_load(&m->count[COUNT_VERIFY_DELEGATED]),
                 (unsigned long long)atomic_load(&m->count[COUNT_STORE_SIGN]));
    if (fd >= 0) {
        if (write(fd, line, (size_t)len) != len) {
            /* nobody is left to be told */
        }
        (void)close(fd);
    }
}

/* A program that leaks one object of ours never unloads us: its end counts as well. */
__attribute__((destructor)) static void end_of_process(void)
{
    for (const struct module *m = process_modules(); m != NULL; m = m->next) {
        if (m->statistics != NULL) {
            write_statistics(m);
        }
    }
}

static void module_free(struct module *m)
{
    remote_free(&m->remote);
    free(m->statistics);
    free(m);
}

static void teardown(void *provctx)
{
    struct module *m = provctx;
    process_leave(m);
    if (m->statistics != NULL) {
        write_statistics(m);
    }
    module_free(m);
}

static const OSSL_DISPATCH module_functions[] = {
    ENTRY(OSSL_FUNC_PROVIDER_TEARDOWN, teardown),
    ENTRY(OSSL_FUNC_PROVIDER_GETTABLE_PARAMS, gettable_params),
    ENTRY(OSSL_FUNC_PROVIDER_GET_PARAMS, get_params),
    ENTRY(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query_operation),
    ENTRY(OSSL_FUNC_PROVIDER_GET_REASON_STRINGS, reason_strings),
    ENTRY(OSSL_FUNC_PROVIDER_GET_CAPABILITIES, get_capabilities),
    ENTRY(OSSL_FUNC_PROVIDER_SELF_TEST, self_test),
    {0, NULL},
};

/* -- the beginning -- */

static bool take_core(struct module *m, const OSSL_DISPATCH *in)
{
    for (; in->function_id != 0; in++) {
        switch (in->function_id) {
        case OSSL_FUNC_CORE_GET_PARAMS:
            m->get_params = OSSL_FUNC_core_get_params(in);
            break;
        case OSSL_FUNC_CORE_NEW_ERROR:
            m->new_error = OSSL_FUNC_core_new_error(in);
            break;
        case OSSL_FUNC_CORE_SET_ERROR_DEBUG:
            m->set_error_debug = OSSL_FUNC_core_set_error_debug(in);
            break;
        case OSSL_FUNC_CORE_VSET_ERROR:
            m->vset_error = OSSL_FUNC_core_vset_error(in);
            break;
        default:
            break;
        }
    }
    return m->get_params != NULL && m->new_error != NULL && m->set_error_debug != NULL &&
           m->vset_error != NULL;
}

/*
 * OpenSSL drops the errors of a provider that does not load, and the program goes on without it. So
 * a faulty configuration loads, verifies and delegates; its fault is the parameter `fault`, and the
 * error of whoever asks for a key behind the service.
 */
__attribute__((format(printf, 2, 3))) static void fault(struct module *m, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (m->fault[0] == '\0') {
        (void)vsnprintf(m->fault, sizeof m->fault, format, args);
    }
    va_end(args);
}

/* A number of the configuration; absent or faulty: the default. */
static uint32_t number(struct module *m, const char *name, uint32_t fallback)
{
    const char *text = module_setting(m, name);
    char *end = NULL;
    if (text == NULL) {
        return fallback;
    }
    const unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || value > UINT32_MAX) {
        fault(m, "%s = %.64s is no number", name, text);
        return fallback;
    }
    return (uint32_t)value;
}

/* endpoint, endpoint2, ... endpoint8, each with its server_key_file. */
static const char *numbered(const struct module *m, const char *name, size_t i)
{
    char full[32]; /* of the names above */
    (void)snprintf(full, sizeof full, i == 0 ? "%s" : "%s%zu", name, i + 1);
    return module_setting(m, full);
}

static bool configure_service(struct module *m)
{
    struct remote_identity identity = {
        .key_file = module_setting(m, "key_file"),
        .deadline_us = (uint64_t)number(m, "deadline_ms", 0) * US_PER_MS,
    };
    for (size_t i = 0; i < REMOTE_ENDPOINTS_MAX; i++) {
        const char *address = numbered(m, "endpoint", i);
        if (address == NULL) {
            break;
        }
        identity.endpoints[i].address = address;
        identity.endpoints[i].server_key_file = numbered(m, "server_key_file", i);
        if (identity.endpoints[i].server_key_file == NULL || identity.key_file == NULL) {
            fault(m, "endpoint %.64s has no server_key_file, or there is no key_file", address);
            return true;
        }
    }
    return identity.endpoints[0].address == NULL || remote_new(&m->remote, &identity) == STATUS_OK;
}

static bool configure(struct module *m)
{
    const char *statistics = module_setting(m, "statistics");
    if (statistics != NULL && (m->statistics = strdup(statistics)) == NULL) {
        return false;
    }
    if (process_start(number(m, "table_budget", TABLE_BUDGET)) != STATUS_OK) {
        module_error(m, REASON_DELEGATION, "no library context with it can be made");
        return false;
    }
    return configure_service(m);
}

/* NOLINTNEXTLINE(readability-redundant-declaration): libcrypto declares it, hidden here */
__attribute__((visibility("default"))) OSSL_provider_init_fn OSSL_provider_init;

int OSSL_provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
                       const OSSL_DISPATCH **out, void **provctx)
{
    struct module *m = calloc(1, sizeof *m);
    if (m == NULL) {
        return 0;
    }
    m->handle = handle;
    /* Now: programs that show a title write it where their name stands. */
    (void)snprintf(m->program, sizeof m->program, "%s", program_invocation_short_name);
    if (!take_core(m, in) || !configure(m)) {
        module_free(m);
        return 0;
    }
    process_enter(m);
    *out = module_functions;
    *provctx = m;
    return 1;
}
