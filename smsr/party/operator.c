#include "smsr/party/operator.h"

#include "smsr/party/alpha.h"
#include "smsr/party/beta.h"

enum { US_PER_S = 1000000, GIVE_UP_VALIDITIES = 3 };

static void say(struct operator_party *op)
{
    struct message *m = bus_post(op->bus, op->ordered ? ES4_SMSR_CHANGE : ES4_PREPARE_SMSR_CHANGE,
                                 PARTY_OPERATOR, op->ordered ? PARTY_ALPHA : PARTY_BETA);
    struct es_change *change = &m->u.change;
    memcpy(m->change_id, op->change_id, sizeof(m->change_id));
    (void)snprintf(change->smsr_id, sizeof(change->smsr_id), "%s",
                   op->ordered ? BETA_SMSR_ID : ALPHA_SMSR_ID);
    change->validity_s = op->validity_s;
    op->due_us = op->bus->now_us + op->bus->patience.peer_us;
}

void operator_start(struct operator_party *op)
{
    char eid[EID_TEXT_LEN + 1];
    eid_text(op->eid, eid);
    op->finished = op->ordered = false;
    op->give_up_us = op->bus->now_us + (uint64_t)op->validity_s * GIVE_UP_VALIDITIES * US_PER_S;
    say(op);
    trace_step(op->trace, 1, PARTY_OPERATOR, PARTY_BETA, "ES4.PrepareSMSRChange",
               "EID %s, now at %s, valid %u s", eid, ALPHA_SMSR_ID, (unsigned)op->validity_s);
}

static void finish(struct operator_party *op, const struct es_answer *outcome)
{
    op->outcome = *outcome;
    op->finished = true;
    op->due_us = 0;
}

/* Step 4; also when Beta has the eUICC already: then Alpha does not know it yet. */
static void on_prepared(struct operator_party *op, const struct es_answer *answer)
{
    if (op->ordered) {
        return; /* said twice */
    }
    if (answer->result != ES_EXECUTED_SUCCESS && strcmp(answer->code, "ALREADY_MANAGED") != 0) {
        finish(op, answer);
        return;
    }
    op->ordered = true;
    say(op);
    trace_step(op->trace, 4, PARTY_OPERATOR, PARTY_ALPHA, "ES4.SMSRChange", "to %s, valid %u s",
               BETA_SMSR_ID, (unsigned)op->validity_s);
}

/* Beta tells the operator who ordered the change, then each profile's (MNO). */
static void on_notification(struct operator_party *op, const struct message *m)
{
    const struct es_change *change = &m->u.change;
    bool mno = change->to_operator[0] != '\0';
    uint32_t bit = m->attempt < 32 ? UINT32_C(1) << m->attempt : 0;
    (void)bus_answer(op->bus, ES4_NOTIFICATION_ACKNOWLEDGED, m);
    if ((op->notified & bit) != 0) {
        return;
    }
    op->notified |= bit;
    op->notifications++;
    trace_step(op->trace, mno ? 32 : 31, PARTY_BETA, PARTY_OPERATOR,
               "ES4.HandleSMSRChangeNotification", "%s: the SM-SR is now %s",
               mno ? change->to_operator : "to the operator who ordered it", change->smsr_id);
}

void operator_poke(struct operator_party *op)
{
    struct es_answer answer;
    op->due_us = 0;
    if (op->finished) {
        return;
    }
    if (op->bus->now_us > op->give_up_us) {
        es_answer_set(&answer, ES_EXPIRED, op->ordered ? 4 : 1, "NO_ANSWER", "%s does not answer",
                      op->ordered ? ALPHA_SMSR_ID : BETA_SMSR_ID);
        finish(op, &answer);
        return;
    }
    say(op);
}

void operator_receive(struct operator_party *op, const struct message *m)
{
    bool ours = !op->finished && memcmp(m->change_id, op->change_id, CHANGE_ID_LEN) == 0;
    if (m->type == ES4_HANDLE_SMSR_CHANGE_NOTIFICATION) {
        on_notification(op, m);
    } else if (m->type == ES4_PREPARE_SMSR_CHANGE_ANSWER && ours) {
        on_prepared(op, &m->u.answer);
    } else if (m->type == ES4_SMSR_CHANGE_ANSWER && ours) {
        finish(op, &m->u.answer);
    }
}
