/*
 * Grants: who may have key sets rewrapped under which KEK, and how many. Without one nobody may.
 *
 * A grant is a record of the token (record.h), made and revoked in ceremony only and read anew for
 * every batch of Rewrap, so that a revoked one ends at once. How much of it is used stands in two
 * places: in a file of the state folder, synced, and in the token. The greater number counts, so
 * the use of a grant goes back only if both are put back. Grants carry a random serial: one made
 * anew starts anew.
 *
 * Not promised: that custodians which share a token but no state folder never exceed a quota
 * together by what they do at the same moment; and anything against somebody who has the PIN and a
 * PKCS#11 program of his own, who can write grants as well.
 */
#ifndef HSM_GRANTS_H
#define HSM_GRANTS_H

#include "hsm/token/keys.h"
#include "proto/wire/limits.h"

#define GRANT_RECORDS "eckad grant"

enum {
    GRANTS_MAX = 64,
    GRANT_SERIAL_LEN = 16,
    GRANT_QUOTA_MAX = 1000000000,
};

struct grant {
    char principal[WIRE_PRINCIPAL_MAX + 1];
    char kek[KEY_NAME_MAX + 1];
    char serial[2 * GRANT_SERIAL_LEN + 1]; /* in hexadecimal */
    uint64_t quota;
    uint64_t created; /* seconds since 1970 UTC */
    uint64_t used;
    bool dirty; /* used since it was loaded */
};

struct grants {
    size_t n;
    struct grant list[GRANTS_MAX];
};

/* -- grants.c: the records; creating and revoking needs a read-write session -- */

/* All grants, each as used as the token knows; one that cannot be read, or of a pair that another
 * one names, is logged and left out. TOKEN_ERROR. */
MUST_CHECK enum status grants_load(struct token *t, struct grants *out);
/* NULL: there is none. */
struct grant *grants_find(struct grants *g, const char *principal, const char *kek);

/* BAD_REQUEST: no such name or quota can be. DENIED: the pair has a grant; revoke it first. A
 * sentence is in the log. NO_SPACE, TOKEN_ERROR. */
MUST_CHECK enum status grants_create(struct token *t, const char *principal, const char *kek,
                                     uint64_t quota, uint64_t now);
/* The grant and what the token knows of its use. DENIED: there is none. TOKEN_ERROR. */
MUST_CHECK enum status grants_revoke(struct token *t, const char *principal, const char *kek);

/* Writes the use of dirty grants into the token. TOKEN_ERROR. */
MUST_CHECK enum status grants_mark(struct token *t, const struct grants *g);

/* -- grant_uses.c: the file in the state folder -- */

struct grant_uses {
    int lock; /* -1: not open. Other custodians of the folder wait meanwhile */
    char path[1024];
};

/* Locks the file and raises each grant's use to what it says; a file that says less than the token
 * is logged. INTERNAL: it cannot be read or locked. */
MUST_CHECK enum status grant_uses_open(struct grant_uses *u, const char *state_dir,
                                       const char *token_label, struct grants *g);
/* Replaces the file, synced. INTERNAL. */
MUST_CHECK enum status grant_uses_save(const struct grant_uses *u, const struct grants *g);
void grant_uses_close(struct grant_uses *u);

#endif
