/*
 * keys-retire: the end of a key, refused as long as something may need it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hsm/ceremony/stage.h"
#include "hsm/clock_text.h"
#include "hsm/custodian.h"
#include "hsm/log.h"
#include "hsm/token/kek.h"
#include "hsm/upkeep.h"

/* Masters and the checkpoint key are always in use in their newest generation. */
static enum status check_newest(const struct stage *s)
{
    enum key_purpose purpose = s->asked->purpose;
    const struct token_key *newest = keys_newest(&s->keys, purpose, NULL);
    bool needed = key_purpose_is_master(purpose) || purpose == KEY_CHECKPOINT;
    if (needed && newest != NULL && newest->generation <= s->asked->generation) {
        log_line("%s %" PRIu32 " is the newest and in use; eckactl keys rotate %s first",
                 key_purpose_name(purpose), s->asked->generation, key_purpose_name(purpose));
        return STATUS_DENIED;
    }
    return STATUS_OK;
}

static enum status check_ticket(const struct stage *s)
{
    char when[CLOCK_TEXT_MAX];
    uint64_t end = ticket_generation_end(&s->keys, s->config, s->asked->generation);
    if (end == 0) {
        log_line("the token does not say since when a newer ticket generation is in use");
        return STATUS_DENIED;
    }
    if (s->now < end) {
        clock_text(when, end);
        log_line("tickets of generation %" PRIu32 " may live until %s; custodians destroy it then",
                 s->asked->generation, when);
        return STATUS_DENIED;
    }
    return STATUS_OK;
}

static enum status check_keyset(const struct stage *s)
{
    if (!s->asked->resealed) {
        log_line("stored key sets may name keyset %" PRIu32 ", and are lost without it. Move each "
                 "of them forward with Reseal, then say so with --resealed",
                 s->asked->generation);
        return STATUS_DENIED;
    }
    return uses_quiet(s->config->state_dir, KEY_KEYSET, s->asked->generation, s->now,
                      s->asked->quiet_s);
}

static bool certifies(const char *directory, const char *name, const struct token_key *key)
{
    char path[4096];
    uint8_t file[GP_CERT_MAX];
    struct gp_cert cert;
    int len = snprintf(path, sizeof path, "%s/%s", directory, name);
    int fd = len > 0 && (size_t)len < sizeof path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t n = fd < 0 ? -1 : read(fd, file, sizeof file);
    if (fd >= 0) {
        close(fd);
    }
    return n > 0 && gp_cert_parse(span_of(file, (size_t)n), &cert) == STATUS_OK &&
           span_eq(cert.point, span_of(key->point, sizeof key->point));
}

/* An SR key whose certificate still stands in sr_certs is one that cards are sent to. */
static enum status check_sr(const struct stage *s, const struct token_key *key)
{
    struct dirent **entries = NULL;
    enum status st = STATUS_OK;
    int n = scandir(s->config->sr_certs, &entries, NULL, alphasort);

    if (n < 0) {
        log_line("the certificates in %s cannot be listed", s->config->sr_certs);
        return STATUS_DENIED;
    }
    for (int i = 0; i < n; i++) {
        if (st == STATUS_OK && certifies(s->config->sr_certs, entries[i]->d_name, key)) {
            log_line("%s/%s is a certificate of this key, so cards may be on their way to it; take "
                     "the file away and send the custodians SIGHUP first",
                     s->config->sr_certs, entries[i]->d_name);
            st = STATUS_DENIED;
        }
        free(entries[i]);
    }
    free(entries);
    return st;
}

static enum status check_unneeded(const struct stage *s, const struct token_key *key)
{
    TRY(check_newest(s));
    switch (s->asked->purpose) {
    case KEY_TICKET:
        return check_ticket(s);
    case KEY_KEYSET:
        return check_keyset(s);
    case KEY_SR_ESTABLISH:
        return key == NULL ? STATUS_OK : check_sr(s, key);
    default:
        return STATUS_OK;
    }
}

/* Objects of this identity that no custodian would use, which are there to be removed. */
static enum status count_refused(struct stage *s, size_t *n)
{
    uint8_t id[KEY_ID_LEN];
    CK_OBJECT_HANDLE objects[8];
    CK_ATTRIBUTE search[] = {{CKA_ID, id, sizeof id}};
    key_id_put(id, s->asked->purpose, s->asked->generation);
    return token_objects(&s->token, search, 1, objects, sizeof objects / sizeof objects[0], n);
}

enum status ceremony_retire(struct stage *s)
{
    const struct ceremony *c = s->asked;
    const char *purpose = key_purpose_name(c->purpose);
    const struct token_key *key = keys_find(&s->keys, c->purpose, c->generation);
    size_t refused = 0;

    TRY(stage_second(s));
    if (key == NULL) {
        TRY(count_refused(s, &refused));
    }
    if (key == NULL && refused == 0) {
        log_line("the token holds no %s %" PRIu32 "; eckactl keys list shows what there is",
                 purpose, c->generation);
        return STATUS_DENIED;
    }
    TRY(check_unneeded(s, key));
    if (stage_only_says(s, "destroy %s %" PRIu32, purpose, c->generation)) {
        return STATUS_OK;
    }
    TRY(key != NULL ? stage_record_key(s, "retiring", key)
                    : stage_event(s, "retiring purpose=%s generation=%" PRIu32 " unusable", purpose,
                                  c->generation));
    TRY(keys_destroy(&s->token, c->purpose, c->generation));
    TRY(c->purpose == KEY_KEK ? kek_forget(&s->token, c->generation) : STATUS_OK);
    printf("retired %s %" PRIu32 "\n", purpose, c->generation);
    log_line("done; custodians forget it after SIGHUP");
    return stage_event(s, "retired purpose=%s generation=%" PRIu32, purpose, c->generation);
}
