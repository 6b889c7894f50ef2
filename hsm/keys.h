/*
 * The token's keys of this service: one immutable purpose each, written into CKA_ID when the key is
 * created, and checked against what the token says of the key whenever it is loaded.
 *
 * CKA_ID = "ecka" || 01 || purpose(1) || generation(4, big-endian). A key of one purpose is never
 * handed to an operation of another.
 */
#ifndef HSM_KEYS_H
#define HSM_KEYS_H

#include "hsm/token.h"
#include "proto/curve.h"
#include "providers/provider.h"

enum key_purpose {
    KEY_SR_ESTABLISH = 1, /* SK.SR.ECDSA; the generation tells several apart */
    KEY_GENERIC_SIGN = 2,
    KEY_TICKET = 3, /* AES-256 master of ticket blobs */
    KEY_KEYSET = 4, /* AES-256 master of every other blob */
    KEY_KEK = 5,
    KEY_CHECKPOINT = 6,
    KEY_PURPOSE_COUNT = 7, /* one past the last */
};

enum {
    KEY_ID_LEN = 4 + 1 + 1 + 4,
    KEY_LABEL_MAX = 48, /* "eckad sr-establish 4294967295" and its end */
    TOKEN_KEYS_MAX = 64,
};

struct token_key {
    enum key_purpose purpose;
    uint32_t generation;
    CK_OBJECT_HANDLE handle;
    enum curve curve;            /* sr-establish; else CURVE_NONE */
    uint8_t point[EC_POINT_LEN]; /* sr-establish: of its public key object */
};

struct key_list {
    size_t n;
    struct token_key keys[TOKEN_KEYS_MAX];
};

/* "sr-establish", "ticket", ... */
const char *key_purpose_name(enum key_purpose purpose);
void key_label(char out[static KEY_LABEL_MAX], enum key_purpose purpose, uint32_t generation);

/*
 * Every key of ours in the token. A key that is readable (not CKA_SENSITIVE) or can leave the token
 * (CKA_EXTRACTABLE), is of a wrong class or has a malformed identity is refused: logged and left
 * out. One that was not made in the token is kept, and logged as imported. TOKEN_ERROR.
 */
MUST_CHECK enum status keys_load(struct token *t, struct key_list *out);

/* Creates a key in the token with its final attributes; the session must be read-write.
 * BAD_CURVE, TOKEN_ERROR. */
MUST_CHECK enum status keys_create_sr(struct token *t, enum curve curve, uint32_t generation,
                                      struct token_key *out);
MUST_CHECK enum status keys_create_master(struct token *t, enum key_purpose purpose,
                                          uint32_t generation, struct token_key *out);

/* CKM_ECDSA over a SHA-256 digest with a key of purpose sr-establish; r || s. TOKEN_ERROR. */
MUST_CHECK enum status keys_sign_sr(struct token *t, const struct token_key *key,
                                    const uint8_t digest[static SHA256_LEN],
                                    uint8_t signature[static EC_SIGNATURE_LEN]);

/* AES-CMAC with a master of purpose ticket or keyset. TOKEN_ERROR. */
MUST_CHECK enum status keys_master_cmac(struct token *t, const struct token_key *key,
                                        struct span in, uint8_t out[static 16]);

#endif
