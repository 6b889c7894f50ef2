/*
 * See ring.h. The producer publishes a slot by a release store of `written` and the consumer hands
 * it back by a release store of `taken`; each side reads the other's counter with acquire. A side's
 * own counter is read relaxed: only that side writes it.
 */
#include "service/ring.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum status ring_init(struct ring *r, size_t capacity)
{
    size_t slots = 1;
    while (slots < capacity) {
        slots *= 2;
    }
    r->slots = calloc(slots, sizeof(*r->slots));
    r->mask = slots - 1;
    atomic_init(&r->written, 0);
    atomic_init(&r->taken, 0);
    return r->slots != NULL ? STATUS_OK : STATUS_INTERNAL;
}

void ring_fini(struct ring *r)
{
    free(r->slots);
    r->slots = NULL;
}

bool ring_push(struct ring *r, void *p)
{
    size_t written = atomic_load_explicit(&r->written, memory_order_relaxed);
    size_t taken = atomic_load_explicit(&r->taken, memory_order_acquire);
    if (written - taken > r->mask) {
        return false;
    }
    r->slots[written & r->mask] = p;
    atomic_store_explicit(&r->written, written + 1, memory_order_release);
    return true;
}

void *ring_pop(struct ring *r)
{
    size_t taken = atomic_load_explicit(&r->taken, memory_order_relaxed);
    size_t written = atomic_load_explicit(&r->written, memory_order_acquire);
    if (taken == written) {
        return NULL;
    }
    void *p = r->slots[taken & r->mask];
    atomic_store_explicit(&r->taken, taken + 1, memory_order_release);
    return p;
}

enum status wake_init(struct wake *w)
{
    atomic_init(&w->armed, true);
    w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return w->fd >= 0 ? STATUS_OK : STATUS_INTERNAL;
}

void wake_fini(struct wake *w)
{
    if (w->fd >= 0) {
        (void)close(w->fd);
    }
    w->fd = -1;
}

/* Sequentially consistent, as in wake_arm: the two exchanges have an order. Comes this one first,
 * then the consumer's look after its own sees what was pushed; comes it second, it finds the flag.
 */
void wake_signal(struct wake *w)
{
    uint64_t one = 1;
    if (!atomic_exchange(&w->armed, false)) {
        return;
    }
    /* EAGAIN means that the counter is at its maximum, so a signal is pending anyway. */
    while (write(w->fd, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
}

void wake_arm(struct wake *w)
{
    (void)atomic_exchange(&w->armed, true);
}

void wake_disarm(struct wake *w)
{
    atomic_store(&w->armed, false);
}

bool wake_armed(const struct wake *w)
{
    return atomic_load(&w->armed);
}

void wake_take(struct wake *w)
{
    uint64_t count;
    while (read(w->fd, &count, sizeof(count)) < 0 && errno == EINTR) {
    }
}

void wake_wait(struct wake *w, int timeout_ms)
{
    struct pollfd p = {.fd = w->fd, .events = POLLIN};
    if (poll(&p, 1, timeout_ms) > 0) {
        wake_take(w);
    }
}
