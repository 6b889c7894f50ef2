/*
 * The Fleet Owner: the operator (M2M SP) who orders the change and hears what came of it. It plays
 * the profiles' operators (MNOs) as well, who are told of the new SM-SR.
 */
#ifndef SMSR_OPERATOR_H
#define SMSR_OPERATOR_H

#include "smsr/party/bus.h"

#define OPERATOR_ID "fleet-owner.example"

struct operator_party {
    struct bus *bus;
    const struct trace *trace;
    uint8_t eid[GP_EID_LEN];
    uint32_t validity_s;
    bool finished; /* ES4.SMSRChange was answered, or the change never began */
    struct es_answer outcome;
    unsigned notifications; /* from Beta */
};

/* Steps 1 and 4: asks Beta whether it can, then orders Alpha to. */
void operator_start(struct operator_party *op);
void operator_receive(struct operator_party *op, const struct message *m);

#endif
