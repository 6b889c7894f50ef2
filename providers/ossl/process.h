/*
 * What a process has once, however often it loads ecka.so: a library context in which the default
 * provider alone is active, the chosen kernels with their key tables, and lanes on which threads
 * compute.
 *
 * It is made by the first loading and stays: libcrypto keeps pointers to a library context in every
 * thread that used it, so that nobody can free one under threads that live on. The module is linked
 * to stay mapped for the same reason.
 *
 * A fork waits until no thread is on a lane or in a queue of this module, so the child finds all of
 * it whole. Any thread.
 */
#ifndef PROVIDERS_OSSL_PROCESS_H
#define PROVIDERS_OSSL_PROCESS_H

#include <openssl/evp.h>

#include "providers/ossl/module.h"
#include "providers/provider.h"

/* What delegates: the library context, and the default provider's algorithms in it. */
struct process {
    OSSL_LIB_CTX *libctx;
    OSSL_PROVIDER *standard;
    EVP_KEYMGMT *keymgmt;
    EVP_SIGNATURE *signature;
    EVP_KEYEXCH *keyexch;
    EVP_KDF *x963;
    const OSSL_PARAM *key_types; /* what a key is imported from and exported to */
};

/* INTERNAL when libcrypto's default provider is not to be had. */
MUST_CHECK enum status process_start(size_t table_budget);
/* After process_start(). */
const struct process *process(void);

/* Known-answer tests of the kernels in use, again. */
MUST_CHECK bool process_self_test(void);

/* A module that forks are to respect, and whose counters a child begins anew. */
void process_enter(struct module *m);
void process_leave(struct module *m);
/* Those entered, linked by next; for the end of the process, when nobody loads or unloads. */
const struct module *process_modules(void);

/* One verification on the kernels. COULD_NOT_TELL: nobody is free for it, or there are none. */
MUST_CHECK enum status process_verify_vartime(const struct verify_item *item);

/* ECKA-EG's key data: X9.63 with SHA-256 over Z. As provider_ecka(), and INTERNAL. */
MUST_CHECK enum status process_ecka_eg(const struct ecka_item *item, struct span shared_info,
                                       uint8_t *out, size_t out_len);

#endif
