/*
 * The command line of eckactl audit: what each verb takes, and what it has to be.
 */
#ifndef SERVICE_CTL_AUDIT_OPTIONS_H
#define SERVICE_CTL_AUDIT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/audit/audit.h"

enum audit_verb {
    AUDIT_VERIFY,
    AUDIT_SHOW,
    AUDIT_PROVE,
    AUDIT_FOLLOW,
    AUDIT_EXPORT,
    AUDIT_VERB_COUNT,
};

enum { ASKED_FILES_MAX = 64 };

/* Which leaves are shown; NULL or 0: any. */
struct leaf_filter {
    const char *principal, *label, *op, *status;
    const char *since, *until; /* the beginning of a time, as leaves have it */
    bool has_eid;
    uint8_t eid[AUDIT_EID_LEN];
    uint64_t from, to; /* indexes */
};

/* What is asked for; views into argv. */
struct audit_asked {
    enum audit_verb verb;
    char **directories;
    size_t directory_count;
    const char *keys[ASKED_FILES_MAX], *checkpoints[ASKED_FILES_MAX];
    size_t key_count, checkpoint_count;
    const char *origin;
    /* verify */
    bool whole, unfinished;
    const char *proof;
    /* show, follow */
    struct leaf_filter filter;
    bool json;
    /* prove; export takes the filter's from and to */
    bool has_leaf;
    uint64_t leaf;
    const char *older, *out;
};

const char *audit_verb_name(enum audit_verb verb);

/* argv[0] is the verb. False: misuse, said on stderr. */
MUST_CHECK bool audit_parse(struct audit_asked *asked, int argc, char **argv);

/* Of one verb, NULL for verb: of all. NULL when there is no such verb. */
const char *audit_help(const char *verb);

#endif
