/*
 * custody-report: everything in the token, tried, told and signed.
 *
 * It looks at the token before anybody logs in, because what is seen then needs no PIN; then it
 * logs in itself and goes through the keys. The token's own keys are looked at before and after,
 * so that the report can say that it left none behind and changed none.
 */
#include "hsm/report/report.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "hsm/clock_text.h"
#include "hsm/log.h"
#include "hsm/token/key_rules.h"

static struct report_objects without_login, before, after; /* too wide for the stack */

/* -- checkpoint keys -- */

/* Those that a custodian would use, whatever else it would refuse to start with. */
static void find_checkpoint_keys(struct stage *s)
{
    s->keys.n = 0;
    for (size_t i = 0; i < before.n && s->keys.n < TOKEN_KEYS_MAX; i++) {
        const struct report_object *o = &before.list[i];
        struct token_key key = {.handle = o->handle};
        if (report_object_is_key(o) && key_id_parse(span_of(o->id, o->id_len), &key) &&
            key.purpose == KEY_CHECKPOINT && !report_object_has_twin(&before, o) &&
            key_refusal(&s->token, &key, o->class) == NULL &&
            key_describe(&s->token, &key) == NULL) {
            s->keys.keys[s->keys.n++] = key;
        }
    }
}

/* -- looking -- */

enum status report_log_in(struct stage *s)
{
    struct token *t = &s->token;
    TRY(token_rv(t, "C_GetTokenInfo", t->p11->C_GetTokenInfo(t->slot, &s->info)));
    TRY(token_rv(t, "C_OpenSession",
                 t->p11->C_OpenSession(t->slot, CKF_SERIAL_SESSION, NULL, NULL, &t->session)));
    enum status st = report_objects_read(t, &without_login);
    (void)t->p11->C_CloseSession(t->session);
    t->session = CK_INVALID_HANDLE;
    TRY(st);
    TRY(token_login(t, s->pin, true));
    TRY(report_objects_read(t, &before));
    report_objects_mark_open(&without_login, &before);
    find_checkpoint_keys(s);
    return stage_event(s, "token label=\"%s\" objects=%zu without-login=%zu", t->label, before.n,
                       without_login.n);
}

static int by_identity(const void *a, const void *b)
{
    const struct report_object *x = a, *y = b;
    int order = memcmp(x->id, y->id, REPORT_ID_MAX);
    return order != 0 ? order : x->handle < y->handle ? -1 : x->handle > y->handle;
}

static bool was_there(const struct report_object *o)
{
    for (size_t i = 0; i < before.n; i++) {
        if (before.list[i].handle == o->handle) {
            return true;
        }
    }
    return false;
}

/* Keys that the report made and could not destroy, session objects included. */
static enum status count_left(struct stage *s, size_t *left)
{
    TRY(report_objects_read(&s->token, &after));
    for (size_t i = 0; i < after.n; i++) {
        const struct report_object *o = &after.list[i];
        bool key = report_object_is_key(o) || o->class == CKO_PUBLIC_KEY;
        *left += key && !was_there(o);
    }
    return STATUS_OK;
}

/* -- the report -- */

static void put_not_tried(struct probe *p, json_t *list)
{
    CK_MECHANISM_TYPE types[MECHANISMS_MAX];
    size_t n = probe_not_tried(p, types, MECHANISMS_MAX);
    for (size_t i = 0; i < n; i++) {
        char text[24];
        const char *name = mechanism_name(types[i]);
        snprintf(text, sizeof text, "0x%lx", (unsigned long)types[i]);
        (void)json_array_append_new(list, json_string(name != NULL ? name : text));
    }
}

static enum status put_keys(struct stage *s, json_t *report)
{
    static struct probe probe; /* too wide for the stack */
    json_t *keys = json_object_get(report, "keys");
    enum status st = probe_init(&probe, &s->token, NULL, NULL);

    if (st == STATUS_OK) {
        put_not_tried(&probe, json_object_get(report, "wraps_not_tried"));
    }
    for (size_t i = 0; st == STATUS_OK && i < before.n; i++) {
        json_t *key = NULL;
        if (report_object_is_key(&before.list[i])) {
            st = report_key(s, &before, &before.list[i], &probe, &key);
            (void)json_array_append_new(keys, key);
        }
    }
    probe_fini(&probe);
    return st;
}

static size_t failed(const json_t *list)
{
    size_t i, n = 0;
    json_t *item;
    json_array_foreach (list, i, item) {
        n += strcmp(json_string_value(json_object_get(item, "verdict")), "pass") != 0;
    }
    return n;
}

static enum status conclude(struct stage *s, json_t *report, const struct token_key *key,
                            bool *pass)
{
    size_t left = 0;
    json_t *findings = json_object_get(report, "findings");
    size_t keys = failed(json_object_get(report, "keys"));
    json_t *token_findings = json_object_get(json_object_get(report, "token"), "findings");

    TRY(count_left(s, &left));
    if (left != 0) {
        report_finding(findings, "left-behind", "the token did not destroy what the report made",
                       NULL, "");
    }
    if (key == NULL) {
        report_finding(findings, "unsigned",
                       "the token holds no checkpoint key that a custodian would use", NULL, "");
    }
    *pass = keys == 0 && failed(json_object_get(report, "objects")) == 0 &&
            json_array_size(findings) == 0 && json_array_size(token_findings) == 0;
    return json_object_set_new(report, "keys_failed", json_integer((json_int_t)keys)) == 0 &&
                   json_object_set_new(report, "left_behind", json_integer((json_int_t)left)) ==
                       0 &&
                   json_object_set_new(report, "verdict", json_string(*pass ? "pass" : "fail")) == 0
               ? STATUS_OK
               : STATUS_INTERNAL;
}

