/*
 * eckabench: measures, prints a table, writes JSON.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/audit.h"
#include "bench/load_command.h"
#include "bench/report.h"
#include "bench/server.h"
#include "providers/core/secret.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_MISUSED = 2 };

static const double kernels_seconds = 20;
static const double service_seconds = 150;
static const double audit_seconds = 60;
/* A shorter run is a look at whether it works: it makes fewer keys. */
static const double quick_seconds = 2;

static const char help[] =
    "  eckabench kernels [--seconds S] [--only TEXT] [--json FILE]\n"
    "      The provider backend in batches against OpenSSL item by item, on one thread, in\n"
    "      alternating rounds. Prints medians, the ratio with its 10th and 90th percentile, and\n"
    "      the ratio asked for. --only takes the cases whose name contains TEXT. ECKA_BACKEND\n"
    "      names the backend; --seconds is for all cases together, without making keys (20).\n"
    "\n"
    "  eckabench service --dir DIR [--seconds S] [--only TEXT] [--json FILE]\n"
    "      eckad and custodians of a directory that tools/provision made, which are started and\n"
    "      ended here, against the kernel, against servers that verify one signature a message or\n"
    "      none, and against the token; under overload, and when one is told to end. Options as\n"
    "      above (150 seconds).\n"
    "\n"
    "  eckabench audit --dir DIR [--seconds S] [--json FILE]\n"
    "      What strict audit costs: Establish with it and without, in turns, 256 in flight and\n"
    "      one at a time, on two custodians of such a directory, which has to be on a disk (60).\n"
    "\n"
    "  eckabench peer --endpoint E --key-file FILE --client Z85 [--echo]\n"
    "      The server that eckad is compared with; `service` starts it.\n";

struct options {
    double seconds; /* 0: the command's default */
    const char *json, *only, *dir;
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
    if (!select_backend()) {
        return EXIT_FAILED;
    }
    r.cases = kernels_init(r.cases_of, o->only, seconds < quick_seconds);
    bench_measure(r.cases, r.cases_of, r.results, seconds);
    r.tables = kernels_tables(r.tables_of);
    kernels_fini();
    report_kernels(&r);
    return o->json == NULL || report_write(o->json, report_kernels_json(&r)) ? EXIT_DONE
                                                                             : EXIT_FAILED;
}

static int service(const struct options *o)
{
    static struct service_bench b;
    const struct service_options so = {
        .dir = o->dir, .only = o->only, .seconds = o->seconds > 0 ? o->seconds : service_seconds};
    if (o->dir == NULL) {
        (void)fprintf(stderr, "eckabench: service needs --dir; tools/provision makes one\n");
        return EXIT_MISUSED;
    }
    if (!select_backend() || !service_run(&so, &b)) {
        return EXIT_FAILED;
    }
    report_service(&b);
    return o->json == NULL || report_write(o->json, report_service_json(&b)) ? EXIT_DONE
                                                                             : EXIT_FAILED;
}

static int audit(const struct options *o)
{
    static struct service_bench b;
    const struct service_options so = {.dir = o->dir,
                                       .seconds = o->seconds > 0 ? o->seconds : audit_seconds};
    if (o->dir == NULL) {
        (void)fprintf(stderr, "eckabench: audit needs --dir; tools/provision makes one\n");
        return EXIT_MISUSED;
    }
    if (!select_backend() || !audit_run(&so, &b)) {
        return EXIT_FAILED;
    }
    report_service(&b);
    return o->json == NULL || report_write(o->json, report_service_json(&b)) ? EXIT_DONE
                                                                             : EXIT_FAILED;
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
    return fprintf(to, "eckabench: measures eckad and its arithmetic\n\n%s\n%s", help,
                   load_command_help) < 0
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
    } commands[] = {{"kernels", kernels}, {"service", service}, {"audit", audit}, {"peer", peer}};
    struct options o = {0};
    int c;
    if (argc > 1 && strcmp(argv[1], "load") == 0) {
        return select_backend() ? load_command(argc - 1, argv + 1) : EXIT_FAILED;
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
