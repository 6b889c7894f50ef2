/*
 * From a script's text to its rules. A word that is not of the language ends the program: a test
 * whose script does nothing would pass without having tried anything.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/pkcs11/scripted.h"

enum { LINE_MAX_LEN = 1024 };

static const struct {
    const char *name;
    CK_RV rv;
} rvs[] = {
#define CKR(name, action, meaning) {#name, name},
#include "hsm/token/ckr.def"
#undef CKR
};

static const char *const call_names[CALL_COUNT] = {
#define CALL(name, shape)      #name,
#define CALL_OUT(name, shape)  #name,
#define CALL_LIED(name, shape) #name,
#include "tests/pkcs11/scripted_calls.def"
};

static const struct {
    const char *name;
    CK_ATTRIBUTE_TYPE type;
} attributes[] = {
    {"CKA_PRIVATE", CKA_PRIVATE},
    {"CKA_SENSITIVE", CKA_SENSITIVE},
    {"CKA_ALWAYS_SENSITIVE", CKA_ALWAYS_SENSITIVE},
    {"CKA_EXTRACTABLE", CKA_EXTRACTABLE},
    {"CKA_NEVER_EXTRACTABLE", CKA_NEVER_EXTRACTABLE},
    {"CKA_LOCAL", CKA_LOCAL},
    {"CKA_MODIFIABLE", CKA_MODIFIABLE},
    {"CKA_COPYABLE", CKA_COPYABLE},
    {"CKA_SIGN", CKA_SIGN},
    {"CKA_SIGN_RECOVER", CKA_SIGN_RECOVER},
    {"CKA_VERIFY", CKA_VERIFY},
    {"CKA_ENCRYPT", CKA_ENCRYPT},
    {"CKA_DECRYPT", CKA_DECRYPT},
    {"CKA_WRAP", CKA_WRAP},
    {"CKA_UNWRAP", CKA_UNWRAP},
    {"CKA_DERIVE", CKA_DERIVE},
};

static const struct {
    const char *word;
    enum deed deed;
} deeds[] = {
    {"rv", DEED_RV},         {"delay", DEED_DELAY}, {"hang", DEED_HANG}, {"crash", DEED_CRASH},
    {"vanish", DEED_VANISH}, {"reset", DEED_RESET}, {"flip", DEED_FLIP},
};

struct words { /* of one line, taken one by one */
    char text[LINE_MAX_LEN];
    const char *line; /* as it was, for sentences */
    int line_len;
    char *rest;
    const char *next; /* NULL: there is none left */
};

const char *call_name(enum call call)
{
    return call_names[call];
}

static _Noreturn void fail(const struct words *w, const char *why)
{
    (void)fprintf(stderr, "scripted: %s: %.*s\n", why, w->line_len, w->line);
    abort();
}

static const char *take(struct words *w)
{
    const char *word = w->next;
    if (word == NULL) {
        fail(w, "a word is missing");
    }
    w->next = strtok_r(NULL, " \t", &w->rest);
    return word;
}

static bool take_if(struct words *w, const char *word)
{
    if (w->next == NULL || strcmp(w->next, word) != 0) {
        return false;
    }
    (void)take(w);
    return true;
}

static uint64_t take_number(struct words *w)
{
    const char *word = take(w);
    char *end;
    uint64_t n = strtoull(word, &end, 10);
    if (*end != '\0' || n == 0) {
        fail(w, "a number above 0 is missing");
    }
    return n;
}

static CK_RV rv_of(const struct words *w, const char *name)
{
    char *end;
    unsigned long number = strtoul(name, &end, 0);
    for (size_t i = 0; i < sizeof rvs / sizeof rvs[0]; i++) {
        if (strcmp(name, rvs[i].name) == 0) {
            return rvs[i].rv;
        }
    }
    if (*end != '\0') {
        fail(w, "no CKR is called so");
    }
    return number;
}

static void take_calls(struct words *w, struct rule *rule)
{
    char names[LINE_MAX_LEN], *rest = NULL;
    (void)snprintf(names, sizeof names, "%s", take(w));
    for (char *name = strtok_r(names, ",", &rest); name != NULL;
         name = strtok_r(NULL, ",", &rest)) {
        bool known = false;
        for (size_t i = 0; i < CALL_COUNT; i++) {
            if (strcmp(name, "*") == 0 || strcmp(name, call_names[i]) == 0) {
                rule->calls[i] = known = true;
            }
        }
        if (!known) {
            fail(w, "no call is called so");
        }
    }
}

