#include "hsm/log.h"

#include <stdarg.h>
#include <stdio.h>

enum { LOG_LINE_MAX = 512 };

static const char *custodian_name = "-";

void log_name(const char *name)
{
    custodian_name = name;
}

void log_line(const char *format, ...)
{
    /* Composed first and written at once, so that lines of several processes do not mix. */
    char text[LOG_LINE_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)fprintf(stderr, "eckad-custodian %s: %s\n", custodian_name, text);
}
