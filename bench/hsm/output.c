#include "bench/hsm/output.h"

#include <stdio.h>

#include "bench/document.h"
#include "bench/hsm/interval.h"
#include "bench/hsm/worker.h"

enum { NS_PER_US = 1000, TITLE_MAX = 160 };

static const struct {
    const char *name;
    unsigned per_mille;
} percentiles[] = {{"p50", 500}, {"p95", 950}, {"p99", 990}, {"p999", 999}};

static const char *const statuses[] = {"ok", "unsupported", "failed", "partial", "skipped"};

static void put(json_t *o, const char *key, json_t *value)
{
    (void)json_object_set_new(o, key, value);
}

static void put_text(json_t *o, const char *key, const char *text)
{
    if (text[0] != '\0') {
        put(o, key, json_string(text));
    }
}

void output_subject(json_t *subject, const struct target *target)
{
    const struct token_facts *f = &target->facts;
    put_text(subject, "module", target->module);
    put_text(subject, "module_version", f->module_version);
    put_text(subject, "module_description", f->module_description);
    put_text(subject, "manufacturer", f->module_manufacturer);
    put_text(subject, "token_label", f->label);
    put_text(subject, "token_manufacturer", f->manufacturer);
    put_text(subject, "token_model", f->model);
    put_text(subject, "token_firmware", f->firmware);
    put_text(subject, "token_hardware", f->hardware);
    put(subject, "throw_away", json_boolean(target->throw_away));
}

static void title_of(const struct hsm_case *c, char out[static TITLE_MAX])
{
    const struct hsm_load *l = &c->load;
    char sessions[48] = "";
    if (l->sessions != 1) {
        (void)snprintf(sessions, sizeof sessions,
                       l->lane == LANE_SERVICE ? ", %u requests under way"
                                               : ", %u sessions a thread",
                       l->sessions);
    }
    (void)snprintf(out, TITLE_MAX, "%s%s%s, %s: %u process%s, %u thread%s%s%s",
                   operation_name(l->operation), l->curve == CURVE_NONE ? "" : " on ",
                   l->curve == CURVE_NONE ? "" : curve_name(l->curve), lane_name(l->lane),
                   l->processes, l->processes == 1 ? "" : "es", l->threads,
                   l->threads == 1     ? ""
                   : l->processes == 1 ? "s"
                                       : "s each",
                   sessions, c->offered > 0 ? ", open loop" : "");
}

static json_t *us(uint64_t ns)
{
    return json_real((double)ns / NS_PER_US);
}

/* A percentile that no interval is known of is not written; neither is its interval. */
static json_t *latency_json(const struct histogram *h)
{
    json_t *o = json_object(), *intervals = json_object();
    for (size_t i = 0; i < sizeof percentiles / sizeof percentiles[0]; i++) {
        uint64_t low, high;
        if (interval_of_percentile(h, percentiles[i].per_mille, &low, &high)) {
            put(o, percentiles[i].name, us(histogram_per_mille(h, percentiles[i].per_mille)));
            put(intervals, percentiles[i].name, json_pack("[o, o]", us(low), us(high)));
        }
    }
    put(o, "max", us(h->max));
    put(o, "count", json_integer((json_int_t)h->count));
    put(o, "intervals", intervals);
    return o;
}

static json_t *errors_json(const struct hsm_case *c)
{
    const struct lane *lane = lane_of(c->load.lane);
    json_t *o = json_object();
    for (size_t i = 0; i < ERRORS_MAX && c->errors[i].count != 0; i++) {
        put(o, lane->error_name(c->errors[i].code), json_integer((json_int_t)c->errors[i].count));
    }
    return o;
}

static json_t *figure_json(const char *name, const struct figure *f)
{
    json_t *o = json_pack("{s:f, s:f, s:f}", "value", f->value, "low", f->low, "high", f->high);
    if (name != NULL) {
        put(o, "name", json_string(name));
    } else {
        put(o, "asked", json_null());
        put(o, "met", json_null());
    }
    return o;
}

static void put_load(json_t *o, const struct hsm_case *c)
{
    const struct hsm_load *l = &c->load;
    put(o, "lane", json_string(lane_name(l->lane)));
    put(o, "operation", json_string(operation_name(l->operation)));
    if (l->curve != CURVE_NONE) {
        put(o, "curve", json_string(curve_name(l->curve)));
    }
    put(o, "processes", json_integer(l->processes));
    put(o, "threads", json_integer(l->threads));
    put(o, "sessions", json_integer(l->sessions));
    put(o, "loop", json_string(c->offered > 0 ? "open" : "closed"));
    if (c->offered > 0) {
        put(o, "offered", json_real(c->offered));
    }
}

