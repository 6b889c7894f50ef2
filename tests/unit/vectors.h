/*
 * Reader of tests/vectors/NAME.vec (format in tests/vectors/README.md), for tests alone.
 *
 * The folder is the environment's ECKA_VECTORS. Whatever is wrong (no file, a malformed line, a
 * field that a test expects and that is not there or not hex) ends the program with a sentence: a
 * test that silently skips its vectors cannot fail.
 */
#ifndef TESTS_UNIT_VECTORS_H
#define TESTS_UNIT_VECTORS_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/bytes.h"

struct vectors;
struct vector; /* one case; borrowed from its struct vectors */

/* name without its suffix: "scenario3". */
struct vectors *vectors_open(const char *name);
void vectors_close(struct vectors **v);

size_t vectors_count(const struct vectors *v);
const struct vector *vectors_at(const struct vectors *v, size_t i);
/* The case of this name, which must exist. */
const struct vector *vectors_find(const struct vectors *v, const char *name);

const char *vector_name(const struct vector *c);
bool vector_has(const struct vector *c, const char *key);
const char *vector_text(const struct vector *c, const char *key);
/* Whether the field is exactly this text. */
bool vector_is(const struct vector *c, const char *key, const char *text);
/* The field's bytes; empty for an empty value. Lives as long as the struct vectors. */
struct span vector_hex(const struct vector *c, const char *key);
/* The same, which must have this length. */
const uint8_t *vector_bytes(const struct vector *c, const char *key, size_t len);

#endif
