#include "service/ctl/audit/show.h"

#include <inttypes.h>
#include <stdlib.h>

#include "service/ctl/audit/reader.h"
#include "service/ctl/ctl.h"

static bool is(struct span value, const char *wanted)
{
    return wanted == NULL || span_eq(value, audit_text(wanted));
}

/* A leaf's time as it stands in its line; times compare as text. */
static const char *time_of(struct span line)
{
    return (const char *)line.ptr + strlen("{\"time\":\"");
}

static bool in_time(const struct leaf_filter *f, struct span line)
{
    const char *time = time_of(line);
    return (f->since == NULL || strncmp(time, f->since, strlen(f->since)) >= 0) &&
           (f->until == NULL || strncmp(time, f->until, strlen(f->until)) < 0);
}

static bool passes(const struct leaf_filter *f, uint64_t index, struct span line,
                   const struct audit_leaf *leaf)
{
    return index >= f->from && index <= f->to && in_time(f, line) &&
           is(leaf->principal, f->principal) && is(leaf->key, f->label) && is(leaf->op, f->op) &&
           is(leaf->status, f->status) &&
           (!f->has_eid || (leaf->has_eid && memcmp(leaf->eid, f->eid, sizeof f->eid) == 0));
}

static void print_text(struct span text, const char *quote)
{
    if (text.len == 0) {
        printf(" -");
    } else {
        printf(" %s%.*s%s", quote, (int)text.len, (const char *)text.ptr, quote);
    }
}

static void print_hex(const uint8_t *bytes, size_t len, bool has)
{
    printf(has ? " " : " -");
    for (size_t i = 0; has && i < len; i++) {
        printf("%02x", bytes[i]);
    }
}

static void print_row(uint64_t index, struct span line, const struct audit_leaf *leaf)
{
    printf("%" PRIu64 " %.*s", index, AUDIT_TIME_LEN, time_of(line));
    print_text(leaf->status, "");
    print_text(leaf->op, "");
    print_text(leaf->principal, "");
    print_hex(leaf->eid, sizeof leaf->eid, leaf->has_eid);
    if (leaf->kvn == AUDIT_KVN_NONE) {
        printf(" -");
    } else {
        printf(" %02x", (unsigned)leaf->kvn);
    }
    print_text(leaf->key, "\"");
    printf(" %" PRIu64, leaf->count);
    print_hex(leaf->sha256, sizeof leaf->sha256, leaf->has_sha256);
    print_text(leaf->detail, "\"");
    printf("\n");
}

void show_leaf(const struct audit_asked *asked, uint64_t index, struct span line,
               const struct audit_leaf *leaf)
{
    if (!passes(&asked->filter, index, line, leaf)) {
        return;
    }
    if (asked->json) {
        printf("{\"index\":%" PRIu64 ",%.*s\n", index, (int)line.len - 1,
               (const char *)line.ptr + 1);
    } else {
        print_row(index, line, leaf);
    }
}

static void on_leaf(void *arg, const struct verify_leaf *leaf)
{
    const struct reader *r = arg;
    show_leaf(r->asked, leaf->before->size, leaf->line, leaf->leaf);
}

int audit_show(const struct audit_asked *asked)
{
    struct reader *r = malloc(sizeof *r);
    int rc = r == NULL ? CTL_FAILED : reader_open(r, asked, stderr);
    if (rc == CTL_OK) {
        r->verifier.listener = (struct verify_listener){.arg = r, .leaf = on_leaf};
        rc = reader_verify(r);
        if (rc == CTL_OK && r->signers.n == 0) {
            ctl_say("no signature was verified; give the checkpoint key with --key");
        }
        reader_close(r);
    }
    free(r);
    return fflush(stdout) == 0 ? rc : CTL_FAILED;
}
