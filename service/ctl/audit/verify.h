/*
 * Verification of a log, line by line and in bounded memory, by the rules of docs/audit.md.
 *
 * At most one finding a segment ends its verification; the next one begins anew with the leaves
 * that it says came before it. Whoever shows, proves or exports listens to a verification. One
 * thread.
 */
#ifndef SERVICE_CTL_AUDIT_VERIFY_H
#define SERVICE_CTL_AUDIT_VERIFY_H

#include "providers/merkle/merkle.h"
#include "service/ctl/audit/held.h"
#include "service/ctl/audit/segments.h"

struct verify_leaf {
    const struct merkle_range *before; /* the leaves before it; their number is its index */
    struct span line;
    const struct audit_leaf *leaf;
    const uint8_t *hash;
};

/* Whom it tells what is wrong, and what is to be known. */
struct verify_speaker {
    void *arg;
    void (*finding)(void *arg, const struct finding *f);
    void (*note)(void *arg, const char *sentence);
};

/* Who listens to what is read; either may be NULL. */
struct verify_listener {
    void *arg;
    /* No checkpoint covers it yet. */
    void (*leaf)(void *arg, const struct verify_leaf *leaf);
    /* After it was found to hold. */
    void (*checkpoint)(void *arg, struct span line, const struct audit_checkpoint *c);
};

struct verifier {
    /* What is asked. */
    struct provider *provider;     /* borrowed */
    const struct signers *signers; /* borrowed; NULL: signatures are not looked at */
    struct held *held;             /* borrowed; may be NULL */
    bool whole, unfinished;
    struct verify_speaker speaker;
    struct verify_listener listener;

    /* What was seen. */
    char origin[AUDIT_ORIGIN_MAX + 1]; /* "": any; then that of the first segment */
    bool began, known;                 /* known: the tree is that of all leaves up to here */
    uint64_t first, leaves, checkpoints, findings;
    uint64_t fresh; /* leaves since the last checkpoint */
    struct merkle_range tree;
    bool has_last;
    struct audit_checkpoint last; /* that holds; its origin is a view of the one above */
};

/* Within one segment. */
struct segment_place {
    const char *path, *name;
    uint64_t line;    /* taken last */
    uint64_t covered; /* line of the last checkpoint */
    enum { NOTHING_BEFORE, SEGMENT_BEFORE, LEAF_BEFORE, CHECKPOINT_BEFORE } before;
};

/* One line. False: there was a finding, and the rest of the segment cannot be told. */
MUST_CHECK bool verify_line(struct verifier *v, struct segment_place *at, struct span text);
/* Whose it is and who signed it, not what it covers. False as above. */
MUST_CHECK bool verify_checkpoint(struct verifier *v, const struct segment_place *at,
                                  const struct audit_checkpoint *c);
/* A finding of no segment in particular. */
void verify_tell(struct verifier *v, const char *file, uint64_t line, uint64_t index,
                 enum finding_kind kind, const char *sentence);
/* A finding at a place, which ends the segment's verification. Returns false. */
bool verify_found(struct verifier *v, const struct segment_place *at, enum finding_kind kind,
                  const char *sentence);

/* What held checkpoints say of the log as a whole, once all of it was read. */
void verify_judge_held(struct verifier *v);

/* All segments of directories, and held checkpoints at the end. False: a directory cannot be read,
 * which was said. */
MUST_CHECK bool verify_directories(struct verifier *v, char *const directories[], size_t n);

#endif
