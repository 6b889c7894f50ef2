/*
 * The peer: what a careful program does with OpenSSL's EVP interface, one item at a time. Keys are
 * loaded and contexts made before the clock starts, signatures are already in DER.
 *
 * Failures end the program: a benchmark of failing calls measures nothing.
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "providers/provider.h"

struct peer_key;

/* From a key pair of the given curve, a named one; k NULL: a public key, that only verifies. */
struct peer_key *peer_key_new(enum curve curve, const uint8_t *k,
                              const uint8_t Q[static EC_POINT_LEN]);
void peer_key_free(struct peer_key *key);

enum { PEER_DER_MAX = 72 };

struct peer_signature {
    uint8_t raw[EC_SIGNATURE_LEN]; /* r || s */
    uint8_t der[PEER_DER_MAX];
    size_t der_len;
};

void peer_sign(struct peer_key *key, const uint8_t digest[static SHA256_LEN],
               struct peer_signature *out);

/* With the key's own context, used again and again. */
void peer_verify(struct peer_key *key, const uint8_t digest[static SHA256_LEN],
                 const struct peer_signature *signature);

/* The same from r || s, as it stands in a message; false: it does not verify. */
bool peer_verify_raw(struct peer_key *key, const uint8_t digest[static SHA256_LEN],
                     const uint8_t raw[static EC_SIGNATURE_LEN]);

/* A new key pair on the key's curve, and Z with the key's public point, which was checked once. */
void peer_agree(struct peer_key *key);

#endif
