/*
 * How fast a queue drains, measured, and so when a client that was refused should come back.
 *
 * A pure function of what was done and when: the caller passes the clock. Only time in which there
 * was something to do counts, so that an idle hour does not make a queue look slow; the past fades,
 * halved each DRAIN_WINDOW_US of work. A queue that stands still grows slower as the clock runs on.
 */
#ifndef SERVICE_DRAIN_H
#define SERVICE_DRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DRAIN_WINDOW_US = 250000,
    DRAIN_UNIT = 1024,              /* an item; parts of one survive the fading */
    DRAIN_AFTER_MIN_US = 1000,      /* sooner is a busy wait */
    DRAIN_AFTER_UNKNOWN_US = 20000, /* nothing was ever done: some batches' time */
    DRAIN_AFTER_MAX_US = 2000000,   /* later is another day */
};

struct drain {
    size_t waiting;    /* items in the queue or handed out */
    uint64_t since_us; /* work is accounted for up to here; while something waits */
    uint64_t busy_us;  /* time with something to do, faded */
    uint64_t done;     /* items done in it, faded, times DRAIN_UNIT */
};

/* Items came in. */
void drain_add(struct drain *d, uint64_t now_us, size_t items);

/* Items left: done, or expired, or failed. */
void drain_done(struct drain *d, uint64_t now_us, size_t items);

/*
 * When half of what waits will be done: room for who was refused, and the queue is not empty when
 * they come. Between DRAIN_AFTER_MIN_US and DRAIN_AFTER_MAX_US.
 */
uint64_t drain_after_us(const struct drain *d, uint64_t now_us);

#endif
