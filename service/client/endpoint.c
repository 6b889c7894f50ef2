#include "service/client/endpoint.h"

#include "proto/wire/wire.h"

void endpoint_watch(struct endpoint *e, uint64_t now)
{
    connection_watch(&e->connection);
    e->view->up = e->connection.up;
    e->view->blocked = false;
    if (e->view->busy_until <= now) {
        e->view->busy_until = 0;
    }
    if (e->connection.handshakes != e->handshakes) { /* another connection, so another server */
        e->handshakes = e->connection.handshakes;
        e->view->draining = false;
        e->view->busy_until = 0;
        endpoint_heard(e, now);
    }
}

bool endpoint_was_lost(struct endpoint *e)
{
    if (e->epoch == e->connection.epoch) {
        return false;
    }
    e->lost += e->connection.epoch - e->epoch;
    e->epoch = e->connection.epoch;
    return true;
}

bool endpoint_send(struct endpoint *e, struct span message, uint64_t now)
{
    if (!connection_send(&e->connection, message)) {
        return false;
    }
    if (e->view->outstanding++ == 0) { /* until now it had nothing to say */
        endpoint_heard(e, now);
    }
    e->sent++;
    return true;
}

void endpoint_release(struct endpoint *e)
{
    e->view->outstanding--;
}

void endpoint_heard(struct endpoint *e, uint64_t now)
{
    e->quiet_since = now;
    e->probed = 0;
}

/* -- the heartbeat -- */

static void probe(struct endpoint *e, uint64_t now)
{
    uint8_t frame[64]; /* an envelope around nothing */
    Ecka__V1__Info info = ECKA__V1__INFO__INIT;
    Ecka__V1__Request msg = ECKA__V1__REQUEST__INIT;
    msg.version = WIRE_VERSION;
    msg.id = ENDPOINT_PROBE_ID;
    msg.op_case = ECKA__V1__REQUEST__OP_INFO;
    msg.info = &info;
    (void)connection_send(&e->connection, span_of(frame, ecka__v1__request__pack(&msg, frame)));
    e->probed = now; /* sent or not: a socket that takes nothing is no better than silence */
}

static bool owes(const struct endpoint *e)
{
    return e->view->up && e->view->outstanding != 0;
}

void endpoint_pulse(struct endpoint *e, uint64_t now)
{
    if (!owes(e)) {
        return;
    }
    switch (policy_pulse(&e->heartbeat, e->quiet_since, e->probed, now)) {
    case PULSE_PROBE:
        probe(e, now);
        break;
    case PULSE_GONE:
        e->silent++;
        e->view->up = false;
        connection_reset(&e->connection);
        break;
    case PULSE_FINE:
        break;
    }
}

uint64_t endpoint_pulse_at(const struct endpoint *e)
{
    return owes(e) ? policy_pulse_at(&e->heartbeat, e->quiet_since, e->probed) : UINT64_MAX;
}
