#include "service/ctl/audit/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "service/ctl/ctl.h"

enum option_id {
    OPT_KEY = 256,
    OPT_CHECKPOINT,
    OPT_ORIGIN,
    OPT_WHOLE,
    OPT_UNFINISHED,
    OPT_PROOF,
    OPT_EID,
    OPT_PRINCIPAL,
    OPT_LABEL,
    OPT_OP,
    OPT_STATUS,
    OPT_SINCE,
    OPT_UNTIL,
    OPT_FROM,
    OPT_TO,
    OPT_JSON,
    OPT_LEAF,
    OPT_OLDER,
    OPT_OUT,
};

/* An option and the verbs that take it. */
#define ON(verb) (1U << (verb))
enum { EVERY_VERB = (1 << AUDIT_VERB_COUNT) - 1 };

static const struct option long_options[] = {
    {"key", required_argument, NULL, OPT_KEY},
    {"checkpoint", required_argument, NULL, OPT_CHECKPOINT},
    {"origin", required_argument, NULL, OPT_ORIGIN},
    {"whole", no_argument, NULL, OPT_WHOLE},
    {"unfinished", no_argument, NULL, OPT_UNFINISHED},
    {"proof", required_argument, NULL, OPT_PROOF},
    {"eid", required_argument, NULL, OPT_EID},
    {"principal", required_argument, NULL, OPT_PRINCIPAL},
    {"label", required_argument, NULL, OPT_LABEL},
    {"op", required_argument, NULL, OPT_OP},
    {"status", required_argument, NULL, OPT_STATUS},
    {"since", required_argument, NULL, OPT_SINCE},
    {"until", required_argument, NULL, OPT_UNTIL},
    {"from", required_argument, NULL, OPT_FROM},
    {"to", required_argument, NULL, OPT_TO},
    {"json", no_argument, NULL, OPT_JSON},
    {"leaf", required_argument, NULL, OPT_LEAF},
    {"older", required_argument, NULL, OPT_OLDER},
    {"out", required_argument, NULL, OPT_OUT},
    {0},
};

static unsigned verbs_of(int option)
{
    switch (option) {
    case OPT_KEY:
    case OPT_ORIGIN:
        return EVERY_VERB;
    case OPT_UNFINISHED:
        return EVERY_VERB & ~ON(AUDIT_FOLLOW);
    case OPT_CHECKPOINT:
        return ON(AUDIT_VERIFY) | ON(AUDIT_PROVE);
    case OPT_WHOLE:
    case OPT_PROOF:
        return ON(AUDIT_VERIFY);
    case OPT_FROM:
    case OPT_TO:
        return ON(AUDIT_SHOW) | ON(AUDIT_EXPORT);
    case OPT_LEAF:
    case OPT_OLDER:
        return ON(AUDIT_PROVE);
    case OPT_OUT:
        return ON(AUDIT_PROVE) | ON(AUDIT_EXPORT);
    default: /* which leaves, and how */
        return ON(AUDIT_SHOW) | ON(AUDIT_FOLLOW);
    }
}

const char *audit_verb_name(enum audit_verb verb)
{
    static const char *const names[] = {"verify", "show", "prove", "follow", "export"};
    return names[verb];
}

/* -- values -- */

static bool add(const char *list[static ASKED_FILES_MAX], size_t *n, const char *file)
{
    if (*n == ASKED_FILES_MAX) {
        (void)ctl_misused("an option can be given %d times", ASKED_FILES_MAX);
        return false;
    }
    list[(*n)++] = file;
    return true;
}

static bool take_number(uint64_t *out, const char *text)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end != '\0' || errno != 0) {
        (void)ctl_misused("%s is no index of a leaf", text);
        return false;
    }
    return true;
}

static bool take_eid(struct leaf_filter *f, const char *text)
{
    f->has_eid = strlen(text) == 2 * AUDIT_EID_LEN;
    for (size_t i = 0; f->has_eid && i < 2 * AUDIT_EID_LEN; i++) {
        const char *digits = "0123456789abcdef",
                   *at = strchr(digits, tolower((unsigned char)text[i]));
        f->has_eid = at != NULL;
        f->eid[i / 2] = (uint8_t)(f->eid[i / 2] << 4 | (at == NULL ? 0 : at - digits));
    }
    if (!f->has_eid) {
        (void)ctl_misused("%s is no EID of 32 digits", text);
    }
    return f->has_eid;
}

static bool take_time_text(const char **out, const char *text)
{
    *out = text;
    if (strlen(text) < 4 || strlen(text) > AUDIT_TIME_LEN ||
        strspn(text, "0123456789-:.TZ") != strlen(text)) {
        (void)ctl_misused("%s is not the beginning of a time like 2026-11-24T01:38:18.123456Z",
                          text);
        return false;
    }
    return true;
}

