#include "service/config_check.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>

#include "proto/custody/custody.h"
#include "proto/wire/wire.h"
#include "providers/provider.h"
#include "service/check.h"
#include "service/place.h"

static enum status check_listen(const struct check *c, struct config *config)
{
    static const char ipc[] = "ipc://";
    for (unsigned i = 0; i < config->listen_count; i++) {
        char **endpoint = &config->listen[i];
        if (strncmp(*endpoint, "tcp://", 6) == 0) {
            continue;
        }
        if (strncmp(*endpoint, ipc, sizeof(ipc) - 1) != 0) {
            return check_refuse(c, "listen entry %u is neither tcp:// nor ipc://", i + 1);
        }
        const char *file = *endpoint + sizeof(ipc) - 1;
        if (file[0] == '/' || file[0] == '@') {
            continue;
        }
        char *joined = NULL;
        if (asprintf(&joined, "%s%s/%s", ipc, c->directory, file) < 0) {
            return check_refuse(c, "out of memory");
        }
        free(*endpoint);
        *endpoint = joined;
    }
    return STATUS_OK;
}

static enum status check_custodians(const struct check *c, struct config *config)
{
    if (config->custodian_timeout_ms == 0) {
        config->custodian_timeout_ms = CONFIG_CUSTODIAN_TIMEOUT_MS;
    }
    TRY(check_range(c, "custodian_timeout_ms", config->custodian_timeout_ms,
                    CONFIG_CUSTODIAN_TIMEOUT_MS_MIN, CONFIG_CUSTODIAN_TIMEOUT_MS_MAX));
    for (unsigned i = 0; i < config->custodians_count; i++) {
        struct config_custodian *custodian = &config->custodians[i];
        if (!principal_valid(custodian->name)) {
            return check_refuse(c, "custodians entry %u: name must be 1 to %d of [a-z0-9._-]",
                                i + 1, WIRE_PRINCIPAL_MAX);
        }
        for (unsigned j = 0; j < i; j++) {
            if (strcmp(config->custodians[j].name, custodian->name) == 0) {
                return check_refuse(c, "custodians: the name %s is given twice", custodian->name);
            }
        }
        if (custodian->group != NULL && !principal_valid(custodian->group)) {
            return check_refuse(c, "custodians: group of %s must be 1 to %d of [a-z0-9._-]",
                                custodian->name, WIRE_PRINCIPAL_MAX);
        }
        if (custodian->weight == 0) {
            custodian->weight = 1;
        }
        TRY(check_range(c, "weight", custodian->weight, 1, CONFIG_WEIGHT_MAX));
        TRY(check_absolute(c, &custodian->socket));
        if (strlen(custodian->socket) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
            return check_refuse(
                c, "custodians: socket of %s is longer than a unix socket's path may be",
                custodian->name);
        }
    }
    return STATUS_OK;
}

static enum status check_priorities(const struct check *c, struct config *config)
{
    for (unsigned i = 0; i < config->priority_names_count; i++) {
        enum wire_op op = wire_op_from_name(config->priority_names[i]);
        if (op == WIRE_OP_NONE || op == WIRE_OP_INFO) { /* Info waits in no queue */
            return check_refuse(c, "priorities: no operation with items is called %.40s",
                                config->priority_names[i]);
        }
        config->priorities[i] = op;
        for (unsigned j = 0; j < i; j++) {
            if (config->priorities[j] == op) {
                return check_refuse(c, "priorities: %s is given twice", config->priority_names[i]);
            }
        }
    }
    return STATUS_OK;
}

static enum status check_core_list(const struct check *c, const char *field, const unsigned cores[],
                                   unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (!place_may_run_on(cores[i])) {
            return check_refuse(c, "cores: %s names core %u, on which this process may not run",
                                field, cores[i]);
        }
    }
    return STATUS_OK;
}

/* Threads that nobody counted: as many as the machine has use for. */
static enum status check_threads(const struct check *c, struct config *config)
{
    const struct config_cores *cores = &config->cores;
    TRY(check_core_list(c, "frontend", cores->frontend, cores->frontend != NULL));
    TRY(check_core_list(c, "io", cores->io, cores->io_count));
    TRY(check_core_list(c, "workers", cores->workers, cores->workers_count));
    TRY(check_core_list(c, "lanes", cores->lanes, cores->lanes_count));
    config->io_threads = cores->io_count != 0 ? cores->io_count : place_default_io(place_cores());
    if (config->workers == 0) {
        config->workers = cores->workers_count != 0
                              ? cores->workers_count
                              : place_default_workers(place_cores(), config->custodians_count);
    }
    return check_range(c, "workers", config->workers, 1, CONFIG_WORKERS_MAX);
}

unsigned config_descriptors(const struct config *config, unsigned connections)
{
    enum {
        EACH = 4,     /* of a thread: wake-ups, libzmq's poll set, a lane's connection */
        OTHERS = 256, /* the log, HTTP, files; and connections that are on their way out */
    };
    return connections + OTHERS +
           EACH * (config->workers + config->custodians_count + config->io_threads);
}

