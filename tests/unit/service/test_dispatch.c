/*
 * The dispatcher with a custodian that behaves and ones that do not: every accepted request is
 * answered exactly once, whatever happens behind it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>
#include <unistd.h>

#include "providers/provider.h"
#include "service/clock.h"
#include "service/dispatch.h"
#include "tests/unit/service/fake_custodian.h"

enum { JOBS = 4, ITEMS = 100, PATIENCE_US = 20 * US_PER_S, REPLIES_MAX = 16 };

static const char client_key[KEYFILE_Z85_LEN + 1] = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";

struct world {
    char directory[64];
    char socket[96];
    char custodian_name[3];
    char principal_name[5];
    struct config_custodian custodian;
    struct policy_principal principal;
    struct policy_key key;
    struct policy policy;
    struct config config;
    struct trust_eum no_eum;
    struct trust trust;
    struct fake_custodian fake;
    struct dispatch d;
    Ecka__V1__Reply *replies[REPLIES_MAX];
    size_t reply_count;
};

static bool keep_reply(void *arg, struct span identity, const Ecka__V1__Reply *reply,
                       struct job *job)
{
    (void)job;
    struct world *w = arg;
    uint8_t *frame = malloc(WIRE_FRAME_MAX);
    assert_non_null(frame);
    assert_true(span_eq(identity, span_of("client", 6)));
    assert_in_range(ecka__v1__reply__get_packed_size(reply), 0, WIRE_FRAME_MAX);
    size_t len = ecka__v1__reply__pack(reply, frame);
    assert_true(w->reply_count < REPLIES_MAX);
    w->replies[w->reply_count] = ecka__v1__reply__unpack(NULL, len, frame);
    assert_non_null(w->replies[w->reply_count++]);
    free(frame);
    return false;
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    *w = (struct world){.custodian_name = "c1", .principal_name = "beta"};
    (void)snprintf(w->directory, sizeof(w->directory), "/tmp/eckad-dispatch-XXXXXX");
    assert_non_null(mkdtemp(w->directory));
    (void)snprintf(w->socket, sizeof(w->socket), "%s/c1.sock", w->directory);
    w->custodian = (struct config_custodian){.name = w->custodian_name, .socket = w->socket};
    w->principal = (struct policy_principal){.name = w->principal_name, .granted = UINT32_MAX};
    w->principal.granted &= ~authz_bit(WIRE_OP_SCP80_WRAP);
    w->trust.eums = &w->no_eum;
    w->config = (struct config){.workers = 2,
                                .jobs = JOBS,
                                .default_deadline_ms = 15000,
                                .custodians = &w->custodian,
                                .custodians_count = 1};
    w->key = (struct policy_key){client_key, &w->principal};
    w->policy = (struct policy){.principals = &w->principal,
                                .principals_count = 1,
                                .trust = &w->trust,
                                .keys = &w->key,
                                .key_count = 1,
                                .holds = 1};
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < w->reply_count; i++) {
        ecka__v1__reply__free_unpacked(w->replies[i], NULL);
    }
    assert_int_equal(rmdir(w->directory), 0);
    free(w);
    return 0;
}

static void start(struct world *w)
{
    assert_int_equal(dispatch_init(&w->d, &w->config, &w->policy, keep_reply, w), STATUS_OK);
}

static void send_request(struct world *w, const Ecka__V1__Request *request)
{
    uint8_t *frame = malloc(WIRE_FRAME_MAX);
    assert_non_null(frame);
    size_t len = ecka__v1__request__pack(request, frame);
    dispatch_request(&w->d, client_key, span_of("client", 6), span_of(frame, len), clock_us());
    memset(frame, 0xEE, len); /* the job must not look at the frame again */
    free(frame);
    dispatch_run(&w->d, clock_us());
}

