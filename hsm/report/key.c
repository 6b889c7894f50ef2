/*
 * One key of a report: what it is, what the token states, what was tried, what was found.
 *
 * A finding is anything that this service's keys must not show. What the token states counts only
 * against a key, or against the token: where an attempt shows that it is not so, the token lies.
 */
#include <string.h>

#include "hsm/hex.h"
#include "hsm/log.h"
#include "hsm/report/report.h"
#include "hsm/token/key_rules.h"

static const uint8_t transport_id[] = {'e', 'c', 'k', 't'};

static const char *const probe_words[PROBE_KIND_COUNT] = {
    [PROBE_OPEN] = "without-login",
    [PROBE_READ] = "read",
    [PROBE_SET] = "set",
    [PROBE_COPY] = "copy",
    [PROBE_WRAP] = "wrap",
    [PROBE_USE] = "use",
    [PROBE_UNWRAP_WEAKER] = "unwrap-weaker",
    [PROBE_WRAP_OTHER] = "wrap-other",
};

static const char *const outcome_words[] = {
    [OUTCOME_HELD] = "held",
    [OUTCOME_WEAK] = "weak",
    [OUTCOME_UNCLEAR] = "unclear",
    [OUTCOME_UNTESTED] = "untested",
};

/* What an attempt that succeeded is called, with what it means. */
static const struct {
    const char *code, *text;
} found[PROBE_KIND_COUNT] = {
    [PROBE_OPEN] = {"seen-without-login", "whoever reaches the token finds it without the PIN"},
    [PROBE_READ] = {"readable", "the token gave its secret out"},
    [PROBE_SET] = {"weakened", "the token let it be changed; it was set back"},
    [PROBE_COPY] = {"copied-weaker", "the token made a weaker copy of it"},
    [PROBE_WRAP] = {"wrapped-out", "it left the token under another key"},
    [PROBE_UNWRAP_WEAKER] = {"unwraps-readable", "what it unwraps can be made readable"},
    [PROBE_WRAP_OTHER] = {"wraps-other", "it wraps a private key, which is no key set"},
};

struct entry { /* a key as it is being told */
    struct token *t;
    const struct subject *subject;
    json_t *attempts, *findings;
};

const char *report_answer(CK_RV rv)
{
    static char number[24];
    const char *name = rv_name(rv);
    snprintf(number, sizeof number, "0x%lx", (unsigned long)rv);
    return name != NULL ? name : number;
}

static bool has_text(const json_t *list, const char *text)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (strcmp(json_string_value(json_array_get(list, i)), text) == 0) {
            return true;
        }
    }
    return false;
}

/* The finding of this code; NULL: there is none yet. */
static json_t *find_code(const json_t *findings, const char *code)
{
    for (size_t i = 0; i < json_array_size(findings); i++) {
        json_t *finding = json_array_get(findings, i);
        if (strcmp(json_string_value(json_object_get(finding, "code")), code) == 0) {
            return finding;
        }
    }
    return NULL;
}

void report_finding(json_t *findings, const char *code, const char *text, const char *what,
                    const char *answer)
{
    json_t *there = what == NULL ? NULL : find_code(findings, code);
    json_t *whats = there == NULL ? json_array() : json_object_get(there, "what");
    if (what != NULL && !has_text(whats, what)) {
        (void)json_array_append_new(whats, json_string(what));
    }
    if (there == NULL) {
        (void)json_array_append_new(findings,
                                    json_pack("{s:s, s:s, s:s, s:o}", "code", code, "text", text,
                                              "answer", answer, "what", whats));
    }
}

static const char *said(const struct attempt *a)
{
    return a->said != NULL ? a->said : report_answer(a->answer);
}

/* -- what was tried -- */

/* Told where the token states otherwise than an attempt showed. */
static void belie(struct entry *e, CK_ATTRIBUTE_TYPE type, const char *claim, bool stated,
                  const struct attempt *a)
{
    if (key_attribute_read(e->t, e->subject->handle, type) ==
        (stated ? ATTRIBUTE_YES : ATTRIBUTE_NO)) {
        report_finding(e->findings, "token-lies", "the token states what is not so", claim,
                       said(a));
    }
}

static void belie_use(struct entry *e, const struct attempt *a)
{
    char claim[64];
    snprintf(claim, sizeof claim, "that it may not %s", use_verb(a->use));
    belie(e, use_attribute(a->use), claim, false, a);
}

