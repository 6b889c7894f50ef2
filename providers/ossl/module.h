/*
 * One loading of ecka.so: its configuration, its counters, its way to report errors.
 *
 * A struct module is what OpenSSL calls the provider context: one a library context that loads the
 * provider. What a process has once, whoever loads it, stands in process.h. Any thread.
 */
#ifndef PROVIDERS_OSSL_MODULE_H
#define PROVIDERS_OSSL_MODULE_H

#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "providers/ossl/remote_key.h"

/* What has been done since loading, or since the fork: parameters of the provider, by name. */
enum counter {
    COUNT_VERIFY_KERNEL,    /* verdicts of the kernels, valid or not */
    COUNT_VERIFY_DELEGATED, /* verifications that the default provider did */
    COUNT_STORE_SIGN,       /* signatures by keys behind the service */
    COUNTERS,
};

/* Reasons in OpenSSL's error queue; their texts are in module.c. */
enum reason {
    REASON_DELEGATION = 1,
    REASON_BAD_URI,
    REASON_UNKNOWN_KEY,
    REASON_PUBLIC_KEY_FILE,
    REASON_CONFIGURATION,
    REASON_REMOTE_PRIVATE_KEY,
    REASON_SERVICE,
    REASON_SERVICE_UNREACHABLE,
    REASON_WRONG_SIGNATURE,
    REASON_BAD_PARAMETER,
    REASON_BUFFER_TOO_SMALL,
    REASON_MEMORY,
    REASON_SELF_TEST,
};

enum {
    FAULT_MAX = 256,
    PROGRAM_MAX = 64,
};

struct module {
    const OSSL_CORE_HANDLE *handle;
    OSSL_FUNC_core_get_params_fn *get_params;
    OSSL_FUNC_core_new_error_fn *new_error;
    OSSL_FUNC_core_set_error_debug_fn *set_error_debug;
    OSSL_FUNC_core_vset_error_fn *vset_error;

    _Atomic uint64_t count[COUNTERS];
    char *statistics; /* the file that gets the counters at the end; NULL: none */
    char program[PROGRAM_MAX];
    struct remote *remote; /* NULL: no service is configured */
    char fault[FAULT_MAX]; /* what is wrong with the configuration; "": nothing */

    struct module *next; /* process.c's */
};

static inline void module_count(struct module *m, enum counter counter)
{
    atomic_fetch_add_explicit(&m->count[counter], 1, memory_order_relaxed);
}

/* An entry of the provider's section in the configuration; NULL when there is none. It lives as
 * long as the provider is loaded. */
const char *module_setting(const struct module *m, const char *name);

/* Puts an error on the thread's queue, with a sentence. */
#define module_error(m, reason, ...)                                                               \
    module_error_at((m), __FILE__, __LINE__, __func__, (reason), __VA_ARGS__)
__attribute__((format(printf, 6, 7))) void module_error_at(const struct module *m, const char *file,
                                                           int line, const char *function,
                                                           enum reason reason, const char *format,
                                                           ...);

/* The algorithms: keymgmt.c, signature.c, keyexch.c, kdf.c, ecka_eg.c, store.c. */
extern const OSSL_DISPATCH keymgmt_functions[];
extern const OSSL_DISPATCH signature_functions[];
extern const OSSL_DISPATCH keyexch_functions[];
extern const OSSL_DISPATCH kdf_functions[];
extern const OSSL_DISPATCH ecka_eg_functions[];
extern const OSSL_DISPATCH store_functions[];

#define ENTRY(number, function)                                                                    \
    {                                                                                              \
        (number), (void (*)(void))(function)                                                       \
    }

#endif
