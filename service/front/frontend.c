/*
 * See frontend.h. The only file of the service that includes zmq.h.
 */
#include "service/front/frontend.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

#include "service/clock.h"
#include "service/dispatch.h"
#include "service/front/monitor.h"
#include "service/observe/log.h"

/* libzmq 4.3.4 has the option but names it in its draft API only. With it, a socket with a ZAP
 * domain refuses peers when no handler is there; without it, it lets them in. */
#ifndef ZMQ_ZAP_ENFORCE_DOMAIN
#define ZMQ_ZAP_ENFORCE_DOMAIN 93
#endif

static const char zap_endpoint[] = "inproc://zeromq.zap.01"; /* ZeroMQ RFC 27 */
static const char zap_domain[] = "eckad";

struct frontend {
    const struct config *config;
    void *context;
    void *router;
    void *zap;
    struct monitor monitor;
    struct door door;
    bool sent;               /* since this was last cleared */
    uint64_t drain_until_us; /* at the earliest; while draining */
    uint64_t not_adopted;    /* policies that were read but had no room */
    bool dispatching;
    struct dispatch dispatch;
};

/* -- options -- */

static bool set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof(value)) == 0;
}

static bool is_int(void *socket, int option, int value)
{
    int kept = -1;
    size_t len = sizeof(kept);
    return zmq_getsockopt(socket, option, &kept, &len) == 0 && len == sizeof(kept) && kept == value;
}

enum status frontend_secure_socket(void *socket, const uint8_t secret_key[static CURVE_KEY_LEN])
{
    if (!set_int(socket, ZMQ_CURVE_SERVER, 1) ||
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret_key, CURVE_KEY_LEN) != 0 ||
        zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, zap_domain, sizeof(zap_domain) - 1) != 0 ||
        !set_int(socket, ZMQ_ZAP_ENFORCE_DOMAIN, 1)) {
        return STATUS_INTERNAL;
    }
    if (!is_int(socket, ZMQ_MECHANISM, ZMQ_CURVE) || !is_int(socket, ZMQ_CURVE_SERVER, 1) ||
        !is_int(socket, ZMQ_ZAP_ENFORCE_DOMAIN, 1)) {
        return STATUS_INTERNAL;
    }
    return STATUS_OK;
}

/* What a client may have in libzmq's queues: FRONTEND_UNREAD_MAX requests that are not yet read,
 * and replies that it does not read, those of a full slab and as many refusals. Beyond these its
 * connection is not read, a reply is dropped, and before long the connection is cut. A peer that
 * does not even answer heartbeats is cut off too, which empties its queues, and so is one whose TCP
 * window stays closed (ZMQ_TCP_MAXRT is TCP_USER_TIMEOUT): no heartbeat gets through to that one.
 */
static bool set_router_options(struct frontend *f)
{
    return set_int(f->router, ZMQ_ROUTER_MANDATORY, 1) &&
           set_int(f->router, ZMQ_HANDSHAKE_IVL, FRONTEND_HANDSHAKE_MS) &&
           set_int(f->router, ZMQ_HEARTBEAT_IVL, FRONTEND_HEARTBEAT_MS) &&
           set_int(f->router, ZMQ_HEARTBEAT_TIMEOUT, FRONTEND_SILENCE_MS) &&
           set_int(f->router, ZMQ_TCP_MAXRT, FRONTEND_SILENCE_MS) &&
           set_int(f->router, ZMQ_LINGER, FRONTEND_LINGER_MS) &&
           set_int(f->router, ZMQ_RCVHWM, FRONTEND_UNREAD_MAX) &&
           set_int(f->router, ZMQ_SNDHWM, FRONTEND_REPLIES_A_JOB * (int)f->config->jobs) &&
           set_int(f->router, ZMQ_IPV6, 1) &&
           zmq_setsockopt(f->router, ZMQ_MAXMSGSIZE, &(int64_t){WIRE_FRAME_MAX}, sizeof(int64_t)) ==
               0;
}

/* -- ZAP: who may connect (ZeroMQ RFC 27) -- */

enum zap_frame {
    ZAP_VERSION,
    ZAP_REQUEST_ID,
    ZAP_DOMAIN,
    ZAP_ADDRESS,
    ZAP_IDENTITY,
    ZAP_MECHANISM,
    ZAP_CREDENTIALS,
    ZAP_FRAMES,
};

static bool frame_is(zmq_msg_t *frame, const char *text)
{
    size_t len = strlen(text);
    return zmq_msg_size(frame) == len && memcmp(zmq_msg_data(frame), text, len) == 0;
}

