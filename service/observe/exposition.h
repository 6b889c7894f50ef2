/*
 * The metrics as text: Prometheus 0.0.4 or OpenMetrics 1.0. Pure apart from the clock and /proc;
 * the HTTP thread's.
 */
#ifndef SERVICE_EXPOSITION_H
#define SERVICE_EXPOSITION_H

#include "proto/bytes.h"
#include "service/observe/observed.h"

enum exposition_format { EXPOSITION_PROMETHEUS, EXPOSITION_OPENMETRICS };

enum {
    /* Bytes of the longest text: what is there once, and what each principal and custodian adds. */
    EXPOSITION_FIXED_MAX = 640 * 1024,
    EXPOSITION_ENTRY_MAX = 2048,
};

/* What an Accept header asks for; NULL, and what it does not name: Prometheus. */
enum exposition_format exposition_choose(const char *accept);

const char *exposition_content_type(enum exposition_format format);

/* Writes all metrics; out->overflow tells that they did not fit. */
void exposition_write(const struct observed *o, enum exposition_format format, struct writer *out);

/* printf into a writer, without a NUL. */
__attribute__((format(printf, 2, 3))) void put_text(struct writer *w, const char *format, ...);

#endif
