/*
 * The files of an audit log: its directory and the lock on it, segments, space set aside, and the
 * one write and one fdatasync of a commit.
 *
 * Space is set aside behind the end of the segment (FALLOC_FL_KEEP_SIZE), where nobody else can
 * take it. A write that fails is cut off again before the lock is given up: what another process
 * then reads is what was before.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hsm/audit/internal.h"
#include "hsm/log.h"
#include "hsm/watchdog.h"

static enum status unavailable(const char *what)
{
    log_line("audit log: %s: %s", what, strerror(errno));
    return STATUS_AUDIT_UNAVAILABLE;
}

enum status audit_directory_open(struct audit *a)
{
    const char *path = a->config->directory;
    if (mkdir(path, S_IRWXU) != 0 && errno != EEXIST) {
        log_line("the audit log's directory %s cannot be made: %s", path, strerror(errno));
        return STATUS_AUDIT_UNAVAILABLE;
    }
    a->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (a->directory < 0) {
        log_line("the audit log's directory %s cannot be opened: %s", path, strerror(errno));
        return STATUS_AUDIT_UNAVAILABLE;
    }
    return STATUS_OK;
}

enum status audit_lock(struct audit *a)
{
    uint64_t left = watchdog_pause();
    int done;
    do {
        done = flock(a->directory, LOCK_EX);
    } while (done != 0 && errno == EINTR);
    watchdog_resume(left);
    return done == 0 ? STATUS_OK : unavailable("its directory cannot be locked");
}

void audit_unlock(struct audit *a)
{
    (void)flock(a->directory, LOCK_UN);
}

void audit_segment_name(char out[static SEGMENT_NAME_MAX], uint64_t first)
{
    /* 10^16 leaves, at 50,000 a second, take 6000 years. */
    (void)snprintf(out, SEGMENT_NAME_MAX, "%016" PRIu64 ".log",
                   first % UINT64_C(10000000000000000));
}

/* -- space -- */

static bool set_aside(struct audit *a, uint64_t len)
{
    while (fallocate(a->fd, FALLOC_FL_KEEP_SIZE, (off_t)a->state.size, (off_t)len) != 0) {
        if (errno != EINTR) {
            a->no_reserve = errno == EOPNOTSUPP || errno == ENOSYS;
            return false;
        }
    }
    a->allocated = a->state.size + len;
    return true;
}

bool audit_room(struct audit *a, uint64_t len, bool reserve)
{
    uint64_t want = len + (reserve ? a->config->reserve_bytes : 0);
    bool said = a->no_reserve;

    if (a->fd < 0 || a->no_reserve || a->allocated >= a->state.size + want) {
        return true;
    }
    /* As much again, so that it is seldom asked for. */
    if ((reserve && set_aside(a, want + a->config->reserve_bytes)) || set_aside(a, want)) {
        return true;
    }
    if (a->no_reserve && !said) {
        log_line("the file system of the audit log sets no space aside: when it is full, nothing "
                 "is kept for finishing what began");
    }
    return a->no_reserve;
}

/* -- writing -- */

static bool write_all(int fd, const uint8_t *bytes, size_t len, uint64_t at)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, bytes, len, (off_t)at);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        bytes += n;
        len -= (size_t)n;
        at += (uint64_t)n;
    }
    return true;
}

static bool sync_data(int fd)
{
    int done;
    do {
        done = fdatasync(fd);
    } while (done != 0 && errno == EINTR);
    return done == 0;
}

enum status audit_cut(struct audit *a)
{
    a->allocated = a->state.size; /* a cut gives up what was set aside */
    if (ftruncate(a->fd, (off_t)a->state.size) != 0 || !sync_data(a->fd)) {
        a->broken = true;
        return unavailable("a part of it cannot be taken back, so its end is not known");
    }
    return STATUS_OK;
}

static enum status append_here(struct audit *a, size_t len)
{
    const uint8_t *leaves = a->buffer + AUDIT_SEGMENT_MAX + 1;
    if (write_all(a->fd, leaves, len, a->state.size) && sync_data(a->fd)) {
        a->state.size += len;
        return STATUS_OK;
    }
    int reason = errno;
    TRY(audit_cut(a));
    (void)audit_room(a, 0, true); /* at once, before somebody else has it */
    errno = reason;
    return STATUS_AUDIT_UNAVAILABLE;
}

/* -- a new segment: its first line right before the leaves, and all of it in one write -- */

static size_t put_head(struct audit *a)
{
    uint8_t head[AUDIT_SEGMENT_MAX];
    struct writer w = writer_of(head, sizeof head);
    struct audit_segment segment = {
        .origin = audit_origin(a), .first = a->state.range.size, .n = a->state.range.n};

    memcpy(segment.nodes, a->state.range.nodes, segment.n * sizeof segment.nodes[0]);
    audit_segment_put(&w, &segment);
    uint8_t *leaves = a->buffer + AUDIT_SEGMENT_MAX + 1;
    leaves[-1] = '\n';
    memcpy(leaves - 1 - w.len, head, w.len);
    return w.len + 1;
}

/* What was set aside behind a segment that is over; where that fails, it stays so. */
static void give_back_room(const struct audit *a)
{
    int done = ftruncate(a->fd, (off_t)a->state.size);
    (void)done;
}

static bool begin_segment(struct audit *a, const char *name, size_t len)
{
    size_t head = put_head(a);
    const uint8_t *bytes = a->buffer + AUDIT_SEGMENT_MAX + 1 - head;
    const uint64_t reserve = a->config->reserve_bytes;
    int fd = openat(a->directory, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                    S_IRUSR | S_IWUSR);
    if (fd < 0) {
        return false;
    }
    bool aside = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)(head + len + reserve)) == 0;
    if ((aside || errno == EOPNOTSUPP) && write_all(fd, bytes, head + len, 0) && sync_data(fd) &&
        fsync(a->directory) == 0) {
        if (a->fd >= 0) {
            give_back_room(a);
            close(a->fd);
        }
        a->fd = fd;
        a->state.first = a->state.range.size;
        a->state.size = head + len;
        a->allocated = aside ? head + len + reserve : 0;
        return true;
    }
    int reason = errno;
    close(fd);
    if (unlinkat(a->directory, name, 0) != 0) {
        a->broken = true;
    }
    errno = reason;
    return false;
}

static enum status append(struct audit *a, size_t checkpoint_len)
{
    const size_t len = a->len + checkpoint_len;
    const bool due = a->fd < 0 || a->state.size >= a->config->segment_bytes;
    char name[SEGMENT_NAME_MAX];

    audit_segment_name(name, a->state.range.size);
    if (due && begin_segment(a, name, len)) {
        return STATUS_OK;
    }
    /* Without room for a new segment and its reserve the old one goes on. */
    if (a->fd < 0 || a->broken || !audit_room(a, len, false)) {
        return STATUS_AUDIT_UNAVAILABLE;
    }
    return append_here(a, len);
}

enum status audit_append(struct audit *a, size_t checkpoint_len)
{
    uint64_t left = watchdog_pause();
    enum status st = append(a, checkpoint_len);
    watchdog_resume(left);
    return st;
}
