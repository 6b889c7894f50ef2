#include "service/observe/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <syslog.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "service/clock.h"

static const char journal_socket[] = "/run/systemd/journal/socket";

static const struct {
    const char *name;    /* "ECKAD_EVENT=..." */
    const char *subject; /* "NONE": there is none */
    enum log_level level;
} events[] = {
#define EVENT(name, level, subject, meaning) {"ECKAD_EVENT=" #name, #subject, LOG_LEVEL_##level},
#include "service/observe/log_events.def"
#undef EVENT
};

static const struct {
    const char *name, *prefix;
    int priority;
} levels[LOG_LEVELS] = {
    [LOG_LEVEL_INFO] = {"info", "", LOG_INFO},
    [LOG_LEVEL_WARNING] = {"warning", "warning: ", LOG_WARNING},
    [LOG_LEVEL_ALARM] = {"alarm", "ALARM: ", LOG_ALERT}, /* somebody must look at it now */
};

static bool to_journal; /* set before there are threads */
static _Atomic uint64_t written[LOG_LEVELS];
static _Atomic uint64_t held_back_in_all;

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
        atomic_fetch_add(&held_back_in_all, 1);
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

static void write_stderr(enum log_level level, const char *text, uint32_t held_back)
{
    char line[LOG_LINE_MAX + 128]; /* and the prefix, the count and the newline */
    int head = snprintf(line, sizeof(line), "eckad: %s", levels[level].prefix);
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

/* -- the journal -- */

/* NAME=value, the value escaped. */
struct field {
    char text[LOG_LINE_MAX + 32];
    size_t len;
};

static void field_set(struct field *f, const char *name, const char *value)
{
    int head = snprintf(f->text, sizeof(f->text), "%s=", name);
    f->len = (size_t)head + escape(value, f->text + head, LOG_LINE_MAX);
}

static struct iovec whole(const char *text)
{
    return (struct iovec){.iov_base = (char *)text, .iov_len = strlen(text)}; /* only read */
}

static void write_journal(const struct log_site *site, const char *function, enum log_event event,
                          const char *subject, const char *text, uint32_t held_back)
{
    enum { FIELDS_MAX = 6 };
    struct field message, about;
    struct iovec fields[FIELDS_MAX];
    char priority[16], more[32], name[32];
    int n = 0;
    field_set(&message, "MESSAGE", text);
    (void)snprintf(priority, sizeof(priority), "PRIORITY=%d", levels[events[event].level].priority);
    fields[n++] = (struct iovec){.iov_base = message.text, .iov_len = message.len};
    fields[n++] = whole(priority);
    fields[n++] = whole("SYSLOG_IDENTIFIER=eckad");
    fields[n++] = whole(events[event].name);
    if (subject != NULL) {
        (void)snprintf(name, sizeof(name), "ECKAD_%s", events[event].subject);
        field_set(&about, name, subject);
        fields[n++] = (struct iovec){.iov_base = about.text, .iov_len = about.len};
    }
    if (held_back > 0) {
        (void)snprintf(more, sizeof(more), "ECKAD_HELD_BACK=%" PRIu32, held_back);
        fields[n++] = whole(more);
    }
    if (sd_journal_sendv_with_location(site->file, site->line, function, fields, n) < 0) {
        write_stderr(events[event].level, text, held_back);
    }
}

bool log_stderr_is_journal(void)
{
    unsigned long long device, inode;
    struct stat st;
    const char *stream = getenv("JOURNAL_STREAM"); /* DEVICE:INODE */
    return stream != NULL && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

enum status log_to_journal(void)
{
    if (access(journal_socket, W_OK) != 0) { /* libsystemd would drop entries without a word */
        return STATUS_DISCONNECTED;
    }
    to_journal = true;
    return STATUS_OK;
}

void log_to_stderr(void)
{
    to_journal = false;
}

/* -- counts -- */

uint64_t log_written(enum log_level level)
{
    return atomic_load(&written[level]);
}

uint64_t log_held_back(void)
{
    return atomic_load(&held_back_in_all);
}

const char *log_level_name(enum log_level level)
{
    return levels[level].name;
}

void log_at(struct log_site *site, const char *function, enum log_event event, const char *subject,
            const char *format, ...)
{
    uint32_t held_back = 0;
    if (!admit(site, &held_back)) {
        return;
    }
    atomic_fetch_add(&written[events[event].level], 1);
    char text[LOG_LINE_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (to_journal) {
        write_journal(site, function, event, subject, text, held_back);
    } else {
        write_stderr(events[event].level, text, held_back);
    }
}
