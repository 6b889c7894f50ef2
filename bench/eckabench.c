/*
 * eckabench: measures, prints a table, writes JSON.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/audit.h"
#include "bench/collect.h"
#include "bench/hsm/command.h"
#include "bench/load_command.h"
#include "bench/report.h"
#include "bench/server.h"
#include "providers/core/secret.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_MISUSED = 2 };

static const double kernels_seconds = 20;
static const double audit_seconds = 60;
/* A shorter run is a look at whether it works: it makes fewer keys. */
static const double quick_seconds = 2;

static const char help[] =
    "  eckabench kernels [--seconds S] [--only TEXT] [--json FILE]\n"
    "      The provider backend in batches against OpenSSL item by item, on one thread, in\n"
    "      alternating rounds. Prints medians, the ratio with the 95 percent interval of its\n"
    "      median, and the ratio asked for. --only takes the cases whose name contains TEXT.\n"
    "      ECKA_BACKEND names the backend; --seconds is for all cases together, without making\n"
    "      keys (20).\n"
    "\n"
    "  eckabench service --dir DIR [--seconds S] [--only TEXT] [--json FILE]\n"
    "      eckad of a directory that tools/provision made, which is started and ended here,\n"
    "      against the kernel and against servers that verify one signature a message or none;\n"
    "      under overload, and when one is told to end. Options as above (150 seconds).\n"
    "\n"
    "  eckabench handover --dir DIR [--seconds S] [--json FILE]\n"
    "      Whole handovers through eckad and a custodian, against the token's own signatures:\n"
    "      what one costs, how many a second, how long one takes, the largest load (60).\n"
    "\n"
    "  eckabench flood --dir DIR [--seconds S] [--json FILE]\n"
    "      A good client beside 10,000 half-open and 1,000 unauthorised connections (45).\n"
    "\n"
    "  eckabench audit --dir DIR [--seconds S] [--json FILE]\n"
    "      What strict audit costs: Establish with it and without, in turns, 256 in flight and\n"
    "      one at a time, on two custodians of such a directory, which has to be on a disk (60).\n"
    "\n"
    "  eckabench peer --endpoint E --key-file FILE --client Z85 [--echo]\n"
    "      The server that eckad is compared with; `service` starts it.\n"
    "\n"
    "  eckabench collect --json FILE\n"
    "      The document of bench/ossl.py, which measures other programs.\n";

struct options {
    double seconds; /* 0: the command's default */
    const char *json, *only, *dir;
    char **words; /* of the command line */
    struct server_options server;
};

static void say(void *arg, const char *sentence)
{
    (void)arg;
    (void)fprintf(stderr, "eckabench: %s\n", sentence);
}

static bool select_backend(void)
{
    if (secret_init() != STATUS_OK || provider_select(say, NULL) != STATUS_OK) {
        (void)fprintf(stderr, "eckabench: no backend passes its tests; see above\n");
        return false;
    }
    return true;
}

/* -- commands -- */

static int kernels(const struct options *o)
{
    static struct kernels_report r;
    const double seconds = o->seconds > 0 ? o->seconds : kernels_seconds;
    struct document *d = document_new("kernels", o->words, o->json);
    if (!select_backend()) {
        return EXIT_FAILED;
    }
    (void)json_object_set_new(document_subject(d), "backend", json_string(provider_name()));
    r.cases = kernels_init(r.cases_of, o->only, seconds < quick_seconds);
    bench_measure(r.cases, r.cases_of, r.results, seconds);
    r.tables = kernels_tables(r.tables_of);
    kernels_fini();
    report_kernels(&r);
    report_kernels_json(&r, d);
    return document_finish(&d) ? EXIT_DONE : EXIT_FAILED;
}

/* What the deployment's token is: SoftHSM, as tools/provision made it. */
static void put_softhsm(struct document *d)
{
    static const char *const argv[] = {"/usr/bin/softhsm2-util", "--version", NULL};
    char out[64];
    if (process_run(argv, out, sizeof out) == 0) {
        out[strcspn(out, "\n")] = '\0';
        (void)json_object_set_new(document_versions(d), "softhsm", json_string(out));
    }
}

