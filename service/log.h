/*
 * One event, one line on stderr: "eckad: text", "eckad: warning: text" or "eckad: ALARM: text".
 *
 * Each place in the code has its own rate limit, so that an event a client can cause at will does
 * not fill a disk; what was held back is counted in the next line of that place. Everything but
 * printable ASCII is written as \xNN: a name or a detail from outside cannot forge a line. Secrets
 * are never arguments. Any thread.
 */
#ifndef SERVICE_LOG_H
#define SERVICE_LOG_H

#include <stdatomic.h>
#include <stdint.h>

enum {
    LOG_LINE_MAX = 512, /* bytes of a line, longer ones are cut */
    LOG_BURST = 10,     /* lines a place may write in LOG_PERIOD_US */
    LOG_PERIOD_US = 1000000,
};

struct log_site {
    _Atomic uint64_t period_start_us;
    _Atomic uint32_t written;
    _Atomic uint32_t held_back;
};

__attribute__((format(printf, 3, 4))) void log_at(struct log_site *site, const char *prefix,
                                                  const char *format, ...);

#define LOG_WITH_PREFIX(prefix, ...)                                                               \
    do {                                                                                           \
        static struct log_site log_site_;                                                          \
        log_at(&log_site_, prefix, __VA_ARGS__);                                                   \
    } while (0)

#define LOG_INFO(...) LOG_WITH_PREFIX("", __VA_ARGS__)
#define LOG_WARN(...) LOG_WITH_PREFIX("warning: ", __VA_ARGS__)
/* Somebody must look at it now. */
#define LOG_ALARM(...) LOG_WITH_PREFIX("ALARM: ", __VA_ARGS__)

#endif