static void put_figure(json_t *o, const struct figure *f)
{
    put(o, "unit", json_string("op/s"));
    put(o, "better", json_string("higher"));
    put(o, "value", json_real(f->value));
    put(o, "low", json_real(f->low));
    put(o, "high", json_real(f->high));
    put(o, "confidence", json_real(f->confidence));
    put(o, "samples", json_integer((json_int_t)f->samples));
}

json_t *output_result(const struct hsm_case *c, const struct hsm_case *peer)
{
    char id[CASE_ID_MAX], title[TITLE_MAX];
    json_t *o = json_object();
    case_id(c, id);
    title_of(c, title);
    put(o, "id", json_string(id));
    put(o, "title", json_string(title));
    put_load(o, c);
    put(o, "status", json_string(statuses[c->status]));
    put_text(o, "why", c->why);
    if (c->figure.samples != 0) {
        put_figure(o, &c->figure);
    }
    if (c->latency.count != 0) {
        put(o, "latency_us", latency_json(&c->latency));
    }
    if (c->errors[0].count != 0) {
        put(o, "errors", errors_json(c));
    }
    if (c->ratio.samples != 0 && peer->figure.samples != 0) {
        put(o, "peer", figure_json(c->peer_name, &peer->figure));
        put(o, "ratio", figure_json(NULL, &c->ratio));
    }
    put_text(o, "note", c->note);
    return o;
}

/* -- CSV -- */

static void put_us(FILE *f, const struct histogram *h, unsigned per_mille)
{
    uint64_t low, high;
    if (interval_of_percentile(h, per_mille, &low, &high)) {
        (void)fprintf(f, ",%.3f", (double)histogram_per_mille(h, per_mille) / NS_PER_US);
    } else {
        (void)fputc(',', f);
    }
}

/* RFC 4180: in quotes, and a quote twice. */
static void put_quoted(FILE *f, const char *text)
{
    (void)fputs(",\"", f);
    for (; *text != '\0'; text++) {
        if (*text == '"') {
            (void)fputc('"', f);
        }
        (void)fputc(*text, f);
    }
    (void)fputc('"', f);
}

static void put_line(FILE *f, const struct hsm_case *c)
{
    char id[CASE_ID_MAX];
    const struct hsm_load *l = &c->load;
    case_id(c, id);
    (void)fprintf(f, "%s,%s,%s,%s,%u,%u,%u,%s,%s", id, lane_name(l->lane),
                  operation_name(l->operation), l->curve == CURVE_NONE ? "" : curve_name(l->curve),
                  l->processes, l->threads, l->sessions, c->offered > 0 ? "open" : "closed",
                  statuses[c->status]);
    if (c->figure.samples != 0) {
        (void)fprintf(f, ",%.3f,%.3f,%.3f,%zu", c->figure.value, c->figure.low, c->figure.high,
                      c->figure.samples);
    } else {
        (void)fputs(",,,,", f);
    }
    for (size_t i = 0; i < sizeof percentiles / sizeof percentiles[0]; i++) {
        put_us(f, &c->latency, percentiles[i].per_mille);
    }
    if (c->latency.count != 0) {
        (void)fprintf(f, ",%.3f", (double)c->latency.max / NS_PER_US);
    } else {
        (void)fputc(',', f);
    }
    (void)fprintf(f, ",%llu", (unsigned long long)c->failures);
    put_quoted(f, c->why);
    (void)fputc('\n', f);
}

bool output_csv(const char *path, const struct hsm_case cases[], size_t n)
{
    FILE *f = fopen(path, "we");
    if (f != NULL) {
        (void)fputs("id,lane,operation,curve,processes,threads,sessions,loop,status,value,low,high,"
                    "samples,p50_us,p95_us,p99_us,p999_us,max_us,failures,why\n",
                    f);
    }
    for (size_t i = 0; f != NULL && i < n; i++) {
        if (!cases[i].hidden) {
            put_line(f, &cases[i]);
        }
    }
    if (f == NULL || fclose(f) != 0) {
        (void)fprintf(stderr, "eckabench: %s cannot be written\n", path);
        return false;
    }
    return true;
}
