/*
 * SM-SR Changes under random interruptions: messages lost, late and doubled, Alpha and two Betas on
 * one store ended at any point and begun anew from what it holds. One process, a clock of its own,
 * and every choice from one seed, so that a failure can be seen again:
 *
 *   ECKA_TEST_SEED=N ECKA_TEST_COUNT=M test_smsr_interruptions
 *
 * At the end each eUICC is under exactly one Commander: one party holds its EIS, whole, and the
 * card obeys that party's keys and no other's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "smsr/clock.h"
#include "smsr/host/beta_host.h"
#include "smsr/party/operator.h"
#include "tests/unit/smsr/fake_ecka.h"

enum {
    CHANGES = 300,
    CHANGES_LONG = 10000,
    TOGETHER = 50, /* changes at a time */
    BETAS = 2,
    FLIGHT_MAX = 8192, /* messages on their way */
    TRIES_MAX = 40,    /* orders of one operator */
    VALIDITY_S = 120,
    PAUSE_S = 30, /* before an operator tries again */
    STEP_US = 20000,
    US_PER_S = 1000000,
    PER_MILLE = 1000,
    LOST = 50,    /* per mille, of each message */
    DOUBLED = 20, /* of each message but a card's */
    KILLED = 4,   /* of each step of the world: one party */
    LATE = 30,    /* takes up to LATE_US instead of DELAY_US */
    DELAY_US = 80000,
    LATE_US = 9000000,
};

struct flight {
    uint64_t at_us;
    struct message m;
};

struct fleet_owner {
    struct bus bus;
    struct operator_party op;
    unsigned tries;
    uint64_t again_us;
    bool done;
};

struct world {
    struct bench *bench;
    uint64_t random, now_us;
    char alpha_path[96], beta_path[96];
    struct alpha_host *alpha;
    struct beta_host *betas[BETAS];
    struct offload *offloads[BETAS];
    struct flight *flights[FLIGHT_MAX];
    size_t count;
    struct robot robots[TOGETHER];
    struct fleet_owner *owners;
    size_t robot_count;
    unsigned next_beta;
    bool calm; /* nothing goes wrong any more */
    unsigned kills, lost, executed, warned, retried;
};

