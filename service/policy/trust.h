/*
 * Whom eckad believes: pinned CIs, the EUMs under them, and the chain CI -> EUM -> CERT.ECASD.ECKA
 * (SGP.02 2.3.2, 3.8 step 6).
 *
 * The store is a directory whose files are pinned by SHA-256 in the policy: a new file alone
 * trusts nothing. Everything about a CI or an EUM but its dates is decided at load; dates are
 * compared with the clock that the caller passes, at each use. After trust_load() the store is
 * read-only and any thread may use it. Signatures of CERT.ECASD.ECKA are not verified here: they go
 * to the providers in batches.
 */
#ifndef SERVICE_TRUST_H
#define SERVICE_TRUST_H

#include "proto/bytes.h"
#include "proto/curve.h"
#include "proto/gp/cert.h"
#include "service/config.h"

/* Whether 5F20 of CERT.ECASD.ECKA is the EID, 16 bytes BCD (U: no source confirms the coding). */
#define TRUST_SUBJECT_IS_EID 1

enum {
    TRUST_ID_LEN = 32,      /* SHA-256 of the certificate */
    TRUST_CERTS_MAX = 256,  /* of each kind */
    TRUST_CA_ID_MAX = 16,   /* bytes of tag 42 */
    TRUST_PREFIXES_MAX = 8, /* permitted EID prefixes an EUM */
    TRUST_EID_DIGITS = 2 * GP_EID_LEN,
    TRUST_SKI_MAX = 32, /* bytes of a SubjectKeyIdentifier; 20 in practice */
};

struct trust_ci_pin {
    char *file; /* in trust_pins.directory */
    char *sha256_hex;
    uint8_t sha256[TRUST_ID_LEN];
};

struct trust_eum_pin {
    char *file;
    char *sha256_hex;
    char *ca_id_hex;
    uint8_t sha256[TRUST_ID_LEN];
    uint8_t ca_id[TRUST_CA_ID_MAX];
    size_t ca_id_len;
};

/* The part of the policy that says which certificates count. */
struct trust_pins {
    char *directory; /* absolute */
    struct trust_ci_pin *ci;
    unsigned ci_count;
    struct trust_eum_pin *eum;
    unsigned eum_count;
};

struct trust_validity { /* seconds since 1970 UTC, both ends included */
    int64_t not_before, not_after;
};

struct trust_eum {
    uint8_t id[TRUST_ID_LEN];
    uint8_t der[WIRE_EUM_MAX]; /* the pinned file */
    size_t der_len;
    enum status status; /* the first check at load that failed; the rest is zero then */
    uint8_t ca_id[TRUST_CA_ID_MAX];
    size_t ca_id_len;
    uint8_t ski[TRUST_SKI_MAX];
    size_t ski_len;
    size_t prefix_count;
    char prefixes[TRUST_PREFIXES_MAX][TRUST_EID_DIGITS + 1]; /* decimal digits */
    enum curve curve;
    uint8_t point[GP_POINT_LEN];
    struct trust_validity validity; /* the part its CI's dates leave */
};

/* A CI's public key. */
struct trust_key {
    enum curve curve;
    uint8_t point[GP_POINT_LEN];
};

enum { TRUST_SLOTS = 1024 }; /* at least four a pinned EUM, so that a look-up is one step */

struct trust {
    struct trust_eum *eums;
    size_t eum_count;
    uint16_t by_id[TRUST_SLOTS]; /* 1 + an index into eums, 0 where empty; as the next */
    uint16_t by_der[TRUST_SLOTS];
    struct trust_key *cis;
    size_t ci_count;
};

/*
 * Reads and judges every pinned file. BAD_REQUEST with a sentence when a file cannot be read, is
 * not the pinned one, or a CI is unusable; an EUM that fails a check is kept with that status.
 */
MUST_CHECK enum status trust_load(const struct trust_pins *pins, struct trust **out,
                                  char error[static CONFIG_ERROR_MAX]);
void trust_free(struct trust **trust);

/* SHA-256 over the hashes of the pinned files, CIs first, each kind in the policy's order.
 * INTERNAL.
 */
MUST_CHECK enum status trust_pins_digest(const struct trust_pins *pins,
                                         uint8_t out[static TRUST_ID_LEN]);

/* From now on the EUM with this SHA-256, where it is pinned, is EUM_BLOCKED. Before other threads
 * use the store. */
void trust_block(struct trust *trust, const uint8_t id[static TRUST_ID_LEN]);

/*
 * Pins the keys of the CIs and of the EUMs that passed their checks with the providers, so that
 * their tables stand before the first request and stay. A key that gets none is named in the log.
 */
void trust_pin_keys(const struct trust *trust);

/* The EUM with this SHA-256; NULL when it is not pinned. */
const struct trust_eum *trust_find(const struct trust *trust,
                                   const uint8_t id[static TRUST_ID_LEN]);

/* The same by the certificate itself: the pinned file is compared, nothing is hashed or parsed. */
const struct trust_eum *trust_find_der(const struct trust *trust, struct span der);

/* By either, as a request names it: a SHA-256 or the certificate. */
const struct trust_eum *trust_find_any(const struct trust *trust, struct span eum);

/* Makes the look-ups; trust_load() does it. */
void trust_index(struct trust *trust);

/* What a chain that holds yields, and what is left to verify. */
struct trust_chain {
    const struct trust_eum *eum;
    struct gp_cert cert; /* views into the caller's bytes */
    enum curve curve;    /* of PK.ECASD.ECKA */
};

/*
 * Every check but the signature and the point: EID, EUM, form, usage, curve, issuer, subject,
 * prefix, dates. now_s is the calendar; eum may be NULL (EUM_UNKNOWN). out is zero on failure.
 */
MUST_CHECK enum status trust_check_ecasd(const struct trust_eum *eum, struct span eid,
                                         struct span ecasd_cert, int64_t now_s,
                                         struct trust_chain *out);

#endif
