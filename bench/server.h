/*
 * The servers that eckad is compared with: the same CURVE ROUTER behind a ZAP handler, the same
 * messages, one thread that does everything (and libzmq's own).
 *
 * The verifier does one OpenSSL EVP verification a signature, with keys loaded and contexts made
 * when a key is first seen. The echo sends every request back unread: what the sockets alone cost.
 */
#ifndef BENCH_SERVER_H
#define BENCH_SERVER_H

#include <stdbool.h>

struct server_options {
    const char *endpoint;
    const char *key_file;   /* of the server; eckactl keygen */
    const char *client_key; /* the one CURVE key that is let in, Z85 */
    bool echo;
};

/* Says "eckabench: ready" on stderr and serves until it is killed. The exit status. */
int server_run(const struct server_options *options);

#endif