/* Confirm with `items` tickets of two bytes, each its number; every tenth receipt is wrong. */
static void send_confirm(struct world *w, uint64_t id, size_t items, uint64_t deadline_us)
{
    static uint8_t tickets[ITEMS][2];
    static uint8_t eids[ITEMS * 16];
    static uint8_t receipts[ITEMS * 16];
    ProtobufCBinaryData entries[ITEMS];
    Ecka__V1__Request request = ECKA__V1__REQUEST__INIT;
    Ecka__V1__Confirm confirm = ECKA__V1__CONFIRM__INIT;
    for (size_t i = 0; i < items; i++) {
        tickets[i][0] = (uint8_t)id;
        tickets[i][1] = (uint8_t)i;
        entries[i] = (ProtobufCBinaryData){.len = 2, .data = tickets[i]};
        receipts[i * 16] = i % 10 == 9 ? 0xFF : 0;
    }
    confirm.n_tickets = items;
    confirm.tickets = entries;
    confirm.eids = (ProtobufCBinaryData){.len = items * 16, .data = eids};
    confirm.receipts = (ProtobufCBinaryData){.len = items * 16, .data = receipts};
    request.version = WIRE_VERSION;
    request.id = id;
    request.deadline_us = deadline_us;
    request.op_case = ECKA__V1__REQUEST__OP_CONFIRM;
    request.confirm = &confirm;
    send_request(w, &request);
}

/* Runs the dispatcher as the frontend does until that many replies are there. */
static void run_until(struct world *w, size_t replies)
{
    uint64_t end = clock_us() + PATIENCE_US;
    while (w->reply_count < replies) {
        uint64_t now = clock_us();
        assert_true(now < end);
        uint64_t next = dispatch_next_us(&w->d);
        uint64_t wait = next > end ? end - now : next > now ? next - now : 0;
        struct pollfd p = {.fd = w->d.done.fd, .events = POLLIN};
        (void)poll(&p, 1, (int)(wait / US_PER_MS) + 1);
        dispatch_run(&w->d, clock_us());
    }
    assert_int_equal(w->reply_count, replies);
}

static void assert_confirmed(const Ecka__V1__Reply *reply, size_t items)
{
    assert_int_equal(reply->status, STATUS_OK);
    assert_int_equal(wire_reply_check(reply, WIRE_OP_CONFIRM, (uint32_t)items), STATUS_OK);
    const Ecka__V1__ConfirmResult *m = reply->confirm;
    for (size_t i = 0; i < items; i++) {
        bool wrong = i % 10 == 9;
        assert_int_equal(m->item_status.data[i], wrong ? STATUS_RECEIPT_MISMATCH : STATUS_OK);
        assert_int_equal(m->key_sets[i].len, wrong ? 0 : 2);
        assert_int_equal(m->kcvs.data[9 * i], wrong ? 0 : 1);
        if (!wrong) {
            assert_int_equal(m->key_sets[i].data[0], (uint8_t)reply->id);
            assert_int_equal(m->key_sets[i].data[1], i);
        }
    }
}

static void assert_all(const Ecka__V1__Reply *reply, size_t items, enum status expected)
{
    assert_int_equal(reply->status, STATUS_OK);
    assert_int_equal(reply->confirm->item_status.len, items);
    for (size_t i = 0; i < items; i++) {
        assert_int_equal(reply->confirm->item_status.data[i], expected);
    }
}

static void finish(struct world *w)
{
    assert_true(dispatch_idle(&w->d));
    dispatch_fini(&w->d);
    fake_custodian_stop(&w->fake);
}

static void each_item_gets_its_own_answer(void **state)
{
    struct world *w = *state;
    fake_custodian_start(&w->fake, w->socket);
    start(w);
    for (uint64_t id = 1; id <= 3; id++) {
        send_confirm(w, id, ITEMS, 0);
    }
    run_until(w, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_confirmed(w->replies[i], ITEMS);
    }
    finish(w);
}

static void a_custodian_lost_in_a_batch_loses_nothing(void **state)
{
    struct world *w = *state;
    w->fake.deeds[0] = FAKE_DIE;
    w->fake.deeds[1] = FAKE_ANSWER;
    w->fake.deeds[2] = FAKE_DIE;
    w->fake.deed_count = 3;
    fake_custodian_start(&w->fake, w->socket);
    start(w);
    send_confirm(w, 1, ITEMS, 0);
    send_confirm(w, 2, ITEMS, 0);
    run_until(w, 2);
    assert_confirmed(w->replies[0], ITEMS);
    assert_confirmed(w->replies[1], ITEMS);
    assert_int_equal(atomic_load(&w->d.lanes[0].losses), 2);
    finish(w);
}

