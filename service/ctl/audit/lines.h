/*
 * A file's lines from one offset to another, in bounded memory.
 */
#ifndef SERVICE_CTL_AUDIT_LINES_H
#define SERVICE_CTL_AUDIT_LINES_H

#include "proto/audit/audit.h"

enum { LINES_BUFFER = 1 << 18 };

enum lines_got {
    LINES_LINE, /* without its line feed */
    LINES_END,
    LINES_CUT,  /* the file ends within it */
    LINES_LONG, /* longer than any line of a log */
    LINES_ERROR,
};

struct lines {
    int fd;
    uint64_t at, until; /* offsets in the file: of the next read, and where to stop */
    size_t begin, end;  /* of what is read and not taken */
    uint8_t buffer[LINES_BUFFER];
};

/* Borrows the descriptor. */
void lines_init(struct lines *l, int fd, uint64_t from, uint64_t until);
/* The line lives until the next call. */
MUST_CHECK enum lines_got lines_next(struct lines *l, struct span *line);
/* Where the line taken last ended. */
uint64_t lines_offset(const struct lines *l);

#endif