static void compare_with_claims(struct entry *e, const struct attempt *a)
{
    switch (a->probe) {
    case PROBE_OPEN:
        belie(e, CKA_PRIVATE, "that it is CKA_PRIVATE", true, a);
        break;
    case PROBE_READ:
        belie(e, CKA_SENSITIVE, "that it is CKA_SENSITIVE", true, a);
        belie(e, CKA_EXTRACTABLE, "that it is not CKA_EXTRACTABLE", false, a);
        break;
    case PROBE_WRAP:
        belie(e, CKA_EXTRACTABLE, "that it is not CKA_EXTRACTABLE", false, a);
        break;
    case PROBE_SET:
        belie(e, CKA_MODIFIABLE, "that it is not CKA_MODIFIABLE", false, a);
        break;
    case PROBE_COPY:
        belie(e, CKA_COPYABLE, "that it is not CKA_COPYABLE", false, a);
        break;
    case PROBE_USE:
        belie_use(e, a);
        break;
    default:
        break;
    }
}

static void find_use(struct entry *e, const struct attempt *a)
{
    char code[32], text[64];
    snprintf(code, sizeof code, "may-%s", use_name(a->use));
    snprintf(text, sizeof text, "it can be used to %s, which is not its purpose", use_verb(a->use));
    report_finding(e->findings, code, text, a->what, said(a));
}

static void find_weakness(struct entry *e, const struct attempt *a)
{
    const char *code = found[a->probe].code, *text = found[a->probe].text;
    if (a->probe == PROBE_USE) {
        find_use(e, a);
        return;
    }
    if (a->probe == PROBE_SET && strcmp(a->what, "CKA_ID") == 0) {
        code = "purpose-settable";
        text = "its CKA_ID, and so its purpose, can be rewritten";
    }
    if (a->probe == PROBE_COPY && strcmp(a->what, "CKA_TOKEN") == 0) {
        code = "copyable";
        text = "the token made a copy of it";
    }
    report_finding(e->findings, code, text, a->what, said(a));
}

static void take_attempt(void *arg, const struct attempt *a)
{
    struct entry *e = arg;
    const char *word = a->probe == PROBE_USE ? use_name(a->use) : probe_words[a->probe];
    json_t *told = json_pack("{s:s, s:s, s:s, s:s}", "probe", word, "what", a->what, "answer",
                             said(a), "outcome", outcome_words[a->outcome]);
    if (a->has_control) {
        (void)json_object_set_new(told, "control", json_string(report_answer(a->control)));
    }
    (void)json_array_append_new(e->attempts, told);
    if (a->outcome == OUTCOME_WEAK) {
        find_weakness(e, a);
        compare_with_claims(e, a);
    }
    if (a->outcome == OUTCOME_UNCLEAR) {
        char what[64];
        snprintf(what, sizeof what, "%s %s", word, a->what);
        report_finding(e->findings, "unclear",
                       "the token failed in a way that tells nothing of the key", what, said(a));
    }
    if (a->not_put_back) {
        log_line("%s of a key was set and cannot be set back", a->what);
        report_finding(e->findings, "not-put-back",
                       "the token let it be changed and not be set back; replace the key", a->what,
                       said(a));
    }
}

/* -- what the token states -- */

static json_t *stated(struct token *t, CK_OBJECT_HANDLE object)
{
    json_t *out = json_object();
    for (size_t i = 0; i < KEY_ATTRIBUTE_COUNT; i++) {
        enum attribute_answer answer = key_attribute_read(t, object, key_attributes[i].type);
        (void)json_object_set_new(
            out, key_attributes[i].word,
            answer == ATTRIBUTE_UNSTATED ? json_null() : json_boolean(answer == ATTRIBUTE_YES));
    }
    return out;
}

