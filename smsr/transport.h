/*
 * Calls to eckad over libecka in one event loop: queued here, sent and answered in
 * transport_poll().
 *
 * A call that eckad (or libecka's own window) answers BUSY goes out again after retry_after_us, for
 * at most TRANSPORT_BUSY_S; one whose status says that a retry may help is tried TRANSPORT_ATTEMPTS
 * times. Callbacks run from transport_poll() alone, and may queue the next call.
 */
#ifndef SMSR_TRANSPORT_H
#define SMSR_TRANSPORT_H

#include "proto/status.h"

#include "service/client/ecka.h"

enum { TRANSPORT_ATTEMPTS = 3, TRANSPORT_BUSY_S = 60 };

struct transport;
struct eckad_call;

/* status: of the request, or of its one item. reply: NULL unless status is ECKA_OK or the item's.
 */
typedef void eckad_done(void *arg, int status, const char *detail, const struct ecka_reply *reply);

struct eckad_call { /* the caller's storage, and what request points to, until done has run */
    struct ecka_request request;
    eckad_done *done;
    void *arg;
    /* the transport's */
    struct transport *transport;
    struct eckad_call *next;
    uint64_t due_us, give_up_us;
    unsigned attempts;
};

struct transport_options {
    const struct ecka_endpoint *endpoints; /* ECKA_ENDPOINTS_MAX, up to the first without address */
    const char *key_file;                  /* Beta's */
    size_t window;                         /* calls outstanding at a time, at least */
};

/* Says on stderr what is wrong with an option. */
MUST_CHECK bool transport_open(struct transport **out, const struct transport_options *options);
void transport_close(struct transport **transport);

/* Queues a request of one item. */
void transport_call(struct transport *transport, struct eckad_call *call);

/* Sends what is due and waits at most max_ms for answers. */
void transport_poll(struct transport *transport, int max_ms);

#endif
