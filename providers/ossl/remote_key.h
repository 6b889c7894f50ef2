/*
 * What ecka.so needs for keys behind the service: signatures of a digest by a key's label.
 *
 * The implementation lives with libecka (service/client/ossl_remote_key.c). Any number of threads
 * share one connection, opened by the first signature and made anew by the first one after a fork;
 * before that there is no thread and no socket.
 */
#ifndef PROVIDERS_OSSL_REMOTE_KEY_H
#define PROVIDERS_OSSL_REMOTE_KEY_H

#include <stdint.h>

#include "proto/bytes.h"

enum {
    REMOTE_ENDPOINTS_MAX = 8,
    REMOTE_LABEL_MAX = 32,
    REMOTE_DIGEST_LEN = 32,
    REMOTE_SIGNATURE_LEN = 64, /* r || s */
    REMOTE_DETAIL_MAX = 320,
};

struct remote_identity {
    struct {
        const char *address;
        const char *server_key_file;
    } endpoints[REMOTE_ENDPOINTS_MAX]; /* up to the first without an address */
    const char *key_file;              /* this client's CURVE key */
    uint64_t deadline_us;              /* 0: libecka's default */
};

struct remote;

/* Keeps the pointers, opens nothing. INTERNAL. */
MUST_CHECK enum status remote_new(struct remote **out, const struct remote_identity *identity);
/* When no call is under way. Closes the connection. */
void remote_free(struct remote **remote);

/* OK, or the service's or libecka's status with a sentence in detail; signature is zero then. */
MUST_CHECK enum status remote_sign(struct remote *remote, const char *label,
                                   const uint8_t digest[static REMOTE_DIGEST_LEN],
                                   uint8_t signature[static REMOTE_SIGNATURE_LEN],
                                   char detail[static REMOTE_DETAIL_MAX]);

/* Around a fork: before it, then in the parent or in the child, which starts without a connection.
 */
void remote_fork_prepare(struct remote *remote);
void remote_fork_parent(struct remote *remote);
void remote_fork_child(struct remote *remote);

#endif