/* SplitMix64. */
static uint64_t draw(struct world *w)
{
    uint64_t z = w->random += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static bool happens(struct world *w, unsigned per_mille)
{
    bool yes = draw(w) % PER_MILLE < per_mille;
    return yes && !w->calm;
}

/* -- the network -- */

static void fly(struct world *w, const struct message *m)
{
    assert_true(w->count < FLIGHT_MAX);
    struct flight *f = malloc(sizeof(*f));
    assert_non_null(f);
    f->m = *m;
    f->at_us = w->now_us + draw(w) % (happens(w, LATE) ? LATE_US : DELAY_US);
    w->flights[w->count++] = f;
}

static void post(void *arg, const struct message *m)
{
    struct world *w = arg;
    struct message copy = *m;
    bool card = m->type == CARD_COMMAND || m->type == CARD_ANSWER;
    /* To go out, reply_to is the receiver; come in, it is the sender. One of two Betas answers. */
    if (happens(w, LOST)) {
        w->lost++;
        return;
    }
    fly(w, &copy);
    if (!card && happens(w, DOUBLED)) {
        fly(w, &copy);
    }
}

static unsigned robot_of(const struct world *w, const uint8_t *eid)
{
    for (unsigned i = 0; i < w->robot_count; i++) {
        if (memcmp(w->robots[i].eis.signed_info.eid, eid, GP_EID_LEN) == 0) {
            return i;
        }
    }
    fail_msg("a message to an eUICC that nobody has");
    return 0;
}

static void owner_says(struct world *w, struct fleet_owner *o)
{
    struct message m;
    while (bus_take(&o->bus, &m)) {
        post(w, &m);
    }
}

static void to_card(struct world *w, const struct message *m)
{
    uint8_t rapdu[RAPDU_DATA_MAX + 2];
    struct message answer = {
        .type = CARD_ANSWER, .from = PARTY_ISDR, .to = m->from, .attempt = m->attempt};
    struct robot *robot = &w->robots[robot_of(w, m->eid)];
    memcpy(answer.eid, m->eid, sizeof(answer.eid));
    memcpy(answer.reply_to, m->reply_to, sizeof(answer.reply_to));
    answer.u.apdu.len = euicc_apdu(robot->card, span_of(m->u.apdu.b, m->u.apdu.len), rapdu);
    memcpy(answer.u.apdu.b, rapdu, answer.u.apdu.len);
    post(w, &answer);
}

static unsigned beta_of(struct world *w, const struct message *m)
{
    return m->reply_to[0] != '\0' ? (unsigned)(m->reply_to[4] - '0') : w->next_beta++ % BETAS;
}

static void deliver(struct world *w, struct message *m)
{
    struct fleet_owner *o;
    switch (m->to) {
    case PARTY_OPERATOR:
        o = &w->owners[robot_of(w, m->eid)];
        o->bus.now_us = w->now_us;
        operator_receive(&o->op, m);
        owner_says(w, o);
        return;
    case PARTY_ALPHA:
        if (w->alpha != NULL) {
            alpha_host_receive(w->alpha, m, w->now_us);
        }
        return;
    case PARTY_BETA:
        beta_host_receive(w->betas[beta_of(w, m)], m, w->now_us);
        return;
    default:
        to_card(w, m);
        return;
    }
}

static void kill_one(struct world *w);

static void deliver_all(struct world *w)
{
    for (size_t i = 0; i < w->count;) {
        if (w->flights[i]->at_us > w->now_us) {
            i++;
            continue;
        }
        struct flight *f = w->flights[i];
        w->flights[i] = w->flights[--w->count];
        deliver(w, &f->m);
        free(f);
        if (happens(w, KILLED)) {
            kill_one(w);
        }
    }
}

/* -- processes -- */

static const struct patience patience = {
    .peer_us = 2000000, .card_us = 3000000, .card_attempts = 6};

static void send_from_alpha(void *arg, const struct message *m)
{
    post(arg, m);
}

struct sender {
    struct world *world;
    unsigned beta;
};

/* What Beta n sends to a card or to Alpha is answered to Beta n. */
static void send_from_beta(void *arg, const struct message *m)
{
    const struct sender *s = arg;
    struct message copy = *m;
    copy.reply_to[0] = '\0';
    if (m->to == PARTY_ISDR || m->to == PARTY_ALPHA) {
        (void)snprintf(copy.reply_to, sizeof(copy.reply_to), "beta%u", s->beta);
    }
    post(s->world, &copy);
}

static struct sender senders[BETAS];

static void start_alpha(struct world *w)
{
    const struct alpha_host_options o = {.path = w->alpha_path,
                                         .sync = DB_SYNC_PROCESS,
                                         .engine = &w->bench->engine,
                                         .ks1_master = w->bench->pki.ks1_master,
                                         .trace = &w->bench->silent,
                                         .patience = patience,
                                         .send = send_from_alpha,
                                         .arg = w};
    assert_true(alpha_host_open(&w->alpha, &o));
}

static void start_beta(struct world *w, unsigned n)
{
    static const struct ecka_endpoint nowhere[ECKA_ENDPOINTS_MAX];
    static const char *const names[BETAS] = {"beta0", "beta1"};
    const struct offload_options none = {.endpoints = nowhere};
    senders[n] = (struct sender){w, n};
    assert_true(offload_open(&w->offloads[n], &none));
    const struct beta_host_options o = {
        .path = w->beta_path,
        .owner = names[n],
        .sync = DB_SYNC_PROCESS,
        .config = {.cert_sr = span_of(w->bench->pki.cert_sr, w->bench->pki.cert_sr_len),
                   .sr_key_id = w->bench->pki.sr_key_id,
                   .eum_id = w->bench->pki.eum_id,
                   .eum_curve = (enum ecka_curve)w->bench->pki.curve,
                   .eum_point = w->bench->pki.eum_point,
                   .second_set = true},
        .capacity = 1000000,
        .offload = w->offloads[n],
        .trace = &w->bench->silent,
        .patience = patience,
        .send = send_from_beta,
        .arg = &senders[n]};
    assert_true(beta_host_open(&w->betas[n], &o));
}

static void stop_beta(struct world *w, unsigned n)
{
    beta_host_halt(w->betas[n]);
    offload_close(&w->offloads[n]);
    beta_host_close(&w->betas[n]);
}

/* One party ends where it stands, with what it was about to do, and begins anew. */
static void kill_one(struct world *w)
{
    unsigned n = (unsigned)(draw(w) % (BETAS + 1));
    w->kills++;
    if (n == BETAS) {
        alpha_host_close(&w->alpha);
        start_alpha(w);
    } else {
        stop_beta(w, n);
        start_beta(w, n);
    }
}

/* -- operators -- */

static void order(struct world *w, unsigned i)
{
    struct fleet_owner *o = &w->owners[i];
    uint64_t id[2] = {draw(w), draw(w)};
    memcpy(o->op.change_id, id, sizeof(o->op.change_id));
    o->tries++;
    operator_start(&o->op);
    owner_says(w, o);
}

static void begin_owner(struct world *w, unsigned i)
{
    struct fleet_owner *o = &w->owners[i];
    memset(o, 0, sizeof(*o));
    o->bus.now_us = w->now_us;
    o->bus.patience = patience;
    memcpy(o->bus.eid, w->robots[i].eis.signed_info.eid, sizeof(o->bus.eid));
    o->op.bus = &o->bus;
    o->op.trace = &w->bench->silent;
    o->op.validity_s = VALIDITY_S;
    memcpy(o->op.eid, o->bus.eid, sizeof(o->op.eid));
    order(w, i);
}

static void owner_turn(struct world *w, unsigned i)
{
    struct fleet_owner *o = &w->owners[i];
    o->bus.now_us = w->now_us;
    if (o->done) {
        return;
    }
    if (!o->op.finished) {
        if (o->op.due_us != 0 && o->op.due_us <= w->now_us) {
            operator_poke(&o->op);
            owner_says(w, o);
        }
        return;
    }
    if (o->op.outcome.result <= ES_EXECUTED_WITHWARNING || o->tries == TRIES_MAX) {
        o->done = true;
        return;
    }
    if (o->again_us == 0) {
        o->again_us = w->now_us + (uint64_t)PAUSE_S * US_PER_S;
    } else if (o->again_us <= w->now_us) {
        o->again_us = 0;
        w->retried++;
        order(w, i);
    }
}

static bool all_done(const struct world *w)
{
    for (unsigned i = 0; i < w->robot_count; i++) {
        if (!w->owners[i].done) {
            return false;
        }
    }
    return true;
}

static void step(struct world *w)
{
    w->now_us += STEP_US;
    deliver_all(w);
    alpha_host_turn(w->alpha, w->now_us);
    for (unsigned n = 0; n < BETAS; n++) {
        beta_host_turn(w->betas[n], w->now_us);
        offload_poll(w->offloads[n], 0);
    }
    for (unsigned i = 0; i < w->robot_count; i++) {
        owner_turn(w, i);
    }
}

/* -- the end of it -- */

static bool card_obeys(struct world *w, unsigned i, struct key_set *set)
{
    static const uint8_t get_data[] = {0x80, 0xCA, 0x00, 0xE0, 0x00};
    struct reply r;
    struct euicc *spare = w->bench->robot.card;
    w->bench->robot.card = w->robots[i].card;
    bench_command(w->bench, set, span_of(get_data, sizeof(get_data)), &r);
    w->bench->robot.card = spare;
    return r.envelope_sw == SW_OK && r.opened == STATUS_OK && r.rsc == SCP80_RSC_OK &&
           r.sw == SW_OK;
}

/* What was to go has come, but for what the new SM-SR makes of it. */
static void assert_nothing_lost(const struct eis *before, const struct eis *now)
{
    static struct eis expected;
    eis_for_handover(&expected, before);
    memcpy(expected.smsr_id, now->smsr_id, sizeof(expected.smsr_id));
    expected.key_set_count = now->key_set_count;
    memcpy(expected.key_sets, now->key_sets, sizeof(expected.key_sets));
    expected.audit_count = now->audit_count;
    memcpy(expected.audit, now->audit, sizeof(expected.audit));
    assert_memory_equal(&expected, now, sizeof(expected));
}

static void assert_betas(struct world *w, unsigned i, struct beta *beta)
{
    struct key_set set;
    bool warned = beta->r.answer.result == ES_EXECUTED_WITHWARNING &&
                  strcmp(beta->r.answer.code, "ALREADY_MANAGED") != 0;
    assert_string_equal(beta->eis.smsr_id, BETA_SMSR_ID);
    assert_nothing_lost(&w->robots[i].eis, &beta->eis);
    memcpy(&set, beta->r.ks2.bytes, sizeof(set)); /* not sealed here */
    set.counter = beta->r.ks2.counter;
    assert_true(card_obeys(w, i, &set));
    if (beta->r.second.kvn != 0) {
        memcpy(&set, beta->r.second.bytes, sizeof(set));
        set.counter = beta->r.second.counter;
        assert_true(card_obeys(w, i, &set));
    }
    w->executed++;
    w->warned += warned;
    w->robots[i].ks1->counter = UINT32_MAX;
    assert_true(warned || !card_obeys(w, i, w->robots[i].ks1));
}

static void assert_one_commander(struct world *w, unsigned i, struct db *alphas, struct db *betas)
{
    struct bus bus = {.now_us = w->now_us};
    struct alpha alpha;
    struct beta *beta = calloc(1, sizeof(*beta));
    uint64_t rev;
    assert_non_null(beta);
    memcpy(bus.eid, w->owners[i].bus.eid, sizeof(bus.eid));
    assert_int_equal(alpha_init(&alpha, &bus, &w->bench->silent, &w->bench->engine, NULL, NULL),
                     STATUS_OK);
    beta_init(beta, &bus, &w->bench->silent, NULL, NULL);
    assert_int_equal(alpha_store_load(alphas, &alpha, &rev), STORE_FOUND);
    assert_true(beta_store_load(betas, beta, &rev) != STORE_FAILED);
    if (beta_commands(beta) == alpha.has_eis) {
        fail_msg("Alpha %s the EIS and Beta is %s", alpha.has_eis ? "has" : "has not",
                 beta_state_name(beta->r.state));
    }
    if (beta_commands(beta)) {
        assert_betas(w, i, beta);
    } else {
        assert_false(alpha.locked);
        assert_string_equal(alpha.eis.smsr_id, ALPHA_SMSR_ID);
        assert_memory_equal(&alpha.eis, &w->robots[i].eis, sizeof(alpha.eis));
        w->robots[i].ks1->counter = UINT32_MAX;
        assert_true(card_obeys(w, i, w->robots[i].ks1));
    }
    alpha_fini(&alpha);
    free(beta);
}

/* A round: so many changes at a time, until every operator has its answer; then quiet. */
static void play(struct world *w, uint64_t first, size_t count)
{
    enum { STEPS_MAX = 400000, QUIET_STEPS = 3000 };
    struct db *alphas, *betas;
    w->robot_count = count;
    w->calm = false;
    assert_true(alpha_store_open(&alphas, w->alpha_path, DB_SYNC_PROCESS));
    assert_true(beta_store_open(&betas, w->beta_path, DB_SYNC_PROCESS));
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(factory_make(&w->bench->factory, first + i, ALPHA_SMSR_ID,
                                      &w->bench->silent, &w->robots[i]),
                         STATUS_OK);
        assert_true(alpha_store_add(alphas, &w->robots[i].eis));
    }
    for (unsigned i = 0; i < count; i++) {
        begin_owner(w, i);
    }
    unsigned steps = 0;
    while (!all_done(w)) {
        step(w);
        assert_true(++steps < STEPS_MAX);
    }
    w->calm = true;
    for (unsigned i = 0; i < QUIET_STEPS; i++) {
        step(w);
    }
    for (unsigned i = 0; i < count; i++) {
        assert_one_commander(w, i, alphas, betas);
        robot_fini(&w->robots[i]);
    }
    db_close(&alphas);
    db_close(&betas);
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL && text[0] != '\0' ? strtoull(text, NULL, 10) : otherwise;
}

