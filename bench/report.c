#include "bench/report.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { ID_MAX = 96, RANGE_MAX = 48, US_PER_MS = 1000, KIB = 1024 };

/* "KIND/name-in-lower-case"; the curves' names keep their capitals nowhere. */
static void make_id(char out[static ID_MAX], const char *kind, const char *name)
{
    (void)snprintf(out, ID_MAX, "%s/%s", kind, name);
    for (char *c = out; *c != '\0'; c++) {
        *c = *c == ' ' ? '-' : (char)tolower((unsigned char)*c);
    }
}

static const char *range_of(char out[static RANGE_MAX], const struct figure *f)
{
    const int digits = f->high >= 1000 ? 0 : f->high >= 10 ? 1 : 2;
    (void)snprintf(out, RANGE_MAX, "%.*f - %.*f", digits, f->low, digits, f->high);
    return out;
}

/* -- kernels -- */

static json_t *kernel_json(const struct bench_case *c, const struct bench_result *r)
{
    char id[ID_MAX];
    make_id(id, "kernels", c->name);
    json_t *out = result_new(id, c->name, "items/cpu-s", false, &r->items_per_s);
    result_set_peer(out, c->peer, &r->peer_items_per_s);
    result_set_ratio(out, &r->ratio, c->floor, false, r->ratio.value >= c->floor);
    if (r->ticks_per_item > 0) {
        (void)json_object_set_new(out, "ticks_per_item", json_real(r->ticks_per_item));
    }
    if (c->table_bytes != 0) {
        (void)json_object_set_new(out, "table_bytes", json_integer((json_int_t)c->table_bytes));
    }
    return out;
}

static json_t *table_json(const struct kernel_table *t)
{
    char name[ID_MAX / 2], title[ID_MAX], id[ID_MAX];
    (void)snprintf(name, sizeof name, "table %s %s", t->curve, t->level);
    (void)snprintf(title, sizeof title, "building a %s key table of %s", t->level, t->curve);
    make_id(id, "kernels", name);
    json_t *out = result_new(id, title, "ms", true, &t->build_ms);
    (void)json_object_set_new(out, "table_bytes", json_integer((json_int_t)t->bytes));
    return out;
}

void report_kernels_json(const struct kernels_report *r, struct document *out)
{
    for (size_t i = 0; i < r->cases; i++) {
        document_add_result(out, kernel_json(&r->cases_of[i], &r->results[i]));
    }
    for (size_t i = 0; i < r->tables; i++) {
        document_add_result(out, table_json(&r->tables_of[i]));
    }
}

void report_kernels(const struct kernels_report *r)
{
    (void)printf("%-41s %10s %9s %8s  %-15s %6s        %7s %9s\n", provider_name(), "items/s",
                 "OpenSSL", "ratio", "95 % interval", "asked", "ticks", "tables");
    for (size_t i = 0; i < r->cases; i++) {
        const struct bench_case *c = &r->cases_of[i];
        const struct bench_result *m = &r->results[i];
        char range[RANGE_MAX];
        (void)printf("%-41s %10.0f %9.0f %8.2f  %-15s %6.1f %-6s %7.0f %5zu KiB\n", c->name,
                     m->items_per_s.value, m->peer_items_per_s.value, m->ratio.value,
                     range_of(range, &m->ratio), c->floor,
                     m->ratio.value >= c->floor ? "met" : "MISSED", m->ticks_per_item,
                     c->table_bytes / KIB);
    }
    for (size_t i = 0; i < r->tables; i++) {
        const struct kernel_table *t = &r->tables_of[i];
        (void)printf("%s table %-16s %-7s %6zu KiB, built in %.2f ms\n", i == 0 ? "key" : "   ",
                     t->curve, t->level, t->bytes / KIB, t->build_ms.value);
    }
}

/* -- service -- */

static const char *verdict_name(enum service_verdict v)
{
    return v == SERVICE_MET ? "met" : v == SERVICE_MISSED ? "MISSED" : "stated";
}

json_t *report_service_json(const char *kind, const struct service_result *r)
{
    char id[ID_MAX];
    const bool judged = r->verdict != SERVICE_STATED, met = r->verdict == SERVICE_MET;
    make_id(id, kind, r->name);
    json_t *out = result_new(id, r->title, r->unit, r->less, &r->figure);
    if (r->peer != NULL) {
        result_set_peer(out, r->peer, &r->of_peer);
    }
    if (r->ratio.samples != 0) {
        result_set_ratio(out, &r->ratio, judged ? r->asked : 0, r->at_most, met);
    } else if (judged) {
        (void)json_object_set_new(
            out, "bound",
            json_pack("{s:f, s:b}", r->at_most ? "at_most" : "at_least", r->asked, "met", met));
    }
    result_set_latency(out, &r->latency);
    if (r->note[0] != '\0') {
        (void)json_object_set_new(out, "note", json_string(r->note));
    }
    return out;
}

/* By load; what was tried twice is the later try. */
static json_t *points_of(const struct knee *knee)
{
    json_t *points = json_array();
    for (double last = -1;;) {
        const struct knee_step *next = NULL;
        for (size_t i = 0; i < knee->steps; i++) {
            const struct knee_step *s = &knee->step[i];
            if (s->rate > last && (next == NULL || s->rate <= next->rate)) {
                next = s;
            }
        }
        if (next == NULL) {
            return points;
        }
        last = next->rate;
        (void)json_array_append_new(
            points, json_pack("{s:f, s:f, s:f, s:f, s:f, s:f}", "offered", next->rate, "achieved",
                              next->achieved, "p50_us", US_PER_MS * next->p50_ms, "p99_us",
                              US_PER_MS * next->p99_ms, "p999_us", US_PER_MS * next->p999_ms,
                              "not_ok", next->bad_share));
    }
}

json_t *report_curve_json(const struct service_curve *c)
{
    const double p99_us = (double)histogram_per_mille(&c->knee.at.latency, 990) / US_PER_MS;
    return json_pack("{s:s, s:s, s:s, s:o, s:{s:f, s:f}}", "id", c->id, "title", c->title, "unit",
                     c->unit, "points", points_of(&c->knee), "knee", "offered", c->knee.rate,
                     "p99_us", p99_us);
}

static void print_ratio(const struct service_result *r)
{
    char range[RANGE_MAX];
    if (r->ratio.samples == 0) {
        (void)printf(" %10s %7s  %-15s", "", "", range_of(range, &r->figure));
    } else {
        (void)printf(" %10.0f %7.2f  %-15s", r->of_peer.value, r->ratio.value,
                     range_of(range, &r->ratio));
    }
    if (r->verdict == SERVICE_STATED) {
        (void)printf(" %14s", "stated");
    } else {
        (void)printf(" %s %4.2f %-6s", r->at_most ? "<=" : ">=", r->asked,
                     verdict_name(r->verdict));
    }
}

void report_service(const struct service_bench *b)
{
    (void)printf("%-25s %10s %-12s %9s %7s  %-15s %14s\n", provider_name(), "", "", "peer", "ratio",
                 "95 % interval", "asked");
    for (size_t i = 0; i < b->count; i++) {
        const struct service_result *r = &b->results[i];
        (void)printf("%-25s %10.0f %-12.12s", r->name, r->figure.value, r->unit);
        print_ratio(r);
        (void)printf("  %s\n", r->note);
    }
}
