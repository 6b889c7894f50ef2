/*
 * `eckabench collect`: the document of a measurement that another program makes.
 */
#ifndef BENCH_COLLECT_H
#define BENCH_COLLECT_H

#include <stdbool.h>

/*
 * Reads cases from stdin, a JSON object a line, until it ends:
 *   {"id": "ossl/x", "title": "...", "unit": "op/s", "peer": "...", "rounds": [[ours, theirs],
 * ...]} and writes the document with their figures. False, with a sentence on stderr, when a line
 * is not such a case or the document cannot be written.
 */
bool collect_run(const char *kind, char *const words[], const char *path);

#endif
