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

static const double default_seconds = 10;

static const char help[] =
    "eckabench: measures the arithmetic of eckad\n"
    "\n"
    "  eckabench kernels [--seconds S] [--json FILE]\n"
    "      The provider backend in batches against OpenSSL item by item, on one thread, in\n"
    "      alternating rounds. Prints medians, and the ratio with its 10th and 90th percentile.\n"
    "      ECKA_BACKEND names the backend; --seconds is for all cases together (10).\n";

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

static int write_json(const char *path, size_t n, const struct bench_case cases[],
                      const struct bench_result results[])
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        const struct bench_result *r = &results[i];
        (void)json_array_append_new(
            list,
            json_pack("{s:s, s:f, s:s, s:f, s:f, s:f, s:f, s:I}", "case", cases[i].name,
                      "items_per_s", r->items_per_s, "peer", cases[i].peer, "peer_items_per_s",
                      r->peer_items_per_s, "ratio", r->ratio, "ratio_low", r->ratio_low,
                      "ratio_high", r->ratio_high, "rounds", (json_int_t)r->rounds));
    }
    json_t *all = json_pack("{s:o, s:o}", "host", host(), "results", list);
    int failed = all == NULL || json_array_size(list) != n ||
                 json_dump_file(all, path, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) != 0;
    json_decref(all);
    if (failed != 0) {
        (void)fprintf(stderr, "eckabench: %s cannot be written\n", path);
    }
    return failed != 0 ? EXIT_FAILED : EXIT_DONE;
}

/* -- commands -- */

static int kernels(double seconds, const char *json)
{
    struct bench_case cases[KERNEL_CASES_MAX];
    struct bench_result results[KERNEL_CASES_MAX];
    if (secret_init() != STATUS_OK || provider_select(say, NULL) != STATUS_OK) {
        (void)fprintf(stderr, "eckabench: no backend passes its tests; see above\n");
        return EXIT_FAILED;
    }
    size_t n = kernels_init(cases);
    bench_measure(n, cases, results, seconds);
    kernels_fini();
    (void)printf("%-42s %12s %12s %7s  %s\n", "backend", provider_name(), "OpenSSL", "ratio",
                 "p10 - p90");
    for (size_t i = 0; i < n; i++) {
        const struct bench_result *r = &results[i];
        (void)printf("%-42s %10.0f/s %10.0f/s %7.2f  %.2f - %.2f\n", cases[i].name, r->items_per_s,
                     r->peer_items_per_s, r->ratio, r->ratio_low, r->ratio_high);
    }
    return json != NULL ? write_json(json, n, cases, results) : EXIT_DONE;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seconds", required_argument, NULL, 's'},
                                            {"json", required_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    double seconds = default_seconds;
    const char *json = NULL;
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
        } else if ((seconds = strtod(optarg, &end)) <= 0 || *end != '\0') {
            (void)fprintf(stderr, "eckabench: --seconds takes a number above 0\n");
            return EXIT_MISUSED;
        }
    }
    if (optind != argc - 1 || strcmp(argv[optind], "kernels") != 0) {
        (void)fputs(help, stderr);
        return EXIT_MISUSED;
    }
    return kernels(seconds, json);
}
