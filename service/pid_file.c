#include "service/pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MODE = S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH };

/* A lock of the whole file; F_GETLK puts there who has it. */
static bool lock(int fd, int command, struct flock *out)
{
    *out = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, command, out) == 0;
}

enum status pid_file_take(const char *path, int *fd, char error[static CONFIG_ERROR_MAX])
{
    struct flock held;
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, MODE);
    if (*fd >= 0 && !lock(*fd, F_SETLK, &held) && (errno == EAGAIN || errno == EACCES)) {
        (void)snprintf(error, CONFIG_ERROR_MAX, "pid_file: %.300s is held by a running eckad",
                       path);
        (void)close(*fd);
        *fd = -1;
        return STATUS_BUSY;
    }
    if (*fd < 0 || ftruncate(*fd, 0) != 0 || dprintf(*fd, "%d\n", (int)getpid()) < 0) {
        (void)snprintf(error, CONFIG_ERROR_MAX, "pid_file: %.300s: %s", path, strerror(errno));
        return STATUS_INTERNAL;
    }
    return STATUS_OK;
}

pid_t pid_file_holder(const char *path)
{
    struct flock held = {.l_pid = 0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    bool known = lock(fd, F_GETLK, &held) && held.l_type != F_UNLCK;
    (void)close(fd);
    return known ? held.l_pid : 0;
}
