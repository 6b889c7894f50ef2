/*
 * Servers that speak eckad's wire over a real CURVE ROUTER on loopback, each in a thread, and
 * behave as a test tells them to: well, slowly, or badly.
 */
#ifndef TESTS_UNIT_CLIENT_FAKE_SERVER_H
#define TESTS_UNIT_CLIENT_FAKE_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "service/client/keyfile.h"

enum behaviour {
    ANSWER,          /* Verify: item i's status is the first byte of digest i; Info: a fixed one */
    ANSWER_REVERSED, /* three requests, then their answers, last first */
    SILENT,          /* never answers anything */
    HOLD,            /* answers Info; everything else when told to, by fake_server_release() */
    LATE,            /* answers one request only when the next has come, before that one */
    TWICE,           /* each answer two times */
    WRONG_COUNT,     /* one status too many */
    WRONG_RESULT,    /* Info's result to a Verify */
    GARBAGE_FIRST,   /* no protobuf, then a reply to an id never asked, then the answer */
    REFUSE_KEY,      /* ZAP 400 to everybody */
    FAIL,            /* the status in fail_with, to everything but Info */
};

struct held;

struct fake_server {
    _Atomic enum behaviour behaviour; /* may be changed at any time */
    atomic_int fail_with;
    _Atomic uint64_t retry_after_us; /* with FAIL */
    char endpoint[64];
    char public_key[KEYFILE_Z85_SIZE];
    char secret_key[KEYFILE_Z85_SIZE];
    atomic_int requests; /* that came and could be read, probes aside */
    atomic_int items;    /* in them */
    atomic_int keys;     /* distinct ones, as each Verify lists them, summed */
    atomic_int probes;   /* Info with the id that probes have */
    _Atomic uint64_t last_deadline_us;
    struct held *held;
    size_t held_count;
    void *context;
    void *router, *zap;
    void *control; /* our end; the thread has the other */
    void *controlled;
    unsigned long thread;
};

void fake_server_start(struct fake_server *s, enum behaviour behaviour);
void fake_server_stop(struct fake_server *s);
/* The same address and keys again, after a stop. */
void fake_server_restart(struct fake_server *s, enum behaviour behaviour);

/* Says to whoever sent something last that the server takes nothing new. */
void fake_server_goaway(struct fake_server *s);
/* Answers what HOLD holds. */
void fake_server_release(struct fake_server *s);

#endif
