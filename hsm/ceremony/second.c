#include "hsm/ceremony/second.h"

#include <sodium.h>

#include "hsm/log.h"
#include "hsm/token/record.h"
#include "providers/core/secret.h"

#define SECOND_RECORDS "eckad second-operator"

_Static_assert(crypto_pwhash_STRBYTES <= RECORD_VALUE_MAX, "a record holds the hash");

static enum status find(struct token *t, struct record *out, bool *found)
{
    return record_find(t, SECOND_RECORDS, SECOND_RECORDS, out, found);
}

enum status second_is_set(struct token *t, bool *set)
{
    struct record record;
    return find(t, &record, set);
}

enum status second_check(struct token *t, const char *file)
{
    struct record record;
    struct pin *credential;
    bool found;

    TRY(find(t, &record, &found));
    if (!found && file != NULL) {
        log_line("the token knows no second operator; eckactl keys init --second-operator sets "
                 "one");
        return STATUS_DENIED;
    }
    if (!found) {
        return STATUS_OK;
    }
    if (file == NULL) {
        log_line("this token asks for a second operator; give their credential with "
                 "--second-operator FILE");
        return STATUS_DENIED;
    }
    TRY(pin_read(&credential, file));
    bool right = crypto_pwhash_str_verify(record.value, (const char *)credential->bytes,
                                          credential->len) == 0;
    secret_free(&credential);
    if (!right) {
        log_line("the second operator's credential is wrong");
    }
    return right ? STATUS_OK : STATUS_DENIED;
}

enum status second_set(struct token *t, const char *file, const struct pin *pin)
{
    struct pin *credential;
    char hash[crypto_pwhash_STRBYTES];

    TRY(pin_read(&credential, file));
    bool same =
        credential->len == pin->len && secret_equal(credential->bytes, pin->bytes, pin->len);
    bool hashed = !same && crypto_pwhash_str(hash, (const char *)credential->bytes, credential->len,
                                             crypto_pwhash_OPSLIMIT_MODERATE,
                                             crypto_pwhash_MEMLIMIT_MODERATE) == 0;
    secret_free(&credential);
    if (same) {
        log_line("the second operator's credential is the PIN; it has to be another one");
        return STATUS_DENIED;
    }
    return hashed ? record_create(t, SECOND_RECORDS, SECOND_RECORDS, hash) : STATUS_INTERNAL;
}

enum status second_remove(struct token *t)
{
    struct record record;
    bool found;
    TRY(find(t, &record, &found));
    if (!found) {
        log_line("the token knows no second operator");
        return STATUS_DENIED;
    }
    return record_destroy(t, &record);
}
