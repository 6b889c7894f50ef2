/*
 * The arithmetic that the simulated cards and Alpha share: one provider, one DRBG, one thread.
 * Beta has none of it: what Beta needs computed, eckad computes.
 */
#ifndef SMSR_ENGINE_H
#define SMSR_ENGINE_H

#include "providers/core/random.h"
#include "providers/kdf/sym.h"
#include "providers/provider.h"

struct engine {
    struct provider *provider;
    struct sym *sym; /* the provider's */
    struct drbg *drbg;
};

/* Selects a provider for the process (provider_select) and sets the engine up. INTERNAL. */
MUST_CHECK enum status engine_init(struct engine *engine);
void engine_fini(struct engine *engine);

/* One ECDSA verification over SHA-256 of the parts. OK, SIGNATURE_INVALID, BAD_POINT, BAD_CURVE,
 * COULD_NOT_TELL. */
MUST_CHECK enum status engine_verify_vartime(struct engine *engine, enum curve curve,
                                             const uint8_t point[static EC_POINT_LEN],
                                             struct span message,
                                             const uint8_t signature[static EC_SIGNATURE_LEN]);

#endif
