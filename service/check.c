#include "service/check.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum status check_refuse(const struct check *c, const char *format, ...)
{
    int head = snprintf(c->error, CONFIG_ERROR_MAX, "%.200s: ", c->path);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(c->error + head, CONFIG_ERROR_MAX - (size_t)head, format, args);
    va_end(args);
    return STATUS_BAD_REQUEST;
}

enum status check_range(const struct check *c, const char *field, unsigned value, unsigned min,
                        unsigned max)
{
    if (value < min || value > max) {
        return check_refuse(c, "%s is %u, it must be %u to %u", field, value, min, max);
    }
    return STATUS_OK;
}

enum status check_absolute(const struct check *c, char **path)
{
    if ((*path)[0] == '/') {
        return STATUS_OK;
    }
    char *joined = NULL;
    if (asprintf(&joined, "%s/%s", c->directory, *path) < 0) {
        return check_refuse(c, "out of memory");
    }
    free(*path);
    *path = joined;
    return STATUS_OK;
}

enum status check_hex(const struct check *c, const char *field, unsigned index, const char *hex,
                      uint8_t *out, size_t min, size_t max, size_t *len)
{
    size_t digits = strlen(hex);
    if (digits % 2 != 0 || digits / 2 < min || digits / 2 > max) {
        return check_refuse(c, "%s of entry %u has %zu hexadecimal digits, it must have %zu to %zu",
                            field, index + 1, digits, 2 * min, 2 * max);
    }
    for (size_t i = 0; i < digits; i++) {
        unsigned char digit = (unsigned char)hex[i];
        if (!isxdigit(digit)) {
            return check_refuse(c, "%s of entry %u is not hexadecimal", field, index + 1);
        }
        int nibble = isdigit(digit) ? digit - '0' : tolower(digit) - 'a' + 10;
        out[i / 2] = (uint8_t)(i % 2 == 0 ? nibble << 4 : out[i / 2] | nibble);
    }
    *len = digits / 2;
    return STATUS_OK;
}

enum status check_begin(struct check *c, const char *path, char error[static CONFIG_ERROR_MAX])
{
    *c = (struct check){.path = path, .error = error};
    char *resolved = realpath(c->path, NULL);
    if (resolved == NULL) {
        return check_refuse(c, "%s", strerror(errno));
    }
    char *slash = strrchr(resolved, '/');
    slash[slash == resolved ? 1 : 0] = '\0';
    int n = snprintf(c->directory, sizeof(c->directory), "%s", resolved);
    free(resolved);
    return n >= 0 && (size_t)n < sizeof(c->directory) ? STATUS_OK
                                                      : check_refuse(c, "the path is too long");
}
