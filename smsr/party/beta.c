#include "smsr/party/beta.h"

enum {
    TELLINGS_MAX = 5, /* of a notification that nobody acknowledges */
    US_PER_S = 1000000,
};

const char *beta_state_name(enum beta_state state)
{
    static const char *const names[BETA_STATES] = {
        [BETA_IDLE] = "idle",
        [BETA_PREPARED] = "prepared",
        [BETA_CHECKING] = "checking",
        [BETA_WAIT_RC] = "wait-rc",
        [BETA_ESTABLISHING] = "establishing",
        [BETA_WAIT_RECEIPT] = "wait-receipt",
        [BETA_CONFIRMING] = "confirming",
        [BETA_FAILED] = "failed",
        [BETA_FINALISING] = "finalising",
        [BETA_AUDITING] = "auditing",
        [BETA_CREATING] = "creating",
        [BETA_STORING] = "storing",
        [BETA_COUNTING] = "counting",
        [BETA_NOTIFYING] = "notifying",
        [BETA_DONE] = "done",
    };
    return names[state];
}

void beta_init(struct beta *beta, struct bus *bus, const struct trace *trace,
               const struct beta_config *config, struct offload *offload)
{
    memset(beta, 0, sizeof(*beta));
    beta->bus = bus;
    beta->trace = trace;
    beta->config = config;
    beta->offload = offload;
    memcpy(beta->eid, bus->eid, sizeof(beta->eid));
    beta->link = (struct card_link){.bus = bus, .owner = PARTY_BETA};
}

struct message *beta_post(struct beta *beta, enum message_type type, enum party to)
{
    struct message *m = bus_post(beta->bus, type, PARTY_BETA, to);
    memcpy(m->eid, beta->eid, sizeof(m->eid));
    memcpy(m->change_id, beta->r.change_id, sizeof(m->change_id));
    memcpy(m->reply_to, to == PARTY_ALPHA ? beta->r.alpha : beta->r.orderer, sizeof(m->reply_to));
    m->attempt = beta->r.attempt;
    return m;
}

void beta_enter(struct beta *beta, enum beta_state state)
{
    beta->r.state = state;
    beta->r.due_us = beta->bus->now_us + beta->bus->patience.peer_us;
}

/* -- calls to eckad -- */

static void called(void *arg, int status, const char *detail, const struct ecka_reply *reply)
{
    struct beta *beta = arg;
    beta->calling = false;
    memcpy(beta->bus->eid, beta->eid, sizeof(beta->eid)); /* a bus may serve several */
    if (!beta->abandoned) {
        beta->then(beta, status, detail, reply);
    }
    if (beta->settle != NULL) {
        beta->settle(beta->settle_arg, beta);
    }
}

void beta_call(struct beta *beta, enum ecka_op op,
               void (*then)(struct beta *beta, int status, const char *detail,
                            const struct ecka_reply *reply))
{
    beta->call = (struct eckad_call){.request = {.op = op}, .done = called, .arg = beta};
    beta->then = then;
    beta->calling = true;
    beta->call.request.items.chain = &beta->item.chain; /* all members point to the item */
    if (op == ECKA_VERIFY) {
        beta->call.request.curve = beta->config->eum_curve;
    } else if (op == ECKA_ESTABLISH) {
        beta->call.request.sr_key_id = beta->config->sr_key_id;
        beta->call.request.custody = beta->config->custody;
    }
    offload_call(beta->offload, &beta->call);
}

/* -- the answer to ES7.HandoverEUICC -- */

static void answer_handover(struct beta *beta)
{
    trace_step(beta->trace, 28, PARTY_BETA, PARTY_ALPHA, "ES7.HandoverEUICC answer", "%s",
               es_result_name(beta->r.answer.result));
    beta_post(beta, ES7_HANDOVER_EUICC_ANSWER, PARTY_ALPHA)->u.answer = beta->r.answer;
}

