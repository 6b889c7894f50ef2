#include "bench/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

#include "bench/peer.h"
#include "proto/wire/wire.h"
#include "service/client/keyfile.h"
#include "service/front/frontend.h"

enum {
    KEYS_MAX = 64,
    ARENA_LEN = 2 * WIRE_FRAME_MAX,
    SEND_LIMIT = 65536,
};

struct known_key {
    uint8_t point[EC_POINT_LEN];
    struct peer_key *key;
};

struct server {
    void *context, *router, *zap;
    uint8_t client_key[CURVE_KEY_LEN];
    bool echo;
    size_t keys;
    struct known_key known[KEYS_MAX];
    struct arena arena;
    void *storage;
};

/* -- ZAP (ZeroMQ RFC 27) -- */

enum { ZAP_REQUEST_ID = 1, ZAP_CREDENTIALS = 6, ZAP_FRAMES = 7 };

static void serve_zap(struct server *s)
{
    zmq_msg_t frames[ZAP_FRAMES];
    size_t n = 0;
    do {
        (void)zmq_msg_init(&frames[n]);
        if (zmq_msg_recv(&frames[n], s->zap, 0) < 0) {
            abort();
        }
    } while (zmq_msg_more(&frames[n]) != 0 && ++n < ZAP_FRAMES);
    const bool known = n == ZAP_CREDENTIALS && zmq_msg_size(&frames[n]) == CURVE_KEY_LEN &&
                       memcmp(zmq_msg_data(&frames[n]), s->client_key, CURVE_KEY_LEN) == 0;
    (void)zmq_send(s->zap, "1.0", 3, ZMQ_SNDMORE);
    (void)zmq_msg_send(&frames[ZAP_REQUEST_ID], s->zap, ZMQ_SNDMORE);
    (void)zmq_send(s->zap, known ? "200" : "400", 3, ZMQ_SNDMORE);
    (void)zmq_send(s->zap, "", 0, ZMQ_SNDMORE);
    (void)zmq_send(s->zap, "client", 6, ZMQ_SNDMORE);
    (void)zmq_send(s->zap, "", 0, 0);
    for (size_t i = 0; i <= n && i < ZAP_FRAMES; i++) {
        (void)zmq_msg_close(&frames[i]);
    }
}

/* -- verifying -- */

static struct peer_key *key_of(struct server *s, enum curve curve, const uint8_t *point)
{
    for (size_t i = 0; i < s->keys; i++) {
        if (memcmp(s->known[i].point, point, EC_POINT_LEN) == 0) {
            return s->known[i].key;
        }
    }
    if (s->keys == KEYS_MAX) {
        (void)fprintf(stderr, "eckabench: more than %d keys\n", KEYS_MAX);
        exit(EXIT_FAILURE);
    }
    struct known_key *k = &s->known[s->keys++];
    memcpy(k->point, point, EC_POINT_LEN);
    k->key = peer_key_new(curve, NULL, point);
    return k->key;
}

static void verify(struct server *s, const Ecka__V1__Verify *m, size_t items, uint8_t *status)
{
    const size_t keys = m->public_keys.len / EC_POINT_LEN;
    for (size_t i = 0; i < items; i++) {
        size_t key = keys == 1 ? 0 : i;
        if (m->key_index.len != 0) {
            key = (size_t)load_be(wire_col(&m->key_index, 2, i), 2);
        }
        status[i] = STATUS_BAD_KEY_INDEX;
        if (key < keys) {
            struct peer_key *k =
                key_of(s, (enum curve)m->curve, wire_col(&m->public_keys, EC_POINT_LEN, key));
            const bool valid = peer_verify_raw(k, wire_col(&m->digests, SHA256_LEN, i),
                                               wire_col(&m->signatures, EC_SIGNATURE_LEN, i));
            status[i] = valid ? STATUS_OK : STATUS_SIGNATURE_INVALID;
        }
    }
}

