/*
 * Beta for many eUICCs, out of its store. Stateless between transitions: what a Beta says, to a
 * peer, to a card or to eckad, leaves when the transition is stored, so that another process with
 * the same store goes on from any point. Several may serve one store at a time; of two that move
 * the same eUICC, one is faster, and the other's move has not happened.
 */
#ifndef SMSR_BETA_HOST_H
#define SMSR_BETA_HOST_H

#include "smsr/host/alpha_host.h"
#include "smsr/store/beta_store.h"

struct beta_host_options { /* borrowed */
    const char *path;      /* of the store */
    const char *owner;     /* this process's name */
    enum db_sync sync;
    struct beta_config config; /* but for has_room */
    size_t capacity;           /* eUICCs */
    struct offload *offload;
    const struct trace *trace;
    struct patience patience;
    host_send *send;
    void *arg;
};

struct beta_host;

MUST_CHECK bool beta_host_open(struct beta_host **out, const struct beta_host_options *options);

/*
 * The end: beta_host_halt(), offload_close(), beta_host_close(). What was under way at eckad is not
 * taken for refused: whoever opens the store next asks again.
 */
void beta_host_halt(struct beta_host *host);
void beta_host_close(struct beta_host **host);

void beta_host_receive(struct beta_host *host, const struct message *m, uint64_t now_us);

/* Has everything due done again, also what another process has left for longer than it should. */
void beta_host_turn(struct beta_host *host, uint64_t now_us);

#endif
