/*
 * Transfer KEKs: made in another HSM, unwrapped into this one by a ceremony, wrap-only here.
 *
 * PKCS#11 does not tell an unwrapped key from one that was created from a known value. So the
 * ceremony that unwraps a KEK writes a record {created, fingerprint, transport key} and a KEK
 * counts only with a record of its fingerprint: SHA-256 of what AES-KW under it makes of 32 zero
 * bytes, which the other HSM can compute as well.
 */
#ifndef HSM_KEK_H
#define HSM_KEK_H

#include "hsm/token/keys.h"

#define KEK_RECORDS "eckad kek"

enum { KEK_FINGERPRINT_LEN = SHA256_LEN };

/* TOKEN_ERROR. */
MUST_CHECK enum status kek_fingerprint(struct token *t, CK_OBJECT_HANDLE kek,
                                       uint8_t out[static KEK_FINGERPRINT_LEN]);
/* Why a key with a KEK's identity is not one, in words that follow "refused, "; NULL: it is. */
const char *kek_refusal(struct token *t, const struct token_key *key);
/* When it was imported, by its record; 0 without one. */
uint64_t kek_created(struct token *t, const struct token_key *key);

/* Writes the record; the session must be read-write. TOKEN_ERROR. */
MUST_CHECK enum status kek_record(struct token *t, const struct token_key *key, uint64_t now,
                                  const uint8_t transport[static SHA256_LEN]);
/* Destroys it, if there is one. TOKEN_ERROR. */
MUST_CHECK enum status kek_forget(struct token *t, uint32_t generation);

#endif
