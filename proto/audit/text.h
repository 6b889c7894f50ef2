/*
 * What the lines of a log are written with and read by: times, numbers, hexadecimal, base64, and
 * text in quotes. Readers take exactly what the writers make; a reader that says false may have
 * moved its cursor.
 */
#ifndef PROTO_AUDIT_TEXT_H
#define PROTO_AUDIT_TEXT_H

#include "proto/bytes.h"

static inline void put_text(struct writer *w, const char *text)
{
    put_bytes(w, text, strlen(text));
}

/* At most max bytes of text; a byte that may not stand there becomes ?. */
void put_clean(struct writer *w, struct span text, size_t max);
void put_hex(struct writer *w, const uint8_t *bytes, size_t len);
void put_decimal(struct writer *w, uint64_t v);
void put_time(struct writer *w, uint64_t us);
void put_base64(struct writer *w, struct span bytes);

/* The next bytes are this text. */
MUST_CHECK bool take_text(struct cursor *in, const char *text);
/* Up to the next byte of this value, which is taken too and is not part of out. */
MUST_CHECK bool take_until(struct cursor *in, uint8_t end, struct span *out);
MUST_CHECK bool take_hex(struct cursor *in, uint8_t *out, size_t len);
MUST_CHECK bool take_decimal(struct cursor *in, uint64_t *out);
MUST_CHECK bool take_time(struct cursor *in, uint64_t *us);

/* Whether every byte may stand in a text value, and there are at most max. */
bool text_clean(struct span text, size_t max);
/* Bytes of base64 with its padding, in its one form; *len: room in, bytes out. */
MUST_CHECK bool base64_decode(struct span text, uint8_t *out, size_t *len);

#endif
