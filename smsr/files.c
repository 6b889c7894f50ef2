#include "smsr/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static enum status complain(const char *path, const char *why)
{
    fprintf(stderr, "smsr-change: %s: %s\n", path, why);
    return STATUS_INTERNAL;
}

enum status path_join(char out[static PATH_TEXT_MAX], const char *dir, const char *name)
{
    int n = snprintf(out, PATH_TEXT_MAX, "%s/%s", dir, name);
    return n > 0 && n < PATH_TEXT_MAX ? STATUS_OK : STATUS_NO_SPACE;
}

enum status dir_make(const char *path, mode_t mode)
{
    if (mkdir(path, mode) == 0 || errno == EEXIST) {
        return STATUS_OK;
    }
    return complain(path, strerror(errno));
}

enum status file_write_new(const char *path, mode_t mode, struct span content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0) {
        return complain(path, strerror(errno));
    }
    size_t done = 0;
    while (done < content.len) {
        ssize_t n = write(fd, content.ptr + done, content.len - done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break;
        }
        done += (size_t)n;
    }
    bool whole = done == content.len;
    if (close(fd) != 0 || !whole) {
        return complain(path, "cannot be written");
    }
    return STATUS_OK;
}

enum status file_read(const char *path, uint8_t *out, size_t cap, size_t *len)
{
    *len = 0;
    FILE *f = fopen(path, "rbe");
    if (f == NULL) {
        return complain(path, strerror(errno));
    }
    size_t n = fread(out, 1, cap, f);
    bool whole = ferror(f) == 0 && (n < cap || fgetc(f) == EOF);
    (void)fclose(f); /* opened for reading: nothing is left to fail */
    if (!whole) {
        return complain(path, "cannot be read, or is too long");
    }
    *len = n;
    return STATUS_OK;
}
