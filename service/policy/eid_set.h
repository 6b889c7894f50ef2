/*
 * A set of EIDs, given by decimal prefixes of their 32 digits; a whole EID is its own prefix.
 *
 * A look-up is a binary search: prefixes that a shorter one covers are left out, so that of the
 * others at most one begins an EID, and it is the last that is not behind it. Read-only once made;
 * any thread.
 */
#ifndef SERVICE_EID_SET_H
#define SERVICE_EID_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/gp/cert.h"
#include "proto/status.h"

enum { EID_DIGITS = 2 * GP_EID_LEN };

struct eid_set {
    char (*prefixes)[EID_DIGITS + 1]; /* sorted, none of them the beginning of another */
    size_t count;
};

/* 1 to 32 decimal digits. */
bool eid_prefix_valid(const char *text);

/* From valid prefixes; INTERNAL when there is no memory. */
MUST_CHECK enum status eid_set_init(struct eid_set *set, char *const prefixes[], size_t count);
void eid_set_fini(struct eid_set *set);

/* The prefix that covers the EID (16 bytes BCD); NULL when none does. */
const char *eid_set_find(const struct eid_set *set, const uint8_t eid[static GP_EID_LEN]);

#endif
