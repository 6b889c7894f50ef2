/*
 * The most memory that eckad can come to hold, from its configuration: docs/operations.md has the
 * same sum in words, and a test holds a loaded eckad to it.
 */
#ifndef SERVICE_MEMORY_H
#define SERVICE_MEMORY_H

#include "service/config.h"

struct memory_bound {
    uint64_t fixed;      /* bytes, whoever is connected */
    uint64_t connection; /* and for each connection */
};

struct memory_bound memory_bound(const struct config *config);

#endif
