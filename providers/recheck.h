/*
 * The sampled re-check of verdicts: which items to compare with libcrypto, and the comparison.
 *
 * One struct a thread. The items come at gaps drawn from a DRBG, uniform with the wished mean, so
 * that who can provoke a wrong verdict cannot tell whether it will be looked at.
 */
#ifndef PROVIDERS_RECHECK_H
#define PROVIDERS_RECHECK_H

#include "providers/provider.h"

struct recheck {
    void *reference; /* libcrypto's context; NULL: nothing is compared */
    struct drbg *drbg;
    uint32_t one_in;
    uint64_t until; /* items before the next to compare */
};

/* INTERNAL; nothing is left behind then. */
MUST_CHECK enum status recheck_init(struct recheck *r, uint32_t one_in);
void recheck_fini(struct recheck *r);

/*
 * Compares the sample of this batch. False when a verdict differs: then out holds libcrypto's
 * verdicts for all n items.
 */
MUST_CHECK bool recheck_batch_vartime(struct recheck *r, size_t n, const struct verify_item items[],
                                      enum status out[]);

/* Of all threads. */
uint64_t recheck_count(void);
uint64_t recheck_mismatches(void);

#endif
