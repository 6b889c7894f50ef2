#include "smsr/hostile/bout.h"

#include <stdio.h>
#include <stdlib.h>

#include "providers/core/secret.h"
#include "smsr/clock.h"

enum {
    US_PER_S = 1000000,
    STEPS_MAX = 3000, /* messages and moments of a run, far beyond what two changes take */
    BUS_ROOM = 9,     /* most that one message makes a party say */
    SESSIONS_MAX = 2,
    BURNT_MAX = 10, /* key version numbers; beyond that a retry may find none */
    LATER_S = 400,  /* after every ticket's end */
};

static const struct patience patience = {
    .peer_us = 8 * US_PER_S, .card_us = 8 * US_PER_S, .card_attempts = 2};

/* -- a run's beginning -- */

static void order(struct bout *b, struct robot_bout *r)
{
    dice_bytes(&b->dice, r->op.change_id, sizeof(r->op.change_id));
    r->op.bus = &r->bus;
    r->op.trace = &b->trace;
    r->op.validity_s = BOUT_VALIDITY_S;
    memcpy(r->op.eid, r->bus.eid, sizeof(r->op.eid));
    operator_start(&r->op);
}

static enum status robot_begin(struct bout *b, struct robot_bout *r, uint64_t number)
{
    struct engine *engine = b->ctx->factory.engine;
    struct gp_cert cert;
    r->witness.seen = malloc(SEEN_MAX);
    r->opened = secret_alloc(1, sizeof(*r->opened));
    if (r->witness.seen == NULL || r->opened == NULL) {
        return STATUS_INTERNAL;
    }
    TRY(factory_make(&b->ctx->factory, number, ALPHA_SMSR_ID, &b->trace, &r->robot));
    const struct eis_signed *info = &r->robot.eis.signed_info;
    r->bus.patience = patience;
    r->bus.now_us = clock_calendar_us();
    memcpy(r->bus.eid, info->eid, sizeof(r->bus.eid));
    TRY(alpha_init(&r->alpha, &r->bus, &b->trace, engine, &r->robot.eis, r->robot.ks1));
    beta_init(&r->beta, &r->bus, &b->trace, &b->ctx->beta, b->ctx->offload);
    r->opened->known[0] = *r->robot.ks1;
    r->known_count = 1;
    memcpy(r->opened->present, euicc_open_up(r->robot.card), sizeof(r->opened->present));
    TRY(gp_cert_parse(span_of(info->ecasd_cert, info->ecasd_cert_len), &cert));
    memcpy(r->pk_ecasd, cert.point.ptr, sizeof(r->pk_ecasd));
    order(b, r);
    return STATUS_OK;
}

/* Some runs are honest, some are busy; each has a few of the attacks, some all of them. */
static void choose_temper(struct bout *b)
{
    static const size_t rarities[] = {0, 2, 4, 8, 16, 16, 32, 64};
    b->rarity = rarities[dice_below(&b->dice, sizeof(rarities) / sizeof(rarities[0]))];
    b->attacks = (UINT32_C(1) << ATTACKS) - 1;
    if (!dice_one_in(&b->dice, 4)) {
        uint64_t both = dice_u64(&b->dice);
        both &= dice_u64(&b->dice); /* one attack in four */
        b->attacks &= (uint32_t)both;
        b->attacks |= UINT32_C(1) << dice_below(&b->dice, ATTACKS);
    }
}

enum status bout_new(struct bout **out, const struct handover_context *ctx,
                     const struct arsenal *arsenal, uint64_t seed, uint64_t number, bool verbose)
{
    struct bout *b = calloc(1, sizeof(*b));
    *out = NULL;
    if (b == NULL) {
        return STATUS_INTERNAL;
    }
    b->ctx = ctx;
    b->arsenal = arsenal;
    b->dice.state = seed;
    b->trace = (struct trace){.out = verbose ? stdout : NULL, .prefix = ""};
    b->in_league = true;
    b->sessions = 1;
    choose_temper(b);
    enum status s = STATUS_OK;
    for (size_t i = 0; s == STATUS_OK && i < BOUT_ROBOTS; i++) {
        s = robot_begin(b, &b->robots[i], BOUT_ROBOTS * number + i);
    }
    if (s != STATUS_OK) {
        bout_free(&b);
    }
    *out = b;
    return s;
}

