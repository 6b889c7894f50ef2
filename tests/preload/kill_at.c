/*
 * An LD_PRELOAD library for tests of state on disk: the process dies at one of its writes.
 *
 * Counted are the moments around open() for writing, write(), fsync() and rename(): before each,
 * after each, and in the middle of a write, half of which is done. At the $KILL_AT-th the process
 * kills itself. Sockets are written to with send(), which counts for nothing. One thread.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static long moments;

static void moment(void)
{
    const char *at = getenv("KILL_AT");
    if (at != NULL && ++moments == strtol(at, NULL, 10)) {
        (void)raise(SIGKILL);
    }
}

static void *real(const char *name)
{
    void *symbol = dlsym(RTLD_NEXT, name);
    if (symbol == NULL) {
        abort(); /* nothing is proven by a call that does nothing */
    }
    return symbol;
}

#define SHOWN __attribute__((visibility("default")))

SHOWN int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    int (*next)(const char *, int, ...) = (int (*)(const char *, int, ...))real("open");
    if ((flags & O_TRUNC) == 0) {
        return next(path, flags, mode);
    }
    moment();
    int fd = next(path, flags, mode);
    moment();
    return fd;
}

SHOWN ssize_t write(int fd, const void *bytes, size_t len)
{
    ssize_t (*next)(int, const void *, size_t) =
        (ssize_t(*)(int, const void *, size_t))real("write");
    moment();
    ssize_t half = next(fd, bytes, len / 2);
    if (half < 0) {
        return half;
    }
    moment();
    ssize_t rest = next(fd, (const char *)bytes + half, len - (size_t)half);
    moment();
    return rest < 0 ? half : half + rest;
}

SHOWN int fsync(int fd)
{
    int (*next)(int) = (int (*)(int))real("fsync");
    moment();
    int rc = next(fd);
    moment();
    return rc;
}

SHOWN int rename(const char *from, const char *to)
{
    int (*next)(const char *, const char *) = (int (*)(const char *, const char *))real("rename");
    moment();
    int rc = next(from, to);
    moment();
    return rc;
}
