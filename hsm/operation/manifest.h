/*
 * The manifest of one rewrapped key set: lines of text that say what was wrapped, for whom, under
 * which KEK and when, and by its hash which bytes came out. The checkpoint key signs SHA-256 of it.
 */
#ifndef HSM_MANIFEST_H
#define HSM_MANIFEST_H

#include "hsm/operation/grants.h"
#include "hsm/sealed/blob.h"
#include "hsm/token/kek.h"

struct manifest {
    uint64_t now; /* seconds since 1970 UTC */
    const struct grant *grant;
    uint64_t use; /* the how many-eth of the grant */
    const struct token_key *kek;
    const uint8_t *kek_fingerprint; /* KEK_FINGERPRINT_LEN */
    const struct token_key *checkpoint;
    const uint8_t *eid; /* GP_EID_LEN */
    uint8_t kvn;
    enum blob_type type;
    uint64_t counter;              /* what the set's next counter must exceed */
    size_t keys;                   /* 3: ENC, MAC, DEK; 1: PSK */
    const uint8_t *wrapped_sha256; /* SHA256_LEN */
};

/* At most WIRE_MANIFEST_MAX bytes; NO_SPACE. */
MUST_CHECK enum status manifest_put(struct writer *w, const struct manifest *m);

#endif
