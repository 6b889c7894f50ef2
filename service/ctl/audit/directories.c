/*
 * A log at rest: each segment of the directories given, from its first line to its last.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "service/ctl/audit/verify.h"
#include "service/ctl/ctl.h"

__attribute__((format(printf, 2, 3))) static void note(struct verifier *v, const char *format, ...)
{
    char sentence[2048];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    v->speaker.note(v->speaker.arg, sentence);
}

/* -- two files of one name -- */

static void told_same(void *arg, const char *kept, const char *other)
{
    note(arg, "%s: also %s", other, kept);
}

static void told_differs(void *arg, const char *kept, const char *other, uint64_t line)
{
    char sentence[FINDING_SENTENCE_MAX];
    (void)snprintf(sentence, sizeof sentence, "from %s", kept);
    verify_tell(arg, other, line, 0, FINDING_DIFFERS, sentence);
}

/* -- one segment -- */

/* Its lines up to an offset, which is where it has to end with a checkpoint. */
static bool take_lines(struct verifier *v, struct segment_place *at, struct lines *in)
{
    struct span line;
    for (;;) {
        enum lines_got got = lines_next(in, &line);
        if (got == LINES_LINE) {
            if (!verify_line(v, at, line)) {
                return false;
            }
            continue;
        }
        bool ended = got == LINES_END;
        if (ended && at->before == CHECKPOINT_BEFORE) {
            return true;
        }
        at->line = got == LINES_ERROR ? 0 : ended ? at->covered + 1 : at->line + 1;
        return got == LINES_ERROR ? verify_found(v, at, FINDING_UNREADABLE, strerror(errno))
               : got == LINES_LONG
                   ? verify_found(v, at, FINDING_MALFORMED, "no line of an audit log")
               : got == LINES_CUT ? verify_found(v, at, FINDING_UNFINISHED, "it ends within a line")
                                  : verify_found(v, at, FINDING_UNFINISHED,
                                                 "what stands after the last checkpoint is under "
                                                 "none");
    }
}

static void take_segment(struct verifier *v, const struct segment_file *file, bool last,
                         struct lines *in)
{
    struct segment_place at = {.path = file->path, .name = file->name};
    uint64_t end = file->size;
    int fd = open(file->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        (void)verify_found(v, &at, FINDING_UNREADABLE, strerror(errno));
        return;
    }
    if (last && v->unfinished) {
        end = segments_end_of_checkpoints(in, fd, 0, file->size);
    }
    if (end < file->size) {
        note(v, "%s: %" PRIu64 " bytes after the last checkpoint, not looked at", file->path,
             file->size - end);
    }
    lines_init(in, fd, 0, end);
    if (end != 0 || !v->unfinished) {
        (void)take_lines(v, &at, in);
    }
    (void)close(fd);
}

/* -- all -- */

static bool find_segments(struct verifier *v, struct segments *s, char *const directories[],
                          size_t n)
{
    const struct segments_told told = {v, told_same, told_differs};
    for (size_t i = 0; i < n; i++) {
        if (!segments_add(s, directories[i])) {
            ctl_say("%s: %s; name the directories that hold the log's segments", directories[i],
                    strerror(errno));
            return false;
        }
    }
    if (!segments_sort(s, &told)) {
        ctl_say("two segments of one name cannot be compared: %s", strerror(errno));
        return false;
    }
    return true;
}

bool verify_directories(struct verifier *v, char *const directories[], size_t n)
{
    struct segments s = {0};
    struct lines *in = malloc(sizeof *in);
    bool ok = in != NULL && find_segments(v, &s, directories, n);

    for (size_t i = 0; ok && i < s.n; i++) {
        take_segment(v, &s.files[i], i + 1 == s.n, in);
    }
    if (ok && !v->began && v->findings == 0) {
        const struct segment_place nowhere = {.path = directories[0]};
        (void)verify_found(v, &nowhere, FINDING_MISSING, "no segment is there");
    }
    if (ok) {
        verify_judge_held(v);
    }
    segments_free(&s);
    free(in);
    return ok;
}
