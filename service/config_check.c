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
#include <sys/un.h>

#include "proto/custody/custody.h"
#include "proto/wire/wire.h"
#include "providers/provider.h"
#include "service/authz.h"
#include "service/place.h"

struct check {
    const char *path;
    char directory[PATH_MAX]; /* of the file, absolute */
    char *error;
};

__attribute__((format(printf, 2, 3))) static enum status refuse(const struct check *c,
                                                                const char *format, ...)
{
    int head = snprintf(c->error, CONFIG_ERROR_MAX, "%.200s: ", c->path);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(c->error + head, CONFIG_ERROR_MAX - (size_t)head, format, args);
    va_end(args);
    return STATUS_BAD_REQUEST;
}

static enum status check_range(const struct check *c, const char *field, unsigned value,
                               unsigned min, unsigned max)
{
    if (value < min || value > max) {
        return refuse(c, "%s is %u, it must be %u to %u", field, value, min, max);
    }
    return STATUS_OK;
}

/* Replaces a relative path by one from the root. */
static enum status make_absolute(const struct check *c, char **path)
{
    if ((*path)[0] == '/') {
        return STATUS_OK;
    }
    char *joined = NULL;
    if (asprintf(&joined, "%s/%s", c->directory, *path) < 0) {
        return refuse(c, "out of memory");
    }
    free(*path);
    *path = joined;
    return STATUS_OK;
}

/* An even number of hexadecimal digits, min to max bytes. */
static enum status check_hex(const struct check *c, const char *field, unsigned index,
                             const char *hex, uint8_t *out, size_t min, size_t max, size_t *len)
{
    size_t digits = strlen(hex);
    if (digits % 2 != 0 || digits / 2 < min || digits / 2 > max) {
        return refuse(c, "%s of entry %u has %zu hexadecimal digits, it must have %zu to %zu",
                      field, index + 1, digits, 2 * min, 2 * max);
    }
    for (size_t i = 0; i < digits; i++) {
        unsigned char digit = (unsigned char)hex[i];
        if (!isxdigit(digit)) {
            return refuse(c, "%s of entry %u is not hexadecimal", field, index + 1);
        }
        int nibble = isdigit(digit) ? digit - '0' : tolower(digit) - 'a' + 10;
        out[i / 2] = (uint8_t)(i % 2 == 0 ? nibble << 4 : out[i / 2] | nibble);
    }
    *len = digits / 2;
    return STATUS_OK;
}

static enum status check_listen(const struct check *c, struct config *config)
{
    static const char ipc[] = "ipc://";
    for (unsigned i = 0; i < config->listen_count; i++) {
        char **endpoint = &config->listen[i];
        if (strncmp(*endpoint, "tcp://", 6) == 0) {
            continue;
        }
        if (strncmp(*endpoint, ipc, sizeof(ipc) - 1) != 0) {
            return refuse(c, "listen entry %u is neither tcp:// nor ipc://", i + 1);
        }
        const char *file = *endpoint + sizeof(ipc) - 1;
        if (file[0] == '/' || file[0] == '@') {
            continue;
        }
        char *joined = NULL;
        if (asprintf(&joined, "%s%s/%s", ipc, c->directory, file) < 0) {
            return refuse(c, "out of memory");
        }
        free(*endpoint);
        *endpoint = joined;
    }
    return STATUS_OK;
}

static enum status check_custodians(const struct check *c, struct config *config)
{
    for (unsigned i = 0; i < config->custodians_count; i++) {
        struct config_custodian *custodian = &config->custodians[i];
        if (!principal_valid(custodian->name)) {
            return refuse(c, "custodians entry %u: name must be 1 to %d of [a-z0-9._-]", i + 1,
                          WIRE_PRINCIPAL_MAX);
        }
        for (unsigned j = 0; j < i; j++) {
            if (strcmp(config->custodians[j].name, custodian->name) == 0) {
                return refuse(c, "custodians: the name %s is given twice", custodian->name);
            }
        }
        TRY(make_absolute(c, &custodian->socket));
        if (strlen(custodian->socket) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
            return refuse(c, "custodians: socket of %s is longer than a unix socket's path may be",
                          custodian->name);
        }
    }
    return STATUS_OK;
}

/* A trusted file stands in the trust directory itself. */
static enum status check_trust_file(const struct check *c, const char *field, unsigned index,
                                    const char *file)
{
    if (strchr(file, '/') != NULL || strcmp(file, "..") == 0) {
        return refuse(c, "%s: file of entry %u must be a name without a directory", field,
                      index + 1);
    }
    return STATUS_OK;
}

static enum status check_trust(const struct check *c, struct config_trust *trust)
{
    size_t len;
    TRY(make_absolute(c, &trust->directory));
    for (unsigned i = 0; i < trust->ci_count; i++) {
        struct config_ci *ci = &trust->ci[i];
        TRY(check_trust_file(c, "trust.ci", i, ci->file));
        TRY(check_hex(c, "trust.ci: sha256", i, ci->sha256_hex, ci->sha256, CONFIG_SHA256_LEN,
                      CONFIG_SHA256_LEN, &len));
    }
    for (unsigned i = 0; i < trust->eum_count; i++) {
        struct config_eum *eum = &trust->eum[i];
        TRY(check_trust_file(c, "trust.eum", i, eum->file));
        TRY(check_hex(c, "trust.eum: sha256", i, eum->sha256_hex, eum->sha256, CONFIG_SHA256_LEN,
                      CONFIG_SHA256_LEN, &len));
        TRY(check_hex(c, "trust.eum: ca_id", i, eum->ca_id_hex, eum->ca_id, 1, CONFIG_CA_ID_MAX,
                      &eum->ca_id_len));
        for (unsigned j = 0; j < i; j++) {
            if (memcmp(trust->eum[j].sha256, eum->sha256, CONFIG_SHA256_LEN) == 0) {
                return refuse(c, "trust.eum: entries %u and %u pin the same file", j + 1, i + 1);
            }
        }
    }
    return STATUS_OK;
}

