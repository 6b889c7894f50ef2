/*
 * See batcher.h. Deadlines stand in a binary heap of groups, not of items: a group enters with its
 * first queued item and leaves with its last.
 */
#include "service/batcher.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* -- deadlines -- */

static void heap_place(struct batcher *b, size_t pos, struct batcher_group *g)
{
    b->heap[pos] = g;
    g->heap_pos = pos;
}

static void heap_up(struct batcher *b, size_t pos)
{
    struct batcher_group *g = b->heap[pos];
    while (pos > 0) {
        size_t parent = (pos - 1) / 2;
        if (b->heap[parent]->deadline_us <= g->deadline_us) {
            break;
        }
        heap_place(b, pos, b->heap[parent]);
        pos = parent;
    }
    heap_place(b, pos, g);
}

static void heap_down(struct batcher *b, size_t pos)
{
    struct batcher_group *g = b->heap[pos];
    for (;;) {
        size_t child = 2 * pos + 1;
        if (child >= b->heap_len) {
            break;
        }
        if (child + 1 < b->heap_len &&
            b->heap[child + 1]->deadline_us < b->heap[child]->deadline_us) {
            child++;
        }
        if (g->deadline_us <= b->heap[child]->deadline_us) {
            break;
        }
        heap_place(b, pos, b->heap[child]);
        pos = child;
    }
    heap_place(b, pos, g);
}

static void heap_remove(struct batcher *b, struct batcher_group *g)
{
    size_t pos = g->heap_pos;
    struct batcher_group *last = b->heap[--b->heap_len];
    if (last == g) {
        return;
    }
    heap_place(b, pos, last);
    heap_up(b, pos);
    heap_down(b, last->heap_pos);
}

/* -- queues -- */

static struct batcher_queue *queue_of(struct batcher *b, enum batch_kind kind, size_t principal)
{
    return &b->queues[(size_t)kind * b->principals_max + principal];
}

static void unlink_item(struct batcher *b, struct batcher_item *item)
{
    struct batcher_group *g = item->group;
    struct batcher_queue *q = queue_of(b, item->kind, g->principal);
    *(item->prev != NULL ? &item->prev->next : &q->first) = item->next;
    *(item->next != NULL ? &item->next->prev : &q->last) = item->prev;
    item->prev = NULL;
    item->next = NULL;
    item->queued = false;
    b->queued[item->kind]--;
    b->pool_queued[batch_pool_of(item->kind)]--;
    if (--g->queued == 0) {
        heap_remove(b, g);
    }
}

/* Links the item after `after`, or at the front when it is NULL. */
static enum status link_item(struct batcher *b, struct batcher_queue *q, struct batcher_item *after,
                             struct batcher_item *item)
{
    assert(!item->queued);
    struct batcher_group *g = item->group;
    if (g->queued == 0) {
        if (b->heap_len == b->groups_max) {
            return STATUS_BUSY;
        }
        b->heap[b->heap_len] = g;
        heap_up(b, b->heap_len++);
    }
    g->queued++;
    g->lowest = item->index < g->lowest ? item->index : g->lowest;
    item->prev = after;
    item->next = after != NULL ? after->next : q->first;
    *(item->prev != NULL ? &item->prev->next : &q->first) = item;
    *(item->next != NULL ? &item->next->prev : &q->last) = item;
    item->queued = true;
    b->queued[item->kind]++;
    b->pool_queued[batch_pool_of(item->kind)]++;
    return STATUS_OK;
}

enum status batcher_init(struct batcher *b, size_t principals_max, size_t groups_max,
                         const enum batch_kind order[static KIND_COUNT])
{
    *b = (struct batcher){.principals_max = principals_max, .groups_max = groups_max};
    memcpy(b->order, order, sizeof(b->order));
    b->queues = calloc(KIND_COUNT * principals_max, sizeof(*b->queues));
    b->heap = calloc(groups_max, sizeof(struct batcher_group *));
    if (b->queues == NULL || b->heap == NULL) {
        batcher_fini(b);
        return STATUS_INTERNAL;
    }
    return STATUS_OK;
}

void batcher_fini(struct batcher *b)
{
    free(b->queues);
    free(b->heap);
    *b = (struct batcher){0};
}

void batcher_grow(struct batcher *b, size_t principals)
{
    assert(principals >= b->principals && principals <= b->principals_max);
    b->principals = principals;
}

