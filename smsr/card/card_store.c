#include "smsr/card/card_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

static enum status complain(const char *path, const char *why)
{
    fprintf(stderr, "smsr-change: %s: %s\n", path, why);
    return STATUS_INTERNAL;
}

static int open_directory_of(const char *path)
{
    char dir[PATH_TEXT_MAX];
    (void)snprintf(dir, sizeof(dir), "%s", path);
    char *slash = strrchr(dir, '/');
    if (slash == NULL) {
        (void)snprintf(dir, sizeof(dir), ".");
    } else {
        slash[slash == dir ? 1 : 0] = '\0';
    }
    return open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

enum status card_store_open(struct card_store *store, const char *path)
{
    char lock[PATH_TEXT_MAX];
    *store = (struct card_store){.lock_fd = -1, .dir_fd = -1};
    /* The longest name made here is the new image's: ".new". */
    if (snprintf(lock, sizeof(lock), "%s.lock", path) >= (int)sizeof(lock)) {
        return complain(path, "the path is too long");
    }
    (void)snprintf(store->path, sizeof(store->path), "%s", path);
    store->dir_fd = open_directory_of(path);
    store->lock_fd = open(lock, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (store->dir_fd < 0 || store->lock_fd < 0) {
        enum status s = complain(path, strerror(errno));
        card_store_close(store);
        return s;
    }
    if (flock(store->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        enum status s = complain(path, "another process is this card");
        card_store_close(store);
        return s;
    }
    return STATUS_OK;
}

void card_store_close(struct card_store *store)
{
    if (store->lock_fd >= 0) {
        (void)close(store->lock_fd); /* with it goes the lock */
    }
    if (store->dir_fd >= 0) {
        (void)close(store->dir_fd);
    }
    store->lock_fd = store->dir_fd = -1;
}

static bool write_whole(int fd, struct span content)
{
    size_t done = 0;
    while (done < content.len) {
        ssize_t n = write(fd, content.ptr + done, content.len - done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        done += (size_t)n;
    }
    return fsync(fd) == 0;
}

enum status card_store_save(struct card_store *store, struct span image)
{
    char fresh[PATH_TEXT_MAX + sizeof(".new")];
    (void)snprintf(fresh, sizeof(fresh), "%s.new", store->path);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return complain(fresh, strerror(errno));
    }
    bool whole = write_whole(fd, image);
    if (close(fd) != 0 || !whole || rename(fresh, store->path) != 0 || fsync(store->dir_fd) != 0) {
        return complain(fresh, "cannot be written for good");
    }
    return STATUS_OK;
}
