#include "smsr/transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

#include "smsr/clock.h"
#include "smsr/party_keys.h"
#include "smsr/random.h"

/* libzmq 4.3.4 has the option but names it in its draft API only. With it, a socket with a ZAP
 * domain refuses everybody when no handler answers; without it, it would let everybody in. */
#ifndef ZMQ_ZAP_ENFORCE_DOMAIN
#define ZMQ_ZAP_ENFORCE_DOMAIN 93
#endif

static const char zap_endpoint[] = "inproc://zeromq.zap.01"; /* ZeroMQ RFC 27 */
static const char zap_domain[] = "smsr";

enum {
    SOCKETS_MAX = 32, /* peers and those that have asked to be answered */
    SEND_HWM = 20000, /* messages that wait for one peer to read */
    LINGER_MS = 200,  /* for the last ones to leave */
    RECONNECT_MS = 50,
    RETRY_MS = 5,
    HANDSHAKE_MS = 5000, /* for a peer to prove its key */
    WAITING_MAX = 10000,
    WAITING_US = 1000000, /* then its party has said it again, or will */
    PER_MILLE = 1000,
};

struct peer {
    enum party party;
    char endpoint[REPLY_TO_MAX];
    void *socket;
};

struct waiting { /* a message whose peer is not connected yet */
    struct waiting *next;
    uint64_t give_up_us;
    enum party to;
    char endpoint[REPLY_TO_MAX];
    size_t len;
    uint8_t bytes[];
};

struct transport {
    struct waiting *waiting;
    size_t waiting_count;
    void *context, *zap, *pull;
    struct party_keys *keys;
    enum party self;
    const char *listen;
    struct peer sockets[SOCKETS_MAX];
    size_t count;
    const char *peers[PARTY_COUNT][TRANSPORT_PEERS_MAX];
    size_t turn[PARTY_COUNT];
    unsigned lose_per_mille;
    uint64_t random;
};

static bool local(const char *endpoint)
{
    static const char *const prefixes[] = {"ipc://", "tcp://127.0.0.1:", "tcp://[::1]:"};
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        if (strncmp(endpoint, prefixes[i], strlen(prefixes[i])) == 0) {
            return strlen(endpoint) < REPLY_TO_MAX;
        }
    }
    return false;
}

static bool complain(const char *what, const char *endpoint, const char *why)
{
    fprintf(stderr, "smsr-change: %s %s: %s\n", what, endpoint, why);
    return false;
}

static bool set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof(value)) == 0;
}

static bool is_int(void *socket, int option, int value)
{
    int kept = -1;
    size_t len = sizeof(kept);
    return zmq_getsockopt(socket, option, &kept, &len) == 0 && kept == value;
}

/* What libzmq does not say it has taken, it is not trusted with. */
static bool let_in_by_key(struct transport *t)
{
    return zmq_bind(t->zap, zap_endpoint) == 0 && set_int(t->pull, ZMQ_CURVE_SERVER, 1) &&
           zmq_setsockopt(t->pull, ZMQ_CURVE_SECRETKEY, t->keys->own.secret_key,
                          KEYFILE_Z85_SIZE) == 0 &&
           zmq_setsockopt(t->pull, ZMQ_ZAP_DOMAIN, zap_domain, sizeof(zap_domain) - 1) == 0 &&
           set_int(t->pull, ZMQ_ZAP_ENFORCE_DOMAIN, 1) &&
           is_int(t->pull, ZMQ_MECHANISM, ZMQ_CURVE) && is_int(t->pull, ZMQ_CURVE_SERVER, 1) &&
           is_int(t->pull, ZMQ_ZAP_ENFORCE_DOMAIN, 1);
}

static bool open_pull(struct transport *t)
{
    const int64_t max_message = MESSAGE_BYTES_MAX;
    t->context = zmq_ctx_new();
    t->zap = t->context != NULL ? zmq_socket(t->context, ZMQ_REP) : NULL;
    t->pull = t->zap != NULL ? zmq_socket(t->context, ZMQ_PULL) : NULL;
    return t->pull != NULL && set_int(t->pull, ZMQ_RCVHWM, SEND_HWM) &&
           set_int(t->pull, ZMQ_IPV6, 1) && set_int(t->pull, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS) &&
           zmq_setsockopt(t->pull, ZMQ_MAXMSGSIZE, &max_message, sizeof(max_message)) == 0 &&
           let_in_by_key(t);
}

