/*
 * One event, one entry. On stderr a line: "eckad: text", "eckad: warning: text" or
 * "eckad: ALARM: text"; in the journal the text with fields: PRIORITY, ECKAD_EVENT, the event's
 * subject (log_events.def), ECKAD_HELD_BACK, CODE_FILE, CODE_LINE and CODE_FUNC.
 *
 * Each place in the code has its own rate limit, so that an event a client can cause at will does
 * not fill a disk; what was held back is counted in the next entry of that place. Everything but
 * printable ASCII is written as \xNN: a name or a detail from outside cannot forge a line. Secrets
 * are never arguments. Any thread; an entry waits until the journal, or the reader of stderr, takes
 * it.
 */
#ifndef SERVICE_LOG_H
#define SERVICE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/status.h"

enum {
    LOG_LINE_MAX = 512, /* bytes of a text, longer ones are cut */
    LOG_BURST = 10,     /* entries a place may write in LOG_PERIOD_US */
    LOG_PERIOD_US = 1000000,
};

enum log_level { LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ALARM, LOG_LEVELS };

enum log_event {
#define EVENT(name, level, subject, meaning) LOG_EVENT_##name,
#include "service/observe/log_events.def"
#undef EVENT
};

struct log_site {
    const char *file, *line; /* "CODE_FILE=...", "CODE_LINE=..." */
    _Atomic uint64_t period_start_us;
    _Atomic uint32_t written;
    _Atomic uint32_t held_back;
};

/* Whether stderr is a stream into the journal, as it is for a unit of systemd (systemd.exec(5)). */
bool log_stderr_is_journal(void);

/* Where entries go from now on; before there are threads. DISCONNECTED when no journal is here. */
MUST_CHECK enum status log_to_journal(void);
void log_to_stderr(void);

/* Entries since start: written with this level; and held back. */
uint64_t log_written(enum log_level level);
uint64_t log_held_back(void);

/* "info", "warning", "alarm". */
const char *log_level_name(enum log_level level);

__attribute__((format(printf, 5, 6))) void log_at(struct log_site *site, const char *function,
                                                  enum log_event event, const char *subject,
                                                  const char *format, ...);

#define LOG_TEXT(x)   #x
#define LOG_NUMBER(x) LOG_TEXT(x)

/* subject: a string, or NULL. */
#define LOG_ABOUT(event, subject, ...)                                                             \
    do {                                                                                           \
        static struct log_site log_site_ = {.file = "CODE_FILE=" __FILE__,                         \
                                            .line = "CODE_LINE=" LOG_NUMBER(__LINE__)};            \
        log_at(&log_site_, __func__, LOG_EVENT_##event, subject, __VA_ARGS__);                     \
    } while (0)

#define LOG(event, ...) LOG_ABOUT(event, NULL, __VA_ARGS__)

#endif
