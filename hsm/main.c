/*
 * eckad-custodian: holds the token of one HSM and every secret of the service, and faces no
 * network.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "hsm/ceremony.h"
#include "hsm/log.h"
#include "hsm/serve.h"
#include "providers/core/secret.h"

enum {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_PIN = 3, /* the PIN is wrong: starting again could lock the token */
};

struct options {
    const char *config;
    const char *ceremony;
    struct ceremony keys_init;
};

static const char usage[] =
    "usage: eckad-custodian --config FILE\n"
    "       eckad-custodian --config FILE --ceremony keys-init [--missing-only]\n"
    "                       [--init-token --so-pin-file FILE] [--sr-curve CURVE]...\n";

enum {
    OPT_CONFIG = 'c',
    OPT_CEREMONY = 256,
    OPT_INIT,
    OPT_SO_PIN,
    OPT_CURVE,
    OPT_MISSING,
    OPT_HELP
};

static const struct option long_options[] = {
    {"config", required_argument, NULL, OPT_CONFIG},
    {"ceremony", required_argument, NULL, OPT_CEREMONY},
    {"init-token", no_argument, NULL, OPT_INIT},
    {"so-pin-file", required_argument, NULL, OPT_SO_PIN},
    {"sr-curve", required_argument, NULL, OPT_CURVE},
    {"missing-only", no_argument, NULL, OPT_MISSING},
    {"help", no_argument, NULL, OPT_HELP},
    {0},
};

static bool add_curve(struct ceremony *c, const char *name)
{
    enum curve curve = curve_from_name(name);
    if ((curve != CURVE_P256 && curve != CURVE_BRAINPOOLP256R1) || c->curve_count == CURVE_COUNT) {
        fprintf(stderr, "eckad-custodian: no SR key can be made on curve %s\n", name);
        return false;
    }
    c->curves[c->curve_count++] = curve;
    return true;
}

static bool take_option(struct options *o, int option)
{
    switch (option) {
    case OPT_CONFIG:
        o->config = optarg;
        return true;
    case OPT_CEREMONY:
        o->ceremony = optarg;
        return true;
    case OPT_INIT:
        o->keys_init.init_token = true;
        return true;
    case OPT_SO_PIN:
        o->keys_init.so_pin_file = optarg;
        return true;
    case OPT_CURVE:
        return add_curve(&o->keys_init, optarg);
    case OPT_MISSING:
        o->keys_init.missing_only = true;
        return true;
    default:
        return false;
    }
}

static bool parse_options(struct options *o, int argc, char **argv)
{
    int option;
    while ((option = getopt_long(argc, argv, "c:", long_options, NULL)) != -1) {
        if (!take_option(o, option)) {
            return false;
        }
    }
    bool ceremony_known = o->ceremony == NULL || strcmp(o->ceremony, "keys-init") == 0;
    return o->config != NULL && optind == argc && ceremony_known &&
           o->keys_init.init_token == (o->keys_init.so_pin_file != NULL);
}

/* No core dump, no ptrace or /proc/PID/mem for others of this uid, files for the owner alone. */
static bool harden(void)
{
    const struct rlimit none = {0, 0};
    umask(S_IRWXG | S_IRWXO);
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || setrlimit(RLIMIT_CORE, &none) != 0) {
        log_line("the process cannot be hardened: %s", strerror(errno));
        return false;
    }
    return true;
}

static enum status run_service(const struct config *config)
{
    static struct custodian custodian; /* too wide for the stack */
    enum status st = custodian_init(&custodian, config);
    if (st == STATUS_OK) {
        st = serve(&custodian, config);
    }
    custodian_fini(&custodian);
    return st;
}

int main(int argc, char **argv)
{
    struct options o = {0};
    struct config config;

    if (!parse_options(&o, argc, argv)) {
        (void)fputs(usage, stderr);
        return EXIT_USAGE;
    }
    if (!harden() || secret_init() != STATUS_OK || config_load(&config, o.config) != STATUS_OK) {
        return EXIT_FAILED;
    }
    log_name(config.name);
    enum status st =
        o.ceremony == NULL ? run_service(&config) : ceremony_keys_init(&config, &o.keys_init);
    if (st != STATUS_OK && st != STATUS_DENIED) { /* what was denied, and why, is in the log */
        log_line("ended: %s", status_meaning(st));
    }
    log_name("-");
    config_fini(&config);
    return st == STATUS_OK                             ? EXIT_DONE
           : st == STATUS_DENIED && o.ceremony == NULL ? EXIT_PIN
                                                       : EXIT_FAILED;
}
