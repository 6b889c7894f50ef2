#include "service/ctl/audit/held.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { NOTE_FILE_MAX = 1 << 16 }; /* a note with signatures of many witnesses */

void held_free(struct held *h)
{
    free(h->checkpoint);
    *h = (struct held){0};
}

void held_found(struct held_checkpoint *c, enum finding_kind kind, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(c->sentence, sizeof c->sentence, format, args);
    va_end(args);
    c->kind = kind;
    c->state = HELD_FOUND;
}

bool note_read(struct span note, const struct signers *signers, struct audit_checkpoint *out)
{
    for (size_t i = 0; signers != NULL && i < signers->n; i++) {
        if (audit_note_parse(note, signers->key[i].id, out)) {
            return true;
        }
    }
    return audit_note_parse(note, NULL, out);
}

/* A note, or a line of a log. */
static bool checkpoint_read(struct span text, const struct signers *signers,
                            struct audit_checkpoint *out)
{
    struct audit_line line;
    struct span bare = text;

    while (bare.len != 0 && bare.ptr[bare.len - 1] == '\n') {
        bare.len--;
    }
    if (audit_line_parse(bare, &line) && line.kind == AUDIT_LINE_CHECKPOINT) {
        *out = line.checkpoint;
        return true;
    }
    return note_read(text, signers, out);
}

static void check_signature(struct held_checkpoint *c, const struct signers *signers,
                            struct provider *p)
{
    const uint8_t *id = c->checkpoint.key_id;
    switch (signers == NULL ? STATUS_OK : signers_check(signers, p, &c->checkpoint)) {
    case STATUS_OK:
        break;
    case STATUS_KEY_UNKNOWN:
        held_found(c, FINDING_KEY, "signed by key %02x%02x%02x%02x, which was not given", id[0],
                   id[1], id[2], id[3]);
        break;
    case STATUS_SIGNATURE_INVALID:
        held_found(c, FINDING_SIGNATURE, "the signature does not verify");
        break;
    default:
        held_found(c, FINDING_UNTOLD, "its signature could not be verified on this machine");
        break;
    }
}

static bool read_file(const char *file, uint8_t *out, size_t *len)
{
    FILE *in = fopen(file, "re");
    if (in == NULL) {
        return false;
    }
    *len = fread(out, 1, *len, in);
    bool ok = ferror(in) == 0;
    (void)fclose(in);
    return ok;
}

bool held_load(struct held *h, const char *file, const struct signers *signers, struct provider *p,
               char error[static HELD_ERROR_MAX])
{
    uint8_t text[NOTE_FILE_MAX];
    size_t len = sizeof text;

    if (h->checkpoint == NULL) {
        h->checkpoint = calloc(HELD_MAX, sizeof *h->checkpoint);
    }
    if (h->checkpoint == NULL || h->n == HELD_MAX) {
        (void)snprintf(error, HELD_ERROR_MAX, "at most %d checkpoints can be compared", HELD_MAX);
        return false;
    }
    if (!read_file(file, text, &len)) {
        (void)snprintf(error, HELD_ERROR_MAX, "%s: %s", file, strerror(errno));
        return false;
    }
    struct held_checkpoint *c = &h->checkpoint[h->n++];
    c->file = file;
    if (len == sizeof text || !checkpoint_read(span_of(text, len), signers, &c->checkpoint)) {
        held_found(c, FINDING_MALFORMED, "it is no checkpoint");
        return true;
    }
    memcpy(c->origin, c->checkpoint.origin.ptr, c->checkpoint.origin.len);
    c->checkpoint.origin.ptr = (const uint8_t *)c->origin;
    check_signature(c, signers, p);
    return true;
}
