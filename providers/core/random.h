/*
 * A DRBG a thread (SP 800-90A CTR-DRBG, libcrypto's), seeded from the OS and from the token.
 */
#ifndef PROVIDERS_CORE_RANDOM_H
#define PROVIDERS_CORE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#include "proto/bytes.h"

struct drbg;

/* token_seed (may be empty) enters as personalisation beside the OS's entropy. INTERNAL. */
MUST_CHECK enum status drbg_new(struct drbg **out, struct span token_seed);
void drbg_free(struct drbg **d);
MUST_CHECK enum status drbg_bytes(struct drbg *d, uint8_t *out, size_t len);

#endif
