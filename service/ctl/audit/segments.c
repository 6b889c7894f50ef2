#include "service/ctl/audit/segments.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

void segments_free(struct segments *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free(s->files[i].path);
    }
    free(s->files);
    *s = (struct segments){0};
}

static bool is_segment(const char *name)
{
    return strlen(name) == SEGMENT_NAME_LEN &&
           strspn(name, "0123456789") == SEGMENT_NAME_LEN - strlen(".log") &&
           strcmp(name + SEGMENT_NAME_LEN - strlen(".log"), ".log") == 0;
}

static bool add(struct segments *s, const char *directory, const char *name, uint64_t size)
{
    if (s->n == s->room) {
        size_t room = s->room == 0 ? 64 : 2 * s->room;
        struct segment_file *grown = reallocarray(s->files, room, sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        s->files = grown;
        s->room = room;
    }
    char *path;
    if (asprintf(&path, "%s/%s", directory, name) < 0) {
        return false;
    }
    s->files[s->n] = (struct segment_file){path, path + strlen(directory) + 1, size, s->n};
    s->n++;
    return true;
}

static bool add_all(struct segments *s, const char *directory, DIR *dir)
{
    struct dirent *entry;
    struct stat st;
    while ((errno = 0, entry = readdir(dir)) != NULL) {
        if (!is_segment(entry->d_name)) {
            continue;
        }
        if (fstatat(dirfd(dir), entry->d_name, &st, 0) != 0 ||
            !add(s, directory, entry->d_name, (uint64_t)st.st_size)) {
            return false;
        }
    }
    return errno == 0;
}

/* A writer locks the directory for the time of a commit, so that under a shared lock every segment
 * ends as a commit left it. */
bool segments_add(struct segments *s, const char *directory)
{
    DIR *dir = opendir(directory);
    if (dir == NULL) {
        return false;
    }
    bool ok = flock(dirfd(dir), LOCK_SH) == 0 && add_all(s, directory, dir);
    int saved = errno;
    (void)closedir(dir); /* and unlocks it */
    errno = saved;
    return ok;
}

/* 0: one begins as the other; else the first line that differs. False: errno says why not. */
static bool compare(const struct segment_file *a, const struct segment_file *b, uint64_t *line)
{
    struct lines *in = calloc(2, sizeof *in);
    int fds[2] = {open(a->path, O_RDONLY | O_CLOEXEC), open(b->path, O_RDONLY | O_CLOEXEC)};
    uint64_t shared = a->size < b->size ? a->size : b->size, at = 0;
    bool ok = in != NULL && fds[0] >= 0 && fds[1] >= 0, same = ok;
    enum { BLOCK = LINES_BUFFER };

    for (*line = 1; ok && same && at < shared;) {
        size_t want = shared - at < BLOCK ? (size_t)(shared - at) : BLOCK;
        ssize_t n = pread(fds[0], in[0].buffer, want, (off_t)at);
        ok = n > 0 && pread(fds[1], in[1].buffer, (size_t)n, (off_t)at) == n;
        for (ssize_t i = 0; ok && same && i < n; i++) {
            same = in[0].buffer[i] == in[1].buffer[i];
            *line += same && in[0].buffer[i] == '\n' ? 1 : 0;
        }
        at += ok ? (uint64_t)n : 0;
    }
    *line = same ? 0 : *line;
    for (size_t i = 0; i < 2; i++) {
        if (fds[i] >= 0) {
            (void)close(fds[i]);
        }
    }
    free(in);
    return ok;
}

static int by_name(const void *a, const void *b)
{
    const struct segment_file *x = a, *y = b;
    int names = strcmp(x->name, y->name);
    return names != 0 ? names : (x->order > y->order) - (x->order < y->order);
}

/* Drops one of two neighbours of one name. */
static bool settle(struct segments *s, size_t i, const struct segments_told *told)
{
    struct segment_file *one = &s->files[i], *other = &s->files[i + 1], kept = *one, left = *other;
    uint64_t line;
    if (!compare(one, other, &line)) {
        return false;
    }
    if (line != 0) {
        told->differs(told->arg, one->path, other->path, line);
    } else {
        told->same(told->arg, one->path, other->path);
        if (other->size > one->size) {
            kept = *other;
            left = *one;
        }
    }
    *one = kept;
    free(left.path);
    s->n--;
    memmove(other, other + 1, (s->n - i - 1) * sizeof *other);
    return true;
}

bool segments_sort(struct segments *s, const struct segments_told *told)
{
    if (s->n != 0) {
        qsort(s->files, s->n, sizeof *s->files, by_name);
    }
    for (size_t i = 0; i + 1 < s->n;) {
        if (strcmp(s->files[i].name, s->files[i + 1].name) != 0) {
            i++;
        } else if (!settle(s, i, told)) {
            return false;
        }
    }
    return true;
}

uint64_t segments_end_of_checkpoints(struct lines *in, int fd, uint64_t from, uint64_t size)
{
    enum lines_got got;
    struct span text;
    struct audit_line line;
    uint64_t end = from;

    lines_init(in, fd, from, size);
    while ((got = lines_next(in, &text)) == LINES_LINE) {
        if (audit_line_parse(text, &line) && line.kind == AUDIT_LINE_CHECKPOINT) {
            end = lines_offset(in);
        }
    }
    return got == LINES_LONG || got == LINES_ERROR ? size : end;
}
