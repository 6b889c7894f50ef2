/*
 * eckad: the service. Reads its configuration and policy, starts, serves, reads the policy again on
 * SIGHUP, drains on SIGTERM or SIGINT.
 *
 * Exit 0 after a drain, 1 with one sentence when it cannot start. It never forks.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "providers/core/confine.h"
#include "providers/core/secret.h"
#include "providers/provider.h"
#include "service/config.h"
#include "service/front/frontend.h"
#include "service/memory.h"
#include "service/observe/http.h"
#include "service/observe/log.h"
#include "service/pid_file.h"
#include "service/policy/policy.h"
#include "service/policy/reload.h"

/* SIGTERM and SIGINT as something to poll; blocked here, before any thread, so in all of them. */
static int stop_signals_fd(void)
{
    sigset_t stop;
    if (sigemptyset(&stop) != 0 || sigaddset(&stop, SIGTERM) != 0 ||
        sigaddset(&stop, SIGINT) != 0 || sigprocmask(SIG_BLOCK, &stop, NULL) != 0 ||
        signal(SIGPIPE, SIG_IGN) == SIG_ERR) {
        return -1;
    }
    return signalfd(-1, &stop, SFD_CLOEXEC);
}

enum { KIB_SHIFT = 10, MIB_SHIFT = 20 };

static enum status open_log(enum config_log way, char error[static CONFIG_ERROR_MAX])
{
    bool wanted = way == CONFIG_LOG_JOURNALD || (way == CONFIG_LOG_AUTO && log_stderr_is_journal());
    log_to_stderr();
    if (wanted && log_to_journal() != STATUS_OK && way == CONFIG_LOG_JOURNALD) {
        (void)snprintf(error, CONFIG_ERROR_MAX, "log is journald, but no journal is here");
        return STATUS_DISCONNECTED;
    }
    return STATUS_OK;
}

static void report_provider(void *arg, const char *sentence)
{
    (void)arg;
    size_t prefix = strlen(PROVIDER_ALARM);
    if (strncmp(sentence, PROVIDER_ALARM, prefix) == 0) {
        LOG(BACKEND_WRONG, "%s", sentence + prefix);
    } else {
        LOG(BACKEND, "%s", sentence);
    }
}

/* No more descriptors than the bound counts on: the configuration has checked that so many may be
 * had.
 */
static enum status take_descriptors(const struct config *config,
                                    char error[static CONFIG_ERROR_MAX])
{
    struct rlimit limit;
    bool done = getrlimit(RLIMIT_NOFILE, &limit) == 0;
    limit.rlim_cur = config_descriptors(config, config->connections);
    if (!done || setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        (void)snprintf(error, CONFIG_ERROR_MAX, "the limit of open files cannot be set: %s",
                       strerror(errno));
        return STATUS_INTERNAL;
    }
    return STATUS_OK;
}

/* Budget and share first: pinning builds tables. */
static void set_up_arithmetic(const struct config *config, const struct trust *trust)
{
    struct provider_stats stats;
    provider_set_table_budget((size_t)config->table_budget_mib << MIB_SHIFT);
    provider_set_recheck(config->recheck_one_in);
    trust_pin_keys(trust);
    provider_stats(&stats);
    LOG_ABOUT(TABLES, provider_name(),
              "backend %s, 1 verdict in %u re-checked, %" PRIu64
              " KiB of key tables, budget %u MiB",
              provider_name(), config->recheck_one_in, stats.bytes >> KIB_SHIFT,
              config->table_budget_mib);
}

static void log_memory(const struct config *config)
{
    struct memory_bound bound = memory_bound(config);
    LOG(MEMORY, "memory: at most %" PRIu64 " KiB, and %" PRIu64 " KiB a connection",
        bound.fixed >> KIB_SHIFT, bound.connection >> KIB_SHIFT);
}

static void log_arithmetic(void)
{
    struct provider_stats s;
    provider_stats(&s);
    LOG_ABOUT(TABLES, provider_name(),
              "backend %s: %" PRIu64 " verifications with a key table, %" PRIu64
              " without; tables: %" PRIu64 " small, %" PRIu64 " medium, %" PRIu64 " wide, %" PRIu64
              " KiB, %" PRIu64 " evicted; %" PRIu64 " re-checks, %" PRIu64 " mismatches",
              provider_name(), s.hits, s.misses, s.tables_small, s.tables_medium, s.tables_wide,
              s.bytes >> KIB_SHIFT, s.evictions, s.rechecks, s.mismatches);
}

static enum status open_frontend(const struct config *config, struct policy *policy,
                                 struct frontend **out, char error[static CONFIG_ERROR_MAX])
{
    struct curve_key_pair pair;
    uint8_t secret_key[CURVE_KEY_LEN];
    enum status s = keyfile_read_pair(config->key_file, &pair, error);
    if (s == STATUS_OK && !keyfile_z85_decode(pair.secret_key, secret_key)) {
        s = STATUS_INTERNAL; /* the reader has checked it */
    }
    if (s == STATUS_OK) {
        s = frontend_new(out, config, policy, secret_key, error);
    }
    secret_wipe(&pair, sizeof(pair));
    secret_wipe(secret_key, sizeof(secret_key));
    return s;
}

