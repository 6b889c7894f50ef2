#include "smsr/party/bus.h"

#include <assert.h>

struct message *bus_post(struct bus *bus, enum message_type type, enum party from, enum party to)
{
    assert(bus->count < BUS_MAX);
    struct message *m = &bus->queue[(bus->head + bus->count++) % BUS_MAX];
    memset(m, 0, sizeof(*m));
    m->type = type;
    m->from = from;
    m->to = to;
    return m;
}

bool bus_take(struct bus *bus, struct message *out)
{
    if (bus->count == 0) {
        return false;
    }
    *out = bus->queue[bus->head];
    bus->head = (bus->head + 1) % BUS_MAX;
    bus->count--;
    return true;
}
