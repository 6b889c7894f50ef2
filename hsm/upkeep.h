/*
 * What a custodian does between batches: follows the token's keys, lets ticket generations come and
 * go, writes down how often generations were used, and has the audit log do what waits. On the
 * custodian's one thread.
 *
 * Ticket generations. When the newest is ticket_rotation_s old, a custodian makes the next one,
 * under the start lock and after having looked whether another one did. Every custodian looks for
 * new ones several times a rotation, so one period after N + 1 came nobody seals under N, and
 * ticket_lifetime_s later the last ticket of N has expired: then N is destroyed, and with it
 * whatever was still sealed under it.
 *
 * A key-set generation is never retired here.
 */
#ifndef HSM_UPKEEP_H
#define HSM_UPKEEP_H

#include "hsm/custodian.h"

/* Begins; the token's keys are loaded. STATUS of the use counts' file. */
MUST_CHECK enum status upkeep_init(struct custodian *c, uint64_t now);
/* Writes the use counts for the last time. */
void upkeep_fini(struct custodian *c);

/* Milliseconds until there is something to do; at least 0. now: seconds since 1970 UTC. */
int upkeep_wait_ms(const struct custodian *c, uint64_t now);
void upkeep_run(struct custodian *c, uint64_t now);

/* Loads keys, generations and certificates again; what cannot be loaded stays as it was. False: the
 * keys did. */
bool upkeep_reload(struct custodian *c);

/* When the last ticket of a generation has expired, as above; 0: it is the newest, or unknown. */
uint64_t ticket_generation_end(const struct key_list *keys, const struct config *config,
                               uint32_t number);

#endif
