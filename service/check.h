/*
 * What checks of configuration files have in common: sentences that name file and field.
 */
#ifndef SERVICE_CHECK_H
#define SERVICE_CHECK_H

#include <limits.h>

#include "service/config.h"

struct check {
    const char *path;
    char directory[PATH_MAX]; /* of the file, absolute */
    char *error;
};

/* The check of the file at path; BAD_REQUEST when it is not there any more. */
MUST_CHECK enum status check_begin(struct check *c, const char *path,
                                   char error[static CONFIG_ERROR_MAX]);

/* Writes the sentence behind the file's name; BAD_REQUEST. */
__attribute__((format(printf, 2, 3))) enum status check_refuse(const struct check *c,
                                                               const char *format, ...);

MUST_CHECK enum status check_range(const struct check *c, const char *field, unsigned value,
                                   unsigned min, unsigned max);

/* Replaces a relative path by one from the root. */
MUST_CHECK enum status check_absolute(const struct check *c, char **path);

/* An even number of hexadecimal digits, min to max bytes; field and index for the sentence. */
MUST_CHECK enum status check_hex(const struct check *c, const char *field, unsigned index,
                                 const char *hex, uint8_t *out, size_t min, size_t max,
                                 size_t *len);

#endif