static void a_custodian_that_never_answers_right_ends_in_unavailable(void **state)
{
    struct world *w = *state;
    static const enum fake_deed deeds[] = {FAKE_DIE, FAKE_GARBAGE, FAKE_WRONG_ID, FAKE_ONE_SHORT};
    for (size_t i = 0; i < sizeof(deeds) / sizeof(*deeds); i++) {
        w->fake = (struct fake_custodian){.deeds = {deeds[i]}, .deed_count = 1};
        w->fake.last_for_ever = true;
        fake_custodian_start(&w->fake, w->socket);
        start(w);
        send_confirm(w, i + 1, 7, 0);
        run_until(w, i + 1);
        assert_all(w->replies[i], 7, STATUS_UNAVAILABLE);
        assert_int_equal(atomic_load(&w->fake.batches), BATCHER_ATTEMPTS_MAX);
        finish(w);
    }
}

static void a_refused_batch_gives_its_status_to_its_items(void **state)
{
    struct world *w = *state;
    w->fake.deeds[0] = FAKE_REFUSE;
    w->fake.deed_count = 1;
    fake_custodian_start(&w->fake, w->socket);
    start(w);
    send_confirm(w, 1, 7, 0);
    run_until(w, 1);
    assert_all(w->replies[0], 7, STATUS_TOKEN_ERROR);
    send_confirm(w, 2, 7, 0); /* and the connection lives on */
    run_until(w, 2);
    assert_confirmed(w->replies[1], 7);
    assert_int_equal(atomic_load(&w->d.lanes[0].losses), 0);
    finish(w);
}

/* What fails in a row is left alone until a try of the token goes well, and what came meanwhile is
 * served then. */
static void a_token_that_fails_is_left_alone_until_it_works(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < GROUP_FAILURES_MAX; i++) {
        w->fake.deeds[i] = FAKE_REFUSE;
    }
    w->fake.deed_count = GROUP_FAILURES_MAX;
    w->fake.failing_probes = 2;
    fake_custodian_start(&w->fake, w->socket);
    start(w);
    for (uint64_t id = 1; id <= GROUP_FAILURES_MAX; id++) {
        assert_true(groups_closed(&w->d.groups, 0));
        send_confirm(w, id, 7, 0);
        run_until(w, id);
        assert_all(w->replies[id - 1], 7, STATUS_TOKEN_ERROR);
    }
    assert_false(groups_closed(&w->d.groups, 0));
    assert_int_equal(metric_get(&w->d.metrics->custodians[0].breaker), BREAKER_OPEN);
    send_confirm(w, 10, 7, 50 * US_PER_MS); /* before the first try is due */
    run_until(w, GROUP_FAILURES_MAX + 1);
    assert_all(w->replies[GROUP_FAILURES_MAX], 7, STATUS_UNAVAILABLE);
    send_confirm(w, 11, 7, 0);
    run_until(w, GROUP_FAILURES_MAX + 2);
    assert_confirmed(w->replies[GROUP_FAILURES_MAX + 1], 7);
    assert_int_equal(atomic_load(&w->fake.probes), 3);
    assert_int_equal(atomic_load(&w->fake.batches), GROUP_FAILURES_MAX + 1);
    assert_int_equal(atomic_load(&w->d.lanes[0].losses), 0);
    assert_true(groups_closed(&w->d.groups, 0));
    finish(w);
}

static void a_custodian_that_is_silent_loses_its_batch(void **state)
{
    struct world *w = *state;
    w->config.custodian_timeout_ms = 200;
    atomic_store(&w->fake.delay_ms, 1000);
    fake_custodian_start(&w->fake, w->socket);
    start(w);
    send_confirm(w, 1, 7, 500 * US_PER_MS);
    run_until(w, 1);
    assert_all(w->replies[0], 7, STATUS_UNAVAILABLE);
    assert_true(atomic_load(&w->d.lanes[0].losses) >= 1);
    atomic_store(&w->fake.delay_ms, 0);
    send_confirm(w, 2, 7, 0);
    run_until(w, 2);
    assert_confirmed(w->replies[1], 7);
    finish(w);
}

static void without_a_custodian_the_deadline_says_unavailable(void **state)
{
    struct world *w = *state;
    start(w);
    send_confirm(w, 1, 7, 100 * US_PER_MS);
    assert_int_equal(w->reply_count, 0);
    run_until(w, 1);
    assert_all(w->replies[0], 7, STATUS_UNAVAILABLE);
    dispatch_fini(&w->d);

    w->config.custodians_count = 0; /* there will never be one: told at once */
    start(w);
    send_confirm(w, 2, 7, 0);
    assert_int_equal(w->reply_count, 2);
    assert_all(w->replies[1], 7, STATUS_UNAVAILABLE);
    dispatch_fini(&w->d);
}

