/*
 * The data field of PUT KEY, 80 D8 P1 P2 (GlobalPlatform Card Specification 11.8; AES keys as in
 * Amendment D, 7.2): KVN, then a block a key, the first of key identifier 01.
 *
 * AES block: 88 11 10 value(16) 03 KCV(3). Values are under the DEK of the set that the card has,
 * in CBC mode with IV 0, which for a key of one block is the block cipher itself.
 */
#ifndef PROTO_GP_PUT_KEY_H
#define PROTO_GP_PUT_KEY_H

#include "proto/bytes.h"

enum {
    PUT_KEY_TYPE_AES = 0x88,
    PUT_KEY_TYPE_PSK = 0x85, /* of TLS: SCP81 */
    PUT_KEY_VALUE_LEN = 16,
    PUT_KEY_KCV_LEN = 3,
    PUT_KEY_KEYS_MAX = 3,
    PUT_KEY_BLOCK_MAX = 1 + 1 + 1 + PUT_KEY_VALUE_LEN + 1 + PUT_KEY_KCV_LEN,
    PUT_KEY_DATA_MAX = 1 + PUT_KEY_KEYS_MAX * PUT_KEY_BLOCK_MAX,
};

/* How a PSK's block looks (U): as an AES key's, or without the inner length, 85 10 value 03 KCV.
 * Its KCV is made as an AES key's (U). */
enum put_key_psk_form { PUT_KEY_PSK_AS_AES, PUT_KEY_PSK_BARE };
#define PUT_KEY_PSK_FORM PUT_KEY_PSK_AS_AES

struct put_key_block {
    uint8_t type;
    const uint8_t *value; /* PUT_KEY_VALUE_LEN, enciphered */
    const uint8_t *kcv;   /* PUT_KEY_KCV_LEN */
};

struct put_key {
    uint8_t kvn; /* of the new set */
    size_t n;
    struct put_key_block blocks[PUT_KEY_KEYS_MAX];
};

void put_key_put(struct writer *w, enum put_key_psk_form form, const struct put_key *in);
/* Reads 1 to 3 blocks; those of a PSK in either form. TLV_MALFORMED. */
MUST_CHECK enum status put_key_parse(struct span data, struct put_key *out);

#endif
