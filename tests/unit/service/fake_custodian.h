/*
 * A custodian without a token, for the dispatcher's tests: it confirms tickets by sending each back
 * as its key set, and misbehaves on order.
 */
#ifndef TESTS_UNIT_SERVICE_FAKE_CUSTODIAN_H
#define TESTS_UNIT_SERVICE_FAKE_CUSTODIAN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum fake_deed {
    FAKE_ANSWER,    /* as a good custodian */
    FAKE_DIE,       /* take the batch, then close the connection */
    FAKE_GARBAGE,   /* answer with bytes that are no message */
    FAKE_WRONG_ID,  /* answer another batch */
    FAKE_ONE_SHORT, /* answer with an item too few */
    FAKE_REFUSE,    /* TOKEN_ERROR for the batch as a whole */
};

struct fake_custodian {
    char path[108];
    int listener;
    pthread_t thread;
    atomic_bool stop;
    _Atomic unsigned batches;  /* taken so far, Hello not counted */
    _Atomic unsigned delay_ms; /* before an answer */
    _Atomic unsigned probes;   /* tries of the token asked for, of which so many fail first */
    unsigned failing_probes;
    /* What it does with its first batches; after them it answers, or goes on with the last. */
    enum fake_deed deeds[8];
    unsigned deed_count;
    _Atomic bool last_for_ever;
};

void fake_custodian_start(struct fake_custodian *f, const char *path);
void fake_custodian_stop(struct fake_custodian *f);

#endif
