/*
 * eckad-custodian: holds the token of one HSM and every secret of the service, and faces no
 * network.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "hsm/bench.h"
#include "hsm/ceremony.h"
#include "hsm/keys.h"
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
    double bench_seconds; /* 0: no bench */
};

static const char usage[] =
    "usage: eckad-custodian --config FILE\n"
    "       eckad-custodian --config FILE --ceremony keys-init [--missing-only]\n"
    "                       [--init-token --so-pin-file FILE] [--sr-curve CURVE]...\n"
    "                       [--sign-key NAME]...\n"
    "       eckad-custodian --config FILE --bench-sign SECONDS\n";

enum {
    OPT_CONFIG = 'c',
    OPT_CEREMONY = 256,
    OPT_INIT,
    OPT_SO_PIN,
    OPT_CURVE,
    OPT_SIGN_KEY,
    OPT_MISSING,
    OPT_BENCH,
    OPT_HELP
};

static const struct option long_options[] = {
    {"config", required_argument, NULL, OPT_CONFIG},
    {"ceremony", required_argument, NULL, OPT_CEREMONY},
    {"init-token", no_argument, NULL, OPT_INIT},
    {"so-pin-file", required_argument, NULL, OPT_SO_PIN},
    {"sr-curve", required_argument, NULL, OPT_CURVE},
    {"sign-key", required_argument, NULL, OPT_SIGN_KEY},
    {"missing-only", no_argument, NULL, OPT_MISSING},
    {"bench-sign", required_argument, NULL, OPT_BENCH},
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

static bool add_sign_key(struct ceremony *c, const char *name)
{
    if (!key_name_valid(name) || c->sign_key_count == SIGN_KEYS_MAX) {
        fprintf(stderr, "eckad-custodian: %s is no name of 1 to %d of [a-z0-9._-]\n", name,
                KEY_NAME_MAX);
        return false;
    }
    c->sign_keys[c->sign_key_count++] = name;
    return true;
}

static bool take_seconds(double *out, const char *text)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && *end == '\0' && *out > 0;
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
    case OPT_SIGN_KEY:
        return add_sign_key(&o->keys_init, optarg);
    case OPT_MISSING:
        o->keys_init.missing_only = true;
        return true;
    case OPT_BENCH:
        return take_seconds(&o->bench_seconds, optarg);
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
    bool one_mode = o->ceremony == NULL || o->bench_seconds == 0;
    return o->config != NULL && optind == argc && ceremony_known && one_mode &&
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

static enum status run_mode(const struct options *o, const struct config *config)
{
    if (o->ceremony != NULL) {
        return ceremony_keys_init(config, &o->keys_init);
    }
    return o->bench_seconds != 0 ? bench_sign(config, o->bench_seconds) : run_service(config);
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
    enum status st = run_mode(&o, &config);
    if (st != STATUS_OK && st != STATUS_DENIED) { /* what was denied, and why, is in the log */
        log_line("ended: %s", status_meaning(st));
    }
    log_name("-");
    config_fini(&config);
    return st == STATUS_OK                             ? EXIT_DONE
           : st == STATUS_DENIED && o.ceremony == NULL ? EXIT_PIN
                                                       : EXIT_FAILED;
}
