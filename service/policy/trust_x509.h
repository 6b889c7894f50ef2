/*
 * CI and EUM certificates, X.509, as far as trust.c needs them. libcrypto's parser; start only.
 */
#ifndef SERVICE_TRUST_X509_H
#define SERVICE_TRUST_X509_H

#include "service/policy/trust.h"

struct trust_ci;

/* CERT_MALFORMED, or OK with a CI that is a CA, may sign certificates and has a usable key. The
 * sentence says what is missing. */
MUST_CHECK enum status trust_ci_new(struct span der, struct trust_ci **out, const char **complaint);
const struct trust_key *trust_ci_key(const struct trust_ci *ci);
void trust_ci_free(struct trust_ci **ci);

/*
 * Judges an EUM certificate under the pinned CIs and fills eum's ski, prefixes, curve, point and
 * validity. EUM_MALFORMED, EUM_CI_UNKNOWN, EUM_SIGNATURE, EUM_NOT_CA, EUM_PATH_LENGTH,
 * EUM_KEY_USAGE, EUM_POLICY, EUM_NAME_CONSTRAINTS, EUM_CURVE, in this order.
 */
MUST_CHECK enum status trust_eum_judge(struct span der, size_t ci_count,
                                       struct trust_ci *const ci[], struct trust_eum *eum);

#endif