static enum status build(struct stage *s, json_t *report, const struct token_key *key, bool *pass)
{
    TRY(report_token(s, report));
    TRY(put_keys(s, report));
    return conclude(s, report, key, pass);
}

/* -- what goes out -- */

/* What is signed, as text: the page, or the JSON value in one form that other tools make as well
 * (sorted, without spaces, ASCII). Freed by the caller. */
static char *signed_text(const struct stage *s, const json_t *report)
{
    return s->asked->json ? json_dumps(report, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII)
                          : report_page(report);
}

static json_t *signature_json(const struct token_key *key, const struct report_signature *signature)
{
    return key == NULL ? json_null()
                       : json_pack("{s:s, s:I, s:s, s:s, s:s}", "algorithm", "ecdsa-p256-sha256",
                                   "checkpoint", (json_int_t)key->generation, "point_sha256",
                                   signature->point_sha256, "public_key", signature->pem, "value",
                                   signature->base64);
}

static enum status print_json(json_t *report, const struct token_key *key,
                              const struct report_signature *signature)
{
    json_t *envelope =
        json_pack("{s:O, s:o}", "report", report, "signature", signature_json(key, signature));
    int rc = envelope == NULL ? -1
                              : json_dumpf(envelope, stdout,
                                           JSON_INDENT(1) | JSON_SORT_KEYS | JSON_ENSURE_ASCII);
    json_decref(envelope);
    (void)putchar('\n');
    return rc == 0 ? STATUS_OK : STATUS_INTERNAL;
}

static void print_page(const char *page, const struct token_key *key,
                       const struct report_signature *signature)
{
    (void)fputs(page, stdout);
    if (key != NULL) {
        printf("signature-key checkpoint %u, SHA-256 of its point %s\n", key->generation,
               signature->point_sha256);
        printf("signature %s\n", signature->base64);
    }
}

/* The report is a leaf of the custodian's log, and under a checkpoint before anybody has it. */
static enum status leave_leaf(struct stage *s, const json_t *report, const struct token_key *key,
                              const uint8_t digest[static SHA256_LEN])
{
    char label[KEY_LABEL_MAX], detail[64];

    stage_key_label(label, key);
    snprintf(detail, sizeof detail, "verdict %s, %zu keys, %lld failed",
             json_string_value(json_object_get(report, "verdict")),
             json_array_size(json_object_get(report, "keys")),
             (long long)json_integer_value(json_object_get(report, "keys_failed")));
    TRY(audit_open(&s->audit, &s->config->audit, &s->token, &s->keys));
    TRY(audit_admit(s->audit, true));
    audit_add(s->audit,
              &(struct audit_event){
                  .op = AUDIT_OP_REPORT, .key = label, .sha256 = digest, .detail = detail});
    return audit_commit(s->audit);
}

static enum status sign_and_print(struct stage *s, json_t *report, const struct token_key *key)
{
    static struct report_signature signature;
    uint8_t digest[SHA256_LEN];
    char *text = signed_text(s, report);
    enum status st = text == NULL ? STATUS_INTERNAL : STATUS_OK;

    if (st == STATUS_OK && key != NULL) {
        st = report_sign(&s->token, key, span_of((const uint8_t *)text, strlen(text)), &signature,
                         digest);
        if (st == STATUS_OK) {
            st = leave_leaf(s, report, key, digest);
        }
    }
    if (st == STATUS_OK && s->asked->json) {
        st = print_json(report, key, &signature);
    } else if (st == STATUS_OK) {
        print_page(text, key, &signature);
    }
    free(text);
    return st;
}

static size_t count_keys(void)
{
    size_t n = 0;
    for (size_t i = 0; i < before.n; i++) {
        n += report_object_is_key(&before.list[i]);
    }
    return n;
}

enum status ceremony_report(struct stage *s)
{
    char now[CLOCK_TEXT_MAX], name[REPORT_TEXT_MAX];
    bool pass = false;

    qsort(before.list, before.n, sizeof before.list[0], by_identity);
    if (stage_only_says(s, "try %zu keys and tell of %zu other objects", count_keys(),
                        before.n - count_keys())) {
        return STATUS_OK;
    }
    const struct token_key *key = keys_newest(&s->keys, KEY_CHECKPOINT, NULL);
    clock_text(now, s->now);
    report_text(name, (const uint8_t *)s->config->name, strlen(s->config->name));
    json_t *report = json_pack("{s:s, s:s, s:s, s:[], s:[], s:o, s:[]}", "schema", REPORT_SCHEMA,
                               "time", now, "custodian", name, "keys", "wraps_not_tried", "objects",
                               report_others(&before), "findings");
    enum status st = report == NULL ? STATUS_INTERNAL : build(s, report, key, &pass);
    if (st == STATUS_OK) {
        st = sign_and_print(s, report, key);
    }
    json_decref(report);
    TRY(st);
    TRY(stage_event(s, "report verdict=%s", pass ? "pass" : "fail"));
    if (!pass) {
        log_line("the token does not pass; the findings are in the report");
    }
    return pass ? STATUS_OK : STATUS_DENIED;
}
