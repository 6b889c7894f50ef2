#include "bench/document.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/host.h"
#include "bench/measure.h"
#include "bench/noise.h"

enum { PATH_MAX_LEN = 4096, COMMAND_MAX = 2048, NS_PER_US = 1000, DIGITS = 7 };

struct document {
    json_t *root, *host, *results, *curves, *advice;
    char path[PATH_MAX_LEN];
    bool has_path, stopped, others_unknown;
    double began_s, load_before;
    struct noise *noise;
};

/* -- the command -- */

static bool plain(const char *word)
{
    return *word != '\0' && word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                              "0123456789_-+./=:,@%")] == '\0';
}

/* For a shell: a word in single quotes holds everything but those. */
static void put_word(FILE *out, const char *word)
{
    if (plain(word)) {
        (void)fputs(word, out);
        return;
    }
    (void)fputc('\'', out);
    for (; *word != '\0'; word++) {
        (void)(*word == '\'' ? fputs("'\\''", out) : fputc(*word, out));
    }
    (void)fputc('\'', out);
}

static json_t *command_of(char *const words[])
{
    static char text[COMMAND_MAX];
    const char *said = getenv("ECKABENCH_COMMAND");
    if (said != NULL && *said != '\0') {
        return json_string(said);
    }
    FILE *out = fmemopen(text, sizeof text, "w");
    if (out == NULL) {
        return json_string("eckabench");
    }
    (void)fputs("eckabench", out);
    for (size_t i = 0; words[i] != NULL; i++) {
        (void)fputc(' ', out);
        put_word(out, words[i]);
    }
    (void)fclose(out);
    text[sizeof text - 1] = '\0';
    return json_string(text);
}

static json_t *now_utc(void)
{
    char text[32];
    struct tm tm;
    const time_t now = time(NULL);
    (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    return json_string(text);
}

/* -- the document -- */

struct document *document_new(const char *kind, char *const words[], const char *path)
{
    struct document *d = calloc(1, sizeof *d);
    if (d == NULL) {
        abort();
    }
    d->began_s = bench_now_s();
    d->load_before = host_load();
    d->noise = noise_start();
    d->has_path = path != NULL;
    (void)snprintf(d->path, sizeof d->path, "%s", path != NULL ? path : "");
    d->host = host_facts();
    d->results = json_array();
    d->curves = json_array();
    d->advice = json_array();
    d->root = json_pack("{s:s, s:o, s:s, s:o, s:f, s:b, s:s, s:o, s:{}, s:o, s:o, s:o}", "schema",
                        "eckabench/1", "command", command_of(words), "kind", kind, "began",
                        now_utc(), "seconds", 0.0, "complete", 0, "stopped",
                        "it was ended before it was done", "host", d->host, "subject", "results",
                        d->results, "curves", d->curves, "advice", d->advice);
    if (d->root == NULL) {
        abort();
    }
    return d;
}

json_t *document_subject(struct document *d)
{
    return json_object_get(d->root, "subject");
}

json_t *document_versions(struct document *d)
{
    return json_object_get(d->host, "versions");
}

void document_add_result(struct document *d, json_t *result)
{
    (void)json_array_append_new(d->results, result);
}

void document_add_curve(struct document *d, json_t *curve)
{
    (void)json_array_append_new(d->curves, curve);
}

void document_add_advice(struct document *d, const char *because, const char *yaml)
{
    (void)json_array_append_new(d->advice,
                                json_pack("{s:s, s:s}", "because", because, "yaml", yaml));
}

void document_others_unknown(struct document *d)
{
    d->others_unknown = true;
}

void document_stop(struct document *d, const char *why)
{
    if (!d->stopped) {
        (void)json_object_set_new(d->root, "stopped", json_string(why));
    }
    d->stopped = true;
}

static void put_noise(struct document *d, const struct noise_figures *n)
{
    json_t *noise =
        json_pack("{s:s, s:I, s:f}", "what",
                  "processor time of a fixed loop of about a millisecond, four times a second: "
                  "90th less 10th percentile, of the median",
                  "samples", (json_int_t)n->samples, "spread_percent", n->spread_percent);
    if (n->others_percent >= 0 && !d->others_unknown) {
        (void)json_object_set_new(noise, "others_percent", json_real(n->others_percent));
        (void)json_object_set_new(noise, "steal_percent", json_real(n->steal_percent));
    }
    (void)json_object_set_new(d->host, "noise", noise);
    (void)json_object_set_new(d->host, "load", json_pack("[f, f]", d->load_before, host_load()));
    (void)json_object_set_new(d->root, "seconds", json_real(bench_now_s() - d->began_s));
}

/* Beside it first: who reads it finds the old one or the new one. */
static bool put_file(const struct document *d)
{
    char beside[PATH_MAX_LEN + 8];
    if (!d->has_path) {
        return true;
    }
    (void)snprintf(beside, sizeof beside, "%s.new", d->path);
    if (json_dump_file(d->root, beside, JSON_INDENT(1) | JSON_REAL_PRECISION(DIGITS)) == 0 &&
        rename(beside, d->path) == 0) {
        return true;
    }
    (void)fprintf(stderr, "eckabench: %s cannot be written\n", d->path);
    (void)remove(beside);
    return false;
}

bool document_save(struct document *d)
{
    const struct noise_figures n = noise_read(d->noise);
    put_noise(d, &n);
    return put_file(d);
}

bool document_finish(struct document **document)
{
    struct document *d = *document;
    *document = NULL;
    const struct noise_figures n = noise_stop(&d->noise);
    put_noise(d, &n);
    if (!d->stopped) {
        (void)json_object_set_new(d->root, "complete", json_true());
        (void)json_object_del(d->root, "stopped");
    }
    const bool ok = put_file(d);
    json_decref(d->root);
    free(d);
    return ok;
}

/* -- results -- */

json_t *result_new(const char *id, const char *title, const char *unit, bool lower,
                   const struct figure *f)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:f, s:f, s:f, s:f, s:I}", "id", id, "title", title,
                     "status", "ok", "unit", unit, "better", lower ? "lower" : "higher", "value",
                     f->value, "low", f->low, "high", f->high, "confidence", f->confidence,
                     "samples", (json_int_t)f->samples);
}

