#include "hsm/ceremony/ceremony.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hsm/ceremony/second.h"
#include "hsm/ceremony/stage.h"
#include "hsm/hex.h"
#include "hsm/log.h"
#include "hsm/token/key_rules.h"
#include "providers/core/secret.h"

enum { WORDS_MAX = 512 };

static const struct verb {
    const char *name;
    enum status (*run)(struct stage *s);
    bool read_only;
    enum status (*log_in)(struct stage *s); /* NULL: as others do */
} verbs[CEREMONY_VERB_COUNT] = {
    [CEREMONY_INIT] = {"keys-init", ceremony_init, false, NULL},
    [CEREMONY_LIST] = {"keys-list", ceremony_list, true, NULL},
    [CEREMONY_ROTATE] = {"keys-rotate", ceremony_rotate, false, NULL},
    [CEREMONY_RETIRE] = {"keys-retire", ceremony_retire, false, NULL},
    [CEREMONY_IMPORT_KEK] = {"keys-import-kek", ceremony_import_kek, false, NULL},
    [CEREMONY_CSR] = {"keys-csr", ceremony_csr, true, NULL},
    [CEREMONY_INSTALL_CERT] = {"keys-install-cert", ceremony_install_cert, true, NULL},
    [CEREMONY_BACKUP_CHECK] = {"keys-backup-check", ceremony_backup_check, true, NULL},
    [CEREMONY_GRANT] = {"keys-grant", ceremony_grant, false, NULL},
    [CEREMONY_SECOND_OPERATOR] = {"keys-second-operator", ceremony_second_operator, false, NULL},
    [CEREMONY_REPORT] = {"custody-report", ceremony_report, false, report_log_in},
};

const char *ceremony_name(enum ceremony_verb verb)
{
    return verbs[verb].name;
}

/* -- what the verbs share -- */

bool stage_only_says(const struct stage *s, const char *format, ...)
{
    va_list args;
    if (!s->asked->dry_run) {
        return false;
    }
    va_start(args, format);
    (void)fputs("would ", stdout);
    (void)vprintf(format, args);
    (void)putchar('\n');
    va_end(args);
    return true;
}

enum status stage_second(struct stage *s)
{
    bool set;
    TRY(second_is_set(&s->token, &set));
    TRY(second_check(&s->token, s->asked->second_operator));
    return set ? stage_event(s, "second-operator agreed") : STATUS_OK;
}

void stage_key_label(char out[static KEY_LABEL_MAX], const struct token_key *key)
{
    if (key->name[0] != '\0') {
        snprintf(out, KEY_LABEL_MAX, "%s", key->name);
    } else {
        key_label(out, key->purpose, key->generation);
    }
}

static void point_text(char out[static 2 * EC_POINT_LEN + 1], const struct token_key *key)
{
    if (key->curve == CURVE_NONE) {
        snprintf(out, 2 * EC_POINT_LEN + 1, "-");
    } else {
        hex_put(out, key->point, EC_POINT_LEN);
    }
}

static const char *kind_text(const struct token_key *key)
{
    return key->curve == CURVE_NONE ? "AES-256" : curve_name(key->curve);
}

void stage_print_key(const struct token_key *key)
{
    char label[KEY_LABEL_MAX], point[2 * EC_POINT_LEN + 1];
    stage_key_label(label, key);
    point_text(point, key);
    printf("key %s %" PRIu32 " %s %s %s\n", key_purpose_name(key->purpose), key->generation,
           kind_text(key), label, point);
}

static void attribute_words(struct token *t, const struct token_key *key,
                            char out[static WORDS_MAX])
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < KEY_ATTRIBUTE_COUNT; i++) {
        enum attribute_answer answer = key_attribute_read(t, key->handle, key_attributes[i].type);
        if (answer != ATTRIBUTE_UNSTATED) {
            len += (size_t)snprintf(out + len, WORDS_MAX - len, "%s%s%s", len == 0 ? "" : ",",
                                    answer == ATTRIBUTE_YES ? "" : "not-", key_attributes[i].word);
        }
    }
}

enum status stage_record_key(struct stage *s, const char *what, const struct token_key *key)
{
    char label[KEY_LABEL_MAX], point[2 * EC_POINT_LEN + 1], words[WORDS_MAX];
    uint8_t id[KEY_ID_LEN];
    char id_text[2 * KEY_ID_LEN + 1];

    stage_key_label(label, key);
    point_text(point, key);
    attribute_words(&s->token, key, words);
    key_id_put(id, key->purpose, key->generation);
    hex_put(id_text, id, sizeof id);
    return stage_key_event(s, key,
                           "%s id=%s purpose=%s generation=%" PRIu32 " kind=%s label=\"%s\" "
                           "point=%s attributes=%s",
                           what, id_text, key_purpose_name(key->purpose), key->generation,
                           kind_text(key), label, point, words);
}

static uint32_t next_generation(const struct key_list *list, enum key_purpose purpose)
{
    const struct token_key *newest = keys_newest(list, purpose, NULL);
    return newest == NULL ? 1 : newest->generation + 1;
}

enum status stage_create(struct stage *s, struct key_order order)
{
    struct token_key key = {.purpose = order.purpose};

