/*
 * Pointers from one thread to another, in order: a bounded C11 ring for one producer and one
 * consumer, and an eventfd that wakes the consumer.
 *
 * A push never waits: it tells when the ring is full. The wake-up is separate, so that a producer
 * that pushes many signals once, and several rings can share one wake-up.
 */
#ifndef SERVICE_RING_H
#define SERVICE_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "proto/status.h"

enum { RING_CACHE_LINE = 64 };

struct ring {
    void **slots;
    size_t mask; /* capacity - 1 */
    _Alignas(
        RING_CACHE_LINE) _Atomic size_t written;    /* by the producer; counts, never wraps back */
    _Alignas(RING_CACHE_LINE) _Atomic size_t taken; /* by the consumer */
};

/* Room for at least capacity pointers. INTERNAL when there is no memory. */
MUST_CHECK enum status ring_init(struct ring *r, size_t capacity);
void ring_fini(struct ring *r);

/* Producer: false when full, and then nothing was pushed. */
MUST_CHECK bool ring_push(struct ring *r, void *p);

/* Consumer: NULL when empty. */
void *ring_pop(struct ring *r);

/*
 * The wake-up costs a system call only when the consumer said that it will sleep. It arms the
 * wake-up, looks at everything it waits for once more, and then waits; a producer pushes first and
 * signals then. Both exchange the same flag, so of the two one sees what the other did before.
 * Who was woken takes the signal, arms and looks again; a signal that came for what was found
 * meanwhile wakes once for nothing.
 */
struct wake {
    int fd; /* an eventfd: readable when a signal came since the wake-up was armed */
    atomic_bool armed;
};

/* Armed. INTERNAL when there is no descriptor to be had. */
MUST_CHECK enum status wake_init(struct wake *w);
void wake_fini(struct wake *w);

/* Producer. */
void wake_signal(struct wake *w);

/* Consumer: signals from here on make the descriptor readable. */
void wake_arm(struct wake *w);

/* Consumer: it will not sleep, signals need not be shown. */
void wake_disarm(struct wake *w);

/* Any thread: whether the consumer sleeps or is about to. */
bool wake_armed(const struct wake *w);

/* Consumer, when the descriptor was readable: it is no longer. */
void wake_take(struct wake *w);

/* Consumer: waits for a signal and takes it, at most timeout_ms (-1: without end). */
void wake_wait(struct wake *w, int timeout_ms);

#endif
