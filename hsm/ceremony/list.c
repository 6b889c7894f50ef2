/*
 * keys-list: what a token holds, as a page to file or as JSON, or the public halves of a purpose's
 * keys. Everything on it is what the token says, asked now.
 */
#include <inttypes.h>
#include <jansson.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "hsm/audit/audit.h"
#include "hsm/ceremony/second.h"
#include "hsm/ceremony/stage.h"
#include "hsm/clock_text.h"
#include "hsm/hex.h"
#include "hsm/log.h"
#include "hsm/operation/grants.h"
#include "hsm/token/ec_public.h"
#include "hsm/token/kek.h"
#include "hsm/token/key_rules.h"

enum { TEXT_MAX = 64 };

struct row { /* a key as it is told */
    const char *purpose, *kind;
    uint32_t generation;
    char id[2 * KEY_ID_LEN + 1], label[KEY_LABEL_MAX], created[CLOCK_TEXT_MAX];
    char fingerprint[2 * SHA256_LEN + 1]; /* of the point, or a KEK's; empty for masters */
    const char *remark;
};

static void describe(struct stage *s, const struct token_key *key, struct row *out)
{
    uint8_t id[KEY_ID_LEN], fingerprint[SHA256_LEN];
    bool has = true;

    *out = (struct row){.purpose = key_purpose_name(key->purpose),
                        .kind = key->curve == CURVE_NONE ? "AES-256" : curve_name(key->curve),
                        .generation = key->generation,
                        .remark = ""};
    key_id_put(id, key->purpose, key->generation);
    hex_put(out->id, id, sizeof id);
    stage_key_label(out->label, key);
    snprintf(out->created, sizeof out->created, "unknown");
    if (key->created != 0) {
        clock_text(out->created, key->created);
    }
    if (key->curve != CURVE_NONE) {
        (void)SHA256(key->point, sizeof key->point, fingerprint);
    } else if (key->purpose == KEY_KEK) {
        has = kek_fingerprint(&s->token, key->handle, fingerprint) == STATUS_OK;
        out->remark = "wrap-only, entered wrapped";
    } else {
        has = false;
    }
    if (has) {
        hex_put(out->fingerprint, fingerprint, sizeof fingerprint);
    }
}

static void trimmed(char out[static TEXT_MAX], const CK_UTF8CHAR *text, size_t len)
{
    while (len > 0 && text[len - 1] == ' ') {
        len--;
    }
    snprintf(out, TEXT_MAX, "%.*s", (int)len, text);
}

/* -- the page -- */

static void print_attributes(struct stage *s, const struct token_key *key)
{
    static const enum attribute_answer order[] = {ATTRIBUTE_YES, ATTRIBUTE_NO, ATTRIBUTE_UNSTATED};
    static const char *const words[] = {"is", "is not", "not stated"};
    for (size_t o = 0; o < sizeof order / sizeof order[0]; o++) {
        bool first = true;
        for (size_t i = 0; i < KEY_ATTRIBUTE_COUNT; i++) {
            if (key_attribute_read(&s->token, key->handle, key_attributes[i].type) == order[o]) {
                if (first) {
                    printf("    %-11s", words[o]);
                }
                printf(" %s", key_attributes[i].word);
                first = false;
            }
        }
        if (!first) {
            putchar('\n');
        }
    }
}

static void print_key(struct stage *s, const struct token_key *key)
{
    struct row row;
    describe(s, key, &row);
    printf("\n%s %" PRIu32 "  \"%s\"\n", row.purpose, row.generation, row.label);
    printf("    id          %s\n", row.id);
    printf("    kind        %s\n", row.kind);
    printf("    created     %s\n", row.created);
    if (row.fingerprint[0] != '\0') {
        printf("    sha256      %s\n", row.fingerprint);
    }
    if (row.remark[0] != '\0') {
        printf("    remark      %s\n", row.remark);
    }
    print_attributes(s, key);
}

static enum status print_grant(void *arg, const struct record *record)
{
    (void)arg;
    printf("    %s  %s\n", record->label, record->value);
    return STATUS_OK;
}

/* A note as it is, so that it can be cut out. */
static enum status print_checkpoint(void *arg, const struct record *record)
{
    (void)arg;
    printf("\n%s", record->value);
    return STATUS_OK;
}

static enum status print_page(struct stage *s, bool second)
{
    char now[CLOCK_TEXT_MAX], serial[TEXT_MAX], model[TEXT_MAX], maker[TEXT_MAX];