/* Of itself a token should at least say what fits together. */
static void compare_claims(struct entry *e)
{
    static const struct {
        CK_ATTRIBUTE_TYPE never;
        CK_ATTRIBUTE_TYPE now;
        enum attribute_answer not_now;
        const char *claim;
    } pairs[] = {
        {CKA_NEVER_EXTRACTABLE, CKA_EXTRACTABLE, ATTRIBUTE_YES,
         "that it was never CKA_EXTRACTABLE, and is"},
        {CKA_ALWAYS_SENSITIVE, CKA_SENSITIVE, ATTRIBUTE_NO,
         "that it was always CKA_SENSITIVE, and is not"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        CK_OBJECT_HANDLE key = e->subject->handle;
        if (key_attribute_read(e->t, key, pairs[i].never) == ATTRIBUTE_YES &&
            key_attribute_read(e->t, key, pairs[i].now) == pairs[i].not_now) {
            report_finding(e->findings, "token-lies", "the token states what is not so",
                           pairs[i].claim, "CKR_OK");
        }
    }
}

/* What a custodian, or the ceremony that made the key, would say of it. */
static void hold_to_the_rules(struct entry *e, const struct report_objects *all,
                              const struct report_object *o, struct token_key *key)
{
    const char *refusal = key_refusal(e->t, key, o->class);
    const char *weakness = refusal != NULL ? NULL : key_weakness(e->t, key);
    if (refusal == NULL) {
        refusal = key_describe(e->t, key);
    }
    if (refusal != NULL) {
        report_finding(e->findings, "refused", refusal, NULL, "");
    }
    if (weakness != NULL) {
        report_finding(e->findings, "states-weakness", weakness, NULL, "");
    }
    if (report_object_has_twin(all, o)) {
        report_finding(e->findings, "identity-twice", "another key carries the same CKA_ID", NULL,
                       "");
    }
}

/* -- a key -- */

static const char *kind_word(const struct report_object *o, const struct token_key *key)
{
    static const char *const words[KIND_COUNT] = {
        [KIND_OTHER] = "other", [KIND_AES] = "AES",   [KIND_GENERIC] = "generic secret",
        [KIND_DES] = "DES",     [KIND_DES3] = "3DES", [KIND_EC] = "EC",
        [KIND_RSA] = "RSA"};
    return key->curve != CURVE_NONE ? curve_name(key->curve) : words[kind_of(o->class, o->type)];
}

static bool is_transport(const struct report_object *o)
{
    return o->class == CKO_PRIVATE_KEY && o->id_len == sizeof transport_id &&
           memcmp(o->id, transport_id, sizeof transport_id) == 0;
}

static enum use use_of(const struct report_object *o, const struct token_key *key)
{
    return key->purpose != 0 ? use_of_attribute(key_use(key->purpose))
           : is_transport(o) ? USE_UNWRAP
                             : USE_NONE;
}

static void tell_open(struct entry *e, const struct report_object *o)
{
    struct attempt a = {.probe = PROBE_OPEN,
                        .what = o->leaks ? "CKA_VALUE" : "C_FindObjects",
                        .answer = o->open ? CKR_OK : CKR_OBJECT_HANDLE_INVALID,
                        .said = o->open ? NULL : "not found",
                        .outcome = o->open ? OUTCOME_WEAK : OUTCOME_HELD};
    take_attempt(e, &a);
}

static json_t *finish(const struct report_object *o, const struct token_key *key, json_t *states,
                      struct entry *e)
{
    char label[REPORT_TEXT_MAX], id[2 * REPORT_ID_MAX + 1];
    const char *purpose = key->purpose != 0 ? key_purpose_name(key->purpose)
                          : is_transport(o) ? "transport"
                                            : "unknown";
    report_text(label, o->label, o->label_len);
    hex_put(id, o->id, o->id_len);
    bool pass = json_array_size(e->findings) == 0;
    return json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:s}", "purpose", purpose,
                     "generation", (json_int_t)key->generation, "label", label, "id", id, "class",
                     o->class == CKO_PRIVATE_KEY ? "private" : "secret", "kind", kind_word(o, key),
                     "stated", states, "attempts", e->attempts, "findings", e->findings, "verdict",
                     pass ? "pass" : "fail");
}

enum status report_key(struct stage *s, const struct report_objects *all,
                       const struct report_object *o, struct probe *p, json_t **out)
{
    struct token_key key = {.handle = o->handle};
    bool ours = key_id_parse(span_of(o->id, o->id_len), &key);
    const struct subject subject = {
        .handle = o->handle,
        .class = o->class,
        .type = o->type,
        .purpose = use_of(o, &key),
        .is_kek = key.purpose == KEY_KEK,
        .id = span_of(o->id, o->id_len),
        .label = span_of(o->label, o->label_len),
    };
    struct entry e = {&s->token, &subject, json_array(), json_array()};

    if (ours) {
        hold_to_the_rules(&e, all, o, &key);
    } else if (!is_transport(o)) {
        report_finding(e.findings, "unknown-key", "no ceremony of this service made it", NULL, "");
    }
    compare_claims(&e);
    tell_open(&e, o);
    p->take = take_attempt;
    p->arg = &e;
    json_t *states = stated(&s->token, o->handle);
    enum status st = probe_key(p, &subject);
    json_t *states_now = stated(&s->token, o->handle);
    if (!json_equal(states, states_now)) {
        report_finding(e.findings, "changed",
                       "the token states something else of it since it was "
                       "tried",
                       NULL, "");
    }
    json_decref(states_now);
    *out = finish(o, &key, states, &e);
    return st == STATUS_OK && *out == NULL ? STATUS_INTERNAL : st;
}
