/*
 * The command line of a ceremony: which arguments each verb takes, and what they have to be.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hsm/ceremony/ceremony.h"
#include "hsm/operation/grants.h"

enum {
    QUIET_DEFAULT_S = 7 * 24 * 60 * 60, /* a week without a use before a keyset may end */
    COMMON_NAME_MAX = 64,               /* ub-common-name of X.520 */
};

enum option_id {
    OPT_DRY_RUN = 256,
    OPT_TRANSCRIPT,
    OPT_SECOND,
    OPT_INIT_TOKEN,
    OPT_SO_PIN,
    OPT_MISSING,
    OPT_CURVE,
    OPT_SIGN_KEY,
    OPT_JSON,
    OPT_PEM,
    OPT_NAME,
    OPT_RESEALED,
    OPT_QUIET,
    OPT_GENERATION,
    OPT_COMMON_NAME,
    OPT_BEGIN,
    OPT_FINISH,
    OPT_PIN,
    OPT_REMOVE,
    OPT_PRINCIPAL,
    OPT_KEK,
    OPT_QUOTA,
    OPT_REVOKE,
};

/* An option and the verbs that take it. */
#define ON(verb) (1U << (verb))
enum { EVERY_VERB = (1 << CEREMONY_VERB_COUNT) - 1 };

static const struct option long_options[] = {
    {"dry-run", no_argument, NULL, OPT_DRY_RUN},
    {"transcript", required_argument, NULL, OPT_TRANSCRIPT},
    {"second-operator", required_argument, NULL, OPT_SECOND},
    {"init-token", no_argument, NULL, OPT_INIT_TOKEN},
    {"so-pin-file", required_argument, NULL, OPT_SO_PIN},
    {"missing-only", no_argument, NULL, OPT_MISSING},
    {"sr-curve", required_argument, NULL, OPT_CURVE},
    {"sign-key", required_argument, NULL, OPT_SIGN_KEY},
    {"json", no_argument, NULL, OPT_JSON},
    {"pem", required_argument, NULL, OPT_PEM},
    {"name", required_argument, NULL, OPT_NAME},
    {"resealed", no_argument, NULL, OPT_RESEALED},
    {"quiet", required_argument, NULL, OPT_QUIET},
    {"generation", required_argument, NULL, OPT_GENERATION},
    {"common-name", required_argument, NULL, OPT_COMMON_NAME},
    {"begin", no_argument, NULL, OPT_BEGIN},
    {"finish", required_argument, NULL, OPT_FINISH},
    {"pin-file", required_argument, NULL, OPT_PIN},
    {"remove", no_argument, NULL, OPT_REMOVE},
    {"principal", required_argument, NULL, OPT_PRINCIPAL},
    {"kek", required_argument, NULL, OPT_KEK},
    {"quota", required_argument, NULL, OPT_QUOTA},
    {"revoke", no_argument, NULL, OPT_REVOKE},
    {0},
};

static unsigned verbs_of(int option)
{
    switch (option) {
    case OPT_DRY_RUN:
    case OPT_TRANSCRIPT:
    case OPT_SECOND:
        return EVERY_VERB;
    case OPT_JSON:
        return ON(CEREMONY_LIST) | ON(CEREMONY_REPORT);
    case OPT_PEM:
        return ON(CEREMONY_LIST);
    case OPT_NAME:
        return ON(CEREMONY_ROTATE) | ON(CEREMONY_IMPORT_KEK);
    case OPT_CURVE:
        return ON(CEREMONY_INIT) | ON(CEREMONY_ROTATE);
    case OPT_RESEALED:
    case OPT_QUIET:
        return ON(CEREMONY_RETIRE);
    case OPT_GENERATION:
    case OPT_COMMON_NAME:
        return ON(CEREMONY_CSR);
    case OPT_BEGIN:
    case OPT_FINISH:
        return ON(CEREMONY_IMPORT_KEK);
    case OPT_PIN:
        return ON(CEREMONY_BACKUP_CHECK);
    case OPT_REMOVE:
        return ON(CEREMONY_SECOND_OPERATOR);
    case OPT_PRINCIPAL:
    case OPT_KEK:
    case OPT_QUOTA:
    case OPT_REVOKE:
        return ON(CEREMONY_GRANT);
    default: /* what makes a token or its first keys */
        return ON(CEREMONY_INIT);
    }
}

