#include "service/front/peers.h"

#include <stdlib.h>
#include <string.h>

enum status peers_init(struct peers *p)
{
    p->ids = calloc(PEERS_MAX, sizeof(*p->ids));
    return p->ids != NULL ? STATUS_OK : STATUS_INTERNAL;
}

void peers_fini(struct peers *p)
{
    free(p->ids);
    p->ids = NULL;
}

/* FNV-1a; libzmq counts its ids up, and a client that chooses ids can only displace ids. */
static size_t first_place(struct span id)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < id.len; i++) {
        hash = (hash ^ id.ptr[i]) * 16777619u;
    }
    return hash % PEERS_MAX;
}

void peers_add(struct peers *p, struct span id)
{
    if (id.len == 0 || id.len > PEERS_ID_MAX) {
        return;
    }
    size_t first = first_place(id);
    struct peers_id *place = &p->ids[first];
    for (size_t i = 0; i < PEERS_PROBES; i++) {
        struct peers_id *at = &p->ids[(first + i) % PEERS_MAX];
        if (at->len == id.len && memcmp(at->bytes, id.ptr, id.len) == 0) {
            return;
        }
        if (at->len == 0) {
            place = at;
            break;
        }
    }
    place->len = (uint8_t)id.len;
    memcpy(place->bytes, id.ptr, id.len);
}

void peers_each(const struct peers *p, void (*tell)(void *arg, struct span id), void *arg)
{
    for (size_t i = 0; i < PEERS_MAX; i++) {
        if (p->ids[i].len > 0) {
            tell(arg, span_of(p->ids[i].bytes, p->ids[i].len));
        }
    }
}