static void drop_eis(struct beta *beta)
{
    memset(&beta->eis, 0, sizeof(beta->eis));
    beta->r.has_eis = false;
    beta->eis_moved = true;
    memset(beta->r.tickets, 0, sizeof(beta->r.tickets));
    beta->tickets_moved = true;
}

/* When the last ticket that a late receipt could still confirm ends; 0: there is none. */
static uint64_t last_ticket_end_us(const struct beta *beta)
{
    uint64_t end_us = 0;
    for (size_t i = 0; i < BETA_TICKETS_MAX; i++) {
        uint64_t us = beta->r.tickets[i].expiry_s * US_PER_S;
        end_us = us > end_us ? us : end_us;
    }
    return end_us > beta->bus->now_us ? end_us : 0;
}

/* The robot stays Alpha's. The copy of the EIS goes with the last ticket that could change that. */
void beta_fail(struct beta *beta, enum es_result result, unsigned step, const char *code,
               const char *text)
{
    es_answer_set(&beta->r.answer, result, step, code, "%s", text);
    beta_enter(beta, BETA_FAILED);
    beta->r.due_us = last_ticket_end_us(beta);
    if (beta->r.due_us == 0) {
        drop_eis(beta);
    }
    answer_handover(beta);
}

/* -- ES4.PrepareSMSRChange, steps 1 to 3 -- */

static bool under_way(const struct beta *beta)
{
    return beta->r.state >= BETA_CHECKING && beta->r.state <= BETA_CONFIRMING;
}

static bool same_change(const struct beta *beta, const struct message *m)
{
    return memcmp(beta->r.change_id, m->change_id, CHANGE_ID_LEN) == 0;
}

static void prepare_check(const struct beta *beta, const struct message *m, struct es_answer *out)
{
    const char *text, *code = "CHANGE_PENDING";
    if (under_way(beta) && !same_change(beta, m)) {
        text = "another change is running";
    } else {
        code = beta_prepare_refusal(beta, m, &text);
    }
    if (code != NULL) {
        es_answer_set(out, ES_FAILED, 2, code, "%s", text);
    } else {
        es_answer_set(out, ES_EXECUTED_SUCCESS, 0, "OK", "%s", "");
    }
}

static void on_prepare(struct beta *beta, const struct message *m)
{
    struct es_answer answer;
    prepare_check(beta, m, &answer);
    bool taken = answer.result == ES_EXECUTED_SUCCESS;
    trace_step(beta->trace, 2, PARTY_BETA, PARTY_BETA, "capacity, capabilities, credentials", "%s",
               taken ? "can handle this robot" : answer.text);
    if (taken && !under_way(beta)) {
        memcpy(beta->r.change_id, m->change_id, sizeof(beta->r.change_id));
        memcpy(beta->r.orderer, m->reply_to, sizeof(beta->r.orderer));
        beta->r.validity_s = m->u.change.validity_s;
        beta->r.state = BETA_PREPARED;
        beta->r.due_us = beta->bus->now_us + (uint64_t)beta->r.validity_s * US_PER_S;
    }
    trace_step(beta->trace, 3, PARTY_BETA, PARTY_OPERATOR, "ES4.PrepareSMSRChange answer", "%s",
               es_result_name(answer.result));
    bus_answer(beta->bus, ES4_PREPARE_SMSR_CHANGE_ANSWER, m)->u.answer = answer;
}

/* -- ES7.HandoverEUICC, step 5 -- */

/* An EIS for an eUICC that is Beta's: a change that was cut off after step 23, or one that was not.
 */
static void handover_of_ours(struct beta *beta, const struct message *m)
{
    if (!same_change(beta, m)) {
        memcpy(beta->r.change_id, m->change_id, sizeof(beta->r.change_id));
        es_answer_set(&beta->r.answer, ES_EXECUTED_WITHWARNING, 0, "ALREADY_MANAGED",
                      "eUICC already managed");
    }
    memcpy(beta->r.alpha, m->reply_to, sizeof(beta->r.alpha));
    if (beta->r.state >= BETA_NOTIFYING) {
        answer_handover(beta);
    }
}

