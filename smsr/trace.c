#include "smsr/trace.h"

#include <stdarg.h>

#define DIM   "\x1b[2m"
#define BOLD  "\x1b[1m"
#define PLAIN "\x1b[0m"

enum { WAY_MAX = 64 };

const char *party_name(enum party party)
{
    static const char *const names[PARTY_COUNT] = {
        [PARTY_OPERATOR] = "Fleet Owner (Operator)",
        [PARTY_ALPHA] = "Alpha (SM-SR1)",
        [PARTY_BETA] = "Beta (SM-SR2)",
        [PARTY_ISDR] = "robot (ISD-R)",
        [PARTY_ECASD] = "robot (ECASD)",
    };
    return party < PARTY_COUNT ? names[party] : "?";
}

void trace_step(const struct trace *trace, unsigned step, enum party from, enum party to,
                const char *name, const char *facts, ...)
{
    if (trace->out == NULL) {
        return;
    }
    char way[WAY_MAX];
    if (from == to) {
        (void)snprintf(way, sizeof(way), "%s", party_name(from));
    } else {
        (void)snprintf(way, sizeof(way), "%s -> %s", party_name(from), party_name(to));
    }
    fprintf(trace->out, "%s[%2u] %-41s  %s%-33s%s  ", trace->prefix, step, way,
            trace->colour ? BOLD : "", name, trace->colour ? PLAIN DIM : "");
    va_list args;
    va_start(args, facts);
    (void)vfprintf(trace->out, facts, args);
    va_end(args);
    fprintf(trace->out, "%s\n", trace->colour ? PLAIN : "");
}

void trace_note(const struct trace *trace, const char *note, ...)
{
    if (trace->out == NULL) {
        return;
    }
    fprintf(trace->out, "%s     %s", trace->prefix, trace->colour ? DIM : "");
    va_list args;
    va_start(args, note);
    (void)vfprintf(trace->out, note, args);
    va_end(args);
    fprintf(trace->out, "%s\n", trace->colour ? PLAIN : "");
}
