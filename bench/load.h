/*
 * The load generator: many clients of one server in one thread, each a DEALER of its own.
 *
 * Closed loop: each client keeps so many requests under way and sends the next when one is
 * answered. Open loop: requests arrive at times drawn from a seed before anything is sent (a
 * Poisson process), and a late answer delays none of them; latency counts from the time of arrival,
 * so that what waits in the generator behind a slow server is counted too (no coordinated
 * omission). Requests are encoded beforehand; the generator adds an id and looks at every item's
 * status.
 *
 * A piece of work is what a source makes of it: one request, or several after each other (a
 * handover: Establish, the card, Confirm), which then count once, with the time of all.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "bench/histogram.h"
#include "proto/bytes.h"
#include "service/client/keyfile.h"

enum {
    LOAD_SLOTS_MAX = 1 << 16, /* requests under way at once */
    LOAD_CLIENTS_MAX = 256,
};

enum load_step {
    LOAD_DONE, /* the piece of work is finished, every item of it well */
    LOAD_MORE, /* the slot's next request goes on with it */
    LOAD_BAD,  /* an item failed, or the reply is no answer to the request */
};

/* What clients ask for. One thread uses it; slots are numbered below load_slots(). */
struct load_source {
    void *arg;
    size_t items; /* of a piece of work */
    /* The slot's next request: the operation's field of Request, with its tag. A view that lives
     * until the slot's next call. */
    struct span (*next)(void *arg, size_t slot);
    /* A whole reply whose status is OK. */
    enum load_step (*take)(void *arg, size_t slot, struct span reply);
    /* The slot's piece of work ended without one: the next request begins anew. May be NULL. */
    void (*drop)(void *arg, size_t slot);
};

/* Where the machine is shared with the server. Set for the calling thread, which should be one of
 * its own, and inherited by libzmq's; left as it is where that is not allowed. */
enum load_priority {
    LOAD_AS_IS,
    LOAD_BEHIND, /* takes what the server leaves, as if it had no part of the server's machine */
    LOAD_AHEAD,  /* its own waiting is not measured, as if it had a machine to itself */
};

struct load_options {
    const char *endpoint;
    const char *server_key;            /* Z85 */
    const struct curve_key_pair *keys; /* of all its clients */
    size_t clients;
    size_t pipelining;    /* requests under way at a client; in an open loop at most */
    double rate;          /* pieces of work a second over all clients; 0: closed loop */
    uint64_t seed;        /* of the arrivals */
    double warmup;        /* seconds, not counted */
    double seconds;       /* counted */
    uint64_t deadline_us; /* of a request */
    bool echo;            /* the server sends requests back: any answer is one; pipelining 1 */
    enum load_priority priority;
    void (*mark)(void *arg, bool end); /* when counting begins and ends; may be NULL */
    void *mark_arg;
};

enum load_outcome {
    LOAD_OK,
    LOAD_LATE, /* well, but after its deadline */
    LOAD_BUSY,
    LOAD_DEADLINE,
    LOAD_DRAINING,
    LOAD_FAILED, /* any other answer */
    LOAD_LOST,   /* no answer, a second after the deadline */
    LOAD_OUTCOMES,
};

enum { LOAD_PARTS = 10 };

struct load_result {
    uint64_t arrivals; /* pieces of work that began in the counted time, each with one outcome */
    uint64_t outcome[LOAD_OUTCOMES];
    double seconds;           /* counted, as it came */
    double items;             /* of pieces of work that ended well in that time */
    double part[LOAD_PARTS];  /* the same, of each tenth of the time asked for */
    struct histogram latency; /* of those that ended well, late or not */
};

/* "OK", "BUSY", ... */
const char *load_outcome_name(enum load_outcome outcome);

/* Slots that a source must be ready for; at most LOAD_SLOTS_MAX. */
size_t load_slots(const struct load_options *options);

/* Runs; false with a sentence on stderr when the server cannot be reached. Any thread. */
bool load_run(const struct load_options *options, const struct load_source *source,
              struct load_result *out);

/* Items a second, and the share of arrivals that were not OK. */
double load_rate(const struct load_result *r);
double load_bad_share(const struct load_result *r);

#endif
