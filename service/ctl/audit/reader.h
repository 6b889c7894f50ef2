/*
 * What every verb of eckactl audit begins and ends with: keys, checkpoints given, a verifier, and
 * how findings are said.
 */
#ifndef SERVICE_CTL_AUDIT_READER_H
#define SERVICE_CTL_AUDIT_READER_H

#include <stdio.h>

#include "service/ctl/audit/options.h"
#include "service/ctl/audit/verify.h"

struct reader {
    const struct audit_asked *asked;
    FILE *findings; /* where they are said */
    struct provider *provider;
    struct signers signers;
    struct held held; /* --checkpoint's in their order, then --older's */
    struct verifier verifier;
    uint32_t kinds; /* of findings, a bit each */
};

/* CTL_OK; CTL_USAGE or CTL_FAILED, which was said. */
MUST_CHECK int reader_open(struct reader *r, const struct audit_asked *asked, FILE *findings);
void reader_close(struct reader *r);

/* Reads all that is asked for; whoever listens is set in r->verifier.listener. What was found and
 * what to do about it is said. CTL_OK when all holds. */
MUST_CHECK int reader_verify(struct reader *r);

/* Reads once more what reader_verify() found to hold, for a listener; signatures are known to
 * verify. CTL_FAILED, which was said, when the log has changed meanwhile. */
MUST_CHECK int reader_again(struct reader *r, const struct verify_listener *listener);

/* Says what to do about what was found, and returns the exit status. */
MUST_CHECK int reader_verdict(struct reader *r);

/* The verbs. */
int audit_show(const struct audit_asked *asked);
int audit_prove(const struct audit_asked *asked);
int audit_follow(const struct audit_asked *asked);
int audit_export(const struct audit_asked *asked);

#endif
