/*
 * The Merkle tree of RFC 6962 (section 2.1) over SHA-256: what a log is appended with, and what
 * proves a leaf's place in it and that one log extends another.
 *
 * A leaf's hash is SHA-256(00 || data), a node's SHA-256(01 || left || right). All of it is public
 * data. INTERNAL means that libcrypto failed.
 */
#ifndef PROVIDERS_MERKLE_MERKLE_H
#define PROVIDERS_MERKLE_MERKLE_H

#include "providers/kdf/sym.h"

enum {
    MERKLE_HASH_LEN = 32,
    MERKLE_DEPTH_MAX = 64,
    /* A consistency proof has a node more than the path of a leaf. */
    MERKLE_PROOF_MAX = MERKLE_DEPTH_MAX + 1,
};

/* The first size leaves as the roots of perfect subtrees, largest first, one for each bit of size:
 * all that it takes to go on. Zeroed it is the empty tree. */
struct merkle_range {
    uint64_t size;
    size_t n;
    uint8_t nodes[MERKLE_DEPTH_MAX][MERKLE_HASH_LEN];
};

struct merkle_proof {
    size_t n;
    uint8_t nodes[MERKLE_PROOF_MAX][MERKLE_HASH_LEN];
};

/* Leaves of which hashes are at hand: count of them after those of a range. */
struct merkle_leaves {
    struct merkle_range before;
    const uint8_t (*hashes)[MERKLE_HASH_LEN];
    uint64_t count;
};

MUST_CHECK enum status merkle_leaf_hash(struct sym *s, struct span data,
                                        uint8_t out[static MERKLE_HASH_LEN]);

/* -- appending -- */

/* One more leaf, by its hash. After a failure the range is as it was. */
MUST_CHECK enum status merkle_append(struct sym *s, struct merkle_range *range,
                                     const uint8_t leaf[static MERKLE_HASH_LEN]);
/* Of the empty tree: SHA-256 of nothing. */
MUST_CHECK enum status merkle_root(struct sym *s, const struct merkle_range *range,
                                   uint8_t out[static MERKLE_HASH_LEN]);

/* -- proving. NO_SPACE: a leaf before those at hand would be needed by itself -- */

/* The root of the first size leaves; before.size <= size <= before.size + count. */
MUST_CHECK enum status merkle_root_at(struct sym *s, const struct merkle_leaves *leaves,
                                      uint64_t size, uint8_t out[static MERKLE_HASH_LEN]);
/* PATH(index, D[size]); index is of a leaf at hand, below size. */
MUST_CHECK enum status merkle_prove_inclusion(struct sym *s, const struct merkle_leaves *leaves,
                                              uint64_t index, uint64_t size,
                                              struct merkle_proof *out);
/* PROOF(old, D[size]); before.size <= old <= size. Empty where nothing needs proof. */
MUST_CHECK enum status merkle_prove_consistency(struct sym *s, const struct merkle_leaves *leaves,
                                                uint64_t old, uint64_t size,
                                                struct merkle_proof *out);

/* -- verifying. SIGNATURE_INVALID: it proves something else, or nothing -- */

MUST_CHECK enum status merkle_verify_inclusion(struct sym *s, const struct merkle_proof *proof,
                                               uint64_t index, uint64_t size,
                                               const uint8_t leaf[static MERKLE_HASH_LEN],
                                               const uint8_t root[static MERKLE_HASH_LEN]);
MUST_CHECK enum status merkle_verify_consistency(struct sym *s, const struct merkle_proof *proof,
                                                 uint64_t old, uint64_t size,
                                                 const uint8_t old_root[static MERKLE_HASH_LEN],
                                                 const uint8_t root[static MERKLE_HASH_LEN]);

#endif
