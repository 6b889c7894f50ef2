/*
 * Blobs: how a ticket or key set leaves the custodian, sealed, and comes back.
 *
 * magic "ECKB"(4) version(1) type(1) generation(4) principal(1 + n) EID(16) KVN(1) custody(4)
 * salt(24) | AES-256-GCM ciphertext | tag(16). What stands before the bar is the associated data.
 * Key || nonce = HKDF-SHA-256(generation key, salt, "eckad blob 1").
 *
 * The salt is synthetic: the first 24 bytes of HMAC-SHA-256(salt key, header without salt ||
 * plaintext). The same contents so give the same blob, byte for byte, and no failure of a random
 * generator can repeat a nonce under different contents.
 */
#ifndef HSM_BLOB_H
#define HSM_BLOB_H

#include "hsm/sealed/generation.h"
#include "proto/gp/cert.h"
#include "proto/gp/key_establishment.h"
#include "proto/wire/limits.h"

enum blob_type {
    BLOB_TICKET = 1,
    BLOB_SCP80 = 2,
    BLOB_SCP03 = 3,
    BLOB_SESSION = 4,
    BLOB_OPAQUE = 5,
    BLOB_SCP81 = 6,
    BLOB_TYPE_COUNT = 7, /* one past the last */
};

/* A set of types, for blob_open_any(). */
enum blob_types {
    BLOB_KEY_SETS = 1 << BLOB_SCP80 | 1 << BLOB_SCP03 | 1 << BLOB_SCP81,
};

enum {
    BLOB_VERSION = 1,
    BLOB_SALT_LEN = 24,
    BLOB_FIXED_LEN = 4 + 1 + 1 + 4 + 1 + GP_EID_LEN + 1 + CUSTODY_BYTES + BLOB_SALT_LEN,
    BLOB_HEADER_MAX = BLOB_FIXED_LEN + WIRE_PRINCIPAL_MAX,
    BLOB_OVERHEAD_MAX = BLOB_HEADER_MAX + SYM_GCM_TAG_LEN,

    /* hsm/sealed/ticket.h writes these fields in this order. */
    TICKET_PLAIN_MAX = 1 + 1 + SHA256_LEN + SHA256_LEN + EC_POINT_LEN + 8 + 8 + (1 + RC_LEN_LONG) +
                       (1 + CRT_MAX) + (1 + CRT_ID_MAX) + (1 + KEY_DATA_LEN),
    /* hsm/sealed/keyset.h: version, the CRT's counter, ENC, MAC, DEK. */
    KEY_SET_PLAIN_LEN = 1 + 8 + 3 * SYM_AES128_KEY_LEN,
    PSK_PLAIN_LEN = 1 + SYM_AES128_KEY_LEN,
    /* hsm/sealed/session.h: version, level, commands, chaining value, S-ENC, S-MAC, S-RMAC. */
    SESSION_PLAIN_LEN = 1 + 1 + 4 + SYM_CMAC_LEN + 3 * SYM_AES128_KEY_LEN,
    BLOB_PLAIN_MAX = TICKET_PLAIN_MAX,
};

_Static_assert(BLOB_OVERHEAD_MAX + TICKET_PLAIN_MAX <= WIRE_TICKET_MAX, "a ticket fits the wire");
_Static_assert(BLOB_OVERHEAD_MAX + KEY_SET_PLAIN_LEN <= WIRE_KEY_SET_MAX,
               "a key set fits the wire");
_Static_assert(BLOB_OVERHEAD_MAX + SESSION_PLAIN_LEN <= WIRE_SESSION_MAX, "a session, too");
_Static_assert(KEY_SET_PLAIN_LEN <= BLOB_PLAIN_MAX && SESSION_PLAIN_LEN <= BLOB_PLAIN_MAX,
               "one scratch serves all");

struct blob_header {
    enum blob_type type;
    const char *principal;
    const uint8_t *eid; /* GP_EID_LEN */
    uint8_t kvn;
    uint8_t custody[CUSTODY_BYTES];
};

struct blob_scratch {              /* in secret_alloc'd memory; one a thread */
    uint8_t plain[BLOB_PLAIN_MAX]; /* contents going in or coming out */
    uint8_t mac_input[BLOB_HEADER_MAX + BLOB_PLAIN_MAX];
    uint8_t mac[32];
    uint8_t key_nonce[SYM_AES256_KEY_LEN + SYM_GCM_NONCE_LEN];
};

/* Seals plain_len bytes of scratch->plain under the newest generation. The scratch is wiped.
 * NO_SPACE, BLOB_GENERATION, INTERNAL. */
MUST_CHECK enum status blob_seal(const struct generations *g, struct sym *sym,
                                 struct blob_scratch *scratch, const struct blob_header *header,
                                 size_t plain_len, struct writer *out);

struct blob_opened { /* what the header of an opened blob says */
    enum blob_type type;
    uint8_t kvn;
    uint8_t custody[CUSTODY_BYTES];
    size_t plain_len; /* bytes in scratch->plain */
};

/*
 * Authenticates first, then compares: a header that was altered is BLOB_FORGED, an authentic blob
 * that belongs elsewhere is BLOB_TYPE, BLOB_PRINCIPAL or BLOB_EID. On OK the contents are in
 * scratch->plain, to be wiped by blob_scratch_wipe; else the scratch is wiped. The KVN and custody
 * of the header are handed out for the operation to check. types: 1 << each type that will do.
 * BLOB_MALFORMED, BLOB_GENERATION, BLOB_FORGED and the three above.
 */
MUST_CHECK enum status blob_open_any(const struct generations *g, struct sym *sym,
                                     struct blob_scratch *scratch, unsigned types,
                                     const char *principal, const uint8_t eid[static GP_EID_LEN],
                                     struct span blob, struct blob_opened *out);
/* The same for one type. */
MUST_CHECK enum status blob_open(const struct generations *g, struct sym *sym,
                                 struct blob_scratch *scratch, enum blob_type type,
                                 const char *principal, const uint8_t eid[static GP_EID_LEN],
                                 struct span blob, uint8_t *kvn, size_t *plain_len);

void blob_scratch_wipe(struct blob_scratch *scratch);

#endif
