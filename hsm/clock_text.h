/*
 * Seconds since 1970 UTC as people and labels write them: 2026-11-23T23:20:00Z.
 */
#ifndef HSM_CLOCK_TEXT_H
#define HSM_CLOCK_TEXT_H

#include <stdint.h>

enum { CLOCK_TEXT_MAX = 21 }; /* with its end; years of four digits */

void clock_text(char out[static CLOCK_TEXT_MAX], uint64_t seconds);
/* 0 when the text is no such time. */
uint64_t clock_of_text(const char *text);

#endif
