#include "smsr/host/live.h"

/* Serial numbers end an EID, before two check digits: any few of its last bytes spread well. */
static size_t bucket_of(const uint8_t eid[static GP_EID_LEN])
{
    return load_be(eid + GP_EID_LEN - 8, 8) * UINT64_C(0x9E3779B97F4A7C15) >> 54;
}

struct live *live_find(const struct live_map *map, const uint8_t eid[static GP_EID_LEN])
{
    struct live *l = map->buckets[bucket_of(eid)];
    while (l != NULL && memcmp(l->eid, eid, GP_EID_LEN) != 0) {
        l = l->next;
    }
    return l;
}

void live_put(struct live_map *map, struct live *entry)
{
    struct live **bucket = &map->buckets[bucket_of(entry->eid)];
    entry->next = *bucket;
    *bucket = entry;
    map->count++;
}

void live_remove(struct live_map *map, struct live *entry)
{
    for (struct live **at = &map->buckets[bucket_of(entry->eid)]; *at != NULL; at = &(*at)->next) {
        if (*at == entry) {
            *at = entry->next;
            map->count--;
            return;
        }
    }
}

struct live *live_any(const struct live_map *map)
{
    for (size_t i = 0; i < LIVE_BUCKETS; i++) {
        if (map->buckets[i] != NULL) {
            return map->buckets[i];
        }
    }
    return NULL;
}