/* A busy custodian: what cannot start in time expires, what started is answered when it is back. */
static void deadlines_hold_in_the_queue(void **state)
{
    struct world *w = *state;
    atomic_store(&w->fake.delay_ms, 300);
    fake_custodian_start(&w->fake, w->socket);
    start(w);
    send_confirm(w, 1, 1, 0);
    while (atomic_load(&w->fake.batches) == 0) { /* until it is with the custodian */
        (void)poll(NULL, 0, 1);
        dispatch_run(&w->d, clock_us());
    }
    send_confirm(w, 2, 7, 50 * US_PER_MS);
    run_until(w, 1);
    assert_int_equal(w->replies[0]->id, 2);
    assert_all(w->replies[0], 7, STATUS_DEADLINE);
    run_until(w, 2);
    assert_confirmed(w->replies[1], 1);
    finish(w);
}

static void a_full_slab_is_busy_and_a_drain_answers_all(void **state)
{
    struct world *w = *state;
    atomic_store(&w->fake.delay_ms, 100);
    fake_custodian_start(&w->fake, w->socket);
    start(w);
    for (uint64_t id = 1; id <= JOBS; id++) {
        send_confirm(w, id, 1, 0);
    }
    send_confirm(w, 77, 1, 0);
    assert_int_equal(w->reply_count, 1);
    assert_int_equal(w->replies[0]->id, 77);
    assert_int_equal(w->replies[0]->status, STATUS_BUSY);
    assert_in_range(w->replies[0]->retry_after_us, DRAIN_AFTER_MIN_US, DRAIN_AFTER_MAX_US);

    dispatch_drain(&w->d); /* the client is told, once */
    assert_int_equal(w->reply_count, 2);
    assert_int_equal(w->replies[1]->id, 0);
    assert_int_equal(w->replies[1]->status, STATUS_DRAINING);
    send_confirm(w, 78, 1, 0);
    assert_int_equal(w->reply_count, 3);
    assert_int_equal(w->replies[2]->id, 78);
    assert_int_equal(w->replies[2]->status, STATUS_DRAINING);
    assert_false(dispatch_idle(&w->d));
    run_until(w, 3 + JOBS);
    for (size_t i = 3; i < 3 + JOBS; i++) {
        assert_confirmed(w->replies[i], 1);
    }
    finish(w);
}

static void policy_comes_before_work(void **state)
{
    struct world *w = *state;
    Ecka__V1__Request request = ECKA__V1__REQUEST__INIT;
    Ecka__V1__Scp80Wrap wrap = ECKA__V1__SCP80_WRAP__INIT;
    uint8_t zero[16] = {0};
    ProtobufCBinaryData entry = {.len = 1, .data = zero};
    fake_custodian_start(&w->fake, w->socket);
    start(w);
    wrap.key_sets = wrap.payloads = &entry;
    wrap.n_key_sets = wrap.n_payloads = 1;
    wrap.eids = (ProtobufCBinaryData){.len = 16, .data = zero};
    wrap.kvns = (ProtobufCBinaryData){.len = 1, .data = zero};
    wrap.tars = (ProtobufCBinaryData){.len = 3, .data = zero};
    wrap.counters = (ProtobufCBinaryData){.len = 5, .data = zero};
    request.version = WIRE_VERSION;
    request.id = 5;
    request.op_case = ECKA__V1__REQUEST__OP_SCP80_WRAP;
    request.scp80_wrap = &wrap;
    send_request(w, &request);
    assert_int_equal(w->reply_count, 1);
    assert_int_equal(w->replies[0]->status, STATUS_DENIED);
    assert_int_equal(w->replies[0]->id, 5);
    assert_string_equal(w->replies[0]->detail, "policy grants beta no Scp80Wrap");
    assert_int_equal(atomic_load(&w->fake.batches), 0);
    finish(w);
}

