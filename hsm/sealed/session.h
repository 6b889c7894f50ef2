/*
 * A sealed SCP03 session's contents: version(1) level(1) commands(4) chaining value(16) S-ENC(16)
 * S-MAC(16) S-RMAC(16). The custodian keeps no session: each use gives the next blob, and the same
 * use of the same blob gives the same one.
 */
#ifndef HSM_SESSION_H
#define HSM_SESSION_H

#include "hsm/sealed/blob.h"
#include "providers/scp/scp03.h"

/* BAD_LENGTH when the keys are not AES-128. */
MUST_CHECK enum status session_put(struct writer *w, const struct scp03_session *session);
/* A copy, in memory for secrets. BLOB_MALFORMED, and then it is zero. */
MUST_CHECK enum status session_parse(struct span in, struct scp03_session *out);

#endif
