#include "smsr/party/handover.h"

#include <inttypes.h>
#include <stdlib.h>

#include "providers/core/secret.h"
#include "smsr/clock.h"

/* The card of this number, or the one that somebody inserted. */
static enum status take_robot(struct handover *h, const struct handover_context *ctx,
                              uint64_t number)
{
    if (ctx->inserted == NULL) {
        return factory_make(&ctx->factory, number, ALPHA_SMSR_ID, &h->trace, &h->robot);
    }
    h->inserted = ctx->inserted;
    h->robot.eis = ctx->inserted->eis;
    h->robot.ks1 = secret_alloc(1, sizeof(*h->robot.ks1));
    if (h->robot.ks1 == NULL) {
        return STATUS_INTERNAL;
    }
    memcpy(h->robot.ks1, ctx->inserted->ks1, sizeof(*h->robot.ks1));
    return STATUS_OK;
}

enum status handover_new(struct handover **out, const struct handover_context *ctx, uint64_t number,
                         bool alone)
{
    struct handover *h = calloc(1, sizeof(*h));
    *out = NULL;
    if (h == NULL) {
        return STATUS_INTERNAL;
    }
    h->trace = ctx->trace;
    if (!alone) {
        (void)snprintf(h->prefix, sizeof(h->prefix), "%" PRIu64 " ", number);
    }
    h->trace.prefix = h->prefix;
    h->bus.patience = patience_default;
    h->bus.now_us = clock_calendar_us();
    enum status s = take_robot(h, ctx, number);
    memcpy(h->bus.eid, h->robot.eis.signed_info.eid, sizeof(h->bus.eid));
    if (s == STATUS_OK) {
        s = drbg_bytes(ctx->factory.engine->drbg, h->op.change_id, sizeof(h->op.change_id));
    }
    if (s == STATUS_OK) {
        s = alpha_init(&h->alpha, &h->bus, &h->trace, ctx->factory.engine, &h->robot.eis,
                       h->robot.ks1);
    }
    if (s != STATUS_OK) {
        handover_free(&h);
        return s;
    }
    beta_init(&h->beta, &h->bus, &h->trace, &ctx->beta, ctx->offload);
    h->op.bus = &h->bus;
    h->op.trace = &h->trace;
    h->op.validity_s = HANDOVER_VALIDITY_S;
    memcpy(h->op.eid, h->bus.eid, sizeof(h->op.eid));
    h->started_us = clock_us();
    operator_start(&h->op);
    *out = h;
    return STATUS_OK;
}

void handover_free(struct handover **handover)
{
    if (*handover != NULL) {
        alpha_fini(&(*handover)->alpha);
        robot_fini(&(*handover)->robot);
        free(*handover);
        *handover = NULL;
    }
}

static void card_receive(struct handover *h, const struct message *m)
{
    uint8_t rapdu[RAPDU_DATA_MAX + 2];
    struct span capdu = span_of(m->u.apdu.b, m->u.apdu.len);
    size_t len = h->inserted != NULL ? vpcd_transmit(&h->inserted->reader, capdu, rapdu)
                                     : euicc_apdu(h->robot.card, capdu, rapdu);
    if (len == 0) {
        return; /* silent: whoever asked asks again */
    }
    struct message *answer = bus_answer(&h->bus, CARD_ANSWER, m);
    memcpy(answer->u.apdu.b, rapdu, len);
    answer->u.apdu.len = len;
}

void handover_deliver(struct handover *h)
{
    struct message m;
    h->bus.now_us = clock_calendar_us();
    while (bus_take(&h->bus, &m)) {
        switch (m.to) {
        case PARTY_OPERATOR:
            operator_receive(&h->op, &m);
            break;
        case PARTY_ALPHA:
            alpha_receive(&h->alpha, &m);
            break;
        case PARTY_BETA:
            beta_receive(&h->beta, &m);
            break;
        default:
            card_receive(h, &m);
            break;
        }
    }
}

void handover_poke(struct handover *h)
{
    uint64_t now = h->bus.now_us = clock_calendar_us();
    if (h->op.due_us != 0 && h->op.due_us <= now) {
        operator_poke(&h->op);
    }
    if (h->alpha.due_us != 0 && h->alpha.due_us <= now) {
        alpha_poke(&h->alpha);
    }
    if (h->beta.r.due_us != 0 && h->beta.r.due_us <= now) {
        beta_poke(&h->beta);
    }
}

bool handover_finished(const struct handover *h)
{
    return h->op.finished && h->bus.count == 0;
}
