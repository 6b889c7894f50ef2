/*
 * What eckad has to tell the audit log of a custodian: policies and trust stores that came into
 * force, and what it refused itself, counted by principal, operation and status.
 *
 * The frontend thread puts notes down; whichever lane is next takes them all and hands them to its
 * custodian, or puts them back when that fails. Of bounded size: refusals of more kinds than there
 * is room for are counted together, and of policies the newest are kept.
 */
#ifndef SERVICE_NOTES_H
#define SERVICE_NOTES_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/custody/custody.h"

enum {
    NOTE_EVENTS_MAX = 16,
    NOTE_REFUSALS_MAX = CUSTODY_ITEMS_MAX - NOTE_EVENTS_MAX,
    NOTES_MAX = CUSTODY_ITEMS_MAX, /* so that all of them are one message */
    NOTE_TEXT_MAX = 96,
    NOTE_HASH_LEN = 32,
};

struct note {
    enum custody_note_event event;
    char principal[WIRE_PRINCIPAL_MAX + 1]; /* of refusals; empty: nobody that is known */
    char operation[WIRE_LABEL_MAX + 1];
    enum status status;
    uint64_t count;
    uint8_t sha256[NOTE_HASH_LEN]; /* of the others */
    char detail[NOTE_TEXT_MAX];
};

struct notes {
    pthread_mutex_t lock; /* held for a copy */
    size_t events, refusals;
    struct note event[NOTE_EVENTS_MAX], refusal[NOTE_REFUSALS_MAX];
};

void notes_init(struct notes *n);
void notes_fini(struct notes *n);

void notes_event(struct notes *n, enum custody_note_event event,
                 const uint8_t sha256[static NOTE_HASH_LEN], const char *detail);
void notes_refused(struct notes *n, const char *principal, const char *operation, enum status s,
                   uint64_t count);

/* Everything there is, events first; how many. */
size_t notes_take(struct notes *n, struct note out[static NOTES_MAX]);
/* What was taken and could not be told. */
void notes_put_back(struct notes *n, size_t count, const struct note in[]);

#endif
