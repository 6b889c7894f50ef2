/*
 * Small files read and written whole. Errors are printed to stderr with the path, and answered
 * INTERNAL.
 */
#ifndef SMSR_FILES_H
#define SMSR_FILES_H

#include <sys/types.h>

#include "proto/bytes.h"

enum { PATH_TEXT_MAX = 512 };

/* DIR/name into out. NO_SPACE. */
MUST_CHECK enum status path_join(char out[static PATH_TEXT_MAX], const char *dir, const char *name);

/* Creates the directory unless it is there. */
MUST_CHECK enum status dir_make(const char *path, mode_t mode);

/* Writes a new file; one that exists is left alone and is an error. */
MUST_CHECK enum status file_write_new(const char *path, mode_t mode, struct span content);

/* Reads at most cap bytes; a longer file is an error. */
MUST_CHECK enum status file_read(const char *path, uint8_t *out, size_t cap, size_t *len);

#endif
