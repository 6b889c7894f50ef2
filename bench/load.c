#include "bench/load.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <zmq.h>

#include "bench/reply.h"
#include "proto/wire/limits.h"

enum {
    NS_PER_S = 1000 * 1000 * 1000,
    NS_PER_US = 1000,
    NS_PER_MS = 1000 * 1000,
    GRACE_MS = 1000,    /* beyond its deadline, before a request counts as lost */
    CONNECT_MS = 10000, /* for the first answer of each client */
    RECEIVE_BURST = 256,
    NICE_BEHIND = 10,
    SLOT_BITS = 16,
    HEAD_MAX = 2 + 1 + REPLY_VARINT_MAX, /* version, id */
    TAIL_MAX = 1 + REPLY_VARINT_MAX,     /* deadline */
};
_Static_assert(LOAD_SLOTS_MAX == 1 << SLOT_BITS, "a slot fits its bits of the id");

static const uint64_t stalled_ns = UINT64_C(10) * NS_PER_S;

struct slot {
    uint64_t arrived; /* of its piece of work, nanoseconds */
    uint64_t id;      /* of the request under way; 0: none */
    uint64_t turns;   /* requests sent; the upper part of the next id */
    bool counted;     /* it arrived in the counted time */
};

struct generator {
    const struct load_options *o;
    const struct load_source *source;
    struct load_result *r;
    void *context;
    void *sockets[LOAD_CLIENTS_MAX];
    zmq_pollitem_t polled[LOAD_CLIENTS_MAX + 1]; /* and the timer */
    int timer;
    size_t per_client; /* slots: client c has those from c * per_client */
    size_t slots, under_way;
    struct slot *slot;
    uint16_t *idle; /* open loop: a ring of free slots, so that clients take turns */
    size_t idle_first, idle_count;
    uint16_t *ready; /* slots with a request to send */
    size_t ready_count;
    uint64_t begin, end, give_up;
    double next_arrival;
    uint64_t random;
    bool counting, ended;
};

static uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

const char *load_outcome_name(enum load_outcome outcome)
{
    static const char *const names[LOAD_OUTCOMES] = {"OK",       "late",   "BUSY", "DEADLINE",
                                                     "DRAINING", "failed", "lost"};
    return names[outcome];
}

size_t load_slots(const struct load_options *o)
{
    return o->clients * o->pipelining;
}

double load_rate(const struct load_result *r)
{
    return r->items / r->seconds;
}

double load_bad_share(const struct load_result *r)
{
    return r->arrivals == 0 ? 1 : 1 - (double)r->outcome[LOAD_OK] / (double)r->arrivals;
}

/* -- sockets -- */

static bool set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

static bool secure(void *socket, const struct load_options *o)
{
    return zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, o->server_key, KEYFILE_Z85_SIZE) == 0 &&
           zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, o->keys->public_key, KEYFILE_Z85_SIZE) ==
               0 &&
           zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, o->keys->secret_key, KEYFILE_Z85_SIZE) == 0;
}

static bool open_socket(struct generator *g, size_t client)
{
    void *s = zmq_socket(g->context, ZMQ_DEALER);
    g->sockets[client] = s;
    g->polled[client] = (zmq_pollitem_t){.socket = s, .events = ZMQ_POLLIN};
    return s != NULL && set_int(s, ZMQ_LINGER, 0) && set_int(s, ZMQ_SNDHWM, 0) &&
           set_int(s, ZMQ_RCVHWM, 0) && secure(s, g->o) && zmq_connect(s, g->o->endpoint) == 0;
}

/* -- sending -- */

/* version and id || the operation || deadline_us. */
static void send_request(struct generator *g, size_t n)
{
    enum { VERSION = 1 << 3, ID = 2 << 3, DEADLINE_US = 3 << 3 };
    uint8_t head[HEAD_MAX], tail[TAIL_MAX];
    struct slot *slot = &g->slot[n];
    struct writer h = writer_of(head, sizeof head), t = writer_of(tail, sizeof tail);
    const struct span op = g->source->next(g->source->arg, n);
    zmq_msg_t msg;
    slot->id = ++slot->turns << SLOT_BITS | n;
    put_u8(&h, VERSION);
    put_u8(&h, WIRE_VERSION);
    put_u8(&h, ID);
    put_varint(&h, slot->id);
    put_u8(&t, DEADLINE_US);
    put_varint(&t, g->o->deadline_us);
    if (zmq_msg_init_size(&msg, h.len + op.len + t.len) != 0) {
        abort();
    }
    uint8_t *out = zmq_msg_data(&msg);
    memcpy(out, head, h.len);
    memcpy(out + h.len, op.ptr, op.len);
    memcpy(out + h.len + op.len, tail, t.len);
    if (zmq_msg_send(&msg, g->sockets[n / g->per_client], ZMQ_DONTWAIT) < 0) {
        (void)zmq_msg_close(&msg); /* no connection: it will count as lost */
    }
    g->under_way++;
}

