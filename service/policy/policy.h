/*
 * policy.yaml: who may do what, whom eckad believes, and who is shut out.
 *
 * policy_load() either gives a whole policy, every value checked and every pinned certificate
 * loaded, or one sentence that names the field at fault. What it gives is never changed: a reload
 * makes another one. The frontend thread holds the one in force and those that batches under way
 * began with, and frees each with its last hold.
 */
#ifndef SERVICE_POLICY_H
#define SERVICE_POLICY_H

#include "service/client/keyfile.h"
#include "service/config.h"
#include "service/policy/eid_set.h"
#include "service/policy/quota.h"
#include "service/policy/trust.h"

enum {
    POLICY_PRINCIPALS_MAX = 256,
    POLICY_KEYS_MAX = 16,       /* CURVE keys a principal */
    POLICY_LABELS_MAX = 64,     /* key labels a principal, of each kind */
    POLICY_EIDS_MAX = 64,       /* prefixes a principal */
    POLICY_BLOCKED_MAX = 16384, /* of each kind */
    POLICY_FIRST_OP = ECKA__V1__REQUEST__OP_VERIFY,
    POLICY_OPS = ECKA__V1__REQUEST__OP_REWRAP + 1 - POLICY_FIRST_OP,
};

/* Bits of policy_principal.custody. */
enum {
    POLICY_CUSTODY_TOKEN = 1 << ECKA__V1__CUSTODY__CUSTODY_TOKEN,
    POLICY_CUSTODY_MEMORY = 1 << ECKA__V1__CUSTODY__CUSTODY_MEMORY,
};

struct policy_quotas {
    char *text[POLICY_OPS];
};

struct policy_principal {
    char *name;
    char **keys_z85;
    unsigned keys_z85_count;
    char **operations;
    unsigned operations_count;
    char **sign_keys; /* labels that Sign may name */
    unsigned sign_keys_count;
    char **keks; /* labels that Rewrap may name */
    unsigned keks_count;
    char **eids; /* prefixes; none: every EID */
    unsigned eids_count;
    uint32_t custody; /* bits; 0: any */
    struct policy_quotas quotas;
    unsigned share; /* percent of the jobs; 0: not given */
    /* Made from the above. */
    uint32_t granted; /* bit of each operation, see authz.h */
    struct eid_set eid_set;
    struct quota_rate rates[POLICY_OPS];
    uint32_t number; /* in the roster, when it is in force */
};

struct policy_blocked {
    char **eums; /* SHA-256 of the certificate */
    unsigned eums_count;
    char **eids; /* prefixes */
    unsigned eids_count;
    uint8_t (*eum_ids)[TRUST_ID_LEN]; /* made from the above, as eid_set */
    struct eid_set eid_set;
};

/* A CURVE key as text: Z85 is canonical here, so equal keys have equal texts. */
struct policy_key {
    const char *z85;
    struct policy_principal *principal;
};

struct policy {
    struct trust_pins pins;
    struct policy_principal *principals;
    unsigned principals_count;
    struct policy_blocked blocked;
    /* Made from the above. */
    struct trust *trust;
    uint8_t sha256[TRUST_ID_LEN];       /* of its file */
    uint8_t trust_sha256[TRUST_ID_LEN]; /* trust_pins_digest() */
    struct policy_key *keys;            /* sorted by text */
    size_t key_count;
    size_t holds; /* the frontend thread's */
};

/* BAD_REQUEST or INTERNAL with a sentence; *out stays NULL. Any thread. The caller has one hold. */
MUST_CHECK enum status policy_load(const char *path, struct policy **out,
                                   char error[static CONFIG_ERROR_MAX]);

/* Another hold, which is also given back by policy_drop: the last frees it. NULL is fine there. */
struct policy *policy_hold(struct policy *policy);
void policy_drop(struct policy **policy);

/* The principal that has this CURVE key, KEYFILE_Z85_LEN characters; NULL when nobody does. */
struct policy_principal *policy_of_key(const struct policy *policy,
                                       const char key[static KEYFILE_Z85_LEN]);

/* The principal of this name; NULL when there is none. */
struct policy_principal *policy_of_name(const struct policy *policy, const char *name);

#endif
