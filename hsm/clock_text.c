#include "hsm/clock_text.h"

#include <string.h>
#include <time.h>

static const char format[] = "%Y-%m-%dT%H:%M:%SZ";

void clock_text(char out[static CLOCK_TEXT_MAX], uint64_t seconds)
{
    time_t t = (time_t)seconds;
    struct tm tm;
    if (gmtime_r(&t, &tm) == NULL || strftime(out, CLOCK_TEXT_MAX, format, &tm) == 0) {
        out[0] = '\0';
    }
}

uint64_t clock_of_text(const char *text)
{
    struct tm tm = {0};
    const char *end = strptime(text, format, &tm);
    time_t t = end == NULL || *end != '\0' ? 0 : timegm(&tm);
    return t > 0 ? (uint64_t)t : 0;
}
