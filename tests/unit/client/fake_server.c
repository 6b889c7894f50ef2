#include "tests/unit/client/fake_server.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "proto/wire/wire.h"
#include "service/client/ecka.h"

enum { ARENA_SIZE = 2 * WIRE_FRAME_MAX, REVERSED = 3, HELD_MAX = 64, IDENTITY_MAX = 255 };

static const char stop_command = 'S', goaway_command = 'G', release_command = 'R';
static const uint64_t probe_id = (uint64_t)1 << 63;

struct held {
    uint8_t identity[IDENTITY_MAX];
    int identity_len;
    uint64_t id;
    uint32_t items;
    enum wire_op op;
    uint8_t status[WIRE_VERIFY_ITEMS_MAX + 1];
};

/* -- sending -- */

static void send_bytes(struct fake_server *s, const struct held *to, const void *data, size_t len)
{
    (void)zmq_send(s->router, to->identity, (size_t)to->identity_len, ZMQ_SNDMORE);
    (void)zmq_send(s->router, data, len, 0);
}

static void send_reply(struct fake_server *s, const struct held *to, const Ecka__V1__Reply *reply)
{
    uint8_t frame[8192];
    assert_true(ecka__v1__reply__get_packed_size(reply) <= sizeof frame);
    send_bytes(s, to, frame, ecka__v1__reply__pack(reply, frame));
}

static void answer_verify(struct fake_server *s, struct held *h, size_t items)
{
    Ecka__V1__VerifyResult result = ECKA__V1__VERIFY_RESULT__INIT;
    Ecka__V1__Reply reply = ECKA__V1__REPLY__INIT;
    result.item_status = (ProtobufCBinaryData){items, h->status};
    reply.id = h->id;
    reply.result_case = ECKA__V1__REPLY__RESULT_VERIFY;
    reply.verify = &result;
    send_reply(s, h, &reply);
}

static void answer_info(struct fake_server *s, const struct held *h)
{
    uint8_t sr_key[32] = {0xA5}, eum[32] = {0x5A};
    ProtobufCBinaryData sr_keys[] = {{sizeof sr_key, sr_key}}, eums[] = {{sizeof eum, eum}};
    Ecka__V1__Curve curves[] = {ECKA__V1__CURVE__P256, ECKA__V1__CURVE__FRP256V1};
    Ecka__V1__CustodianInfo custodian = ECKA__V1__CUSTODIAN_INFO__INIT;
    Ecka__V1__CustodianInfo *custodians[] = {&custodian};
    Ecka__V1__InfoResult info = ECKA__V1__INFO_RESULT__INIT;
    Ecka__V1__Reply reply = ECKA__V1__REPLY__INIT;
    char name[] = "c1", version[] = "1.2.3", principal[] = "beta";
    custodian.name = name;
    custodian.up = 1;
    custodian.n_sr_key_ids = 1;
    custodian.sr_key_ids = sr_keys;
    custodian.restarts = 7;
    info.version = version;
    info.principal = principal;
    info.n_curves = 2;
    info.curves = curves;
    info.n_custodians = 1;
    info.custodians = custodians;
    info.n_eum_ids = 1;
    info.eum_ids = eums;
    reply.id = h->id;
    reply.result_case = ECKA__V1__REPLY__RESULT_INFO;
    reply.info = &info;
    send_reply(s, h, &reply);
}

static void answer_failure(struct fake_server *s, const struct held *to, uint64_t id, int status)
{
    char detail[] = "so it was told";
    Ecka__V1__Reply reply = ECKA__V1__REPLY__INIT;
    reply.id = id;
    reply.status = (uint32_t)status;
    reply.detail = detail;
    reply.retry_after_us = s->retry_after_us;
    send_reply(s, to, &reply);
}

static void answer(struct fake_server *s, struct held *h)
{
    if (h->op == WIRE_OP_INFO) {
        answer_info(s, h);
    } else {
        answer_verify(s, h, h->items);
    }
}

/* -- receiving -- */

static void hold(struct fake_server *s, const struct held *h)
{
    assert_true(s->held_count < HELD_MAX);
    s->held[s->held_count++] = *h;
}

