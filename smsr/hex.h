/*
 * Hexadecimal text to bytes and back.
 */
#ifndef SMSR_HEX_H
#define SMSR_HEX_H

#include "proto/bytes.h"

/* Decodes the whole text, at most cap bytes. BAD_LENGTH for an odd digit count, a character that is
 * no digit, or more than cap bytes. */
MUST_CHECK enum status hex_decode(const char *text, uint8_t *out, size_t cap, size_t *len);

/* Writes 2 * in.len digits and a NUL into out, which has room for them. */
void hex_encode(struct span in, char *out);

#endif