/* Whether there is a key for each party that something is to be sent to. */
static bool knows_peers(const struct transport *t, const char *dir)
{
    for (enum party p = PARTY_OPERATOR; p < PARTY_COUNT; p++) {
        if (t->peers[p][0] != NULL && t->keys->of[p][0] == '\0') {
            return complain("keys", dir, "has none of a party that is spoken to");
        }
    }
    return true;
}

bool transport_open(struct transport **out, const struct transport_options *options)
{
    struct transport *t = calloc(1, sizeof(*t));
    *out = t;
    if (t == NULL) {
        return false;
    }
    memcpy(t->peers, options->peers, sizeof(t->peers));
    t->listen = options->listen;
    t->self = options->self;
    t->lose_per_mille = options->lose_per_mille;
    t->random = options->seed;
    bool ok = (local(options->listen) ||
               complain("listen", options->listen, "neither ipc nor loopback")) &&
              party_keys_read(&t->keys, options->keys, options->self) &&
              knows_peers(t, options->keys) &&
              (open_pull(t) || complain("listen", options->listen, "no CURVE")) &&
              (zmq_bind(t->pull, options->listen) == 0 ||
               complain("listen", options->listen, zmq_strerror(zmq_errno())));
    if (!ok) {
        transport_close(out);
    }
    return ok;
}

void transport_close(struct transport **transport)
{
    if (*transport == NULL) {
        return;
    }
    while ((*transport)->waiting != NULL) {
        struct waiting *w = (*transport)->waiting;
        (*transport)->waiting = w->next;
        free(w);
    }
    for (size_t i = 0; i < (*transport)->count; i++) {
        (void)zmq_close((*transport)->sockets[i].socket);
    }
    if ((*transport)->pull != NULL) {
        (void)zmq_close((*transport)->pull);
    }
    if ((*transport)->zap != NULL) {
        (void)zmq_close((*transport)->zap);
    }
    if ((*transport)->context != NULL) {
        (void)zmq_ctx_term((*transport)->context);
    }
    party_keys_free(&(*transport)->keys);
    free(*transport);
    *transport = NULL;
}

/* To whoever proves that it has a party's key. */
static void *connect_to(struct transport *t, enum party to, const char *endpoint)
{
    const struct curve_key_pair *own = &t->keys->own;
    void *socket = zmq_socket(t->context, ZMQ_PUSH);
    /* immediate: nothing queues for a peer that is not there, so that another one gets it. */
    bool ok = socket != NULL && set_int(socket, ZMQ_SNDHWM, SEND_HWM) &&
              set_int(socket, ZMQ_LINGER, LINGER_MS) &&
              set_int(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS) &&
              set_int(socket, ZMQ_IMMEDIATE, 1) && set_int(socket, ZMQ_IPV6, 1) &&
              set_int(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS) &&
              zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, t->keys->of[to], KEYFILE_Z85_SIZE) == 0 &&
              zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, own->public_key, KEYFILE_Z85_SIZE) == 0 &&
              zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, own->secret_key, KEYFILE_Z85_SIZE) == 0 &&
              is_int(socket, ZMQ_MECHANISM, ZMQ_CURVE) && zmq_connect(socket, endpoint) == 0;
    if (!ok && socket != NULL) {
        (void)zmq_close(socket);
    }
    return ok ? socket : NULL;
}

static void *socket_to(struct transport *t, enum party to, const char *endpoint)
{
    for (size_t i = 0; i < t->count; i++) {
        if (t->sockets[i].party == to && strcmp(t->sockets[i].endpoint, endpoint) == 0) {
            return t->sockets[i].socket;
        }
    }
    if (t->count == SOCKETS_MAX || !local(endpoint) || t->keys->of[to][0] == '\0') {
        return NULL;
    }
    struct peer *p = &t->sockets[t->count];
    p->socket = connect_to(t, to, endpoint);
    if (p->socket == NULL) {
        return NULL;
    }
    p->party = to;
    (void)snprintf(p->endpoint, sizeof(p->endpoint), "%s", endpoint);
    t->count++;
    return p->socket;
}

