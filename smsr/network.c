#include "smsr/network.h"

#include <math.h>
#include <stdlib.h>

#include "providers/core/secret.h"
#include "smsr/host/live.h"
#include "smsr/random.h"

enum {
    CARDS_MAX = 2048, /* powered at a time; beyond it the longest powered one is switched off */
    US_PER_MS = 1000,
    SLOW_PERCENT = 3,
    SLOW_FACTOR = 10,
};

struct powered {
    struct live live;
    struct euicc *card;
    struct network *network;
};

struct flight { /* an answer on its way */
    uint64_t at_us;
    struct message m;
    struct flight *next; /* later */
};

struct network {
    struct network_options options;
    struct db *book;
    struct live_map map;
    struct powered *order[CARDS_MAX]; /* a ring, by when they were powered */
    size_t next;
    struct flight *flights;
    uint64_t random;
};

bool network_open(struct network **out, const struct network_options *options)
{
    struct network *n = calloc(1, sizeof(*n));
    *out = n;
    if (n == NULL) {
        return false;
    }
    n->options = *options;
    n->random = options->seed;
    if (!card_book_open(&n->book, options->cards, options->sync)) {
        network_close(out);
        return false;
    }
    return true;
}

static void power_off(struct network *n, struct powered *p)
{
    live_remove(&n->map, &p->live);
    euicc_free(&p->card);
    free(p);
}

void network_close(struct network **network)
{
    if (*network == NULL) {
        return;
    }
    for (struct live *l; (l = live_any(&(*network)->map)) != NULL;) {
        power_off(*network, (struct powered *)l);
    }
    while ((*network)->flights != NULL) {
        struct flight *f = (*network)->flights;
        (*network)->flights = f->next;
        free(f);
    }
    db_close(&(*network)->book);
    free(*network);
    *network = NULL;
}

/* -- cards -- */

static enum status keep(void *arg, struct span image)
{
    const struct powered *p = arg;
    return card_book_save(p->network->book, p->live.eid, image);
}

static struct euicc *load(struct network *n, const uint8_t *eid)
{
    struct euicc *card = NULL;
    uint8_t *image = secret_alloc(1, CARD_IMAGE_LEN);
    if (image != NULL && card_book_load(n->book, eid, image) &&
        euicc_load(&card, n->options.engine, span_of(image, CARD_IMAGE_LEN), n->options.trace) !=
            STATUS_OK) {
        card = NULL;
    }
    secret_free(&image);
    return card;
}

static struct powered *power_on(struct network *n, const uint8_t *eid)
{
    struct powered *p = calloc(1, sizeof(*p));
    struct powered **slot = &n->order[n->next++ % CARDS_MAX];
    if (p == NULL) {
        return NULL;
    }
    memcpy(p->live.eid, eid, sizeof(p->live.eid));
    p->network = n;
    p->card = load(n, eid);
    if (p->card == NULL || euicc_keep_with(p->card, keep, p) != STATUS_OK) {
        euicc_free(&p->card);
        free(p);
        return NULL;
    }
    if (*slot != NULL) {
        power_off(n, *slot);
    }
    *slot = p;
    live_put(&n->map, &p->live);
    return p;
}

/* -- time -- */

static double uniform(struct network *n)
{
    return ((double)(random_next(&n->random) >> 11) + 0.5) / 9007199254740992.0; /* 2^53 */
}

static uint64_t latency_us(struct network *n)
{
    static const double sigma = 0.6, two_pi = 6.283185307179586;
    double normal = sqrt(-2 * log(uniform(n))) * cos(two_pi * uniform(n)); /* Box and Muller */
    double us = n->options.median_ms * (double)US_PER_MS * exp(sigma * normal);
    bool slow = random_below(&n->random, 100) < SLOW_PERCENT;
    return (uint64_t)(slow ? us * SLOW_FACTOR : us);
}

static void fly(struct network *n, struct flight *f)
{
    struct flight **at = &n->flights;
    while (*at != NULL && (*at)->at_us <= f->at_us) {
        at = &(*at)->next;
    }
    f->next = *at;
    *at = f;
}

void network_receive(struct network *n, const struct message *m, uint64_t now_us)
{
    struct powered *p = (struct powered *)live_find(&n->map, m->eid);
    uint8_t rapdu[RAPDU_DATA_MAX + 2];
    if (m->type != CARD_COMMAND) {
        return; /* nothing else is for a card */
    }
    p = p != NULL ? p : power_on(n, m->eid);
    struct flight *f = p != NULL ? calloc(1, sizeof(*f)) : NULL;
    if (f == NULL) {
        return; /* nobody has this number: silence */
    }
    f->at_us = now_us + latency_us(n);
    f->m = (struct message){
        .type = CARD_ANSWER, .from = PARTY_ISDR, .to = m->from, .attempt = m->attempt};
    memcpy(f->m.eid, m->eid, sizeof(f->m.eid));
    memcpy(f->m.reply_to, m->reply_to, sizeof(f->m.reply_to));
    f->m.u.apdu.len = euicc_apdu(p->card, span_of(m->u.apdu.b, m->u.apdu.len), rapdu);
    memcpy(f->m.u.apdu.b, rapdu, f->m.u.apdu.len);
    fly(n, f);
}

int network_turn(struct network *n, uint64_t now_us, int max_ms)
{
    while (n->flights != NULL && n->flights->at_us <= now_us) {
        struct flight *f = n->flights;
        n->flights = f->next;
        transport_send(n->options.transport, &f->m);
        free(f);
    }
    uint64_t wait_ms =
        n->flights != NULL ? (n->flights->at_us - now_us) / US_PER_MS + 1 : (uint64_t)max_ms;
    return wait_ms < (uint64_t)max_ms ? (int)wait_ms : max_ms;
}
