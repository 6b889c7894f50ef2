/*
 * Whether policy lets a principal have a request, and each of its items.
 *
 * Pure look-ups over the policy and the request; the sentence says by which rule. What is not
 * granted is denied: operations, key labels of Sign and Rewrap. EIDs and custody, where the policy
 * names some for a principal, are those alone.
 */
#ifndef SERVICE_AUTHZ_H
#define SERVICE_AUTHZ_H

#include "proto/wire/wire.h"
#include "service/policy/policy.h"

/* The bit of an operation in policy_principal.granted. */
static inline uint32_t authz_bit(enum wire_op op)
{
    return op >= WIRE_OP_FIRST && op < WIRE_OP_END ? 1u << (op - WIRE_OP_FIRST) : 0;
}

/*
 * Operation, key label, custody. OK with the rule that grants it, or DENIED with the one that is
 * missing. principal: NULL for a key that the policy does not hold.
 */
MUST_CHECK enum status authz_request(const struct policy_principal *principal,
                                     const Ecka__V1__Request *msg,
                                     char detail[static WIRE_DETAIL_MAX]);

/* The EID of item i of a checked request: EID_BLOCKED, DENIED when it is outside the principal's;
 * OK also where the operation names none. */
MUST_CHECK enum status authz_item(const struct policy *policy,
                                  const struct policy_principal *principal,
                                  const Ecka__V1__Request *msg, uint32_t i);

/*
 * The same for an item that was let in under another policy, with its EUM, which verification
 * judges at first: EUM_UNKNOWN, EUM_BLOCKED and the other verdicts of the trust store.
 */
MUST_CHECK enum status authz_item_again(const struct policy *policy,
                                        const struct policy_principal *principal,
                                        const Ecka__V1__Request *msg, uint32_t i);

/* The key label that a request names; NULL where its operation names none. */
const char *authz_label(const Ecka__V1__Request *msg);

/* The EID of item i of a checked request; NULL where its operation names none. */
const uint8_t *authz_eid(const Ecka__V1__Request *msg, uint32_t i);

#endif