/* Says the sentence; false, so that it can be returned. */
__attribute__((format(printf, 1, 2))) static bool misused(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)fputs("eckad-custodian: ", stderr);
    (void)vfprintf(stderr, format, args);
    (void)fputs("; see eckactl keys --help\n", stderr);
    va_end(args);
    return false;
}

static bool add_curve(struct ceremony *c, const char *name)
{
    enum curve curve = curve_from_name(name);
    if (key_ec_params(curve).len == 0 || c->curve_count == CURVE_COUNT) {
        return misused("no SR key can be made on curve %s", name);
    }
    c->curves[c->curve_count++] = curve;
    return true;
}

static bool take_name(const char **out, const char *name)
{
    if (!key_name_valid(name)) {
        return misused("%s is no name of 1 to %d of [a-z0-9._-]", name, KEY_NAME_MAX);
    }
    *out = name;
    return true;
}

static bool add_sign_key(struct ceremony *c, const char *name)
{
    if (c->sign_key_count == SIGN_KEYS_MAX) {
        return misused("more than %d sign keys", SIGN_KEYS_MAX);
    }
    return take_name(&c->sign_keys[c->sign_key_count++], name);
}

static bool take_number(uint64_t *out, const char *text, uint64_t min, uint64_t max)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *text == '-' || *out < min || *out > max) {
        return misused("%s is no number of %llu to %llu", text, (unsigned long long)min,
                       (unsigned long long)max);
    }
    return true;
}

static bool take_generation(struct ceremony *c, const char *text)
{
    uint64_t n;
    if (!take_number(&n, text, 1, UINT32_MAX)) {
        return false;
    }
    c->generation = (uint32_t)n;
    return true;
}

static bool take_common_name(struct ceremony *c, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < len; i++) {
        if (name[i] < ' ' || name[i] > '~' || name[i] == '"') {
            return misused("a common name has printable ASCII without \" only");
        }
    }
    if (len == 0 || len > COMMON_NAME_MAX) {
        return misused("a common name has 1 to %d bytes", COMMON_NAME_MAX);
    }
    c->common_name = name;
    return true;
}

static bool take_purpose(struct ceremony *c, const char *name)
{
    c->purpose = key_purpose_of(name);
    return c->purpose != 0 ||
           misused("%s is no purpose: sr-establish, generic-sign, ticket, keyset, kek, checkpoint",
                   name);
}

static bool take_option(struct ceremony *c, int option)
{
    switch (option) {
    case OPT_DRY_RUN:
        c->dry_run = true;
        return true;
    case OPT_TRANSCRIPT:
        c->transcript = optarg;
        return true;
    case OPT_SECOND:
        c->second_operator = optarg;
        return true;
    case OPT_INIT_TOKEN:
        c->init_token = true;
        return true;
    case OPT_SO_PIN:
        c->so_pin_file = optarg;
        return true;
    case OPT_MISSING:
        c->missing_only = true;
        return true;
    case OPT_CURVE:
        return add_curve(c, optarg);
    case OPT_SIGN_KEY:
        return add_sign_key(c, optarg);
    case OPT_JSON:
        c->json = true;
        return true;
    case OPT_PEM:
        return take_purpose(c, optarg);
    case OPT_NAME:
        return take_name(&c->name, optarg);
    case OPT_RESEALED:
        c->resealed = true;
        return true;
    case OPT_QUIET:
        return take_number(&c->quiet_s, optarg, 1, UINT32_MAX);
    case OPT_GENERATION:
        return take_generation(c, optarg);
    case OPT_COMMON_NAME:
        return take_common_name(c, optarg);
    case OPT_BEGIN:
        c->begin = true;
        return true;
    case OPT_FINISH:
        c->file = optarg;
        return true;
    case OPT_PIN:
        c->pin_file = optarg;
        return true;
    case OPT_PRINCIPAL: /* principals' names are made of the same characters */
        return take_name(&c->principal, optarg);
    case OPT_KEK:
        return take_name(&c->name, optarg);
    case OPT_QUOTA:
        return take_number(&c->quota, optarg, 1, GRANT_QUOTA_MAX);
    case OPT_REVOKE:
        c->revoke = true;
        return true;
    default:
        c->remove = true;
        return true;
    }
}

