/*
 * C2SP tlog-checkpoint as signed note: origin, size, root and one extension line ("new 3": so many
 * leaves are new since the checkpoint before) on a line each, a blank line, and signature lines "—
 * name base64(id || signature)". An ECDSA signature is DER.
 */
#include "proto/audit/audit.h"
#include "proto/audit/text.h"

enum {
    DER_SEQUENCE = 0x30,
    DER_INTEGER = 0x02,
    HALF = AUDIT_SIGNATURE_LEN / 2,
};

static const char extension[] = "\nnew ";
static const char dash[] = "\xe2\x80\x94 "; /* U+2014 and a blank */

/* -- ECDSA-Sig-Value ::= SEQUENCE { r INTEGER, s INTEGER } -- */

static void put_integer(struct writer *w, const uint8_t half[static HALF])
{
    size_t zeros = 0;
    while (zeros < HALF - 1 && half[zeros] == 0) {
        zeros++;
    }
    bool sign = (half[zeros] & 0x80) != 0; /* a zero in front keeps it positive */
    put_u8(w, DER_INTEGER);
    put_u8(w, (uint8_t)(HALF - zeros + (sign ? 1 : 0)));
    put_bytes(w, "", sign ? 1 : 0);
    put_bytes(w, half + zeros, HALF - zeros);
}

void audit_der_put(struct writer *w, const uint8_t signature[static AUDIT_SIGNATURE_LEN])
{
    uint8_t body[AUDIT_DER_MAX];
    struct writer b = writer_of(body, sizeof body);
    put_integer(&b, signature);
    put_integer(&b, signature + HALF);
    put_u8(w, DER_SEQUENCE);
    put_u8(w, (uint8_t)b.len); /* at most 70, a length of one byte */
    put_span(w, writer_span(&b));
}

static bool take_integer(struct cursor *in, uint8_t half[static HALF])
{
    uint8_t tag, len;
    struct span value;

    if (cursor_u8(in, &tag) != STATUS_OK || tag != DER_INTEGER ||
        cursor_u8(in, &len) != STATUS_OK || len == 0 || cursor_take(in, len, &value) != STATUS_OK) {
        return false;
    }
    if (value.len > 1 && value.ptr[0] == 0) {
        value = span_of(value.ptr + 1, value.len - 1U);
    }
    if (value.len > HALF) {
        return false;
    }
    memset(half, 0, HALF - value.len);
    memcpy(half + HALF - value.len, value.ptr, value.len);
    return true;
}

static bool der_parse(struct span der, uint8_t signature[static AUDIT_SIGNATURE_LEN])
{
    struct cursor in = cursor_of(der);
    uint8_t tag, len, again[AUDIT_DER_MAX];
    struct writer w = writer_of(again, sizeof again);

    if (cursor_u8(&in, &tag) != STATUS_OK || tag != DER_SEQUENCE ||
        cursor_u8(&in, &len) != STATUS_OK || len != in.left || !take_integer(&in, signature) ||
        !take_integer(&in, signature + HALF) || in.left != 0) {
        return false;
    }
    audit_der_put(&w, signature);
    return !w.overflow && span_eq(writer_span(&w), der);
}

/* -- notes -- */

static bool fresh_valid(const struct audit_checkpoint *checkpoint)
{
    return checkpoint->fresh != 0 && checkpoint->fresh <= checkpoint->size;
}

void audit_note_text_put(struct writer *w, const struct audit_checkpoint *checkpoint)
{
    put_span(w, checkpoint->origin);
    put_text(w, "\n");
    put_decimal(w, checkpoint->size);
    put_text(w, "\n");
    put_base64(w, span_of(checkpoint->root, AUDIT_HASH_LEN));
    put_text(w, extension);
    put_decimal(w, checkpoint->fresh);
    put_text(w, "\n");
    w->overflow = w->overflow || !fresh_valid(checkpoint);
}

void audit_note_put(struct writer *w, const struct audit_checkpoint *checkpoint)
{
    uint8_t bytes[AUDIT_KEY_ID_LEN + AUDIT_DER_MAX];
    struct writer b = writer_of(bytes, sizeof bytes);

    put_bytes(&b, checkpoint->key_id, AUDIT_KEY_ID_LEN);
    audit_der_put(&b, checkpoint->signature);
    audit_note_text_put(w, checkpoint);
    put_text(w, "\n");
    put_text(w, dash);
    put_span(w, checkpoint->origin);
    put_text(w, " ");
    put_base64(w, writer_span(&b));
    put_text(w, "\n");
}

static bool take_root(struct cursor *in, uint8_t root[static AUDIT_HASH_LEN])
{
    struct span text;
    size_t len = AUDIT_HASH_LEN;
    return take_until(in, '\n', &text) && base64_decode(text, root, &len) && len == AUDIT_HASH_LEN;
}

static bool take_fresh(struct cursor *in, struct audit_checkpoint *out)
{
    return take_text(in, extension + 1) && take_decimal(in, &out->fresh) && take_text(in, "\n") &&
           fresh_valid(out);
}

/* Whether a line's text is base64(id || DER), and of the id asked for. */
static bool signature_parse(struct span text, const uint8_t *key_id, struct audit_checkpoint *out)
{
    uint8_t bytes[AUDIT_KEY_ID_LEN + AUDIT_DER_MAX];
    size_t len = sizeof bytes;

    if (!base64_decode(text, bytes, &len) || len <= AUDIT_KEY_ID_LEN ||
        (key_id != NULL && memcmp(bytes, key_id, AUDIT_KEY_ID_LEN) != 0) ||
        !der_parse(span_of(bytes + AUDIT_KEY_ID_LEN, len - AUDIT_KEY_ID_LEN), out->signature)) {
        return false;
    }
    memcpy(out->key_id, bytes, AUDIT_KEY_ID_LEN);
    return true;
}

bool audit_note_parse(struct span note, const uint8_t *key_id, struct audit_checkpoint *out)
{
    struct cursor in = cursor_of(note);
    struct audit_checkpoint found = {0};
    struct span name, text;
    bool has = false;

    *out = (struct audit_checkpoint){0};
    if (!take_until(&in, '\n', &found.origin) || !audit_origin_valid(found.origin) ||
        !take_decimal(&in, &found.size) || !take_text(&in, "\n") || !take_root(&in, found.root) ||
        !take_fresh(&in, &found) || !take_text(&in, "\n")) {
        return false;
    }
    while (in.left != 0) {
        if (!take_text(&in, dash) || !take_until(&in, ' ', &name) || name.len == 0 ||
            memchr(name.ptr, '\n', name.len) != NULL || !take_until(&in, '\n', &text)) {
            return false;
        }
        has = has || (span_eq(name, found.origin) && signature_parse(text, key_id, &found));
    }
    if (has) {
        *out = found;
    }
    return has;
}
