/*
 * What is measured: one operation through one lane, by so many processes, threads and sessions; and
 * what came of it.
 */
#ifndef BENCH_HSM_CASE_H
#define BENCH_HSM_CASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/figure.h"
#include "bench/histogram.h"
#include "proto/curve.h"

enum hsm_lane { LANE_DIRECT, LANE_LIBP11, LANE_SERVICE, LANE_RAW, LANE_COUNT };

enum hsm_operation {
    OP_ECDSA_SIGN,
    OP_ECDH,
    OP_ECDH_X963,
    OP_AGREE,
    OP_KEYGEN,
    OP_AES_CMAC,
    OP_AES_GCM,
    OP_WRAP,
    OP_UNWRAP,
    OP_RANDOM,
    OP_SESSION_OPEN,
    OP_FIND,
    OP_COUNT,
};

enum {
    PROCESSES_MAX = 64,
    THREADS_MAX = 256,  /* of all processes of a case */
    SESSIONS_MAX = 256, /* of a thread; in the lane service, requests under way at a client */
    BATCHES_MAX = 64,   /* of which the mean and its interval are taken */
    ERRORS_MAX = 8,     /* kinds of errors kept */
    CASE_ID_MAX = 96,
    CASE_WHY_MAX = 240,
};

struct hsm_load {
    enum hsm_lane lane;
    enum hsm_operation operation;
    enum curve curve;                      /* CURVE_NONE where the operation has none */
    unsigned processes, threads, sessions; /* threads of a process, sessions of a thread */
};

struct hsm_error {
    unsigned long code; /* the lane says what it is called */
    uint64_t count;
};

enum case_status { CASE_OK, CASE_UNSUPPORTED, CASE_FAILED, CASE_PARTIAL, CASE_SKIPPED };

struct hsm_case {
    struct hsm_load load;
    double offered; /* operations a second in an open loop; 0: closed */
    const char *peer_name;
    size_t peer; /* index in its group of what it is compared with; itself: nothing */
    bool hidden; /* a peer that is no result by itself */

    enum case_status status;
    char why[CASE_WHY_MAX], note[CASE_WHY_MAX];
    size_t batches;
    double rate[BATCHES_MAX]; /* operations a second of each; negative: it is missing */
    struct figure figure;     /* their mean; samples 0: there is none */
    struct figure ratio;      /* to the peer's, batch by batch */
    struct histogram latency;
    uint64_t failures; /* operations that ended with an error */
    struct hsm_error errors[ERRORS_MAX];
};

/* "direct", "ecdsa-sign". */
const char *lane_name(enum hsm_lane lane);
const char *operation_name(enum hsm_operation op);
bool operation_has_curve(enum hsm_operation op);

/* "hsm/direct/ecdsa-sign/P-256/p2/t1/closed"; with s4 before the loop where sessions are not 1. */
void case_id(const struct hsm_case *c, char out[static CASE_ID_MAX]);

/* The last place takes what there is no place for. */
void case_count_error(struct hsm_error errors[static ERRORS_MAX], unsigned long code,
                      uint64_t count);

/* Also a sentence; the first reason stands. */
void case_end(struct hsm_case *c, enum case_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
