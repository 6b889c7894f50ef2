/*
 * Segments, leaves, and what a line is. A line that was read is written again and must come out
 * the same, which is what makes its form the only one.
 */
#include "proto/audit/audit.h"
#include "proto/audit/text.h"

static const char checkpoint_begin[] = "{\"checkpoint\":\"";
static const char checkpoint_end[] = "\"}";

static const char *const ops[AUDIT_OP_COUNT] = {
#define AUDIT_OP(name, text, meaning) text,
#include "proto/audit/ops.def"
#undef AUDIT_OP
};

const char *audit_op_text(enum audit_op op)
{
    return ops[op];
}

bool audit_origin_valid(struct span origin)
{
    return origin.len != 0 && text_clean(origin, AUDIT_ORIGIN_MAX) &&
           memchr(origin.ptr, ' ', origin.len) == NULL &&
           memchr(origin.ptr, '+', origin.len) == NULL;
}

/* -- segments -- */

void audit_segment_put(struct writer *w, const struct audit_segment *segment)
{
    put_text(w, "{\"segment\":1,\"origin\":\"");
    put_span(w, segment->origin);
    put_text(w, "\",\"first\":");
    put_decimal(w, segment->first);
    put_text(w, ",\"nodes\":[");
    for (size_t i = 0; i < segment->n; i++) {
        put_text(w, i == 0 ? "\"" : ",\"");
        put_hex(w, segment->nodes[i], AUDIT_HASH_LEN);
        put_text(w, "\"");
    }
    put_text(w, "]}");
}

static bool segment_parse(struct cursor in, struct audit_segment *out)
{
    if (!take_text(&in, "{\"segment\":1,\"origin\":\"") || !take_until(&in, '"', &out->origin) ||
        !audit_origin_valid(out->origin) || !take_text(&in, ",\"first\":") ||
        !take_decimal(&in, &out->first) || !take_text(&in, ",\"nodes\":[")) {
        return false;
    }
    out->n = (size_t)__builtin_popcountll(out->first);
    for (size_t i = 0; i < out->n; i++) {
        if (!take_text(&in, i == 0 ? "\"" : ",\"") ||
            !take_hex(&in, out->nodes[i], AUDIT_HASH_LEN) || !take_text(&in, "\"")) {
            return false;
        }
    }
    return take_text(&in, "]}") && in.left == 0;
}

/* -- leaves -- */

void audit_leaf_put(struct writer *w, const struct audit_leaf *leaf)
{
    put_text(w, "{\"time\":\"");
    put_time(w, leaf->time_us);
    put_text(w, "\",\"op\":\"");
    put_clean(w, leaf->op, AUDIT_OP_MAX);
    put_text(w, "\",\"principal\":\"");
    put_clean(w, leaf->principal, AUDIT_PRINCIPAL_MAX);
    put_text(w, "\",\"eid\":\"");
    put_hex(w, leaf->eid, leaf->has_eid ? (size_t)AUDIT_EID_LEN : 0);
    put_text(w, "\",\"kvn\":");
    if (leaf->kvn == AUDIT_KVN_NONE) {
        put_text(w, "-1");
    } else {
        put_decimal(w, (uint8_t)leaf->kvn);
    }
    put_text(w, ",\"key\":\"");
    put_clean(w, leaf->key, AUDIT_KEY_MAX);
    put_text(w, "\",\"sha256\":\"");
    put_hex(w, leaf->sha256, leaf->has_sha256 ? (size_t)AUDIT_HASH_LEN : 0);
    put_text(w, "\",\"status\":\"");
    put_clean(w, leaf->status, AUDIT_STATUS_MAX);
    put_text(w, "\",\"count\":");
    put_decimal(w, leaf->count);
    put_text(w, ",\"detail\":\"");
    put_clean(w, leaf->detail, AUDIT_DETAIL_MAX);
    put_text(w, "\"}");
}

static bool is_word(struct span text, size_t max, char first_letter, char other)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t b = text.ptr[i];
        if (!(b >= '0' && b <= '9') && b != (uint8_t)other &&
            !(b >= (uint8_t)first_letter && b <= (uint8_t)(first_letter + 'Z' - 'A'))) {
            return false;
        }
    }
    return text.len != 0 && text.len <= max;
}

static bool take_value(struct cursor *in, size_t max, struct span *out)
{
    return take_until(in, '"', out) && text_clean(*out, max);
}

