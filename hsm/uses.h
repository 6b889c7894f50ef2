/*
 * How often blobs were opened or sealed under each key-set generation, and when last: what tells
 * whether it is still needed.
 *
 * A custodian counts in memory and writes its own file in the state folder about once a second
 * while there is something to write, and at its end; the retire ceremony reads the files of all
 * custodians. A crash loses the last second's uses.
 */
#ifndef HSM_USES_H
#define HSM_USES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hsm/token/keys.h"

enum { USE_COUNTS_MAX = 64 }; /* more than a custodian takes generations */

struct use_count {
    enum key_purpose purpose;
    uint32_t number;
    uint64_t since; /* seconds since 1970 UTC: counted from then on */
    uint64_t uses, last;
};

struct use_counts {
    size_t n;
    struct use_count list[USE_COUNTS_MAX];
    uint64_t now; /* the batch's clock */
    bool dirty;
};

/* The count of a generation, begun now when it is new; NULL when there is no room. */
struct use_count *uses_of(struct use_counts *u, enum key_purpose purpose, uint32_t number);
void uses_add(struct use_counts *u, enum key_purpose purpose, uint32_t number);

/* The file of a custodian in a state folder. NO_SPACE: the path is too long. */
MUST_CHECK enum status uses_path(char *out, size_t size, const char *state_dir, const char *name);
/* Fills in what the file says; nothing when there is none. BAD_REQUEST: it cannot be read. */
MUST_CHECK enum status uses_load(struct use_counts *u, const char *path);
/* Replaces the file at once; durable: and waits for the disk. False, and said in the log: the
 * counts stay dirty. */
bool uses_save(struct use_counts *u, const char *path, bool durable);

/*
 * Whether every custodian with a file in the folder has counted this generation for quiet seconds
 * and seen no use in them. DENIED after a sentence, also when no file tells of it.
 */
MUST_CHECK enum status uses_quiet(const char *state_dir, enum key_purpose purpose, uint32_t number,
                                  uint64_t now, uint64_t quiet);

#endif
