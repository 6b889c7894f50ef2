/*
 * The checkpoint keys that a reader of logs believes in: P-256, from PEM files.
 */
#ifndef SERVICE_CTL_AUDIT_SIGNERS_H
#define SERVICE_CTL_AUDIT_SIGNERS_H

#include "proto/audit/audit.h"
#include "providers/provider.h"

enum { SIGNERS_MAX = 64, SIGNERS_ERROR_MAX = 256 };

struct signer {
    uint8_t id[AUDIT_KEY_ID_LEN], point[EC_POINT_LEN];
};

struct signers {
    size_t n;
    struct signer key[SIGNERS_MAX];
};

/* Adds every key of a file, which has at least one. False: error is a sentence. */
MUST_CHECK bool signers_load(struct signers *s, const char *file,
                             char error[static SIGNERS_ERROR_MAX]);

/* NULL: no key has this id. */
const struct signer *signers_find(const struct signers *s, const uint8_t *id);

/* KEY_UNKNOWN, SIGNATURE_INVALID; INTERNAL: it could not be told. */
MUST_CHECK enum status signers_check(const struct signers *s, struct provider *p,
                                     const struct audit_checkpoint *c);

#endif
