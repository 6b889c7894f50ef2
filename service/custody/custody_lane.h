/*
 * A custody lane: the thread that speaks to one custodian, one batch at a time.
 *
 * It connects, says Hello, and then sends what it is handed. When the custodian is lost, or silent
 * for longer than the configuration allows, the batch comes back marked lost and the lane connects
 * again, with a growing pause, for ever. The lane writes results of the items of the batch it
 * holds, and nothing else of their jobs.
 */
#ifndef SERVICE_CUSTODY_LANE_H
#define SERVICE_CUSTODY_LANE_H

#include <pthread.h>

#include "proto/custody/custody.h"
#include "service/batch.h"
#include "service/config.h"
#include "service/custody/notes.h"
#include "service/place.h"
#include "service/ring.h"

enum {
    /* An unpacked answer of CUSTODY_FRAME_MAX and the message of the batch before it. */
    LANE_ARENA = 8 * CUSTODY_FRAME_MAX,
    LANE_HELLO_MS = 2000, /* a custodian is asked who it is as often as this */
    LANE_NOTES_MS = 1000, /* between two messages of notes */
    LANE_RETRY_MIN_MS = 50,
    LANE_RETRY_MAX_MS = 1000,
    LANE_TEXT_MAX = 64, /* bytes of a token label or a backend's name, with its end */
    LANE_SENTENCE_MAX = 256,
    LANE_ORIGIN_MAX = 65,  /* AUDIT_ORIGIN_MAX and its end */
    LANE_SR_KEYS_MAX = 32, /* SR keys named in Info */
};

/* What the custodian said of itself. */
struct lane_hello {
    char token[LANE_TEXT_MAX];
    char backend[LANE_TEXT_MAX];
    char backend_refused[LANE_SENTENCE_MAX];
    char audit[LANE_ORIGIN_MAX];
    size_t sr_key_count;
    uint8_t sr_key_ids[LANE_SR_KEYS_MAX][32];
    uint32_t ticket_generation, keyset_generation;
};

/* A try of the custodian's token, asked for by the frontend thread. */
enum lane_probe { LANE_PROBE_NONE, LANE_PROBE_ASKED, LANE_PROBE_PASSED, LANE_PROBE_FAILED };

struct custody_lane {
    pthread_t thread;
    struct place place;
    const struct config_custodian *config;
    struct wake *done_wake; /* the frontend's */
    struct notes *notes;    /* for whichever lane comes first; NULL: none */
    struct wake wake;
    struct ring todo, done;
    atomic_bool stop;
    atomic_bool up; /* said Hello and not lost since */
    _Atomic uint64_t losses;
    _Atomic enum lane_probe probe;
    unsigned timeout_ms;
    pthread_mutex_t hello_lock; /* held for a copy; the frontend reads what the lane writes */
    struct lane_hello hello;
    /* The lane's. */
    int fd;
    uint64_t next_id;
    uint64_t notes_us; /* when notes were last told */
    uint64_t hello_us; /* of the last Hello */
    struct arena arena;
    void *storage;
    uint8_t *frame; /* CUSTODY_FRAME_MAX, out and in */
    /* The frontend thread's. */
    struct batch batch;
    bool busy;
};

/* Starts the thread. INTERNAL; nothing is left behind then. */
MUST_CHECK enum status custody_lane_start(struct custody_lane *lane,
                                          const struct config_custodian *config,
                                          unsigned timeout_ms, const struct place *place,
                                          struct wake *done_wake, struct notes *notes);

/* Has it ask the custodian to try its token; lane->probe says how that went, and done_wake that it
 * is over. */
void custody_lane_probe(struct custody_lane *lane);

/* Ends the thread after the batch it has and frees what it used. */
void custody_lane_stop(struct custody_lane *lane);

/* What the custodian last said of itself; zero before its first Hello. */
void custody_lane_hello(struct custody_lane *lane, struct lane_hello *out);

#endif
