#include "bench/report.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* "model name" of the first processor; "unknown" where /proc does not say. */
static void cpu_model(char *out, size_t size)
{
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "re");
    (void)snprintf(out, size, "unknown");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon != NULL && colon[1] != '\0') {
            (void)snprintf(out, size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
            break;
        }
    }
    if (f != NULL) {
        (void)fclose(f);
    }
}

json_t *report_host(void)
{
    char cpu[128];
    double load = 0;
    cpu_model(cpu, sizeof cpu);
    (void)getloadavg(&load, 1);
    return json_pack("{s:s, s:I, s:f, s:s, s:s}", "cpu", cpu, "cores",
                     (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "load", load, "openssl",
                     OpenSSL_version(OPENSSL_VERSION), "backend", provider_name());
}

bool report_write(const char *path, json_t *report)
{
    const int failed =
        report == NULL || json_dump_file(report, path, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    json_decref(report);
    if (failed != 0) {
        (void)fprintf(stderr, "eckabench: %s cannot be written\n", path);
    }
    return failed == 0;
}

/* -- kernels -- */

static json_t *kernel_json(const struct bench_case *c, const struct bench_result *r)
{
    return json_pack("{s:s, s:f, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:b, s:I, s:I}", "case",
                     c->name, "items_per_s", r->items_per_s, "peer", c->peer, "peer_items_per_s",
                     r->peer_items_per_s, "ratio", r->ratio, "ratio_low", r->ratio_low,
                     "ratio_high", r->ratio_high, "ticks_per_item", r->ticks_per_item, "floor",
                     c->floor, "met", r->ratio >= c->floor, "table_bytes",
                     (json_int_t)c->table_bytes, "rounds", (json_int_t)r->rounds);
}

json_t *report_kernels_json(const struct kernels_report *r)
{
    json_t *results = json_array(), *tables = json_array();
    for (size_t i = 0; i < r->cases; i++) {
        (void)json_array_append_new(results, kernel_json(&r->cases_of[i], &r->results[i]));
    }
    for (size_t i = 0; i < r->tables; i++) {
        const struct kernel_table *t = &r->tables_of[i];
        (void)json_array_append_new(
            tables, json_pack("{s:s, s:s, s:I, s:f}", "curve", t->curve, "level", t->level, "bytes",
                              (json_int_t)t->bytes, "build_ms", t->build_ms));
    }
    return json_pack("{s:o, s:o, s:o}", "host", report_host(), "results", results, "tables",
                     tables);
}

void report_kernels(const struct kernels_report *r)
{
    (void)printf("%-41s %10s %9s %8s  %-15s %6s        %7s %9s\n", provider_name(), "items/s",
                 "OpenSSL", "ratio", "p10 - p90", "floor", "ticks", "tables");
    for (size_t i = 0; i < r->cases; i++) {
        const struct bench_case *c = &r->cases_of[i];
        const struct bench_result *m = &r->results[i];
        char range[32];
        (void)snprintf(range, sizeof range, "%.2f - %.2f", m->ratio_low, m->ratio_high);
        (void)printf("%-41s %10.0f %9.0f %8.2f  %-15s %6.1f %-6s %7.0f %5zu KiB\n", c->name,
                     m->items_per_s, m->peer_items_per_s, m->ratio, range, c->floor,
                     m->ratio >= c->floor ? "met" : "MISSED", m->ticks_per_item,
                     c->table_bytes / 1024);
    }
    for (size_t i = 0; i < r->tables; i++) {
        const struct kernel_table *t = &r->tables_of[i];
        (void)printf("%s table %-16s %-7s %6zu KiB, built in %.2f ms\n", i == 0 ? "key" : "   ",
                     t->curve, t->level, t->bytes / 1024, t->build_ms);
    }
}

/* -- service -- */

static const char *verdict_name(enum service_verdict v)
{
    return v == SERVICE_MET ? "met" : v == SERVICE_MISSED ? "MISSED" : "stated";
}

static json_t *service_json(const struct service_result *r)
{
    return json_pack("{s:s, s:f, s:s, s:f, s:f, s:f, s:f, s:f, s:b, s:b, s:s, s:s, s:I}", "case",
                     r->name, "items_per_s", r->items_per_s, "peer", r->peer, "peer_items_per_s",
                     r->peer_items_per_s, "ratio", r->ratio, "ratio_low", r->ratio_low,
                     "ratio_high", r->ratio_high, "floor", r->floor, "at_most", r->at_most, "met",
                     r->verdict != SERVICE_MISSED, "verdict", verdict_name(r->verdict), "note",
                     r->note, "rounds", (json_int_t)r->rounds);
}

json_t *report_service_json(const struct service_bench *b)
{
    json_t *results = json_array();
    for (size_t i = 0; i < b->count; i++) {
        (void)json_array_append_new(results, service_json(&b->results[i]));
    }
    return json_pack("{s:o, s:o}", "host", report_host(), "results", results);
}

void report_service(const struct service_bench *b)
{
    (void)printf("%-33s %10s %9s %7s  %-15s %8s\n", provider_name(),
                 b->unit != NULL ? b->unit : "items/cpu-s", "peer", "ratio", "p10 - p90", "asked");
    for (size_t i = 0; i < b->count; i++) {
        const struct service_result *r = &b->results[i];
        char range[32];
        (void)snprintf(range, sizeof range, "%.2f - %.2f", r->ratio_low, r->ratio_high);
        (void)printf("%-33s %10.0f %10.0f %7.2f  %-15s %s %4.2f %-6s  %s\n", r->name,
                     r->items_per_s, r->peer_items_per_s, r->ratio, range,
                     r->at_most ? "<=" : ">=", r->floor, verdict_name(r->verdict), r->note);
    }
}
