/*
 * The outcomes of a migration, a line a change, as JSON or as CSV: appended when a change ends and
 * read back when the migration goes on. Of several lines for an EID the last one counts; a line cut
 * off by an interruption is none.
 */
#ifndef SMSR_OUTCOMES_H
#define SMSR_OUTCOMES_H

#include "smsr/party/message.h"

struct outcomes {
    FILE *file;
    bool csv;
};

/* An EID that the file says was executed. */
typedef void outcomes_done(void *arg, const uint8_t eid[static GP_EID_LEN]);

/* Opens path for appending, and tells what it says already. False after a sentence on stderr. */
MUST_CHECK bool outcomes_open(struct outcomes *out, const char *path, bool csv, outcomes_done *done,
                              void *arg);
MUST_CHECK bool outcomes_close(struct outcomes *outcomes);

/* One line, in the kernel's hands when this returns true. */
MUST_CHECK bool outcomes_add(struct outcomes *outcomes, const uint8_t eid[static GP_EID_LEN],
                             const struct es_answer *answer, unsigned tries, uint64_t latency_us,
                             uint64_t now_us);

#endif
