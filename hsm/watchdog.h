/*
 * Ends a process that is stuck in its token's module.
 *
 * A call of PKCS#11 has no time limit and cannot be cancelled; the one way out of a call that hangs
 * is the end of the process. A timer runs while the custodian works on a batch or with the token,
 * and its signal, which reaches a thread that waits in the module as well, says a sentence and ends
 * the process with status WATCHDOG_EXIT. It needs no thread of its own. Not for several threads.
 */
#ifndef HSM_WATCHDOG_H
#define HSM_WATCHDOG_H

#include <stdint.h>

#include "proto/status.h"

enum { WATCHDOG_EXIT = 5 };

/* INTERNAL. name: of the custodian, for the sentence. */
MUST_CHECK enum status watchdog_init(const char *name, uint32_t ms);

/* From here to watchdog_end() it takes less than so many times the milliseconds, or ends. */
void watchdog_begin(uint32_t times);
void watchdog_end(void);

/* What waits for a disk in between is no call to the token: its time does not count. What pause
 * gives is what resume takes. */
uint64_t watchdog_pause(void);
void watchdog_resume(uint64_t left_us);

#endif