/* Raw verification: what is wrong with an item before any arithmetic, and after it. */
static void verify_tells_items_apart(void **state)
{
    struct world *w = *state;
    Ecka__V1__Request request = ECKA__V1__REQUEST__INIT;
    Ecka__V1__Verify verify = ECKA__V1__VERIFY__INIT;
    uint8_t keys[2 * 65] = {0};
    uint8_t index[3 * 2] = {0, 0, 0, 1, 0, 2};
    uint8_t digests[3 * 32] = {0};
    uint8_t signatures[3 * 64] = {0};
    fake_custodian_start(&w->fake, w->socket);
    start(w);
    verify.curve = ECKA__V1__CURVE__P256;
    verify.public_keys = (ProtobufCBinaryData){.len = sizeof(keys), .data = keys};
    verify.key_index = (ProtobufCBinaryData){.len = sizeof(index), .data = index};
    verify.digests = (ProtobufCBinaryData){.len = sizeof(digests), .data = digests};
    verify.signatures = (ProtobufCBinaryData){.len = sizeof(signatures), .data = signatures};
    request.version = WIRE_VERSION;
    request.id = 6;
    request.op_case = ECKA__V1__REQUEST__OP_VERIFY;
    request.verify = &verify;
    send_request(w, &request); /* three items and idle workers: answered before it returns */
    assert_int_equal(w->reply_count, 1);
    assert_int_equal(w->replies[0]->verify->item_status.len, 3);
    const uint8_t *s = w->replies[0]->verify->item_status.data;
    assert_true(s[0] == STATUS_BAD_POINT || s[0] == STATUS_SIGNATURE_INVALID);
    assert_int_equal(s[1], s[0]);
    assert_int_equal(s[2], STATUS_BAD_KEY_INDEX);

    verify.curve = (Ecka__V1__Curve)CURVE_COUNT;
    send_request(w, &request);
    run_until(w, 2);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(w->replies[1]->verify->item_status.data[i], STATUS_BAD_CURVE);
    }
    finish(w);
}

static void info_says_what_the_custodian_said(void **state)
{
    struct world *w = *state;
    Ecka__V1__Request request = ECKA__V1__REQUEST__INIT;
    Ecka__V1__Info info = ECKA__V1__INFO__INIT;
    fake_custodian_start(&w->fake, w->socket);
    start(w);
    send_confirm(w, 1, 1, 0);
    run_until(w, 1); /* the lane is up now */
    request.version = WIRE_VERSION;
    request.id = 2;
    request.op_case = ECKA__V1__REQUEST__OP_INFO;
    request.info = &info;
    send_request(w, &request);
    assert_int_equal(w->reply_count, 2);
    const Ecka__V1__InfoResult *m = w->replies[1]->info;
    assert_string_equal(m->principal, "beta");
    assert_int_equal(m->n_custodians, 1);
    assert_string_equal(m->custodians[0]->name, "c1");
    assert_string_equal(m->custodians[0]->token, "fake");
    assert_true(m->custodians[0]->up);
    assert_int_equal(m->custodians[0]->ticket_generation, 3);
    assert_int_equal(m->custodians[0]->n_sr_key_ids, 1);
    assert_int_equal(m->custodians[0]->sr_key_ids[0].data[0], 0x5A);
    finish(w);
}

static void ignore(void *arg, const char *sentence)
{
    (void)arg;
    (void)sentence;
}

static int select_provider(void **state)
{
    (void)state;
    return provider_select(ignore, NULL) == STATUS_OK ? 0 : -1;
}

/* -- another policy while requests are under way -- */

/* One item is with the custodian and seven wait when this policy comes. */
static void adopt_in_flight(struct world *w, struct policy *policy)
{
    char error[CONFIG_ERROR_MAX];
    atomic_store(&w->fake.delay_ms, 300);
    fake_custodian_start(&w->fake, w->socket);
    start(w);
    send_confirm(w, 1, 1, 0);
    while (atomic_load(&w->fake.batches) == 0) {
        (void)poll(NULL, 0, 1);
        dispatch_run(&w->d, clock_us());
    }
    send_confirm(w, 2, 7, 0);
    assert_int_equal(w->reply_count, 0);
    assert_int_equal(dispatch_adopt(&w->d, policy, clock_us(), error), STATUS_OK);
    assert_int_equal(metric_get(&w->d.metrics->policy_generation), 2);
}

