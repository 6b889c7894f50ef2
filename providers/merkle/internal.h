/* What the files of this folder share. */
#ifndef PROVIDERS_MERKLE_INTERNAL_H
#define PROVIDERS_MERKLE_INTERNAL_H

#include "providers/merkle/merkle.h"

/* out may be left or right. */
MUST_CHECK enum status merkle_node_hash(struct sym *s, const uint8_t left[static MERKLE_HASH_LEN],
                                        const uint8_t right[static MERKLE_HASH_LEN],
                                        uint8_t out[static MERKLE_HASH_LEN]);

#endif
