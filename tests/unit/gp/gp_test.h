/*
 * What the tests of proto/gp share: bytes from hex, bytes compared, and a constructed value cut
 * into its TLVs so that a test can drop, repeat, swap or insert one of them.
 */
#ifndef TESTS_UNIT_GP_GP_TEST_H
#define TESTS_UNIT_GP_GP_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/bytes.h"

enum { TEST_BYTES_MAX = 2048, TEST_PARTS_MAX = 16 };

/* Storage with a writer over it; bytes_init() before use, and it must not move afterwards. */
struct bytes {
    uint8_t storage[TEST_BYTES_MAX];
    struct writer w;
};

void bytes_init(struct bytes *b);
/* What was written; the test fails when something did not fit. */
struct span bytes_span(const struct bytes *b);
/* Appends the bytes of a hex text; blanks between them are skipped. */
void bytes_hex(struct bytes *b, const char *hex);

void assert_spans_equal(struct span got, struct span want);
void assert_hex(struct span got, const char *hex);
/* Fails the test with both names when they differ. */
void assert_status(enum status got, enum status want);

void assert_inside(struct span view, struct span in);
void assert_empty(struct span view);
/* For what has no padding. */
void assert_zero(const void *value, size_t size);
/* Fills an output with bytes that a reader must not leave there. */
void spoil(void *value, size_t size);

/* The TLVs of a constructed value. */
struct parts {
    struct span part[TEST_PARTS_MAX];
    size_t count;
};

struct parts parts_of(struct span value);
void parts_drop(struct parts *p, size_t at);
void parts_insert(struct parts *p, size_t at, struct span part);
void parts_swap(struct parts *p, size_t a, size_t b);
/* The TLV `tag` around the parts as they stand, written to b from its start. */
struct span parts_wrap(const struct parts *p, uint32_t tag, struct bytes *b);

#endif
