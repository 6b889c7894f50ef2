/*
 * The principals that this process has known: a number for each name, for as long as it runs.
 *
 * Queues, shares, quotas and metrics are indexed by number, so a name keeps its number over every
 * reload of the policy, and a number is never given to another name. The frontend thread adds;
 * names below the count are read by any thread.
 */
#ifndef SERVICE_ROSTER_H
#define SERVICE_ROSTER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/status.h"
#include "proto/wire/limits.h"

enum {
    ROSTER_MAX = 512,
    ROSTER_NOBODY = ROSTER_MAX, /* the number of no principal */
};

struct roster_entry {
    char name[WIRE_PRINCIPAL_MAX + 1];
};

struct roster {
    _Atomic uint32_t count;
    struct roster_entry entries[ROSTER_MAX];
};

static inline uint32_t roster_count(const struct roster *r)
{
    return atomic_load_explicit(&r->count, memory_order_acquire); /* with the names below it */
}

/* ROSTER_NOBODY when the name was never added. */
uint32_t roster_find(const struct roster *r, const char *name);

/* Finds or adds a valid name. ROSTER_NOBODY when it is new and the roster is full. */
uint32_t roster_add(struct roster *r, const char *name);

#endif
