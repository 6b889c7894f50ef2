/*
 * smsr-change: the SM-SR Change procedure, its four parties and its test PKI.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smsr/alone.h"
#include "smsr/euicc_command.h"
#include "smsr/hex.h"
#include "smsr/migration.h"
#include "smsr/run.h"

enum { EXIT_USAGE = 2, FLEET_MAX = 10000000, JOBS_MAX = 4096, JOBS_DEFAULT = 64 };

static const char usage[] =
    "usage: smsr-change pki --out DIR --sr CURVE:HEXPOINT [--sr CURVE:HEXPOINT]...\n"
    "       smsr-change run --dir DIR --endpoint E --server-key FILE.pub --key-file FILE\n"
    "                       [--endpoint E2 [--server-key FILE2.pub]]...\n"
    "                       [--curve P-256|brainpoolP256r1|FRP256v1] [--rc-len 16|32] [--dr]\n"
    "                       [--custody memory|token] [--host-id HEX] [--second-set] [--fleet N] "
    "[--jobs M] "
    "[--eids-from N] [-v]\n"
    "       smsr-change run ... --hostile RUNS [--seed S] [--first N]\n"
    "       smsr-change run ... --card vpcd://HOST:PORT --eis FILE --keys FILE\n";

static int usage_error(const char *why, const char *what)
{
    fprintf(stderr, "smsr-change: %s%s\n%s", why, what, usage);
    return EXIT_USAGE;
}

static int main_pki(int argc, char **argv)
{
    static const struct option options[] = {
        {"out", required_argument, NULL, 'o'}, {"sr", required_argument, NULL, 's'}, {0}};
    struct pki_sr_key keys[PKI_SR_MAX];
    size_t count = 0;
    const char *dir = NULL;
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'o') {
            dir = optarg;
        } else if (c != 's') {
            return usage_error("unknown option", "");
        } else if (count == PKI_SR_MAX || pki_sr_key_parse(optarg, &keys[count++]) != STATUS_OK) {
            return usage_error("--sr takes CURVE:HEXPOINT, not ", optarg);
        }
    }
    if (dir == NULL || count == 0 || optind != argc) {
        return usage_error("pki needs --out and at least one --sr", "");
    }
    if (pki_write(dir, keys, count) != STATUS_OK) {
        fprintf(stderr, "smsr-change: the PKI was not made\n");
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

/* A decimal number in [min, max]. */
static bool parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    char *end = NULL;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    *out = v;
    return errno == 0 && text[0] >= '0' && text[0] <= '9' && *end == '\0' && v >= min && v <= max;
}

static bool parse_host_id(const char *text, struct octets *out)
{
    return hex_decode(text, out->b, sizeof(out->b), &out->len) == STATUS_OK && out->len != 0;
}

enum run_option {
    OPT_DIR = 256,
    OPT_ENDPOINT,
    OPT_SERVER_KEY,
    OPT_KEY_FILE,
    OPT_CURVE,
    OPT_RC_LEN,
    OPT_DR,
    OPT_CUSTODY,
    OPT_HOST_ID,
    OPT_FLEET,
    OPT_JOBS,
    OPT_EIDS_FROM,
    OPT_SECOND_SET,
    OPT_HOSTILE,
    OPT_SEED,
    OPT_FIRST,
    OPT_CARD,
    OPT_EIS,
    OPT_KEYS,
};

/* One server key counts for all endpoints; otherwise each has its own, in the same order. */
static bool pair_endpoints(struct run_options *o)
{
    if (o->server_key_count == 1) {
        for (; o->server_key_count < o->endpoint_count; o->server_key_count++) {
            o->endpoints[o->server_key_count].server_key_file = o->endpoints[0].server_key_file;
        }
    }
    return o->endpoint_count != 0 && o->server_key_count == o->endpoint_count;
}

