/*
 * Random test cases that can be repeated: the seed is printed, and ECKA_SEED sets it. Not for
 * secrets.
 */
#ifndef TESTS_UNIT_EC_SEEDED_H
#define TESTS_UNIT_EC_SEEDED_H

#include <stddef.h>
#include <stdint.h>

/* Once a program, before the first byte. */
void seeded_start(void);

uint64_t seeded_word(void);
void seeded_bytes(void *out, size_t len);

#endif
