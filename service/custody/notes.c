#include "service/custody/notes.h"

#include <stdio.h>
#include <string.h>

static const char others[] = "others"; /* refusals of kinds that found no room */

void notes_init(struct notes *n)
{
    *n = (struct notes){0};
    (void)pthread_mutex_init(&n->lock, NULL); /* cannot fail with default attributes */
}

void notes_fini(struct notes *n)
{
    (void)pthread_mutex_destroy(&n->lock);
}

static void add_event_locked(struct notes *n, const struct note *note)
{
    if (n->events == NOTE_EVENTS_MAX) {
        n->events--;
        memmove(n->event, n->event + 1, n->events * sizeof(*n->event));
    }
    n->event[n->events++] = *note;
}

static struct note *find_locked(struct notes *n, const struct note *like)
{
    for (size_t i = 0; i < n->refusals; i++) {
        struct note *r = &n->refusal[i];
        if (r->status == like->status && strcmp(r->principal, like->principal) == 0 &&
            strcmp(r->operation, like->operation) == 0) {
            return r;
        }
    }
    return NULL;
}

/* The last place is for what finds no other. */
static void add_refusal_locked(struct notes *n, const struct note *note)
{
    struct note other = {.event = CUSTODY_NOTE_REFUSED, .status = STATUS_BUSY};
    struct note *found = find_locked(n, note);
    (void)snprintf(other.operation, sizeof(other.operation), "%s", others);
    if (found == NULL && n->refusals >= NOTE_REFUSALS_MAX - 1) {
        found = find_locked(n, &other);
        if (found == NULL) {
            found = &n->refusal[n->refusals++];
            *found = other;
        }
    }
    if (found == NULL) {
        n->refusal[n->refusals++] = *note;
    } else {
        found->count += note->count;
    }
}

void notes_event(struct notes *n, enum custody_note_event event,
                 const uint8_t sha256[static NOTE_HASH_LEN], const char *detail)
{
    struct note note = {.event = event, .count = 1};
    memcpy(note.sha256, sha256, sizeof(note.sha256));
    (void)snprintf(note.detail, sizeof(note.detail), "%s", detail);
    (void)pthread_mutex_lock(&n->lock);
    add_event_locked(n, &note);
    (void)pthread_mutex_unlock(&n->lock);
}

void notes_refused(struct notes *n, const char *principal, const char *operation, enum status s,
                   uint64_t count)
{
    struct note note = {.event = CUSTODY_NOTE_REFUSED, .status = s, .count = count};
    (void)snprintf(note.principal, sizeof(note.principal), "%s", principal);
    (void)snprintf(note.operation, sizeof(note.operation), "%s", operation);
    (void)pthread_mutex_lock(&n->lock);
    add_refusal_locked(n, &note);
    (void)pthread_mutex_unlock(&n->lock);
}

size_t notes_take(struct notes *n, struct note out[static NOTES_MAX])
{
    (void)pthread_mutex_lock(&n->lock);
    const size_t count = n->events + n->refusals;
    memcpy(out, n->event, n->events * sizeof(*out));
    memcpy(out + n->events, n->refusal, n->refusals * sizeof(*out));
    n->events = n->refusals = 0;
    (void)pthread_mutex_unlock(&n->lock);
    return count;
}

/* Before what came since: then the oldest events are still the first to go. */
void notes_put_back(struct notes *n, size_t count, const struct note in[])
{
    struct note since[NOTE_EVENTS_MAX];
    (void)pthread_mutex_lock(&n->lock);
    const size_t events = n->events;
    memcpy(since, n->event, events * sizeof(*since));
    n->events = 0;
    for (size_t i = 0; i < count; i++) {
        if (in[i].event == CUSTODY_NOTE_REFUSED) {
            add_refusal_locked(n, &in[i]);
        } else {
            add_event_locked(n, &in[i]);
        }
    }
    for (size_t i = 0; i < events; i++) {
        add_event_locked(n, &since[i]);
    }
    (void)pthread_mutex_unlock(&n->lock);
}
