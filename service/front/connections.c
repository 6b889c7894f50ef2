#include "service/front/connections.h"

#include <stdlib.h>
#include <string.h>

enum { CLOSED, STRANGER, KNOWN, GOING };

unsigned connections_strangers_max(unsigned limit)
{
    return limit / 2 > 0 ? limit / 2 : 1;
}

enum status connections_init(struct connections *c, unsigned limit, unsigned room,
                             uint32_t principals)
{
    *c = (struct connections){.room = (int)room,
                              .principals = principals,
                              .limit = limit,
                              .strangers_max = connections_strangers_max(limit),
                              .oldest = CONNECTIONS_NONE,
                              .newest = CONNECTIONS_NONE};
    c->list = calloc(room, sizeof(*c->list));
    c->held = calloc(principals + 1, sizeof(*c->held));
    return c->list != NULL && c->held != NULL ? STATUS_OK : STATUS_INTERNAL;
}

void connections_fini(struct connections *c)
{
    free(c->list);
    free(c->held);
    *c = (struct connections){0};
}

static struct connection *at(const struct connections *c, int fd)
{
    return fd >= 0 && fd < c->room && c->list[fd].state != CLOSED ? &c->list[fd] : NULL;
}

/* -- strangers, by age -- */

static void append(struct connections *c, int fd)
{
    struct connection *it = &c->list[fd];
    it->older = c->newest;
    it->newer = CONNECTIONS_NONE;
    if (c->newest != CONNECTIONS_NONE) {
        c->list[c->newest].newer = fd;
    } else {
        c->oldest = fd;
    }
    c->newest = fd;
    c->strangers++;
}

static void take_out(struct connections *c, int fd)
{
    struct connection *it = &c->list[fd];
    if (it->older != CONNECTIONS_NONE) {
        c->list[it->older].newer = it->newer;
    } else {
        c->oldest = it->newer;
    }
    if (it->newer != CONNECTIONS_NONE) {
        c->list[it->newer].older = it->older;
    } else {
        c->newest = it->older;
    }
    c->strangers--;
}

/* -- what happens to them -- */

static int too_many(const struct connections *c)
{
    return c->open > c->limit || c->strangers > c->strangers_max ? c->oldest : CONNECTIONS_NONE;
}

int connections_opened(struct connections *c, int fd, uint64_t cookie)
{
    if (fd < 0 || fd >= c->room) {
        return fd;
    }
    connections_closed(c, fd); /* whatever had the number is gone */
    c->list[fd] = (struct connection){.state = STRANGER, .cookie = cookie};
    c->open++;
    append(c, fd);
    return too_many(c);
}

int connections_let_in(struct connections *c, int fd)
{
    struct connection *it = at(c, fd);
    if (it != NULL && it->state == STRANGER) {
        take_out(c, fd);
        it->state = KNOWN;
        it->principal = c->principals;
        c->held[it->principal]++;
    }
    return too_many(c);
}

static void leave(struct connections *c, int fd)
{
    struct connection *it = &c->list[fd];
    if (it->state == STRANGER) {
        take_out(c, fd);
    } else if (it->state == KNOWN) {
        c->held[it->principal]--;
    }
    c->open -= it->state != GOING;
}

void connections_going(struct connections *c, int fd)
{
    struct connection *it = at(c, fd);
    if (it != NULL) {
        leave(c, fd);
        it->state = GOING;
    }
}

void connections_closed(struct connections *c, int fd)
{
    struct connection *it = at(c, fd);
    if (it != NULL) {
        leave(c, fd);
        it->state = CLOSED;
    }
}

static bool has_id(const struct connection *it, struct span id)
{
    return it->id_len == id.len && memcmp(it->id, id.ptr, id.len) == 0;
}

bool connections_knows(const struct connections *c, int fd, struct span id)
{
    const struct connection *it = at(c, fd);
    return it != NULL && it->state == KNOWN && it->principal != c->principals &&
           (has_id(it, id) || it->id_len == 0);
}

bool connections_asked(struct connections *c, int fd, struct span id, uint32_t principal,
                       unsigned most)
{
    struct connection *it = at(c, fd);
    if (it == NULL || it->state == GOING || principal >= c->principals) {
        return true;
    }
    if (it->state == KNOWN) {
        c->held[it->principal]--;
    } else {
        take_out(c, fd);
    }
    it->state = KNOWN;
    it->principal = principal;
    it->id_len = 0;
    if (id.len <= CONNECTIONS_ID_MAX) {
        it->id_len = (uint8_t)id.len;
        memcpy(it->id, id.ptr, id.len);
    }
    return c->held[principal]++ < most;
}

int connections_of_id(const struct connections *c, struct span id)
{
    for (int fd = 0; id.len > 0 && fd < c->room; fd++) {
        if (c->list[fd].state == KNOWN && has_id(&c->list[fd], id)) {
            return fd;
        }
    }
    return CONNECTIONS_NONE;
}

bool connections_lost_reply(struct connections *c, int fd, uint64_t now_us)
{
    struct connection *it = at(c, fd);
    if (it == NULL) {
        return false;
    }
    if (it->full_from_us == 0 || now_us - it->full_until_us > CONNECTIONS_PAUSE_US) {
        it->full_from_us = now_us;
    }
    it->full_until_us = now_us;
    return now_us - it->full_from_us >= CONNECTIONS_PATIENCE_US;
}

uint64_t connections_cookie(const struct connections *c, int fd)
{
    const struct connection *it = at(c, fd);
    return it != NULL ? it->cookie : 0;
}
