/*
 * Reading an audit log: at a start from the segment that holds what the token remembers, at a
 * commit what others appended.
 *
 * Each checkpoint is compared with the tree of the leaves before it, and the signature of the last
 * one is verified. Behind the last good one there can be part of one commit, whose results never
 * left: it is put aside in a file of its own and cut off, and a leaf says so. More than that, a
 * checkpoint that is not the last line and does not agree, is no accident: the log is not used.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hsm/audit/internal.h"
#include "hsm/log.h"

struct reading {
    struct audit *a;
    const struct audit_checkpoint *mirror; /* NULL, or size 0: nothing to compare with */
    char name[SEGMENT_NAME_MAX];
    struct merkle_range range; /* of everything read, while it is good */
    bool known;                /* range is: at first a segment is believed what it begins with */
    uint64_t since;            /* leaves under the checkpoint before */
    uint64_t at;               /* behind the last line read */
    bool bad;                  /* a line that is not as it has to be: nothing counts from there */
    size_t checkpoints;        /* of lines behind the last good checkpoint */
    bool ends_so;              /* the last line is one of them */
    bool not_extension;
};

static enum status refuse(const struct reading *r, const char *why)
{
    log_line("the audit log is not used: %s/%s, after leaf %" PRIu64 ": %s",
             r->a->config->directory, r->name, r->a->state.checkpoint.size, why);
    return STATUS_AUDIT_UNAVAILABLE;
}

/* -- lines -- */

/* What the token remembers has to be the tree of as many leaves. */
static enum status compare_mirror(struct reading *r)
{
    uint8_t root[MERKLE_HASH_LEN];
    if (r->mirror == NULL || r->mirror->size == 0 || r->mirror->size != r->range.size) {
        return STATUS_OK;
    }
    TRY(merkle_root(r->a->sym, &r->range, root));
    r->not_extension = memcmp(root, r->mirror->root, sizeof root) != 0;
    return STATUS_OK;
}

static enum status take_segment(struct reading *r, const struct audit_segment *s, bool *good)
{
    char name[SEGMENT_NAME_MAX];
    if (!span_eq(s->origin, audit_origin(r->a))) { /* a whole line: nothing was cut short here */
        return refuse(r, "it is the log of another origin");
    }
    audit_segment_name(name, s->first);
    *good = r->at == 0 && strcmp(name, r->name) == 0;
    if (*good && r->known) {
        *good = s->first == r->range.size &&
                memcmp(s->nodes, r->range.nodes, s->n * sizeof s->nodes[0]) == 0;
        return STATUS_OK;
    }
    if (*good) {
        r->range = (struct merkle_range){.size = s->first, .n = s->n};
        memcpy(r->range.nodes, s->nodes, s->n * sizeof s->nodes[0]);
        r->known = true;
        r->since = s->first;
        return compare_mirror(r);
    }
    return STATUS_OK;
}

static enum status take_leaf(struct reading *r, struct span line)
{
    uint8_t hash[MERKLE_HASH_LEN];
    TRY(merkle_leaf_hash(r->a->sym, line, hash));
    TRY(merkle_append(r->a->sym, &r->range, hash));
    return compare_mirror(r);
}

static enum status take_checkpoint(struct reading *r, const struct audit_checkpoint *c,
                                   uint64_t end, bool *good)
{
    uint8_t root[MERKLE_HASH_LEN];
    TRY(merkle_root(r->a->sym, &r->range, root));
    *good = span_eq(c->origin, audit_origin(r->a)) && c->size == r->range.size &&
            c->fresh == c->size - r->since && memcmp(c->root, root, sizeof root) == 0;
    if (*good) {
        struct audit_state *state = &r->a->state;
        state->range = r->range;
        state->checkpoint = *c;
        state->checkpoint.origin = audit_origin(r->a);
        state->size = end;
        r->since = c->size;
        r->checkpoints = 0;
        r->ends_so = false;
    }
    return STATUS_OK;
}

