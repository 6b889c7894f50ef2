#include "bench/deployment.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

static void in_dir(const struct deployment *d, char out[static PROCESS_PATH_MAX], const char *name,
                   const char *end)
{
    (void)snprintf(out, PROCESS_PATH_MAX, "%s/%s%s", d->dir, name, end);
}

bool deployment_open(struct deployment *d, const char *dir)
{
    char path[PROCESS_PATH_MAX], error[KEYFILE_ERROR_MAX], name[24];
    *d = (struct deployment){0};
    (void)snprintf(d->dir, sizeof d->dir, "%s", dir);
    in_dir(d, path, "eckad.key.pub", "");
    if (keyfile_read_public(path, d->server_key, error) != STATUS_OK) {
        (void)fprintf(stderr, "eckabench: %s; tools/provision makes such a directory\n", error);
        return false;
    }
    in_dir(d, path, "softhsm2.conf", "");
    if (setenv("SOFTHSM2_CONF", path, 1) != 0 ||
        zmq_curve_keypair(d->bench.public_key, d->bench.secret_key) != 0 ||
        zmq_curve_keypair(d->polite.public_key, d->polite.secret_key) != 0) {
        (void)fprintf(stderr, "eckabench: libzmq has no CURVE\n");
        return false;
    }
    do {
        (void)snprintf(name, sizeof name, "c%zu", d->custodians_known + 1);
        in_dir(d, path, name, ".yaml");
    } while (access(path, R_OK) == 0 && ++d->custodians_known < DEPLOYMENT_CUSTODIANS_MAX);
    return true;
}

/* The next one, by its configuration c1.yaml, c2.yaml, ... or another with this end. */
static bool start_custodian(struct deployment *d, const char *end)
{
    char program[PROCESS_PATH_MAX], config[PROCESS_PATH_MAX], log[PROCESS_PATH_MAX], name[24];
    (void)snprintf(name, sizeof name, "c%zu", d->custodians_used + 1);
    in_dir(d, program, "bin/eckad-custodian", "");
    in_dir(d, config, name, end);
    in_dir(d, log, name, ".bench.log");
    const char *const argv[] = {program, "--config", config, NULL};
    if (!process_start(&d->custodians[d->custodians_used], log, argv, ": ready")) {
        return false;
    }
    d->custodians_used++;
    return true;
}

bool deployment_start_custodians(struct deployment *d, size_t n)
{
    while (d->custodians_used < n && d->custodians_used < d->custodians_known) {
        if (!start_custodian(d, ".yaml")) {
            return false;
        }
    }
    return true;
}

bool deployment_start_unaudited(struct deployment *d)
{
    char from[PROCESS_PATH_MAX], to[PROCESS_PATH_MAX], name[24], line[1024];
    (void)snprintf(name, sizeof name, "c%zu", d->custodians_used + 1);
    in_dir(d, from, name, ".yaml");
    in_dir(d, to, name, ".unaudited.yaml");
    FILE *in = fopen(from, "re"), *out = fopen(to, "we");
    bool ok = in != NULL && out != NULL;
    for (bool skip = false; ok && fgets(line, sizeof line, in) != NULL;) {
        skip = strncmp(line, "audit:", 6) == 0 || (skip && line[0] == ' ');
        ok = skip || fputs(line, out) >= 0;
    }
    ok = ok && fputs("audit: { mode: off }\n", out) >= 0;
    if (in != NULL) {
        (void)fclose(in);
    }
    if (out != NULL && fclose(out) != 0) {
        ok = false;
    }
    return ok && start_custodian(d, ".unaudited.yaml");
}

void deployment_close(struct deployment *d)
{
    while (d->custodians_used != 0) {
        (void)process_stop(&d->custodians[--d->custodians_used]);
    }
}

/* A port that nobody has just now. */
static bool choose_endpoint(char out[static ENDPOINT_MAX])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&address, len) == 0 &&
              getsockname(fd, (struct sockaddr *)&address, &len) == 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    (void)snprintf(out, ENDPOINT_MAX, "tcp://127.0.0.1:%u", ntohs(address.sin_port));
    return ok;
}

/* -- eckad -- */

static void put_principal(FILE *f, const char *name, const struct curve_key_pair *keys)
{
    (void)fprintf(f,
                  "  - name: %s\n    keys: ['%s']\n"
                  "    operations: [Verify, VerifyChain, Establish, Confirm, Sign, Agree, Info]\n"
                  "    sign_keys: [" DEPLOYMENT_SIGN_KEY "]\n",
                  name, keys->public_key);
}

