#include "service/ctl/audit/proof.h"

#include <errno.h>
#include <inttypes.h>

#include "proto/audit/text.h"
#include "service/ctl/ctl.h"

static const char inclusion_head[] = "c2sp.org/tlog-proof@v1\n";
static const char consistency_head[] = "eckad-consistency-proof@v1\n";

/* -- writing -- */

static void put_path(struct writer *w, const struct merkle_proof *path)
{
    for (size_t i = 0; i < path->n; i++) {
        put_base64(w, span_of(path->nodes[i], MERKLE_HASH_LEN));
        put_text(w, "\n");
    }
    put_text(w, "\n");
}

void proof_inclusion_put(struct writer *w, struct span leaf, uint64_t index,
                         const struct merkle_proof *path, const struct audit_checkpoint *c)
{
    put_text(w, inclusion_head);
    put_text(w, "extra ");
    put_base64(w, leaf);
    put_text(w, "\nindex ");
    put_decimal(w, index);
    put_text(w, "\n");
    put_path(w, path);
    audit_note_put(w, c);
}

void proof_consistency_put(struct writer *w, const struct merkle_proof *path,
                           const struct audit_checkpoint *older, const struct audit_checkpoint *c)
{
    put_text(w, consistency_head);
    put_path(w, path);
    audit_note_put(w, older);
    put_text(w, "\n");
    audit_note_put(w, c);
}

/* -- reading -- */

static bool take_path(struct cursor *in, struct merkle_proof *path)
{
    struct span text;
    for (path->n = 0; take_until(in, '\n', &text); path->n++) {
        size_t len = MERKLE_HASH_LEN;
        if (text.len == 0) {
            return true;
        }
        if (path->n == MERKLE_PROOF_MAX || !base64_decode(text, path->nodes[path->n], &len) ||
            len != MERKLE_HASH_LEN) {
            return false;
        }
    }
    return false;
}

/* A note that ends before a blank line: four lines of text, a blank one, signatures. */
static bool take_note(struct cursor *in, struct span *note)
{
    const struct cursor begin = *in;
    struct span line;
    for (size_t lines = 1; take_until(in, '\n', &line); lines++) {
        if (line.len == 0 && lines > 5) {
            *note = span_of(begin.ptr, begin.left - in->left - 1);
            return true;
        }
    }
    return false;
}

static bool malformed(struct verifier *v, const struct segment_place *at)
{
    return verify_found(v, at, FINDING_MALFORMED, "it is no proof");
}

static bool verify_inclusion(struct verifier *v, const struct segment_place *at, struct cursor in,
                             FILE *says)
{
    uint8_t leaf[AUDIT_LEAF_MAX], hash[MERKLE_HASH_LEN];
    size_t len = sizeof leaf;
    struct span extra;
    uint64_t index;
    struct merkle_proof path;
    struct audit_line line;
    struct audit_checkpoint c;
    struct sym *sym = provider_sym(v->provider);

    if (!take_text(&in, "extra ") || !take_until(&in, '\n', &extra) ||
        !base64_decode(extra, leaf, &len) || !audit_line_parse(span_of(leaf, len), &line) ||
        line.kind != AUDIT_LINE_LEAF || !take_text(&in, "index ") || !take_decimal(&in, &index) ||
        !take_text(&in, "\n") || !take_path(&in, &path) ||
        !note_read(span_of(in.ptr, in.left), v->signers, &c)) {
        return malformed(v, at);
    }
    if (!verify_checkpoint(v, at, &c)) {
        return false;
    }
    if (index >= c.size) {
        return malformed(v, at);
    }
    if (merkle_leaf_hash(sym, span_of(leaf, len), hash) != STATUS_OK ||
        merkle_verify_inclusion(sym, &path, index, c.size, hash, c.root) != STATUS_OK) {
        return verify_found(v, at, FINDING_PROOF,
                            "the path does not lead to the checkpoint's root");
    }
    (void)fprintf(says,
                  "leaf %" PRIu64 " of %s is under the checkpoint of %" PRIu64 " leaves:\n%.*s\n",
                  index, v->origin, c.size, (int)len, (const char *)leaf);
    return true;
}

static bool verify_consistency(struct verifier *v, const struct segment_place *at, struct cursor in,
                               FILE *says)
{
    struct merkle_proof path;
    struct span note;
    struct audit_checkpoint old, new;

    if (!take_path(&in, &path) || !take_note(&in, &note) || !note_read(note, v->signers, &old) ||
        !note_read(span_of(in.ptr, in.left), v->signers, &new)) {
        return malformed(v, at);
    }
    if (!verify_checkpoint(v, at, &old) || !verify_checkpoint(v, at, &new)) {
        return false;
    }
    if (old.size == 0 || old.size > new.size || (old.size == new.size &&path.n != 0)) {
        return malformed(v, at);
    }
    if (merkle_verify_consistency(provider_sym(v->provider), &path, old.size, new.size, old.root,
                                  new.root) != STATUS_OK) {
        return verify_found(v, at, FINDING_PROOF, "the path does not lead to both roots");
    }
    (void)fprintf(says,
                  "the first %" PRIu64 " leaves of %s are the same under the checkpoint of "
                  "%" PRIu64 " leaves\n",
                  old.size, v->origin, new.size);
    return true;
}

bool proof_verify(struct verifier *v, const char *file, struct span proof, FILE *says)
{
    const struct segment_place at = {.path = file, .line = 1};
    struct cursor in = cursor_of(proof);
    if (take_text(&in, inclusion_head)) {
        return verify_inclusion(v, &at, in, says);
    }
    in = cursor_of(proof);
    if (take_text(&in, consistency_head)) {
        return verify_consistency(v, &at, in, says);
    }
    return malformed(v, &at);
}

int proof_verify_file(struct reader *r, const char *file)
{
    uint8_t text[PROOF_FILE_MAX];
    FILE *in = fopen(file, "re");
    size_t len = in == NULL ? 0 : fread(text, 1, sizeof text, in);
    bool ok = in != NULL && ferror(in) == 0;
    if (!ok) {
        ctl_say("%s: %s", file, strerror(errno));
    }
    if (in != NULL) {
        (void)fclose(in);
    }
    if (!ok) {
        return CTL_USAGE;
    }
    return proof_verify(&r->verifier, file, span_of(text, len), stdout) ? CTL_OK
                                                                        : reader_verdict(r);
}
