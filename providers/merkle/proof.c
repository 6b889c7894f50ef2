/*
 * Proofs, as RFC 6962 defines them by recursion (2.1.1, 2.1.2), and their verification, which walks
 * from the leaf up: the bits of an index say on which side a sibling stands.
 */
#include <string.h>

#include "providers/merkle/internal.h"

/* The largest power of two below n, for n of at least 2. */
static uint64_t split_of(uint64_t n)
{
    return UINT64_C(1) << (63 - __builtin_clzll(n - 1));
}

/* -- proving -- */

/* A node of the range before, where the leaves from begin to end are one. */
static const uint8_t *node_before(const struct merkle_range *range, uint64_t begin, uint64_t end)
{
    uint64_t at = 0;
    for (size_t i = 0; i < range->n; i++) {
        uint64_t width = UINT64_C(1) << (63 - __builtin_clzll(range->size - at));
        if (at == begin && at + width == end) {
            return range->nodes[i];
        }
        at += width;
    }
    return NULL;
}

/* MTH(D[begin:end]); at least one leaf. Depth: at most one call a bit of the size. */
static enum status subtree(struct sym *s, const struct merkle_leaves *leaves, uint64_t begin,
                           uint64_t end, uint8_t out[static MERKLE_HASH_LEN])
{
    const struct merkle_range *before = &leaves->before;
    uint8_t right[MERKLE_HASH_LEN];
    const uint8_t *node = begin < before->size ? node_before(before, begin, end) : NULL;

    if (node == NULL && begin >= before->size && end - begin == 1) {
        node = leaves->hashes[begin - before->size];
    }
    if (node != NULL) {
        memcpy(out, node, MERKLE_HASH_LEN);
        return STATUS_OK;
    }
    if (end <= before->size) { /* within what is known as a whole only */
        return STATUS_NO_SPACE;
    }
    uint64_t middle = begin + split_of(end - begin);
    TRY(subtree(s, leaves, begin, middle, out));
    TRY(subtree(s, leaves, middle, end, right));
    return merkle_node_hash(s, out, right, out);
}

static bool at_hand(const struct merkle_leaves *leaves, uint64_t size)
{
    return size >= leaves->before.size && size - leaves->before.size <= leaves->count;
}

enum status merkle_root_at(struct sym *s, const struct merkle_leaves *leaves, uint64_t size,
                           uint8_t out[static MERKLE_HASH_LEN])
{
    if (!at_hand(leaves, size)) {
        return STATUS_NO_SPACE;
    }
    return size == leaves->before.size ? merkle_root(s, &leaves->before, out)
                                       : subtree(s, leaves, 0, size, out);
}

/* One more node of a proof. */
static enum status side(struct sym *s, const struct merkle_leaves *leaves, uint64_t begin,
                        uint64_t end, struct merkle_proof *out)
{
    TRY(subtree(s, leaves, begin, end, out->nodes[out->n]));
    out->n++;
    return STATUS_OK;
}

/* From the root down; a path is written from the leaf up, so the nodes turn round in the end. */
static void reverse(struct merkle_proof *proof)
{
    uint8_t kept[MERKLE_HASH_LEN];
    for (size_t i = 0, j = proof->n; i + 1 < j; i++) {
        j--;
        memcpy(kept, proof->nodes[i], sizeof kept);
        memcpy(proof->nodes[i], proof->nodes[j], sizeof kept);
        memcpy(proof->nodes[j], kept, sizeof kept);
    }
}

enum status merkle_prove_inclusion(struct sym *s, const struct merkle_leaves *leaves,
                                   uint64_t index, uint64_t size, struct merkle_proof *out)
{
    uint64_t begin = 0, end = size;

    *out = (struct merkle_proof){0};
    if (!at_hand(leaves, size) || index < leaves->before.size || index >= size) {
        return STATUS_NO_SPACE;
    }
    while (end - begin > 1) {
        uint64_t middle = begin + split_of(end - begin);
        if (index < middle) {
            TRY(side(s, leaves, middle, end, out));
            end = middle;
        } else {
            TRY(side(s, leaves, begin, middle, out));
            begin = middle;
        }
    }
    reverse(out);
    return STATUS_OK;
}

