/*
 * How fast connections may come: from one address ARRIVALS_BURST at once, and ARRIVALS_A_SECOND
 * after that; and no faster from all addresses together that no client is known from.
 *
 * A handshake costs libzmq's I/O thread some 0.3 ms of arithmetic, which whoever can reach the port
 * may ask for. So a flood from one address, or from a crowd of them, takes a few percent of that
 * thread at most, and keeps no known client from coming back. What is counted is an IPv4 address,
 * or the first half of an IPv6 one, by its place in a table of fixed size: two addresses of one
 * place share what is allowed, and nobody outside knows which do. Not for two threads at a time.
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

enum arrival { ARRIVAL_TAKEN, ARRIVAL_TOO_FAST, ARRIVAL_CROWDED };

struct arrivals {
    uint8_t key[ARRIVALS_KEY_LEN];           /* of the hash */
    uint64_t busy_until_us[ARRIVALS_PLACES]; /* when a place has nothing to make up for any more */
    uint64_t crowd_until_us;                 /* the same of all that are not known */
    uint64_t known[ARRIVALS_PLACES];         /* the hash of an address; 0: of none */
};

void arrivals_init(struct arrivals *a);

/* One came: whether that is allowed, or too fast for this address, or for all that are not known.
 * Who is refused costs the others nothing. Local sockets always are allowed. */
enum arrival arrivals_take(struct arrivals *a, const struct sockaddr *from, uint64_t now_us);

/* A client was let in from there. For as long as no other known address takes its place. */
void arrivals_know(struct arrivals *a, const struct sockaddr *from);

#endif
