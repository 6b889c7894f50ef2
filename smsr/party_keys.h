/*
 * The CURVE keys by which the parties' processes know each other, in a directory that
 * tools/provision fills: PARTY.key of the party itself, PARTY.key.pub of each one that it speaks
 * to; PARTY is operator, alpha, beta or network. All processes of a party share its key. The files
 * are those of `eckactl keygen`.
 */
#ifndef SMSR_PARTY_KEYS_H
#define SMSR_PARTY_KEYS_H

#include "service/client/keyfile.h"
#include "smsr/trace.h"

struct party_keys { /* secret memory */
    struct curve_key_pair own;
    char of[PARTY_COUNT][KEYFILE_Z85_SIZE]; /* "": not known */
};

/* Says on stderr what is wrong with a file. */
MUST_CHECK bool party_keys_read(struct party_keys **out, const char *dir, enum party self);
void party_keys_free(struct party_keys **keys);

/* "alpha"; NULL when the party has no process of its own. */
const char *party_keys_name(enum party party);

/* Whose a public key is; PARTY_COUNT: nobody's. */
enum party party_keys_whose(const struct party_keys *keys, const char *key);

#endif
