/*
 * How every command speaks.
 */
#include <stdarg.h>
#include <stdio.h>

#include "service/ctl/ctl.h"

void ctl_say(const char *format, ...)
{
    char line[1024]; /* one write a line: children write to the same stderr */
    va_list ap;
    va_start(ap, format);
    (void)vsnprintf(line, sizeof line, format, ap);
    va_end(ap);
    (void)fprintf(stderr, "eckactl: %s\n", line);
}

int ctl_misused(const char *format, ...)
{
    char line[1024];
    va_list ap;
    va_start(ap, format);
    (void)vsnprintf(line, sizeof line, format, ap);
    va_end(ap);
    ctl_say("%s; see eckactl --help", line);
    return CTL_USAGE;
}
