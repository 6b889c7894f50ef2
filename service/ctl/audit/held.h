/*
 * Checkpoints that an auditor has from before or from elsewhere, to hold a log against.
 */
#ifndef SERVICE_CTL_AUDIT_HELD_H
#define SERVICE_CTL_AUDIT_HELD_H

#include "service/ctl/audit/finding.h"
#include "service/ctl/audit/signers.h"

enum { HELD_MAX = 64, HELD_ERROR_MAX = 256 };

struct held_checkpoint {
    const char *file;
    char origin[AUDIT_ORIGIN_MAX + 1];
    struct audit_checkpoint checkpoint; /* its origin is a view of the one above */
    enum { HELD_OPEN, HELD_COMPARED, HELD_FOUND } state;
    enum finding_kind kind; /* when found, and the sentence */
    char sentence[FINDING_SENTENCE_MAX];
};

struct held {
    size_t n;
    struct held_checkpoint *checkpoint; /* of HELD_MAX */
};

void held_free(struct held *h);

/*
 * Reads a note, or a log's line of one, and checks its signature; what is wrong with it is found
 * when the log is judged. Without signers signatures are not looked at. False: the file cannot be
 * read, and error says why.
 */
MUST_CHECK bool held_load(struct held *h, const char *file, const struct signers *signers,
                          struct provider *p, char error[static HELD_ERROR_MAX]);

__attribute__((format(printf, 3, 4))) void
held_found(struct held_checkpoint *c, enum finding_kind kind, const char *format, ...);

/* A note; of several signatures the one by a known key. The origin is a view of it. */
MUST_CHECK bool note_read(struct span note, const struct signers *signers,
                          struct audit_checkpoint *out);

#endif