/* Writes the CURVE key that the request is about as text; false unless everything about it is as it
 * must be and the policy holds the key. */
static bool zap_decide(const struct frontend *f, zmq_msg_t frames[], size_t count,
                       char key[static KEYFILE_Z85_LEN + 1])
{
    if (count != ZAP_FRAMES || !frame_is(&frames[ZAP_VERSION], "1.0") ||
        !frame_is(&frames[ZAP_DOMAIN], zap_domain) || !frame_is(&frames[ZAP_MECHANISM], "CURVE") ||
        zmq_msg_size(&frames[ZAP_CREDENTIALS]) != CURVE_KEY_LEN) {
        return false;
    }
    return zmq_z85_encode(key, zmq_msg_data(&frames[ZAP_CREDENTIALS]), CURVE_KEY_LEN) != NULL &&
           policy_of_key(f->dispatch.policy, key) != NULL;
}

/* The user of the connection is its key: who that is, the policy says anew for each request. */
static void zap_answer(struct frontend *f, zmq_msg_t *request_id, bool admitted, const char *key)
{
    const char *code = admitted ? "200" : "400";
    const char *user = admitted ? key : "";
    if (zmq_send(f->zap, "1.0", 3, ZMQ_SNDMORE) < 0 ||
        zmq_send(f->zap, zmq_msg_data(request_id), zmq_msg_size(request_id), ZMQ_SNDMORE) < 0 ||
        zmq_send(f->zap, code, strlen(code), ZMQ_SNDMORE) < 0 ||
        zmq_send(f->zap, "", 0, ZMQ_SNDMORE) < 0 ||
        zmq_send(f->zap, user, strlen(user), ZMQ_SNDMORE) < 0 || zmq_send(f->zap, "", 0, 0) < 0) {
        LOG(ZAP_UNSENT, "a ZAP answer could not be sent: %s", zmq_strerror(errno));
    }
}

/* Reads a whole message; false when there is none. *count is the frames it had, also beyond max. */
static bool receive(void *socket, zmq_msg_t frames[], size_t max, size_t *count)
{
    zmq_msg_t beyond;
    *count = 0;
    for (;;) {
        zmq_msg_t *frame = *count < max ? &frames[*count] : &beyond;
        (void)zmq_msg_init(frame);
        if (zmq_msg_recv(frame, socket, ZMQ_DONTWAIT) < 0) {
            (void)zmq_msg_close(frame);
            return false; /* messages are atomic: this is so at the first frame only */
        }
        ++*count;
        bool more = zmq_msg_more(frame) != 0;
        if (frame == &beyond) {
            (void)zmq_msg_close(frame);
        }
        if (!more) {
            return true;
        }
    }
}

static void close_frames(zmq_msg_t frames[], size_t count, size_t max)
{
    for (size_t i = 0; i < count && i < max; i++) {
        (void)zmq_msg_close(&frames[i]);
    }
}

static void serve_zap(struct frontend *f)
{
    zmq_msg_t frames[ZAP_FRAMES];
    size_t count;
    while (receive(f->zap, frames, ZAP_FRAMES, &count)) {
        char key[KEYFILE_Z85_LEN + 1];
        bool admitted = zap_decide(f, frames, count, key);
        if (count > ZAP_REQUEST_ID) {
            zap_answer(f, &frames[ZAP_REQUEST_ID], admitted, key);
        }
        if (!admitted) {
            metric_add(&f->dispatch.metrics->refused_connections, 1);
            LOG(CONNECTION_REFUSED,
                "a connection was refused: its CURVE key belongs to no principal");
        }
        close_frames(frames, count, ZAP_FRAMES);
    }
}

/* -- requests and replies -- */

static void reply_gone(void *data, void *job)
{
    (void)data;
    job_return(job);
}

/* A short reply is copied. A long one stays in its job, which is in use until libzmq has let go of
 * it: so what clients leave unread is bounded by the slab. */
static bool make_body(zmq_msg_t *body, const Ecka__V1__Reply *reply, struct job *job, bool *kept)
{
    size_t len = ecka__v1__reply__get_packed_size(reply);
    uint8_t *storage =
        job != NULL && len > FRONTEND_COPIED_MAX ? job_reply_storage(job, len) : NULL;
    *kept = storage != NULL && zmq_msg_init_data(body, storage, len, reply_gone, job) == 0;
    if (!*kept && zmq_msg_init_size(body, len) != 0) {
        LOG(NO_MEMORY, "out of memory for a reply of %zu bytes", len);
        return false;
    }
    (void)ecka__v1__reply__pack(reply, zmq_msg_data(body));
    return true;
}

