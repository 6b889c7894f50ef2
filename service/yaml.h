/*
 * A YAML file by its schema, and what it lacks in one sentence. Any thread.
 */
#ifndef SERVICE_YAML_H
#define SERVICE_YAML_H

#include "service/config.h"

struct cyaml_schema_value;

/* BAD_REQUEST with a sentence that names the field at fault; *out stays NULL. */
MUST_CHECK enum status yaml_load(const char *path, const struct cyaml_schema_value *schema,
                                 void **out, char error[static CONFIG_ERROR_MAX]);
/* The same of bytes that were read from the file at path. */
MUST_CHECK enum status yaml_parse(const char *path, const void *bytes, size_t len,
                                  const struct cyaml_schema_value *schema, void **out,
                                  char error[static CONFIG_ERROR_MAX]);

/* What yaml_load gave by the same schema; NULL is fine. */
void yaml_free(const struct cyaml_schema_value *schema, void *data);

#endif