/* Whether a key stands before key k of principal p. */
static bool key_seen(const struct config *config, unsigned p, unsigned k)
{
    const uint8_t *key = config->principals[p].keys[k];
    for (unsigned i = 0; i <= p; i++) {
        unsigned keys = i < p ? config->principals[i].keys_z85_count : k;
        for (unsigned j = 0; j < keys; j++) {
            if (memcmp(config->principals[i].keys[j], key, CURVE_KEY_LEN) == 0) {
                return true;
            }
        }
    }
    return false;
}

static enum status check_principal(const struct check *c, struct config *config, unsigned p)
{
    struct config_principal *principal = &config->principals[p];
    if (!principal_valid(principal->name)) {
        return refuse(c, "principals entry %u: name must be 1 to %d of [a-z0-9._-]", p + 1,
                      WIRE_PRINCIPAL_MAX);
    }
    for (unsigned j = 0; j < p; j++) {
        if (strcmp(config->principals[j].name, principal->name) == 0) {
            return refuse(c, "principals: the name %s is given twice", principal->name);
        }
    }
    for (unsigned k = 0; k < principal->keys_z85_count; k++) {
        if (!keyfile_z85_decode(principal->keys_z85[k], principal->keys[k])) {
            return refuse(c, "principals: key %u of %s is not %d characters of Z85", k + 1,
                          principal->name, KEYFILE_Z85_LEN);
        }
        if (key_seen(config, p, k)) {
            return refuse(c, "principals: key %u of %s is given twice", k + 1, principal->name);
        }
    }
    TRY(check_range(c, "share of a principal", principal->share, 0, 100));
    for (unsigned o = 0; o < principal->operations_count; o++) {
        enum wire_op op = wire_op_from_name(principal->operations[o]);
        if (op == WIRE_OP_NONE) {
            return refuse(c, "principals: operations of %s: no operation is called %.40s",
                          principal->name, principal->operations[o]);
        }
        principal->granted |= authz_bit(op);
    }
    return STATUS_OK;
}

static enum status find_directory(struct check *c)
{
    char *resolved = realpath(c->path, NULL);
    if (resolved == NULL) {
        return refuse(c, "%s", strerror(errno));
    }
    char *slash = strrchr(resolved, '/');
    slash[slash == resolved ? 1 : 0] = '\0';
    int n = snprintf(c->directory, sizeof(c->directory), "%s", resolved);
    free(resolved);
    return n >= 0 && (size_t)n < sizeof(c->directory) ? STATUS_OK
                                                      : refuse(c, "the path is too long");
}

static enum status check_priorities(const struct check *c, struct config *config)
{
    for (unsigned i = 0; i < config->priority_names_count; i++) {
        enum wire_op op = wire_op_from_name(config->priority_names[i]);
        if (op == WIRE_OP_NONE || op == WIRE_OP_INFO) { /* Info waits in no queue */
            return refuse(c, "priorities: no operation with items is called %.40s",
                          config->priority_names[i]);
        }
        config->priorities[i] = op;
        for (unsigned j = 0; j < i; j++) {
            if (config->priorities[j] == op) {
                return refuse(c, "priorities: %s is given twice", config->priority_names[i]);
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
            return refuse(c, "cores: %s names core %u, on which this process may not run", field,
                          cores[i]);
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
        return refuse(c, "http: listen is %.60s, it must be ADDRESS:PORT", http->listen);
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
        return refuse(c, "http: listen is %.60s, its address must be a number", http->listen);
    }
    if (!loopback && !http->is_public) {
        return refuse(c, "http: listen is %.60s, not loopback; say public: true if it must be",
                      http->listen);
    }
    return STATUS_OK;
}

enum status config_check(struct config *config, const char *path,
                         char error[static CONFIG_ERROR_MAX])
{
    struct check c = {.path = path, .error = error};
    TRY(find_directory(&c));
    TRY(check_threads(&c, config));
    TRY(check_range(&c, "jobs", config->jobs, CONFIG_JOBS_MIN, CONFIG_JOBS_MAX));
    TRY(check_range(&c, "default_deadline_ms", config->default_deadline_ms, 1,
                    CONFIG_DEADLINE_MS_MAX));
    TRY(check_arithmetic(&c, config));
    TRY(check_priorities(&c, config));
    TRY(check_listen(&c, config));
    TRY(make_absolute(&c, &config->key_file));
    TRY(check_custodians(&c, config));
    TRY(check_trust(&c, &config->trust));
    for (unsigned p = 0; p < config->principals_count; p++) {
        TRY(check_principal(&c, config, p));
    }
    if (config->http != NULL) {
        TRY(check_http(&c, config->http));
    }
    return STATUS_OK;
}