/* An EIS that nobody announced: what is under way stays as it is. */
static void refuse_handover(struct beta *beta, const struct message *m)
{
    struct message *answer = bus_answer(beta->bus, ES7_HANDOVER_EUICC_ANSWER, m);
    if (under_way(beta)) {
        es_answer_set(&answer->u.answer, ES_FAILED, 5, "CHANGE_PENDING",
                      "another change is running");
    } else {
        es_answer_set(&answer->u.answer, ES_FAILED, 5, "NO_PREPARE",
                      "no matching PrepareSMSRChange is pending");
    }
}

static void on_handover(struct beta *beta, const struct message *m)
{
    const char *text;
    if (beta_commands(beta)) {
        handover_of_ours(beta, m);
        return;
    }
    if (!same_change(beta, m) || beta->r.state == BETA_IDLE) {
        refuse_handover(beta, m);
        return;
    }
    memcpy(beta->r.alpha, m->reply_to, sizeof(beta->r.alpha));
    if (beta->r.state != BETA_PREPARED) { /* said again */
        if (beta->r.state == BETA_FAILED) {
            answer_handover(beta);
        }
        return;
    }
    const char *code = beta_eis_refusal(beta, &m->u.eis, &text);
    if (code != NULL) {
        beta_fail(beta, ES_FAILED, 5, code, text);
        return;
    }
    beta->eis = m->u.eis;
    beta->r.has_eis = true;
    beta->eis_moved = true;
    beta->r.attempts = 0;
    beta->r.card_attempts = 0;
    beta->r.deadline_us = beta->bus->now_us + (uint64_t)beta->r.validity_s * US_PER_S;
    beta_check(beta);
}

/* -- steps 27 to 32 -- */

static const char *operator_to_tell(const struct beta *beta, size_t n)
{
    return n == 0 ? "" : beta->eis.profiles[n - 1].mno_id; /* the first is who ordered */
}

static uint32_t all_told(const struct beta *beta)
{
    return (UINT32_C(2) << beta->eis.profile_count) - 1;
}

static void tell_operators(struct beta *beta)
{
    beta->r.tellings++;
    for (size_t n = 0; n <= beta->eis.profile_count; n++) {
        if ((beta->r.told >> n & 1) == 0) {
            struct message *m =
                beta_post(beta, ES4_HANDLE_SMSR_CHANGE_NOTIFICATION, PARTY_OPERATOR);
            struct es_change *change = &m->u.change;
            m->attempt = (uint32_t)n;
            (void)snprintf(change->smsr_id, sizeof(change->smsr_id), "%s", BETA_SMSR_ID);
            (void)snprintf(change->to_operator, sizeof(change->to_operator), "%s",
                           operator_to_tell(beta, n));
        }
    }
    beta->r.due_us = beta->bus->now_us + beta->bus->patience.peer_us;
}

static void on_acknowledged(struct beta *beta, const struct message *m)
{
    if (beta->r.state == BETA_NOTIFYING && same_change(beta, m) &&
        m->attempt <= beta->eis.profile_count) {
        beta->r.told |= UINT32_C(1) << m->attempt;
        if (beta->r.told == all_told(beta)) {
            beta_enter(beta, BETA_DONE);
            beta->r.due_us = 0;
        }
    }
}

