#include "smsr/party/bus.h"

#include <assert.h>

const struct patience patience_default = {
    .peer_us = 2000000, .card_us = 20000000, .card_attempts = 4};

struct message *bus_post(struct bus *bus, enum message_type type, enum party from, enum party to)
{
    assert(bus->count < BUS_MAX);
    struct message *m = &bus->queue[(bus->head + bus->count++) % BUS_MAX];
    memset(m, 0, sizeof(*m));
    m->type = type;
    m->from = from;
    m->to = to;
    memcpy(m->eid, bus->eid, sizeof(m->eid));
    return m;
}

struct message *bus_answer(struct bus *bus, enum message_type type, const struct message *request)
{
    struct message *m = bus_post(bus, type, request->to, request->from);
    memcpy(m->change_id, request->change_id, sizeof(m->change_id));
    m->attempt = request->attempt;
    memcpy(m->reply_to, request->reply_to, sizeof(m->reply_to));
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