static bool push(struct transport *t, enum party to, const char *endpoint, struct span bytes)
{
    void *socket = socket_to(t, to, endpoint);
    return socket != NULL && zmq_send(socket, bytes.ptr, bytes.len, ZMQ_DONTWAIT) >= 0;
}

/* To the one that asked; when it is gone, or nobody did, to one that plays the party. */
static bool push_out(struct transport *t, enum party to, const char *endpoint, struct span bytes)
{
    if (endpoint[0] != '\0' && push(t, to, endpoint, bytes)) {
        return true;
    }
    size_t count = 0;
    while (count < TRANSPORT_PEERS_MAX && t->peers[to][count] != NULL) {
        count++;
    }
    for (size_t i = 0; i < count; i++) {
        if (push(t, to, t->peers[to][t->turn[to]++ % count], bytes)) {
            return true;
        }
    }
    return false;
}

static void wait_for_peer(struct transport *t, const struct message *m, struct span bytes)
{
    struct waiting *w = t->waiting_count < WAITING_MAX ? malloc(sizeof(*w) + bytes.len) : NULL;
    if (w == NULL) {
        return; /* lost */
    }
    w->give_up_us = clock_us() + WAITING_US;
    w->to = m->to;
    memcpy(w->endpoint, m->reply_to, sizeof(w->endpoint));
    w->len = bytes.len;
    memcpy(w->bytes, bytes.ptr, bytes.len);
    w->next = t->waiting;
    t->waiting = w;
    t->waiting_count++;
}

/* Tries what waits once more, and drops what has waited too long. */
static void flush_waiting(struct transport *t)
{
    uint64_t now_us = t->waiting != NULL ? clock_us() : 0;
    for (struct waiting **at = &t->waiting; *at != NULL;) {
        struct waiting *w = *at;
        if (w->give_up_us <= now_us || push_out(t, w->to, w->endpoint, span_of(w->bytes, w->len))) {
            *at = w->next;
            t->waiting_count--;
            free(w);
        } else {
            at = &w->next;
        }
    }
}

