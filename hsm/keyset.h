/*
 * A key set's contents: version(1) counter(8) ENC(16) MAC(16) DEK(16). The counter is the one the
 * CRT set; the first packet's must exceed it.
 */
#ifndef HSM_KEYSET_H
#define HSM_KEYSET_H

#include "hsm/blob.h"

struct key_set { /* views into the blob scratch */
    uint64_t counter;
    const uint8_t *enc, *mac, *dek; /* SYM_AES128_KEY_LEN each */
};

MUST_CHECK enum status key_set_put(struct writer *w, const struct key_set *k);
/* BLOB_MALFORMED. */
MUST_CHECK enum status key_set_parse(struct span in, struct key_set *out);

#endif