    order.generation = next_generation(&s->keys, order.purpose);
    order.now = s->now;
    if (s->keys.n == TOKEN_KEYS_MAX) {
        log_line("the token holds %d keys already; retire some first", TOKEN_KEYS_MAX);
        return STATUS_DENIED;
    }
    if (stage_only_says(s, "create %s %" PRIu32 "%s%s on %s", key_purpose_name(order.purpose),
                        order.generation, order.name == NULL ? "" : " ",
                        order.name == NULL ? "" : order.name,
                        order.curve == CURVE_NONE ? "AES-256" : curve_name(order.curve))) {
        return STATUS_OK;
    }
    TRY(stage_event(s, "creating purpose=%s generation=%" PRIu32, key_purpose_name(order.purpose),
                    order.generation));
    TRY(keys_create(&s->token, &order, &key));
    s->keys.keys[s->keys.n++] = key;
    stage_print_key(&key);
    return stage_record_key(s, "created", &key);
}

/* -- from beginning to end -- */

/* What CK_TOKEN_INFO pads with blanks, without them. */
static int padded_len(const CK_UTF8CHAR *text, int len)
{
    while (len > 0 && text[len - 1] == ' ') {
        len--;
    }
    return len;
}

static enum status initialise_token(struct stage *s)
{
    struct pin *so_pin;

    if (token_exists(&s->token)) {
        if (s->asked->missing_only) {
            return token_find(&s->token);
        }
        log_line("a token answers to the URI already; it is not initialised again");
        return STATUS_DENIED;
    }
    if (stage_only_says(s, "initialise a blank token")) {
        return STATUS_OK;
    }
    TRY(stage_event(s, "initialising a blank token"));
    TRY(pin_read(&so_pin, s->asked->so_pin_file));
    enum status st = token_initialise(&s->token, so_pin, s->pin);
    secret_free(&so_pin);
    return st;
}

/* Tokens list keys in an order of their own. */
static int by_purpose(const void *a, const void *b)
{
    const struct token_key *x = a, *y = b;
    if (x->purpose != y->purpose) {
        return x->purpose < y->purpose ? -1 : 1;
    }
    return x->generation < y->generation ? -1 : x->generation > y->generation;
}

static enum status log_in(struct stage *s)
{
    TRY(token_check(&s->token));
    TRY(token_rv(&s->token, "C_GetTokenInfo",
                 s->token.p11->C_GetTokenInfo(s->token.slot, &s->info)));
    TRY(token_login(&s->token, s->pin, !s->asked->dry_run && !verbs[s->asked->verb].read_only));
    TRY(keys_load(&s->token, &s->keys));
    qsort(s->keys.keys, s->keys.n, sizeof s->keys.keys[0], by_purpose);
    return stage_event(s, "token label=\"%s\" serial=%.*s model=\"%.*s\" firmware=%u.%u keys=%zu",
                       s->token.label, padded_len(s->info.serialNumber, 16), s->info.serialNumber,
                       padded_len(s->info.model, 16), s->info.model, s->info.firmwareVersion.major,
                       s->info.firmwareVersion.minor, s->keys.n);
}

static enum status hold(struct stage *s)
{
    const struct verb *verb = &verbs[s->asked->verb];
    char path[4096];

    TRY(pin_read(&s->pin, pin_path(s->config, path, sizeof path)));
    TRY(token_load(&s->token, s->config->token));
    if (s->asked->init_token) {
        TRY(initialise_token(s));
    } else {
        TRY(token_find(&s->token));
    }
    /* A dry run on a token that is not there yet has no keys to look at. */
    if (!s->asked->dry_run || token_exists(&s->token)) {
        TRY(verb->log_in != NULL ? verb->log_in(s) : log_in(s));
    }
    TRY(verb->run(s));
    return fflush(stdout) == 0 ? STATUS_OK : STATUS_INTERNAL;
}

static enum status hold_recorded(struct stage *s)
{
    const char *name = verbs[s->asked->verb].name;
    TRY(s->asked->transcript == NULL ? STATUS_OK
                                     : transcript_open(&s->transcript, s->asked->transcript));
    enum status st =
        stage_event(s, "begin %s custodian=%s uid=%u", name, s->config->name, (unsigned)getuid());
    if (st == STATUS_OK) {
        st = hold(s);
    }
    if (stage_event(s, "end %s %s", name, st == STATUS_OK ? "done" : status_name(st)) !=
            STATUS_OK ||
        transcript_close(&s->transcript) != STATUS_OK) {
        log_line("what was done is not all in the transcript and the audit log");
        return st == STATUS_OK ? STATUS_INTERNAL : st;
    }
    return st;
}

enum status ceremony_run(const struct config *config, const struct ceremony *c, bool *pin_refused)
{
    static struct stage stage; /* too wide for the stack */
    int lock;

    stage = (struct stage){.config = config,
                           .asked = c,
                           .token.session = CK_INVALID_HANDLE,
                           .now = (uint64_t)time(NULL)};
    *pin_refused = false;
    TRY(start_lock(config->lock_file, &lock));
    enum status st = hold_recorded(&stage);
    *pin_refused = stage.token.pin_refused;
    stage_leaves_end(&stage);
    secret_free(&stage.pin);
    token_fini(&stage.token);
    close(lock);
    return st;
}
