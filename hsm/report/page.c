/*
 * The report as a page to file: what the JSON value holds, and nothing else. No line begins with
 * "signature", so that the one below the page can be cut off.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hsm/report/report.h"

enum { COLUMN = 16, WIDTH = 96 };

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text == NULL ? "" : text;
}

/* Words into lines of at most WIDTH, each below the first one's column. */
static void put_words(FILE *out, size_t column, const char *text)
{
    size_t at = column;
    while (*text != '\0') {
        size_t len = strcspn(text, " ");
        if (at + 1 + len > WIDTH && at > column) {
            fprintf(out, "\n%*s", (int)column, "");
            at = column;
        } else if (at > column) {
            (void)fputc(' ', out);
            at++;
        }
        fprintf(out, "%.*s", (int)len, text);
        at += len;
        text += len + (text[len] == ' ');
    }
    (void)fputc('\n', out);
}

__attribute__((format(printf, 3, 4))) static void put_field(FILE *out, const char *name,
                                                            const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(out, "    %-*s", COLUMN, name);
    put_words(out, 4 + COLUMN, text);
}

static void join(char *out, size_t size, const json_t *list)
{
    size_t i, len = 0;
    json_t *item;
    out[0] = '\0';
    json_array_foreach (list, i, item) {
        int n =
            snprintf(out + len, size - len, "%s%s", i == 0 ? "" : ", ", json_string_value(item));
        len += n > 0 && (size_t)n < size - len ? (size_t)n : 0;
    }
}

/* -- findings -- */

static void put_findings(FILE *out, const char *whose, const json_t *findings)
{
    size_t i;
    json_t *finding;
    json_array_foreach (findings, i, finding) {
        char what[1024], line[2048];
        const char *answer = text_of(finding, "answer");
        join(what, sizeof what, json_object_get(finding, "what"));
        snprintf(line, sizeof line, "%s: %s%s%s%s%s", text_of(finding, "code"),
                 text_of(finding, "text"), what[0] == '\0' ? "" : ": ", what,
                 answer[0] == '\0' ? "" : "; the token said ", answer);
        if (i == 0) {
            fprintf(out, "    FAIL  %s\n", whose);
        }
        fprintf(out, "          ");
        put_words(out, 10, line);
    }
}

static void name_key(const json_t *key, char *out, size_t size)
{
    json_int_t generation = json_integer_value(json_object_get(key, "generation"));
    char number[24] = "";
    if (generation != 0) {
        snprintf(number, sizeof number, " %lld", (long long)generation);
    }
    snprintf(out, size, "%s%s \"%s\"", text_of(key, "purpose"), number, text_of(key, "label"));
}

static void put_all_findings(FILE *out, const json_t *report)
{
    const json_t *token = json_object_get(report, "token");
    size_t i;
    json_t *item;
    char name[REPORT_TEXT_MAX + 64];
    fprintf(out, "\nfindings\n");
    put_findings(out, "the token", json_object_get(token, "findings"));
    put_findings(out, "this report", json_object_get(report, "findings"));
    json_array_foreach (json_object_get(report, "keys"), i, item) {
        name_key(item, name, sizeof name);
        put_findings(out, name, json_object_get(item, "findings"));
    }
    json_array_foreach (json_object_get(report, "objects"), i, item) {
        snprintf(name, sizeof name, "%s \"%s\" of \"%s\"", text_of(item, "class"),
                 text_of(item, "label"), text_of(item, "application"));
        put_findings(out, name, json_object_get(item, "findings"));
    }
    if (strcmp(text_of(report, "verdict"), "pass") == 0) {
        fprintf(out, "    none\n");
    }
}

/* -- keys -- */

static void put_stated(FILE *out, const json_t *stated)
{
    const char *word;
    json_t *answer;
    char is[512] = "", is_not[512] = "";
    json_object_foreach ((json_t *)stated, word, answer) {
        char *list = json_is_true(answer) ? is : json_is_false(answer) ? is_not : NULL;
        if (list != NULL) {
            size_t len = strlen(list);
            snprintf(list + len, sizeof is - len, "%s%s", len == 0 ? "" : ", ", word);
        }
    }
    put_field(out, "states", "%s; not %s", is[0] == '\0' ? "nothing" : is,
              is_not[0] == '\0' ? "anything" : is_not);
}

static bool alike(const json_t *a, const json_t *b)
{
    return strcmp(text_of(a, "probe"), text_of(b, "probe")) == 0 &&
           strcmp(text_of(a, "outcome"), text_of(b, "outcome")) == 0 &&
           strcmp(text_of(a, "answer"), text_of(b, "answer")) == 0;
}

