/*
 * Gathering leaves, and committing them.
 */
#include "hsm/audit/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hsm/audit/internal.h"
#include "hsm/log.h"
#include "providers/provider.h"

enum {
    MS = 1000,
    REFUSALS_EACH_MS = 1 * MS,
    MIRROR_EACH_MS = 1 * MS,
    TELL_EACH_MS = 60 * MS,
    BATCH_BYTES = (CUSTODY_ITEMS_MAX + 1) * (AUDIT_LEAF_MAX + 1) + AUDIT_CHECKPOINT_MAX + 1,
    BUFFER_BYTES = AUDIT_SEGMENT_MAX + 1 + GATHERED_BYTES_MAX + AUDIT_CHECKPOINT_MAX + 1,
};

static uint64_t now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static struct span text_of(const char *text)
{
    return text == NULL ? span_of(NULL, 0) : audit_text(text);
}

/* -- gathering -- */

static uint8_t *leaves_of(const struct audit *a)
{
    return a->buffer + AUDIT_SEGMENT_MAX + 1;
}

void audit_add(struct audit *a, const struct audit_event *event)
{
    if (a == NULL) {
        return;
    }
    struct audit_leaf leaf = {
        .time_us = now_us(),
        .op = audit_text(audit_op_text(event->op)),
        .principal = text_of(event->principal),
        .has_eid = event->eid != NULL,
        .kvn = event->has_kvn ? event->kvn : AUDIT_KVN_NONE,
        .key = text_of(event->key),
        .has_sha256 = event->sha256 != NULL,
        .status = audit_text(status_name(event->status)),
        .count = event->count == 0 ? 1 : event->count,
        .detail = text_of(event->detail),
    };
    if (leaf.has_eid) {
        memcpy(leaf.eid, event->eid, sizeof leaf.eid);
    }
    if (leaf.has_sha256) {
        memcpy(leaf.sha256, event->sha256, sizeof leaf.sha256);
    }
    struct writer w = writer_of(leaves_of(a) + a->len, GATHERED_BYTES_MAX - a->len);
    audit_leaf_put(&w, &leaf);
    struct span line = writer_span(&w);
    put_u8(&w, '\n');
    if (w.overflow || a->n == GATHERED_MAX ||
        merkle_leaf_hash(a->sym, line, a->hashes[a->n]) != STATUS_OK) {
        a->overflow = true;
        return;
    }
    a->len += w.len;
    a->n++;
}

void audit_refused(struct audit *a, const char *principal, const char *operation,
                   enum status status, uint64_t count)
{
    if (a == NULL || count == 0) {
        return;
    }
    struct refusals *r = &a->refusals;
    for (size_t i = 0; i < r->n; i++) {
        struct refusal *one = &r->list[i];
        if (one->status == status && strcmp(one->principal, principal) == 0 &&
            strcmp(one->operation, operation) == 0) {
            one->count += count;
            return;
        }
    }
    if (r->n == REFUSALS_MAX) {
        r->others += count;
        return;
    }
    struct refusal *one = &r->list[r->n++];
    *one = (struct refusal){.status = status, .count = count};
    (void)snprintf(one->principal, sizeof one->principal, "%s", principal);
    (void)snprintf(one->operation, sizeof one->operation, "%s", operation);
}

/* The refusals counted, as leaves. They wait while there is room for what finishes something only.
 */
static void gather_refusals(struct audit *a, uint64_t ms)
{
    struct refusals *r = &a->refusals;
    if (r->n == 0 || a->n != 0 || a->broken || !audit_room(a, GATHERED_BYTES_MAX, true)) {
        return;
    }
    for (size_t i = 0; i < r->n; i++) {
        const struct refusal *one = &r->list[i];
        audit_add(a, &(struct audit_event){.op = AUDIT_OP_REFUSED,
                                           .principal = one->principal,
                                           .status = one->status,
                                           .count = one->count,
                                           .detail = one->operation});
    }
    if (r->others != 0) {
        audit_add(a, &(struct audit_event){.op = AUDIT_OP_REFUSED,
                                           .status = STATUS_BUSY,
                                           .count = r->others,
                                           .detail = "of more kinds than are told apart"});
    }
    *r = (struct refusals){.written_ms = ms};
}