/* As many as are asked for, else as many as there may be descriptors. */
static enum status check_connections(const struct check *c, struct config *config)
{
    struct rlimit limit;
    const unsigned own = config_descriptors(config, 0);
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return check_refuse(c, "the limit of open files is not to be had");
    }
    const uint64_t room = limit.rlim_max > own ? limit.rlim_max - own : 0;
    if (config->connections == 0) {
        config->connections = room < CONFIG_CONNECTIONS ? (unsigned)room : CONFIG_CONNECTIONS;
    }
    TRY(check_range(c, "connections", config->connections, 2, CONFIG_CONNECTIONS_MAX));
    if (config->connections > room) {
        return check_refuse(c,
                            "connections is %u; with the limit of %llu open files there may be "
                            "%llu, because eckad needs %u itself",
                            config->connections, (unsigned long long)limit.rlim_max,
                            (unsigned long long)room, own);
    }
    return STATUS_OK;
}

/* libcyaml leaves 0 where the file says nothing. */
static enum status check_arithmetic(const struct check *c, struct config *config)
{
    enum { MIB = 1 << 20 };
    if (config->table_budget_mib == 0) {
        config->table_budget_mib = PROVIDER_TABLE_BUDGET / MIB;
    }
    if (config->recheck_one_in == 0) {
        config->recheck_one_in = PROVIDER_RECHECK_ONE_IN;
    }
    TRY(check_range(c, "table_budget_mib", config->table_budget_mib, 1,
                    CONFIG_TABLE_BUDGET_MIB_MAX));
    return check_range(c, "recheck_one_in", config->recheck_one_in, 1, CONFIG_RECHECK_ONE_IN_MAX);
}

/* The port after the last colon, and what stands before it without the brackets of IPv6. */
static bool split_address(const char *text, char address[static INET6_ADDRSTRLEN], uint16_t *port)
{
    enum { DECIMAL = 10 };
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon == text || !isdigit((unsigned char)colon[1])) {
        return false;
    }
    char *end = NULL;
    unsigned long number = strtoul(colon + 1, &end, DECIMAL);
    bool bracketed = text[0] == '[' && colon[-1] == ']';
    const char *from = bracketed ? text + 1 : text;
    int len = (int)(colon - from) - (bracketed ? 1 : 0);
    *port = (uint16_t)number;
    return *end == '\0' && number >= 1 && number <= UINT16_MAX && len < INET6_ADDRSTRLEN &&
           snprintf(address, INET6_ADDRSTRLEN, "%.*s", len, from) == len;
}

static enum status check_http(const struct check *c, struct config_http *http)
{
    enum { LOOPBACK_NET = 127, NET_SHIFT = 24 };
    char text[INET6_ADDRSTRLEN];
    uint16_t port = 0;
    struct in_addr v4;
    struct in6_addr v6;
    bool loopback;
    if (!split_address(http->listen, text, &port)) {
        return check_refuse(c, "http: listen is %.60s, it must be ADDRESS:PORT", http->listen);
    }
    if (inet_pton(AF_INET, text, &v4) == 1) {
        loopback = ntohl(v4.s_addr) >> NET_SHIFT == LOOPBACK_NET;
        *(struct sockaddr_in *)&http->address =
            (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = v4};
    } else if (http->listen[0] == '[' && inet_pton(AF_INET6, text, &v6) == 1) {
        loopback = IN6_IS_ADDR_LOOPBACK(&v6);
        *(struct sockaddr_in6 *)&http->address = (struct sockaddr_in6){
            .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = v6};
    } else {
        return check_refuse(c, "http: listen is %.60s, its address must be a number", http->listen);
    }
    if (!loopback && !http->is_public) {
        return check_refuse(
            c, "http: listen is %.60s, not loopback; say public: true if it must be", http->listen);
    }
    return STATUS_OK;
}

enum status config_check(struct config *config, const char *path,
                         char error[static CONFIG_ERROR_MAX])
{
    struct check c;
    TRY(check_begin(&c, path, error));
    TRY(check_threads(&c, config));
    TRY(check_range(&c, "jobs", config->jobs, CONFIG_JOBS_MIN, CONFIG_JOBS_MAX));
    TRY(check_range(&c, "default_deadline_ms", config->default_deadline_ms, 1,
                    CONFIG_DEADLINE_MS_MAX));
    TRY(check_arithmetic(&c, config));
    TRY(check_priorities(&c, config));
    TRY(check_listen(&c, config));
    TRY(check_absolute(&c, &config->key_file));
    TRY(check_custodians(&c, config));
    TRY(check_connections(&c, config));
    TRY(check_absolute(&c, &config->policy));
    if (config->pid_file != NULL) {
        TRY(check_absolute(&c, &config->pid_file));
    }
    if (config->http != NULL) {
        TRY(check_http(&c, config->http));
    }
    return STATUS_OK;
}
