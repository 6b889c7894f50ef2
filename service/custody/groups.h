/*
 * Which custody lane is next: weights, and a breaker a group.
 *
 * A group is the custodians that fail together: those of one token or one HSM. All groups hold the
 * same keys. Batches go to the free lane that has had least for its weight, so that weights tell
 * while there is a choice, and under full load whoever is free takes the next.
 *
 * A group whose batches fail GROUP_FAILURES_MAX times in a row (lost, or every item TOKEN_ERROR) is
 * open: it gets none. After a pause, which doubles while that does not help, one of its lanes asks
 * its custodian to try its token (half open); when that went well the group is closed again.
 *
 * A pure state machine of the frontend thread's: no clock, no lock, no memory of its own.
 */
#ifndef SERVICE_GROUPS_H
#define SERVICE_GROUPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "service/config.h"

enum {
    GROUP_FAILURES_MAX = 3,
    GROUP_PAUSE_MIN_US = 250 * 1000,
    GROUP_PAUSE_MAX_US = 2000 * 1000, /* so a group serves again within seconds of its token */
};

enum breaker { BREAKER_CLOSED, BREAKER_HALF_OPEN, BREAKER_OPEN };

struct group {
    const char *name;
    enum breaker breaker;
    unsigned failures; /* in a row */
    uint64_t openings;
    uint64_t pause_us, probe_at_us; /* while open */
};

struct groups {
    size_t count, lanes;
    struct group list[CONFIG_CUSTODIANS_MAX];
    struct group *of[CONFIG_CUSTODIANS_MAX]; /* by lane */
    uint32_t weight[CONFIG_CUSTODIANS_MAX];
    uint64_t had[CONFIG_CUSTODIANS_MAX]; /* items for the weight; an absence earns nothing */
    uint64_t now;                        /* what the last lane chosen had had */
};

/* Groups of a configuration; a custodian that names none is one by itself. */
void groups_init(struct groups *g, const struct config_custodian *custodians, size_t count);

/* Of the lanes that are free, the one to give a batch to; count of lanes: none. free: by lane. */
size_t groups_next(const struct groups *g, const bool free[]);
/* It was given so many items. */
void groups_gave(struct groups *g, size_t lane, size_t items);

/* A batch of the lane came back: as it should, or as a failure. True: the group is open by that. */
bool groups_result(struct groups *g, size_t lane, bool ok, uint64_t now_us);

/* Whether the lane's group waits for a try and it is time; half open then. */
bool groups_probe_due(struct groups *g, size_t lane, uint64_t now_us);
/* How the try went. True: it is closed again. */
bool groups_probed(struct groups *g, size_t lane, bool ok, uint64_t now_us);

/* When a try is due of a group with a lane that could make it; UINT64_MAX: never. */
uint64_t groups_due_us(const struct groups *g, const bool up[]);

static inline bool groups_closed(const struct groups *g, size_t lane)
{
    return g->of[lane]->breaker == BREAKER_CLOSED;
}

#endif
