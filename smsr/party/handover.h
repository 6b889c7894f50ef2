/*
 * One SM-SR Change: a robot fresh from the factory, three parties in their initial state, and the
 * bus between them. handover_deliver() passes on what waits; eckad's answers arrive through the
 * offload.
 */
#ifndef SMSR_HANDOVER_H
#define SMSR_HANDOVER_H

#include "smsr/card/inserted.h"
#include "smsr/party/alpha.h"
#include "smsr/party/beta.h"
#include "smsr/party/operator.h"
#include "smsr/pki/factory.h"

enum { HANDOVER_VALIDITY_S = 300 };

struct handover_context { /* the same for every handover; borrowed */
    struct factory factory;
    struct beta_config beta;
    struct offload *offload;
    struct trace trace;
    struct inserted_card *inserted; /* the one card of a single handover; NULL: each is made */
};

struct handover {
    struct bus bus;
    struct operator_party op;
    struct alpha alpha;
    struct beta beta;
    struct robot robot;             /* without a card when one is inserted */
    struct inserted_card *inserted; /* borrowed */
    struct trace trace;
    char prefix[EIS_NAME_MAX]; /* of the trace: which robot, when several run */
    uint64_t started_us;
};

/* Makes the robot and the parties, and sends step 1. */
MUST_CHECK enum status handover_new(struct handover **out, const struct handover_context *ctx,
                                    uint64_t number, bool alone);
void handover_free(struct handover **handover);

/* Delivers until no message waits. */
void handover_deliver(struct handover *handover);

/* Has each party say again what it has waited for in vain. */
void handover_poke(struct handover *handover);

/* Whether the operator has its answer and nobody anything to do. */
bool handover_finished(const struct handover *handover);

#endif