/* libzmq queues the reply and lets its I/O thread write it; this never waits. A client for which
 * there is no room has left those before unread: it loses its connection, and finds out by that. */
static bool send_reply(void *arg, struct span identity, const Ecka__V1__Reply *reply,
                       struct job *job)
{
    struct frontend *f = arg;
    zmq_msg_t body;
    bool kept;
    if (!make_body(&body, reply, job, &kept)) {
        return false;
    }
    f->sent = true;
    if (zmq_send(f->router, identity.ptr, identity.len, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0 ||
        zmq_msg_send(&body, f->router, ZMQ_DONTWAIT) < 0) {
        int error = errno;
        (void)zmq_msg_close(&body);
        if (reply->id == 0 && reply->status == STATUS_DRAINING) {
            return kept; /* a client that has left since */
        }
        metric *unsendable = &f->dispatch.metrics->unsendable;
        metric_add(unsendable, 1);
        LOG(REPLY_UNSENT, "a reply could not be sent: %s (%llu so far)", zmq_strerror(error),
            (unsigned long long)metric_get(unsendable));
        if (error == EAGAIN) {
            monitor_lost_reply(&f->monitor, identity, clock_us());
        }
    }
    return kept;
}

/* The connection's key, as our own ZAP handler said; NULL where it said nothing. */
static const char *key_of(zmq_msg_t *frame)
{
    const char *user = zmq_msg_gets(frame, "User-Id");
    return user != NULL && strlen(user) == KEYFILE_Z85_LEN ? user : NULL;
}

/* A principal has the same share of connections as of jobs. One whose key is in no policy any more
 * is a stranger again. */
static void note_asker(struct frontend *f, zmq_msg_t *frame, struct span identity, const char *key)
{
    const struct policy_principal *principal = policy_of_key(f->dispatch.policy, key);
    if (principal != NULL) {
        const struct job_slab *slab = &f->dispatch.slab;
        size_t limit = f->monitor.connections.limit;
        size_t most =
            (slab->share[principal->number] * limit + slab->capacity - 1) / slab->capacity;
        monitor_asked(&f->monitor, frame, identity, principal->number, (unsigned)most);
    }
}

static void serve_request(struct frontend *f, zmq_msg_t frames[], size_t count)
{
    enum { IDENTITY, BODY, FRAMES };
    const char *key = count > BODY ? key_of(&frames[BODY]) : NULL;
    if (key == NULL) {
        LOG(SENDER_UNKNOWN, "a message without an authenticated sender was dropped");
        return;
    }
    struct span identity =
        span_of(zmq_msg_data(&frames[IDENTITY]), zmq_msg_size(&frames[IDENTITY]));
    struct span body = span_of(zmq_msg_data(&frames[BODY]), zmq_msg_size(&frames[BODY]));
    note_asker(f, &frames[BODY], identity, key);
    if (count != FRAMES) {
        Ecka__V1__Reply reply = ECKA__V1__REPLY__INIT;
        char detail[] = "a request is one frame, this message has more";
        reply.status = STATUS_BAD_REQUEST;
        reply.detail = detail;
        (void)send_reply(f, identity, &reply, NULL);
        return;
    }
    dispatch_request(&f->dispatch, key, identity, body, clock_us());
}

/* Reads what is there, FRONTEND_BURST requests at most; true when there may be more. */
static bool serve_router(struct frontend *f)
{
    zmq_msg_t frames[2];
    size_t count;
    for (int i = 0; i < FRONTEND_BURST; i++) {
        if (!receive(f->router, frames, 2, &count)) {
            return false;
        }
        serve_request(f, frames, count);
        close_frames(frames, count, 2);
    }
    return true;
}

/* -- the loop -- */

/* Everything accepted is answered, and what was on its way when the drain began was told. */
static bool is_drained(const struct frontend *f)
{
    return f->dispatch.draining && dispatch_idle(&f->dispatch) && clock_us() >= f->drain_until_us;
}

/* Milliseconds until something is due, rounded up; -1: until something happens. */
static int poll_timeout_ms(const struct frontend *f, uint64_t now_us)
{
    uint64_t next = dispatch_next_us(&f->dispatch);
    if (f->dispatch.draining && next > f->drain_until_us && now_us < f->drain_until_us) {
        next = f->drain_until_us;
    }
    if (next == UINT64_MAX) {
        return -1;
    }
    return next <= now_us ? 0 : (int)((next - now_us + US_PER_MS - 1) / US_PER_MS);
}

/* A socket's descriptor tells only that something happened since the socket was last used, so it is
 * waited on after a look that found nothing. Sending counts as a use: after a reply one looks
 * again.
 */
static int descriptor_of(void *socket)
{
    int fd = -1;
    size_t len = sizeof(fd);
    return zmq_getsockopt(socket, ZMQ_FD, &fd, &len) == 0 ? fd : -1;
}

/* What the thread that reads policies has. */
static void take_policy(struct frontend *f, struct reload *reload)
{
    char error[CONFIG_ERROR_MAX] = "";
    struct metrics *m = f->dispatch.metrics;
    uint64_t failed = 0;
    struct policy *policy = reload_take(reload, &failed);
    bool adopted = false;
    if (policy != NULL) {
        adopted = dispatch_adopt(&f->dispatch, policy, clock_us(), error) == STATUS_OK;
        f->not_adopted += !adopted;
        policy_drop(&policy);
        if (!adopted) {
            LOG_ABOUT(POLICY_REFUSED, f->config->policy,
                      "policy not reloaded, the one in force stays: %s", error);
        }
    }
    metric_set(&m->policy_reloads_failed, failed + f->not_adopted);
    metric_set(&m->policy_failed, !adopted);
}

void frontend_run(struct frontend *f, int stop_fd, struct reload *reload)
{
    enum { ROUTER, ZAP, DONE, STOP, POLICY, MONITOR, POLLED };
    struct pollfd items[POLLED] = {
        [ROUTER] = {.fd = descriptor_of(f->router), .events = POLLIN},
        [ZAP] = {.fd = descriptor_of(f->zap), .events = POLLIN},
        [DONE] = {.fd = f->dispatch.done.fd, .events = POLLIN},
        [STOP] = {.fd = stop_fd, .events = POLLIN},
        [MONITOR] = {.fd = descriptor_of(f->monitor.events), .events = POLLIN},
        [POLICY] = {.fd = reload != NULL ? reload_fd(reload) : -1, .events = POLLIN},
    };
    /* Last of all threads, because a thread starts on the cores of the one that starts it. */
    const struct config_cores *cores = &f->config->cores;
    struct place place = place_of(cores->frontend, cores->frontend != NULL, "eckad", 0);
    place_here(&place);
    serve_zap(f);
    monitor_take(&f->monitor);
    bool again = true; /* something may be there that no descriptor shows */
    for (unsigned round = 0; !is_drained(f); round++) {
        if (!again || round % FRONTEND_POLL_EVERY == 0) {
            int timeout_ms = again ? 0 : poll_timeout_ms(f, clock_us());
            if (poll(items, POLLED, timeout_ms) < 0 && errno != EINTR) {
                LOG(POLL_FAILED, "poll: %s", strerror(errno));
                return;
            }
            if (items[DONE].revents != 0) {
                wake_take(&f->dispatch.done);
            }
            if (items[ZAP].revents != 0) {
                serve_zap(f);
            }
            if (items[MONITOR].revents != 0) {
                monitor_take(&f->monitor);
            }
            if (items[POLICY].revents != 0) {
                take_policy(f, reload);
            }
            if (items[STOP].revents != 0) {
                LOG(DRAINING, "draining");
                f->drain_until_us = clock_us() + (uint64_t)FRONTEND_DRAIN_MS * US_PER_MS;
                dispatch_drain(&f->dispatch);
                items[STOP].fd = -1; /* it stays readable and has said what it had to say */
                items[STOP].revents = 0;
            }
        }
        f->sent = false;
        again = serve_router(f);
        dispatch_run(&f->dispatch, clock_us());
        again = again || f->sent;
    }
    (void)serve_router(f); /* DRAINING for what came in with the last batch */
}

/* -- start and end -- */

/* libzmq takes both before the first socket, and then starts its threads. */
static bool place_io_threads(struct frontend *f)
{
    const struct config_cores *cores = &f->config->cores;
    int threads = f->config->io_threads > 0 ? (int)f->config->io_threads : 1;
    bool ok = zmq_ctx_set(f->context, ZMQ_IO_THREADS, threads) == 0;
    for (unsigned i = 0; ok && i < cores->io_count; i++) {
        ok = zmq_ctx_set(f->context, ZMQ_THREAD_AFFINITY_CPU_ADD, (int)cores->io[i]) == 0;
    }
    return ok;
}

static enum status open_sockets(struct frontend *f, const uint8_t secret_key[static CURVE_KEY_LEN],
                                char error[static CONFIG_ERROR_MAX])
{
    if (door_init(&f->door) != STATUS_OK) {
        (void)snprintf(error, CONFIG_ERROR_MAX,
                       "libzmq's accept4 is not eckad's; refusing to listen");
        return STATUS_INTERNAL;
    }
    f->context = zmq_ctx_new();
    if (f->context != NULL && !place_io_threads(f)) {
        (void)snprintf(error, CONFIG_ERROR_MAX, "libzmq's threads cannot be placed: %s",
                       zmq_strerror(errno));
        return STATUS_INTERNAL;
    }
    f->zap = f->context != NULL ? zmq_socket(f->context, ZMQ_REP) : NULL;
    f->router = f->context != NULL ? zmq_socket(f->context, ZMQ_ROUTER) : NULL;
    if (f->zap == NULL || f->router == NULL || !set_int(f->zap, ZMQ_LINGER, 0) ||
        zmq_bind(f->zap, zap_endpoint) != 0) {
        (void)snprintf(error, CONFIG_ERROR_MAX, "ZeroMQ does not start: %s", zmq_strerror(errno));
        return STATUS_INTERNAL;
    }
    if (frontend_secure_socket(f->router, secret_key) != STATUS_OK) {
        (void)snprintf(error, CONFIG_ERROR_MAX,
                       "this libzmq does not enforce authentication; refusing to listen");
        return STATUS_INTERNAL;
    }
    if (!set_router_options(f) ||
        monitor_open(&f->monitor, f->context, f->router, &f->door, f->config->connections,
                     config_descriptors(f->config, f->config->connections)) != STATUS_OK) {
        (void)snprintf(error, CONFIG_ERROR_MAX, "a socket option is refused: %s",
                       zmq_strerror(errno));
        return STATUS_INTERNAL;
    }
    return STATUS_OK;
}

/* Last of all: from here on clients come in. */
static enum status listen_all(struct frontend *f, char error[static CONFIG_ERROR_MAX])
{
    for (unsigned i = 0; i < f->config->listen_count; i++) {
        if (zmq_bind(f->router, f->config->listen[i]) != 0) {
            (void)snprintf(error, CONFIG_ERROR_MAX, "listen: %.300s: %s", f->config->listen[i],
                           zmq_strerror(errno));
            return STATUS_BAD_REQUEST;
        }
        monitor_take(&f->monitor); /* zmq_bind has told of the socket */
        if (f->door.listeners != i + 1) {
            (void)snprintf(error, CONFIG_ERROR_MAX, "listen: %.300s cannot be watched",
                           f->config->listen[i]);
            return STATUS_INTERNAL;
        }
        LOG_ABOUT(LISTENING, f->config->listen[i], "listening on %s", f->config->listen[i]);
    }
    return STATUS_OK;
}

enum status frontend_new(struct frontend **out, const struct config *config, struct policy *policy,
                         const uint8_t secret_key[static CURVE_KEY_LEN],
                         char error[static CONFIG_ERROR_MAX])
{
    *out = NULL;
    struct frontend *f = calloc(1, sizeof(*f));
    if (f == NULL) {
        (void)snprintf(error, CONFIG_ERROR_MAX, "out of memory");
        return STATUS_INTERNAL;
    }
    f->config = config;
    enum status s = open_sockets(f, secret_key, error);
    if (s == STATUS_OK) {
        f->dispatching = true;
        s = dispatch_init(&f->dispatch, config, policy, send_reply, f);
        if (s != STATUS_OK) {
            (void)snprintf(error, CONFIG_ERROR_MAX, "threads or memory are not to be had");
        }
        f->monitor.metrics = f->door.metrics = f->dispatch.metrics;
    }
    if (s == STATUS_OK) {
        s = listen_all(f, error);
    }
    if (s != STATUS_OK) {
        frontend_free(&f);
        return s;
    }
    *out = f;
    return STATUS_OK;
}

const struct metrics *frontend_metrics(const struct frontend *f)
{
    return f->dispatch.metrics;
}

void frontend_free(struct frontend **frontend)
{
    struct frontend *f = *frontend;
    if (f == NULL) {
        return;
    }
    monitor_close(&f->monitor);
    door_fini(&f->door);
    if (f->router != NULL) {
        (void)zmq_close(f->router);
    }
    if (f->zap != NULL) {
        (void)zmq_close(f->zap);
    }
    if (f->context != NULL) {
        while (zmq_ctx_term(f->context) != 0 && errno == EINTR) {
        }
    }
    if (f->dispatching) { /* last: replies on their way lie in its jobs */
        dispatch_fini(&f->dispatch);
    }
    free(f);
    *frontend = NULL;
}
