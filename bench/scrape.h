/*
 * What an eckad says of itself at /metrics.
 */
#ifndef BENCH_SCRAPE_H
#define BENCH_SCRAPE_H

#include <stdbool.h>
#include <stddef.h>

/* http: tcp://ADDRESS:PORT. values[i] is that of the sample names[i], with its labels as they are
 * written there. False when there is no answer, or a sample is not in it. */
bool scrape(const char *http, const char *const names[], double values[], size_t n);

#endif
