/*
 * The requests that a client has outstanding: a fixed number of slots, found by id, ordered by
 * deadline. Those that no endpoint has are waiting, in a queue.
 *
 * An id is generation << 16 | slot, so that a reply finds its slot without a search, and one to a
 * former request of the slot, or to a former attempt at this one, finds nothing. A slot keeps its
 * frame's memory for the next request. Single-threaded; no clock: times are handed in.
 */
#ifndef SERVICE_CLIENT_PENDING_H
#define SERVICE_CLIENT_PENDING_H

#include <stddef.h>
#include <stdint.h>

#include "service/client/request.h"

enum { PENDING_MAX = 1 << 16 };

struct pending_entry {
    uint64_t id; /* of the attempt under way; 0: the slot is free */
    enum ecka_op op;
    size_t items;
    uint64_t deadline;  /* absolute, microseconds */
    struct frame frame; /* kept until the answer is there */

    size_t endpoint;   /* that has it, unless it waits */
    uint64_t epoch;    /* of that endpoint's connection; 0: at none */
    unsigned attempts; /* so far, this one included */
    uint32_t avoid;    /* a bit for each endpoint that cannot serve it */
    int ended;         /* the status with which the last attempt ended; 0: none did */

    ecka_callback *callback;
    void *arg;
    struct ecka_reply **capture; /* ecka_call: the reply goes here, and arg is a bool to set */

    /* kept by pending.c */
    uint64_t generation;
    size_t heap_pos;
    size_t next_free;
    bool waiting;
    struct pending_entry *prev, *next; /* in the queue */
};

struct pending {
    struct pending_entry *entries;
    size_t *heap; /* slots by deadline, a binary heap */
    size_t cap;
    size_t count;
    size_t first_free;
    struct pending_entry *first_waiting, *last_waiting;
    size_t waiting;
};

/* cap in 1..PENDING_MAX. 0, or -1 when memory is out. */
int pending_init(struct pending *p, size_t cap);
/* Every entry must have been removed. */
void pending_fini(struct pending *p);

/* A slot with a fresh id and this deadline; NULL when all are taken. */
struct pending_entry *pending_add(struct pending *p, uint64_t deadline);
/* The entry with this id; NULL when there is none (any more). */
struct pending_entry *pending_find(const struct pending *p, uint64_t id);
/* Gives the entry a fresh id, so that what still answers the old one finds nothing. */
void pending_renew(struct pending_entry *e);
/* Frees the slot. */
void pending_remove(struct pending *p, struct pending_entry *e);
/* The entry whose deadline is next; NULL when there is none. */
struct pending_entry *pending_first(const struct pending *p);

/* Puts an entry at the queue's end, or takes it out again wherever it stands. */
void pending_wait(struct pending *p, struct pending_entry *e);
void pending_unwait(struct pending *p, struct pending_entry *e);

#endif
