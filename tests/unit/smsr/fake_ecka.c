#include "tests/unit/smsr/fake_ecka.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/gp/put_key.h"
#include "proto/wire/limits.h"
#include "providers/scp/scp80.h"

enum { PENDING_MAX = 64 };

struct fake_ecka fake_ecka;

struct ticket { /* nothing is sealed here */
    size_t crt_len;
    uint8_t crt[CRT_MAX];
    uint8_t z[ECDH_Z_LEN];
};
static_assert(sizeof(struct ticket) <= WIRE_TICKET_MAX, "a ticket fits where it is stored");

struct pending {
    ecka_callback *callback;
    void *arg;
    struct ecka_reply reply;
    union {
        int verify;
        struct ecka_chain_result chain;
        struct ecka_establish_result establish;
        struct ecka_confirm_result confirm;
        struct ecka_scp80_wrap_result wrap;
        struct ecka_scp80_unwrap_result unwrap;
        struct ecka_key_set_create_result create;
    } result;
    struct key_set key_set, new_set;
    struct ticket ticket;
    uint8_t bytes[SCP80_PACKET_MAX];
};

struct ecka_client {
    struct pending pending[PENDING_MAX];
    size_t count;
};

const char *ecka_status_name(int status)
{
    return status_name((enum status)status);
}

const char *ecka_status_meaning(int status)
{
    return status_meaning((enum status)status);
}

int ecka_status_retryable(int status)
{
    return status_retryable((enum status)status);
}

int ecka_open(struct ecka_client **out, const struct ecka_options *options, char *error,
              size_t error_len)
{
    (void)options;
    (void)error;
    (void)error_len;
    *out = calloc(1, sizeof(**out));
    return *out != NULL ? ECKA_OK : ECKA_BAD_REQUEST;
}

void ecka_close(struct ecka_client **c)
{
    for (size_t i = 0; i < (*c)->count; i++) {
        struct ecka_reply reply = {.status = ECKA_DISCONNECTED, .detail = ""};
        (*c)->pending[i].callback((*c)->pending[i].arg, &reply);
    }
    free(*c);
    *c = NULL;
}

static struct span span_in(struct ecka_bytes b)
{
    return span_of(b.ptr, b.len);
}

static void verify(const struct ecka_request *r, struct pending *p)
{
    enum status s = STATUS_INTERNAL;
    const struct ecka_verify_item *in = r->items.verify;
    const struct verify_item item = {(enum curve)r->curve, in->public_key, in->digest,
                                     in->signature};
    provider_verify_vartime(fake_ecka.bench->engine.provider, 1, &item, &s);
    p->result.verify = (int)s;
    p->reply.items.verify = &p->result.verify;
}

static void chain(struct pending *p)
{
    p->result.chain.curve = (enum ecka_curve)fake_ecka.bench->factory.curve;
    p->reply.items.chain = &p->result.chain;
}

static void establish(const struct ecka_request *r, struct pending *p)
{
    const struct ecka_establish_item *in = r->items.establish;
    struct ecka_establish_result *out = &p->result.establish;
    struct established made;
    struct gp_cert cert;
    const struct establishment e = {.scenario = in->scenario,
                                    .kvn = in->kvn,
                                    .host_id = span_in(in->host_id),
                                    .bad_signature = fake_ecka.bad_signature};
    out->status = (int)gp_cert_parse(span_in(in->chain.ecasd_cert), &cert);
    if (out->status == STATUS_OK) {
        bench_establish(fake_ecka.bench, &e, cert.point.ptr, span_in(in->rc), span_in(in->sdin),
                        &made);
        memcpy(out->epk, made.epk, sizeof(out->epk));
        memcpy(out->signature, made.signature, sizeof(out->signature));
        p->ticket = (struct ticket){.crt_len = made.crt_len};
        memcpy(p->ticket.crt, made.crt, made.crt_len);
        memcpy(p->ticket.z, made.z, sizeof(made.z));
        out->ticket = (struct ecka_bytes){(const uint8_t *)&p->ticket, sizeof(p->ticket)};
    }
    p->reply.items.establish = out;
}

static void confirm(const struct ecka_request *r, struct pending *p)
{
    const struct ecka_confirm_item *in = r->items.confirm;
    struct ecka_confirm_result *out = &p->result.confirm;
    struct established made = {0};
    assert(in->ticket.len == sizeof(p->ticket));
    memcpy(&p->ticket, in->ticket.ptr, sizeof(p->ticket));
    made.crt_len = p->ticket.crt_len;
    memcpy(made.crt, p->ticket.crt, sizeof(made.crt));
    memcpy(made.z, p->ticket.z, sizeof(made.z));
    out->status = (int)bench_confirm(fake_ecka.bench, &made, span_in(in->dr),
                                     span_of(in->receipt, ECKA_RECEIPT_LEN),
                                     octets_span(&fake_ecka.bench->robot.eis.sin), &p->key_set);
    out->key_set = (struct ecka_bytes){(const uint8_t *)&p->key_set, sizeof(p->key_set)};
    p->reply.items.confirm = out;
}

static void wrap(const struct ecka_request *r, struct pending *p)
{
    const struct ecka_scp80_wrap_item *in = r->items.wrap;
    struct ecka_scp80_wrap_result *out = &p->result.wrap;
    struct writer w = writer_of(p->bytes, sizeof(p->bytes));
    memcpy(&p->key_set, in->key_set.ptr, sizeof(p->key_set));
    const struct scp80_keys keys = {p->key_set.keys[0], p->key_set.keys[1]};
    const struct scp80_header h = scp80_command_header(in->kvn, in->tar, in->counter);
    out->status =
        (int)scp80_wrap_command(fake_ecka.bench->engine.sym, &keys, &h, span_in(in->payload), &w);
    out->packet = (struct ecka_bytes){p->bytes, w.len};
    p->reply.items.wrap = out;
}