void audit_settle(struct audit *a)
{
    if (a != NULL) {
        gather_refusals(a, a->refusals.written_ms);
    }
}

/* -- writing -- */

/* Said when it changes, and not with each batch. A token that fails is another matter, and told by
 * its status. */
static enum status conclude(struct audit *a, enum status st)
{
    if (st != STATUS_OK && !a->unavailable) {
        log_line("the audit log in %s cannot be written: what needs a leaf is refused%s",
                 a->config->directory, a->broken ? " until a new start" : "");
    } else if (st == STATUS_OK && a->unavailable) {
        log_line("the audit log can be written again");
    }
    a->unavailable = st != STATUS_OK;
    return st == STATUS_OK || st == STATUS_TOKEN_ERROR ? st : STATUS_AUDIT_UNAVAILABLE;
}

/* The same of a disk that is full, where what finishes something goes on. */
static enum status conclude_room(struct audit *a, bool room)
{
    if (!room && !a->full) {
        log_line("no room for the audit log in %s: what begins something is refused, what finishes "
                 "something goes on out of the reserve",
                 a->config->directory);
    } else if (room && a->full) {
        log_line("room again for the audit log");
    }
    a->full = !room;
    return room ? STATUS_OK : STATUS_AUDIT_UNAVAILABLE;
}

enum status audit_admit(struct audit *a, bool begins)
{
    if (a == NULL) {
        return STATUS_OK;
    }
    a->mark_len = a->len;
    a->mark_n = a->n;
    if (!begins) {
        return STATUS_OK;
    }
    return a->broken ? conclude(a, STATUS_AUDIT_UNAVAILABLE)
                     : conclude_room(a, audit_room(a, BATCH_BYTES, true));
}

void audit_discard(struct audit *a)
{
    if (a != NULL) {
        a->len = a->mark_len;
        a->n = a->mark_n;
        a->overflow = false;
    }
}

static enum status commit_locked(struct audit *a)
{
    struct merkle_range range;
    struct audit_checkpoint checkpoint;

    TRY(audit_catch_up(a));
    range = a->state.range;
    for (size_t i = 0; i < a->n; i++) {
        TRY(merkle_append(a->sym, &range, a->hashes[i]));
    }
    TRY(audit_checkpoint_make(a, &range, &checkpoint));
    struct writer w = writer_of(leaves_of(a) + a->len, AUDIT_CHECKPOINT_MAX + 1);
    audit_checkpoint_put(&w, &checkpoint);
    put_u8(&w, '\n');
    TRY(writer_check(&w));
    TRY(audit_append(a, w.len));
    a->state.range = range;
    a->state.checkpoint = checkpoint;
    return STATUS_OK;
}

enum status audit_commit(struct audit *a)
{
    if (a == NULL || (a->n == 0 && !a->overflow)) {
        return STATUS_OK;
    }
    enum status st = a->overflow ? STATUS_AUDIT_UNAVAILABLE : audit_lock(a);
    if (st == STATUS_OK) {
        st = commit_locked(a);
        audit_unlock(a);
    }
    if (st == STATUS_OK) {
        a->len = a->n = a->mark_len = a->mark_n = 0;
    }
    return conclude(a, st);
}

/* -- between batches -- */

static uint64_t due(bool waits, uint64_t last_ms, uint64_t each_ms, uint64_t ms)
{
    uint64_t at = last_ms + each_ms;
    return !waits ? UINT64_MAX : at <= ms ? 0 : at - ms;
}