static void release(struct fake_server *s)
{
    for (size_t i = 0; i < s->held_count; i++) {
        answer(s, &s->held[i]);
    }
    s->held_count = 0;
}

static void answer_reversed(struct fake_server *s)
{
    while (s->held_count != 0) {
        answer(s, &s->held[--s->held_count]);
    }
}

static void behave(struct fake_server *s, struct held *h)
{
    struct held stranger = *h;
    enum behaviour behaviour = s->behaviour;
    switch (behaviour) {
    case ANSWER:
        answer(s, h);
        break;
    case ANSWER_REVERSED:
        hold(s, h);
        if (s->held_count == REVERSED) {
            answer_reversed(s);
        }
        break;
    case LATE:
        hold(s, h);
        if (s->held_count == 2) {
            release(s);
        }
        break;
    case HOLD:
        if (h->op == WIRE_OP_INFO) {
            answer(s, h);
        } else {
            hold(s, h);
        }
        break;
    case TWICE:
        answer(s, h);
        answer(s, h);
        break;
    case WRONG_COUNT:
        answer_verify(s, h, h->items + 1);
        break;
    case WRONG_RESULT:
        answer_info(s, h);
        break;
    case GARBAGE_FIRST:
        send_bytes(s, h, "\xff\xff\xff", 3);
        stranger.id += 12345;
        answer(s, &stranger);
        answer(s, h);
        break;
    case FAIL:
        if (h->op == WIRE_OP_INFO) {
            answer(s, h);
        } else {
            answer_failure(s, h, h->id, s->fail_with);
        }
        break;
    case SILENT:
    case REFUSE_KEY:
        break;
    }
}

/* last: whoever sent something, and what. */
static void take_request(struct fake_server *s, void *storage, uint8_t *frame, struct held *last)
{
    struct arena arena;
    struct wire_request request;
    char detail[WIRE_DETAIL_MAX];
    arena_init(&arena, storage, ARENA_SIZE);
    memset(last, 0, sizeof *last);
    last->identity_len = zmq_recv(s->router, last->identity, sizeof last->identity, 0);
    int len = zmq_recv(s->router, frame, WIRE_FRAME_MAX, 0);
    if (len < 0 ||
        wire_request_decode(&arena, span_of(frame, (size_t)len), &request, detail) != STATUS_OK) {
        return; /* the test that waits for the answer fails */
    }
    last->id = request.msg->id;
    last->items = request.items;
    last->op = request.op;
    for (size_t i = 0; last->op == WIRE_OP_VERIFY && i < last->items; i++) {
        last->status[i] = *wire_col(&request.msg->verify->digests, 32, i);
    }
    if (last->op == WIRE_OP_VERIFY) {
        s->keys += (int)(request.msg->verify->public_keys.len / ECKA_POINT_LEN);
    }
    s->last_deadline_us = request.msg->deadline_us;
    s->items += (int)last->items;
    *(last->id == probe_id ? &s->probes : &s->requests) += 1;
    behave(s, last);
}

/* RFC 27: version, request id, status code, status text, user id, metadata. */
static void take_zap(struct fake_server *s)
{
    char version[8], id[16], rest[256];
    size_t more_len = sizeof(int);
    int more = 1;
    int version_len = zmq_recv(s->zap, version, sizeof version, 0);
    int id_len = zmq_recv(s->zap, id, sizeof id, 0);
    while (more != 0) {
        (void)zmq_recv(s->zap, rest, sizeof rest, 0);
        (void)zmq_getsockopt(s->zap, ZMQ_RCVMORE, &more, &more_len);
    }
    const char *code = s->behaviour == REFUSE_KEY ? "400" : "200";
    (void)zmq_send(s->zap, version, (size_t)version_len, ZMQ_SNDMORE);
    (void)zmq_send(s->zap, id, (size_t)id_len, ZMQ_SNDMORE);
    (void)zmq_send(s->zap, code, strlen(code), ZMQ_SNDMORE);
    (void)zmq_send(s->zap, "", 0, ZMQ_SNDMORE);
    (void)zmq_send(s->zap, "", 0, ZMQ_SNDMORE);
    (void)zmq_send(s->zap, "", 0, 0);
}

