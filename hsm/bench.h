/*
 * What the token can do at most: C_SignInit and C_Sign in one process, on one thread and session,
 * with nothing around them. The measure of the service's handovers (bench/).
 */
#ifndef HSM_BENCH_H
#define HSM_BENCH_H

#include "hsm/config.h"

/*
 * Signs 32 bytes with the first sr-establish key on P-256 for so many seconds and prints one line,
 * {"calls": N, "cpu_s": N, "wall_s": N}: the process's own processor time, login and warm-up left
 * out. DENIED: the PIN is wrong. A sentence is in the log.
 */
MUST_CHECK enum status bench_sign(const struct config *config, double seconds);

#endif
