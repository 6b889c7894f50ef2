#include "hsm/operation/grants.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hsm/clock_text.h"
#include "hsm/hex.h"
#include "hsm/log.h"
#include "hsm/token/record.h"
#include "proto/custody/custody.h"

/* A grant: label "PRINCIPAL KEK", value "serial=HEX quota=N created=TIME". Its use: label the
 * serial, value the number; while a new one takes an old one's place there are two. */
static const char use_records[] = "eckad grant use";

static bool name_pair(char out[static RECORD_LABEL_MAX], const char *principal, const char *kek)
{
    if (!principal_valid(principal) || !key_name_valid(kek)) {
        return false;
    }
    int n = snprintf(out, RECORD_LABEL_MAX, "%s %s", principal, kek);
    return n > 0 && n < RECORD_LABEL_MAX;
}

static bool is_serial(const char *text)
{
    return strlen(text) == 2 * (size_t)GRANT_SERIAL_LEN &&
           strspn(text, "0123456789abcdef") == 2 * (size_t)GRANT_SERIAL_LEN;
}

static bool parse_grant(const struct record *record, struct grant *out)
{
    char created[CLOCK_TEXT_MAX], label[RECORD_LABEL_MAX];
    *out = (struct grant){0};
    if (sscanf(record->label, "%32s %32s", out->principal, out->kek) != 2 ||
        !name_pair(label, out->principal, out->kek) || strcmp(label, record->label) != 0 ||
        sscanf(record->value, "serial=%32s quota=%" SCNu64 " created=%20s", out->serial,
               &out->quota, created) != 3) {
        return false;
    }
    out->created = clock_of_text(created);
    return is_serial(out->serial) && out->quota >= 1 && out->quota <= GRANT_QUOTA_MAX;
}

struct grant *grants_find(struct grants *g, const char *principal, const char *kek)
{
    for (size_t i = 0; i < g->n; i++) {
        if (strcmp(g->list[i].principal, principal) == 0 && strcmp(g->list[i].kek, kek) == 0) {
            return &g->list[i];
        }
    }
    return NULL;
}

static enum status take_grant(void *arg, const struct record *record)
{
    struct grants *g = arg;
    struct grant grant;

    if (!parse_grant(record, &grant)) {
        log_line("the grant \"%s\" cannot be read and grants nothing", record->label);
        return STATUS_OK;
    }
    struct grant *twin = grants_find(g, grant.principal, grant.kek);
    if (twin != NULL) { /* which of the two was meant nobody can tell */
        log_line("the grant \"%s\" is there twice and grants nothing", record->label);
        twin->quota = 0;
        return STATUS_OK;
    }
    if (g->n == GRANTS_MAX) {
        log_line("the token holds more than %d grants", GRANTS_MAX);
        return STATUS_TOKEN_ERROR;
    }
    g->list[g->n++] = grant;
    return STATUS_OK;
}

static enum status take_use(void *arg, const struct record *record)
{
    struct grants *g = arg;
    uint64_t used;
    for (size_t i = 0; i < g->n; i++) {
        struct grant *grant = &g->list[i];
        if (strcmp(grant->serial, record->label) != 0) {
            continue;
        }
        if (sscanf(record->value, "%" SCNu64, &used) != 1) {
            log_line("the use of grant %s cannot be read; it counts as used up", grant->serial);
            used = GRANT_QUOTA_MAX;
        }
        grant->used = used > grant->used ? used : grant->used;
    }
    return STATUS_OK;
}

static void drop_doubled(struct grants *g)
{
    size_t n = 0;
    for (size_t i = 0; i < g->n; i++) {
        if (g->list[i].quota != 0) {
            g->list[n++] = g->list[i];
        }
    }
    g->n = n;
}

enum status grants_load(struct token *t, struct grants *out)
{
    out->n = 0;
    TRY(record_each(t, GRANT_RECORDS, take_grant, out));
    drop_doubled(out);
    return record_each(t, use_records, take_use, out);
}

enum status grants_create(struct token *t, const char *principal, const char *kek, uint64_t quota,
                          uint64_t now)
{
    char label[RECORD_LABEL_MAX], value[RECORD_VALUE_MAX], created[CLOCK_TEXT_MAX];
    char serial[2 * GRANT_SERIAL_LEN + 1];
    uint8_t random[GRANT_SERIAL_LEN];
    struct record record;
    bool found;

    if (!name_pair(label, principal, kek) || quota < 1 || quota > GRANT_QUOTA_MAX) {
        log_line("a grant names a principal, a KEK and a quota of 1 to %d", GRANT_QUOTA_MAX);
        return STATUS_BAD_REQUEST;
    }
    TRY(record_find(t, GRANT_RECORDS, label, &record, &found));
    if (found) {
        log_line("%s has a grant for %s; revoke it first", principal, kek);
        return STATUS_DENIED;
    }
    TRY(token_rv(t, "C_GenerateRandom",
                 t->p11->C_GenerateRandom(t->session, random, sizeof random)));
    hex_put(serial, random, sizeof random);
    clock_text(created, now);
    snprintf(value, sizeof value, "serial=%s quota=%" PRIu64 " created=%s", serial, quota, created);
    return record_create(t, GRANT_RECORDS, label, value);
}

/* -- uses -- */

enum { STALE_MAX = 8 }; /* of one grant; one more than two is what a crash or a race left */

struct stale { /* the uses of one serial, to be destroyed */
    const char *serial;
    size_t n;
    struct record list[STALE_MAX];
};

static enum status take_stale(void *arg, const struct record *record)
{
    struct stale *s = arg;
    if (strcmp(record->label, s->serial) == 0 && s->n < STALE_MAX) {
        s->list[s->n++] = *record;
    }
    return STATUS_OK;
}

static enum status destroy_stale(struct token *t, const struct stale *s)
{
    for (size_t i = 0; i < s->n; i++) {
        TRY(record_destroy(t, &s->list[i]));
    }
    return STATUS_OK;
}

/* The new number first, so that there is never none. */
static enum status mark(struct token *t, const struct grant *grant)
{
    struct stale stale = {.serial = grant->serial};
    char value[24];

    TRY(record_each(t, use_records, take_stale, &stale));
    snprintf(value, sizeof value, "%" PRIu64, grant->used);
    TRY(record_create(t, use_records, grant->serial, value));
    return destroy_stale(t, &stale);
}

enum status grants_mark(struct token *t, const struct grants *g)
{
    for (size_t i = 0; i < g->n; i++) {
        if (g->list[i].dirty) {
            TRY(mark(t, &g->list[i]));
        }
    }
    return STATUS_OK;
}

enum status grants_revoke(struct token *t, const char *principal, const char *kek)
{
    char label[RECORD_LABEL_MAX];
    struct record record;
    struct grant grant;
    bool found = false;

    if (name_pair(label, principal, kek)) {
        TRY(record_find(t, GRANT_RECORDS, label, &record, &found));
    }
    if (!found) {
        log_line("there is no grant to revoke");
        return STATUS_DENIED;
    }
    TRY(record_destroy(t, &record));
    if (!parse_grant(&record, &grant)) {
        return STATUS_OK;
    }
    struct stale stale = {.serial = grant.serial};
    TRY(record_each(t, use_records, take_stale, &stale));
    return destroy_stale(t, &stale);
}
