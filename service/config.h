/*
 * eckad.yaml, read once at start and never changed afterwards. Who may do what stands in another
 * file, which is: policy.h.
 *
 * config_load() either gives a configuration in which every value has been checked and every path
 * is usable from any directory, or one sentence that names the field at fault.
 */
#ifndef SERVICE_CONFIG_H
#define SERVICE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "proto/status.h"
#include "proto/wire/wire.h"

enum {
    CONFIG_ERROR_MAX = 512, /* bytes of the sentence, with its end */

    CONFIG_LISTEN_MAX = 8,
    CONFIG_WORKERS_MAX = 64,
    CONFIG_JOBS_MIN = 2,
    CONFIG_JOBS_MAX = 4096,
    CONFIG_CUSTODIANS_MAX = 16,
    CONFIG_CONNECTIONS = 1000, /* when left out */
    CONFIG_CONNECTIONS_MAX = 1 << 16,
    CONFIG_WEIGHT_MAX = 1000,
    CONFIG_CUSTODIAN_TIMEOUT_MS = 4000, /* longer than a custodian's call_timeout_ms */
    CONFIG_CUSTODIAN_TIMEOUT_MS_MIN = 100,
    CONFIG_CUSTODIAN_TIMEOUT_MS_MAX = 60000,
    CONFIG_DEADLINE_MS_MAX = 60000,
    CONFIG_TABLE_BUDGET_MIB_MAX = 1 << 16,
    CONFIG_RECHECK_ONE_IN_MAX = 1 << 30,
    CONFIG_OPS = WIRE_OP_END - WIRE_OP_FIRST,
    CONFIG_IO_THREADS_MAX = 16,
    CONFIG_CORES_MAX = 1024, /* as many as a cpu_set_t holds */
};

struct config_custodian {
    char *name;
    char *socket;    /* absolute */
    char *group;     /* NULL: one by itself; groups.h */
    unsigned weight; /* 0 before it was checked: 1 */
};

/* Core numbers; a list not given is empty, and its threads run where the system puts them. */
struct config_cores {
    unsigned *frontend; /* one, or NULL */
    unsigned *io;
    unsigned io_count;
    unsigned *workers;
    unsigned workers_count;
    unsigned *lanes;
    unsigned lanes_count;
};

struct config_http {
    char *listen; /* ADDRESS:PORT, both numbers */
    bool is_public;
    struct sockaddr_storage address;
};

enum config_log { CONFIG_LOG_AUTO, CONFIG_LOG_STDERR, CONFIG_LOG_JOURNALD };

struct config {
    char **listen;
    unsigned listen_count;
    char *key_file;   /* absolute */
    unsigned workers; /* may be left out */
    struct config_cores cores;
    unsigned io_threads; /* of libzmq: a core of cores.io each, or what fits the machine */
    unsigned jobs;
    unsigned connections; /* at most; may be left out */
    unsigned default_deadline_ms;
    unsigned table_budget_mib; /* of key tables; may be left out, as the next */
    unsigned recheck_one_in;   /* verdicts, compared with libcrypto's */
    char **priority_names;
    unsigned priority_names_count;
    enum wire_op priorities[CONFIG_OPS]; /* as many, the highest first */
    struct config_custodian *custodians;
    unsigned custodians_count;
    unsigned custodian_timeout_ms; /* for an answer; 0 before it was checked: the default */
    char *policy;                  /* policy.yaml, absolute */
    char *pid_file;                /* absolute; NULL: none */
    struct config_http *http;      /* NULL: none */
    enum config_log log;
};

/* BAD_REQUEST with a sentence in error; *out stays NULL. */
MUST_CHECK enum status config_load(const char *path, struct config **out,
                                   char error[static CONFIG_ERROR_MAX]);
void config_free(struct config **config);

/* File descriptors that eckad needs at most with so many connections; with none, its own. */
unsigned config_descriptors(const struct config *config, unsigned connections);

#endif
