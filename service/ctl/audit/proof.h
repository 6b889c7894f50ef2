/*
 * Proofs as files: a C2SP tlog-proof with its leaf, and a proof that one checkpoint's log is the
 * beginning of another's. Both stand by themselves.
 */
#ifndef SERVICE_CTL_AUDIT_PROOF_H
#define SERVICE_CTL_AUDIT_PROOF_H

#include "service/ctl/audit/reader.h"

enum { PROOF_FILE_MAX = 1 << 16 };

void proof_inclusion_put(struct writer *w, struct span leaf, uint64_t index,
                         const struct merkle_proof *path, const struct audit_checkpoint *c);
void proof_consistency_put(struct writer *w, const struct merkle_proof *path,
                           const struct audit_checkpoint *older, const struct audit_checkpoint *c);

/* Of either kind. What it proves goes to says; false: a finding. */
MUST_CHECK bool proof_verify(struct verifier *v, const char *file, struct span proof, FILE *says);
int proof_verify_file(struct reader *r, const char *file);

#endif