/* One line for the attempts of a kind that had the same answer and outcome. */
static void put_attempts(FILE *out, const json_t *attempts)
{
    const size_t n = json_array_size(attempts);
    for (size_t i = 0; i < n; i++) {
        const json_t *first = json_array_get(attempts, i);
        bool told = false;
        for (size_t j = 0; j < i && !told; j++) {
            told = alike(first, json_array_get(attempts, j));
        }
        if (told) {
            continue;
        }
        char whats[1024];
        size_t len = 0;
        whats[0] = '\0';
        for (size_t j = i; j < n; j++) {
            const json_t *other = json_array_get(attempts, j);
            if (alike(first, other) && len < sizeof whats - 1) {
                int put = snprintf(whats + len, sizeof whats - len, "%s%s", j == i ? "" : ", ",
                                   text_of(other, "what"));
                len += put > 0 ? (size_t)put : 0;
            }
        }
        put_field(out, text_of(first, "probe"), "%s, %s: %s", text_of(first, "outcome"),
                  text_of(first, "answer"), whats);
    }
}

static void put_key(FILE *out, const json_t *key)
{
    char name[REPORT_TEXT_MAX + 64];
    name_key(key, name, sizeof name);
    fprintf(out, "\n%s  %s\n", name,
            strcmp(text_of(key, "verdict"), "pass") == 0 ? "PASS" : "FAIL");
    put_field(out, "id", "%s", text_of(key, "id"));
    put_field(out, "kind", "%s, %s", text_of(key, "class"), text_of(key, "kind"));
    put_stated(out, json_object_get(key, "stated"));
    put_attempts(out, json_object_get(key, "attempts"));
}

/* -- the page -- */

static void put_modes(FILE *out, const json_t *modes)
{
    const json_t *custody = json_object_get(modes, "custody");
    char curves[256];
    join(curves, sizeof curves, json_object_get(custody, "token_curves"));
    put_field(out, "custody", "%s, where a request asks for no other; token can be had on: %s",
              text_of(custody, "default"), curves[0] == '\0' ? "no curve" : curves);
    const json_t *audit = json_object_get(modes, "audit");
    bool off = strcmp(text_of(audit, "mode"), "off") == 0;
    put_field(out, "audit", "%s%s%s%s", off ? "OFF: uses of keys leave no trace" : "strict, log ",
              text_of(audit, "origin"), off ? "" : " in ", text_of(audit, "directory"));
    put_field(out, "second operator", "%s",
              json_is_true(json_object_get(modes, "second_operator")) ? "set" : "not set");
}

static void put_head(FILE *out, const json_t *report)
{
    const json_t *token = json_object_get(report, "token");
    fprintf(out, "Custody report of token \"%s\", %s\n\n", text_of(token, "label"),
            text_of(report, "time"));
    put_field(out, "verdict", "%s: %zu keys, %lld failed",
              strcmp(text_of(report, "verdict"), "pass") == 0 ? "PASS" : "FAIL",
              json_array_size(json_object_get(report, "keys")),
              (long long)json_integer_value(json_object_get(report, "keys_failed")));
    put_field(out, "custodian", "%s", text_of(report, "custodian"));
    put_field(out, "serial", "%s", text_of(token, "serial"));
    put_field(out, "model", "%s, %s, firmware %s", text_of(token, "model"),
              text_of(token, "manufacturer"), text_of(token, "firmware"));
    put_field(out, "library", "%s %s", text_of(token, "library"),
              text_of(token, "library_version"));
    put_field(out, "what it is", "%s", text_of(token, "boundary"));
    put_modes(out, json_object_get(report, "modes"));
}

static void put_objects(FILE *out, const json_t *objects)
{
    size_t i;
    json_t *o;
    fprintf(out, "\nobjects beside keys\n");
    json_array_foreach (objects, i, o) {
        const char *application = text_of(o, "application");
        fprintf(out, "    %-11s  %s  \"%s\"%s%s%s\n", text_of(o, "class"),
                json_is_true(json_object_get(o, "without_login")) ? "for everybody"
                                                                  : "with the PIN ",
                text_of(o, "label"), application[0] == '\0' ? "" : " of \"", application,
                application[0] == '\0' ? "" : "\"");
    }
    if (json_array_size(objects) == 0) {
        fprintf(out, "    none\n");
    }
}

static const char legend[] =
    "\nhow to read it\n"
    "    held      the token refused, where it does not refuse a fresh key that may do it\n"
    "    weak      it was done\n"
    "    unclear   the token failed otherwise, which tells nothing\n"
    "    untested  the token cannot do this with a fresh key either\n"
    "    A key that somebody knew before it came into a token that lies of its origin cannot be\n"
    "    told by trying, nor what a token does that answers here as it should.\n";

char *report_page(const json_t *report)
{
    char *text = NULL;
    size_t len, i;
    json_t *key;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL) {
        return NULL;
    }
    put_head(out, report);
    put_all_findings(out, report);
    json_array_foreach (json_object_get(report, "keys"), i, key) {
        put_key(out, key);
    }
    put_objects(out, json_object_get(report, "objects"));
    char not_tried[2048];
    join(not_tried, sizeof not_tried, json_object_get(report, "wraps_not_tried"));
    fprintf(out, "\nwrapping mechanisms of the token that were not tried: %s\n",
            not_tried[0] == '\0' ? "none" : not_tried);
    fprintf(out, "left behind by this report: %lld objects\n",
            (long long)json_integer_value(json_object_get(report, "left_behind")));
    (void)fputs(legend, out);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
