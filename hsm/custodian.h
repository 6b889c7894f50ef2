/*
 * A custodian at work: the token, the keys it found there, the arithmetic and the locked memory
 * that one batch after the other passes through. One thread.
 *
 * Each operation takes the items of one batch and fills one answer each; a bad item costs its
 * neighbours nothing. What the operations share and reuse is allocated at start.
 */
#ifndef HSM_CUSTODIAN_H
#define HSM_CUSTODIAN_H

#include "hsm/audit/audit.h"
#include "hsm/config.h"
#include "hsm/sealed/blob.h"
#include "hsm/token/keys.h"
#include "proto/custody/custody.h"
#include "providers/core/random.h"
#include "providers/provider.h"
#include "providers/scp/scp03.h"

enum {
    SR_KEYS_MAX = 32,
    STATE_PATH_MAX = 1024,
    KEY_SET_KEYS = 3, /* ENC, MAC, DEK */

    CUSTODY_NONE = 0, /* enum Custody of ecka.proto */
    CUSTODY_AT_TOKEN = 1,
    CUSTODY_AT_MEMORY = 2,
};

struct sr_key {             /* a token key and the CERT.SR.ECDSA it stands behind */
    uint8_t id[SHA256_LEN]; /* SHA-256 of the certificate's file */
    struct token_key key;
};

struct sr_keys {
    size_t n;
    struct sr_key list[SR_KEYS_MAX];
};

struct agreement_secrets { /* Establish and Agree; what item has which lane is theirs to know */
    uint8_t k[CUSTODY_ITEMS_MAX][EC_SCALAR_LEN]; /* eSK: wiped once Z is there */
    uint8_t z[CUSTODY_ITEMS_MAX][ECDH_Z_LEN];
    uint8_t block[SHA256_LEN]; /* of X9.63, as the token gives it */
    uint8_t key_data[KEY_DATA_LEN];
};

struct secrets { /* one secret_alloc at start; wiped after each batch */
    struct agreement_secrets agreement;
    uint8_t key_data[KEY_DATA_LEN]; /* Confirm */
    uint8_t receipt[SYM_CMAC_LEN];  /* Confirm: the expected one, which would make a forgery */
    uint8_t new_keys[KEY_SET_KEYS][SYM_AES128_KEY_LEN]; /* KeySetCreate */
    struct scp03_session scp03;
    struct blob_scratch blob;
};

struct custodian {
    struct token token;
    struct key_list keys;
    struct sr_keys sr;
    struct generations *generations; /* locked */
    struct secrets *secrets;         /* locked */
    struct provider *provider;
    struct sym *sym; /* the provider's */
    struct drbg *drbg;
    bool token_agrees[CURVE_COUNT]; /* agreement_probe(): eSK and Z can stay in the token */
    const struct config *config;
    struct use_counts uses;
    char uses_file[STATE_PATH_MAX];
    uint64_t started, look_at, saved_at; /* seconds since 1970 UTC: of upkeep.c */
    uint64_t looked_ms;                  /* monotonic */
    uint64_t operations, operations_max; /* items since the start; recycle.c */
    uint64_t away_ms;                    /* monotonic: since when the token is away; 0: it is not */
    struct tar_grants tars;              /* the configuration's */
    struct audit *audit;                 /* NULL: off */
};

/* From a configuration to a custodian that can serve; the start-up lock is held meanwhile.
 * DENIED: the PIN is wrong. A sentence is in the log. */
MUST_CHECK enum status custodian_init(struct custodian *c, const struct config *config);
void custodian_fini(struct custodian *c);

/* On which curves this token, logged in to, can keep eSK and Z: what agreement_probe() finds. */
MUST_CHECK enum status custodian_token_agrees(struct token *t, bool out[static CURVE_COUNT]);

/* -- srcerts.c -- */

/* The sr-establish key whose point a CERT.SR.ECDSA holds; NULL, and why, when there is none. */
const struct token_key *sr_cert_key(const struct key_list *keys, struct span file,
                                    const char **refusal);

/* Pairs each certificate file with the token key that has its point; the others are logged. What
 * was loaded before is replaced, unless the folder cannot be listed. */
void sr_keys_load(struct custodian *c, const char *directory);
/* NULL: no such key here. */
const struct token_key *sr_key_find(const struct sr_keys *keys, struct span id);

/* -- batch.c -- */

/*
 * Answers one message, whatever it holds; the encoded answer is in out (CUSTODY_FRAME_MAX bytes).
 * Secrets are wiped before it returns. now: seconds since 1970 UTC.
 */