static bool take_options(struct ceremony *c, int argc, char **argv)
{
    int option, index;
    optind = 0; /* getopt_long starts over */
    while ((option = getopt_long(argc, argv, "", long_options, &index)) != -1) {
        if (option == '?') {
            return false; /* said by getopt_long */
        }
        if ((verbs_of(option) & ON(c->verb)) == 0) {
            return misused("%s takes no --%s", ceremony_name(c->verb), long_options[index].name);
        }
        if (!take_option(c, option)) {
            return false;
        }
    }
    return true;
}

/* What stands behind the options. */
static bool take_arguments(struct ceremony *c, int n, char **arguments)
{
    static const int counts[CEREMONY_VERB_COUNT] = {
        [CEREMONY_ROTATE] = 1,
        [CEREMONY_RETIRE] = 2,
        [CEREMONY_INSTALL_CERT] = 1,
        [CEREMONY_BACKUP_CHECK] = 1,
    };
    if (n != counts[c->verb]) {
        return misused("%s takes %d arguments beside its options", ceremony_name(c->verb),
                       counts[c->verb]);
    }
    if (c->verb == CEREMONY_INSTALL_CERT || c->verb == CEREMONY_BACKUP_CHECK) {
        c->file = arguments[0];
    }
    if (c->verb == CEREMONY_ROTATE || c->verb == CEREMONY_RETIRE) {
        return take_purpose(c, arguments[0]) &&
               (c->verb == CEREMONY_ROTATE || take_generation(c, arguments[1]));
    }
    return true;
}

/* What options ask of each other. */
static bool fits(const struct ceremony *c)
{
    if (c->dry_run && c->transcript != NULL) {
        return misused("a dry run changes nothing and leaves no transcript");
    }
    if (c->init_token != (c->so_pin_file != NULL)) {
        return misused("--init-token and --so-pin-file go together");
    }
    if (c->verb == CEREMONY_LIST && c->json && c->purpose != 0) {
        return misused("list takes one of --json and --pem");
    }
    if (c->verb == CEREMONY_ROTATE && c->purpose == KEY_SR_ESTABLISH && c->curve_count != 1) {
        return misused("rotate sr-establish takes one --sr-curve");
    }
    if (c->verb == CEREMONY_ROTATE && key_purpose_is_named(c->purpose) != (c->name != NULL)) {
        return misused("generic-sign keys and KEKs, and no others, are named with --name");
    }
    if (c->verb == CEREMONY_CSR && c->generation == 0) {
        return misused("which sr-establish key? --generation N, as keys list shows it");
    }
    if (c->verb == CEREMONY_IMPORT_KEK && c->begin == (c->file != NULL)) {
        return misused("import-kek takes one of --begin and --finish FILE");
    }
    if (c->verb == CEREMONY_IMPORT_KEK && !c->begin && c->name == NULL) {
        return misused("import-kek --finish takes the --name by which requests will know the KEK");
    }
    if (c->verb == CEREMONY_GRANT &&
        (c->principal == NULL || c->name == NULL || c->revoke == (c->quota != 0))) {
        return misused("grant takes --principal, --kek and one of --quota N and --revoke");
    }
    return true;
}

bool ceremony_parse(struct ceremony *c, int argc, char **argv)
{
    *c = (struct ceremony){
        .verb = CEREMONY_VERB_COUNT, .quiet_s = QUIET_DEFAULT_S, .common_name = "SM-SR"};
    for (unsigned i = 0; i < CEREMONY_VERB_COUNT && argc > 0; i++) {
        if (strcmp(argv[0], ceremony_name((enum ceremony_verb)i)) == 0) {
            c->verb = (enum ceremony_verb)i;
        }
    }
    if (c->verb == CEREMONY_VERB_COUNT) {
        return misused("%s is no ceremony", argc > 0 ? argv[0] : "nothing");
    }
    return take_options(c, argc, argv) && take_arguments(c, argc - optind, argv + optind) &&
           fits(c);
}