static void begin_work(struct generator *g, size_t n, uint64_t arrived)
{
    struct slot *slot = &g->slot[n];
    slot->arrived = arrived;
    slot->counted = arrived >= g->begin;
    g->r->arrivals += slot->counted ? 1 : 0;
    send_request(g, n);
}

/* Seconds to the next arrival, exponentially distributed; xorshift64* (Vigna 2016). */
static double interval_s(struct generator *g)
{
    g->random ^= g->random >> 12;
    g->random ^= g->random << 25;
    g->random ^= g->random >> 27;
    const double u = (double)(g->random * UINT64_C(0x2545F4914F6CDD1D) >> 11) * 0x1p-53;
    return -log1p(-u) / g->o->rate;
}

static bool has_arrivals(const struct generator *g)
{
    return g->o->rate > 0 && g->next_arrival < (double)g->end;
}

/* An arrival that finds no free slot waits here, and its time runs. */
static void send_due(struct generator *g)
{
    const double now = (double)now_ns();
    while (has_arrivals(g) && g->next_arrival <= now && g->idle_count != 0) {
        const size_t n = g->idle[g->idle_first];
        g->idle_first = (g->idle_first + 1) % g->slots;
        g->idle_count--;
        begin_work(g, n, (uint64_t)g->next_arrival);
        g->next_arrival += interval_s(g) * NS_PER_S;
    }
}

/* After all that came was taken, so that a source may work on it together. */
static void send_ready(struct generator *g)
{
    const uint64_t now = now_ns();
    for (size_t i = 0; i < g->ready_count; i++) {
        const size_t n = g->ready[i];
        if (g->slot[n].arrived == 0) {
            begin_work(g, n, now);
        } else {
            send_request(g, n);
        }
    }
    g->ready_count = 0;
}

/* -- receiving -- */

static enum load_outcome outcome_of(uint64_t status)
{
    switch (status) {
    case STATUS_OK:
        return LOAD_OK;
    case STATUS_BUSY:
        return LOAD_BUSY;
    case STATUS_DEADLINE:
        return LOAD_DEADLINE;
    case STATUS_DRAINING:
        return LOAD_DRAINING;
    default:
        return LOAD_FAILED;
    }
}

static void drop_work(struct generator *g, size_t n)
{
    if (g->source->drop != NULL) {
        g->source->drop(g->source->arg, n);
    }
}

static void count_items(struct generator *g)
{
    if (g->counting) {
        const uint64_t part = (now_ns() - g->begin) * LOAD_PARTS / (g->end - g->begin + 1);
        g->r->items += (double)g->source->items;
        if (part < LOAD_PARTS) {
            g->r->part[part] += (double)g->source->items;
        }
    }
}

static void end_work(struct generator *g, size_t n, enum load_outcome outcome)
{
    struct slot *slot = &g->slot[n];
    if (outcome != LOAD_OK) {
        drop_work(g, n);
    } else {
        const uint64_t took = now_ns() - slot->arrived;
        count_items(g);
        if (slot->counted) {
            histogram_record(&g->r->latency, took);
        }
        outcome = took > g->o->deadline_us * NS_PER_US ? LOAD_LATE : LOAD_OK;
    }
    g->r->outcome[outcome] += slot->counted ? 1 : 0;
    slot->arrived = 0;
    if (g->o->rate > 0) {
        g->idle[(g->idle_first + g->idle_count++) % g->slots] = (uint16_t)n;
    } else if (!g->ended) {
        g->ready[g->ready_count++] = (uint16_t)n;
    }
}

static void take_reply(struct generator *g, size_t n, enum load_outcome outcome, struct span frame)
{
    g->slot[n].id = 0;
    g->under_way--;
    if (outcome == LOAD_OK && !g->o->echo) {
        switch (g->source->take(g->source->arg, n, frame)) {
        case LOAD_MORE:
            g->ready[g->ready_count++] = (uint16_t)n;
            return;
        case LOAD_DONE:
            break;
        case LOAD_BAD:
            outcome = LOAD_FAILED;
            break;
        }
    }
    end_work(g, n, outcome);
}

