/*
 * GlobalPlatform certificates, tag 7F21 (Amendment E; SGP.02 4.1.3): CERT.ECASD.ECKA,
 * CERT.SR.ECDSA.
 *
 * The parser keeps views into the received bytes: what is hashed is what came, never a re-encoding.
 * It checks form, not trust: signatures, issuers and dates are the caller's.
 */
#ifndef PROTO_GP_CERT_H
#define PROTO_GP_CERT_H

#include "proto/bytes.h"

enum {
    GP_EID_LEN = 16,       /* 32 BCD digits */
    GP_POINT_LEN = 65,     /* 04 || x || y, 256-bit curves */
    GP_SIGNATURE_LEN = 64, /* r || s */
    GP_RAW_SCALAR_LEN = 32,
    GP_CERT_MAX = 512, /* a whole 7F21; the largest field values together stay below */

    GP_KEY_USAGE_AGREEMENT = 0x0080, /* tag 95 of CERT.ECASD.ECKA, two bytes */
    GP_KEY_USAGE_SIGN = 0x88,        /* tag 95 of CERT.SR and CERT.DP as recorded; 82 is seen too */
    GP_KEY_USAGE_SIGN_ALT = 0x82,
};

/* The curve reference F0 (SGP.02). proto/curve.h maps it to the curve's number here and on the
 * wire. */
enum gp_curve_ref {
    GP_CURVE_P256 = 0x00,
    GP_CURVE_BRAINPOOLP256R1 = 0x03,
    GP_CURVE_FRP256V1 = 0x40,
};

enum gp_cert_role { /* tag C8 inside 73 */
                    GP_ROLE_NONE = 0,
                    GP_ROLE_SM_DP = 1,
                    GP_ROLE_SM_SR = 2,
};

struct gp_date { /* BCD YYYYMMDD as received, read into numbers that compare: 20301231 */
    uint32_t yyyymmdd;
};

struct gp_cert {
    struct span raw;       /* the whole 7F21 TLV */
    struct span tbs;       /* what is signed: the TLVs before 5F37, without the 7F21 header */
    struct span serial;    /* 93, 1..16 */
    struct span ca_id;     /* 42, 1..16 */
    struct span subject;   /* 5F20, 1..16 */
    uint16_t key_usage;    /* 95, one byte as is, two bytes big-endian */
    uint8_t key_usage_len; /* 1 or 2 */
    bool has_effective;    /* 5F25 present */
    struct gp_date effective;
    struct gp_date expiry;        /* 5F24 */
    uint8_t role;                 /* enum gp_cert_role, from C8 inside 73 or 53 */
    bool has_discretionary;       /* 73 or 53 present */
    struct span authority_key_id; /* C9 inside 73 or 53; empty when absent */
    uint8_t curve_ref;            /* F0: any value; the caller knows which it supports */
    struct span point;            /* B0: 04 || x || y, GP_POINT_LEN */
    struct span signature;        /* 5F37: r || s */
};

/*
 * Parses one 7F21 that fills the span.
 * CERT_MALFORMED, CERT_UNKNOWN_TLV, CERT_REPEATED_TLV. Inside 73 unknown tags are tolerated and
 * repeated ones refused.
 */
MUST_CHECK enum status gp_cert_parse(struct span in, struct gp_cert *out);

struct gp_cert_fields { /* what gp_cert_put_tbs writes, in the order of SGP02 section 4 */
    struct span serial, ca_id, subject;
    uint16_t key_usage;
    uint8_t key_usage_len;
    uint32_t effective; /* yyyymmdd; 0: tag 5F25 is left out */
    uint32_t expiry;
    uint8_t role;                 /* GP_ROLE_NONE: C8 is left out */
    struct span authority_key_id; /* empty: C9 is left out; 73 is left out when both are */
    uint8_t curve_ref;
    struct span point;
};

/* The signed part of a certificate. */
void gp_cert_put_tbs(struct writer *w, const struct gp_cert_fields *fields);

/* The whole certificate from its signed part and a signature. */
void gp_cert_put(struct writer *w, struct span tbs, struct span signature);

/* Whether the bytes are an EID: 16 bytes, each nibble a decimal digit. */
bool gp_eid_valid(struct span eid);

#endif