void batcher_group_init(struct batcher_group *g, struct batcher_item *items, uint32_t count,
                        uint32_t principal, uint64_t deadline_us)
{
    *g = (struct batcher_group){
        .items = items, .count = count, .principal = principal, .deadline_us = deadline_us};
    for (uint32_t i = 0; i < count; i++) {
        items[i] = (struct batcher_item){.group = g, .index = i};
    }
}

enum status batcher_push(struct batcher *b, struct batcher_item *item, enum batch_kind kind)
{
    assert(item->group->principal < b->principals);
    struct batcher_queue *q = queue_of(b, kind, item->group->principal);
    item->kind = (uint8_t)kind;
    item->attempts = 0;
    return link_item(b, q, q->last, item);
}

enum status batcher_requeue(struct batcher *b, struct batcher_item *item)
{
    if (++item->attempts >= BATCHER_ATTEMPTS_MAX) {
        return STATUS_UNAVAILABLE;
    }
    return link_item(b, queue_of(b, item->kind, item->group->principal), NULL, item);
}

static void next_turn(struct batcher *b, enum batch_kind kind)
{
    b->turn[kind] = (b->turn[kind] + 1) % b->principals;
    b->turn_used[kind] = 0;
}

/* Up to max items of one kind, in turns of its principals. */
static size_t take_kind(struct batcher *b, enum batch_kind kind, size_t max,
                        struct batcher_item *out[])
{
    size_t taken = 0;
    while (taken < max && b->queued[kind] > 0) {
        struct batcher_item *item = queue_of(b, kind, b->turn[kind])->first;
        if (item == NULL) {
            next_turn(b, kind);
            continue;
        }
        unlink_item(b, item);
        out[taken++] = item;
        if (++b->turn_used[kind] == BATCHER_TURN_ITEMS) {
            next_turn(b, kind);
        }
    }
    return taken;
}

/* The kind of this pool whose pick it is; something of it is queued. */
static enum batch_kind pick(struct batcher *b, enum batch_pool pool)
{
    enum batch_kind chosen = KIND_COUNT;
    for (size_t i = 0; i < KIND_COUNT; i++) {
        enum batch_kind kind = b->order[i];
        if (batch_pool_of(kind) != pool || b->queued[kind] == 0) {
            continue;
        }
        if (chosen == KIND_COUNT ||
            (b->passed[kind] >= BATCHER_PASSES_MAX && b->passed[kind] > b->passed[chosen])) {
            chosen = kind;
        }
    }
    for (size_t i = 0; i < KIND_COUNT; i++) {
        if (batch_pool_of((enum batch_kind)i) == pool) {
            b->passed[i] = b->queued[i] == 0 || i == chosen ? 0 : b->passed[i] + 1;
        }
    }
    return chosen;
}

size_t batcher_take(struct batcher *b, enum batch_pool pool, size_t max, struct batcher_item *out[])
{
    size_t taken = 0;
    while (taken < max && b->pool_queued[pool] > 0) {
        enum batch_kind kind = pick(b, pool);
        if (pool == POOL_CUSTODY) {
            return take_kind(b, kind, max, out);
        }
        size_t room = max - taken;
        taken +=
            take_kind(b, kind, room < BATCHER_TURN_ITEMS ? room : BATCHER_TURN_ITEMS, out + taken);
    }
    return taken;
}

struct batcher_item *batcher_expire(struct batcher *b, uint64_t now_us)
{
    if (b->heap_len == 0 || b->heap[0]->deadline_us > now_us) {
        return NULL;
    }
    struct batcher_group *g = b->heap[0];
    while (!g->items[g->lowest].queued) { /* a group in the heap has a queued item */
        g->lowest++;
        assert(g->lowest < g->count);
    }
    unlink_item(b, &g->items[g->lowest]);
    return &g->items[g->lowest];
}

void batcher_remove(struct batcher *b, struct batcher_item *item)
{
    assert(item->queued);
    unlink_item(b, item);
}

uint64_t batcher_next_deadline(const struct batcher *b)
{
    return b->heap_len == 0 ? UINT64_MAX : b->heap[0]->deadline_us;
}

size_t batcher_queued(const struct batcher *b, enum batch_kind kind)
{
    return b->queued[kind];
}

const struct batcher_item *batcher_first(const struct batcher *b, enum batch_kind kind,
                                         size_t principal)
{
    return b->queues[(size_t)kind * b->principals_max + principal].first;
}

size_t batcher_pool_queued(const struct batcher *b, enum batch_pool pool)
{
    return b->pool_queued[pool];
}