void transport_send(struct transport *t, const struct message *m)
{
    uint8_t bytes[MESSAGE_BYTES_MAX];
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct message out = *m;
    (void)snprintf(out.reply_to, sizeof(out.reply_to), "%s", t->listen);
    if (message_put(&w, &out) != STATUS_OK ||
        random_below(&t->random, PER_MILLE) < t->lose_per_mille) {
        return;
    }
    if (!push_out(t, m->to, m->reply_to, writer_span(&w))) {
        wait_for_peer(t, m, writer_span(&w));
    }
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

enum { ZAP_FRAME_MAX = 256 };

struct zap_request {
    size_t count;
    uint8_t bytes[ZAP_FRAMES][ZAP_FRAME_MAX];
    size_t len[ZAP_FRAMES];
};

/* Reads a whole request; false when there is none. A frame that is too long counts as too many. */
static bool take_request(void *zap, struct zap_request *r)
{
    uint8_t beyond[ZAP_FRAME_MAX];
    int more = 1;
    size_t size = sizeof(more);
    memset(r, 0, sizeof(*r));
    while (more != 0) {
        bool fits = r->count < ZAP_FRAMES;
        int len = zmq_recv(zap, fits ? r->bytes[r->count] : beyond, ZAP_FRAME_MAX, ZMQ_DONTWAIT);
        if (len < 0 || zmq_getsockopt(zap, ZMQ_RCVMORE, &more, &size) != 0) {
            return false; /* messages are atomic: this is so at the first frame only */
        }
        if (fits) {
            r->len[r->count] = len < ZAP_FRAME_MAX ? (size_t)len : ZAP_FRAME_MAX;
        }
        r->count += fits && len <= ZAP_FRAME_MAX ? 1 : ZAP_FRAMES;
    }
    return true;
}

static bool frame_is(const struct zap_request *r, enum zap_frame frame, const char *text)
{
    return span_eq(span_of(r->bytes[frame], r->len[frame]), span_of(text, strlen(text)));
}

/* The party whose key it is; PARTY_COUNT: nobody's. */
static enum party zap_decide(const struct transport *t, const struct zap_request *r)
{
    char key[KEYFILE_Z85_SIZE];
    if (r->count != ZAP_FRAMES || !frame_is(r, ZAP_VERSION, "1.0") ||
        !frame_is(r, ZAP_DOMAIN, zap_domain) || !frame_is(r, ZAP_MECHANISM, "CURVE") ||
        r->len[ZAP_CREDENTIALS] != CURVE_KEY_LEN ||
        zmq_z85_encode(key, r->bytes[ZAP_CREDENTIALS], CURVE_KEY_LEN) == NULL) {
        return PARTY_COUNT;
    }
    return party_keys_whose(t->keys, key);
}

/* The user of a connection is its party. */
static void serve_zap(struct transport *t)
{
    struct zap_request r;
    while (take_request(t->zap, &r)) {
        enum party party = zap_decide(t, &r);
        const char *code = party != PARTY_COUNT ? "200" : "400";
        const char *user = party != PARTY_COUNT ? party_keys_name(party) : "";
        if (party == PARTY_COUNT) {
            (void)complain("listen", t->listen, "a connection was refused: its key is no party's");
        }
        bool ok =
            zmq_send(t->zap, "1.0", 3, ZMQ_SNDMORE) >= 0 &&
            zmq_send(t->zap, r.bytes[ZAP_REQUEST_ID], r.len[ZAP_REQUEST_ID], ZMQ_SNDMORE) >= 0 &&
            zmq_send(t->zap, code, strlen(code), ZMQ_SNDMORE) >= 0 &&
            zmq_send(t->zap, "", 0, ZMQ_SNDMORE) >= 0 &&
            zmq_send(t->zap, user, strlen(user), ZMQ_SNDMORE) >= 0 &&
            zmq_send(t->zap, "", 0, 0) >= 0;
        if (!ok) {
            (void)complain("listen", t->listen, zmq_strerror(zmq_errno()));
        }
    }
}

/* -- receiving -- */

/* Whether it is a message, and from the party whose key its connection has proven. */
static bool take(struct transport *t, zmq_msg_t *frame, struct message *out)
{
    struct span bytes = span_of(zmq_msg_data(frame), zmq_msg_size(frame));
    const char *user = zmq_msg_gets(frame, "User-Id");
    if (message_parse(bytes, out) != STATUS_OK) {
        return complain("listen", t->listen, "what came is no message");
    }
    const char *from = party_keys_name(out->from);
    if (user == NULL || from == NULL || strcmp(user, from) != 0) {
        return complain("listen", t->listen, "a message says that it is from another party");
    }
    if (out->to != t->self || !message_fits(out)) {
        return complain("listen", t->listen, "a message is not that party's to say here");
    }
    return true;
}

bool transport_receive(struct transport *t, struct message *out)
{
    bool taken = false;
    zmq_msg_t frame;
    (void)zmq_msg_init(&frame);
    while (!taken && zmq_msg_recv(&frame, t->pull, ZMQ_DONTWAIT) >= 0) {
        taken = take(t, &frame, out);
    }
    (void)zmq_msg_close(&frame);
    return taken;
}

void transport_wait(struct transport *t, int fd, int timeout_ms)
{
    flush_waiting(t);
    if (t->waiting != NULL && timeout_ms > RETRY_MS) {
        timeout_ms = RETRY_MS;
    }
    zmq_pollitem_t items[] = {
        {t->pull, 0, ZMQ_POLLIN, 0}, {t->zap, 0, ZMQ_POLLIN, 0}, {NULL, fd, ZMQ_POLLIN, 0}};
    (void)zmq_poll(items, fd >= 0 ? 3 : 2, timeout_ms); /* a signal ends it, too */
    serve_zap(t);
}
