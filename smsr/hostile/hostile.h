/*
 * `smsr-change hostile`: handovers through a hostile Alpha, run by run from a seed, each judged.
 */
#ifndef SMSR_HOSTILE_H
#define SMSR_HOSTILE_H

#include "smsr/party/handover.h"

struct hostile_options {
    uint64_t seed;
    uint64_t first; /* number of the first run */
    size_t count, jobs;
    bool verbose; /* one run: every step and every attack */
};

/* Runs them, prints what came of them. Returns in how many an invariant broke; the first few are
 * named with the command that repeats them. */
size_t hostile_run(const struct handover_context *ctx, const char *dir,
                   const struct hostile_options *options);

#endif
