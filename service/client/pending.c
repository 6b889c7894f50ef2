#include "service/client/pending.h"

#include <stdlib.h>

enum { SLOT_BITS = 16 };
_Static_assert(PENDING_MAX == 1 << SLOT_BITS, "a slot fits its bits of the id");

int pending_init(struct pending *p, size_t cap)
{
    *p = (struct pending){.cap = cap};
    p->entries = calloc(cap, sizeof *p->entries);
    p->heap = calloc(cap, sizeof *p->heap);
    if (p->entries == NULL || p->heap == NULL) {
        pending_fini(p);
        return -1;
    }
    for (size_t i = 0; i < cap; i++) {
        p->entries[i].next_free = i + 1;
    }
    return 0;
}

void pending_fini(struct pending *p)
{
    for (size_t i = 0; p->entries != NULL && i < p->cap; i++) {
        frame_fini(&p->entries[i].frame);
    }
    free(p->entries);
    free(p->heap);
    *p = (struct pending){0};
}

/* -- the heap -- */

static void place(struct pending *p, size_t pos, size_t slot)
{
    p->heap[pos] = slot;
    p->entries[slot].heap_pos = pos;
}

static uint64_t deadline_at(const struct pending *p, size_t pos)
{
    return p->entries[p->heap[pos]].deadline;
}

static void swap(struct pending *p, size_t a, size_t b)
{
    size_t slot = p->heap[a];
    place(p, a, p->heap[b]);
    place(p, b, slot);
}

static void sift_up(struct pending *p, size_t pos)
{
    while (pos != 0 && deadline_at(p, pos) < deadline_at(p, (pos - 1) / 2)) {
        swap(p, pos, (pos - 1) / 2);
        pos = (pos - 1) / 2;
    }
}

static void sift_down(struct pending *p, size_t pos)
{
    for (;;) {
        size_t least = pos;
        for (size_t child = 2 * pos + 1; child <= 2 * pos + 2 && child < p->count; child++) {
            if (deadline_at(p, child) < deadline_at(p, least)) {
                least = child;
            }
        }
        if (least == pos) {
            return;
        }
        swap(p, pos, least);
        pos = least;
    }
}

/* -- the table -- */

struct pending_entry *pending_add(struct pending *p, uint64_t deadline)
{
    if (p->count == p->cap) {
        return NULL;
    }
    size_t slot = p->first_free;
    struct pending_entry *e = &p->entries[slot];
    p->first_free = e->next_free;
    uint64_t generation = e->generation + 1; /* from 1: no id is 0 */
    *e = (struct pending_entry){.id = generation << SLOT_BITS | slot,
                                .generation = generation,
                                .deadline = deadline,
                                .frame = e->frame};
    place(p, p->count, slot);
    p->count++;
    sift_up(p, p->count - 1);
    return e;
}

struct pending_entry *pending_find(const struct pending *p, uint64_t id)
{
    size_t slot = id & (PENDING_MAX - 1);
    return id != 0 && slot < p->cap && p->entries[slot].id == id ? &p->entries[slot] : NULL;
}

void pending_renew(struct pending_entry *e)
{
    e->generation++;
    e->id = e->generation << SLOT_BITS | (e->id & (PENDING_MAX - 1));
}

void pending_remove(struct pending *p, struct pending_entry *e)
{
    size_t slot = (size_t)(e - p->entries);
    size_t pos = e->heap_pos;
    pending_unwait(p, e);
    p->count--;
    if (pos != p->count) { /* the last one takes its place */
        place(p, pos, p->heap[p->count]);
        sift_up(p, pos);
        sift_down(p, pos);
    }
    e->id = 0;
    e->next_free = p->first_free;
    p->first_free = slot;
}

struct pending_entry *pending_first(const struct pending *p)
{
    return p->count == 0 ? NULL : &p->entries[p->heap[0]];
}

/* -- the queue -- */

void pending_wait(struct pending *p, struct pending_entry *e)
{
    e->waiting = true;
    e->next = NULL;
    e->prev = p->last_waiting;
    *(e->prev != NULL ? &e->prev->next : &p->first_waiting) = e;
    p->last_waiting = e;
    p->waiting++;
}

void pending_unwait(struct pending *p, struct pending_entry *e)
{
    if (!e->waiting) {
        return;
    }
    *(e->prev != NULL ? &e->prev->next : &p->first_waiting) = e->next;
    *(e->next != NULL ? &e->next->prev : &p->last_waiting) = e->prev;
    e->waiting = false;
    p->waiting--;
}
