/*
 * The socket of a custodian: SOCK_SEQPACKET, one message a batch, answered in the order received.
 *
 * One thread polls a few connections; only peers of the configured uid are let in. A message that
 * is truncated or malformed is answered BAD_REQUEST, and its connection lives on. SIGHUP loads keys
 * and certificates again between two batches; SIGTERM and SIGINT end it after the batch in hand,
 * and so does recycle.h's limit. While the token is away nobody is let in.
 */
#ifndef HSM_SERVE_H
#define HSM_SERVE_H

#include "hsm/custodian.h"

/* Serves until a signal or recycling (OK), or until the token is lost: TOKEN_ERROR, or DENIED when
 * its PIN is refused. */
MUST_CHECK enum status serve(struct custodian *c, const struct config *config, bool *recycled);

#endif