/* Once every thread and socket is there: what is left is to accept, to read the files that policy
 * names, and to connect to custodians and the journal. */
static enum status confine(char error[static CONFIG_ERROR_MAX])
{
    if (confine_calls(CONFINE_LOCAL_SOCKETS) != STATUS_OK) {
        (void)snprintf(error, CONFIG_ERROR_MAX, "system calls cannot be confined: %s",
                       strerror(errno));
        return STATUS_INTERNAL;
    }
    LOG(CONFINED, confine_calls_built() ? "system calls are confined"
                                        : "system calls are not confined in this build");
    return STATUS_OK;
}

/* What serving takes, in the order in which it starts. */
struct service {
    struct config *config;
    int pid_fd;
    struct policy *policy;
    struct reload *reload;
    struct frontend *frontend;
    struct http *http;
};

static enum status start_service(struct service *e, const char *path,
                                 char error[static CONFIG_ERROR_MAX])
{
    TRY(config_load(path, &e->config, error));
    TRY(open_log(e->config->log, error));
    TRY(take_descriptors(e->config, error));
    if (e->config->pid_file != NULL) {
        TRY(pid_file_take(e->config->pid_file, &e->pid_fd, error));
    }
    TRY(policy_load(e->config->policy, &e->policy, error));
    set_up_arithmetic(e->config, e->policy->trust);
    TRY(open_frontend(e->config, e->policy, &e->frontend, error));
    TRY(reload_start(&e->reload, e->config->policy, error));
    if (e->config->http != NULL) {
        TRY(http_start(&e->http, e->config, frontend_metrics(e->frontend), error));
    }
    return confine(error);
}

static enum status serve(const char *path, int stop_fd, char error[static CONFIG_ERROR_MAX])
{
    struct service e = {.pid_fd = -1};
    enum status s = start_service(&e, path, error);
    if (s == STATUS_OK) {
        policy_drop(&e.policy); /* the frontend holds it */
        log_memory(e.config);
        LOG(READY, "ready");
        frontend_run(e.frontend, stop_fd, e.reload);
        http_stop(&e.http); /* it says that we drain as long as we do */
        frontend_free(&e.frontend);
        log_arithmetic();
        LOG(DRAINED, "drained");
    }
    http_stop(&e.http);
    frontend_free(&e.frontend);
    reload_stop(&e.reload);
    policy_drop(&e.policy);
    if (e.pid_fd >= 0) {
        (void)close(e.pid_fd); /* and with it the lock; the file itself stays */
    }
    config_free(&e.config);
    return s;
}

static enum status start(const char *path, char error[static CONFIG_ERROR_MAX])
{
    TRY(open_log(CONFIG_LOG_AUTO, error)); /* until the configuration says otherwise */
    int stop_fd = stop_signals_fd();
    if (stop_fd < 0 || reload_block_signal() != STATUS_OK) {
        (void)snprintf(error, CONFIG_ERROR_MAX, "signals cannot be set up: %s", strerror(errno));
        return STATUS_INTERNAL;
    }
    if (confine_process() != STATUS_OK) { /* the transport key is in it */
        (void)snprintf(error, CONFIG_ERROR_MAX, "the process cannot be hardened: %s",
                       strerror(errno));
        return STATUS_INTERNAL;
    }
    enum status s = secret_init();
    if (s == STATUS_OK) {
        s = provider_select(report_provider, NULL);
    }
    if (s != STATUS_OK) {
        (void)snprintf(error, CONFIG_ERROR_MAX, "no arithmetic backend passes its tests");
    } else {
        s = serve(path, stop_fd, error);
    }
    (void)close(stop_fd);
    return s;
}

static const char *config_path(int argc, char *argv[])
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"version", no_argument, NULL, 'V'}, {0}};
    const char *path = NULL;
    int option;
    while ((option = getopt_long(argc, argv, "c:V", options, NULL)) != -1) {
        if (option == 'c') {
            path = optarg;
        } else if (option == 'V') {
            (void)printf("eckad %s\n", ECKAD_VERSION);
            exit(EXIT_SUCCESS);
        } else {
            return NULL;
        }
    }
    return optind == argc ? path : NULL;
}

int main(int argc, char *argv[])
{
    char error[CONFIG_ERROR_MAX] = "";
    const char *path = config_path(argc, argv);
    if (path == NULL) {
        (void)fprintf(stderr, "usage: eckad --config eckad.yaml\n");
        return EXIT_FAILURE;
    }
    if (start(path, error) != STATUS_OK) {
        LOG(NOT_STARTED, "%s", error);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
