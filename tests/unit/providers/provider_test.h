/*
 * What the tests of providers share: one provider and DRBG a group, and short ways to ask for one
 * thing.
 */
#ifndef TESTS_UNIT_PROVIDERS_PROVIDER_TEST_H
#define TESTS_UNIT_PROVIDERS_PROVIDER_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "providers/core/random.h"
#include "providers/core/secret.h"
#include "providers/kdf/sym.h"
#include "providers/provider.h"
#include "tests/unit/vectors.h"

struct fixture {
    struct provider *provider;
    struct sym *sym; /* the provider's */
    struct drbg *drbg;
};

/* Group setup and teardown; *state becomes a struct fixture *. ECKA_BACKEND chooses the backend. */
int fixture_new(void **state);
int fixture_free(void **state);

/* Fails the test with the case's name and both statuses when they differ. */
void assert_status(const char *what, enum status got, enum status want);
void assert_bytes(const char *what, const void *got, const void *want, size_t len);
void assert_zero(const char *what, const void *got, size_t len);

enum status verify_one(struct fixture *f, enum curve curve, const uint8_t *public_key,
                       const uint8_t *digest, const uint8_t *signature);
enum status agree_one(struct fixture *f, enum curve curve, const uint8_t *k, const uint8_t *peer,
                      uint8_t z[static ECDH_Z_LEN]);

/* A scalar in [1, n-1] from the DRBG, and kG by the provider. */
void new_pair(struct fixture *f, enum curve curve, uint8_t k[static EC_SCALAR_LEN],
              uint8_t Q[static EC_POINT_LEN]);

#endif
