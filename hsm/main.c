/*
 * eckad-custodian: holds the token of one HSM and every secret of the service, and faces no
 * network.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "hsm/bench.h"
#include "hsm/ceremony/ceremony.h"
#include "hsm/log.h"
#include "hsm/recycle.h"
#include "hsm/serve.h"
#include "providers/core/confine.h"
#include "providers/core/secret.h"

enum {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_PIN = 3, /* the PIN is wrong: starting again could lock the token */
    EXIT_RECYCLED = RECYCLE_EXIT,
};

struct options {
    const char *config;
    bool has_ceremony;
    struct ceremony ceremony;
    double bench_seconds; /* 0: no bench */
};

static const char usage[] =
    "usage: eckad-custodian --config FILE\n"
    "       eckad-custodian --config FILE --ceremony VERB [ARGUMENT...]\n"
    "       eckad-custodian --config FILE --bench-sign SECONDS\n"
    "eckactl keys --help and eckactl custody --help tell of the ceremonies.\n";

enum { OPT_CONFIG = 'c', OPT_CEREMONY = 256, OPT_BENCH, OPT_HELP };

static const struct option long_options[] = {
    {"config", required_argument, NULL, OPT_CONFIG},
    {"ceremony", required_argument, NULL, OPT_CEREMONY},
    {"bench-sign", required_argument, NULL, OPT_BENCH},
    {"help", no_argument, NULL, OPT_HELP},
    {0},
};

static bool take_seconds(double *out, const char *text)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && *end == '\0' && *out > 0;
}

/* What follows --ceremony is the ceremony's. */
static bool parse_options(struct options *o, int argc, char **argv)
{
    int option;
    opterr =
        0; /* what is not known is not repeated: somebody may have hoped for an option for PINs */
    while ((option = getopt_long(argc, argv, "+c:", long_options, NULL)) != -1) {
        switch (option) {
        case OPT_CONFIG:
            o->config = optarg;
            break;
        case OPT_CEREMONY:
            o->has_ceremony = true;
            opterr = 1;
            return o->config != NULL && o->bench_seconds == 0 &&
                   ceremony_parse(&o->ceremony, argc - optind + 1, argv + optind - 1);
        case OPT_BENCH:
            if (!take_seconds(&o->bench_seconds, optarg)) {
                return false;
            }
            break;
        default:
            return false;
        }
    }
    return o->config != NULL && optind == argc;
}

/* And its files are for their owner alone. */
static bool harden(void)
{
    umask(S_IRWXG | S_IRWXO);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a write that failed */
    if (confine_process() != STATUS_OK) {
        log_line("the process cannot be hardened: %s", strerror(errno));
        return false;
    }
    return true;
}

static enum status run_service(const struct config *config, bool *recycled)
{
    static struct custodian custodian; /* too wide for the stack */
    enum status st = custodian_init(&custodian, config);
    if (st == STATUS_OK) {
        st = serve(&custodian, config, recycled);
    }
    custodian_fini(&custodian);
    return st;
}

static enum status run_mode(const struct options *o, const struct config *config, bool *pin_refused,
                            bool *recycled)
{
    if (o->has_ceremony) {
        return ceremony_run(config, &o->ceremony, pin_refused);
    }
    enum status st = o->bench_seconds != 0 ? bench_sign(config, o->bench_seconds)
                                           : run_service(config, recycled);
    *pin_refused = st == STATUS_DENIED;
    return st;
}

int main(int argc, char **argv)
{
    static struct options o;
    struct config config;
    bool pin_refused = false, recycled = false;

    if (!parse_options(&o, argc, argv)) {
        (void)fputs(usage, stderr);
        return EXIT_USAGE;
    }
    if (!harden() || secret_init() != STATUS_OK || config_load(&config, o.config) != STATUS_OK) {
        return EXIT_FAILED;
    }
    log_name(config.name);
    enum status st = run_mode(&o, &config, &pin_refused, &recycled);
    /* Refusals and bad input have said their sentence. */
    if (st != STATUS_OK && st != STATUS_DENIED && st != STATUS_BAD_REQUEST) {
        log_line("ended: %s", status_meaning(st));
    }
    log_name("-");
    config_fini(&config);
    if (st == STATUS_OK) {
        return recycled ? EXIT_RECYCLED : EXIT_DONE;
    }
    return pin_refused ? EXIT_PIN : EXIT_FAILED;
}