/* len bytes in hexadecimal, or none, and the quote after them. */
static bool take_optional_hex(struct cursor *in, uint8_t *out, size_t len, bool *has)
{
    *has = in->left != 0 && in->ptr[0] != '"';
    return (!*has || take_hex(in, out, len)) && take_text(in, "\"");
}

static bool take_kvn(struct cursor *in, int *out)
{
    uint64_t v;
    *out = AUDIT_KVN_NONE;
    if (in->left != 0 && in->ptr[0] == '-') {
        return take_text(in, "-1");
    }
    if (!take_decimal(in, &v) || v > UINT8_MAX) {
        return false;
    }
    *out = (int)v;
    return true;
}

static bool leaf_parse(struct cursor in, struct audit_leaf *out)
{
    return take_text(&in, "{\"time\":\"") && take_time(&in, &out->time_us) &&
           take_text(&in, "\",\"op\":\"") && take_value(&in, AUDIT_OP_MAX, &out->op) &&
           is_word(out->op, AUDIT_OP_MAX, 'a', '-') && take_text(&in, ",\"principal\":\"") &&
           take_value(&in, AUDIT_PRINCIPAL_MAX, &out->principal) && take_text(&in, ",\"eid\":\"") &&
           take_optional_hex(&in, out->eid, AUDIT_EID_LEN, &out->has_eid) &&
           take_text(&in, ",\"kvn\":") && take_kvn(&in, &out->kvn) &&
           take_text(&in, ",\"key\":\"") && take_value(&in, AUDIT_KEY_MAX, &out->key) &&
           take_text(&in, ",\"sha256\":\"") &&
           take_optional_hex(&in, out->sha256, AUDIT_HASH_LEN, &out->has_sha256) &&
           take_text(&in, ",\"status\":\"") && take_value(&in, AUDIT_STATUS_MAX, &out->status) &&
           is_word(out->status, AUDIT_STATUS_MAX, 'A', '_') && take_text(&in, ",\"count\":") &&
           take_decimal(&in, &out->count) && out->count != 0 && take_text(&in, ",\"detail\":\"") &&
           take_value(&in, AUDIT_DETAIL_MAX, &out->detail) && take_text(&in, "}") && in.left == 0;
}

/* -- checkpoints: a note with its line feeds as \n -- */

void audit_checkpoint_put(struct writer *w, const struct audit_checkpoint *checkpoint)
{
    uint8_t note[AUDIT_NOTE_MAX];
    struct writer n = writer_of(note, sizeof note);

    audit_note_put(&n, checkpoint);
    w->overflow = w->overflow || n.overflow;
    put_text(w, checkpoint_begin);
    for (size_t i = 0; i < n.len; i++) {
        if (note[i] == '\n') {
            put_text(w, "\\n");
        } else {
            put_u8(w, note[i]);
        }
    }
    put_text(w, checkpoint_end);
}

/* The view of the origin that a parsed note holds is into this function's copy: it is put back
 * into the line, where the origin stands first. */
static bool checkpoint_parse(struct span line, struct audit_checkpoint *out)
{
    const size_t begin = sizeof checkpoint_begin - 1, end = sizeof checkpoint_end - 1;
    uint8_t note[AUDIT_NOTE_MAX], again[AUDIT_CHECKPOINT_MAX];
    struct writer n = writer_of(note, sizeof note), a = writer_of(again, sizeof again);

    if (line.len < begin + end || line.len > sizeof again) {
        return false;
    }
    for (size_t i = begin; i < line.len - end; i++) {
        bool escaped = line.ptr[i] == '\\';
        put_u8(&n, escaped ? (uint8_t)'\n' : line.ptr[i]);
        i += escaped ? 1 : 0;
    }
    if (n.overflow || !audit_note_parse(writer_span(&n), NULL, out)) {
        return false;
    }
    audit_checkpoint_put(&a, out);
    out->origin.ptr = line.ptr + begin;
    return !a.overflow && span_eq(writer_span(&a), line);
}

bool audit_line_parse(struct span line, struct audit_line *out)
{
    struct cursor in = cursor_of(line);

    *out = (struct audit_line){0};
    if (take_text(&in, checkpoint_begin)) {
        out->kind = AUDIT_LINE_CHECKPOINT;
        return checkpoint_parse(line, &out->checkpoint);
    }
    in = cursor_of(line);
    if (take_text(&in, "{\"segment\"")) {
        out->kind = AUDIT_LINE_SEGMENT;
        return segment_parse(cursor_of(line), &out->segment);
    }
    out->kind = AUDIT_LINE_LEAF;
    return leaf_parse(cursor_of(line), &out->leaf);
}
