/*
 * The eUICC Information Set (SGP.02 5.1.1; the parts that SM-SR Change reads), as one SM-SR hands
 * it to the next. It has no field for a key value: version numbers and counters only.
 */
#ifndef SMSR_EIS_H
#define SMSR_EIS_H

#include "proto/gp/cert.h"
#include "proto/gp/crt.h"
#include "providers/provider.h"

enum { EIS_NAME_MAX = 32, EIS_PROFILES_MAX = 2, EIS_KEY_SETS_MAX = 4, EIS_AID_LEN = 16 };

struct octets { /* up to 32 bytes: an RC, a HostID, a DR */
    size_t len;
    uint8_t b[CRT_ID_MAX];
};

static inline struct span octets_span(const struct octets *o)
{
    return span_of(o->b, o->len);
}

/* Copies at most CRT_ID_MAX bytes; BAD_LENGTH beyond. */
MUST_CHECK enum status octets_set(struct octets *out, struct span in);

struct eis_profile {
    char iccid[21];
    uint8_t isdp_aid[EIS_AID_LEN];
    char mno_id[EIS_NAME_MAX];
    bool enabled, fallback;
};

struct eis_key_set {
    uint8_t kvn;
    uint64_t counter;
};

struct eis_signed { /* EumSignedInfo: what the EUM vouches for */
    uint8_t eid[GP_EID_LEN];
    uint8_t eum_id[SHA256_LEN]; /* EumCertificateId: SHA-256 of the certificate */
    char platform[EIS_NAME_MAX];
    uint32_t production_date; /* yyyymmdd */
    uint8_t isdr_aid[EIS_AID_LEN];
    size_t ecasd_cert_len; /* keySet type CA, certificate 0 */
    uint8_t ecasd_cert[GP_CERT_MAX];
};

struct eis {
    struct eis_signed signed_info;
    uint8_t eum_signature[EC_SIGNATURE_LEN];
    char smsr_id[EIS_NAME_MAX];
    uint8_t isdr_tar[3];
    struct octets sin, sdin; /* of the ISD-R */
    size_t key_set_count;
    struct eis_key_set key_sets[EIS_KEY_SETS_MAX];
    size_t profile_count;
    struct eis_profile profiles[EIS_PROFILES_MAX];
};

enum { EIS_SIGNED_MAX = GP_CERT_MAX + 160 };

/*
 * The bytes that the EUM signs with ECDSA and SHA-256. U: SGP.02 signs XML in canonical form; this
 * is a TLV form of its own, because no XML travels here.
 */
void eis_signed_put(struct writer *w, const struct eis_signed *info);

/* 32 decimal digits and a NUL. */
enum { EID_TEXT_LEN = 2 * GP_EID_LEN };
void eid_text(const uint8_t eid[static GP_EID_LEN], char out[static EID_TEXT_LEN + 1]);

#endif
