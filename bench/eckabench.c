/*
 * eckabench: measures, prints a table, writes JSON.
 */
#include <getopt.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/kernels.h"
#include "providers/core/secret.h"
#include "providers/provider.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_MISUSED = 2 };

static const double default_seconds = 20;
/* A shorter run is a look at whether it works: it makes fewer keys. */
static const double quick_seconds = 2;

static const char help[] =
    "eckabench: measures the arithmetic of eckad\n"
    "\n"
    "  eckabench kernels [--seconds S] [--only TEXT] [--json FILE]\n"
    "      The provider backend in batches against OpenSSL item by item, on one thread, in\n"
    "      alternating rounds. Prints medians, the ratio with its 10th and 90th percentile, and\n"
    "      the ratio asked for. --only takes the cases whose name contains TEXT. ECKA_BACKEND\n"
    "      names the backend; --seconds is for all cases together, without making keys (20).\n";

static void say(void *arg, const char *sentence)
{
    (void)arg;
    (void)fprintf(stderr, "eckabench: %s\n", sentence);
}

/* -- JSON -- */

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

static json_t *host(void)
{
    char cpu[128];
    double load = 0;
    cpu_model(cpu, sizeof cpu);
    (void)getloadavg(&load, 1);
    return json_pack("{s:s, s:I, s:f, s:s, s:s}", "cpu", cpu, "cores",
                     (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "load", load, "openssl",
                     OpenSSL_version(OPENSSL_VERSION), "backend", provider_name());
}

static json_t *result_json(const struct bench_case *c, const struct bench_result *r)
{
    return json_pack("{s:s, s:f, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:b, s:I, s:I}", "case",
                     c->name, "items_per_s", r->items_per_s, "peer", c->peer, "peer_items_per_s",
                     r->peer_items_per_s, "ratio", r->ratio, "ratio_low", r->ratio_low,
                     "ratio_high", r->ratio_high, "ticks_per_item", r->ticks_per_item, "floor",
                     c->floor, "met", r->ratio >= c->floor, "table_bytes",
                     (json_int_t)c->table_bytes, "rounds", (json_int_t)r->rounds);
}

struct report {
    size_t cases, tables;
    struct bench_case cases_of[KERNEL_CASES_MAX];
    struct bench_result results[KERNEL_CASES_MAX];
    struct kernel_table tables_of[KERNEL_TABLES_MAX];
};

static int write_json(const char *path, const struct report *r)
{
    json_t *results = json_array(), *tables = json_array();
    for (size_t i = 0; i < r->cases; i++) {
        (void)json_array_append_new(results, result_json(&r->cases_of[i], &r->results[i]));
    }
    for (size_t i = 0; i < r->tables; i++) {
        const struct kernel_table *t = &r->tables_of[i];
        (void)json_array_append_new(
            tables, json_pack("{s:s, s:s, s:I, s:f}", "curve", t->curve, "level", t->level, "bytes",
                              (json_int_t)t->bytes, "build_ms", t->build_ms));
    }
    json_t *all =
        json_pack("{s:o, s:o, s:o}", "host", host(), "results", results, "tables", tables);
    int failed = all == NULL || json_array_size(results) != r->cases ||
                 json_array_size(tables) != r->tables ||
                 json_dump_file(all, path, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) != 0;
    json_decref(all);
    if (failed != 0) {
        (void)fprintf(stderr, "eckabench: %s cannot be written\n", path);
    }
    return failed != 0 ? EXIT_FAILED : EXIT_DONE;
}

/* -- text -- */

static void print_report(const struct report *r)
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

/* -- commands -- */

static int kernels(double seconds, const char *only, const char *json)
{
    static struct report r;
    if (secret_init() != STATUS_OK || provider_select(say, NULL) != STATUS_OK) {
        (void)fprintf(stderr, "eckabench: no backend passes its tests; see above\n");
        return EXIT_FAILED;
    }
    r.cases = kernels_init(r.cases_of, only, seconds < quick_seconds);
    bench_measure(r.cases, r.cases_of, r.results, seconds);
    r.tables = kernels_tables(r.tables_of);
    kernels_fini();
    print_report(&r);
    return json != NULL ? write_json(json, &r) : EXIT_DONE;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seconds", required_argument, NULL, 's'},
                                            {"only", required_argument, NULL, 'o'},
                                            {"json", required_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    double seconds = default_seconds;
    const char *json = NULL, *only = NULL;
    char *end = NULL;
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'h') {
            return fputs(help, stdout) < 0 ? EXIT_FAILED : EXIT_DONE;
        }
        if (c == '?') {
            return EXIT_MISUSED;
        }
        if (c == 'j') {
            json = optarg;
        } else if (c == 'o') {
            only = optarg;
        } else if ((seconds = strtod(optarg, &end)) <= 0 || *end != '\0') {
            (void)fprintf(stderr, "eckabench: --seconds takes a number above 0\n");
            return EXIT_MISUSED;
        }
    }
    if (optind != argc - 1 || strcmp(argv[optind], "kernels") != 0) {
        (void)fputs(help, stderr);
        return EXIT_MISUSED;
    }
    return kernels(seconds, only, json);
}
