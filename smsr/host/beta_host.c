#include "smsr/host/beta_host.h"

#include <stdio.h>
#include <stdlib.h>

#include "smsr/host/live.h"

enum { DUE_MAX = 256, COUNT_EVERY_US = 1000000 };

struct one { /* eUICC */
    struct live live;
    struct beta beta;
    bool owned;   /* this process made the last transition that it knows of */
    uint64_t rev; /* in the store; 0: it is not there */
    uint8_t stored[sizeof(struct beta_record)]; /* what is there, padding included */
};

struct beta_host {
    struct beta_host_options options;
    struct db *db;
    struct bus bus; /* of whichever eUICC it is the turn of */
    struct live_map map;
    size_t count; /* eUICCs in the store, as of counted_us */
    uint64_t counted_us;
};

static bool has_room(void *arg)
{
    struct beta_host *h = arg;
    if (h->counted_us == 0 || h->bus.now_us >= h->counted_us + COUNT_EVERY_US) {
        h->count = beta_store_count(h->db);
        h->counted_us = h->bus.now_us;
    }
    if (h->count >= h->options.capacity) {
        return false;
    }
    h->count++; /* whoever asked comes in, or is not counted the next time */
    return true;
}

bool beta_host_open(struct beta_host **out, const struct beta_host_options *options)
{
    struct beta_host *h = calloc(1, sizeof(*h));
    *out = h;
    if (h == NULL) {
        return false;
    }
    h->options = *options;
    h->options.config.has_room = has_room;
    h->options.config.arg = h;
    h->bus.patience = options->patience;
    if (!beta_store_open(&h->db, options->path, options->sync)) {
        beta_host_close(out);
        return false;
    }
    return true;
}

static void forget(struct beta_host *h, struct one *one)
{
    live_remove(&h->map, &one->live);
    free(one);
}

void beta_host_halt(struct beta_host *h)
{
    for (size_t i = 0; i < LIVE_BUCKETS; i++) {
        for (struct live *l = h->map.buckets[i]; l != NULL; l = l->next) {
            struct beta *beta = &((struct one *)l)->beta;
            beta->abandoned = true;
            beta->settle = NULL;
        }
    }
}

void beta_host_close(struct beta_host **host)
{
    if (*host == NULL) {
        return;
    }
    for (struct live *l; (l = live_any(&(*host)->map)) != NULL;) {
        forget(*host, (struct one *)l);
    }
    db_close(&(*host)->db);
    free(*host);
    *host = NULL;
}

static void settle(void *arg, struct beta *beta);

static struct one *find(struct beta_host *h, const uint8_t *eid)
{
    struct one *one = (struct one *)live_find(&h->map, eid);
    memcpy(h->bus.eid, eid, sizeof(h->bus.eid));
    if (one != NULL) {
        return one;
    }
    one = calloc(1, sizeof(*one));
    if (one == NULL) {
        return NULL;
    }
    memcpy(one->live.eid, eid, GP_EID_LEN);
    beta_init(&one->beta, &h->bus, h->options.trace, &h->options.config, h->options.offload);
    one->beta.settle = settle;
    one->beta.settle_arg = h;
    /* Numbers of ENVELOPEs that no earlier process has used: their answers may still come. */
    one->beta.link.sent = (uint32_t)(h->bus.now_us / 1000);
    live_put(&h->map, &one->live);
    if (beta_store_load(h->db, &one->beta, &one->rev) == STORE_FAILED) {
        fprintf(stderr, "smsr-change: an eUICC of Beta's cannot be read\n");
        forget(h, one);
        return NULL;
    }
    memcpy(one->stored, &one->beta.r, sizeof(one->beta.r));
    return one;
}

static struct one *one_of(struct beta *beta)
{
    return (struct one *)(void *)((char *)beta - offsetof(struct one, beta));
}

static bool at_rest(const struct beta *beta)
{
    return beta->r.state == BETA_IDLE || beta->r.state == BETA_PREPARED ||
           beta->r.state == BETA_FAILED || beta->r.state >= BETA_NOTIFYING;
}

/*
 * Whether there is something to keep: of an eUICC that was refused, nothing is. And what changed
 * nothing is no transition: it must not take an eUICC from the process that talks to its card.
 */
static bool is_news(const struct one *one)
{
    const struct beta *beta = &one->beta;
    /* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): padding may look like news, no more */
    bool moved = memcmp(one->stored, &beta->r, sizeof(beta->r)) != 0;
    return (one->rev != 0 || beta->r.state != BETA_IDLE) &&
           (beta->eis_moved || beta->tickets_moved || moved);
}

static bool save(struct beta_host *h, struct one *one)
{
    if (!beta_store_save(h->db, &one->beta, h->options.owner, &one->rev)) {
        return false;
    }
    memcpy(one->stored, &one->beta.r, sizeof(one->beta.r));
    return true;
}

/*
 * Stores the transition, then says what it had to say; or forgets it all, its call included, and
 * answers false.
 */
static bool settle_one(struct beta_host *h, struct one *one)
{
    struct beta *beta = &one->beta;
    struct message m;
    bool news = is_news(one);
    bool ok = !beta->abandoned && (!news || save(h, one));
    while (bus_take(&h->bus, &m)) {
        if (ok) {
            h->options.send(h->options.arg, &m);
        }
    }
    if (!ok && beta->calling && offload_cancel(h->options.offload, &beta->call)) {
        beta->calling = false;
    }
    beta->abandoned = !ok && beta->calling;
    one->owned = one->owned || (ok && news);
    if (!beta->calling && (!ok || at_rest(beta) || !one->owned)) {
        forget(h, one);
    }
    return ok;
}

static void settle(void *arg, struct beta *beta)
{
    (void)settle_one(arg, one_of(beta));
}

/* One move; when another process was faster, the same on what that one has stored. */
static void move(struct beta_host *h, const uint8_t *eid, const struct message *m)
{
    enum { MOVES_MAX = 2 };
    for (unsigned i = 0; i < MOVES_MAX; i++) {
        struct one *one = find(h, eid);
        if (one == NULL || one->beta.abandoned) {
            return;
        }
        if (m != NULL) {
            beta_receive(&one->beta, m);
        } else {
            beta_poke(&one->beta);
        }
        if (settle_one(h, one)) {
            return;
        }
    }
}

void beta_host_receive(struct beta_host *h, const struct message *m, uint64_t now_us)
{
    h->bus.now_us = now_us;
    move(h, m->eid, m);
}

void beta_host_turn(struct beta_host *h, uint64_t now_us)
{
    uint8_t eids[DUE_MAX][GP_EID_LEN];
    h->bus.now_us = now_us;
    size_t count = beta_store_due(h->db, h->options.owner, now_us, h->options.patience.peer_us * 2,
                                  eids, DUE_MAX);
    for (size_t i = 0; i < count; i++) {
        move(h, eids[i], NULL);
    }
}