/* Takes one option; false when its argument is no good. */
static bool take_option(struct run_options *o, int c, const char *arg)
{
    uint64_t n = 0;
    bool ok = true;
    switch (c) {
    case OPT_DIR:
        o->dir = arg;
        return true;
    case OPT_ENDPOINT:
        ok = o->endpoint_count < ECKA_ENDPOINTS_MAX;
        o->endpoints[ok ? o->endpoint_count++ : 0].address = arg;
        return ok;
    case OPT_SERVER_KEY:
        ok = o->server_key_count < ECKA_ENDPOINTS_MAX;
        o->endpoints[ok ? o->server_key_count++ : 0].server_key_file = arg;
        return ok;
    case OPT_KEY_FILE:
        o->key_file = arg;
        return true;
    case OPT_CURVE:
        o->curve = curve_from_name(arg);
        return o->curve != CURVE_NONE;
    case OPT_RC_LEN:
        ok = parse_number(arg, RC_LEN_SHORT, RC_LEN_LONG, &n);
        o->rc_len = (size_t)n;
        return ok && (n == RC_LEN_SHORT || n == RC_LEN_LONG);
    case OPT_DR:
        o->with_dr = true;
        return true;
    case OPT_CUSTODY:
        o->custody = strcmp(arg, "token") == 0 ? ECKA_CUSTODY_TOKEN : ECKA_CUSTODY_MEMORY;
        return o->custody == ECKA_CUSTODY_TOKEN || strcmp(arg, "memory") == 0;
    case OPT_HOST_ID:
        return parse_host_id(arg, &o->host_id);
    case OPT_CARD:
        o->card = arg;
        return true;
    case OPT_EIS:
        o->eis_file = arg;
        return true;
    case OPT_KEYS:
        o->keys_file = arg;
        return true;
    case OPT_HOSTILE:
        ok = parse_number(arg, 1, FLEET_MAX, &n);
        o->hostile.count = (size_t)n;
        return ok;
    case OPT_SEED:
        return parse_number(arg, 0, UINT64_MAX, &o->hostile.seed);
    case OPT_FIRST:
        return parse_number(arg, 0, UINT64_MAX, &o->hostile.first);
    case OPT_SECOND_SET:
        o->second_set = true;
        return true;
    case OPT_FLEET:
        ok = parse_number(arg, 1, FLEET_MAX, &n);
        o->fleet.count = (size_t)n;
        return ok;
    case OPT_JOBS:
        ok = parse_number(arg, 1, JOBS_MAX, &n);
        o->fleet.jobs = (size_t)n;
        return ok;
    case OPT_EIDS_FROM:
        return parse_number(arg, 0, UINT64_MAX / 2, &o->fleet.first);
    case 'v':
        o->verbose = true;
        return true;
    default:
        return false;
    }
}

static int main_run(int argc, char **argv)
{
    static const struct option options[] = {{"dir", required_argument, NULL, OPT_DIR},
                                            {"endpoint", required_argument, NULL, OPT_ENDPOINT},
                                            {"server-key", required_argument, NULL, OPT_SERVER_KEY},
                                            {"key-file", required_argument, NULL, OPT_KEY_FILE},
                                            {"curve", required_argument, NULL, OPT_CURVE},
                                            {"rc-len", required_argument, NULL, OPT_RC_LEN},
                                            {"dr", no_argument, NULL, OPT_DR},
                                            {"custody", required_argument, NULL, OPT_CUSTODY},
                                            {"host-id", required_argument, NULL, OPT_HOST_ID},
                                            {"second-set", no_argument, NULL, OPT_SECOND_SET},
                                            {"hostile", required_argument, NULL, OPT_HOSTILE},
                                            {"seed", required_argument, NULL, OPT_SEED},
                                            {"first", required_argument, NULL, OPT_FIRST},
                                            {"card", required_argument, NULL, OPT_CARD},
                                            {"eis", required_argument, NULL, OPT_EIS},
                                            {"keys", required_argument, NULL, OPT_KEYS},
                                            {"fleet", required_argument, NULL, OPT_FLEET},
                                            {"jobs", required_argument, NULL, OPT_JOBS},
                                            {"eids-from", required_argument, NULL, OPT_EIDS_FROM},
                                            {0}};
    struct run_options o = {.curve = CURVE_P256,
                            .rc_len = RC_LEN_SHORT,
                            .fleet = {.first = 1, .count = 1, .jobs = JOBS_DEFAULT}};
    int c;
    while ((c = getopt_long(argc, argv, "v", options, NULL)) != -1) {
        if (!take_option(&o, c, optarg)) {
            return usage_error("an option is unknown or its value is no good", "");
        }
    }
    if (o.dir == NULL || o.key_file == NULL || !pair_endpoints(&o) || optind != argc) {
        return usage_error(
            "run needs --dir, --endpoint, --server-key (one, or one an endpoint) and "
            "--key-file",
            "");
    }
    if (o.card != NULL &&
        (o.eis_file == NULL || o.keys_file == NULL || o.fleet.count != 1 || o.hostile.count != 0)) {
        return usage_error("--card is for one change, and needs --eis and --keys", "");
    }
    o.hostile.jobs = o.fleet.jobs;
    o.hostile.verbose = o.verbose;
    if (o.fleet.jobs > o.fleet.count) {
        o.fleet.jobs = o.fleet.count;
    }
    return run(&o);
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"pki", main_pki},     {"run", main_run},           {"euicc", main_euicc},
    {"stock", main_stock}, {"network", main_network},   {"alpha", main_alpha},
    {"beta", main_beta},   {"operator", main_operator}, {"fleet", main_fleet},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc >= 2 && i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    if (argc >= 2 && strcmp(argv[1], "--help") == 0) {
        return printf("%s%s%s%s", usage, euicc_usage, alone_usage, migration_usage) < 0
                   ? EXIT_FAILURE
                   : EXIT_SUCCESS;
    }
    return usage_error("which command? smsr-change --help names them", "");
}
