/*
 * What strict audit costs: one eckad with a custodian that keeps its log and syncs it before each
 * answer, another with a custodian whose log is off, Establish on either in turns.
 *
 * Figures are by the wall clock, as waiting for a disk takes no processor time. The directory has
 * to be on a disk; where it is in memory, nothing is measured.
 */
#ifndef BENCH_AUDIT_H
#define BENCH_AUDIT_H

#include "bench/service.h"

/* Needs a directory of two custodians. False when it could not be run. */
bool audit_run(const char *kind, const struct service_options *options, struct service_bench *out,
               struct document *document);

#endif