static void unwrap(const struct ecka_request *r, struct pending *p)
{
    const struct ecka_scp80_unwrap_item *in = r->items.unwrap;
    struct ecka_scp80_unwrap_result *out = &p->result.unwrap;
    struct scp80_response response = {0};
    struct writer w = writer_of(p->bytes, sizeof(p->bytes));
    memcpy(&p->key_set, in->key_set.ptr, sizeof(p->key_set));
    const struct scp80_keys keys = {p->key_set.keys[0], p->key_set.keys[1]};
    out->status = (int)scp80_unwrap_response(fake_ecka.bench->engine.sym, &keys,
                                             span_in(in->packet), &response, &w);
    out->por_status = response.rsc;
    if (out->status == STATUS_OK && response.rsc != SCP80_RSC_OK) {
        out->status = STATUS_SCP80_STATUS;
    }
    out->counter = response.counter;
    out->payload = (struct ecka_bytes){p->bytes, w.len};
    p->reply.items.unwrap = out;
}

/* Random keys, and PUT KEY's data for them under the DEK. */
static void create(const struct ecka_request *r, struct pending *p)
{
    static const uint8_t iv[SYM_BLOCK];
    const struct ecka_key_set_create_item *in = r->items.key_set_create;
    struct ecka_key_set_create_result *out = &p->result.create;
    struct engine *engine = &fake_ecka.bench->engine;
    uint8_t value[ISDR_KEYS][SYM_AES128_KEY_LEN], kcv[ISDR_KEYS][SYM_KCV_LEN];
    struct put_key put = {.kvn = in->new_kvn, .n = ISDR_KEYS};
    struct writer w = writer_of(p->bytes, sizeof(p->bytes));
    enum status s;
    memcpy(&p->key_set, in->key_set.ptr, sizeof(p->key_set));
    p->new_set = (struct key_set){.kvn = in->new_kvn, .present = ISDR_ALL_KEYS};
    s = drbg_bytes(engine->drbg, &p->new_set.keys[0][0], sizeof(p->new_set.keys));
    for (size_t i = 0; s == STATUS_OK && i < ISDR_KEYS; i++) {
        s = sym_kcv(engine->sym, p->new_set.keys[i], kcv[i]);
        if (s == STATUS_OK) {
            s = sym_cbc_encrypt(engine->sym, span_of(p->key_set.keys[2], SYM_AES128_KEY_LEN), iv,
                                p->new_set.keys[i], value[i], SYM_AES128_KEY_LEN);
        }
        put.blocks[i] = (struct put_key_block){PUT_KEY_TYPE_AES, value[i], kcv[i]};
    }
    put_key_put(&w, PUT_KEY_PSK_FORM, &put);
    out->status = (int)s;
    out->new_key_set = (struct ecka_bytes){(const uint8_t *)&p->new_set, sizeof(p->new_set)};
    out->put_key = (struct ecka_bytes){p->bytes, w.len};
    p->reply.items.key_set_create = out;
}

/* An item's status stands first in each result, and alone in Verify's. */
static void fail_item(struct pending *p)
{
    memset(&p->result, 0, sizeof(p->result));
    p->result.verify = fake_ecka.fail_status;
    p->reply.items.verify = &p->result.verify; /* all members of the union point to its start */
}

int ecka_submit(struct ecka_client *c, const struct ecka_request *r, ecka_callback *callback,
                void *arg)
{
    if (c->count == PENDING_MAX) {
        return ECKA_BUSY;
    }
    struct pending *p = &c->pending[c->count++];
    memset(p, 0, sizeof(*p));
    p->callback = callback;
    p->arg = arg;
    p->reply = (struct ecka_reply){.detail = "", .op = r->op, .count = r->count};
    if (r->op == fake_ecka.fail_op && fake_ecka.calls[r->op]++ < fake_ecka.fail_times) {
        if (fake_ecka.fail_request) {
            p->reply.status = fake_ecka.fail_status;
            p->reply.count = 0;
        } else {
            fail_item(p);
        }
        return ECKA_OK;
    }
    switch (r->op) {
    case ECKA_VERIFY:
        verify(r, p);
        break;
    case ECKA_VERIFY_CHAIN:
        chain(p);
        break;
    case ECKA_ESTABLISH:
        establish(r, p);
        break;
    case ECKA_CONFIRM:
        confirm(r, p);
        break;
    case ECKA_SCP80_WRAP:
        wrap(r, p);
        break;
    case ECKA_KEY_SET_CREATE:
        create(r, p);
        break;
    default:
        unwrap(r, p);
        break;
    }
    return ECKA_OK;
}

int ecka_poll(struct ecka_client *c, int timeout_ms)
{
    (void)timeout_ms;
    size_t run = c->count;
    for (size_t i = 0; i < run; i++) { /* callbacks submit nothing: offload_poll does */
        c->pending[i].callback(c->pending[i].arg, &c->pending[i].reply);
    }
    assert(c->count == run);
    c->count = 0;
    return (int)run;
}

int ecka_fd(struct ecka_client *c)
{
    (void)c;
    return -1;
}
