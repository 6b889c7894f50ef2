#include "smsr/party/operator.h"

#include "smsr/party/alpha.h"
#include "smsr/party/beta.h"

static struct es_change *order(struct operator_party *op, enum message_type type, enum party to,
                               const char *smsr_id)
{
    struct es_change *change = &bus_post(op->bus, type, PARTY_OPERATOR, to)->u.change;
    memcpy(change->eid, op->eid, sizeof(change->eid));
    (void)snprintf(change->smsr_id, sizeof(change->smsr_id), "%s", smsr_id);
    change->validity_s = op->validity_s;
    return change;
}

void operator_start(struct operator_party *op)
{
    char eid[EID_TEXT_LEN + 1];
    eid_text(op->eid, eid);
    order(op, ES4_PREPARE_SMSR_CHANGE, PARTY_BETA, ALPHA_SMSR_ID);
    trace_step(op->trace, 1, PARTY_OPERATOR, PARTY_BETA, "ES4.PrepareSMSRChange",
               "EID %s, now at %s, valid %u s", eid, ALPHA_SMSR_ID, (unsigned)op->validity_s);
}

static void on_prepared(struct operator_party *op, const struct es_answer *answer)
{
    if (answer->result != ES_EXECUTED_SUCCESS) {
        op->outcome = *answer;
        op->finished = true;
        return;
    }
    order(op, ES4_SMSR_CHANGE, PARTY_ALPHA, BETA_SMSR_ID);
    trace_step(op->trace, 4, PARTY_OPERATOR, PARTY_ALPHA, "ES4.SMSRChange", "to %s, valid %u s",
               BETA_SMSR_ID, (unsigned)op->validity_s);
}

/* Beta tells the operator who ordered the change, then each profile's (MNO). */
static void on_notification(struct operator_party *op, const struct es_change *change)
{
    bool mno = change->to_operator[0] != '\0';
    op->notifications++;
    trace_step(op->trace, mno ? 32 : 31, PARTY_BETA, PARTY_OPERATOR,
               "ES4.HandleSMSRChangeNotification", "%s: the SM-SR is now %s",
               mno ? change->to_operator : "to the operator who ordered it", change->smsr_id);
}

void operator_receive(struct operator_party *op, const struct message *m)
{
    switch (m->type) {
    case ES4_PREPARE_SMSR_CHANGE_ANSWER:
        on_prepared(op, &m->u.answer);
        return;
    case ES4_SMSR_CHANGE_ANSWER:
        op->outcome = m->u.answer;
        op->finished = true;
        return;
    case ES4_HANDLE_SMSR_CHANGE_NOTIFICATION:
        on_notification(op, &m->u.change);
        return;
    default:
        return; /* nothing else is for the operator */
    }
}