static void take_turns(struct words *w, struct rule *rule)
{
    rule->from = 1;
    if (take_if(w, "thread")) {
        rule->thread = (unsigned)take_number(w);
    }
    if (take_if(w, "nth")) {
        rule->from = rule->to = take_number(w);
    } else if (take_if(w, "from")) {
        rule->from = take_number(w);
        rule->to = take_if(w, "to") ? take_number(w) : 0;
    } else if (take_if(w, "every")) {
        rule->every = take_number(w);
    }
    rule->after = take_if(w, "after");
}

static void take_deed(struct words *w, struct rule *rule)
{
    const char *word = take(w);
    for (size_t i = 0; i < sizeof deeds / sizeof deeds[0]; i++) {
        if (strcmp(word, deeds[i].word) == 0) {
            rule->deed = deeds[i].deed;
        }
    }
    if (rule->deed == DEED_NONE) {
        fail(w, "nothing that can be done is called so");
    }
    if (rule->deed == DEED_RV) {
        rule->rv = rv_of(w, take(w));
    }
    if (rule->deed == DEED_VANISH) {
        bool named = w->next != NULL && strncmp(w->next, "CKR_", 4) == 0;
        rule->rv = named ? rv_of(w, take(w)) : CKR_DEVICE_REMOVED;
    }
    if (rule->deed == DEED_DELAY ||
        ((rule->deed == DEED_VANISH || rule->deed == DEED_HANG) && take_if(w, "for"))) {
        rule->ms = take_number(w);
    }
    if (rule->after && (rule->deed == DEED_FLIP || rule->deed == DEED_DELAY)) {
        fail(w, "this has one place in a call, and takes no after");
    }
}

static void take_attribute(struct words *w, struct lie *lie)
{
    const char *name = take(w);
    for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++) {
        if (strcmp(name, attributes[i].name) == 0) {
            lie->type = attributes[i].type;
            return;
        }
    }
    fail(w, "no attribute of a key is called so");
}

static void take_value(struct words *w, struct lie *lie)
{
    bool yes = take_if(w, "true");
    if (!yes && !take_if(w, "false")) {
        fail(w, "true or false is missing");
    }
    lie->value = yes ? CK_TRUE : CK_FALSE;
}

static void take_id(struct words *w, struct lie *lie)
{
    const char *hex = take(w);
    unsigned octet;
    while (lie->id_len < LIE_ID_MAX && sscanf(hex + 2 * lie->id_len, "%2x", &octet) == 1) {
        lie->id[lie->id_len++] = (uint8_t)octet;
    }
    if (lie->id_len == 0 || hex[2 * lie->id_len] != '\0') {
        fail(w, "this is no CKA_ID in hexadecimal");
    }
}

static void take_line(struct script *out, struct words *w)
{
    static const char *const lies[] = {
        [LIE_SAY] = "say", [LIE_MAKE] = "make", [LIE_UNKNOWN] = "unknown"};
    const char *word = take(w);

    if (out->n_rules == RULES_MAX || out->n_lies == LIES_MAX) {
        fail(w, "there are too many lines before");
    }
    if (strcmp(word, "on") == 0) {
        struct rule *rule = &out->rules[out->n_rules++];
        take_calls(w, rule);
        take_turns(w, rule);
        take_deed(w, rule);
        return;
    }
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        if (strcmp(word, lies[i]) == 0) {
            struct lie *lie = &out->lies[out->n_lies++];
            lie->kind = (enum lie_kind)i;
            take_attribute(w, lie);
            if (lie->kind != LIE_UNKNOWN) {
                take_value(w, lie);
            }
            if (lie->kind == LIE_SAY && take_if(w, "of")) {
                take_id(w, lie);
            }
            return;
        }
    }
    fail(w, "no line begins so");
}

/* FNV-1a: it tells one text from another, and nothing more. */
static uint64_t hash_of(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (; *text != '\0'; text++) {
        hash = (hash ^ (uint8_t)*text) * 0x100000001b3;
    }
    return hash;
}

void script_parse(struct script *out, const char *text)
{
    *out = (struct script){.hash = hash_of(text)};
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        struct words w = {.line = text, .line_len = (int)len};
        if (len >= sizeof w.text) {
            fail(&w, "a line is too long");
        }
        memcpy(w.text, text, len);
        w.text[strcspn(w.text, "#")] = '\0';
        w.next = strtok_r(w.text, " \t", &w.rest);
        if (w.next != NULL) {
            take_line(out, &w);
            if (w.next != NULL) {
                fail(&w, "there is a word too many");
            }
        }
        text += len + (text[len] == '\n');
    }
}
