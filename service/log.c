#include "service/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "service/clock.h"

/* Two threads at a period's edge may let a line too many through; that is all a race can do. */
static bool admit(struct log_site *site, uint32_t *held_back)
{
    uint64_t now = clock_us();
    if (now - atomic_load(&site->period_start_us) >= LOG_PERIOD_US) {
        atomic_store(&site->period_start_us, now);
        atomic_store(&site->written, 0);
    }
    if (atomic_fetch_add(&site->written, 1) >= LOG_BURST) {
        atomic_fetch_add(&site->held_back, 1);
        return false;
    }
    *held_back = atomic_exchange(&site->held_back, 0);
    return true;
}

static size_t escape(const char *text, char *out, size_t cap)
{
    static const char hex[] = "0123456789abcdef";
    enum { ESCAPED_LEN = 4 }; /* \xNN */
    size_t len = 0;
    for (const char *p = text; *p != '\0' && len + ESCAPED_LEN <= cap; p++) {
        unsigned char c = (unsigned char)*p;
        if (c >= 0x20 && c < 0x7F) {
            out[len++] = *p;
        } else {
            out[len++] = '\\';
            out[len++] = 'x';
            out[len++] = hex[c >> 4];
            out[len++] = hex[c & 0xF];
        }
    }
    return len;
}

void log_at(struct log_site *site, const char *prefix, const char *format, ...)
{
    uint32_t held_back = 0;
    if (!admit(site, &held_back)) {
        return;
    }
    char text[LOG_LINE_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);

    char line[LOG_LINE_MAX + 128]; /* and the prefix, the count and the newline */
    int head = snprintf(line, sizeof(line), "eckad: %s", prefix);
    size_t len = (size_t)head + escape(text, line + head, LOG_LINE_MAX);
    if (held_back > 0) {
        len += (size_t)snprintf(line + len, sizeof(line) - len, " (%u more not shown)", held_back);
    }
    line[len++] = '\n';
    /* One write a line keeps lines whole; there is nowhere to report that stderr is gone. */
    if (write(STDERR_FILENO, line, len) < 0) {
        return;
    }
}
