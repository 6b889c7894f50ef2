/*
 * Hashing and appending.
 */
#include <string.h>

#include "providers/merkle/internal.h"

static const uint8_t leaf_prefix = 0x00, node_prefix = 0x01;

enum status merkle_leaf_hash(struct sym *s, struct span data, uint8_t out[static MERKLE_HASH_LEN])
{
    const struct span parts[] = {span_of(&leaf_prefix, 1), data};
    return sym_sha256_parts(s, 2, parts, out);
}

enum status merkle_node_hash(struct sym *s, const uint8_t left[static MERKLE_HASH_LEN],
                             const uint8_t right[static MERKLE_HASH_LEN],
                             uint8_t out[static MERKLE_HASH_LEN])
{
    const struct span parts[] = {span_of(&node_prefix, 1), span_of(left, MERKLE_HASH_LEN),
                                 span_of(right, MERKLE_HASH_LEN)};
    return sym_sha256_parts(s, 3, parts, out);
}

/* A leaf more is a carry more: two subtrees of one size become one of twice that. */
enum status merkle_append(struct sym *s, struct merkle_range *range,
                          const uint8_t leaf[static MERKLE_HASH_LEN])
{
    uint8_t node[MERKLE_HASH_LEN];
    size_t n = range->n;

    memcpy(node, leaf, sizeof node);
    for (uint64_t bits = range->size; (bits & 1) != 0; bits >>= 1) {
        TRY(merkle_node_hash(s, range->nodes[n - 1], node, node));
        n--;
    }
    memcpy(range->nodes[n], node, sizeof node);
    range->n = n + 1;
    range->size++;
    return STATUS_OK;
}

enum status merkle_root(struct sym *s, const struct merkle_range *range,
                        uint8_t out[static MERKLE_HASH_LEN])
{
    if (range->n == 0) {
        return sym_sha256(s, span_of(NULL, 0), out);
    }
    memcpy(out, range->nodes[range->n - 1], MERKLE_HASH_LEN);
    for (size_t i = range->n - 1; i-- > 0;) {
        TRY(merkle_node_hash(s, range->nodes[i], out, out));
    }
    return STATUS_OK;
}
