/*
 * A server that speaks eckad's wire over a real CURVE ROUTER on loopback, in a thread, and behaves
 * as a test tells it to: well, slowly, or badly.
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
    SILENT,          /* never answers */
    LATE,            /* answers one request only when the next has come, before that one */
    WRONG_COUNT,     /* one status too many */
    WRONG_RESULT,    /* Info's result to a Verify */
    GARBAGE_FIRST,   /* no protobuf, then a reply to an id never asked, then the answer */
    REFUSE_KEY,      /* ZAP 400 to everybody */
};

struct fake_server {
    enum behaviour behaviour;
    char endpoint[64];
    char public_key[KEYFILE_Z85_SIZE];
    char secret_key[KEYFILE_Z85_SIZE];
    atomic_int requests; /* that came and could be read */
    _Atomic uint64_t last_deadline_us;
    void *context;
    void *router, *zap;
    void *stop; /* our end; the thread has the other */
    void *stopped;
    unsigned long thread;
};

void fake_server_start(struct fake_server *s, enum behaviour behaviour);
void fake_server_stop(struct fake_server *s);

#endif
