#include "hsm/token/record.h"

#include <string.h>

#include "hsm/log.h"
#include "hsm/token/keys.h"

static CK_OBJECT_CLASS data_class = CKO_DATA;
static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

static enum status read_record(struct token *t, CK_OBJECT_HANDLE handle, struct record *out)
{
    *out = (struct record){.handle = handle};
    CK_ATTRIBUTE read[] = {{CKA_LABEL, out->label, sizeof out->label - 1},
                           {CKA_VALUE, out->value, RECORD_VALUE_MAX}};
    TRY(token_rv(t, "C_GetAttributeValue (record)",
                 t->p11->C_GetAttributeValue(t->session, handle, read, 2)));
    out->label[read[0].ulValueLen] = '\0';
    out->len = read[1].ulValueLen;
    out->value[out->len] = '\0';
    return STATUS_OK;
}

static enum status find(struct token *t, const char *application, const char *label,
                        CK_OBJECT_HANDLE *handles, size_t max, size_t *n)
{
    CK_ATTRIBUTE search[] = {
        {CKA_CLASS, &data_class, sizeof data_class},
        {CKA_TOKEN, &yes, sizeof yes},
        {CKA_PRIVATE, &yes, sizeof yes}, /* one that is not, anybody can write without the PIN */
        {CKA_APPLICATION, (void *)application, strlen(application)},
        {CKA_LABEL, (void *)label, label == NULL ? 0 : strlen(label)},
    };
    return token_objects(t, search, label == NULL ? 4 : 5, handles, max, n);
}

enum status record_find(struct token *t, const char *application, const char *label,
                        struct record *out, bool *found)
{
    CK_OBJECT_HANDLE handles[2];
    size_t n;

    *found = false;
    *out = (struct record){0};
    TRY(find(t, application, label, handles, 2, &n));
    if (n > 1) {
        log_line("the token holds two records \"%s\"", label);
        return STATUS_TOKEN_ERROR;
    }
    if (n == 0) {
        return STATUS_OK;
    }
    TRY(read_record(t, handles[0], out));
    *found = true;
    return STATUS_OK;
}

enum status record_each(struct token *t, const char *application,
                        enum status (*take)(void *arg, const struct record *record), void *arg)
{
    CK_OBJECT_HANDLE handles[RECORDS_MAX];
    size_t n;

    TRY(find(t, application, NULL, handles, RECORDS_MAX, &n));
    for (size_t i = 0; i < n; i++) {
        struct record record;
        TRY(read_record(t, handles[i], &record));
        TRY(take(arg, &record));
    }
    return STATUS_OK;
}

enum status record_create(struct token *t, const char *application, const char *label,
                          const char *value)
{
    CK_OBJECT_HANDLE handle;
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &data_class, sizeof data_class},
        {CKA_TOKEN, &yes, sizeof yes},
        {CKA_PRIVATE, &yes, sizeof yes},
        {CKA_APPLICATION, (void *)application, strlen(application)},
        {CKA_LABEL, (void *)label, strlen(label)},
        {CKA_VALUE, (void *)value, strlen(value)},
        {CKA_MODIFIABLE, &no, sizeof no},
    };
    if (strlen(label) >= RECORD_LABEL_MAX || strlen(value) > RECORD_VALUE_MAX) {
        return STATUS_NO_SPACE;
    }
    return token_rv(t, "C_CreateObject (record)",
                    t->p11->C_CreateObject(t->session, template,
                                           sizeof template / sizeof template[0], &handle));
}

enum status record_destroy(struct token *t, const struct record *record)
{
    return token_rv(t, "C_DestroyObject (record)",
                    t->p11->C_DestroyObject(t->session, record->handle));
}
