/*
 * A key set's contents, scp80 and scp03: version(1) counter(8) ENC(16) MAC(16) DEK(16). The counter
 * is the one the CRT set; the first packet's must exceed it. It is 0 in a set that KeySetCreate
 * made. Those of an scp81 set: version(1) PSK(16).
 */
#ifndef HSM_KEYSET_H
#define HSM_KEYSET_H

#include <protobuf-c/protobuf-c.h>

#include "hsm/sealed/blob.h"

struct key_set { /* views into the blob scratch */
    uint64_t counter;
    const uint8_t *enc, *mac, *dek; /* SYM_AES128_KEY_LEN each */
};

struct custodian;

/*
 * Opens a key set into the custodian's blob scratch, which the caller wipes, and compares
 * principal, EID and KVN: what blob_open_any() gives, and BLOB_KVN. types: of sets that hold three
 * keys.
 */
MUST_CHECK enum status key_set_open(struct custodian *c, unsigned types, const char *principal,
                                    const ProtobufCBinaryData *eid, const ProtobufCBinaryData *blob,
                                    uint32_t kvn, struct key_set *out);

MUST_CHECK enum status key_set_put(struct writer *w, const struct key_set *k);
/* BLOB_MALFORMED. */
MUST_CHECK enum status key_set_parse(struct span in, struct key_set *out);

MUST_CHECK enum status psk_put(struct writer *w, const uint8_t psk[static SYM_AES128_KEY_LEN]);
/* A view of the PSK. BLOB_MALFORMED. */
MUST_CHECK enum status psk_parse(struct span in, const uint8_t **psk);

#endif
