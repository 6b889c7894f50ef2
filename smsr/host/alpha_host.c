#include "smsr/host/alpha_host.h"

#include <stdio.h>
#include <stdlib.h>

#include "providers/core/secret.h"
#include "smsr/host/live.h"
#include "smsr/pki/factory.h"

enum { DUE_MAX = 256 };

struct one { /* eUICC */
    struct live live;
    struct alpha alpha;
    uint64_t rev;
    bool stored; /* it has a row */
};

struct alpha_host {
    struct alpha_host_options options;
    struct db *db;
    struct bus bus; /* of whichever eUICC it is the turn of */
    struct live_map map;
};

bool alpha_host_open(struct alpha_host **out, const struct alpha_host_options *options)
{
    struct alpha_host *h = calloc(1, sizeof(*h));
    *out = h;
    if (h == NULL) {
        return false;
    }
    h->options = *options;
    h->bus.patience = options->patience;
    if (!alpha_store_open(&h->db, options->path, options->sync)) {
        alpha_host_close(out);
        return false;
    }
    return true;
}

static void forget(struct alpha_host *h, struct one *one)
{
    live_remove(&h->map, &one->live);
    alpha_fini(&one->alpha);
    free(one);
}

void alpha_host_close(struct alpha_host **host)
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

static bool make(struct alpha_host *h, struct one *one)
{
    struct alpha *a = &one->alpha;
    if (alpha_init(a, &h->bus, h->options.trace, h->options.engine, NULL, NULL) != STATUS_OK ||
        factory_diversify(h->options.engine, h->options.ks1_master, one->live.eid, a->ks1) !=
            STATUS_OK) {
        return false;
    }
    enum store_found found = alpha_store_load(h->db, a, &one->rev);
    one->stored = found == STORE_FOUND;
    /* Numbers of ENVELOPEs that no earlier process has used: their answers may still come. */
    a->link.sent = (uint32_t)(h->bus.now_us / 1000);
    return found != STORE_FAILED;
}

static struct one *find(struct alpha_host *h, const uint8_t *eid)
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
    live_put(&h->map, &one->live);
    if (!make(h, one)) {
        fprintf(stderr, "smsr-change: an eUICC of Alpha's cannot be read\n");
        forget(h, one);
        return NULL;
    }
    return one;
}

/* Stores the transition, then says what it had to say; or forgets it all. */
static void settle(struct alpha_host *h, struct one *one)
{
    struct message m;
    bool ok = !one->stored || alpha_store_save(h->db, &one->alpha, &one->rev);
    while (bus_take(&h->bus, &m)) {
        if (ok) {
            h->options.send(h->options.arg, &m);
        }
    }
    if (!ok || one->alpha.state == ALPHA_IDLE) {
        forget(h, one);
    }
}

void alpha_host_receive(struct alpha_host *h, const struct message *m, uint64_t now_us)
{
    h->bus.now_us = now_us;
    struct one *one = find(h, m->eid);
    if (one != NULL) {
        alpha_receive(&one->alpha, m);
        settle(h, one);
    }
}

void alpha_host_turn(struct alpha_host *h, uint64_t now_us)
{
    uint8_t eids[DUE_MAX][GP_EID_LEN];
    h->bus.now_us = now_us;
    size_t count = alpha_store_due(h->db, now_us, eids, DUE_MAX);
    for (size_t i = 0; i < count; i++) {
        struct one *one = find(h, eids[i]);
        if (one != NULL) {
            alpha_poke(&one->alpha);
            settle(h, one);
        }
    }
}
