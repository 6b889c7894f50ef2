/*
 * Results as JSON (bench/document.h) and as CSV.
 */
#ifndef BENCH_HSM_OUTPUT_H
#define BENCH_HSM_OUTPUT_H

#include <jansson.h>

#include "bench/hsm/case.h"
#include "bench/hsm/target.h"

/* What is measured. */
void output_subject(json_t *subject, const struct target *target);

/* One result; peer: what c->peer names. */
json_t *output_result(const struct hsm_case *c, const struct hsm_case *peer);

/* A line a result that is not hidden; false with a sentence on stderr. */
bool output_csv(const char *path, const struct hsm_case cases[], size_t n);

#endif
