/*
 * The eUICC Information Set (SGP.02 5.1.1): what an SM-SR knows of an eUICC, and what it hands over
 * to the next one. There is no field for a key value: numbers, counters and check values only.
 */
#ifndef SMSR_EIS_H
#define SMSR_EIS_H

#include "proto/gp/cert.h"
#include "proto/gp/crt.h"
#include "providers/provider.h"

enum {
    EIS_NAME_MAX = 48,
    EIS_TEXT_MAX = 96,
    EIS_ICCID_MAX = 21,
    EIS_NUMBER_MAX = 17, /* an MSISDN or IMSI and its NUL */
    EIS_PROFILES_MAX = 6,
    EIS_RULES_MAX = 3,
    EIS_KEY_SETS_MAX = 6,
    EIS_KEYS_MAX = 3,
    EIS_AUDIT_MAX = 6,      /* the latest entries */
    EIS_PROPERTIES_MAX = 4, /* of the SM-SR's own */
    EIS_AID_LEN = 16,
    EIS_KCV_LEN = 3,
};

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

enum eis_profile_state {
    EIS_PROFILE_CREATED,
    EIS_PROFILE_DISABLED,
    EIS_PROFILE_ENABLED,
    EIS_PROFILE_STATES,
};

enum eis_rule_action { EIS_ENABLE, EIS_DISABLE, EIS_DELETE, EIS_RULE_ACTIONS };
enum eis_rule_effect { EIS_NOT_ALLOWED, EIS_AUTO_DELETE, EIS_RULE_EFFECTS };

struct eis_rule { /* of POL2 */
    uint8_t action, effect;
};

struct eis_connectivity { /* how the profile's operator reaches its server */
    char smsc[EIS_NUMBER_MAX];
    char apn[EIS_NAME_MAX];
};

struct eis_profile {
    char iccid[EIS_ICCID_MAX];
    uint8_t isdp_aid[EIS_AID_LEN];
    char mno_id[EIS_NAME_MAX];
    bool fallback, emergency;
    char msisdn[EIS_NUMBER_MAX], imsi[EIS_NUMBER_MAX]; /* SubscriptionAddress */
    uint8_t state;                                     /* enum eis_profile_state */
    char smdp_id[EIS_NAME_MAX];
    char type[EIS_NAME_MAX];
    uint32_t allocated_memory, free_memory;
    size_t rule_count;
    struct eis_rule rules[EIS_RULES_MAX];
    struct eis_connectivity connectivity;
};

enum eis_set_type { EIS_SET_SCP80, EIS_SET_SCP81, EIS_SET_SCP03, EIS_SET_TYPES };

struct eis_key {
    uint8_t index;
    struct octets kcv; /* of EIS_KCV_LEN, or none */
};

struct eis_key_set {
    uint8_t kvn;
    uint8_t type; /* enum eis_set_type */
    uint64_t counter;
    size_t key_count;
    struct eis_key keys[EIS_KEYS_MAX];
};

struct eis_capabilities {
    bool cat_tp, http;
    char secure_packet[EIS_NUMBER_MAX]; /* versions */
    char remote_provisioning[EIS_NUMBER_MAX];
};

struct eis_signed { /* EumSignedInfo: what the EUM vouches for */
    uint8_t eid[GP_EID_LEN];
    uint8_t eum_id[SHA256_LEN]; /* EumCertificateId: SHA-256 of the certificate */
    uint32_t production_date;   /* yyyymmdd */
    char platform[EIS_NAME_MAX];
    char platform_version[EIS_NUMBER_MAX];
    uint8_t isdp_load_file_aid[EIS_AID_LEN], isdp_module_aid[EIS_AID_LEN];
    size_t ecasd_cert_len; /* the ECASD's keySet of type CA, certificate 0 */
    uint8_t ecasd_cert[GP_CERT_MAX];
    struct eis_capabilities capabilities;
};

struct eis_audit {
    uint64_t time; /* seconds since 1970 UTC */
    char requester[EIS_NAME_MAX];
    char operation[EIS_NAME_MAX];
    char result[EIS_NAME_MAX];
};

struct eis_property {
    char name[EIS_NAME_MAX];
    char value[EIS_TEXT_MAX];
};

struct eis {
    struct eis_signed signed_info;
    uint8_t eum_signature[EC_SIGNATURE_LEN];
    uint32_t remaining_memory, available_memory;
    uint32_t last_audit_date; /* yyyymmdd */
    char smsr_id[EIS_NAME_MAX];
    uint8_t isdr_aid[EIS_AID_LEN];
    uint8_t isdr_tar[3];
    char isdr_role[EIS_NUMBER_MAX];
    struct octets sin, sdin; /* of the ISD-R */
    size_t key_set_count;
    struct eis_key_set key_sets[EIS_KEY_SETS_MAX];
    size_t profile_count;
    struct eis_profile profiles[EIS_PROFILES_MAX];
    size_t audit_count;
    struct eis_audit audit[EIS_AUDIT_MAX];
    size_t property_count;
    struct eis_property properties[EIS_PROPERTIES_MAX];
};

enum { EIS_SIGNED_MAX = GP_CERT_MAX + 240 };

/*
 * The bytes that the EUM signs with ECDSA and SHA-256. U: SGP.02 signs XML in canonical form; this
 * is a TLV form of its own, because no XML travels here.
 */
void eis_signed_put(struct writer *w, const struct eis_signed *info);

/*
 * The view that ES7.HandoverEUICC carries. It goes without what stays with the old SM-SR: the audit
 * trail, additional properties (billing, internal metadata) and the check values of its keys.
 */
void eis_for_handover(struct eis *out, const struct eis *in);

/* Adds a line to the audit trail; the oldest makes room. */
void eis_audit_add(struct eis *eis, uint64_t time, const char *requester, const char *operation,
                   const char *result);

/* 32 decimal digits and a NUL. */
enum { EID_TEXT_LEN = 2 * GP_EID_LEN };
void eid_text(const uint8_t eid[static GP_EID_LEN], char out[static EID_TEXT_LEN + 1]);

#endif
