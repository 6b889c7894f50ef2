/*
 * Secrets in memory: wiping, comparing, and an arena that is locked, undumpable and fenced by guard
 * pages (libsodium's). A secret that outlives a call lives in such an arena; it is never copied by
 * value, never logged.
 */
#ifndef PROVIDERS_CORE_SECRET_H
#define PROVIDERS_CORE_SECRET_H

#include <stddef.h>
#include <stdint.h>

#include "proto/status.h"

/* Once a process, before any other call here. INTERNAL when libsodium cannot start. */
MUST_CHECK enum status secret_init(void);

/* Zeroed memory for secrets; NULL when there is none to be had. */
void *secret_alloc(size_t count, size_t size);

/* Wipes and frees; leaves NULL behind. p is a T **. */
#define secret_free(p) secret_free_((void **)(p))
void secret_free_(void **p);

/* Overwrites with zeros in a way that no compiler removes. */
void secret_wipe(void *p, size_t len);

/* 1 when equal, in time that depends on len alone. */
int secret_equal(const void *a, const void *b, size_t len);

#endif
