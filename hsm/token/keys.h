/*
 * The token's keys of this service: one immutable purpose each, written into CKA_ID when the key is
 * created, and checked against what the token says of the key whenever it is loaded.
 *
 * CKA_ID = "ecka" || 01 || purpose(1) || generation(4, big-endian). A key of one purpose is never
 * handed to an operation of another. Requests name a generic-sign key or a KEK by its CKA_LABEL;
 * of several with one label the newest generation is meant.
 */
#ifndef HSM_KEYS_H
#define HSM_KEYS_H

#include "hsm/token/token.h"
#include "proto/curve.h"
#include "providers/provider.h"

enum key_purpose {
    KEY_SR_ESTABLISH = 1, /* SK.SR.ECDSA; the generation tells several apart */
    KEY_GENERIC_SIGN = 2,
    KEY_TICKET = 3, /* AES-256 master of ticket blobs */
    KEY_KEYSET = 4, /* AES-256 master of every other blob */
    KEY_KEK = 5,    /* AES-256, wraps key sets for another HSM and does nothing else */
    KEY_CHECKPOINT = 6,
    KEY_PURPOSE_COUNT = 7, /* one past the last */
};

enum {
    KEY_ID_LEN = 4 + 1 + 1 + 4,
    KEY_LABEL_MAX = 48, /* "eckad sr-establish 4294967295" and its end */
    KEY_NAME_MAX = 32,  /* bytes of a generic-sign key's or KEK's label: [a-z0-9._-] */
    TOKEN_KEYS_MAX = 64,
};

struct token_key {
    enum key_purpose purpose;
    uint32_t generation;
    CK_OBJECT_HANDLE handle;
    enum curve curve;            /* of an EC key; else CURVE_NONE */
    uint8_t point[EC_POINT_LEN]; /* of its public key object */
    char name[KEY_NAME_MAX + 1]; /* generic-sign and kek; else empty */
    uint64_t created;            /* seconds since 1970 UTC; 0 when the token does not say */
};

struct key_list {
    size_t n;
    struct token_key keys[TOKEN_KEYS_MAX];
};

/* "sr-establish", "ticket", ...; and back, 0 when there is none of that name. */
const char *key_purpose_name(enum key_purpose purpose);
enum key_purpose key_purpose_of(const char *name);
void key_label(char out[static KEY_LABEL_MAX], enum key_purpose purpose, uint32_t generation);
void key_id_put(uint8_t out[static KEY_ID_LEN], enum key_purpose purpose, uint32_t generation);
/* Purpose and generation of a CKA_ID; false: it is none of this service. */
bool key_id_parse(struct span id, struct token_key *key);

/* EC keys have a curve and a point, named ones a name, masters are ticket and keyset. */
bool key_purpose_is_ec(enum key_purpose purpose);
bool key_purpose_is_named(enum key_purpose purpose);
bool key_purpose_is_master(enum key_purpose purpose);
/* 1 to KEY_NAME_MAX of [a-z0-9._-]. */
bool key_name_valid(const char *name);

/* CKA_EC_PARAMS of a curve, the DER of its object identifier; empty where tokens know none. */
struct span key_ec_params(enum curve curve);
/* The point of a public key object, which tokens give bare or as an OCTET STRING. TOKEN_ERROR. */
MUST_CHECK enum status key_read_point(struct token *t, CK_OBJECT_HANDLE object,
                                      uint8_t out[static EC_POINT_LEN]);

/*
 * Every key of ours in the token that is as its purpose demands (key_rules.h). One that is weaker,
 * of a wrong class or of a malformed identity is refused: logged and left out. TOKEN_ERROR: two
 * keys carry one identity, there are too many, or a call failed.
 */
MUST_CHECK enum status keys_load(struct token *t, struct key_list *out);

/* Fills in what the objects of a key's identity say: name, curve, point, age. Why the key cannot be
 * used, in words that follow "refused, "; NULL when it can. */
const char *key_describe(struct token *t, struct token_key *key);

/* The key of this generation; the newest of a purpose and, unless NULL, of a name. NULL: none. */
const struct token_key *keys_find(const struct key_list *list, enum key_purpose purpose,
                                  uint32_t generation);
const struct token_key *keys_newest(const struct key_list *list, enum key_purpose purpose,
                                    const char *name);

/* Objects of a template in the token, at most max of them; NO_SPACE when there are more. */
MUST_CHECK enum status token_objects(struct token *t, CK_ATTRIBUTE *template, CK_ULONG count,
                                     CK_OBJECT_HANDLE *out, size_t max, size_t *n);

/* -- key_create.c; the session must be read-write -- */

struct key_order {
    enum key_purpose purpose; /* any but kek */
    uint32_t generation;
    enum curve curve; /* of an EC key */
    const char *name; /* of a generic-sign key */
    uint64_t now;     /* becomes part of CKA_LABEL: when the key was created */
};

/*
 * Creates a key in the token with its final attributes and reads back what the token made of them;
 * a weaker key, or one whose identity another key took at the same time, is destroyed again.
 * BAD_CURVE, TOKEN_ERROR.
 */
MUST_CHECK enum status keys_create(struct token *t, const struct key_order *order,
                                   struct token_key *out);
/* Destroys every object of this identity and looks whether it is gone. TOKEN_ERROR. */
MUST_CHECK enum status keys_destroy(struct token *t, enum key_purpose purpose, uint32_t generation);

/* -- sign.c -- */

/* CKM_ECDSA over a SHA-256 digest with a key of purpose sr-establish; r || s. TOKEN_ERROR. */
MUST_CHECK enum status keys_sign_sr(struct token *t, const struct token_key *key,
                                    const uint8_t digest[static SHA256_LEN],
                                    uint8_t signature[static EC_SIGNATURE_LEN]);

/* The same with a key of purpose generic-sign, and with one of purpose checkpoint. */
MUST_CHECK enum status keys_sign_generic(struct token *t, const struct token_key *key,
                                         const uint8_t digest[static SHA256_LEN],
                                         uint8_t signature[static EC_SIGNATURE_LEN]);
MUST_CHECK enum status keys_sign_checkpoint(struct token *t, const struct token_key *key,
                                            const uint8_t digest[static SHA256_LEN],
                                            uint8_t signature[static EC_SIGNATURE_LEN]);

/* AES-KWP (RFC 5649) of a value with a key of purpose kek; len: room in, bytes out. TOKEN_ERROR. */
MUST_CHECK enum status keys_kek_wrap(struct token *t, const struct token_key *kek,
                                     struct span value, uint8_t *out, size_t *len);

/* AES-CMAC with a master of purpose ticket or keyset. TOKEN_ERROR. */
MUST_CHECK enum status keys_master_cmac(struct token *t, const struct token_key *key,
                                        struct span in, uint8_t out[static 16]);

#endif
