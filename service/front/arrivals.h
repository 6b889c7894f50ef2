/*
 * How fast connections may come from one address: ARRIVALS_BURST at once, and ARRIVALS_A_SECOND
 * after that.
 *
 * A handshake costs libzmq's I/O thread some 0.3 ms of arithmetic, which whoever can reach the port
 * may ask for. What is counted is an IPv4 address, or the first half of an IPv6 one, by its place
 * in a table of fixed size: two addresses of one place share what is allowed, and nobody outside
 * knows which do. A distributed flood is not slowed down. Owned by the frontend thread.
 */
#ifndef SERVICE_ARRIVALS_H
#define SERVICE_ARRIVALS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
    ARRIVALS_A_SECOND = 128,
    ARRIVALS_BURST = 256, /* of a host with many clients, when eckad was started again */
    ARRIVALS_PLACES = 4096,
    ARRIVALS_KEY_LEN = 16,
};

struct arrivals {
    uint8_t key[ARRIVALS_KEY_LEN];           /* of the hash */
    uint64_t busy_until_us[ARRIVALS_PLACES]; /* when a place has nothing to make up for any more */
};

void arrivals_init(struct arrivals *a);

/* One came: whether that is allowed. Local sockets always are. */
bool arrivals_take(struct arrivals *a, const struct sockaddr *from, uint64_t now_us);

#endif
