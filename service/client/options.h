/*
 * What ecka_open is given, checked once: addresses, keys read from wherever they are, defaults
 * filled in. Any thread, no state.
 */
#ifndef SERVICE_CLIENT_OPTIONS_H
#define SERVICE_CLIENT_OPTIONS_H

#include "service/client/ecka.h"
#include "service/client/keyfile.h"
#include "service/client/policy.h"

struct options_endpoint {
    const char *address; /* the caller's */
    char server_key[KEYFILE_Z85_SIZE];
};

struct client_options {
    size_t count;
    struct options_endpoint endpoints[ECKA_ENDPOINTS_MAX];
    struct curve_key_pair own;
    uint64_t deadline_us;
    size_t outstanding;
    struct policy_heartbeat heartbeat; /* microseconds */
};

/* BAD_REQUEST with a sentence that names the field. What out holds is wiped by options_wipe(), also
 * after a failure. */
MUST_CHECK enum status options_check(struct client_options *out, const struct ecka_options *given,
                                     char error[static KEYFILE_ERROR_MAX]);
void options_wipe(struct client_options *o);

#endif
