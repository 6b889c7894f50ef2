/*
 * The numbers for the page, as one JSON object: counters since start, from which the page makes
 * rates, and what is so now. The HTTP thread's; its memory is bounded by the configuration.
 */
#ifndef SERVICE_STATS_H
#define SERVICE_STATS_H

#include "proto/bytes.h"
#include "service/observe/observed.h"

/* out->overflow tells that it did not fit, or that there is no memory. */
void stats_write(const struct observed *o, struct writer *out);

#endif
