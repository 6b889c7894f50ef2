#include "bench/guests.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include "bench/measure.h"
#include "service/client/keyfile.h"

enum {
    TICK_MS = 1, /* what comes over a network does not come in heaps */
    EVENTS = 256,
    ENDPOINT_LEN = 64,
    GREETING = 64, /* bytes; RFC 23 */
    STOPS = 3,     /* places where a handshake stops: at once, in the greeting, behind it */
    HALF_OPEN_NET = 0x7F010001,    /* 127.1.0.1 and on, where each has an address of its own */
    UNAUTHORISED_NET = 0x7F020001, /* 127.2.0.1 and on */
};

struct guests {
    pthread_t thread;
    atomic_bool stop;
    struct sockaddr_in address;
    bool scattered;
    const char *server_key;
    int poll_fd;
    int *fds; /* -1: not open */
    size_t count, opened, missing, next;
    double began_s;
    void *context;
    void **clients;
    size_t unauthorised;
    uint64_t visits;
};

/* -- half open -- */

static void greet(int fd, size_t number)
{
    static const uint8_t greeting[GREETING] = {0xFF, [9] = 0x7F, 3, 1, 'C', 'U', 'R', 'V', 'E'};
    static const size_t lengths[STOPS] = {0, 10, GREETING};
    const size_t len = lengths[number % STOPS];
    if (len > 0) {
        (void)!send(fd, greeting, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}

static void open_one(struct guests *g, size_t number)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLOUT | EPOLLET, .data.u64 = number};
    if (fd < 0) {
        return;
    }
    if (g->scattered) {
        const struct sockaddr_in from = {
            .sin_family = AF_INET, .sin_addr.s_addr = htonl(HALF_OPEN_NET + (uint32_t)number)};
        (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){1}, sizeof(int));
        (void)bind(fd, (const struct sockaddr *)&from, sizeof from);
    }
    (void)connect(fd, (struct sockaddr *)&g->address, sizeof g->address);
    if (epoll_ctl(g->poll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        (void)close(fd);
        return;
    }
    g->fds[number] = fd;
    g->opened++;
    g->missing--;
}

/* As many as time has come for, one place after the other. */
static void open_missing(struct guests *g)
{
    const double due = (bench_now_s() - g->began_s) * GUESTS_A_SECOND;
    for (size_t i = 0; i < g->count && (double)g->opened < due && g->missing > 0; i++) {
        if (g->fds[g->next] < 0) {
            open_one(g, g->next);
        }
        g->next = (g->next + 1) % g->count;
    }
}

static void take_events(struct guests *g)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(g->poll_fd, events, EVENTS, TICK_MS);
    for (int i = 0; i < n; i++) {
        size_t number = events[i].data.u64;
        if ((events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
            (void)close(g->fds[number]);
            g->fds[number] = -1;
            g->missing++;
        } else {
            greet(g->fds[number], number);
        }
    }
}

/* -- unauthorised -- */

static bool set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

/* Where the client of this number goes, and from where. */
static void choose_endpoint(const struct guests *g, size_t number, char out[static ENDPOINT_LEN])
{
    char from[INET_ADDRSTRLEN + 4] = "", host[INET_ADDRSTRLEN];
    if (g->scattered) {
        const struct in_addr own = {htonl(UNAUTHORISED_NET + (uint32_t)number)};
        (void)inet_ntop(AF_INET, &own, from, INET_ADDRSTRLEN);
        (void)strcat(from, ":0;");
    }
    (void)inet_ntop(AF_INET, &g->address.sin_addr, host, sizeof host);
    (void)snprintf(out, ENDPOINT_LEN, "tcp://%s%s:%u", from, host, ntohs(g->address.sin_port));
}