static void take_frame(struct generator *g, size_t client, struct span frame)
{
    struct reply_view view = {.id = g->slot[client * g->per_client].id};
    if (!g->o->echo && reply_read(frame, &view) != STATUS_OK) {
        return; /* its request will count as lost */
    }
    const size_t n = view.id & (LOAD_SLOTS_MAX - 1);
    if (n < g->slots && view.id != 0 && g->slot[n].id == view.id) {
        take_reply(g, n, outcome_of(view.status), frame);
    }
}

static void receive(struct generator *g, size_t client)
{
    zmq_msg_t msg;
    (void)zmq_msg_init(&msg);
    for (int i = 0; i < RECEIVE_BURST; i++) {
        if (zmq_msg_recv(&msg, g->sockets[client], ZMQ_DONTWAIT) < 0) {
            break;
        }
        take_frame(g, client, span_of(zmq_msg_data(&msg), zmq_msg_size(&msg)));
    }
    (void)zmq_msg_close(&msg);
}

/* -- the loop -- */

/* When there is something to do besides answers: an arrival, or counting begins or ends. */
static uint64_t next_event(const struct generator *g)
{
    if (g->ended) {
        return g->give_up;
    }
    const uint64_t mark = !g->counting        ? g->begin
                          : now_ns() < g->end ? g->end
                                              : g->end + stalled_ns;
    const bool can_send = has_arrivals(g) && g->idle_count != 0;
    const uint64_t arrival = can_send ? (uint64_t)g->next_arrival : UINT64_MAX;
    return arrival < mark ? arrival : mark;
}

/* zmq_poll counts milliseconds, arrivals are closer than that. */
static void wait_until(struct generator *g, uint64_t when)
{
    const uint64_t now = now_ns();
    const struct itimerspec at = {
        .it_value = {.tv_sec = (time_t)(when / NS_PER_S), .tv_nsec = (long)(when % NS_PER_S)}};
    uint64_t expired;
    const bool wait = when > now;
    if (wait) {
        (void)timerfd_settime(g->timer, TFD_TIMER_ABSTIME, &at, NULL);
    }
    if (zmq_poll(g->polled, (int)g->o->clients + 1, wait ? -1 : 0) < 0 && errno != EINTR) {
        abort();
    }
    if ((g->polled[g->o->clients].revents & ZMQ_POLLIN) != 0) {
        (void)!read(g->timer, &expired, sizeof expired);
    }
}

static void mark(struct generator *g, bool end)
{
    const double now = (double)now_ns() / NS_PER_S;
    g->counting = !end;
    g->ended = end;
    g->r->seconds = now - g->r->seconds; /* first the time of the beginning */
    g->give_up = now_ns() + g->o->deadline_us * NS_PER_US + (uint64_t)GRACE_MS * NS_PER_MS;
    if (g->o->mark != NULL) {
        g->o->mark(g->o->mark_arg, end);
    }
}

/* Counting has ended, and everything is answered or will not be any more. */
static bool is_over(const struct generator *g)
{
    return g->ended && ((g->under_way == 0 && !has_arrivals(g)) || now_ns() >= g->give_up);
}

/* A busy machine may let nothing end in a short time; then counting goes on until something does.
 */
static bool time_is_up(const struct generator *g, uint64_t now)
{
    return now >= g->end && (g->r->items > 0 || g->o->rate > 0 || now >= g->end + stalled_ns);
}

static void turn(struct generator *g)
{
    const uint64_t now = now_ns();
    if (!g->counting && !g->ended && now >= g->begin) {
        mark(g, false);
    } else if (g->counting && time_is_up(g, now)) {
        mark(g, true);
    }
    send_due(g);
    if (is_over(g)) {
        return;
    }
    wait_until(g, next_event(g));
    for (size_t i = 0; i < g->o->clients; i++) {
        if ((g->polled[i].revents & ZMQ_POLLIN) != 0) {
            receive(g, i);
        }
    }
    send_ready(g);
}

static void count_lost(struct generator *g)
{
    for (size_t n = 0; n < g->slots; n++) {
        if (g->slot[n].id != 0 && g->slot[n].counted) {
            g->r->outcome[LOAD_LOST]++;
        }
    }
    for (; has_arrivals(g); g->next_arrival += interval_s(g) * NS_PER_S) {
        g->r->arrivals++;
        g->r->outcome[LOAD_LOST]++;
    }
}