/* A kind that runs on a deployment. */
static int deployed(const struct options *o, const char *kind, double seconds,
                    bool (*run)(const char *kind, const struct service_options *so,
                                struct service_bench *b, struct document *d))
{
    static struct service_bench b;
    const struct service_options so = {
        .dir = o->dir, .only = o->only, .seconds = o->seconds > 0 ? o->seconds : seconds};
    if (o->dir == NULL) {
        (void)fprintf(stderr, "eckabench: %s needs --dir; tools/provision makes one\n", kind);
        return EXIT_MISUSED;
    }
    struct document *d = document_new(kind, o->words, o->json);
    put_softhsm(d);
    if (!select_backend()) {
        return EXIT_FAILED;
    }
    (void)json_object_set_new(document_subject(d), "backend", json_string(provider_name()));
    const bool ok = run(kind, &so, &b, d);
    report_service(&b);
    return document_finish(&d) && ok ? EXIT_DONE : EXIT_FAILED;
}

static int service(const struct options *o)
{
    return deployed(o, "service", service_seconds("service"), service_run);
}

static int handover(const struct options *o)
{
    return deployed(o, "handover", service_seconds("handover"), service_run);
}

static int flood(const struct options *o)
{
    return deployed(o, "flood", service_seconds("flood"), service_run);
}

static int audit(const struct options *o)
{
    return deployed(o, "audit", audit_seconds, audit_run);
}

/* Another program's measurement: bench/ossl.py's. */
static int collect(const struct options *o)
{
    return collect_run("ossl", o->words, o->json) ? EXIT_DONE : EXIT_FAILED;
}

static int peer(const struct options *o)
{
    const struct server_options *s = &o->server;
    if (s->endpoint == NULL || s->key_file == NULL || s->client_key == NULL) {
        (void)fprintf(stderr, "eckabench: peer needs --endpoint, --key-file and --client\n");
        return EXIT_MISUSED;
    }
    return server_run(s);
}

/* -- options -- */

static bool take_option(struct options *o, int option)
{
    char *end;
    switch (option) {
    case 's':
        o->seconds = strtod(optarg, &end);
        if (o->seconds > 0 && *end == '\0') {
            return true;
        }
        (void)fprintf(stderr, "eckabench: --seconds takes a number above 0\n");
        return false;
    case 'o':
        o->only = optarg;
        return true;
    case 'j':
        o->json = optarg;
        return true;
    case 'd':
        o->dir = optarg;
        return true;
    case 'e':
        o->server.endpoint = optarg;
        return true;
    case 'k':
        o->server.key_file = optarg;
        return true;
    case 'c':
        o->server.client_key = optarg;
        return true;
    case 'E':
        o->server.echo = true;
        return true;
    default:
        return false;
    }
}

static int print_help(FILE *to)
{
    return fprintf(to, "eckabench: measures eckad and its arithmetic\n\n%s\n%s\n%s", help,
                   hsm_command_help, load_command_help) < 0
               ? EXIT_FAILED
               : EXIT_DONE;
}

int main(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"seconds", required_argument, NULL, 's'},  {"only", required_argument, NULL, 'o'},
        {"json", required_argument, NULL, 'j'},     {"dir", required_argument, NULL, 'd'},
        {"endpoint", required_argument, NULL, 'e'}, {"key-file", required_argument, NULL, 'k'},
        {"client", required_argument, NULL, 'c'},   {"echo", no_argument, NULL, 'E'},
        {"help", no_argument, NULL, 'h'},           {0}};
    static const struct {
        const char *name;
        int (*run)(const struct options *o);
    } commands[] = {{"kernels", kernels}, {"service", service}, {"handover", handover},
                    {"flood", flood},     {"audit", audit},     {"peer", peer},
                    {"collect", collect}};
    static char **words; /* as they came: getopt_long sorts them; kept to the end */
    words = calloc((size_t)argc + 1, sizeof *words);
    if (words == NULL) {
        return EXIT_FAILED;
    }
    memcpy(words, argv + 1, (size_t)argc * sizeof *words);
    struct options o = {.words = words};
    int c;
    if (argc > 1 && strcmp(argv[1], "hsm") == 0) {
        return hsm_command(argc - 1, argv + 1, words);
    }
    if (argc > 1 && strcmp(argv[1], "load") == 0) {
        return select_backend() ? load_command(argc - 1, argv + 1, words) : EXIT_FAILED;
    }
    while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (c == 'h') {
            return print_help(stdout);
        }
        if (!take_option(&o, c)) {
            return EXIT_MISUSED;
        }
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (optind == argc - 1 && strcmp(argv[optind], commands[i].name) == 0) {
            return commands[i].run(&o);
        }
    }
    (void)print_help(stderr);
    return EXIT_MISUSED;
}
