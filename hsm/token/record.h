/*
 * Records: private data objects in the token that ceremonies write and custodians read.
 *
 * They are as safe as the token's PIN: whoever can log in could write one with another program, so
 * a record makes a deed explicit and survives in backups, and nothing more.
 */
#ifndef HSM_RECORD_H
#define HSM_RECORD_H

#include "hsm/token/token.h"

enum {
    RECORD_LABEL_MAX = 96, /* with its end */
    RECORD_VALUE_MAX = 512,
    RECORDS_MAX = 256, /* of one application */
};

struct record {
    CK_OBJECT_HANDLE handle;
    char label[RECORD_LABEL_MAX];
    size_t len;
    char value[RECORD_VALUE_MAX + 1]; /* text, with an end behind len bytes */
};

/* The record of this application and label; found says whether there is one. TOKEN_ERROR, also when
 * there are several. */
MUST_CHECK enum status record_find(struct token *t, const char *application, const char *label,
                                   struct record *out, bool *found);
/* Hands each record of an application to the callback until that fails. TOKEN_ERROR. */
MUST_CHECK enum status record_each(struct token *t, const char *application,
                                   enum status (*take)(void *arg, const struct record *record),
                                   void *arg);

/* The session must be read-write. A record is never changed: a new one takes its place. */
MUST_CHECK enum status record_create(struct token *t, const char *application, const char *label,
                                     const char *value);
MUST_CHECK enum status record_destroy(struct token *t, const struct record *record);

#endif