    clock_text(now, s->now);
    trimmed(serial, s->info.serialNumber, sizeof s->info.serialNumber);
    trimmed(model, s->info.model, sizeof s->info.model);
    trimmed(maker, s->info.manufacturerID, sizeof s->info.manufacturerID);
    printf("Keys of token \"%s\", %s\n\n", s->token.label, now);
    printf("    serial      %s\n    model       %s, %s\n    firmware    %u.%u\n", serial, model,
           maker, s->info.firmwareVersion.major, s->info.firmwareVersion.minor);
    printf("    second operator  %s\n    keys        %zu\n", second ? "set" : "not set", s->keys.n);
    for (size_t i = 0; i < s->keys.n; i++) {
        print_key(s, &s->keys.keys[i]);
    }
    printf("\ngrants\n");
    TRY(record_each(&s->token, GRANT_RECORDS, print_grant, NULL));
    printf("\naudit checkpoints\n");
    return record_each(&s->token, AUDIT_RECORDS, print_checkpoint, NULL);
}

/* -- JSON -- */

static json_t *attributes_json(struct stage *s, const struct token_key *key)
{
    json_t *out = json_object();
    for (size_t i = 0; i < KEY_ATTRIBUTE_COUNT; i++) {
        enum attribute_answer answer =
            key_attribute_read(&s->token, key->handle, key_attributes[i].type);
        (void)json_object_set_new(
            out, key_attributes[i].word,
            answer == ATTRIBUTE_UNSTATED ? json_null() : json_boolean(answer == ATTRIBUTE_YES));
    }
    return out;
}

static json_t *key_json(struct stage *s, const struct token_key *key)
{
    struct row row;
    char point[2 * EC_POINT_LEN + 1] = "";
    describe(s, key, &row);
    if (key->curve != CURVE_NONE) {
        hex_put(point, key->point, sizeof key->point);
    }
    return json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "purpose", row.purpose,
                     "generation", (json_int_t)row.generation, "label", row.label, "id", row.id,
                     "kind", row.kind, "created", row.created, "sha256", row.fingerprint, "point",
                     point, "remark", row.remark, "attributes", attributes_json(s, key));
}

static enum status grant_json(void *arg, const struct record *record)
{
    return json_array_append_new(
               arg, json_pack("{s:s, s:s}", "grant", record->label, "terms", record->value)) == 0
               ? STATUS_OK
               : STATUS_INTERNAL;
}

static enum status checkpoint_json(void *arg, const struct record *record)
{
    return json_array_append_new(arg, json_string(record->value)) == 0 ? STATUS_OK
                                                                       : STATUS_INTERNAL;
}

static enum status print_json(struct stage *s, bool second)
{
    char now[CLOCK_TEXT_MAX], serial[TEXT_MAX], model[TEXT_MAX], firmware[TEXT_MAX];
    json_t *keys = json_array(), *grants = json_array(), *checkpoints = json_array();

    clock_text(now, s->now);
    trimmed(serial, s->info.serialNumber, sizeof s->info.serialNumber);
    trimmed(model, s->info.model, sizeof s->info.model);
    snprintf(firmware, sizeof firmware, "%u.%u", s->info.firmwareVersion.major,
             s->info.firmwareVersion.minor);
    for (size_t i = 0; i < s->keys.n; i++) {
        (void)json_array_append_new(keys, key_json(s, &s->keys.keys[i]));
    }
    enum status st = record_each(&s->token, GRANT_RECORDS, grant_json, grants);
    if (st == STATUS_OK) {
        st = record_each(&s->token, AUDIT_RECORDS, checkpoint_json, checkpoints);
    }
    json_t *page = json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:o, s:o, s:o}", "token",
                             s->token.label, "serial", serial, "model", model, "firmware", firmware,
                             "time", now, "second_operator", (int)second, "keys", keys, "grants",
                             grants, "checkpoints", checkpoints);
    if (st == STATUS_OK && (page == NULL || json_dumpf(page, stdout, JSON_INDENT(2)) != 0)) {
        st = STATUS_INTERNAL;
    }
    putchar('\n');
    json_decref(page);
    return st;
}

/* -- public halves -- */

/* Its identity stands before each, where readers of PEM expect text (RFC 7468, 5.2). */
static enum status print_pem(struct stage *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->keys.n; i++) {
        const struct token_key *key = &s->keys.keys[i];
        char label[KEY_LABEL_MAX];
        if (key->purpose != s->asked->purpose || key->curve == CURVE_NONE) {
            continue;
        }
        EVP_PKEY *public = ec_public(key);
        stage_key_label(label, key);
        bool ok = public != NULL &&
                  printf("%s %" PRIu32 "  \"%s\"\n", key_purpose_name(key->purpose),
                         key->generation, label) > 0 &&
                  PEM_write_PUBKEY(stdout, public);
        EVP_PKEY_free(public);
        if (!ok) {
            return STATUS_INTERNAL;
        }
        n++;
    }
    if (n == 0) {
        log_line("the token holds no %s key with a public half; eckactl keys list shows what there "
                 "is",
                 key_purpose_name(s->asked->purpose));
    }
    return n == 0 ? STATUS_DENIED : STATUS_OK;
}

enum status ceremony_list(struct stage *s)
{
    bool second;
    if (s->asked->purpose != 0) {
        return print_pem(s);
    }
    TRY(second_is_set(&s->token, &second));
    return s->asked->json ? print_json(s, second) : print_page(s, second);
}
