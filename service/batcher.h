/*
 * What waits, and who is next: queues of items by kind, turns between principals, deadlines.
 *
 * A pure state machine: no clock (the caller passes now), no lock (one thread owns it), no memory
 * of its own after batcher_init. Items are linked where they lie, in the caller's job. Nothing
 * waits for a batch to fill: batcher_take gives whatever is there, up to the batch limit.
 *
 * Kinds that the same threads do form a pool. A batch is made of picks: a turn of
 * BATCHER_TURN_ITEMS where a batch may mix kinds (verification), the whole batch where it may not
 * (custody). A pick goes to the first kind in the order of priorities that has something, unless
 * another was passed over BATCHER_PASSES_MAX times in a row: then that one is next, the one passed
 * over most often first. So no kind starves: one of a pool's n kinds that waits is picked after at
 * most BATCHER_PASSES_MAX + n - 2 other picks.
 *
 * Inside a kind, principals take turns of BATCHER_TURN_ITEMS, and the turn carries over to the next
 * batch, so that a flood from one principal delays another's item by at most one turn of each
 * principal, however much is queued.
 */
#ifndef SERVICE_BATCHER_H
#define SERVICE_BATCHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/status.h"

enum batch_kind {
    KIND_VERIFY,
    KIND_VERIFY_CHAIN,
    KIND_ESTABLISH_CHAIN, /* Establish's first stage; then it is KIND_ESTABLISH */
    KIND_ESTABLISH,
    KIND_CONFIRM,
    KIND_WRAP,
    KIND_UNWRAP,
    KIND_SIGN,
    KIND_AGREE,
    KIND_KEY_SET_CREATE,
    KIND_SCP03_OPEN,
    KIND_SCP03_WRAP,
    KIND_SCP03_UNWRAP,
    KIND_RESEAL,
    KIND_REWRAP,
    KIND_COUNT,
};

enum batch_pool {
    POOL_VERIFY,  /* public data: verification workers, kinds mixed in a batch */
    POOL_CUSTODY, /* custody lanes, one kind a batch */
    POOL_COUNT,
};

static inline enum batch_pool batch_pool_of(enum batch_kind kind)
{
    return kind < KIND_ESTABLISH ? POOL_VERIFY : POOL_CUSTODY;
}

enum {
    BATCHER_TURN_ITEMS = 8,   /* items a principal gives in one turn: a full vector of lanes */
    BATCHER_PASSES_MAX = 4,   /* picks that go to other kinds before a kind that waits is next */
    BATCHER_ATTEMPTS_MAX = 3, /* times an item is handed out before it counts as undoable */
};

struct batcher_group;

struct batcher_item {
    struct batcher_item *prev, *next; /* in its queue */
    struct batcher_group *group;
    uint32_t index; /* in its group */
    uint8_t kind;
    uint8_t attempts;  /* failed hand-outs */
    uint8_t withdrawn; /* its status, when policy took it back; the caller's */
    bool queued;
};

/* The items of one request: they share a principal and a deadline. */
struct batcher_group {
    struct batcher_item *items;
    uint32_t count;
    uint32_t queued;    /* of them in a queue now */
    uint32_t lowest;    /* no queued item has a smaller index */
    uint32_t principal; /* number below batcher_grow's principals */
    uint64_t deadline_us;
    size_t heap_pos; /* valid while queued > 0 */
};

struct batcher_queue {
    struct batcher_item *first, *last;
};

struct batcher {
    size_t principals, principals_max;
    size_t groups_max;
    enum batch_kind order[KIND_COUNT]; /* highest priority first */
    uint32_t passed[KIND_COUNT];       /* picks in a row that went to another kind of the pool */
    struct batcher_queue *queues;      /* KIND_COUNT x principals_max */
    size_t turn[KIND_COUNT];           /* whose turn it is */
    uint32_t turn_used[KIND_COUNT];    /* items given in that turn */
    size_t queued[KIND_COUNT];
    size_t pool_queued[POOL_COUNT];
    struct batcher_group **heap; /* groups with queued items, earliest deadline at 0 */
    size_t heap_len;
};

/* For at most groups_max groups queued at once, of at most principals_max principals; order holds
 * each kind once, the highest priority first. INTERNAL when there is no memory. */
MUST_CHECK enum status batcher_init(struct batcher *b, size_t principals_max, size_t groups_max,
                                    const enum batch_kind order[static KIND_COUNT]);

/* There are that many principals from now on, no fewer than before; at first there is none. */
void batcher_grow(struct batcher *b, size_t principals);
void batcher_fini(struct batcher *b);

/* Prepares a group over count items of the caller's. */
void batcher_group_init(struct batcher_group *g, struct batcher_item *items, uint32_t count,
                        uint32_t principal, uint64_t deadline_us);

/* Queues an item at the end. BUSY when groups_max groups are queued already: nothing changed. */
MUST_CHECK enum status batcher_push(struct batcher *b, struct batcher_item *item,
                                    enum batch_kind kind);

/*
 * Gives back an item whose hand-out failed: it waits again, before everything of its principal.
 * UNAVAILABLE when it was handed out BATCHER_ATTEMPTS_MAX times: it is the caller's then. A batch
 * is given back from its last item to its first, which keeps the order.
 */
MUST_CHECK enum status batcher_requeue(struct batcher *b, struct batcher_item *item);

/* Up to max items of the pool's kinds; of one kind with POOL_CUSTODY. The number taken. What is
 * past its deadline goes out too: batcher_expire comes first. */
size_t batcher_take(struct batcher *b, enum batch_pool pool, size_t max,
                    struct batcher_item *out[]);

/* Takes a queued item out. */
void batcher_remove(struct batcher *b, struct batcher_item *item);

/* The next item whose deadline has passed, earliest deadline first; NULL when there is none. */
struct batcher_item *batcher_expire(struct batcher *b, uint64_t now_us);

/* The earliest deadline of what waits; UINT64_MAX when nothing does. */
uint64_t batcher_next_deadline(const struct batcher *b);

size_t batcher_queued(const struct batcher *b, enum batch_kind kind);

/* The item of a principal that waits longest; NULL when none does. */
const struct batcher_item *batcher_first(const struct batcher *b, enum batch_kind kind,
                                         size_t principal);

/* Of all kinds of the pool. */
size_t batcher_pool_queued(const struct batcher *b, enum batch_pool pool);

#endif
