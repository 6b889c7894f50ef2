/*
 * Checkpoints: made and signed in the token, verified, and the one that the token remembers.
 *
 * What the token remembers is a private data object, a note as it would leave the log. A new one
 * is made before the old ones are destroyed, so there is never none, and the largest counts.
 */
#include <inttypes.h>
#include <string.h>

#include "hsm/audit/internal.h"
#include "hsm/log.h"
#include "hsm/token/record.h"
#include "providers/provider.h"

enum { STALE_MAX = 8 };

/* SubjectPublicKeyInfo of a P-256 key up to its point: id-ecPublicKey, prime256v1, BIT STRING. */
static const uint8_t spki_head[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                    0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                    0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};

static enum status key_id_of(struct audit *a, const struct token_key *key,
                             uint8_t out[static AUDIT_KEY_ID_LEN])
{
    const struct span parts[] = {span_of(spki_head, sizeof spki_head),
                                 span_of(key->point, EC_POINT_LEN)};
    uint8_t digest[SHA256_LEN];

    if (key->curve != CURVE_P256) { /* the one that keys init makes it on */
        return STATUS_BAD_CURVE;
    }
    TRY(sym_sha256_parts(a->sym, 2, parts, digest));
    memcpy(out, digest, AUDIT_KEY_ID_LEN);
    return STATUS_OK;
}

static enum status text_digest(struct audit *a, const struct audit_checkpoint *checkpoint,
                               uint8_t out[static SHA256_LEN])
{
    uint8_t text[AUDIT_NOTE_TEXT_MAX];
    struct writer w = writer_of(text, sizeof text);
    audit_note_text_put(&w, checkpoint);
    TRY(writer_check(&w));
    return sym_sha256(a->sym, writer_span(&w), out);
}

enum status audit_checkpoint_make(struct audit *a, const struct merkle_range *range,
                                  struct audit_checkpoint *out)
{
    const struct token_key *key = keys_newest(a->keys, KEY_CHECKPOINT, NULL);
    uint8_t digest[SHA256_LEN];

    *out = (struct audit_checkpoint){
        .origin = audit_origin(a), .size = range->size, .fresh = range->size - a->state.range.size};
    if (key == NULL) {
        log_line("the token holds no checkpoint key; eckactl keys init --missing-only makes one");
        return STATUS_AUDIT_UNAVAILABLE;
    }
    TRY(key_id_of(a, key, out->key_id));
    TRY(merkle_root(a->sym, range, out->root));
    TRY(text_digest(a, out, digest));
    return keys_sign_checkpoint(a->token, key, digest, out->signature);
}

/* Whether one of these keys signed it; *known: whether one has its id. */
static bool verifies_with(struct audit *a, const struct key_list *keys,
                          const struct audit_checkpoint *checkpoint,
                          const uint8_t digest[static SHA256_LEN], bool *known)
{
    uint8_t id[AUDIT_KEY_ID_LEN];

    *known = false;
    for (size_t i = 0; i < keys->n; i++) {
        const struct token_key *key = &keys->keys[i];
        if (key->purpose != KEY_CHECKPOINT || key_id_of(a, key, id) != STATUS_OK ||
            memcmp(id, checkpoint->key_id, sizeof id) != 0) {
            continue;
        }
        *known = true;
        enum status verdict;
        const struct verify_item item = {.curve = key->curve,
                                         .public_key = key->point,
                                         .digest = digest,
                                         .signature = checkpoint->signature};
        provider_verify_vartime(a->provider, 1, &item, &verdict);
        if (verdict == STATUS_OK) {
            return true;
        }
    }
    return false;
}

/* A ceremony may have made the key since the keys were loaded. */
bool audit_checkpoint_verifies(struct audit *a, const struct audit_checkpoint *checkpoint)
{
    static struct key_list fresh; /* too wide for the stack */
    uint8_t digest[SHA256_LEN];
    bool known;

    if (text_digest(a, checkpoint, digest) != STATUS_OK) {
        return false;
    }
    if (verifies_with(a, a->keys, checkpoint, digest, &known)) {
        return true;
    }
    return !known && keys_load(a->token, &fresh) == STATUS_OK &&
           verifies_with(a, &fresh, checkpoint, digest, &known);
}

/* -- what the token remembers -- */

struct mirrors {
    struct audit *a;
    struct audit_checkpoint largest;
    size_t n;
    struct record list[STALE_MAX]; /* of this origin */
};

static enum status take_mirror(void *arg, const struct record *record)
{
    struct mirrors *m = arg;
    struct audit_checkpoint checkpoint;

    if (strcmp(record->label, m->a->config->origin) != 0) {
        return STATUS_OK;
    }
    if (m->n < STALE_MAX) {
        m->list[m->n++] = *record;
    }
    if (!audit_note_parse(span_of(record->value, record->len), NULL, &checkpoint) ||
        !span_eq(checkpoint.origin, audit_origin(m->a)) ||
        !audit_checkpoint_verifies(m->a, &checkpoint)) {
        log_line("what the token remembers of the audit log %s is no checkpoint of it",
                 m->a->config->origin);
        return STATUS_AUDIT_UNAVAILABLE;
    }
    checkpoint.origin = audit_origin(m->a);
    if (checkpoint.size >= m->largest.size) {
        m->largest = checkpoint;
    }
    return STATUS_OK;
}

enum status audit_mirror_read(struct audit *a, struct audit_checkpoint *out)
{
    struct mirrors m = {.a = a};
    *out = (struct audit_checkpoint){0};
    TRY(record_each(a->token, AUDIT_RECORDS, take_mirror, &m));
    *out = m.largest;
    return STATUS_OK;
}

static enum status take_stale(void *arg, const struct record *record)
{
    struct mirrors *m = arg;
    if (strcmp(record->label, m->a->config->origin) == 0 && m->n < STALE_MAX) {
        m->list[m->n++] = *record;
    }
    return STATUS_OK;
}

static enum status renew(struct audit *a)
{
    struct mirrors m = {.a = a};
    uint8_t note[AUDIT_NOTE_MAX + 1];
    struct writer w = writer_of(note, AUDIT_NOTE_MAX);

    audit_note_put(&w, &a->state.checkpoint);
    TRY(writer_check(&w));
    note[w.len] = '\0';
    TRY(record_each(a->token, AUDIT_RECORDS, take_stale, &m));
    TRY(record_create(a->token, AUDIT_RECORDS, a->config->origin, (const char *)note));
    for (size_t i = 0; i < m.n; i++) {
        TRY(record_destroy(a->token, &m.list[i]));
    }
    return STATUS_OK;
}

/* Under the log's lock and with what others appended, so that the largest is what is kept. */
static enum status renew_locked(struct audit *a)
{
    CK_SESSION_HANDLE kept;

    TRY(audit_lock(a));
    enum status st = audit_catch_up(a);
    if (st == STATUS_OK) {
        st = token_write_begin(a->token, &kept);
    }
    if (st == STATUS_OK) {
        st = renew(a);
        token_write_end(a->token, kept);
    }
    audit_unlock(a);
    return st;
}

void audit_mirror(struct audit *a)
{
    if (a == NULL || a->state.checkpoint.size == a->mirrored) {
        return;
    }
    enum status st = renew_locked(a);
    if (st == STATUS_OK) {
        a->mirrored = a->state.checkpoint.size;
    } else if (!a->mirror_failed) {
        log_line("the token takes no checkpoint of the audit log: a rollback of its files past "
                 "leaf %" PRIu64 " would not be seen at a start",
                 a->mirrored);
    }
    a->mirror_failed = st != STATUS_OK;
}
