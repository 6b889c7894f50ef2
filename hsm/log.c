#include "hsm/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    LOG_LINE_MAX = 512,
    ESCAPED_MAX = 4 * LOG_LINE_MAX, /* each as \xNN */
};

static const char *custodian_name = "-";

void log_name(const char *name)
{
    custodian_name = name;
}

/* Names of files and labels of objects may hold what would begin a line or move a cursor. Of what
 * is not ASCII the dash before a checkpoint's signature passes alone. */
static void escape(const char *text, char out[static ESCAPED_MAX])
{
    static const char hex[] = "0123456789abcdef", dash[] = "\xE2\x80\x94";
    size_t len = 0;
    while (*text != '\0') {
        unsigned char c = (unsigned char)*text;
        if (strncmp(text, dash, sizeof dash - 1) == 0) {
            memcpy(out + len, dash, sizeof dash - 1);
            len += sizeof dash - 1;
            text += sizeof dash - 2;
        } else if (c >= ' ' && c <= '~') {
            out[len++] = *text;
        } else {
            const char escaped[] = {'\\', 'x', hex[c >> 4], hex[c & 0xF]};
            memcpy(out + len, escaped, sizeof escaped);
            len += sizeof escaped;
        }
        text++;
    }
    out[len] = '\0';
}

void log_line(const char *format, ...)
{
    /* Composed first and written at once, so that lines of several processes do not mix. */
    char text[LOG_LINE_MAX], line[ESCAPED_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    escape(text, line);
    (void)fprintf(stderr, "eckad-custodian %s: %s\n", custodian_name, line);
}
