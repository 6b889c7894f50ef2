#include "service/client/options.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "service/client/pending.h"

enum {
    US_PER_MS = 1000,
    DEFAULT_DEADLINE_US = 5 * 1000 * US_PER_MS,
    DEFAULT_OUTSTANDING = 256,
    /* Given up after three seconds of silence, a request of the default deadline has two left. */
    DEFAULT_INTERVAL_MS = 1000,
    DEFAULT_TIMEOUT_INTERVALS = 3,
    HEARTBEAT_MAX_MS = 3600 * 1000,
};

__attribute__((format(printf, 2, 3))) static enum status refuse(char *error, const char *format,
                                                                ...)
{
    va_list ap;
    va_start(ap, format);
    (void)vsnprintf(error, KEYFILE_ERROR_MAX, format, ap);
    va_end(ap);
    return STATUS_BAD_REQUEST;
}

/* -- endpoints -- */

static enum status check_server_key(char out[static KEYFILE_Z85_SIZE], size_t i,
                                    const struct ecka_endpoint *given, char *error)
{
    if ((given->server_key == NULL) == (given->server_key_file == NULL)) {
        return refuse(error,
                      "endpoints[%zu] needs the server's public key: server_key_file (the FILE.pub "
                      "of eckactl keygen) or server_key",
                      i);
    }
    if (given->server_key_file != NULL) {
        return keyfile_read_public(given->server_key_file, out, error);
    }
    if (!keyfile_z85_valid(given->server_key)) {
        return refuse(error, "server_key of endpoints[%zu] is not 40 characters of Z85", i);
    }
    memcpy(out, given->server_key, KEYFILE_Z85_SIZE);
    return STATUS_OK;
}

static enum status check_endpoints(struct client_options *out, const struct ecka_options *given,
                                   char *error)
{
    for (size_t i = 0; i < ECKA_ENDPOINTS_MAX && given->endpoints[i].address != NULL; i++) {
        struct options_endpoint *e = &out->endpoints[out->count++];
        e->address = given->endpoints[i].address;
        TRY(check_server_key(e->server_key, i, &given->endpoints[i], error));
        for (size_t other = 0; other < i; other++) {
            if (strcmp(e->address, out->endpoints[other].address) == 0) {
                return refuse(error, "endpoints[%zu] and endpoints[%zu] are the same, %.200s",
                              other, i, e->address);
            }
        }
    }
    if (out->count == 0) {
        return refuse(error, "endpoints[0] has no address; give one like tcp://127.0.0.1:5570");
    }
    return STATUS_OK;
}

/* -- the client's own keys -- */

static enum status check_own_keys(struct curve_key_pair *out, const struct ecka_options *given,
                                  char *error)
{
    if (given->key_file != NULL) {
        return keyfile_read_pair(given->key_file, out, error);
    }
    if (given->public_key == NULL || given->secret_key == NULL) {
        return refuse(error, "give this client's keys: key_file (made by eckactl keygen) or "
                             "public_key and secret_key");
    }
    char derived[KEYFILE_Z85_SIZE];
    if (!keyfile_z85_valid(given->public_key) || !keyfile_z85_valid(given->secret_key) ||
        zmq_curve_public(derived, given->secret_key) != 0 ||
        strcmp(derived, given->public_key) != 0) {
        return refuse(error, "public_key and secret_key are not a CURVE key pair in Z85");
    }
    memcpy(out->public_key, given->public_key, KEYFILE_Z85_SIZE);
    memcpy(out->secret_key, given->secret_key, KEYFILE_Z85_SIZE);
    return STATUS_OK;
}

/* -- numbers -- */

static enum status check_numbers(struct client_options *out, const struct ecka_options *given,
                                 char *error)
{
    out->deadline_us =
        given->default_deadline_us != 0 ? given->default_deadline_us : DEFAULT_DEADLINE_US;
    out->outstanding = given->max_outstanding != 0 ? given->max_outstanding : DEFAULT_OUTSTANDING;
    if (out->outstanding > PENDING_MAX) {
        return refuse(error, "max_outstanding is %zu, the limit is %d", out->outstanding,
                      PENDING_MAX);
    }
    uint64_t interval =
        given->heartbeat_interval_ms != 0 ? given->heartbeat_interval_ms : DEFAULT_INTERVAL_MS;
    uint64_t timeout = given->heartbeat_timeout_ms != 0 ? given->heartbeat_timeout_ms
                                                        : DEFAULT_TIMEOUT_INTERVALS * interval;
    if (timeout <= interval || timeout > HEARTBEAT_MAX_MS) {
        return refuse(error,
                      "heartbeat_timeout_ms is %llu; it must be more than the interval, %llu, and "
                      "at most %d",
                      (unsigned long long)timeout, (unsigned long long)interval, HEARTBEAT_MAX_MS);
    }
    out->heartbeat = (struct policy_heartbeat){interval * US_PER_MS, timeout * US_PER_MS};
    return STATUS_OK;
}

enum status options_check(struct client_options *out, const struct ecka_options *given,
                          char error[static KEYFILE_ERROR_MAX])
{
    *out = (struct client_options){0};
    TRY(check_endpoints(out, given, error));
    TRY(check_own_keys(&out->own, given, error));
    return check_numbers(out, given, error);
}

void options_wipe(struct client_options *o)
{
    sodium_memzero(o, sizeof *o);
}
