/*
 * A token key's point as libcrypto's public key, and signatures over digests as others read them.
 */
#ifndef HSM_EC_PUBLIC_H
#define HSM_EC_PUBLIC_H

#include <openssl/evp.h>

#include "hsm/token/keys.h"

enum { ECDSA_DER_MAX = 72 }; /* SEQUENCE of two INTEGERs of at most 33 bytes */

/* NULL when the point is none; freed with EVP_PKEY_free(). */
EVP_PKEY *ec_public(const struct token_key *key);

/* r || s as DER (RFC 3279, 2.2.3); its length, 0 when there is no memory. */
size_t ecdsa_der(const uint8_t signature[static EC_SIGNATURE_LEN],
                 uint8_t out[static ECDSA_DER_MAX]);
/* Whether a DER signature over a SHA-256 digest is this key's. */
bool ecdsa_verifies(EVP_PKEY *key, const uint8_t digest[static SHA256_LEN], const uint8_t *der,
                    size_t len);

#endif
