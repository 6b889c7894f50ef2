/*
 * When a custodian has done its share: it ends with status RECYCLE_EXIT after the batch in hand, to
 * be started again at once, so that what a module leaks (SoftHSM: a little with every session
 * object) goes with the process.
 */
#ifndef HSM_RECYCLE_H
#define HSM_RECYCLE_H

#include "hsm/custodian.h"

enum { RECYCLE_EXIT = 4 };

/* Sets how many operations this process does: the configured number and up to an eighth more, so
 * that custodians of one configuration do not go at the same moment. INTERNAL. */
MUST_CHECK enum status recycle_init(struct custodian *c);

/* Whether it is time; says so then. */
bool recycle_due(const struct custodian *c);

#endif
