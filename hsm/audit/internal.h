/* What the files of the audit log share. */
#ifndef HSM_AUDIT_INTERNAL_H
#define HSM_AUDIT_INTERNAL_H

#include <sys/types.h>

#include "hsm/audit/audit.h"
#include "proto/custody/custody.h"
#include "providers/merkle/merkle.h"

enum {
    SEGMENT_NAME_MAX = 16 + 4 + 1, /* 0000000000000000.log */
    REFUSALS_MAX = 64,
    REFUSAL_OP_MAX = 32,
    /* A batch's, those of refusals, and some of the custodian's own. */
    GATHERED_MAX = CUSTODY_ITEMS_MAX + REFUSALS_MAX + 1 + 16,
    GATHERED_BYTES_MAX = GATHERED_MAX * (AUDIT_LEAF_MAX + 1),
};

struct refusal {
    char principal[WIRE_PRINCIPAL_MAX + 1];
    char operation[REFUSAL_OP_MAX];
    enum status status;
    uint64_t count;
};

struct refusals {
    size_t n;
    struct refusal list[REFUSALS_MAX];
    uint64_t others;     /* of more kinds than there is room for */
    uint64_t written_ms; /* when they last became leaves */
};

/* The log up to a checkpoint. */
struct audit_state {
    struct merkle_range range;
    struct audit_checkpoint checkpoint; /* size 0: none yet */
    uint64_t first;                     /* of the segment that fd is */
    uint64_t size;                      /* bytes of it */
};

struct audit {
    const struct audit_config *config;
    struct token *token;
    const struct key_list *keys;
    struct provider *provider;
    struct sym *sym; /* the provider's */

    int directory;
    int fd; /* the segment that is written; -1: none yet */
    struct audit_state state;
    uint64_t allocated; /* bytes of the segment that have their place on the disk */
    bool no_reserve;    /* the file system sets no space aside */
    bool broken;        /* what is in the file is not known: only a new start finds out */
    bool unavailable;   /* has been said, as has the next */
    bool full;

    /* AUDIT_SEGMENT_MAX + 1 bytes for a first line, the leaves gathered, and room for a
     * checkpoint. */
    uint8_t *buffer;
    size_t len; /* of the leaves */
    size_t n;
    uint8_t (*hashes)[MERKLE_HASH_LEN];
    bool overflow;
    size_t mark_len, mark_n; /* where the batch began */
    struct refusals refusals;

    uint64_t mirrored; /* size of the checkpoint in the token */
    uint64_t mirrored_ms, told_ms;
    bool mirror_failed;
};

static inline struct span audit_origin(const struct audit *a)
{
    return audit_text(a->config->origin);
}

/* -- audit_file.c -- */

MUST_CHECK enum status audit_directory_open(struct audit *a);
MUST_CHECK enum status audit_lock(struct audit *a);
void audit_unlock(struct audit *a);
void audit_segment_name(char out[static SEGMENT_NAME_MAX], uint64_t first);
/* Whether len bytes more, and a reserve behind them, have their place on the disk. */
bool audit_room(struct audit *a, uint64_t len, bool reserve);
/* Appends the buffer's leaves and a checkpoint of len bytes behind them, durably; a new segment
 * begins when it is time. After a failure the log is as it was, or broken. */
MUST_CHECK enum status audit_append(struct audit *a, size_t checkpoint_len);
/* Cuts what is behind the state's size. */
MUST_CHECK enum status audit_cut(struct audit *a);

/* -- audit_read.c -- */

/* Everything, at a start. mirror: the checkpoint that the token remembers, size 0: none. */
MUST_CHECK enum status audit_load(struct audit *a, const struct audit_checkpoint *mirror);
/* What others appended since. */
MUST_CHECK enum status audit_catch_up(struct audit *a);

/* -- audit_checkpoint.c -- */

/* A checkpoint of this tree, signed by the newest checkpoint key. */
MUST_CHECK enum status audit_checkpoint_make(struct audit *a, const struct merkle_range *range,
                                             struct audit_checkpoint *out);
/* Whether a checkpoint key of the token signed it. */
bool audit_checkpoint_verifies(struct audit *a, const struct audit_checkpoint *checkpoint);
/* The largest checkpoint of this origin in the token; its origin is the configuration's. */
MUST_CHECK enum status audit_mirror_read(struct audit *a, struct audit_checkpoint *out);

#endif
