/*
 * Items of jobs to a custody batch, and its answer to results of jobs. Lane threads; no I/O.
 */
#ifndef SERVICE_CUSTODY_CODEC_H
#define SERVICE_CUSTODY_CODEC_H

#include "proto/custody/custody.h"
#include "service/batch.h"

enum custody_kind custody_kind_of(enum batch_kind kind);

/* All three concern the batch's live items alone. */

/* The message for a batch; its parts lie in the arena and in the items' jobs. NO_SPACE. */
MUST_CHECK enum status custody_encode(struct arena *arena, const struct batch *batch, uint64_t id,
                                      custody_batch *out);

/* Writes statuses and results of the batch's items from a checked answer to it. */
void custody_fill(const struct batch *batch, const custody_answer *answer);

/* Writes one status to every item of the batch. */
void custody_fail(const struct batch *batch, enum status s);

#endif
