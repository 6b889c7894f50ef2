/*
 * The eUICCs that a host has in memory, by EID.
 */
#ifndef SMSR_LIVE_H
#define SMSR_LIVE_H

#include "proto/gp/cert.h"

enum { LIVE_BUCKETS = 1024 };

struct live { /* first member of what is kept */
    uint8_t eid[GP_EID_LEN];
    struct live *next;
};

struct live_map {
    struct live *buckets[LIVE_BUCKETS];
    size_t count;
};

struct live *live_find(const struct live_map *map, const uint8_t eid[static GP_EID_LEN]);
/* One whose EID is not there yet. */
void live_put(struct live_map *map, struct live *entry);
void live_remove(struct live_map *map, struct live *entry);
/* Any; NULL when it is empty. */
struct live *live_any(const struct live_map *map);

#endif
