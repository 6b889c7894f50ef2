/*
 * Operations in order of their priority, and the kinds of items that order makes.
 *
 * What is late in a procedure comes first by default, so that what was begun ends: Confirm, the
 * SCP80 operations, KeySetCreate, the SCP03 operations, Sign, Agree, Establish, VerifyChain,
 * Verify; what is done to whole stores of key sets comes last: Reseal, Rewrap. An operation's
 * stages share its priority.
 */
#ifndef SERVICE_PRIORITY_H
#define SERVICE_PRIORITY_H

#include "proto/wire/wire.h"
#include "service/batcher.h"

/* The kind that an operation's items have first. */
enum batch_kind priority_first_kind(enum wire_op op);

/* Every kind once, those of the named operations first, the others in the default order after
 * them. */
void priority_order(const enum wire_op given[], size_t count,
                    enum batch_kind out[static KIND_COUNT]);

#endif