MUST_CHECK enum status custodian_batch(struct custodian *c, struct arena *arena, struct span frame,
                                       uint64_t now, struct writer *out);

/* -- the operations; answers come from the arena, already sized. NO_SPACE: the arena is full -- */

MUST_CHECK enum status establish_batch(struct custodian *c, struct arena *arena, uint64_t now,
                                       const Ecka__Custody__V1__Establish *in,
                                       Ecka__Custody__V1__EstablishAnswer *out);
MUST_CHECK enum status confirm_batch(struct custodian *c, struct arena *arena, uint64_t now,
                                     const Ecka__Custody__V1__Confirm *in,
                                     Ecka__Custody__V1__ConfirmAnswer *out);
MUST_CHECK enum status scp80_wrap_batch(struct custodian *c, struct arena *arena,
                                        const Ecka__Custody__V1__Scp80Wrap *in,
                                        Ecka__Custody__V1__Scp80WrapAnswer *out);
MUST_CHECK enum status scp80_unwrap_batch(struct custodian *c, struct arena *arena,
                                          const Ecka__Custody__V1__Scp80Unwrap *in,
                                          Ecka__Custody__V1__Scp80UnwrapAnswer *out);
MUST_CHECK enum status key_set_create_batch(struct custodian *c, struct arena *arena,
                                            const Ecka__Custody__V1__KeySetCreate *in,
                                            Ecka__Custody__V1__KeySetCreateAnswer *out);
MUST_CHECK enum status scp03_open_batch(struct custodian *c, struct arena *arena,
                                        const Ecka__Custody__V1__Scp03Open *in,
                                        Ecka__Custody__V1__Scp03OpenAnswer *out);
MUST_CHECK enum status scp03_wrap_batch(struct custodian *c, struct arena *arena,
                                        const Ecka__Custody__V1__Scp03Wrap *in,
                                        Ecka__Custody__V1__Scp03WrapAnswer *out);
MUST_CHECK enum status scp03_unwrap_batch(struct custodian *c, struct arena *arena,
                                          const Ecka__Custody__V1__Scp03Unwrap *in,
                                          Ecka__Custody__V1__Scp03UnwrapAnswer *out);

MUST_CHECK enum status sign_batch(struct custodian *c, struct arena *arena,
                                  const Ecka__Custody__V1__Sign *in,
                                  Ecka__Custody__V1__SignAnswer *out);
MUST_CHECK enum status agree_batch(struct custodian *c, struct arena *arena,
                                   const Ecka__Custody__V1__Agree *in,
                                   Ecka__Custody__V1__AgreeAnswer *out);
MUST_CHECK enum status reseal_batch(struct custodian *c, struct arena *arena,
                                    const Ecka__Custody__V1__Reseal *in,
                                    Ecka__Custody__V1__ResealAnswer *out);
MUST_CHECK enum status rewrap_batch(struct custodian *c, struct arena *arena, uint64_t now,
                                    const Ecka__Custody__V1__Rewrap *in,
                                    Ecka__Custody__V1__RewrapAnswer *out);

/* -- leaves.c: what operations tell the audit log. Public data. -- */

/* A token key was used for an item that ended with this status; sha256: of what it signed. */
void leaf_of_use(struct custodian *c, enum audit_op op, const char *principal, const uint8_t *eid,
                 int kvn, const struct token_key *key, const uint8_t sha256[static SHA256_LEN],
                 enum status st);
/* A blob of this KVN is about to be released, sealed under the newest key-set generation. INTERNAL.
 */
MUST_CHECK enum status leaf_of_blob(struct custodian *c, enum audit_op op, const char *principal,
                                    const uint8_t *eid, uint8_t kvn, struct span blob);
/* Items of a batch that were refused. answer NULL: all of them were, with this status. */
void leaves_of_refusals(struct custodian *c, const custody_batch *batch,
                        const custody_answer *answer, enum status st);
/* Whether operations of this kind begin something, and so wait while the log's disk is full. */
bool batch_begins(const custody_batch *batch);

MUST_CHECK enum status note_batch(struct custodian *c, const Ecka__Custody__V1__Note *in);

/* A field of an answer: a copy in the arena. NO_SPACE. */
MUST_CHECK enum status answer_bytes(struct arena *arena, ProtobufCBinaryData *field,
                                    struct span bytes);

static inline struct span span_of_field(const ProtobufCBinaryData *field)
{
    return span_of(field->data, field->len);
}

#endif
