/*
 * The control reference template A6 of scenario #3 (GlobalPlatform Amendment E; SGP.02 4.1.1.8,
 * ES5.EstablishISDRKeySet): one canonical builder for both sides, and a parser for what is
 * received.
 */
#ifndef PROTO_GP_CRT_H
#define PROTO_GP_CRT_H

#include "proto/bytes.h"

enum {
    CRT_SCENARIO_3 = 0x03, /* first byte of tag 90 */

    CRT_DELETE_KEYS = 0x01,  /* b1: delete existing keys; never signed for an ISD-R */
    CRT_WITH_DR = 0x02,      /* b2: the receipt and the key data include DR */
    CRT_WITH_HOST_ID = 0x04, /* b3: HostID, SIN and SDIN enter SharedInfo */
    CRT_CERT_CHECKED = 0x08, /* b4: certificate verification precedes */

    CRT_USAGE_SECURE_CHANNEL = 0x10, /* tag 95: three secure channel keys */
    CRT_USAGE_BASE_KEY = 0x5C,       /* tag 95: one base key; parsed, never built by the service */
    CRT_KEY_TYPE_AES = 0x88,
    CRT_KEY_LENGTH_16 = 0x10,
    CRT_FIRST_KEY_ID = 0x01,
    CRT_KVN_MIN = 0x01, /* SCP80 */
    CRT_KVN_MAX = 0x0F,
    CRT_COUNTER_MAX_LEN = 5,
    CRT_ID_MAX = 32, /* bytes of HostID, SIN or SDIN; no source bounds them, this does (U) */
    CRT_MAX = 128,   /* a whole A6 */
};

/* Length of tag 91 for a counter that is not 0 (U: the standard allows 2, 3, 5 and 8 as well). */
#define CRT_COUNTER_LEN_NONZERO 5

struct crt {
    uint8_t scenario_params; /* second byte of tag 90 */
    uint8_t key_usage;       /* 95 */
    bool has_key_access;     /* 96, optional */
    uint8_t key_access;
    uint8_t key_type;    /* 80 */
    uint8_t key_length;  /* 81 */
    uint8_t key_id;      /* 82 */
    uint8_t kvn;         /* 83 */
    uint8_t counter_len; /* 91: 0, 2, 3, 5 or 8 */
    uint64_t counter;
    struct span sdin;    /* 45, only with b3 */
    struct span host_id; /* 84, only with b3 */
};

/* The canonical CRT of SM-SR Change: 95, 80, 81, 82 fixed, no 96, 91 empty for counter 0. */
struct crt crt_sm_sr_change(uint8_t scenario_params, uint8_t kvn, uint64_t counter,
                            struct span host_id, struct span sdin);

/* Writes tag A6. */
void crt_put(struct writer *w, const struct crt *crt);

/* Parses one A6 that fills the span; tags in order, none unknown or repeated. CRT_MALFORMED. */
MUST_CHECK enum status crt_parse(struct span in, struct crt *out);

/*
 * Whether these are fields that SK.SR.ECDSA may sign for an ISD-R: scenario 08, 0A, 0C or 0E, usage
 * 10, AES-128, KVN 01..0F, a counter of at most 5 bytes, HostID and SDIN exactly with b3.
 * BAD_SCENARIO, BAD_KEY_USAGE, BAD_KVN, BAD_COUNTER, BAD_HOST_ID, CRT_MALFORMED.
 */
MUST_CHECK enum status crt_check_isdr(const struct crt *crt);

#endif
