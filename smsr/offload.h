/*
 * Calls to eckad over libecka in one event loop: queued here, sent and answered in
 * offload_poll().
 *
 * A call that eckad (or libecka's own window) answers BUSY goes out again after retry_after_us, for
 * at most OFFLOAD_BUSY_S; one whose status says that a retry may help is tried OFFLOAD_ATTEMPTS
 * times. Callbacks run from offload_poll() alone, and may queue the next call.
 */
#ifndef SMSR_OFFLOAD_H
#define SMSR_OFFLOAD_H

#include "proto/status.h"

#include "service/client/ecka.h"

enum { OFFLOAD_ATTEMPTS = 3, OFFLOAD_BUSY_S = 60 };

struct offload;
struct eckad_call;

/* status: of the request, or of its one item. reply: NULL unless status is ECKA_OK or the item's.
 */
typedef void eckad_done(void *arg, int status, const char *detail, const struct ecka_reply *reply);

struct eckad_call { /* the caller's storage, and what request points to, until done has run */
    struct ecka_request request;
    eckad_done *done;
    void *arg;
    /* the offload's */
    struct offload *offload;
    struct eckad_call *next;
    uint64_t due_us, give_up_us;
    unsigned attempts;
};

struct offload_options {
    const struct ecka_endpoint *endpoints; /* ECKA_ENDPOINTS_MAX, up to the first without address */
    const char *key_file;                  /* Beta's */
    size_t window;                         /* calls outstanding at a time, at least */
};

/* Says on stderr what is wrong with an option. */
MUST_CHECK bool offload_open(struct offload **out, const struct offload_options *options);
void offload_close(struct offload **offload);

/* Queues a request of one item; Info has none. */
void offload_call(struct offload *offload, struct eckad_call *call);

/* Takes back what was not sent yet; false when it has gone out: then done will run. */
bool offload_cancel(struct offload *offload, struct eckad_call *call);

/* Sends what is due and waits at most max_ms for answers. */
void offload_poll(struct offload *offload, int max_ms);

/* For an event loop: readable when offload_poll() may have answers. */
int offload_fd(struct offload *offload);

#endif
