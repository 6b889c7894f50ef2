/*
 * prove: the log is verified, then read once more for the hashes of the leaves from the one to be
 * proven on, which take 32 bytes of memory each; what comes of it is verified as a stranger would.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "service/ctl/audit/proof.h"
#include "service/ctl/ctl.h"

struct prover {
    struct reader *r;
    const struct audit_checkpoint *older; /* NULL: a leaf is to be proven */
    struct audit_checkpoint checkpoint;   /* up to which */
    uint64_t from;                        /* the first leaf whose hash is needed by itself */
    uint8_t (*hashes)[MERKLE_HASH_LEN];   /* of the leaves from there to the checkpoint */
    struct merkle_leaves leaves;
    uint8_t leaf[AUDIT_LEAF_MAX];
    size_t leaf_len;
};

static void collect(void *arg, const struct verify_leaf *leaf)
{
    struct prover *p = arg;
    uint64_t index = leaf->before->size;
    if (index < p->from || index >= p->checkpoint.size) {
        return;
    }
    if (index == p->from) {
        p->leaves.before = *leaf->before;
        p->leaf_len = leaf->line.len;
        memcpy(p->leaf, leaf->line.ptr, leaf->line.len);
    }
    memcpy(p->hashes[p->leaves.count++], leaf->hash, MERKLE_HASH_LEN);
}

/* What is to be proven, and whether it can be. */
static bool choose(struct prover *p)
{
    const struct audit_asked *asked = p->r->asked;
    const struct verifier *v = &p->r->verifier;
    const struct held *held = &p->r->held;

    p->checkpoint = asked->checkpoint_count != 0 ? held->checkpoint[0].checkpoint : v->last;
    p->older = asked->older != NULL ? &held->checkpoint[held->n - 1].checkpoint : NULL;
    p->from = p->older != NULL ? p->older->size : asked->leaf;
    if (p->from < v->first) {
        ctl_say("the log given begins at leaf %" PRIu64
                "; give the archive of what was before, too",
                v->first);
        return false;
    }
    if (p->older != NULL && (p->from == 0 || p->from > p->checkpoint.size)) {
        ctl_say("--older is of %" PRIu64 " leaves, the other checkpoint of %" PRIu64
                "; the older one covers at least one leaf and comes first",
                p->from, p->checkpoint.size);
        return false;
    }
    if (p->older == NULL && p->from >= p->checkpoint.size) {
        ctl_say("the checkpoint is of leaves 0 to %" PRIu64 "; give a later one, or none",
                p->checkpoint.size - 1);
        return false;
    }
    return true;
}

static bool put_proof(struct prover *p, struct writer *w)
{
    struct sym *sym = provider_sym(p->r->provider);
    struct merkle_proof path;
    uint64_t size = p->checkpoint.size;

    p->leaves.hashes = (const uint8_t(*)[MERKLE_HASH_LEN])p->hashes;
    if (p->older == NULL) {
        if (merkle_prove_inclusion(sym, &p->leaves, p->from, size, &path) != STATUS_OK) {
            return false;
        }
        proof_inclusion_put(w, span_of(p->leaf, p->leaf_len), p->from, &path, &p->checkpoint);
    } else {
        if (merkle_prove_consistency(sym, &p->leaves, p->from, size, &path) != STATUS_OK) {
            return false;
        }
        proof_consistency_put(w, &path, p->older, &p->checkpoint);
    }
    return writer_check(w) == STATUS_OK;
}

static bool write_out(const char *file, struct span proof)
{
    FILE *out = file == NULL ? stdout : fopen(file, "wxe");
    bool ok = out != NULL && fwrite(proof.ptr, 1, proof.len, out) == proof.len;
    if (out != NULL) {
        ok = (file == NULL ? fflush(out) : fclose(out)) == 0 && ok;
    }
    if (!ok) {
        ctl_say("%s: %s", file == NULL ? "stdout" : file, strerror(errno));
    }
    return ok;
}

/* The proof of what was chosen, once its hashes are collected. */
static int finish(struct prover *p)
{
    uint8_t text[PROOF_FILE_MAX];
    struct writer w = writer_of(text, sizeof text);
    if (!put_proof(p, &w) || !proof_verify(&p->r->verifier, "the proof", writer_span(&w), stderr)) {
        ctl_say("no proof came of it; verify the log again");
        return CTL_FAILED;
    }
    return write_out(p->r->asked->out, writer_span(&w)) ? CTL_OK : CTL_FAILED;
}

static int prove(struct prover *p)
{
    const struct verify_listener listener = {.arg = p, .leaf = collect};
    int rc = reader_verify(p->r);
    if (rc != CTL_OK) {
        return rc;
    }
    if (!choose(p)) {
        return CTL_FAILED;
    }
    p->leaves.before.size = p->from; /* where no leaf comes after it */
    p->hashes = calloc(p->checkpoint.size - p->from + 1, sizeof *p->hashes);
    if (p->hashes == NULL) {
        ctl_say("memory is out: a proof takes 32 bytes for each of the %" PRIu64
                " leaves up to the checkpoint; give an earlier one",
                p->checkpoint.size - p->from);
        return CTL_FAILED;
    }
    rc = reader_again(p->r, &listener);
    return rc == CTL_OK ? finish(p) : rc;
}

int audit_prove(const struct audit_asked *asked)
{
    struct reader *r = malloc(sizeof *r);
    struct prover *p = calloc(1, sizeof *p);
    int rc = r == NULL || p == NULL ? CTL_FAILED : reader_open(r, asked, stderr);
    if (rc == CTL_OK) {
        p->r = r;
        rc = prove(p);
        free(p->hashes);
        reader_close(r);
    }
    free(p);
    free(r);
    return rc;
}
