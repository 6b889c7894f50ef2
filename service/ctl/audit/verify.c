#include "service/ctl/audit/verify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

void verify_tell(struct verifier *v, const char *file, uint64_t line, uint64_t index,
                 enum finding_kind kind, const char *sentence)
{
    const struct finding f = {file, line, index, kind, sentence};
    v->findings++;
    v->speaker.finding(v->speaker.arg, &f);
}

/* What is found, while the segment is read on. */
__attribute__((format(printf, 4, 5))) static void told(struct verifier *v,
                                                       const struct segment_place *at,
                                                       enum finding_kind kind, const char *format,
                                                       ...)
{
    char sentence[FINDING_SENTENCE_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    verify_tell(v, at->path, at->line, v->known ? v->tree.size : 0, kind, sentence);
}

/* What is found and ends the segment. */
#define FOUND(v, at, kind, ...) (told(v, at, kind, __VA_ARGS__), (v)->known = false, false)

bool verify_found(struct verifier *v, const struct segment_place *at, enum finding_kind kind,
                  const char *sentence)
{
    return FOUND(v, at, kind, "%s", sentence);
}

static bool failed(struct verifier *v, const struct segment_place *at)
{
    return FOUND(v, at, FINDING_UNREADABLE, "it could not be verified on this machine");
}

/* -- held checkpoints -- */

/* With the tree as it is after a leaf, or at the beginning of a segment. */
static bool compare_held(struct verifier *v, const struct segment_place *at)
{
    uint8_t root[MERKLE_HASH_LEN];
    for (size_t i = 0; v->held != NULL && i < v->held->n; i++) {
        struct held_checkpoint *c = &v->held->checkpoint[i];
        if (c->state != HELD_OPEN || c->checkpoint.size != v->tree.size ||
            strcmp(c->origin, v->origin) != 0) {
            continue;
        }
        if (merkle_root(provider_sym(v->provider), &v->tree, root) != STATUS_OK) {
            return failed(v, at);
        }
        c->state = HELD_COMPARED;
        if (memcmp(root, c->checkpoint.root, sizeof root) != 0) {
            held_found(c, FINDING_FORK, "signed for other leaves than stand in the log");
        }
    }
    return true;
}

static void judge(const struct verifier *v, struct held_checkpoint *c)
{
    if (v->origin[0] != '\0' && strcmp(c->origin, v->origin) != 0) {
        held_found(c, FINDING_ORIGIN, "of %s, another log", c->origin);
    } else if (v->known && c->checkpoint.size > v->tree.size) {
        held_found(c, FINDING_ROLLBACK,
                   "the log has only %" PRIu64 " leaves: it was cut or is an older state",
                   v->tree.size);
    } else if (v->began && c->checkpoint.size < v->first) {
        held_found(c, FINDING_BEFORE,
                   "the log given begins at leaf %" PRIu64
                   ": give the archive of what was before, too",
                   v->first);
    } else {
        held_found(c, FINDING_UNTOLD, "what it covers could not be verified");
    }
}

void verify_judge_held(struct verifier *v)
{
    for (size_t i = 0; v->held != NULL && i < v->held->n; i++) {
        struct held_checkpoint *c = &v->held->checkpoint[i];
        if (c->state == HELD_OPEN) {
            judge(v, c);
        }
        if (c->state == HELD_FOUND) {
            verify_tell(v, c->file, 1, c->checkpoint.size, c->kind, c->sentence);
        }
    }
}

/* -- lines -- */

static bool check_origin(struct verifier *v, const struct segment_place *at, struct span origin)
{
    if (v->origin[0] == '\0') {
        memcpy(v->origin, origin.ptr, origin.len);
        v->origin[origin.len] = '\0';
    }
    return span_eq(origin, audit_text(v->origin)) ||
           FOUND(v, at, FINDING_ORIGIN, "of %.*s, not of %s", (int)origin.len,
                 (const char *)origin.ptr, v->origin);
}

static bool follows(const struct verifier *v, const struct audit_segment *s)
{
    return s->n == v->tree.n && memcmp(s->nodes, v->tree.nodes, s->n * sizeof s->nodes[0]) == 0;
}

static void begin_at(struct verifier *v, const struct audit_segment *s)
{
    v->known = true;
    v->tree.size = s->first;
    v->tree.n = s->n;
    memcpy(v->tree.nodes, s->nodes, s->n * sizeof s->nodes[0]);
}

static bool take_segment_line(struct verifier *v, const struct segment_place *at,
                              const struct audit_segment *s)
{
    char name[32];
    if (!check_origin(v, at, s->origin)) {
        return false;
    }
    (void)snprintf(name, sizeof name, "%016" PRIu64 ".log", s->first);
    if (strcmp(name, at->name) != 0) {
        return FOUND(v, at, FINDING_NAME, "the segment of leaf %" PRIu64 " is not called that",
                     s->first);
    }
    if (!v->began && s->first != 0 && v->whole) {
        told(v, at, FINDING_BEGINNING, "leaves 0 to %" PRIu64 " are missing", s->first - 1);
    }
    v->first = v->began ? v->first : s->first;
    v->began = true;
    v->fresh = 0;
    if (!v->known) {
        begin_at(v, s);
    } else if (s->first > v->tree.size) {
        told(v, at, FINDING_GAP, "leaves %" PRIu64 " to %" PRIu64 " are missing", v->tree.size,
             s->first - 1);
        begin_at(v, s);
    } else if (s->first < v->tree.size) {
        return FOUND(v, at, FINDING_OVERLAP, "leaf %" PRIu64 " stands in the segment before, too",
                     s->first);
    } else if (!follows(v, s)) {
        return FOUND(v, at, FINDING_NODES,
                     "the leaves before are not those of the segments before");
    }
    return compare_held(v, at);
}

static bool take_leaf(struct verifier *v, const struct segment_place *at, struct span text,
                      const struct audit_leaf *leaf)
{
    struct sym *sym = provider_sym(v->provider);
    uint8_t hash[MERKLE_HASH_LEN];
    if (merkle_leaf_hash(sym, text, hash) != STATUS_OK) {
        return failed(v, at);
    }
    if (v->listener.leaf != NULL) {
        const struct verify_leaf told = {&v->tree, text, leaf, hash};
        v->listener.leaf(v->listener.arg, &told);
    }
    if (merkle_append(sym, &v->tree, hash) != STATUS_OK) {
        return failed(v, at);
    }
    v->leaves++;
    v->fresh++;
    return compare_held(v, at);
}

static bool check_signature(struct verifier *v, const struct segment_place *at,
                            const struct audit_checkpoint *c)
{
    switch (v->signers == NULL ? STATUS_OK : signers_check(v->signers, v->provider, c)) {
    case STATUS_OK:
        return true;
    case STATUS_KEY_UNKNOWN:
        return FOUND(v, at, FINDING_KEY, "signed by key %02x%02x%02x%02x, which was not given",
                     c->key_id[0], c->key_id[1], c->key_id[2], c->key_id[3]);
    case STATUS_SIGNATURE_INVALID:
        return FOUND(v, at, FINDING_SIGNATURE, "the signature does not verify");
    default:
        return failed(v, at);
    }
}

bool verify_checkpoint(struct verifier *v, const struct segment_place *at,
                       const struct audit_checkpoint *c)
{
    return check_origin(v, at, c->origin) && check_signature(v, at, c);
}

static bool take_checkpoint(struct verifier *v, const struct segment_place *at, struct span text,
                            const struct audit_checkpoint *c)
{
    uint8_t root[MERKLE_HASH_LEN];
    if (!verify_checkpoint(v, at, c)) {
        return false;
    }
    if (c->size != v->tree.size) {
        return FOUND(v, at, FINDING_SIZE,
                     "signed for %" PRIu64 " leaves, and %" PRIu64 " stand before it", c->size,
                     v->tree.size);
    }
    if (c->fresh != v->fresh) {
        return FOUND(v, at, FINDING_BATCH,
                     "signed for %" PRIu64 " new leaves, and %" PRIu64
                     " stand since the checkpoint before",
                     c->fresh, v->fresh);
    }
    if (merkle_root(provider_sym(v->provider), &v->tree, root) != STATUS_OK) {
        return failed(v, at);
    }
    if (memcmp(root, c->root, sizeof root) != 0) {
        return FOUND(v, at, FINDING_ROOT, "signed for other leaves than stand before it");
    }
    v->last = *c;
    v->last.origin = audit_text(v->origin);
    v->has_last = true;
    v->checkpoints++;
    v->fresh = 0;
    if (v->listener.checkpoint != NULL) {
        v->listener.checkpoint(v->listener.arg, text, c);
    }
    return true;
}

/* Which kind may follow which. */
static bool in_place(const struct segment_place *at, enum audit_line_kind kind)
{
    switch (kind) {
    case AUDIT_LINE_SEGMENT:
        return at->before == NOTHING_BEFORE;
    case AUDIT_LINE_LEAF:
        return at->before != NOTHING_BEFORE;
    default:
        return at->before == LEAF_BEFORE;
    }
}

bool verify_line(struct verifier *v, struct segment_place *at, struct span text)
{
    static const char *const kinds[] = {"segment", "leaf", "checkpoint"};
    struct audit_line line;

    at->line++;
    if (!audit_line_parse(text, &line)) {
        return FOUND(v, at, FINDING_MALFORMED, "no line of an audit log");
    }
    if (!in_place(at, line.kind)) {
        return FOUND(v, at, FINDING_PLACE, "a %s cannot stand here", kinds[line.kind]);
    }
    switch (line.kind) {
    case AUDIT_LINE_SEGMENT:
        at->before = SEGMENT_BEFORE;
        return take_segment_line(v, at, &line.segment);
    case AUDIT_LINE_LEAF:
        at->before = LEAF_BEFORE;
        return take_leaf(v, at, text, &line.leaf);
    default:
        at->before = CHECKPOINT_BEFORE;
        at->covered = at->line;
        return take_checkpoint(v, at, text, &line.checkpoint);
    }
}