static void own_eis(struct beta *beta)
{
    const struct beta_key_set *sets[] = {&beta->r.ks2, &beta->r.second};
    beta->eis.key_set_count = 0;
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        if (sets[i]->kvn != 0) {
            struct eis_key_set *set = &beta->eis.key_sets[beta->eis.key_set_count++];
            *set = (struct eis_key_set){.kvn = sets[i]->kvn,
                                        .type = EIS_SET_SCP80,
                                        .counter = sets[i]->counter,
                                        .key_count = EIS_KEYS_MAX};
            for (unsigned k = 0; k < EIS_KEYS_MAX; k++) {
                set->keys[k].index = (uint8_t)(k + 1);
            }
        }
    }
    eis_audit_add(&beta->eis, beta->bus->now_us / US_PER_S, BETA_SMSR_ID, "SMSRChange",
                  es_result_name(beta->r.answer.result));
    beta->eis_moved = true;
    trace_step(beta->trace, 27, PARTY_BETA, PARTY_BETA, "EIS", "Smsr-id is now %s", BETA_SMSR_ID);
}

void beta_complete(struct beta *beta)
{
    if (beta->r.second.kvn == 0) {
        trace_step(beta->trace, 26, PARTY_BETA, PARTY_BETA, "addressing parameters, key sets",
                   "none more are there");
    }
    own_eis(beta);
    beta_enter(beta, BETA_NOTIFYING);
    answer_handover(beta);
    tell_operators(beta);
}

/* -- what comes, and what does not -- */

void beta_receive(struct beta *beta, const struct message *m)
{
    switch (m->type) {
    case ES4_PREPARE_SMSR_CHANGE:
        on_prepare(beta, m);
        return;
    case ES4_NOTIFICATION_ACKNOWLEDGED:
        on_acknowledged(beta, m);
        return;
    case ES7_HANDOVER_EUICC:
        on_handover(beta, m);
        return;
    case ES7_AUTHENTICATE_SMSR_ANSWER:
        beta_on_authenticated(beta, m);
        return;
    case ES7_CREATE_ADDITIONAL_KEY_SET_ANSWER:
        beta_on_created(beta, m);
        return;
    case CARD_ANSWER:
        beta_card_answer(beta, m);
        return;
    default:
        return; /* nothing else is for Beta */
    }
}

/* Between steps 7 and 22: asks once more while the validity period lasts. */
static void ask_again(struct beta *beta)
{
    if (beta->bus->now_us > beta->r.deadline_us) {
        beta_fail(beta, ES_EXPIRED, 0, "EXPIRED", "the validity period is over");
    } else if (beta->r.state == BETA_WAIT_RC) {
        beta_ask_rc(beta);
    } else {
        beta_ask_receipt(beta);
    }
}

/* The handover that Beta was prepared for did not come; receipts of earlier ones still may. */
static void stay_for_tickets(struct beta *beta)
{
    es_answer_set(&beta->r.answer, ES_EXPIRED, 5, "EXPIRED", "the handover did not come in time");
    beta->r.state = BETA_FAILED;
    beta->r.due_us = last_ticket_end_us(beta);
}

void beta_poke(struct beta *beta)
{
    beta->r.due_us = beta->bus->now_us + beta->bus->patience.peer_us;
    if (beta->calling) {
        return; /* eckad is asked, and libecka ends each call */
    }
    switch (beta->r.state) {
    case BETA_IDLE:
    case BETA_DONE:
        beta->r.due_us = 0;
        return;
    case BETA_PREPARED:
        if (last_ticket_end_us(beta) != 0) {
            stay_for_tickets(beta);
            return;
        }
        /* fall through */
    case BETA_FAILED: /* what Beta waited for did not come */
        beta->r.state = BETA_IDLE;
        beta->r.due_us = 0;
        drop_eis(beta);
        return;
    case BETA_CHECKING:
        beta_check(beta);
        return;
    case BETA_WAIT_RC:
    case BETA_WAIT_RECEIPT:
        ask_again(beta);
        return;
    case BETA_ESTABLISHING:
        beta_establish(beta);
        return;
    case BETA_CONFIRMING:
        beta_confirm(beta);
        return;
    case BETA_NOTIFYING:
        if (beta->r.tellings < TELLINGS_MAX) {
            tell_operators(beta);
        } else {
            beta->r.state = BETA_DONE;
            beta->r.due_us = 0;
        }
        return;
    default:
        beta_card_poke(beta);
        return;
    }
}
