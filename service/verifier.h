/*
 * The work on a verification batch: raw signatures and chains alike, public data only.
 *
 * Each thread that verifies owns one. It writes the item statuses of the batch's jobs, and curve
 * and point of a chain; it touches nothing else of them. Nothing is allocated after verifier_new.
 */
#ifndef SERVICE_VERIFIER_H
#define SERVICE_VERIFIER_H

#include "service/batch.h"
#include "service/policy/trust.h"

struct verifier;

/* INTERNAL; *out is NULL then. */
MUST_CHECK enum status verifier_new(struct verifier **out);
void verifier_free(struct verifier **v);

/* Gives every item of the batch its final status. */
void verifier_work(struct verifier *v, struct batch *batch);

#endif