/* One line with its line feed, or what stands there without one. */
static enum status take_line(struct reading *r, struct span text)
{
    struct audit_line line;
    bool whole = text.len > 1 && text.ptr[text.len - 1] == '\n';
    struct span bare = span_of(text.ptr, text.len - (whole ? 1 : 0));
    bool good = whole && audit_line_parse(bare, &line);
    bool checkpoint = good && line.kind == AUDIT_LINE_CHECKPOINT;
    uint64_t end = r->at + text.len;

    r->checkpoints += checkpoint ? 1 : 0;
    r->ends_so = checkpoint;
    if (good && !r->bad) {
        if (line.kind == AUDIT_LINE_SEGMENT) {
            TRY(take_segment(r, &line.segment, &good));
        } else if (!r->known) {
            good = false;
        } else if (checkpoint) {
            TRY(take_checkpoint(r, &line.checkpoint, end, &good));
        } else {
            TRY(take_leaf(r, bare));
        }
    }
    r->bad = r->bad || !good;
    r->at = end;
    return STATUS_OK;
}

static enum status take_lines(struct reading *r, FILE *file)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    enum status st = STATUS_OK;

    while (st == STATUS_OK && !r->not_extension && (n = getline(&line, &room, file)) > 0) {
        st = take_line(r, span_of(line, (size_t)n));
    }
    if (st == STATUS_OK && ferror(file) != 0) {
        st = refuse(r, strerror(errno));
    }
    free(line);
    return st;
}

