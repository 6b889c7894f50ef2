/*
 * Many handovers in one event loop over one connection: at most `jobs` at a time.
 */
#ifndef SMSR_FLEET_H
#define SMSR_FLEET_H

#include "smsr/party/handover.h"

struct fleet_options {
    uint64_t first; /* serial number of the first robot */
    size_t count, jobs;
};

/* Runs them all, prints the summary on stdout (and a progress bar on a terminal). Returns how many
 * failed. */
size_t fleet_run(const struct handover_context *ctx, const struct fleet_options *options);

#endif