static void what_policy_takes_back_is_denied_and_yields_nothing(void **state)
{
    struct world *w = *state;
    struct policy_principal other = {.name = (char[]){"gamma"}, .granted = UINT32_MAX};
    struct policy_principal poorer = w->principal;
    poorer.granted = authz_bit(WIRE_OP_INFO);
    struct policy_key moved = {client_key, &other}, kept = {client_key, &poorer};
    const struct policy policies[] = {
        {.principals = &w->principal, .principals_count = 1, .keys = &kept}, /* the key is gone */
        {.principals = &other, .principals_count = 1, .keys = &moved, .key_count = 1},
        {.principals = &poorer, .principals_count = 1, .keys = &kept, .key_count = 1},
    };
    for (size_t i = 0; i < sizeof(policies) / sizeof(*policies); i++) {
        struct policy policy = policies[i];
        policy.holds = 1;
        policy.trust = &w->trust;
        w->fake = (struct fake_custodian){0};
        adopt_in_flight(w, &policy);
        assert_int_equal(w->reply_count, 1); /* at once */
        assert_int_equal(w->replies[0]->id, 2);
        assert_all(w->replies[0], 7, STATUS_DENIED);
        run_until(w, 2);
        assert_int_equal(w->replies[1]->id, 1);
        assert_all(w->replies[1], 1, STATUS_DENIED);
        const Ecka__V1__ConfirmResult *m = w->replies[1]->confirm;
        assert_int_equal(m->key_sets[0].len, 0);
        assert_memory_equal(m->kcvs.data, (const uint8_t[9]){0}, 9);
        assert_int_equal(atomic_load(&w->fake.batches), 1); /* the seven never went there */
        finish(w);
        w->reply_count = 0;
        for (size_t r = 0; r < 2; r++) {
            ecka__v1__reply__free_unpacked(w->replies[r], NULL);
        }
    }
}

static void what_policy_still_grants_is_answered(void **state)
{
    struct world *w = *state;
    struct policy policy = w->policy;
    policy.holds = 1;
    adopt_in_flight(w, &policy);
    assert_int_equal(w->reply_count, 0);
    run_until(w, 2);
    assert_confirmed(w->replies[0], 1);
    assert_confirmed(w->replies[1], 7);
    assert_int_equal(policy.holds, 2);
    finish(w);
    assert_int_equal(policy.holds, 1); /* and the first one is with us alone */
    assert_int_equal(w->policy.holds, 1);
}

/* The roster is bounded: a policy that does not fit changes nothing. */
static void too_many_names_are_refused(void **state)
{
    struct world *w = *state;
    char error[CONFIG_ERROR_MAX] = "";
    char names[2][16];
    struct policy_principal two[2] = {{.name = names[0]}, {.name = names[1]}};
    struct policy policy = {
        .principals = two, .principals_count = 2, .trust = &w->trust, .holds = 1};
    w->config.custodians_count = 0;
    start(w);
    enum status s = STATUS_OK;
    uint32_t n = 1;
    for (; s == STATUS_OK; n += 2) {
        assert_in_range(n, 1, ROSTER_MAX);
        (void)snprintf(names[0], sizeof(names[0]), "p%u", n);
        (void)snprintf(names[1], sizeof(names[1]), "p%u", n + 1);
        s = dispatch_adopt(&w->d, &policy, clock_us(), error);
    }
    assert_int_equal(s, STATUS_NO_SPACE);
    assert_non_null(strstr(error, "restart"));
    assert_int_equal(roster_count(&w->d.roster), ROSTER_MAX - 1);
    assert_int_equal(policy.holds, 2);
    policy.principals_count = 1; /* one more still fits */
    assert_int_equal(dispatch_adopt(&w->d, &policy, clock_us(), error), STATUS_OK);
    dispatch_fini(&w->d);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(each_item_gets_its_own_answer),
        STORY(what_policy_takes_back_is_denied_and_yields_nothing),
        STORY(what_policy_still_grants_is_answered),
        STORY(too_many_names_are_refused),
        STORY(a_custodian_lost_in_a_batch_loses_nothing),
        STORY(a_token_that_fails_is_left_alone_until_it_works),
        STORY(a_custodian_that_is_silent_loses_its_batch),
        STORY(a_custodian_that_never_answers_right_ends_in_unavailable),
        STORY(a_refused_batch_gives_its_status_to_its_items),
        STORY(without_a_custodian_the_deadline_says_unavailable),
        STORY(deadlines_hold_in_the_queue),
        STORY(a_full_slab_is_busy_and_a_drain_answers_all),
        STORY(policy_comes_before_work),
        STORY(verify_tells_items_apart),
        STORY(info_says_what_the_custodian_said),
    };
    return cmocka_run_group_tests_name("dispatch", tests, select_provider, NULL);
}
