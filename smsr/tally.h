/*
 * How many changes ended how, how long they took, and a bar that shows how far it is.
 */
#ifndef SMSR_TALLY_H
#define SMSR_TALLY_H

#include "smsr/party/message.h"

enum { TALLY_GROUPS_MAX = 32 }; /* kinds of failure told apart */

struct tally_group { /* answers of one kind */
    struct es_answer first;
    char eid[EID_TEXT_LEN + 1]; /* of the first */
    size_t count;
};

struct tally {
    size_t expected; /* changes */
    size_t finished, executed, warned, failed;
    uint64_t *latency_us; /* of those executed */
    struct tally_group groups[TALLY_GROUPS_MAX];
    size_t group_count;
    uint64_t begin_us, shown_us; /* of the monotonic clock */
    bool bar;                    /* stderr is a terminal that wants it */
};

/* False when memory is out. */
MUST_CHECK bool tally_init(struct tally *tally, size_t expected, bool bar);
void tally_fini(struct tally *tally);

void tally_add(struct tally *tally, const struct es_answer *outcome, const uint8_t *eid,
               uint64_t latency_us);

/* Draws the bar on stderr, at most ten times a second. */
void tally_show(struct tally *tally);

/* The summary on stdout: what names the changes ("on P-256, 64 at a time"), rate, percentiles, then
 * a line a kind of failure. */
void tally_print(struct tally *tally, const char *what);

#endif
