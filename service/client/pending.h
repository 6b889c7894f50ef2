/*
 * The requests that a client has outstanding: a fixed number of slots, found by id, ordered by
 * deadline.
 *
 * An id is generation << 16 | slot, so that a reply finds its slot without a search and a late
 * reply to a slot since used again finds nothing. Single-threaded; no clock: times are handed in.
 */
#ifndef SERVICE_CLIENT_PENDING_H
#define SERVICE_CLIENT_PENDING_H

#include <stddef.h>
#include <stdint.h>

#include "service/client/ecka.h"

enum { PENDING_MAX = 1 << 16 };

struct pending_entry {
    uint64_t id; /* 0: the slot is free */
    enum ecka_op op;
    size_t items;
    uint64_t submitted, deadline; /* absolute, microseconds */
    uint64_t epoch;               /* of the connection it was sent on; 0: not sent yet */
    uint8_t *frame;               /* malloced, held until it can be sent; else NULL */
    size_t frame_len;

    ecka_callback *callback;
    void *arg;
    struct ecka_reply **capture; /* ecka_call: the reply goes here, and arg is a bool to set */

    /* kept by pending.c */
    uint64_t generation;
    size_t heap_pos;
    size_t next_free;
};

struct pending {
    struct pending_entry *entries;
    size_t *heap; /* slots by deadline, a binary heap */
    size_t cap;
    size_t count;
    size_t first_free;
};

/* cap in 1..PENDING_MAX. 0, or -1 when memory is out. */
int pending_init(struct pending *p, size_t cap);
/* Every entry must have been removed. */
void pending_fini(struct pending *p);

/* A slot with a fresh id and this deadline; NULL when all are taken. */
struct pending_entry *pending_add(struct pending *p, uint64_t deadline);
/* The entry with this id; NULL when there is none (any more). */
struct pending_entry *pending_find(const struct pending *p, uint64_t id);
/* Frees the slot and its frame. */
void pending_remove(struct pending *p, struct pending_entry *e);
/* The entry whose deadline is next; NULL when there is none. */
struct pending_entry *pending_first(const struct pending *p);

#endif