static void *make_client(struct guests *g)
{
    char public_key[KEYFILE_Z85_SIZE], secret_key[KEYFILE_Z85_SIZE];
    void *s = zmq_socket(g->context, ZMQ_DEALER);
    bool ok = s != NULL && zmq_curve_keypair(public_key, secret_key) == 0 &&
              set_int(s, ZMQ_LINGER, 0) && set_int(s, ZMQ_RECONNECT_IVL, -1) &&
              zmq_setsockopt(s, ZMQ_CURVE_SERVERKEY, g->server_key, KEYFILE_Z85_LEN + 1) == 0 &&
              zmq_setsockopt(s, ZMQ_CURVE_PUBLICKEY, public_key, KEYFILE_Z85_LEN + 1) == 0 &&
              zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, secret_key, KEYFILE_Z85_LEN + 1) == 0;
    if (!ok && s != NULL) {
        (void)zmq_close(s);
    }
    return ok ? s : NULL;
}

/* Each once a second, evenly: what was let in is ended, and what was refused comes again, which
 * libzmq's clients by themselves would not do. */
static void connect_clients(struct guests *g)
{
    const size_t count = g->unauthorised;
    const double due = (bench_now_s() - g->began_s) * (double)count;
    for (; (double)g->visits < due; g->visits++) {
        char endpoint[ENDPOINT_LEN];
        const size_t number = g->visits % count;
        const bool first = g->visits < count;
        choose_endpoint(g, number, endpoint);
        if (first) {
            g->clients[number] = make_client(g);
        } else {
            (void)zmq_disconnect(g->clients[number], endpoint); /* unless it has given up */
        }
        if (g->clients[number] == NULL || zmq_connect(g->clients[number], endpoint) != 0) {
            (void)fprintf(stderr, "eckabench: %zu of %zu unknown clients: %s\n", number, count,
                          zmq_strerror(errno));
            exit(EXIT_FAILURE);
        }
    }
}

/* -- the whole -- */

static void *run(void *arg)
{
    struct guests *g = arg;
    (void)sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){.sched_priority = 0});
    (void)zmq_ctx_set(g->context, ZMQ_MAX_SOCKETS, (int)g->unauthorised + 1);
    g->began_s = bench_now_s();
    while (!atomic_load(&g->stop)) {
        take_events(g);
        connect_clients(g);
        open_missing(g);
    }
    return NULL;
}

static bool allocate(struct guests *g, size_t half_open, size_t unauthorised)
{
    g->count = g->missing = half_open;
    g->unauthorised = unauthorised;
    g->fds = malloc(half_open * sizeof *g->fds);
    g->clients = calloc(unauthorised, sizeof *g->clients);
    g->context = zmq_ctx_new();
    g->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    for (size_t i = 0; g->fds != NULL && i < half_open; i++) {
        g->fds[i] = -1;
    }
    return g->fds != NULL && g->clients != NULL && g->context != NULL && g->poll_fd >= 0;
}

struct guests *guests_start(const char *endpoint, const char *server_key, size_t half_open,
                            size_t unauthorised, bool scattered)
{
    struct guests *g = calloc(1, sizeof *g);
    char host[INET_ADDRSTRLEN];
    unsigned short port;
    if (g != NULL && allocate(g, half_open, unauthorised) &&
        sscanf(endpoint, "tcp://%15[0-9.]:%hu", host, &port) == 2) {
        g->scattered = scattered;
        g->server_key = server_key;
        g->address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
        (void)inet_pton(AF_INET, host, &g->address.sin_addr);
        if (pthread_create(&g->thread, NULL, run, g) == 0) {
            return g;
        }
    }
    (void)fprintf(stderr, "eckabench: no flood of %s can be made\n", endpoint);
    exit(EXIT_FAILURE);
}

void guests_stop(struct guests **guests)
{
    struct guests *g = *guests;
    atomic_store(&g->stop, true);
    (void)pthread_join(g->thread, NULL);
    for (size_t i = 0; i < g->count; i++) {
        if (g->fds[i] >= 0) {
            (void)close(g->fds[i]);
        }
    }
    for (size_t i = 0; i < g->unauthorised && g->clients[i] != NULL; i++) {
        (void)zmq_close(g->clients[i]);
    }
    (void)zmq_ctx_term(g->context);
    (void)close(g->poll_fd);
    free(g->fds);
    free(g->clients);
    free(g);
    *guests = NULL;
}
