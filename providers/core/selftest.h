/*
 * Known-answer tests that run at start, before a backend is used: a few milliseconds each.
 *
 * failed receives the name of the test that failed ("ECDSA verification on P-256").
 */
#ifndef PROVIDERS_CORE_SELFTEST_H
#define PROVIDERS_CORE_SELFTEST_H

#include "providers/kdf/sym.h"
#include "providers/provider.h"

enum { SELFTEST_NAME_SIZE = 64 };

/* ECDSA, key generation and agreement of one backend on each curve. INTERNAL. */
MUST_CHECK enum status selftest_backend(const struct provider_ops *ops,
                                        char failed[static SELFTEST_NAME_SIZE]);

/* X9.63 and AES-CMAC. INTERNAL. */
MUST_CHECK enum status selftest_sym(struct sym *s, char failed[static SELFTEST_NAME_SIZE]);

#endif
