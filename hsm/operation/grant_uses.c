/*
 * How much of each grant is used: "eckad grant uses 1", then a line "SERIAL NUMBER" a grant.
 *
 * Rewrap is rare and its results are worth a sync: the file is replaced whole (written beside,
 * synced, renamed, the folder synced) before a result leaves, under a lock that custodians sharing
 * the folder wait for.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hsm/log.h"
#include "hsm/operation/grants.h"

static const char first_line[] = "eckad grant uses 1\n";

static void file_name(char out[static TOKEN_LABEL_LEN + 1], const char *token_label)
{
    size_t n = 0;
    for (; token_label[n] != '\0' && n < TOKEN_LABEL_LEN; n++) {
        char ch = token_label[n];
        bool plain = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
                     (ch >= '0' && ch <= '9') || ch == '-' || ch == '.';
        out[n] = '_';
        if (plain) {
            out[n] = ch;
        }
    }
    out[n] = '\0';
}

static bool raise_use(struct grants *g, const char *serial, uint64_t used)
{
    for (size_t i = 0; i < g->n; i++) {
        struct grant *grant = &g->list[i];
        if (strcmp(grant->serial, serial) == 0) {
            bool back = used < grant->used;
            grant->used = back ? grant->used : used;
            return back;
        }
    }
    return false; /* of a grant that was revoked */
}

static enum status load_lines(FILE *file, const char *path, struct grants *g)
{
    char line[96], serial[2 * GRANT_SERIAL_LEN + 1];
    uint64_t used;

    if (fgets(line, sizeof line, file) == NULL || strcmp(line, first_line) != 0) {
        return STATUS_INTERNAL;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "%32s %" SCNu64, serial, &used) != 2) {
            return STATUS_INTERNAL;
        }
        if (raise_use(g, serial, used)) {
            log_line("alarm: %s went back: %" PRIu64 " uses of grant %s, and the token knows of "
                     "more, which count",
                     path, used, serial);
        }
    }
    return ferror(file) == 0 ? STATUS_OK : STATUS_INTERNAL;
}

static bool any_used(const struct grants *g)
{
    for (size_t i = 0; i < g->n; i++) {
        if (g->list[i].used != 0) {
            return true;
        }
    }
    return false;
}

static enum status load(const char *path, struct grants *g)
{
    FILE *file = fopen(path, "re");
    if (file == NULL && errno == ENOENT) {
        if (any_used(g)) {
            log_line("alarm: %s is not there, and the token knows of used grants; its numbers "
                     "count",
                     path);
        }
        return STATUS_OK;
    }
    enum status st = file == NULL ? STATUS_INTERNAL : load_lines(file, path, g);
    if (file != NULL) {
        (void)fclose(file);
    }
    if (st != STATUS_OK) {
        log_line("alarm: the uses of grants in %s cannot be read; move the file away and the "
                 "token's numbers count",
                 path);
    }
    return st;
}

enum status grant_uses_open(struct grant_uses *u, const char *state_dir, const char *token_label,
                            struct grants *g)
{
    char name[TOKEN_LABEL_LEN + 1], lock[sizeof u->path + 8];

    u->lock = -1;
    file_name(name, token_label);
    int n = snprintf(u->path, sizeof u->path, "%s/grants-%s", state_dir, name);
    if (n < 0 || (size_t)n >= sizeof u->path) {
        log_line("the path of the state folder is too long");
        return STATUS_INTERNAL;
    }
    snprintf(lock, sizeof lock, "%s.lock", u->path);
    TRY(start_lock(lock, &u->lock));
    return load(u->path, g);
}

static bool write_all(const struct grants *g, FILE *file)
{
    bool ok = fputs(first_line, file) >= 0;
    for (size_t i = 0; i < g->n && ok; i++) {
        ok = fprintf(file, "%s %" PRIu64 "\n", g->list[i].serial, g->list[i].used) > 0;
    }
    return ok && fflush(file) == 0 && fsync(fileno(file)) == 0;
}

/* A rename is on the disk when its folder is. */
static bool sync_folder(const char *path)
{
    char folder[sizeof((struct grant_uses *)0)->path];
    const char *slash = strrchr(path, '/'); /* grant_uses_open() put one there */
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - path + 1), path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

enum status grant_uses_save(const struct grant_uses *u, const struct grants *g)
{
    char beside[sizeof u->path + 8];
    snprintf(beside, sizeof beside, "%s.new", u->path);
    FILE *file = fopen(beside, "we");
    bool ok = file != NULL && write_all(g, file);

    if (file != NULL && fclose(file) != 0) {
        ok = false;
    }
    if (!ok || rename(beside, u->path) != 0 || !sync_folder(u->path)) {
        log_line("the uses of grants cannot be written to %s: %s", u->path, strerror(errno));
        return STATUS_INTERNAL;
    }
    return STATUS_OK;
}

void grant_uses_close(struct grant_uses *u)
{
    if (u->lock >= 0) {
        close(u->lock);
        u->lock = -1;
    }
}
