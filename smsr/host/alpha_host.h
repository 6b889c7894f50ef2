/*
 * Alpha for many eUICCs, out of its store: each message finds its eUICC's Alpha, and what that one
 * says leaves when the transition is stored. Whatever ends the process, another one with the same
 * store goes on.
 */
#ifndef SMSR_ALPHA_HOST_H
#define SMSR_ALPHA_HOST_H

#include "smsr/store/alpha_store.h"

/* Where messages go. */
typedef void host_send(void *arg, const struct message *m);

struct alpha_host_options { /* borrowed */
    const char *path;       /* of the store */
    enum db_sync sync;
    struct engine *engine;
    const uint8_t *ks1_master; /* KS1_MASTER_LEN */
    const struct trace *trace;
    struct patience patience;
    host_send *send;
    void *arg;
};

struct alpha_host;

MUST_CHECK bool alpha_host_open(struct alpha_host **out, const struct alpha_host_options *options);
void alpha_host_close(struct alpha_host **host);

void alpha_host_receive(struct alpha_host *host, const struct message *m, uint64_t now_us);

/* Has everything due said again. */
void alpha_host_turn(struct alpha_host *host, uint64_t now_us);

#endif
