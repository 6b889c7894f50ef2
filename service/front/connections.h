/*
 * How many connections there are, and which one goes when there are too many.
 *
 * A connection is its descriptor. Until it was let in, or has asked for something, it is a
 * stranger: whoever can reach the port can be one, so strangers are limited to a part of the room
 * and the oldest of them goes for a new one. A principal has its share of the room, and who asks
 * beyond it goes. So a flood of strangers costs no client that is there its place, and a new client
 * gets in as long as fewer strangers come during its handshake than there is room for.
 *
 * It counts and decides; its caller hears of connections and closes them. Owned by the frontend
 * thread. Nothing is allocated after connections_init().
 */
#ifndef SERVICE_CONNECTIONS_H
#define SERVICE_CONNECTIONS_H

#include <stdbool.h>

#include "proto/bytes.h"
#include "proto/status.h"

enum {
    CONNECTIONS_NONE = -1,
    CONNECTIONS_PAUSE_US = 1000 * 1000,        /* without a lost reply: it reads again */
    CONNECTIONS_PATIENCE_US = 2 * 1000 * 1000, /* with lost replies, before it goes */
    CONNECTIONS_ID_MAX = 32, /* bytes; libzmq makes routing ids of 5, longer ones are not kept */
};

struct connection {
    uint64_t cookie;                      /* the kernel's name of the socket */
    uint64_t full_from_us, full_until_us; /* replies to it found no room; 0: never */
    int older, newer;                     /* strangers, by age */
    uint32_t principal;                   /* of one that asked; its number in the roster */
    uint8_t state;
    uint8_t id_len; /* 0: not kept */
    uint8_t id[CONNECTIONS_ID_MAX];
};

struct connections {
    struct connection *list; /* by descriptor */
    int room;                /* descriptors */
    uint32_t *held;          /* connections of each principal, and of those that have not asked */
    uint32_t principals;
    unsigned limit, open, strangers, strangers_max;
    int oldest, newest; /* strangers */
};

/* Strangers are at most so many of a limit. */
unsigned connections_strangers_max(unsigned limit);

/* limit: of connections; room: descriptors that the process may have; principals: their numbers are
 * below. INTERNAL when there is no memory. */
MUST_CHECK enum status connections_init(struct connections *c, unsigned limit, unsigned room,
                                        uint32_t principals);
void connections_fini(struct connections *c);

/*
 * One came. The one that has to go for it, itself perhaps, or CONNECTIONS_NONE. Who was let in is
 * looked for only then: connections_let_in() says that this one was, and gives the next that has to
 * go.
 */
MUST_CHECK int connections_opened(struct connections *c, int fd, uint64_t cookie);
MUST_CHECK int connections_let_in(struct connections *c, int fd);

/* It was ended: it counts no more, and its descriptor is free when connections_closed() says so. */
void connections_going(struct connections *c, int fd);
void connections_closed(struct connections *c, int fd);

/* Whether it has asked already, under this id. False, too, for one that is not heard of yet. */
bool connections_knows(const struct connections *c, int fd, struct span id);

/* It asked, for a principal that may have so many: false when it has them without this one.
 * One that came unheard, or is going, changes nothing. */
MUST_CHECK bool connections_asked(struct connections *c, int fd, struct span id, uint32_t principal,
                                  unsigned most);

/* The connection that this routing id is of; CONNECTIONS_NONE when that is not known. */
int connections_of_id(const struct connections *c, struct span id);

/* A reply to it was lost, because it leaves so many unread: true when this has been so for too
 * long. */
bool connections_lost_reply(struct connections *c, int fd, uint64_t now_us);

/* What the kernel called it when it came. */
uint64_t connections_cookie(const struct connections *c, int fd);

#endif
