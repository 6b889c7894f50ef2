/*
 * What the service benchmark runs against: eckads and custodians of a directory that
 * tools/provision made, and the servers they are compared with, on TCP over the loopback.
 *
 * Each eckad gets a configuration of its own in that directory, with two principals, `bench` and
 * `polite`, whose CURVE keys are made here. Whatever was started ends with this process.
 */
#ifndef BENCH_DEPLOYMENT_H
#define BENCH_DEPLOYMENT_H

#include "bench/process.h"
#include "service/client/keyfile.h"

#define DEPLOYMENT_SIGN_KEY "demo-sign" /* of purpose generic-sign, as tools/provision makes it */

enum { DEPLOYMENT_CUSTODIANS_MAX = 4, ENDPOINT_MAX = 64, DEPLOYMENT_JOBS = 1024 };

struct deployment {
    char dir[PROCESS_PATH_MAX / 2];
    char server_key[KEYFILE_Z85_SIZE];
    struct curve_key_pair bench, polite;
    size_t custodians_known; /* c1.yaml, c2.yaml ... of the directory */
    size_t custodians_used;
    size_t custodians_before; /* of them, those that an eckad started now does not get */
    struct process custodians[DEPLOYMENT_CUSTODIANS_MAX];
};

struct server {
    struct process process;
    char endpoint[ENDPOINT_MAX];
    char http[ENDPOINT_MAX]; /* an eckad's; scrape.h */
};

/* Reads the directory and makes the keys; false with a sentence on stderr. */
bool deployment_open(struct deployment *d, const char *dir);

/* So many custodians, or as many as the directory knows. */
bool deployment_start_custodians(struct deployment *d, size_t n);
/* One more, whose audit log is off whatever its configuration says. */
bool deployment_start_unaudited(struct deployment *d);
void deployment_close(struct deployment *d);

/* name: of its files. With the custodians that run. */
bool deployment_start_eckad(struct deployment *d, const char *name, unsigned workers,
                            struct server *out);
/* One that ended, with the configuration and at the endpoint that it had. */
bool deployment_restart_eckad(struct deployment *d, const char *name, struct server *server);
/* `eckabench peer`, or with echo the one that sends back what comes. */
bool deployment_start_peer(struct deployment *d, const char *name, bool echo, struct server *out);

/* Raw C_Sign calls a processor second of a bare process on the custodians' token; 0 when it
 * fails. */
double deployment_raw_signatures(const struct deployment *d, double seconds);

#endif
