/*
 * The symmetric functions of SM-SR Change over libcrypto, with contexts fetched once a thread.
 *
 * Keys and outputs may be secrets: nothing branches on them, and each context forgets its key
 * before the call returns. All lengths are bytes. Outputs are complete or zero. INTERNAL means that
 * libcrypto failed.
 */
#ifndef PROVIDERS_KDF_SYM_H
#define PROVIDERS_KDF_SYM_H

#include <stddef.h>
#include <stdint.h>

#include "proto/bytes.h"

enum {
    SYM_BLOCK = 16,
    SYM_AES128_KEY_LEN = 16,
    SYM_AES192_KEY_LEN = 24,
    SYM_AES256_KEY_LEN = 32,
    SYM_CMAC_LEN = 16,
    SYM_KCV_LEN = 3,
    SYM_GCM_NONCE_LEN = 12,
    SYM_GCM_TAG_LEN = 16,
};

struct sym;

MUST_CHECK enum status sym_new(struct sym **out);
void sym_free(struct sym **s);

MUST_CHECK enum status sym_sha256(struct sym *s, struct span in, uint8_t out[static 32]);
/* SHA-256 over parts one after the other. */
MUST_CHECK enum status sym_sha256_parts(struct sym *s, size_t n, const struct span parts[],
                                        uint8_t out[static 32]);

/* ANSI X9.63 KDF with SHA-256: SHA-256(Z || counter from 1, 4 bytes || SharedInfo)... */
MUST_CHECK enum status sym_x963(struct sym *s, struct span z, struct span shared_info, uint8_t *out,
                                size_t out_len);

/* AES-CMAC (RFC 4493), key of 16, 24 or 32 bytes; BAD_LENGTH for any other. */
MUST_CHECK enum status sym_cmac(struct sym *s, struct span key, struct span in,
                                uint8_t out[static SYM_CMAC_LEN]);
/* AES-CMAC over parts one after the other. */
MUST_CHECK enum status sym_cmac_parts(struct sym *s, struct span key, size_t n,
                                      const struct span parts[], uint8_t out[static SYM_CMAC_LEN]);

/* Key check value (U): first 3 bytes of AES-ECB(key, 01 x 16). */
MUST_CHECK enum status sym_kcv(struct sym *s, const uint8_t key[static 16],
                               uint8_t out[static SYM_KCV_LEN]);

/* AES-CBC without padding, key as for CMAC; len a multiple of 16; in and out may be the same.
 * BAD_LENGTH. */
MUST_CHECK enum status sym_cbc_encrypt(struct sym *s, struct span key, const uint8_t iv[static 16],
                                       const uint8_t *in, uint8_t *out, size_t len);
MUST_CHECK enum status sym_cbc_decrypt(struct sym *s, struct span key, const uint8_t iv[static 16],
                                       const uint8_t *in, uint8_t *out, size_t len);

MUST_CHECK enum status sym_hmac_sha256(struct sym *s, struct span key, struct span in,
                                       uint8_t out[static 32]);

/* HKDF-SHA-256 (RFC 5869), extract and expand; BAD_LENGTH for over 255 blocks of 32 bytes. */
MUST_CHECK enum status sym_hkdf(struct sym *s, struct span ikm, struct span salt, struct span info,
                                uint8_t *out, size_t out_len);

/* AES-256-GCM; out has in_len bytes, tag separate. BLOB_FORGED when the tag does not match. */
MUST_CHECK enum status sym_gcm_seal(struct sym *s, const uint8_t key[static 32],
                                    const uint8_t nonce[static SYM_GCM_NONCE_LEN], struct span aad,
                                    struct span in, uint8_t *out,
                                    uint8_t tag[static SYM_GCM_TAG_LEN]);
MUST_CHECK enum status sym_gcm_open(struct sym *s, const uint8_t key[static 32],
                                    const uint8_t nonce[static SYM_GCM_NONCE_LEN], struct span aad,
                                    struct span in, const uint8_t tag[static SYM_GCM_TAG_LEN],
                                    uint8_t *out);

#endif