/* trust.yaml as tools/provision left it. */
static bool put_trust(FILE *f, const struct deployment *d)
{
    char path[PROCESS_PATH_MAX], line[1024];
    in_dir(d, path, "trust.yaml", "");
    FILE *trust = fopen(path, "re");
    while (trust != NULL && fgets(line, sizeof line, trust) != NULL) {
        (void)fputs(line, f);
    }
    if (trust != NULL) {
        (void)fclose(trust);
    }
    return trust != NULL;
}

static bool write_policy(const struct deployment *d)
{
    char path[PROCESS_PATH_MAX];
    in_dir(d, path, "bench.policy.yaml", "");
    FILE *f = fopen(path, "we");
    if (f == NULL) {
        return false;
    }
    bool ok = put_trust(f, d);
    (void)fputs("principals:\n", f);
    put_principal(f, "bench", &d->bench);
    put_principal(f, "polite", &d->polite);
    return fclose(f) == 0 && ok;
}

static bool write_config(const struct deployment *d, const char *path, const struct server *server,
                         unsigned workers)
{
    FILE *f = fopen(path, "we");
    if (f == NULL) {
        return false;
    }
    (void)fprintf(f,
                  "listen: ['%s']\nkey_file: eckad.key\nworkers: %u\njobs: %d\n"
                  "default_deadline_ms: 5000\npolicy: bench.policy.yaml\n"
                  "http: { listen: '%s' }\ncustodians:%s\n",
                  server->endpoint, workers, DEPLOYMENT_JOBS, server->http + strlen("tcp://"),
                  d->custodians_used == 0 ? " []" : "");
    for (size_t i = d->custodians_before + 1; i <= d->custodians_used; i++) {
        (void)fprintf(f, "  - { name: c%zu, socket: run/custodian-%zu.sock }\n", i, i);
    }
    return fclose(f) == 0 && write_policy(d);
}

bool deployment_restart_eckad(struct deployment *d, const char *name, struct server *server)
{
    char program[PROCESS_PATH_MAX], config[PROCESS_PATH_MAX], log[PROCESS_PATH_MAX];
    in_dir(d, program, "bin/eckad", "");
    in_dir(d, config, name, ".bench.yaml");
    in_dir(d, log, name, ".bench.log");
    const char *const argv[] = {program, "--config", config, NULL};
    return process_start(&server->process, log, argv, "eckad: ready");
}

bool deployment_start_eckad(struct deployment *d, const char *name, unsigned workers,
                            struct server *out)
{
    char config[PROCESS_PATH_MAX];
    in_dir(d, config, name, ".bench.yaml");
    if (!choose_endpoint(out->endpoint) || !choose_endpoint(out->http) ||
        !write_config(d, config, out, workers)) {
        (void)fprintf(stderr, "eckabench: %s cannot be written\n", config);
        return false;
    }
    return deployment_restart_eckad(d, name, out);
}

/* -- the others -- */

bool deployment_start_peer(struct deployment *d, const char *name, bool echo, struct server *out)
{
    char key[PROCESS_PATH_MAX], log[PROCESS_PATH_MAX];
    in_dir(d, key, "eckad.key", "");
    in_dir(d, log, name, ".bench.log");
    const char *const argv[] = {"/proc/self/exe",       "peer", "--endpoint", out->endpoint,
                                "--key-file",           key,    "--client",   d->bench.public_key,
                                echo ? "--echo" : NULL, NULL};
    return choose_endpoint(out->endpoint) &&
           process_start(&out->process, log, argv, "eckabench: ready");
}

double deployment_raw_signatures(const struct deployment *d, double seconds)
{
    char program[PROCESS_PATH_MAX], config[PROCESS_PATH_MAX], text[32], out[4096];
    in_dir(d, program, "bin/eckad-custodian", "");
    in_dir(d, config, "c1.yaml", "");
    (void)snprintf(text, sizeof text, "%.3f", seconds);
    const char *const argv[] = {program, "--config", config, "--bench-sign", text, NULL};
    const int rc = process_run(argv, out, sizeof out);
    const char *line = strchr(out, '{');
    json_t *json = line != NULL ? json_loads(line, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
    json_int_t calls = 0;
    double cpu_s = 0;
    const bool ok = rc == 0 && json != NULL &&
                    json_unpack(json, "{s:I, s:F}", "calls", &calls, "cpu_s", &cpu_s) == 0;
    json_decref(json);
    if (!ok || cpu_s <= 0) {
        (void)fprintf(stderr, "eckabench: no signatures from %s:\n%s", program, out);
        return 0;
    }
    return (double)calls / cpu_s;
}