/* False: the end. */
static bool take_command(struct fake_server *s, const struct held *last)
{
    char command = stop_command;
    (void)zmq_recv(s->controlled, &command, 1, 0);
    if (command == goaway_command) {
        answer_failure(s, last, 0, STATUS_DRAINING);
    } else if (command == release_command) {
        release(s);
    }
    return command != stop_command;
}

static void *serve(void *arg)
{
    struct fake_server *s = arg;
    void *storage = aligned_alloc(16, ARENA_SIZE);
    uint8_t *frame = malloc(WIRE_FRAME_MAX);
    struct held *last = calloc(1, sizeof *last);
    zmq_pollitem_t items[] = {{.socket = s->router, .events = ZMQ_POLLIN},
                              {.socket = s->zap, .events = ZMQ_POLLIN},
                              {.socket = s->controlled, .events = ZMQ_POLLIN}};
    while (zmq_poll(items, 3, -1) >= 0) {
        if (items[0].revents != 0) {
            take_request(s, storage, frame, last);
        }
        if (items[1].revents != 0) {
            take_zap(s);
        }
        if (items[2].revents != 0 && !take_command(s, last)) {
            break;
        }
    }
    free(storage);
    free(frame);
    free(last);
    return NULL;
}

/* -- starting and stopping -- */

static void set_int(void *socket, int option, int value)
{
    assert_int_equal(zmq_setsockopt(socket, option, &value, sizeof value), 0);
}

static void start(struct fake_server *s, const char *address)
{
    size_t len = sizeof s->endpoint;
    pthread_t thread;
    s->held = calloc(HELD_MAX, sizeof *s->held);
    s->held_count = 0;
    s->context = zmq_ctx_new();
    s->zap = zmq_socket(s->context, ZMQ_REP);
    s->router = zmq_socket(s->context, ZMQ_ROUTER);
    s->control = zmq_socket(s->context, ZMQ_PAIR);
    s->controlled = zmq_socket(s->context, ZMQ_PAIR);
    assert_int_equal(zmq_bind(s->zap, "inproc://zeromq.zap.01"), 0);
    assert_int_equal(zmq_bind(s->control, "inproc://control"), 0);
    assert_int_equal(zmq_connect(s->controlled, "inproc://control"), 0);
    set_int(s->router, ZMQ_LINGER, 0);
    set_int(s->router, ZMQ_CURVE_SERVER, 1);
    assert_int_equal(zmq_setsockopt(s->router, ZMQ_ZAP_DOMAIN, "test", 4), 0);
    assert_int_equal(
        zmq_setsockopt(s->router, ZMQ_CURVE_SECRETKEY, s->secret_key, KEYFILE_Z85_SIZE), 0);
    assert_int_equal(zmq_bind(s->router, address), 0);
    assert_int_equal(zmq_getsockopt(s->router, ZMQ_LAST_ENDPOINT, s->endpoint, &len), 0);
    assert_int_equal(pthread_create(&thread, NULL, serve, s), 0);
    s->thread = thread;
}

void fake_server_start(struct fake_server *s, enum behaviour behaviour)
{
    memset(s, 0, sizeof *s);
    s->behaviour = behaviour;
    assert_int_equal(zmq_curve_keypair(s->public_key, s->secret_key), 0);
    start(s, "tcp://127.0.0.1:*");
}

void fake_server_restart(struct fake_server *s, enum behaviour behaviour)
{
    char address[sizeof s->endpoint];
    memcpy(address, s->endpoint, sizeof address);
    s->behaviour = behaviour;
    start(s, address);
}

static void command(struct fake_server *s, char what)
{
    assert_int_equal(zmq_send(s->control, &what, 1, 0), 1);
}

void fake_server_goaway(struct fake_server *s)
{
    command(s, goaway_command);
}

void fake_server_release(struct fake_server *s)
{
    command(s, release_command);
}

void fake_server_stop(struct fake_server *s)
{
    command(s, stop_command);
    (void)pthread_join(s->thread, NULL);
    (void)zmq_close(s->router);
    (void)zmq_close(s->zap);
    (void)zmq_close(s->control);
    (void)zmq_close(s->controlled);
    (void)zmq_ctx_term(s->context);
    free(s->held);
}
