#include "service/custody/groups.h"

#include <string.h>

enum { ITEM = 1 << 16 }; /* of what a lane had: so that weights divide it finely */

static struct group *group_named(struct groups *g, const char *name)
{
    for (size_t i = 0; i < g->count; i++) {
        if (strcmp(g->list[i].name, name) == 0) {
            return &g->list[i];
        }
    }
    g->list[g->count] = (struct group){.name = name};
    return &g->list[g->count++];
}

void groups_init(struct groups *g, const struct config_custodian *custodians, size_t count)
{
    *g = (struct groups){.lanes = count};
    for (size_t i = 0; i < count; i++) {
        const struct config_custodian *c = &custodians[i];
        g->of[i] = group_named(g, c->group != NULL ? c->group : c->name);
        g->weight[i] = c->weight != 0 ? c->weight : 1;
    }
}

/* What it has had, counted from where the others are. */
static uint64_t had(const struct groups *g, size_t lane)
{
    return g->had[lane] > g->now ? g->had[lane] : g->now;
}

size_t groups_next(const struct groups *g, const bool free[])
{
    size_t next = g->lanes;
    for (size_t i = 0; i < g->lanes; i++) {
        if (free[i] && groups_closed(g, i) && (next == g->lanes || had(g, i) < had(g, next))) {
            next = i;
        }
    }
    return next;
}

void groups_gave(struct groups *g, size_t lane, size_t items)
{
    g->now = had(g, lane);
    g->had[lane] = g->now + (uint64_t)items * ITEM / g->weight[lane];
}

static void open_group(struct group *group, uint64_t now_us)
{
    uint64_t pause = group->breaker == BREAKER_HALF_OPEN ? 2 * group->pause_us : GROUP_PAUSE_MIN_US;
    group->pause_us = pause < GROUP_PAUSE_MAX_US ? pause : (uint64_t)GROUP_PAUSE_MAX_US;
    group->probe_at_us = now_us + group->pause_us;
    group->breaker = BREAKER_OPEN;
}

bool groups_result(struct groups *g, size_t lane, bool ok, uint64_t now_us)
{
    struct group *group = g->of[lane];
    if (group->breaker != BREAKER_CLOSED) {
        return false; /* a batch from before: the try decides */
    }
    group->failures = ok ? 0 : group->failures + 1;
    if (group->failures < GROUP_FAILURES_MAX) {
        return false;
    }
    group->openings++;
    open_group(group, now_us);
    return true;
}

bool groups_probe_due(struct groups *g, size_t lane, uint64_t now_us)
{
    struct group *group = g->of[lane];
    if (group->breaker != BREAKER_OPEN || now_us < group->probe_at_us) {
        return false;
    }
    group->breaker = BREAKER_HALF_OPEN;
    return true;
}

bool groups_probed(struct groups *g, size_t lane, bool ok, uint64_t now_us)
{
    struct group *group = g->of[lane];
    if (!ok) {
        open_group(group, now_us);
        return false;
    }
    group->breaker = BREAKER_CLOSED;
    group->failures = 0;
    return true;
}

uint64_t groups_due_us(const struct groups *g, const bool up[])
{
    uint64_t due = UINT64_MAX;
    for (size_t i = 0; i < g->lanes; i++) {
        if (up[i] && g->of[i]->breaker == BREAKER_OPEN && g->of[i]->probe_at_us < due) {
            due = g->of[i]->probe_at_us;
        }
    }
    return due;
}
