/*
 * The custody report: what a token refused when it was tried, key by key, signed by the checkpoint
 * key. One JSON value is the report; the page for people is made of it.
 *
 * The parts run in one ceremony, one after the other. Nothing of a secret is in a report.
 */
#ifndef HSM_REPORT_H
#define HSM_REPORT_H

#include <jansson.h>

#include "hsm/ceremony/stage.h"
#include "hsm/report/probe.h"

#define REPORT_SCHEMA "eckad-custody-report/1"

enum {
    REPORT_OBJECTS_MAX = 1024,
    REPORT_ID_MAX = 32,
    REPORT_LABEL_MAX = 96,
    REPORT_TEXT_MAX = 1024,
};

/* An object of the token as it says, whatever it is. */
struct report_object {
    CK_OBJECT_HANDLE handle;
    CK_OBJECT_CLASS class;
    CK_KEY_TYPE type;
    bool open;  /* seen without a login */
    bool leaks; /* its secret, too */
    size_t id_len, label_len, application_len;
    uint8_t id[REPORT_ID_MAX], label[REPORT_LABEL_MAX], application[REPORT_LABEL_MAX];
};

struct report_objects {
    size_t n;
    struct report_object list[REPORT_OBJECTS_MAX];
};

/* -- report_objects.c -- */

/* Everything that this token's session sees. TOKEN_ERROR; NO_SPACE: too many, said in the log. */
MUST_CHECK enum status report_objects_read(struct token *t, struct report_objects *out);
/* Marks in the second list what is in the first one, seen without a login, as well. */
void report_objects_mark_open(const struct report_objects *open, struct report_objects *all);
bool report_object_is_key(const struct report_object *o);
/* A private or secret object of this list that carries the same CKA_ID. */
bool report_object_has_twin(const struct report_objects *all, const struct report_object *o);
/* What a token holds as text, for people: printable ASCII, everything else as '?'. */
void report_text(char out[static REPORT_TEXT_MAX], const uint8_t *in, size_t len);

/* -- report_key.c -- */

/* Tries everything on a key and tells it. key: its identity, purpose 0 when it is none of this
 * service. TOKEN_ERROR: the token is lost. INTERNAL. */
MUST_CHECK enum status report_key(struct stage *s, const struct report_objects *all,
                                  const struct report_object *o, struct probe *p, json_t **out);
/* Adds to the findings; one of this code that is there takes "what" in, unless that is NULL. */
void report_finding(json_t *findings, const char *code, const char *text, const char *what,
                    const char *answer);
/* "CKR_OK", or a number where the standard has no name. */
const char *report_answer(CK_RV rv);

/* -- report_token.c -- */

/* The token itself, its library, how custody and audit are configured. INTERNAL. */
MUST_CHECK enum status report_token(struct stage *s, json_t *report);
/* Data, certificates and public keys: which of them should be private. */
json_t *report_others(const struct report_objects *all);

/* -- report_page.c -- */

/* The page, without its signature; freed by the caller. NULL: memory is out. */
char *report_page(const json_t *report);

/* -- report_sign.c -- */

struct report_signature {
    char pem[512];    /* the public key */
    char base64[128]; /* DER */
    char point_sha256[2 * SHA256_LEN + 1];
};

/* Signs the text; verified with the key's point before it is given out. TOKEN_ERROR, INTERNAL. */
MUST_CHECK enum status report_sign(struct token *t, const struct token_key *key, struct span text,
                                   struct report_signature *out, uint8_t digest[static SHA256_LEN]);

#endif