void bout_free(struct bout **bout)
{
    if (*bout != NULL) {
        for (size_t i = 0; i < BOUT_ROBOTS; i++) {
            struct robot_bout *r = &(*bout)->robots[i];
            alpha_fini(&r->alpha);
            robot_fini(&r->robot);
            secret_free(&r->opened);
            free(r->witness.seen);
        }
        free(*bout);
        *bout = NULL;
    }
}

bool bout_waits(const struct bout *b)
{
    bool waits = false;
    for (size_t i = 0; i < BOUT_ROBOTS; i++) {
        waits = waits || b->robots[i].beta.calling;
    }
    return waits;
}

/* -- messages -- */

static void card_receive(struct bout *b, size_t robot, const struct message *m)
{
    struct robot_bout *r = &b->robots[robot];
    uint8_t rapdu[RAPDU_DATA_MAX + 2];
    size_t len = euicc_apdu(r->robot.card, span_of(m->u.apdu.b, m->u.apdu.len), rapdu);
    struct message *answer = bus_answer(&r->bus, CARD_ANSWER, m);
    memcpy(answer->u.apdu.b, rapdu, len);
    answer->u.apdu.len = len;
    judge_card(b, robot, m->from == PARTY_BETA);
}

void bout_deliver(struct bout *b, size_t robot, const struct message *m)
{
    struct robot_bout *r = &b->robots[robot];
    if (r->bus.count + BUS_ROOM > BUS_MAX) {
        return;
    }
    switch (m->to) {
    case PARTY_OPERATOR:
        operator_receive(&r->op, m);
        break;
    case PARTY_ALPHA:
        alpha_receive(&r->alpha, m);
        break;
    case PARTY_BETA:
        beta_receive(&r->beta, m);
        break;
    default:
        card_receive(b, robot, m);
        break;
    }
}

/* One message from a bus that has one, through the adversary. */
static bool pass_one(struct bout *b)
{
    size_t start = b->in_league ? dice_below(&b->dice, BOUT_ROBOTS) : 0;
    for (size_t i = 0; i < BOUT_ROBOTS; i++) {
        size_t robot = (start + i) % BOUT_ROBOTS;
        struct robot_bout *r = &b->robots[robot];
        struct message m;
        if (bus_take(&r->bus, &m)) {
            r->witness.judged--;
            if (b->in_league) {
                adversary_relay(b, robot, &m);
            } else {
                bout_deliver(b, robot, &m);
            }
            return true;
        }
    }
    return false;
}

static bool release_held(struct bout *b)
{
    if (b->held_count == 0) {
        return false;
    }
    size_t i = dice_below(&b->dice, b->held_count);
    struct held h = b->held[i];
    b->held[i] = b->held[--b->held_count];
    bout_deliver(b, h.robot, &h.m);
    return true;
}

/* -- time -- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

static void poke(struct robot_bout *r)
{
    uint64_t now = r->bus.now_us;
    if (r->bus.count + BUS_ROOM > BUS_MAX) {
        return;
    }
    if (r->op.due_us != 0 && r->op.due_us <= now) {
        operator_poke(&r->op);
    } else if (r->alpha.due_us != 0 && r->alpha.due_us <= now) {
        alpha_poke(&r->alpha);
    } else if (r->beta.r.due_us != 0 && r->beta.r.due_us <= now) {
        beta_poke(&r->beta);
    }
}

/* To the moment when the next party has waited long enough; false: none waits. */
static bool jump(struct bout *b)
{
    uint64_t due = 0, now = b->robots[0].bus.now_us;
    for (size_t i = 0; i < BOUT_ROBOTS; i++) {
        const struct robot_bout *r = &b->robots[i];
        due = earlier(due, earlier(r->op.due_us, earlier(r->alpha.due_us, r->beta.r.due_us)));
    }
    if (due == 0) {
        return false;
    }
    for (size_t i = 0; i < BOUT_ROBOTS; i++) {
        b->robots[i].bus.now_us = due > now ? due : now;
        poke(&b->robots[i]);
    }
    return true;
}

