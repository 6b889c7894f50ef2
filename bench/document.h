/*
 * The JSON document of one run, as docs/eckabench.md describes it (docs/eckabench.schema.json).
 *
 * It is written again whenever document_save() is called, whole or not at all, so that a run that
 * is interrupted leaves what it had, marked as not complete. One thread uses it. It is begun before
 * threads are: a process of its own watches the machine's noise meanwhile.
 */
#ifndef BENCH_DOCUMENT_H
#define BENCH_DOCUMENT_H

#include <jansson.h>
#include <stdbool.h>

#include "bench/figure.h"
#include "bench/histogram.h"

struct document;

/*
 * kind: of the schema. words: of the command line, without the program's; ECKABENCH_COMMAND of the
 * environment, where it is set, says instead how the run is repeated. path: NULL writes nothing.
 */
struct document *document_new(const char *kind, char *const words[], const char *path);

/* Objects of the document that may be filled: "subject", and "versions" of the host. */
json_t *document_subject(struct document *d);
json_t *document_versions(struct document *d);

/* Each takes what it is given. */
void document_add_result(struct document *d, json_t *result);
void document_add_curve(struct document *d, json_t *curve);
void document_add_advice(struct document *d, const char *because, const char *yaml);

/* What is measured runs elsewhere, so that what others took of the machine cannot be told. */
void document_others_unknown(struct document *d);

/* It will not be complete, and why. The first reason stands. */
void document_stop(struct document *d, const char *why);

/* Writes it as it is, not complete. False with a sentence on stderr. */
bool document_save(struct document *d);

/* Writes it, complete unless stopped, and frees it. */
bool document_finish(struct document **d);

/* -- results -- */

/* One with status ok. id: lower case, unique within the document, the same from run to run. */
json_t *result_new(const char *id, const char *title, const char *unit, bool lower_is_better,
                   const struct figure *f);

/* One without a figure. status: "unsupported", "failed", "partial" or "skipped". */
json_t *result_without(const char *id, const char *title, const char *status, const char *why);

void result_set_peer(json_t *result, const char *name, const struct figure *f);

/* met: as judged by the caller; asked: 0 when nothing is. at_most: it is a ceiling. */
void result_set_ratio(json_t *result, const struct figure *ratio, double asked, bool at_most,
                      bool met);

/* Nothing when it is empty. */
void result_set_latency(json_t *result, const struct histogram *ns);

#endif
