/*
 * What eckad.yaml must satisfy beyond its schema; config.c's other half.
 */
#ifndef SERVICE_CONFIG_CHECK_H
#define SERVICE_CONFIG_CHECK_H

#include "service/config.h"

/*
 * Checks every value, decodes keys and hexadecimal, and makes paths absolute against the directory
 * of the file at path. BAD_REQUEST with a sentence that names the field.
 */
MUST_CHECK enum status config_check(struct config *config, const char *path,
                                    char error[static CONFIG_ERROR_MAX]);

#endif
