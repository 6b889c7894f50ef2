/*
 * policy: what a policy file says, and who may do what by it; reload: the policy, by a running
 * eckad. Both read the files as eckad does, with the same code.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "providers/provider.h"
#include "service/ctl/ctl.h"
#include "service/pid_file.h"
#include "service/policy/authz.h"

struct files {
    struct config *config;
    struct policy *policy;
};

static void files_close(struct files *f)
{
    policy_drop(&f->policy);
    config_free(&f->config);
}

/* The configuration and the policy that it names, as eckad would take them. */
static int files_open(struct files *f, const char *path)
{
    char error[CONFIG_ERROR_MAX] = "";
    *f = (struct files){0};
    if (config_load(path, &f->config, error) != STATUS_OK ||
        policy_load(f->config->policy, &f->policy, error) != STATUS_OK) {
        ctl_say("%s", error);
        files_close(f);
        return CTL_FAILED;
    }
    return CTL_OK;
}

/* -- check -- */

static void print_list(const char *label, char *const list[], unsigned count)
{
    if (count > 0) {
        (void)printf("  %-11s", label);
        for (unsigned i = 0; i < count; i++) {
            (void)printf("%s%s", i > 0 ? ", " : "", list[i]);
        }
        (void)printf("\n");
    }
}

static void print_quotas(const struct policy_principal *p)
{
    for (int o = 0; o < POLICY_OPS; o++) {
        if (p->quotas.text[o] != NULL) {
            (void)printf("  quota      %s %s\n", wire_op_name((enum wire_op)(POLICY_FIRST_OP + o)),
                         p->quotas.text[o]);
        }
    }
}

static void print_principal(const struct policy_principal *p)
{
    static const char *const custody[] = {"memory, token", "memory", "token"};
    unsigned kind = p->custody == POLICY_CUSTODY_MEMORY  ? 1
                    : p->custody == POLICY_CUSTODY_TOKEN ? 2
                                                         : 0;
    (void)printf("principal %s: %u key%s\n", p->name, p->keys_z85_count,
                 p->keys_z85_count == 1 ? "" : "s");
    print_list("operations", p->operations, p->operations_count);
    print_list("sign keys", p->sign_keys, p->sign_keys_count);
    print_list("KEKs", p->keks, p->keks_count);
    if (p->eids_count > 0) {
        print_list("EIDs", p->eids, p->eids_count);
    } else {
        (void)printf("  EIDs       all\n");
    }
    (void)printf("  custody    %s\n", custody[kind]);
    print_quotas(p);
    if (p->share > 0) {
        (void)printf("  share      %u %%\n", p->share);
    }
}

static void print_trust(const struct policy *policy)
{
    for (unsigned i = 0; i < policy->pins.ci_count; i++) {
        (void)printf("CI %s\n", policy->pins.ci[i].file);
    }
    for (unsigned i = 0; i < policy->pins.eum_count; i++) {
        enum status s = trust_find(policy->trust, policy->pins.eum[i].sha256)->status;
        (void)printf("EUM %s%s%s\n", policy->pins.eum[i].file, s != STATUS_OK ? ": REFUSED, " : "",
                     s != STATUS_OK ? status_meaning(s) : "");
    }
}

static int check(const struct files *f, int argc, char **argv)
{
    (void)argv;
    if (argc != 0) {
        return ctl_misused("policy check takes nothing but --config FILE");
    }
    (void)printf("%s\n", f->config->policy);
    print_trust(f->policy);
    for (unsigned p = 0; p < f->policy->principals_count; p++) {
        print_principal(&f->policy->principals[p]);
    }
    (void)printf("blocked: %u EUMs, %u EIDs or prefixes\n", f->policy->blocked.eums_count,
                 f->policy->blocked.eids_count);
    return CTL_OK;
}

/* -- explain -- */

/* A request that asks for the operation with this key, so that the rules of eckad judge it. */
struct question {
    Ecka__V1__Request request;
    union {
        Ecka__V1__Sign sign;
        Ecka__V1__Rewrap rewrap;
        Ecka__V1__Establish establish;
        Ecka__V1__Agree agree;
    } as;
};

/* False when KEY is missing, or means nothing to the operation. */
static bool ask(struct question *q, enum wire_op op, char *key)
{
    q->request = (Ecka__V1__Request)ECKA__V1__REQUEST__INIT;
    q->request.op_case = (Ecka__V1__Request__OpCase)op;
    bool token = key != NULL && strcmp(key, "token") == 0;
    bool custody = key == NULL || token || strcmp(key, "memory") == 0;
    switch (q->request.op_case) {
    case ECKA__V1__REQUEST__OP_SIGN:
        q->as.sign = (Ecka__V1__Sign)ECKA__V1__SIGN__INIT;
        q->as.sign.key_label = key;
        q->request.sign = &q->as.sign;
        return key != NULL;
    case ECKA__V1__REQUEST__OP_REWRAP:
        q->as.rewrap = (Ecka__V1__Rewrap)ECKA__V1__REWRAP__INIT;
        q->as.rewrap.kek_label = key;
        q->request.rewrap = &q->as.rewrap;
        return key != NULL;
    case ECKA__V1__REQUEST__OP_ESTABLISH:
        q->as.establish = (Ecka__V1__Establish)ECKA__V1__ESTABLISH__INIT;
        q->as.establish.custody =
            token ? ECKA__V1__CUSTODY__CUSTODY_TOKEN : ECKA__V1__CUSTODY__CUSTODY_MEMORY;
        q->request.establish = &q->as.establish;
        return custody;
    case ECKA__V1__REQUEST__OP_AGREE:
        q->as.agree = (Ecka__V1__Agree)ECKA__V1__AGREE__INIT;
        q->as.agree.custody =
            token ? ECKA__V1__CUSTODY__CUSTODY_TOKEN : ECKA__V1__CUSTODY__CUSTODY_MEMORY;
        q->request.agree = &q->as.agree;
        return custody;
    default:
        return key == NULL;
    }
}

