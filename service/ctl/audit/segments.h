/*
 * Where a log lies: the segment files of one directory or several, in the order of their leaves.
 */
#ifndef SERVICE_CTL_AUDIT_SEGMENTS_H
#define SERVICE_CTL_AUDIT_SEGMENTS_H

#include "service/ctl/audit/lines.h"

enum { SEGMENT_NAME_LEN = 16 + 4 }; /* 0000000000000042.log */

struct segment_file {
    char *path;
    const char *name; /* of path */
    uint64_t size;    /* at rest */
    size_t order;     /* in which they were added */
};

struct segments {
    size_t n, room;
    struct segment_file *files;
};

void segments_free(struct segments *s);

/*
 * Adds a directory's segments, with their sizes at a moment when no writer is within a commit.
 * False: errno says why not.
 */
MUST_CHECK bool segments_add(struct segments *s, const char *directory);

/*
 * Puts them in order. Of two with one name, as while an archive is made, the longer is kept if the
 * other one is its beginning; told of both by same(), or else, with the line that differs, by
 * differs(). False: errno says why not.
 */
struct segments_told {
    void *arg;
    void (*same)(void *arg, const char *kept, const char *other);
    void (*differs)(void *arg, const char *kept, const char *other, uint64_t line);
};
MUST_CHECK bool segments_sort(struct segments *s, const struct segments_told *told);

/*
 * Where the last checkpoint that begins at from or later ends; from, where there is none. size,
 * when that cannot be told: who reads on will find out why.
 */
uint64_t segments_end_of_checkpoints(struct lines *in, int fd, uint64_t from, uint64_t size);

#endif
