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
    uint8_t change_id[CHANGE_ID_LEN]; /* of the order under way */
    uint32_t validity_s;
    bool ordered;    /* step 4 is out; before that, step 1 is */
    bool finished;   /* ES4.SMSRChange was answered, or the change never began */
    uint64_t due_us; /* when operator_poke() is wanted; 0: never */
    uint64_t give_up_us;
    struct es_answer outcome;
    unsigned notifications; /* from Beta, each counted once */
    uint32_t notified;      /* bit n: notification n came */
};

/* Steps 1 and 4: asks Beta whether it can, then orders Alpha to. The change_id is the caller's. */
void operator_start(struct operator_party *op);
void operator_receive(struct operator_party *op, const struct message *m);

/* Nothing happened until due_us: asks again, or gives up when the validity period is long over. */
void operator_poke(struct operator_party *op);

#endif