/* -- sessions -- */

/* Alpha as it was before the change, with KS1 and a counter that the card takes. */
static void new_alpha(struct bout *b, struct robot_bout *r)
{
    enum { ABOVE = 8 };
    struct key_set *ks1 = &r->opened->known[0];
    uint64_t used = r->alpha.ks1 != NULL ? r->alpha.ks1->counter : 0;
    ks1->counter = (used > ks1->counter ? used : ks1->counter) + ABOVE;
    alpha_fini(&r->alpha);
    if (alpha_init(&r->alpha, &r->bus, &b->trace, b->ctx->factory.engine, &r->robot.eis, ks1) !=
        STATUS_OK) {
        judge_fault(b, 0, "no memory for secrets");
    }
}

static void order_again(struct bout *b, bool those_done_too)
{
    for (size_t i = 0; i < BOUT_ROBOTS; i++) {
        struct robot_bout *r = &b->robots[i];
        r->bus.now_us += (uint64_t)LATER_S * US_PER_S;
        bool burnt = __builtin_popcount(r->beta.r.burnt_kvns) > BURNT_MAX;
        if (beta_commands(&r->beta) ? those_done_too : !burnt) {
            new_alpha(b, r);
            order(b, r);
        }
    }
}

static void retry(struct bout *b)
{
    b->in_league = false;
    b->phase = BOUT_RETRY;
    for (size_t i = 0; i < BOUT_ROBOTS; i++) {
        b->robots[i].retried = !beta_commands(&b->robots[i].beta);
        if (b->robots[i].retried) {
            adversary_repent(b, i);
        }
    }
    order_again(b, true);
}

static void next_phase(struct bout *b)
{
    bool burnt[BOUT_ROBOTS];
    for (size_t i = 0; i < BOUT_ROBOTS; i++) {
        const struct beta *beta = &b->robots[i].beta;
        burnt[i] = !beta_commands(beta) && __builtin_popcount(beta->r.burnt_kvns) > BURNT_MAX;
    }
    if (b->phase == BOUT_HOSTILE) {
        for (size_t i = 0; i < BOUT_ROBOTS; i++) {
            judge_at_end(b, i);
        }
        if (b->sessions < SESSIONS_MAX && b->rarity != 0 && dice_one_in(&b->dice, 4)) {
            b->sessions++;
            order_again(b, false);
        } else {
            retry(b);
        }
        return;
    }
    for (size_t i = 0; i < BOUT_ROBOTS; i++) {
        if (!burnt[i]) {
            judge_retry(b, i);
        }
    }
    b->phase = BOUT_OVER;
}

void bout_advance(struct bout *b)
{
    while (b->phase != BOUT_OVER) {
        for (size_t i = 0; i < BOUT_ROBOTS; i++) {
            judge_posted(b, i);
        }
        if (b->fault[0] != '\0' || b->steps++ > STEPS_MAX) {
            if (b->fault[0] == '\0') {
                judge_fault(b, 0, "it never ends");
            }
            if (bout_waits(b)) {
                return; /* eckad's answer still comes */
            }
            b->phase = BOUT_OVER;
            return;
        }
        if (bout_waits(b)) {
            return;
        }
        if (!pass_one(b) && !release_held(b) && !jump(b)) {
            next_phase(b);
        }
    }
}