static void answer(struct server *s, zmq_msg_t *identity, struct span frame)
{
    char detail[WIRE_DETAIL_MAX];
    struct wire_request request;
    Ecka__V1__Reply reply = ECKA__V1__REPLY__INIT;
    Ecka__V1__VerifyResult result = ECKA__V1__VERIFY_RESULT__INIT;
    zmq_msg_t body;
    arena_reset(&s->arena);
    reply.status = (uint32_t)wire_request_decode(&s->arena, frame, &request, detail);
    if (request.msg != NULL) {
        reply.id = request.msg->id;
    }
    if (request.msg != NULL && reply.status == STATUS_OK && request.op == WIRE_OP_VERIFY) {
        result.item_status.len = request.items;
        result.item_status.data = arena_alloc(&s->arena, request.items, 1);
        verify(s, request.msg->verify, request.items, result.item_status.data);
        reply.result_case = ECKA__V1__REPLY__RESULT_VERIFY;
        reply.verify = &result;
    } else if (reply.status == STATUS_OK) {
        reply.status = STATUS_UNKNOWN_OPERATION;
    }
    if (zmq_msg_init_size(&body, ecka__v1__reply__get_packed_size(&reply)) != 0) {
        abort();
    }
    (void)ecka__v1__reply__pack(&reply, zmq_msg_data(&body));
    if (zmq_msg_send(identity, s->router, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0 ||
        zmq_msg_send(&body, s->router, ZMQ_DONTWAIT) < 0) {
        (void)zmq_msg_close(&body);
    }
}

/* -- the loop -- */

static bool serve_one(struct server *s)
{
    zmq_msg_t identity, body;
    (void)zmq_msg_init(&identity);
    (void)zmq_msg_init(&body);
    bool got = zmq_msg_recv(&identity, s->router, ZMQ_DONTWAIT) >= 0 &&
               zmq_msg_recv(&body, s->router, ZMQ_DONTWAIT) >= 0;
    if (got && s->echo) {
        (void)zmq_msg_send(&identity, s->router, ZMQ_SNDMORE | ZMQ_DONTWAIT);
        (void)zmq_msg_send(&body, s->router, ZMQ_DONTWAIT);
    } else if (got) {
        answer(s, &identity, span_of(zmq_msg_data(&body), zmq_msg_size(&body)));
    }
    (void)zmq_msg_close(&identity);
    (void)zmq_msg_close(&body);
    return got;
}

_Noreturn static void serve(struct server *s)
{
    zmq_pollitem_t items[] = {{.socket = s->router, .events = ZMQ_POLLIN},
                              {.socket = s->zap, .events = ZMQ_POLLIN}};
    for (;;) {
        if (zmq_poll(items, 2, -1) < 0 && errno != EINTR) {
            exit(EXIT_FAILURE);
        }
        if ((items[1].revents & ZMQ_POLLIN) != 0) {
            serve_zap(s);
        }
        for (int i = 0; i < FRONTEND_BURST && serve_one(s); i++) {
        }
    }
}

static bool set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

static bool open_server(struct server *s, const struct server_options *o)
{
    struct curve_key_pair pair;
    char error[KEYFILE_ERROR_MAX];
    uint8_t secret[CURVE_KEY_LEN];
    if (keyfile_read_pair(o->key_file, &pair, error) != STATUS_OK) {
        (void)fprintf(stderr, "eckabench: %s\n", error);
        return false;
    }
    s->echo = o->echo;
    s->context = zmq_ctx_new();
    s->zap = zmq_socket(s->context, ZMQ_REP);
    s->router = zmq_socket(s->context, ZMQ_ROUTER);
    s->storage = aligned_alloc(16, ARENA_LEN);
    if (s->zap == NULL || s->router == NULL || s->storage == NULL) {
        return false;
    }
    arena_init(&s->arena, s->storage, ARENA_LEN);
    return keyfile_z85_decode(pair.secret_key, secret) &&
           keyfile_z85_decode(o->client_key, s->client_key) &&
           zmq_bind(s->zap, "inproc://zeromq.zap.01") == 0 &&
           frontend_secure_socket(s->router, secret) == STATUS_OK &&
           set_int(s->router, ZMQ_ROUTER_MANDATORY, 1) &&
           set_int(s->router, ZMQ_SNDHWM, SEND_LIMIT) && zmq_bind(s->router, o->endpoint) == 0;
}

int server_run(const struct server_options *options)
{
    static struct server s;
    if (!open_server(&s, options)) {
        (void)fprintf(stderr, "eckabench: no server at %s: %s\n", options->endpoint,
                      zmq_strerror(errno));
        return EXIT_FAILURE;
    }
    (void)fprintf(stderr, "eckabench: ready\n");
    serve(&s);
}
