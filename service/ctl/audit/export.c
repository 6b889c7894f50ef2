/*
 * export: some batches of leaves as a segment of their own, which any verifier takes for a log. The
 * leaves before it stand in its first line as nodes, and the first checkpoint in it covers both.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "service/ctl/audit/reader.h"
#include "service/ctl/ctl.h"

struct exporter {
    struct reader *r;
    char path[4096];
    FILE *out;         /* open from the first leaf to the checkpoint that covers the last */
    uint64_t from, to; /* leaves as asked for, then as their batches begin and end */
    uint64_t begin;    /* of the batch that has from */
    bool done, failed;
};

static void put_line(struct exporter *e, struct span line)
{
    e->failed = fwrite(line.ptr, 1, line.len, e->out) != line.len || fputc('\n', e->out) == EOF ||
                e->failed;
}

static void begin(struct exporter *e, const struct merkle_range *before)
{
    static uint8_t text[AUDIT_SEGMENT_MAX];
    struct writer w = writer_of(text, sizeof text);
    struct audit_segment segment = {
        .origin = audit_text(e->r->verifier.origin), .first = before->size, .n = before->n};

    memcpy(segment.nodes, before->nodes, before->n * sizeof segment.nodes[0]);
    audit_segment_put(&w, &segment);
    (void)snprintf(e->path, sizeof e->path, "%s/%016" PRIu64 ".log", e->r->asked->out, e->from);
    e->out = fopen(e->path, "wxe");
    e->failed = e->out == NULL || w.overflow;
    if (!e->failed) {
        put_line(e, writer_span(&w));
    }
}

static void look_for_begin(void *arg, struct span line, const struct audit_checkpoint *c)
{
    struct exporter *e = arg;
    (void)line;
    e->begin = c->size <= e->from ? c->size : e->begin;
}

static void on_leaf(void *arg, const struct verify_leaf *leaf)
{
    struct exporter *e = arg;
    if (leaf->before->size == e->from) {
        begin(e, leaf->before);
    }
    if (e->out != NULL && !e->done && !e->failed) {
        put_line(e, leaf->line);
    }
}

static void on_checkpoint(void *arg, struct span line, const struct audit_checkpoint *c)
{
    struct exporter *e = arg;
    if (e->out != NULL && !e->done && !e->failed) {
        put_line(e, line);
        e->done = c->size > e->to;
        e->to = e->done ? c->size - 1 : e->to;
    }
}

/* On the disk, and found to hold by itself. */
static int finish(struct exporter *e)
{
    struct verifier v = {
        .provider = e->r->provider, .signers = &e->r->signers, .speaker = e->r->verifier.speaker};
    char *const directories[] = {(char *)(uintptr_t)e->r->asked->out};

    bool ok = e->done && !e->failed && fflush(e->out) == 0 && fsync(fileno(e->out)) == 0;
    if (!ok) {
        ctl_say("%s: %s", e->path[0] != '\0' ? e->path : e->r->asked->out, strerror(errno));
        return CTL_FAILED;
    }
    if (!verify_directories(&v, directories, 1) || v.findings != 0) {
        ctl_say("what was written does not verify; do not use it");
        return CTL_FAILED;
    }
    printf("%s: leaves %" PRIu64 " to %" PRIu64 ", %" PRIu64 " checkpoints\n", e->path, e->from,
           e->to, v.checkpoints);
    return CTL_OK;
}

static int export(struct exporter *e)
{
    const struct verifier *v = &e->r->verifier;
    const struct verify_listener listener = {
        .arg = e, .leaf = on_leaf, .checkpoint = on_checkpoint};

    e->r->verifier.listener = (struct verify_listener){.arg = e, .checkpoint = look_for_begin};
    int rc = reader_verify(e->r);
    if (rc != CTL_OK) {
        return rc;
    }
    if (e->from < v->first || e->to >= v->tree.size) {
        ctl_say("the log given has leaves %" PRIu64 " to %" PRIu64, v->first, v->tree.size - 1);
        return CTL_FAILED;
    }
    e->from = e->begin > v->first ? e->begin : v->first;
    if (mkdir(e->r->asked->out, 0777) != 0) {
        ctl_say("%s: %s; --out names a directory that is not there yet", e->r->asked->out,
                strerror(errno));
        return CTL_FAILED;
    }
    errno = 0;
    rc = reader_again(e->r, &listener);
    return rc == CTL_OK ? finish(e) : rc;
}

int audit_export(const struct audit_asked *asked)
{
    struct reader *r = malloc(sizeof *r);
    struct exporter *e = calloc(1, sizeof *e);
    int rc = r == NULL || e == NULL ? CTL_FAILED : reader_open(r, asked, stderr);
    if (rc == CTL_OK) {
        e->r = r;
        e->from = asked->filter.from;
        e->to = asked->filter.to;
        rc = export(e);
        if (e->out != NULL) {
            rc = fclose(e->out) == 0 ? rc : CTL_FAILED;
        }
        reader_close(r);
    }
    free(e);
    free(r);
    return fflush(stdout) == 0 ? rc : CTL_FAILED;
}
