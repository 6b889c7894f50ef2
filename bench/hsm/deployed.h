/*
 * A deployment of tools/provision (--dir): its token, and its eckad for the lane `service`.
 */
#ifndef BENCH_HSM_DEPLOYED_H
#define BENCH_HSM_DEPLOYED_H

#include "bench/hsm/options.h"
#include "bench/hsm/target.h"

/* Module, token and where its PIN is, as c1.yaml names them. False with a sentence on stderr. */
bool deployed_token(const char *dir, struct target *target);

/* What there is to measure: the lane service where there is --dir, the plain loop where there is
 * its program. */
void deployed_offer(struct hsm_options *o);

/* Starts its custodians and eckad where a case needs them. False with a sentence on stderr. */
bool deployed_start(const struct hsm_options *o, struct target *target);
void deployed_end(void);

#endif