static bool take_filter(struct audit_asked *a, int option)
{
    struct leaf_filter *f = &a->filter;
    switch (option) {
    case OPT_EID:
        return take_eid(f, optarg);
    case OPT_PRINCIPAL:
        f->principal = optarg;
        return true;
    case OPT_LABEL:
        f->label = optarg;
        return true;
    case OPT_OP:
        f->op = optarg;
        return true;
    case OPT_STATUS:
        f->status = optarg;
        return true;
    case OPT_SINCE:
        return take_time_text(&f->since, optarg);
    case OPT_UNTIL:
        return take_time_text(&f->until, optarg);
    case OPT_FROM:
        return take_number(&f->from, optarg);
    default:
        return take_number(&f->to, optarg);
    }
}

static bool take_option(struct audit_asked *a, int option)
{
    switch (option) {
    case OPT_KEY:
        return add(a->keys, &a->key_count, optarg);
    case OPT_CHECKPOINT:
        return add(a->checkpoints, &a->checkpoint_count, optarg);
    case OPT_ORIGIN:
        a->origin = optarg;
        return audit_origin_valid(audit_text(optarg)) ||
               ctl_misused("%s is no origin", optarg) == CTL_OK;
    case OPT_WHOLE:
        a->whole = true;
        return true;
    case OPT_UNFINISHED:
        a->unfinished = true;
        return true;
    case OPT_PROOF:
        a->proof = optarg;
        return true;
    case OPT_JSON:
        a->json = true;
        return true;
    case OPT_LEAF:
        a->has_leaf = true;
        return take_number(&a->leaf, optarg);
    case OPT_OLDER:
        a->older = optarg;
        return true;
    case OPT_OUT:
        a->out = optarg;
        return true;
    default:
        return take_filter(a, option);
    }
}

/* -- what options ask of each other -- */

static bool fits(const struct audit_asked *a)
{
    const char *verb = audit_verb_name(a->verb);
    if (a->verb != AUDIT_SHOW && a->key_count == 0) {
        return ctl_misused("audit %s needs --key FILE, the checkpoint key's public half: eckactl "
                           "keys list --pem checkpoint prints it",
                           verb) == CTL_OK;
    }
    if (a->proof != NULL && a->directory_count != 0) {
        return ctl_misused("a proof is verified by itself, without a directory") == CTL_OK;
    }
    if (a->proof == NULL && a->directory_count == 0) {
        return ctl_misused("audit %s needs the directories that hold the log", verb) == CTL_OK;
    }
    if (a->verb == AUDIT_FOLLOW && a->directory_count != 1) {
        return ctl_misused("audit follow takes the one directory that is written to") == CTL_OK;
    }
    if (a->verb == AUDIT_PROVE && a->has_leaf == (a->older != NULL)) {
        return ctl_misused("audit prove takes one of --leaf INDEX and --older FILE") == CTL_OK;
    }
    if (a->verb == AUDIT_PROVE && a->checkpoint_count > 1) {
        return ctl_misused("audit prove takes one --checkpoint") == CTL_OK;
    }
    if (a->verb == AUDIT_EXPORT && (a->out == NULL || a->filter.to == UINT64_MAX)) {
        return ctl_misused("audit export needs --from INDEX, --to INDEX and --out DIR") == CTL_OK;
    }
    return a->filter.from <= a->filter.to || ctl_misused("--from is after --to") == CTL_OK;
}

bool audit_parse(struct audit_asked *a, int argc, char **argv)
{
    int option, index;
    enum audit_verb verb = AUDIT_VERIFY;
    while (verb < AUDIT_VERB_COUNT && strcmp(argv[0], audit_verb_name(verb)) != 0) {
        verb++;
    }
    *a = (struct audit_asked){.verb = verb, .filter.to = UINT64_MAX};
    if (verb == AUDIT_VERB_COUNT) {
        (void)ctl_misused("audit %s is no command; eckactl audit --help lists them", argv[0]);
        return false;
    }
    optind = 0; /* getopt_long starts over */
    while ((option = getopt_long(argc, argv, "", long_options, &index)) != -1) {
        if (option == '?') {
            return false; /* said by getopt_long */
        }
        if ((verbs_of(option) & ON(verb)) == 0) {
            (void)ctl_misused("audit %s takes no --%s", argv[0], long_options[index].name);
            return false;
        }
        if (!take_option(a, option)) {
            return false;
        }
    }
    a->directories = argv + optind;
    a->directory_count = (size_t)(argc - optind);
    return fits(a);
}