/* Every slot is free, or, in a closed loop, has a request to send; clients take turns. */
static void fill_slots(struct generator *g)
{
    for (size_t i = 0; i < g->slots; i++) {
        const size_t n = i % g->o->clients * g->per_client + i / g->o->clients;
        if (g->o->rate > 0) {
            g->idle[g->idle_count++] = (uint16_t)n;
        } else {
            g->ready[g->ready_count++] = (uint16_t)n;
        }
    }
}

static void loop(struct generator *g)
{
    const uint64_t start = now_ns();
    g->begin = start + (uint64_t)(g->o->warmup * NS_PER_S);
    g->end = g->begin + (uint64_t)(g->o->seconds * NS_PER_S);
    g->next_arrival = (double)start;
    fill_slots(g);
    send_ready(g);
    while (!is_over(g)) {
        turn(g);
    }
    count_lost(g);
}

/* One request of each client and its answer: the handshakes are done. */
static bool connect_all(struct generator *g)
{
    for (size_t i = 0; i < g->o->clients; i++) {
        const size_t n = i * g->per_client;
        send_request(g, n);
        if (zmq_poll(&g->polled[i], 1, CONNECT_MS) != 1) {
            (void)fprintf(stderr, "eckabench: no answer from %s\n", g->o->endpoint);
            return false;
        }
        zmq_msg_t msg;
        (void)zmq_msg_init(&msg);
        struct reply_view view = {0};
        bool ok = zmq_msg_recv(&msg, g->sockets[i], ZMQ_DONTWAIT) >= 0;
        const struct span frame = span_of(zmq_msg_data(&msg), zmq_msg_size(&msg));
        ok = ok &&
             (g->o->echo || (reply_read(frame, &view) == STATUS_OK && view.status == STATUS_OK &&
                             g->source->take(g->source->arg, n, frame) != LOAD_BAD));
        (void)zmq_msg_close(&msg);
        if (!ok) {
            (void)fprintf(stderr, "eckabench: %s answers %s to a request\n", g->o->endpoint,
                          view.status != STATUS_OK ? status_name((enum status)view.status)
                                                   : "with a failed item");
            return false;
        }
        drop_work(g, n);
        g->slot[n].id = 0;
        g->under_way--;
    }
    return true;
}

static void set_priority(enum load_priority priority)
{
    if (priority == LOAD_BEHIND) {
        (void)setpriority(PRIO_PROCESS, (id_t)gettid(), getpriority(PRIO_PROCESS, 0) + NICE_BEHIND);
    } else if (priority == LOAD_AHEAD) {
        (void)sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1});
    }
}

static bool open_all(struct generator *g)
{
    (void)prctl(PR_SET_TIMERSLACK, 1); /* of this thread: an arrival is on time */
    set_priority(g->o->priority);
    g->context = zmq_ctx_new();
    g->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    g->slots = load_slots(g->o);
    g->per_client = g->slots / g->o->clients;
    g->slot = calloc(g->slots, sizeof *g->slot);
    g->idle = calloc(g->slots, sizeof *g->idle);
    g->ready = calloc(g->slots, sizeof *g->ready);
    g->random = g->o->seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    bool ok = g->context != NULL && g->timer >= 0 && g->slot != NULL && g->idle != NULL &&
              g->ready != NULL;
    for (size_t i = 0; ok && i < g->o->clients; i++) {
        ok = open_socket(g, i);
    }
    g->polled[g->o->clients] = (zmq_pollitem_t){.fd = g->timer, .events = ZMQ_POLLIN};
    return ok;
}

static void close_all(struct generator *g)
{
    for (size_t i = 0; i < LOAD_CLIENTS_MAX; i++) {
        if (g->sockets[i] != NULL) {
            (void)zmq_close(g->sockets[i]);
        }
    }
    while (g->context != NULL && zmq_ctx_term(g->context) != 0 && errno == EINTR) {
    }
    if (g->timer >= 0) {
        (void)close(g->timer);
    }
    free(g->slot);
    free(g->idle);
    free(g->ready);
    free(g);
}

bool load_run(const struct load_options *options, const struct load_source *source,
              struct load_result *out)
{
    memset(out, 0, sizeof *out);
    struct generator *g = calloc(1, sizeof *g);
    if (g == NULL) {
        return false;
    }
    g->o = options;
    g->source = source;
    g->r = out;
    bool ok = open_all(g);
    if (!ok) {
        (void)fprintf(stderr, "eckabench: %s: %s\n", options->endpoint, zmq_strerror(errno));
    }
    ok = ok && connect_all(g);
    if (ok) {
        loop(g);
    }
    close_all(g);
    return ok;
}
