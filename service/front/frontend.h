/*
 * The sockets: a CURVE ROUTER for clients, and the ZAP handler that says who may connect.
 *
 * Both live on one thread, which also owns the dispatcher. Authentication fails closed: the ZAP
 * handler is bound before the ROUTER, enforcement is set and read back, and a connection whose
 * CURVE key is in no principal gets nowhere; where no handler answers, nobody does. A connection is
 * remembered by its key, and each request asks the policy whose that is. Only this file's
 * implementation knows ZeroMQ.
 */
#ifndef SERVICE_FRONTEND_H
#define SERVICE_FRONTEND_H

#include "service/config.h"
#include "service/observe/metrics.h"
#include "service/policy/reload.h"

enum {
    FRONTEND_HANDSHAKE_MS = 5000, /* a connection that is not through by then is cut */
    FRONTEND_DRAIN_MS = 100,      /* a drain lasts so long, for requests that are on their way */
    FRONTEND_LINGER_MS = 2000,    /* for replies underway when the service ends */
    FRONTEND_HEARTBEAT_MS = 10000,
    FRONTEND_SILENCE_MS = 30000, /* after a heartbeat */
    FRONTEND_UNREAD_MAX = 32,    /* requests of one connection */
    FRONTEND_REPLIES_A_JOB = 2,  /* replies of one connection, a job of the slab */
    FRONTEND_COPIED_MAX = 4096,  /* bytes of a reply that leaves its job at once */
    FRONTEND_BURST = 64,         /* frames read before batches get their turn */
    FRONTEND_POLL_EVERY = 16,    /* turns under load between two looks at ZAP and signals */
};

struct frontend;

/*
 * Sockets bound and threads started: clients may connect. BAD_REQUEST or INTERNAL with a sentence.
 * secret_key is not kept: libzmq holds its own copy. The policy is held.
 */
MUST_CHECK enum status frontend_new(struct frontend **out, const struct config *config,
                                    struct policy *policy,
                                    const uint8_t secret_key[static CURVE_KEY_LEN],
                                    char error[static CONFIG_ERROR_MAX]);

/* What it counts, while it lives; for any thread. */
const struct metrics *frontend_metrics(const struct frontend *f);

/* Serves until stop_fd is readable, then answers what was accepted. Takes the policies that reload
 * has; NULL: the first one stays in force. */
void frontend_run(struct frontend *f, int stop_fd, struct reload *reload);

/* Waits FRONTEND_LINGER_MS at most for replies to leave, then ends sockets and threads. */
void frontend_free(struct frontend **f);

/*
 * Makes a socket (libzmq's, a void *) a CURVE server whose peers only a ZAP handler lets in. For
 * frontend_new, and for the test that shows what happens without a handler. INTERNAL when libzmq
 * takes an option but does not keep it.
 */
MUST_CHECK enum status frontend_secure_socket(void *socket,
                                              const uint8_t secret_key[static CURVE_KEY_LEN]);

#endif