/* The segment that fd is, from r->at on. */
static enum status read_here(struct reading *r)
{
    int fd = openat(r->a->directory, r->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    enum status st = STATUS_OK;

    if (file == NULL || fseeko(file, (off_t)r->at, SEEK_SET) != 0) {
        st = refuse(r, strerror(errno));
    } else {
        st = take_lines(r, file);
    }
    if (file != NULL) {
        (void)fclose(file);
    } else if (fd >= 0) {
        close(fd);
    }
    TRY(st);
    if (r->not_extension) {
        return refuse(r, "the log is another one than the token remembers");
    }
    if (r->checkpoints > 1 || (r->checkpoints == 1 && !r->ends_so)) {
        return refuse(r, "leaves and checkpoints do not agree: it was changed");
    }
    return STATUS_OK;
}

/* -- the part of a commit -- */

/* Best effort: the leaf that says how much it was is what counts. */
static void keep_aside(const struct reading *r, uint64_t from)
{
    struct audit *a = r->a;
    char name[64], chunk[4096];
    ssize_t n = 0;
    (void)snprintf(name, sizeof name, "cut-%" PRIu64 "-%" PRIu64, a->state.checkpoint.size, from);
    int in = openat(a->directory, r->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int out = openat(a->directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                     S_IRUSR | S_IWUSR);
    for (uint64_t at = from; in >= 0 && out >= 0; at += (uint64_t)n) {
        n = pread(in, chunk, sizeof chunk, (off_t)at);
        if (n <= 0 || write(out, chunk, (size_t)n) != n) {
            break;
        }
    }
    if (in >= 0) {
        close(in);
    }
    if (out >= 0) {
        close(out);
    }
}

static void tell_of_cut(struct reading *r, uint64_t bytes, uint64_t leaves)
{
    char detail[AUDIT_DETAIL_MAX];
    (void)snprintf(detail, sizeof detail, "behind the checkpoint of size %" PRIu64 "%s", leaves,
                   r->ends_so ? ", with a checkpoint that does not agree" : "");
    log_line("audit log: %" PRIu64 " bytes of a commit that was cut short are taken off, %s", bytes,
             detail);
    audit_add(r->a,
              &(struct audit_event){.op = AUDIT_OP_RECOVERED, .count = bytes, .detail = detail});
}

/* Cuts what is behind the last good checkpoint of the open segment. */
static enum status make_whole(struct reading *r)
{
    uint64_t size = r->a->state.size;
    if (r->at <= size) {
        return STATUS_OK;
    }
    keep_aside(r, size);
    TRY(audit_cut(r->a));
    tell_of_cut(r, r->at - size, r->a->state.checkpoint.size);
    r->range = r->a->state.range;
    r->since = r->range.size;
    r->at = size;
    r->bad = false;
    return STATUS_OK;
}

static enum status check_last(struct reading *r)
{
    return audit_checkpoint_verifies(r->a, &r->a->state.checkpoint)
               ? STATUS_OK
               : refuse(r, "the last checkpoint is not signed by a checkpoint key of the token. "
                           "Bring the "
                           "key back, or begin a new log with another origin in a directory of its "
                           "own");
}

/* -- at a start -- */

struct segments {
    uint64_t *first;
    size_t n;
};

static bool segment_of_name(const char *name, uint64_t *first)
{
    char again[SEGMENT_NAME_MAX];
    char *end;
    *first = strtoull(name, &end, 10);
    audit_segment_name(again, *first);
    return strcmp(name, again) == 0;
}

static int by_first(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static enum status list_segments(const struct audit *a, struct segments *out)
{
    DIR *dir = opendir(a->config->directory);
    const struct dirent *entry;
    uint64_t first;

    *out = (struct segments){0};
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (!segment_of_name(entry->d_name, &first)) {
            continue;
        }
        uint64_t *more = reallocarray(out->first, out->n + 1, sizeof *more);
        if (more == NULL) {
            (void)closedir(dir);
            return STATUS_INTERNAL;
        }
        out->first = more;
        out->first[out->n++] = first;
    }
    if (dir == NULL) {
        log_line("the audit log's directory %s cannot be listed", a->config->directory);
        return STATUS_AUDIT_UNAVAILABLE;
    }
    (void)closedir(dir);
    if (out->n > 1) {
        qsort(out->first, out->n, sizeof *out->first, by_first);
    }
    return STATUS_OK;
}

static enum status open_segment(struct reading *r, uint64_t first)
{
    struct audit *a = r->a;
    audit_segment_name(r->name, first);
    int fd = openat(a->directory, r->name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return refuse(r, strerror(errno));
    }
    if (a->fd >= 0) {
        close(a->fd);
    }
    a->fd = fd;
    a->allocated = 0;
    a->state.first = first;
    a->state.size = 0;
    r->at = 0;
    r->checkpoints = 0;
    r->ends_so = r->bad = false;
    return STATUS_OK;
}

/* A segment that was begun and has no checkpoint yet, and so holds nothing. */
static enum status drop_segment(struct reading *r, size_t left)
{
    struct audit *a = r->a;
    keep_aside(r, 0);
    if (unlinkat(a->directory, r->name, 0) != 0 || fsync(a->directory) != 0) {
        return refuse(r, strerror(errno));
    }
    close(a->fd);
    a->fd = -1;
    tell_of_cut(r, r->at, a->state.first);
    if (left != 0) {
        return STATUS_OK;
    }
    a->state = (struct audit_state){0};
    return STATUS_OK;
}

/* The segments from one on, of which the last may be dropped: then *again, for the one before is
 * the last now. */
static enum status load_from(struct reading *r, struct segments *s, size_t from, bool *again)
{
    *again = false;
    for (size_t i = from; i < s->n; i++) {
        TRY(open_segment(r, s->first[i]));
        TRY(read_here(r));
        if (r->a->state.size != 0 && (i + 1 == s->n || r->at == r->a->state.size)) {
            continue;
        }
        if (i + 1 < s->n) {
            return refuse(r, "it does not end in a checkpoint, though a segment follows");
        }
        s->n--;
        *again = s->n != 0;
        return drop_segment(r, s->n);
    }
    return STATUS_OK;
}

/* The last segment that begins before what the token remembers. */
static size_t segment_with(const struct segments *s, uint64_t size)
{
    size_t i = s->n - 1;
    while (size != 0 && i > 0 && s->first[i] > size) {
        i--;
    }
    return i;
}

static enum status load_segments(struct audit *a, const struct audit_checkpoint *mirror,
                                 struct segments *s)
{
    struct reading r = {.a = a, .mirror = mirror};
    bool again = s->n != 0;

    while (again) {
        r = (struct reading){.a = a, .mirror = mirror};
        a->state = (struct audit_state){0};
        TRY(load_from(&r, s, segment_with(s, mirror->size), &again));
    }
    if (a->state.checkpoint.size < mirror->size) {
        log_line("the audit log in %s ends at leaf %" PRIu64 ", but the token remembers %" PRIu64
                 ": it is older, or gone. Bring the files back, or begin a new log with another "
                 "origin in a directory of its own",
                 a->config->directory, a->state.checkpoint.size, mirror->size);
        return STATUS_AUDIT_UNAVAILABLE;
    }
    if (a->fd < 0) {
        return STATUS_OK;
    }
    if (mirror->size != 0 && s->n != 0 && s->first[0] > mirror->size) {
        return refuse(&r, "the segment with the last leaf that the token remembers is not here");
    }
    TRY(check_last(&r));
    return make_whole(&r);
}

enum status audit_load(struct audit *a, const struct audit_checkpoint *mirror)
{
    struct segments s;
    enum status st = list_segments(a, &s);
    if (st == STATUS_OK) {
        st = load_segments(a, mirror, &s);
    }
    free(s.first);
    return st;
}

/* -- at a commit -- */

static bool is_there(struct audit *a, uint64_t first)
{
    char name[SEGMENT_NAME_MAX];
    audit_segment_name(name, first);
    return faccessat(a->directory, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Nothing appended and no segment begun, which is how it nearly always is. *fault: a sentence. */
static bool as_known(struct audit *a, const char **fault)
{
    char name[SEGMENT_NAME_MAX];
    struct stat ours, there;

    *fault = NULL;
    if (a->fd < 0) {
        return !is_there(a, 0);
    }
    audit_segment_name(name, a->state.first);
    if (fstat(a->fd, &ours) != 0 || fstatat(a->directory, name, &there, AT_SYMLINK_NOFOLLOW) != 0 ||
        ours.st_ino != there.st_ino || ours.st_dev != there.st_dev) {
        *fault = "the segment that is written was taken away";
    } else if ((uint64_t)ours.st_size < a->state.size) {
        *fault = "it became shorter";
    }
    return (uint64_t)ours.st_size == a->state.size && !is_there(a, a->state.range.size);
}

/* What others appended to the open segment, and the segments that they began. */
static enum status follow(struct reading *r)
{
    struct audit *a = r->a;
    if (a->fd >= 0) {
        audit_segment_name(r->name, a->state.first);
        r->at = a->state.size;
        r->range = a->state.range;
        r->since = r->range.size;
        r->known = true;
        TRY(read_here(r));
        TRY(make_whole(r));
    }
    while (is_there(a, a->state.range.size) &&
           (a->fd < 0 || a->state.first != a->state.range.size)) {
        TRY(open_segment(r, a->state.range.size));
        TRY(read_here(r));
        if (a->state.size == 0) {
            return refuse(r, "a segment was begun and has no checkpoint; a new start takes it off");
        }
        TRY(make_whole(r));
    }
    return check_last(r);
}

enum status audit_catch_up(struct audit *a)
{
    struct reading r = {.a = a};
    const char *fault;

    if (a->broken) {
        return STATUS_AUDIT_UNAVAILABLE;
    }
    if (as_known(a, &fault) && fault == NULL) {
        return STATUS_OK;
    }
    enum status st = fault == NULL ? follow(&r) : STATUS_AUDIT_UNAVAILABLE;
    if (st != STATUS_OK) {
        if (fault != NULL) {
            log_line("audit log: %s", fault);
        }
        a->broken = true; /* a new start finds out */
    }
    return st;
}
