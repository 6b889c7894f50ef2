#include "providers/ossl/lanes.h"

#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

enum {
    CACHE_LINE = 64,
    PAUSE_US = 20, /* several verifications */
};

/* Free with its provider, or with NULL before the first use; or taken. */
static struct {
    alignas(CACHE_LINE) _Atomic uintptr_t free;
} places[LANES_MAX];

static const uintptr_t taken = 1; /* no provider's address */

static struct provider *held[LANES_MAX];
/* While somebody takes them all: else who is thrown off one lane would go to the next. */
static atomic_bool closed;
static _Thread_local bool holder; /* it is this thread */

static bool take_place(size_t place, struct provider **provider)
{
    uintptr_t was = atomic_load_explicit(&places[place].free, memory_order_relaxed);
    if (was == taken ||
        !atomic_compare_exchange_strong_explicit(&places[place].free, &was, taken,
                                                 memory_order_acquire, memory_order_relaxed)) {
        return false;
    }
    *provider = (struct provider *)was;
    return true;
}

static void give_place(size_t place, struct provider *provider)
{
    atomic_store_explicit(&places[place].free, (uintptr_t)provider, memory_order_release);
}

static bool take_any(struct lane *lane)
{
    const int cpu = sched_getcpu();
    const size_t first = cpu > 0 ? (size_t)cpu : 0;
    for (size_t i = 0; i < LANES_MAX && !atomic_load_explicit(&closed, memory_order_relaxed); i++) {
        lane->place = (first + i) % LANES_MAX;
        if (take_place(lane->place, &lane->provider)) {
            return true;
        }
    }
    return false;
}

bool lane_take(struct lane *lane)
{
    while (!take_any(lane)) {
        if (holder || !atomic_load(&closed)) {
            return false;
        }
        (void)usleep(PAUSE_US);
    }
    return true;
}

bool lane_wait(struct lane *lane)
{
    while (!lane_take(lane)) {
        if (holder) {
            return false;
        }
        (void)usleep(PAUSE_US);
    }
    return true;
}

bool lane_ready(struct lane *lane)
{
    return lane->provider != NULL || provider_new(&lane->provider) == STATUS_OK;
}

void lane_give(struct lane *lane)
{
    give_place(lane->place, lane->provider);
}

void lanes_hold(void)
{
    holder = true;
    atomic_store(&closed, true);
    for (size_t i = 0; i < LANES_MAX; i++) {
        while (!take_place(i, &held[i])) {
            (void)usleep(PAUSE_US);
        }
    }
}

void lanes_release(void)
{
    for (size_t i = 0; i < LANES_MAX; i++) {
        give_place(i, held[i]);
    }
    atomic_store(&closed, false);
    holder = false;
}
