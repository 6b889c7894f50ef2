/*
 * Two library contexts for the tests of ecka.so: `plain` has the default provider alone, `with` has
 * both and asks for ?provider=ecka, as the sample configuration does. ECKA_SO is the module's
 * folder.
 */
#ifndef TESTS_UNIT_OSSL_OSSL_TEST_H
#define TESTS_UNIT_OSSL_OSSL_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

#include "tests/unit/vectors.h"

struct contexts {
    OSSL_LIB_CTX *plain, *with;
    OSSL_PROVIDER *plain_default, *with_default, *ecka;
};

int contexts_open(void **state);
int contexts_close(void **state);

/* A context with both; *ecka is to be unloaded before it. */
OSSL_LIB_CTX *context_with_ecka(OSSL_PROVIDER **standard, OSSL_PROVIDER **ecka);

/* A provider's parameter of this name. */
uint64_t counter(const struct contexts *c, const char *name);

/* A key of these parts; NULL when libctx takes none. priv may be NULL; then point is the key. */
EVP_PKEY *key_of(OSSL_LIB_CTX *libctx, const char *group, const uint8_t *point, size_t point_len,
                 const uint8_t *priv, size_t priv_len);

/* EVP_PKEY_verify(): 1, 0 or less. */
int verify_raw(OSSL_LIB_CTX *libctx, EVP_PKEY *key, const uint8_t *sig, size_t sig_len,
               const uint8_t *digest, size_t digest_len);

/* The name of the provider that holds the key. */
const char *home_of(const EVP_PKEY *key);

#endif
