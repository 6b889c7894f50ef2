/*
 * What the ceremonies share: the open token, its keys, the transcript, the audit log.
 *
 * A dry run goes every step up to the one that would change something, says what it would do and
 * leaves it. stage_event() and the printing functions are how a ceremony tells; each verb is one
 * function.
 */
#ifndef HSM_STAGE_H
#define HSM_STAGE_H

#include <stdio.h>

#include "hsm/audit/audit.h"
#include "hsm/ceremony/ceremony.h"
#include "hsm/ceremony/transcript.h"
#include "hsm/token/record.h"

enum {
    STAGE_STEPS_MAX = 32, /* before the first checkpoint key is there */
};

struct stage_step { /* a step that waits to become a leaf */
    char text[AUDIT_DETAIL_MAX + 1], key[KEY_LABEL_MAX];
    uint8_t sha256[AUDIT_HASH_LEN];
};

struct stage {
    const struct config *config;
    const struct ceremony *asked;
    struct token token;
    struct pin *pin; /* locked */
    CK_TOKEN_INFO info;
    struct key_list keys;
    struct transcript transcript;
    struct audit *audit; /* NULL: no step has needed it, or no checkpoint key is there */
    bool no_log;         /* it could not be opened */
    size_t steps;
    struct stage_step step[STAGE_STEPS_MAX];
    uint64_t now; /* seconds since 1970 UTC, when the ceremony began */
};

/* -- ceremony.c -- */

/* "would ..." on stdout in a dry run, and whether it is one. */
bool stage_only_says(const struct stage *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* DENIED unless the second operator agreed, should the token ask for one. */
MUST_CHECK enum status stage_second(struct stage *s);
/* "key PURPOSE GENERATION CURVE LABEL POINT" on stdout. */
void stage_print_key(const struct token_key *key);
/* The same with identity and attributes in the transcript. INTERNAL. */
MUST_CHECK enum status stage_record_key(struct stage *s, const char *what,
                                        const struct token_key *key);
/* The key's CKA_LABEL without its time: its name, or "eckad ticket 3". */
void stage_key_label(char out[static KEY_LABEL_MAX], const struct token_key *key);
/* Creates a key of the next generation, records and prints it; only says so in a dry run. */
MUST_CHECK enum status stage_create(struct stage *s, struct key_order order);

/* -- ceremony_leaves.c -- */

/* A line of the transcript and a leaf of the audit log. What is not OK: it cannot be written, and
 * the ceremony has to end. */
MUST_CHECK enum status stage_event(struct stage *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The same of a key. */
MUST_CHECK enum status stage_key_event(struct stage *s, const struct token_key *key,
                                       const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Has the token remember the log's end, and closes it. */
void stage_leaves_end(struct stage *s);

/* -- the verbs -- */

MUST_CHECK enum status ceremony_init(struct stage *s);            /* ceremony_keys.c */
MUST_CHECK enum status ceremony_rotate(struct stage *s);          /* ceremony_keys.c */
MUST_CHECK enum status ceremony_retire(struct stage *s);          /* ceremony_retire.c */
MUST_CHECK enum status ceremony_list(struct stage *s);            /* ceremony_list.c */
MUST_CHECK enum status ceremony_import_kek(struct stage *s);      /* ceremony_kek.c */
MUST_CHECK enum status ceremony_csr(struct stage *s);             /* ceremony_csr.c */
MUST_CHECK enum status ceremony_install_cert(struct stage *s);    /* ceremony_cert.c */
MUST_CHECK enum status ceremony_backup_check(struct stage *s);    /* ceremony_backup.c */
MUST_CHECK enum status ceremony_second_operator(struct stage *s); /* ceremony_keys.c */
MUST_CHECK enum status ceremony_grant(struct stage *s);           /* ceremony_grant.c */
MUST_CHECK enum status ceremony_report(struct stage *s);          /* report.c */

/* Looks around before it logs in; in the place of what other ceremonies do. */
MUST_CHECK enum status report_log_in(struct stage *s); /* report.c */

/* -- ceremony_csr.c -- */

/*
 * Builds a PKCS#10 request of an sr-establish key, signs it in the token and verifies it. The
 * digest that is signed is of bytes built here. The PEM goes to out unless that is NULL.
 */
MUST_CHECK enum status csr_make(struct token *t, const struct token_key *key,
                                const char *common_name, FILE *out);

#endif