static void print_limits(const struct policy *policy, const struct policy_principal *p,
                         enum wire_op op)
{
    const char *quota = p->quotas.text[(int)op - POLICY_FIRST_OP];
    if (quota != NULL) {
        (void)printf("quota: quotas of %s allows %s %s\n", p->name, wire_op_name(op), quota);
    }
    if (p->eids_count > 0) {
        (void)printf("EIDs: eids of %s lists %u, others are denied\n", p->name, p->eids_count);
    }
    if (policy->blocked.eids_count > 0) {
        (void)printf("EIDs: blocked.eids lists %u, these are denied\n", policy->blocked.eids_count);
    }
}

static int explain(const struct files *f, int argc, char **argv)
{
    struct question q;
    char rule[WIRE_DETAIL_MAX] = "";
    if (argc != 2 && argc != 3) {
        return ctl_misused("policy explain needs PRINCIPAL and OP, and KEY where OP names one");
    }
    const struct policy_principal *p = policy_of_name(f->policy, argv[0]);
    enum wire_op op = wire_op_from_name(argv[1]);
    if (p == NULL) {
        (void)printf("denied: principals lists no %s\n", argv[0]);
        return CTL_FAILED;
    }
    if (op == WIRE_OP_NONE) {
        return ctl_misused("no operation is called %s", argv[1]);
    }
    if (!ask(&q, op, argc == 3 ? argv[2] : NULL)) {
        return ctl_misused(
            "KEY is a key label of Sign and Rewrap, memory or token of Establish and "
            "Agree, and nothing of %s",
            argv[1]);
    }
    enum status s = authz_request(p, &q.request, rule);
    (void)printf("%s: %s\n", s == STATUS_OK ? "granted" : "denied", rule);
    if (s != STATUS_OK) {
        return CTL_FAILED;
    }
    if (op != WIRE_OP_INFO) {
        print_limits(f->policy, p, op);
    }
    return CTL_OK;
}

/* -- commands -- */

/* Takes --config FILE; what stands beside it is left at argv + optind. NULL when misused. */
static const char *take_config(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {0}};
    const char *config = NULL;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option != 'c') { /* getopt_long has said why */
            return NULL;
        }
        config = optarg;
    }
    return config;
}

int ctl_policy(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(const struct files *f, int argc, char **argv);
    } verbs[] = {{"check", check}, {"explain", explain}};
    struct files f;
    const char *config = take_config(argc, argv);
    if (config == NULL || optind >= argc) {
        return ctl_misused("policy needs check or explain, and --config FILE, the eckad.yaml");
    }
    const char *verb = argv[optind++];
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(verbs[i].name, verb) == 0) {
            int rc = files_open(&f, config);
            if (rc == CTL_OK) {
                rc = verbs[i].run(&f, argc - optind, argv + optind);
                files_close(&f);
            }
            return rc;
        }
    }
    return ctl_misused("policy %s is no command", verb);
}

/* A policy that eckad would refuse is not even shown to it. */
static int hang_up(const struct files *f)
{
    if (f->config->pid_file == NULL) {
        ctl_say("the configuration names no pid_file, by which to find eckad; send it SIGHUP");
        return CTL_FAILED;
    }
    pid_t pid = pid_file_holder(f->config->pid_file);
    if (pid <= 0) {
        ctl_say("no running eckad holds %s", f->config->pid_file);
        return CTL_FAILED;
    }
    if (kill(pid, SIGHUP) != 0) {
        ctl_say("eckad, process %d, cannot be told: %s", (int)pid, strerror(errno));
        return CTL_FAILED;
    }
    (void)printf("eckad, process %d, reloads %s; its log says when it is in force\n", (int)pid,
                 f->config->policy);
    return CTL_OK;
}

int ctl_reload(int argc, char **argv)
{
    struct files f;
    const char *config = take_config(argc, argv);
    if (config == NULL || optind != argc) {
        return ctl_misused("reload needs --config FILE, the eckad.yaml, and nothing else");
    }
    int rc = files_open(&f, config);
    if (rc == CTL_OK) {
        rc = hang_up(&f);
        files_close(&f);
    }
    return rc;
}