uint64_t audit_due_ms(const struct audit *a, uint64_t ms)
{
    if (a == NULL) {
        return UINT64_MAX;
    }
    bool refusals = a->refusals.n != 0 || a->n != 0;
    uint64_t write = due(refusals, a->refusals.written_ms, REFUSALS_EACH_MS, ms);
    uint64_t mirror =
        due(a->state.checkpoint.size != a->mirrored, a->mirrored_ms, MIRROR_EACH_MS, ms);
    return write < mirror ? write : mirror;
}

/* As it stands in the log, in which form eckactl audit verify takes it. */
static void tell_checkpoint(struct audit *a)
{
    uint8_t line[AUDIT_CHECKPOINT_MAX + 1];
    struct writer w = writer_of(line, AUDIT_CHECKPOINT_MAX);
    audit_checkpoint_put(&w, &a->state.checkpoint);
    line[w.len] = '\0';
    log_line("audit checkpoint: %s", (const char *)line);
}

void audit_remember(struct audit *a)
{
    if (a != NULL && a->state.checkpoint.size != 0) {
        audit_mirror(a);
        tell_checkpoint(a);
    }
}

void audit_run(struct audit *a, uint64_t ms)
{
    if (a == NULL) {
        return;
    }
    if (ms - a->refusals.written_ms >= REFUSALS_EACH_MS) {
        gather_refusals(a, ms);
        a->refusals.written_ms = ms;
        enum status st = audit_commit(a); /* what fails is said there and stays gathered */
        (void)st;
    }
    if (a->state.checkpoint.size != a->mirrored && ms - a->mirrored_ms >= MIRROR_EACH_MS) {
        a->mirrored_ms = ms;
        audit_mirror(a);
        if (ms - a->told_ms >= TELL_EACH_MS) {
            a->told_ms = ms;
            tell_checkpoint(a);
        }
    }
}

/* -- from beginning to end -- */

static const struct provider_ops *libcrypto(void)
{
    const struct provider_ops *const *backend = provider_backends();
    while (*backend != NULL && strcmp((*backend)->name, "libcrypto") != 0) {
        backend++;
    }
    return *backend;
}

static enum status init(struct audit *a)
{
    struct audit_checkpoint mirror;

    a->buffer = malloc(BUFFER_BYTES);
    a->hashes = malloc(GATHERED_MAX * sizeof *a->hashes);
    if (a->buffer == NULL || a->hashes == NULL) {
        return STATUS_INTERNAL;
    }
    TRY(provider_new_with(&a->provider, libcrypto()));
    a->sym = provider_sym(a->provider);
    if (keys_newest(a->keys, KEY_CHECKPOINT, NULL) == NULL) {
        log_line("the token holds no checkpoint key to sign the audit log with; eckactl keys init "
                 "--missing-only makes one");
        return STATUS_AUDIT_UNAVAILABLE;
    }
    TRY(audit_directory_open(a));
    TRY(audit_lock(a));
    enum status st = audit_mirror_read(a, &mirror);
    if (st == STATUS_OK) {
        st = audit_load(a, &mirror);
    }
    audit_unlock(a);
    a->mirrored = mirror.size;
    return st;
}

enum status audit_open(struct audit **out, const struct audit_config *config, struct token *token,
                       const struct key_list *keys)
{
    *out = NULL;
    if (config->off) {
        log_line("the audit log is off: uses of keys leave no trace");
        return STATUS_OK;
    }
    struct audit *a = calloc(1, sizeof *a);
    if (a == NULL) {
        return STATUS_INTERNAL;
    }
    *a = (struct audit){.config = config, .token = token, .keys = keys, .directory = -1, .fd = -1};
    enum status st = init(a);
    if (st != STATUS_OK) {
        audit_close(&a);
        return st;
    }
    *out = a;
    return STATUS_OK;
}

void audit_close(struct audit **ap)
{
    struct audit *a = *ap;
    if (a == NULL) {
        return;
    }
    if (a->fd >= 0) {
        close(a->fd);
    }
    if (a->directory >= 0) {
        close(a->directory);
    }
    provider_free(&a->provider);
    free(a->buffer);
    free(a->hashes);
    free(a);
    *ap = NULL;
}
