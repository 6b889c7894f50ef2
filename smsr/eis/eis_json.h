/*
 * The EIS as JSON, in the form of docs/eis.schema.json: how it is stored and how ES7 carries it.
 *
 * Reading is strict: a member that is unknown, missing, too long or of the wrong type refuses the
 * whole, so that nothing enters a store that the structure has no place for.
 */
#ifndef SMSR_EIS_JSON_H
#define SMSR_EIS_JSON_H

#include "smsr/eis/eis.h"

enum { EIS_JSON_MAX = 16384 };

/* Writes compact JSON in the order of the structure. NO_SPACE, INTERNAL when memory is out. */
MUST_CHECK enum status eis_json_put(struct writer *w, const struct eis *eis);

/* BAD_REQUEST, with the member's name in fault unless that is NULL. */
enum { EIS_FAULT_MAX = 96 };
MUST_CHECK enum status eis_json_parse(struct span json, struct eis *out, char fault[EIS_FAULT_MAX]);

#endif
