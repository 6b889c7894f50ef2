/*
 * An LD_PRELOAD library for the audit log's tests: what a process wrote to a segment (*.log) and
 * has not synced is not in the file when it is killed, or only in part.
 *
 * pwrite() keeps the bytes in memory, fdatasync() writes them, so that SIGKILL is a power cut to
 * these files. Of what is kept a random part is written at once: nothing, a beginning, some blocks
 * with holes between them, or everything, as a kernel may before a power cut. fdatasync() waits a
 * little before and after, so that kills fall into it. While the file $ECKA_DISK_FULL exists, space
 * that was not set aside before cannot be had. Nothing is done without $ECKA_POWER_CUT, the seed of
 * what is random. One thread, one segment written at a time.
 */
#define _FILE_OFFSET_BITS 64
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    KEPT_MAX = 1 << 20,
    FDS_MAX = 256,
    BLOCK = 64,
    WAIT_BEFORE_US =
        5000, /* at most: longer than a batch takes, so that many a kill falls into it */
    WAIT_AFTER_US = 1000,
};

#define EXPORTED __attribute__((visibility("default")))

static struct {
    int fd;
    off_t at;
    size_t len;
    unsigned char bytes[KEPT_MAX];
} kept = {.fd = -1};

static off_t aside[FDS_MAX]; /* where what was set aside ends; 0: no segment */
static uint64_t state;

static void *real(const char *name)
{
    void *function = dlsym(RTLD_NEXT, name);
    if (function == NULL) {
        abort();
    }
    return function;
}

static uint64_t draw(uint64_t below)
{
    if (state == 0) {
        const char *seed = getenv("ECKA_POWER_CUT");
        state = (strtoull(seed != NULL ? seed : "0", NULL, 10) + 1) * 0x9E3779B97F4A7C15U;
    }
    state ^= state << 13; /* xorshift64 */
    state ^= state >> 7;
    state ^= state << 17;
    return (state >> 11) % below;
}

static int is_segment(int fd)
{
    return getenv("ECKA_POWER_CUT") != NULL && fd >= 0 && fd < FDS_MAX && aside[fd] != 0;
}

static int full(void)
{
    const char *path = getenv("ECKA_DISK_FULL");
    return path != NULL && access(path, F_OK) == 0;
}

static void write_now(int fd, const void *bytes, size_t len, off_t at)
{
    ssize_t (*next)(int, const void *, size_t, off_t) =
        (ssize_t(*)(int, const void *, size_t, off_t))real("pwrite64");
    if (len != 0 && next(fd, bytes, len, at) != (ssize_t)len) {
        abort(); /* a disk that loses more than it should proves nothing */
    }
}

static void write_some(int fd, const unsigned char *bytes, size_t len, off_t at)
{
    const uint64_t how = draw(4);
    if (how == 1) {
        write_now(fd, bytes, draw(len + 1), at);
    } else if (how == 2) {
        for (size_t i = 0; i < len; i += BLOCK) {
            const size_t n = len - i < BLOCK ? len - i : BLOCK;
            write_now(fd, bytes + i, draw(2) == 0 ? n : 0, at + (off_t)i);
        }
    } else if (how == 3) {
        write_now(fd, bytes, len, at);
    }
}

static void wait_a_little(uint64_t us)
{
    const struct timespec t = {.tv_nsec = (long)draw(us) * 1000};
    (void)nanosleep(&t, NULL);
}

EXPORTED int openat64(int dir, const char *path, int flags, ...)
{
    int (*next)(int, const char *, int, ...) =
        (int (*)(int, const char *, int, ...))real("openat64");
    va_list args;
    va_start(args, flags);
    const int fd = next(dir, path, flags, va_arg(args, int));
    va_end(args);
    const size_t len = strlen(path);
    if (fd >= 0 && fd < FDS_MAX) {
        const int segment = len > 4 && strcmp(path + len - 4, ".log") == 0 && (flags & O_RDWR) != 0;
        aside[fd] = segment ? 1 : 0;
    }
    return fd;
}

EXPORTED int close(int fd)
{
    int (*next)(int) = (int (*)(int))real("close");
    if (fd >= 0 && fd < FDS_MAX) {
        aside[fd] = 0;
    }
    return next(fd);
}

EXPORTED int fallocate64(int fd, int mode, off_t at, off_t len)
{
    int (*next)(int, int, off_t, off_t) = (int (*)(int, int, off_t, off_t))real("fallocate64");
    if (is_segment(fd) && full() && at + len > aside[fd]) {
        errno = ENOSPC;
        return -1;
    }
    const int done = next(fd, mode, at, len);
    if (done == 0 && is_segment(fd) && at + len > aside[fd]) {
        aside[fd] = at + len;
    }
    return done;
}

EXPORTED ssize_t pwrite64(int fd, const void *bytes, size_t len, off_t at)
{
    ssize_t (*next)(int, const void *, size_t, off_t) =
        (ssize_t(*)(int, const void *, size_t, off_t))real("pwrite64");
    if (!is_segment(fd)) {
        return next(fd, bytes, len, at);
    }
    if (full() && at + (off_t)len > aside[fd]) {
        errno = ENOSPC;
        return -1;
    }
    if (kept.len != 0 || len > KEPT_MAX) {
        abort(); /* a second write before the first was synced */
    }
    kept.fd = fd;
    kept.at = at;
    kept.len = len;
    memcpy(kept.bytes, bytes, len);
    write_some(fd, bytes, len, at);
    return (ssize_t)len;
}

EXPORTED int fdatasync(int fd)
{
    int (*next)(int) = (int (*)(int))real("fdatasync");
    if (!is_segment(fd) || kept.len == 0 || kept.fd != fd) {
        return next(fd);
    }
    wait_a_little(WAIT_BEFORE_US);
    write_now(fd, kept.bytes, kept.len, kept.at);
    kept.len = 0;
    const int done = next(fd);
    wait_a_little(WAIT_AFTER_US);
    return done;
}
