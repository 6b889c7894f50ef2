/*
 * The 32 steps as they happen, one line each: number, from -> to, the message's name, a few facts.
 * Never a key: callers pass sizes, identifiers and statuses.
 */
#ifndef SMSR_TRACE_H
#define SMSR_TRACE_H

#include <stdio.h>

#include "proto/bytes.h"

enum party { /* with the eUICC's two security domains told apart */
             PARTY_OPERATOR,
             PARTY_ALPHA,
             PARTY_BETA,
             PARTY_ISDR, /* the eUICC's address on the bus */
             PARTY_ECASD,
             PARTY_COUNT,
};

/* The seed's word beside the standard's: "Alpha (SM-SR1)". */
const char *party_name(enum party party);

struct trace {
    FILE *out;          /* NULL: silent */
    bool colour;        /* out is a terminal that wants it */
    const char *prefix; /* before each line; "" for none */
};

/* from == to: an action inside one party. */
__attribute__((format(printf, 6, 7))) void trace_step(const struct trace *trace, unsigned step,
                                                      enum party from, enum party to,
                                                      const char *name, const char *facts, ...);

/* A line below the last step, for what the standard has no number for. */
__attribute__((format(printf, 2, 3))) void trace_note(const struct trace *trace, const char *note,
                                                      ...);

#endif
