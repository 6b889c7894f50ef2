#include "service/policy/roster.h"

#include <stdio.h>
#include <string.h>

uint32_t roster_find(const struct roster *r, const char *name)
{
    uint32_t count = roster_count(r);
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(r->entries[i].name, name) == 0) {
            return i;
        }
    }
    return ROSTER_NOBODY;
}

uint32_t roster_add(struct roster *r, const char *name)
{
    uint32_t number = roster_find(r, name);
    uint32_t count = roster_count(r);
    if (number != ROSTER_NOBODY || count == ROSTER_MAX) {
        return number;
    }
    (void)snprintf(r->entries[count].name, sizeof(r->entries[count].name), "%s", name);
    atomic_store_explicit(&r->count, count + 1, memory_order_release);
    return count;
}
