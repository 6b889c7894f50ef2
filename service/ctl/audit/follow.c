/*
 * follow: a log that is written to. What the next checkpoint covers is verified first and shown
 * then, so that nothing is shown that was never released or does not hold.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "service/ctl/audit/reader.h"
#include "service/ctl/audit/show.h"
#include "service/ctl/ctl.h"

enum { PAUSE_NS = 200 * 1000 * 1000 };

struct follower {
    struct reader *r;
    struct segments there; /* at this moment */
    int fd;                /* of the segment that is read; -1: none yet */
    char path[4096];
    struct segment_place at;
    uint64_t offset; /* up to which it was verified */
    bool live;       /* all that was there at first was verified: from now on leaves are shown */
    struct lines in;
};

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static bool found(struct follower *f, enum finding_kind kind, const char *sentence)
{
    f->at.line++;
    return verify_found(&f->r->verifier, &f->at, kind, sentence);
}

/* The first segment after the one that is read; NULL: there is none yet. */
static const struct segment_file *next_segment(const struct follower *f)
{
    for (size_t i = 0; i < f->there.n; i++) {
        if (f->fd < 0 || strcmp(f->there.files[i].name, f->at.name) > 0) {
            return &f->there.files[i];
        }
    }
    return NULL;
}

static bool open_segment(struct follower *f, const struct segment_file *file)
{
    if (f->fd >= 0) {
        (void)close(f->fd);
    }
    (void)snprintf(f->path, sizeof f->path, "%s", file->path);
    f->at = (struct segment_place){.path = f->path,
                                   .name = f->path + strlen(f->path) - SEGMENT_NAME_LEN};
    f->offset = 0;
    f->fd = open(f->path, O_RDONLY | O_CLOEXEC);
    return f->fd >= 0 || found(f, FINDING_UNREADABLE, strerror(errno));
}

/* Whether the file that is read is the one of that name, and how long it is. An older segment may
 * have gone to the archive. */
static bool size_now(struct follower *f, uint64_t *size)
{
    struct stat open_one, named;
    if (fstat(f->fd, &open_one) != 0) {
        return found(f, FINDING_UNREADABLE, strerror(errno));
    }
    *size = (uint64_t)open_one.st_size;
    for (size_t i = 0; i < f->there.n; i++) {
        if (strcmp(f->there.files[i].name, f->at.name) == 0) {
            *size = f->there.files[i].size;
        }
    }
    if (*size < f->offset) {
        return found(f, FINDING_ROLLBACK, "the file is shorter than what was verified of it");
    }
    if (stat(f->path, &named) != 0) {
        return next_segment(f) != NULL ||
               found(f, FINDING_MISSING, "the segment that was read is gone");
    }
    return (named.st_dev == open_one.st_dev && named.st_ino == open_one.st_ino) ||
           found(f, FINDING_DIFFERS, "another file took this one's place");
}

/* Shows the leaves from one offset to another, which were verified. */
static void show(struct follower *f, uint64_t from, uint64_t until, uint64_t index)
{
    struct span text;
    struct audit_line line;
    lines_init(&f->in, f->fd, from, until);
    while (lines_next(&f->in, &text) == LINES_LINE) {
        if (audit_line_parse(text, &line) && line.kind == AUDIT_LINE_LEAF) {
            show_leaf(f->r->asked, index++, text, &line.leaf);
        }
    }
    (void)fflush(stdout);
}

/* Up to the last checkpoint there is; *ended when nothing stands behind that. */
static bool take_what_is_there(struct follower *f, bool *ended)
{
    struct verifier *v = &f->r->verifier;
    uint64_t size = 0, end, from = f->offset;
    struct span line;

    if (!size_now(f, &size)) {
        return false;
    }
    end = segments_end_of_checkpoints(&f->in, f->fd, f->offset, size);
    lines_init(&f->in, f->fd, f->offset, end);
    enum lines_got got;
    uint64_t leaves = v->leaves;
    while ((got = lines_next(&f->in, &line)) == LINES_LINE) {
        if (!verify_line(v, &f->at, line)) {
            return false;
        }
    }
    if (got != LINES_END) {
        return found(f, got == LINES_ERROR ? FINDING_UNREADABLE : FINDING_MALFORMED,
                     got == LINES_ERROR ? strerror(errno) : "no line of an audit log");
    }
    f->offset = end;
    *ended = end == size && end != 0;
    if (f->live && v->leaves != leaves) {
        show(f, from, end, v->tree.size - (v->leaves - leaves));
    }
    return true;
}

static bool list(struct follower *f)
{
    const char *directory = f->r->asked->directories[0];
    const struct segments_told nobody = {0}; /* one directory has no two files of one name */
    segments_free(&f->there);
    if (segments_add(&f->there, directory) && segments_sort(&f->there, &nobody)) {
        return true;
    }
    ctl_say("%s: %s", directory, strerror(errno));
    return false;
}

/* All that is there at a moment; false: a finding, or the directory cannot be read. */
static bool step(struct follower *f)
{
    bool ended = true;
    if (!list(f)) {
        return false;
    }
    for (;;) {
        const struct segment_file *next = next_segment(f);
        if (f->fd >= 0 && !take_what_is_there(f, &ended)) {
            return false;
        }
        if (next == NULL) {
            return true;
        }
        if (!ended) {
            return found(f, FINDING_UNFINISHED,
                         "what stands after the last checkpoint is under "
                         "none, and another segment follows");
        }
        if (!open_segment(f, next)) {
            return false;
        }
    }
}

static void pause_a_moment(void)
{
    const struct timespec moment = {.tv_nsec = PAUSE_NS};
    (void)nanosleep(&moment, NULL);
}

static int follow(struct follower *f)
{
    const struct sigaction stop = {.sa_handler = on_signal};
    (void)sigaction(SIGINT, &stop, NULL);
    (void)sigaction(SIGTERM, &stop, NULL);
    while (!stopped) {
        if (!step(f)) {
            (void)fflush(stdout);
            return f->r->verifier.findings != 0 ? reader_verdict(f->r) : CTL_USAGE;
        }
        if (!f->live) {
            ctl_say("%s: %" PRIu64 " leaves hold; following", f->r->verifier.origin,
                    f->r->verifier.tree.size);
        }
        f->live = true;
        pause_a_moment();
    }
    return CTL_OK;
}

int audit_follow(const struct audit_asked *asked)
{
    struct reader *r = malloc(sizeof *r);
    struct follower *f = calloc(1, sizeof *f);
    int rc = r == NULL || f == NULL ? CTL_FAILED : reader_open(r, asked, stderr);
    if (rc == CTL_OK) {
        f->r = r;
        f->fd = -1;
        rc = follow(f);
        if (f->fd >= 0) {
            (void)close(f->fd);
        }
        segments_free(&f->there);
        reader_close(r);
    }
    free(f);
    free(r);
    return fflush(stdout) == 0 ? rc : CTL_FAILED;
}