enum status merkle_prove_consistency(struct sym *s, const struct merkle_leaves *leaves,
                                     uint64_t old, uint64_t size, struct merkle_proof *out)
{
    uint64_t begin = 0, end = size;

    *out = (struct merkle_proof){0};
    if (!at_hand(leaves, size) || old < leaves->before.size || old > size) {
        return STATUS_NO_SPACE;
    }
    if (old == 0 || old == size) {
        return STATUS_OK;
    }
    while (end != old) {
        uint64_t middle = begin + split_of(end - begin);
        if (old <= middle) {
            TRY(side(s, leaves, middle, end, out));
            end = middle;
        } else {
            TRY(side(s, leaves, begin, middle, out));
            begin = middle;
        }
    }
    if (begin != 0) { /* else it is the old root itself, which the verifier has */
        TRY(side(s, leaves, begin, end, out));
    }
    reverse(out);
    return STATUS_OK;
}

/* -- verifying -- */

struct walk { /* towards the root: a node's index in its row, and that of the row's last one */
    uint64_t at, last;
};

static void up(struct walk *w)
{
    w->at >>= 1;
    w->last >>= 1;
}

/* Past rows where the node, the last of its row, has no sibling. */
static void past_single(struct walk *w)
{
    while ((w->at & 1) == 0 && w->at != 0) {
        up(w);
    }
}

static enum status equal_roots(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, MERKLE_HASH_LEN) == 0 ? STATUS_OK : STATUS_SIGNATURE_INVALID;
}

enum status merkle_verify_inclusion(struct sym *s, const struct merkle_proof *proof, uint64_t index,
                                    uint64_t size, const uint8_t leaf[static MERKLE_HASH_LEN],
                                    const uint8_t root[static MERKLE_HASH_LEN])
{
    struct walk w = {index, size - 1};
    uint8_t node[MERKLE_HASH_LEN];

    if (index >= size || proof->n > MERKLE_PROOF_MAX) {
        return STATUS_SIGNATURE_INVALID;
    }
    memcpy(node, leaf, sizeof node);
    for (size_t i = 0; i < proof->n; i++, up(&w)) {
        if (w.last == 0) {
            return STATUS_SIGNATURE_INVALID;
        }
        if ((w.at & 1) != 0 || w.at == w.last) {
            TRY(merkle_node_hash(s, proof->nodes[i], node, node));
            past_single(&w);
        } else {
            TRY(merkle_node_hash(s, node, proof->nodes[i], node));
        }
    }
    return w.last == 0 ? equal_roots(node, root) : STATUS_SIGNATURE_INVALID;
}

enum status merkle_verify_consistency(struct sym *s, const struct merkle_proof *proof, uint64_t old,
                                      uint64_t size, const uint8_t old_root[static MERKLE_HASH_LEN],
                                      const uint8_t root[static MERKLE_HASH_LEN])
{
    uint8_t was[MERKLE_HASH_LEN], is[MERKLE_HASH_LEN]; /* the root of either as it grows */
    size_t i = 0;

    if (old > size || proof->n > MERKLE_PROOF_MAX) {
        return STATUS_SIGNATURE_INVALID;
    }
    if (old == 0 || old == size) {
        bool same = old == 0 || memcmp(old_root, root, MERKLE_HASH_LEN) == 0;
        return same && proof->n == 0 ? STATUS_OK : STATUS_SIGNATURE_INVALID;
    }
    struct walk w = {old - 1, size - 1};
    while ((w.at & 1) != 0) {
        up(&w);
    }
    bool whole = w.at == 0; /* the old tree is a perfect subtree: its root begins the proof */
    if (!whole && proof->n == 0) {
        return STATUS_SIGNATURE_INVALID;
    }
    memcpy(was, whole ? old_root : proof->nodes[i++], sizeof was);
    memcpy(is, was, sizeof is);
    for (; i < proof->n; i++, up(&w)) {
        if (w.last == 0) {
            return STATUS_SIGNATURE_INVALID;
        }
        if ((w.at & 1) != 0 || w.at == w.last) {
            TRY(merkle_node_hash(s, proof->nodes[i], was, was));
            TRY(merkle_node_hash(s, proof->nodes[i], is, is));
            past_single(&w);
        } else {
            TRY(merkle_node_hash(s, is, proof->nodes[i], is));
        }
    }
    if (w.last != 0) {
        return STATUS_SIGNATURE_INVALID;
    }
    TRY(equal_roots(was, old_root));
    return equal_roots(is, root);
}
