/*
 * The file that says which process runs, for those who want to signal it.
 *
 * The process holds a lock on it as long as it lives, and the kernel tells who holds the lock: a
 * file that was left behind names nobody, whatever is written there.
 */
#ifndef SERVICE_PID_FILE_H
#define SERVICE_PID_FILE_H

#include <sys/types.h>

#include "service/config.h"

/* Writes and locks it; *fd stays open until the process ends. BUSY with a sentence when another
 * process holds it, INTERNAL when it cannot be written. */
MUST_CHECK enum status pid_file_take(const char *path, int *fd,
                                     char error[static CONFIG_ERROR_MAX]);

/* Who holds it: 0 when nobody does, or there is no such file. */
pid_t pid_file_holder(const char *path);

#endif
