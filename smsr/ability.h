/*
 * What eckad can do for Beta, as its answer to Info says: so that Beta refuses what it could not
 * carry through while nothing has begun. It is asked again every ABILITY_EVERY_US; what is not
 * known, because eckad does not answer or grants no Info, stands in nobody's way.
 */
#ifndef SMSR_ABILITY_H
#define SMSR_ABILITY_H

#include "smsr/offload.h"

enum { ABILITY_EVERY_US = 5000000 };

struct ability {
    bool known;
    uint32_t curves; /* bit n: enum ecka_curve n */
    bool trusts_eum; /* Beta's EUM is in eckad's trust store */
    bool can_sign;   /* a custodian that is up holds SK.SR.ECDSA of Beta's certificate */

    const uint8_t *eum_id, *sr_key_id; /* Beta's, borrowed */
    struct eckad_call call;
    bool calling;
    uint64_t due_us;
};

/* Asks when it is time, now_us of any clock that does not go back. */
void ability_turn(struct ability *ability, struct offload *offload, uint64_t now_us);

#endif