static void every_euicc_has_one_commander(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    uint64_t seed = number_of("ECKA_TEST_SEED", clock_calendar_us());
    uint64_t count =
        number_of("ECKA_TEST_COUNT", getenv("ECKA_TEST_LONG") != NULL ? CHANGES_LONG : CHANGES);
    assert_non_null(w);
    printf("ECKA_TEST_SEED=%llu ECKA_TEST_COUNT=%llu\n", (unsigned long long)seed,
           (unsigned long long)count);
    w->bench = *state;
    w->random = seed;
    w->now_us = clock_calendar_us();
    w->owners = calloc(TOGETHER, sizeof(*w->owners));
    assert_non_null(w->owners);
    (void)snprintf(w->alpha_path, sizeof(w->alpha_path), "%s/alpha.db", w->bench->dir);
    (void)snprintf(w->beta_path, sizeof(w->beta_path), "%s/beta.db", w->bench->dir);
    start_alpha(w);
    for (unsigned n = 0; n < BETAS; n++) {
        start_beta(w, n);
    }
    for (uint64_t done = 0; done < count;) {
        size_t some = count - done < TOGETHER ? (size_t)(count - done) : TOGETHER;
        play(w, done + 1, some);
        done += some;
    }
    printf("%u changed hands (%u with a warning); %u kills, %u messages lost, %u orders again\n",
           w->executed, w->warned, w->kills, w->lost, w->retried);
    assert_true(w->kills > 0 && w->lost > 0);
    assert_true(w->executed * 10 > count * 9); /* and it was not for want of trying */
    alpha_host_close(&w->alpha);
    for (unsigned n = 0; n < BETAS; n++) {
        stop_beta(w, n);
    }
    while (w->count != 0) {
        free(w->flights[--w->count]);
    }
    free(w->owners);
    free(w);
}

static int set_up(void **state)
{
    static struct bench b;
    memset(&fake_ecka, 0, sizeof(fake_ecka));
    bench_init(&b, CURVE_P256, RC_LEN_SHORT);
    fake_ecka.bench = &b;
    *state = &b;
    return 0;
}

static int tear_down(void **state)
{
    bench_fini(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_euicc_has_one_commander)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