json_t *result_without(const char *id, const char *title, const char *status, const char *why)
{
    return json_pack("{s:s, s:s, s:s, s:s}", "id", id, "title", title, "status", status, "why",
                     why);
}

void result_set_peer(json_t *result, const char *name, const struct figure *f)
{
    (void)json_object_set_new(result, "peer",
                              json_pack("{s:s, s:f, s:f, s:f}", "name", name, "value", f->value,
                                        "low", f->low, "high", f->high));
}

void result_set_ratio(json_t *result, const struct figure *r, double asked, bool at_most, bool met)
{
    json_t *ratio = json_pack("{s:f, s:f, s:f, s:n, s:n}", "value", r->value, "low", r->low, "high",
                              r->high, "asked", "met");
    if (asked != 0) {
        (void)json_object_set_new(ratio, "asked", json_real(asked));
        (void)json_object_set_new(ratio, "met", json_boolean(met));
        (void)json_object_set_new(ratio, "at_most", json_boolean(at_most));
    }
    (void)json_object_set_new(result, "ratio", ratio);
}

static double us(const struct histogram *h, unsigned per_mille)
{
    return (double)histogram_per_mille(h, per_mille) / NS_PER_US;
}

void result_set_latency(json_t *result, const struct histogram *h)
{
    if (h->count != 0) {
        (void)json_object_set_new(result, "latency_us",
                                  json_pack("{s:f, s:f, s:f, s:f, s:f, s:I}", "p50", us(h, 500),
                                            "p95", us(h, 950), "p99", us(h, 990), "p999",
                                            us(h, 999), "max", (double)h->max / NS_PER_US, "count",
                                            (json_int_t)h->count));
    }
}
