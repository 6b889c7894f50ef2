/*
 * The calendar's clock of a process jumps when a test says so: the seconds in the file that
 * ECKA_CLOCK names are added to it. The monotonic clock is left alone, as the kernel leaves it.
 *
 * The file holds a 64-bit number of this machine and is mapped, so a jump is seen at once.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *jump; /* NULL: no file, no jump */

__attribute__((constructor)) static void map_jump(void)
{
    const char *path = getenv("ECKA_CLOCK");
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    void *at = mmap(NULL, sizeof *jump, PROT_READ, MAP_SHARED, fd, 0);
    (void)close(fd);
    if (at == MAP_FAILED) {
        perror("other_clock");
        abort();
    }
    jump = at;
}

static int real_clock(clockid_t clock, struct timespec *out)
{
    static int (*real)(clockid_t, struct timespec *);
    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    }
    return real(clock, out);
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *out)
{
    int rc = real_clock(clock, out);
    if (rc == 0 && jump != NULL && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        out->tv_sec += *jump;
    }
    return rc;
}

__attribute__((visibility("default"))) time_t time(time_t *out)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL) {
        *out = now.tv_sec;
    }
    return now.tv_sec;
}

__attribute__((visibility("default"))) int gettimeofday(struct timeval *restrict out,
                                                        void *restrict zone)
{
    struct timespec now = {0};
    (void)zone;
    int rc = clock_gettime(CLOCK_REALTIME, &now);
    *out = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return rc;
}
