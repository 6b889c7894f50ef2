/*
 * What is wrong with a log, where, and what to do about it.
 */
#ifndef SERVICE_CTL_AUDIT_FINDING_H
#define SERVICE_CTL_AUDIT_FINDING_H

#include <stdint.h>

enum finding_kind {
#define FINDING(name, text, meaning, next) FINDING_##name,
#include "service/ctl/audit/findings.def"
#undef FINDING
    FINDING_KIND_COUNT,
};

enum { FINDING_SENTENCE_MAX = 192 };

struct finding {
    const char *file;
    uint64_t line;  /* from 1; 0: none in particular */
    uint64_t index; /* of the leaf that comes next there */
    enum finding_kind kind;
    const char *sentence;
};

/* "signature", and the sentence that says what to do next. */
const char *finding_text(enum finding_kind kind);
const char *finding_next(enum finding_kind kind);

#endif
