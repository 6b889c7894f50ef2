/*
 * Lanes: the process's struct providers, each used by one thread at a time.
 *
 * A thread takes the lane of the processor that it runs on, or the next free one, for the length of
 * one operation. Taking and giving are one atomic operation each. Nothing is bound to threads, so
 * there is nothing to clean up when they end.
 */
#ifndef PROVIDERS_OSSL_LANES_H
#define PROVIDERS_OSSL_LANES_H

#include <stdbool.h>
#include <stddef.h>

#include "providers/provider.h"

enum { LANES_MAX = 64 };

struct lane {
    struct provider *provider; /* NULL until lane_ready() */
    size_t place;
};

/*
 * False when all are taken. While they are held it waits: a thread that went on to the default
 * provider would be inside libcrypto's locks when the fork comes. False for the holder.
 */
bool lane_take(struct lane *lane);
/* The same, but waits. False for the holder of all. */
bool lane_wait(struct lane *lane);
/* Makes the lane's provider at its first use. False without kernels or memory. */
bool lane_ready(struct lane *lane);
void lane_give(struct lane *lane);

/* Takes every lane, waiting for the operations under way; gives them back as they were. */
void lanes_hold(void);
void lanes_release(void);

#endif
