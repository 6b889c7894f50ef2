/*
 * The steps of a ceremony as leaves of the custodian's audit log, each committed before the next
 * step. Steps from before there was a checkpoint key to sign with wait until there is one.
 */
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "hsm/ceremony/stage.h"
#include "hsm/log.h"
#include "providers/provider.h"

enum { TEXT_MAX = 2048 };

/* Listing keys uses none, a dry run does nothing, and a report has a leaf of its own, on tokens of
 * any state. */
static bool leaves_leaves(const struct stage *s)
{
    return !s->asked->dry_run && s->asked->verb != CEREMONY_LIST &&
           s->asked->verb != CEREMONY_REPORT && !s->config->audit.off;
}

/* What is done before keys are known, or makes the first of them, waits. */
static enum status open_log(struct stage *s)
{
    bool known = s->token.session != CK_INVALID_HANDLE;
    bool key = keys_newest(&s->keys, KEY_CHECKPOINT, NULL) != NULL;

    if (s->audit != NULL || !known || (!key && s->asked->verb == CEREMONY_INIT)) {
        return STATUS_OK;
    }
    TRY(audit_open(&s->audit, &s->config->audit, &s->token, &s->keys));
    return audit_admit(s->audit, true);
}

/* A step as its leaf has it: what does not fit, the hash of the whole stands for. */
static enum status step_of(struct stage_step *step, const char *text, const char *key)
{
    size_t len;
    if (EVP_Q_digest(NULL, "SHA256", NULL, text, strlen(text), step->sha256, &len) != 1) {
        return STATUS_INTERNAL;
    }
    (void)snprintf(step->text, sizeof step->text, "%s", text);
    for (char *quote = strchr(step->text, '"'); quote != NULL; quote = strchr(quote, '"')) {
        *quote = '\'';
    }
    (void)snprintf(step->key, sizeof step->key, "%s", key);
    return STATUS_OK;
}

static enum status write_steps(struct stage *s)
{
    for (size_t i = 0; i < s->steps; i++) {
        audit_add(s->audit, &(struct audit_event){.op = AUDIT_OP_CEREMONY,
                                                  .key = s->step[i].key,
                                                  .sha256 = s->step[i].sha256,
                                                  .detail = s->step[i].text});
    }
    s->steps = 0;
    return audit_commit(s->audit);
}

static enum status leave(struct stage *s, const char *text, const char *key)
{
    if (!leaves_leaves(s) || s->no_log) { /* the latter has refused the ceremony already */
        return STATUS_OK;
    }
    if (s->steps == STAGE_STEPS_MAX) {
        return STATUS_NO_SPACE;
    }
    TRY(step_of(&s->step[s->steps++], text, key));
    enum status st = open_log(s);
    s->no_log = st != STATUS_OK;
    TRY(st);
    return s->audit == NULL ? STATUS_OK : write_steps(s);
}

static enum status tell(struct stage *s, const char *key, const char *format, va_list args)
{
    char text[TEXT_MAX];
    int n = vsnprintf(text, sizeof text, format, args);
    if (n < 0 || (size_t)n >= sizeof text) {
        return STATUS_INTERNAL;
    }
    TRY(transcript_line(&s->transcript, "%s", text));
    return leave(s, text, key);
}

enum status stage_event(struct stage *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    enum status st = tell(s, "", format, args);
    va_end(args);
    return st;
}

enum status stage_key_event(struct stage *s, const struct token_key *key, const char *format, ...)
{
    char label[KEY_LABEL_MAX];
    va_list args;
    stage_key_label(label, key);
    va_start(args, format);
    enum status st = tell(s, label, format, args);
    va_end(args);
    return st;
}

void stage_leaves_end(struct stage *s)
{
    audit_mirror(s->audit);
    audit_close(&s->audit);
}
