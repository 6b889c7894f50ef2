#include "service/ctl/audit/lines.h"

#include <unistd.h>

void lines_init(struct lines *l, int fd, uint64_t from, uint64_t until)
{
    l->fd = fd;
    l->at = from;
    l->until = until;
    l->begin = l->end = 0;
}

/* More of the file behind what is there; 0 at its end. */
static ssize_t fill(struct lines *l)
{
    memmove(l->buffer, l->buffer + l->begin, l->end - l->begin);
    l->end -= l->begin;
    l->begin = 0;
    uint64_t left = l->until - l->at;
    size_t room = sizeof l->buffer - l->end;
    ssize_t n = pread(l->fd, l->buffer + l->end, left < room ? (size_t)left : room, (off_t)l->at);
    if (n > 0) {
        l->end += (size_t)n;
        l->at += (uint64_t)n;
    }
    return n;
}

enum lines_got lines_next(struct lines *l, struct span *line)
{
    for (;;) {
        const uint8_t *begin = l->buffer + l->begin;
        size_t have = l->end - l->begin;
        const uint8_t *feed = have == 0 ? NULL : memchr(begin, '\n', have);
        if ((feed == NULL ? have : (size_t)(feed - begin)) > AUDIT_LINE_MAX) {
            return LINES_LONG;
        }
        if (feed != NULL) {
            *line = span_of(begin, (size_t)(feed - begin));
            l->begin += line->len + 1;
            return LINES_LINE;
        }
        ssize_t n = fill(l);
        if (n < 0) {
            return LINES_ERROR;
        }
        if (n == 0) {
            return have == 0 && l->at == l->until ? LINES_END : LINES_CUT;
        }
    }
}

uint64_t lines_offset(const struct lines *l)
{
    return l->at - (l->end - l->begin);
}
