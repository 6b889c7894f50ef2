/*
 * Ceremonies: the one place where keys of this service come into being, change hands and end. Each
 * is one run of eckad-custodian at the token, under the start lock, with a person behind it.
 */
#ifndef HSM_CEREMONY_H
#define HSM_CEREMONY_H

#include "hsm/config.h"
#include "hsm/token/keys.h"

enum ceremony_verb {
    CEREMONY_INIT,
    CEREMONY_LIST,
    CEREMONY_ROTATE,
    CEREMONY_RETIRE,
    CEREMONY_IMPORT_KEK,
    CEREMONY_CSR,
    CEREMONY_INSTALL_CERT,
    CEREMONY_BACKUP_CHECK,
    CEREMONY_SECOND_OPERATOR,
    CEREMONY_GRANT,
    CEREMONY_REPORT,
    CEREMONY_VERB_COUNT,
};

enum { SIGN_KEYS_MAX = 16 };

/* What is asked for; views into argv. */
struct ceremony {
    enum ceremony_verb verb;
    /* any */
    bool dry_run;
    const char *transcript, *second_operator;
    /* init */
    bool init_token, missing_only;
    const char *so_pin_file; /* with init_token */
    size_t curve_count;      /* of the SR keys; 0: every curve a token supports */
    enum curve curves[CURVE_COUNT];
    size_t sign_key_count; /* generic-sign keys on P-256, by name */
    const char *sign_keys[SIGN_KEYS_MAX];
    /* list, report */
    bool json;
    /* rotate, retire, csr; list: whose public halves, 0: the page */
    enum key_purpose purpose;
    uint32_t generation;
    const char *name; /* of a generic-sign key or KEK */
    bool resealed;
    uint64_t quiet_s;
    const char *common_name;
    /* import-kek */
    bool begin;
    const char *file; /* also install-cert's, and backup-check's folder or URI */
    const char *pin_file;
    /* second-operator */
    bool remove;
    /* grant; the KEK is the name */
    const char *principal;
    uint64_t quota; /* 0: none given */
    bool revoke;
};

/* Fills *c from what follows --ceremony: the verb, as "keys-init", and its arguments. False:
 * misuse, said on stderr. */
bool ceremony_parse(struct ceremony *c, int argc, char **argv);
const char *ceremony_name(enum ceremony_verb verb);

/*
 * Holds the ceremony. DENIED: refused, or the PIN is wrong (then *pin_refused); a sentence on
 * stderr says why and what to do next. Other failures as they come. What was asked for is on
 * stdout.
 */
MUST_CHECK enum status ceremony_run(const struct config *config, const struct ceremony *c,
                                    bool *pin_refused);

#endif
