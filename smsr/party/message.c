#include "smsr/party/message.h"

#include <stdlib.h>

#include "es.pb-c.h"
#include "smsr/eis/eis_json.h"

enum { ENVELOPE_VERSION = 1 };

const char *message_name(enum message_type type)
{
    static const char *const names[MESSAGE_TYPES] = {
        [ES4_PREPARE_SMSR_CHANGE] = "ES4.PrepareSMSRChange",
        [ES4_PREPARE_SMSR_CHANGE_ANSWER] = "ES4.PrepareSMSRChange answer",
        [ES4_SMSR_CHANGE] = "ES4.SMSRChange",
        [ES4_SMSR_CHANGE_ANSWER] = "ES4.SMSRChange answer",
        [ES4_HANDLE_SMSR_CHANGE_NOTIFICATION] = "ES4.HandleSMSRChangeNotification",
        [ES4_NOTIFICATION_ACKNOWLEDGED] = "ES4.HandleSMSRChangeNotification taken",
        [ES7_HANDOVER_EUICC] = "ES7.HandoverEUICC",
        [ES7_HANDOVER_EUICC_ANSWER] = "ES7.HandoverEUICC answer",
        [ES7_AUTHENTICATE_SMSR] = "ES7.AuthenticateSMSR",
        [ES7_AUTHENTICATE_SMSR_ANSWER] = "ES7.AuthenticateSMSR answer",
        [ES7_CREATE_ADDITIONAL_KEY_SET] = "ES7.CreateAdditionalKeySet",
        [ES7_CREATE_ADDITIONAL_KEY_SET_ANSWER] = "ES7.CreateAdditionalKeySet answer",
        [CARD_COMMAND] = "C-APDU",
        [CARD_ANSWER] = "R-APDU",
    };
    return type < MESSAGE_TYPES ? names[type] : "?";
}

enum {
    P_OPERATOR = 1 << PARTY_OPERATOR,
    P_ALPHA = 1 << PARTY_ALPHA,
    P_BETA = 1 << PARTY_BETA,
    P_CARD = 1 << PARTY_ISDR
};

bool message_fits(const struct message *m)
{
    static const struct {
        unsigned from, to;
    } ways[MESSAGE_TYPES] = {
        [ES4_PREPARE_SMSR_CHANGE] = {P_OPERATOR, P_BETA},
        [ES4_PREPARE_SMSR_CHANGE_ANSWER] = {P_BETA, P_OPERATOR},
        [ES4_SMSR_CHANGE] = {P_OPERATOR, P_ALPHA},
        [ES4_SMSR_CHANGE_ANSWER] = {P_ALPHA, P_OPERATOR},
        [ES4_HANDLE_SMSR_CHANGE_NOTIFICATION] = {P_BETA, P_OPERATOR},
        [ES4_NOTIFICATION_ACKNOWLEDGED] = {P_OPERATOR, P_BETA},
        [ES7_HANDOVER_EUICC] = {P_ALPHA, P_BETA},
        [ES7_HANDOVER_EUICC_ANSWER] = {P_BETA, P_ALPHA},
        [ES7_AUTHENTICATE_SMSR] = {P_BETA, P_ALPHA},
        [ES7_AUTHENTICATE_SMSR_ANSWER] = {P_ALPHA, P_BETA},
        [ES7_CREATE_ADDITIONAL_KEY_SET] = {P_BETA, P_ALPHA},
        [ES7_CREATE_ADDITIONAL_KEY_SET_ANSWER] = {P_ALPHA, P_BETA},
        [CARD_COMMAND] = {P_ALPHA | P_BETA, P_CARD},
        [CARD_ANSWER] = {P_CARD, P_ALPHA | P_BETA},
    };
    return m->type < MESSAGE_TYPES && (ways[m->type].from >> m->from & 1) != 0 &&
           (ways[m->type].to >> m->to & 1) != 0;
}

/* -- parties and types on the wire -- */

static const Smsr__V1__Party wire_parties[PARTY_COUNT] = {
    [PARTY_OPERATOR] = SMSR__V1__PARTY__OPERATOR,
    [PARTY_ALPHA] = SMSR__V1__PARTY__ALPHA,
    [PARTY_BETA] = SMSR__V1__PARTY__BETA,
    [PARTY_ISDR] = SMSR__V1__PARTY__EUICC,
};

static bool party_of(Smsr__V1__Party wire, enum party *out)
{
    for (enum party p = PARTY_OPERATOR; p <= PARTY_ISDR; p++) {
        if (wire_parties[p] == wire) {
            *out = p;
            return true;
        }
    }
    return false;
}

static const Smsr__V1__Envelope__BodyCase wire_types[MESSAGE_TYPES] = {
    [ES4_PREPARE_SMSR_CHANGE] = SMSR__V1__ENVELOPE__BODY_PREPARE_SMSR_CHANGE,
    [ES4_PREPARE_SMSR_CHANGE_ANSWER] = SMSR__V1__ENVELOPE__BODY_PREPARE_SMSR_CHANGE_ANSWER,
    [ES4_SMSR_CHANGE] = SMSR__V1__ENVELOPE__BODY_SMSR_CHANGE,
    [ES4_SMSR_CHANGE_ANSWER] = SMSR__V1__ENVELOPE__BODY_SMSR_CHANGE_ANSWER,
    [ES4_HANDLE_SMSR_CHANGE_NOTIFICATION] =
        SMSR__V1__ENVELOPE__BODY_HANDLE_SMSR_CHANGE_NOTIFICATION,
    [ES4_NOTIFICATION_ACKNOWLEDGED] = SMSR__V1__ENVELOPE__BODY_NOTIFICATION_ACKNOWLEDGED,
    [ES7_HANDOVER_EUICC] = SMSR__V1__ENVELOPE__BODY_HANDOVER_EUICC,
    [ES7_HANDOVER_EUICC_ANSWER] = SMSR__V1__ENVELOPE__BODY_HANDOVER_EUICC_ANSWER,
    [ES7_AUTHENTICATE_SMSR] = SMSR__V1__ENVELOPE__BODY_AUTHENTICATE_SMSR,
    [ES7_AUTHENTICATE_SMSR_ANSWER] = SMSR__V1__ENVELOPE__BODY_AUTHENTICATE_SMSR_ANSWER,
    [ES7_CREATE_ADDITIONAL_KEY_SET] = SMSR__V1__ENVELOPE__BODY_CREATE_ADDITIONAL_KEY_SET,
    [ES7_CREATE_ADDITIONAL_KEY_SET_ANSWER] =
        SMSR__V1__ENVELOPE__BODY_CREATE_ADDITIONAL_KEY_SET_ANSWER,
    [CARD_COMMAND] = SMSR__V1__ENVELOPE__BODY_CARD_COMMAND,
    [CARD_ANSWER] = SMSR__V1__ENVELOPE__BODY_CARD_ANSWER,
};

static bool type_of(Smsr__V1__Envelope__BodyCase wire, enum message_type *out)
{
    for (enum message_type t = 0; t < MESSAGE_TYPES; t++) {
        if (wire_types[t] == wire) {
            *out = t;
            return true;
        }
    }
    return false;
}

/* -- out: protobuf-c wants pointers that are not const, and writes through none of them -- */

static ProtobufCBinaryData bytes_out(const void *ptr, size_t len)
{
    return (ProtobufCBinaryData){len, (uint8_t *)(uintptr_t)ptr};
}

static char *text_out(const char *text)
{
    return (char *)(uintptr_t)text;
}

static Smsr__V1__Answer answer_out(const struct es_answer *a)
{
    Smsr__V1__Answer out = SMSR__V1__ANSWER__INIT;
    out.result = (Smsr__V1__Result)a->result;
    out.subject = text_out(a->subject);
    out.reason = text_out(a->reason);
    out.step = a->step;
    out.code = text_out(a->code);
    out.text = text_out(a->text);
    return out;
}

union bodies { /* storage for the one that is sent */
    Smsr__V1__Change change;
    Smsr__V1__HandoverEUICC handover;
    Smsr__V1__AuthenticateSMSR authenticate;
    Smsr__V1__AuthenticateSMSRAnswer authenticated;
    Smsr__V1__CreateAdditionalKeySet create;
    Smsr__V1__CreateAdditionalKeySetAnswer created;
    Smsr__V1__Apdu apdu;
    Smsr__V1__Acknowledgement acknowledged;
};

struct outgoing {
    Smsr__V1__Envelope envelope;
    union bodies body;
    Smsr__V1__Answer answer;
    uint8_t eis[EIS_JSON_MAX];
};

static void create_out(struct outgoing *o, const struct es7_create_key_set *in)
{
    Smsr__V1__CreateAdditionalKeySet *b = &o->body.create;
    smsr__v1__create_additional_key_set__init(b);
    b->key_version_number = in->kvn;
    b->initial_sequence_counter = in->counter;
    b->ecc_key_length = in->ecc_key_length;
    b->scenario_parameter = in->scenario;
    b->host_id = bytes_out(in->host_id.b, in->host_id.len);
    b->ephemeral_public_key = bytes_out(in->epk, sizeof(in->epk));
    b->signature = bytes_out(in->signature, sizeof(in->signature));
    o->envelope.create_additional_key_set = b;
}

static void created_out(struct outgoing *o, const struct es7_create_key_set_answer *in)
{
    Smsr__V1__CreateAdditionalKeySetAnswer *b = &o->body.created;
    smsr__v1__create_additional_key_set_answer__init(b);
    o->answer = answer_out(&in->answer);
    b->answer = &o->answer;
    b->status_word = in->sw;
    b->derivation_random = bytes_out(in->dr.b, in->dr.len);
    b->receipt = bytes_out(in->receipt.b, in->receipt.len);
    o->envelope.create_additional_key_set_answer = b;
}

static void change_out(struct outgoing *o, const struct es_change *in)
{
    Smsr__V1__Change *b = &o->body.change;
    smsr__v1__change__init(b);
    b->smsr_id = text_out(in->smsr_id);
    b->validity_s = in->validity_s;
    b->to_operator = text_out(in->to_operator);
    o->envelope.prepare_smsr_change = b; /* all members of the union are pointers */
}

static enum status body_out(struct outgoing *o, const struct message *m)
{
    struct writer w = writer_of(o->eis, sizeof(o->eis));
    switch (m->type) {
    case ES4_PREPARE_SMSR_CHANGE:
    case ES4_SMSR_CHANGE:
    case ES4_HANDLE_SMSR_CHANGE_NOTIFICATION:
        change_out(o, &m->u.change);
        return STATUS_OK;
    case ES4_PREPARE_SMSR_CHANGE_ANSWER:
    case ES4_SMSR_CHANGE_ANSWER:
    case ES7_HANDOVER_EUICC_ANSWER:
        o->answer = answer_out(&m->u.answer);
        o->envelope.smsr_change_answer = &o->answer;
        return STATUS_OK;
    case ES4_NOTIFICATION_ACKNOWLEDGED:
        smsr__v1__acknowledgement__init(&o->body.acknowledged);
        o->envelope.notification_acknowledged = &o->body.acknowledged;
        return STATUS_OK;
    case ES7_HANDOVER_EUICC:
        smsr__v1__handover_euicc__init(&o->body.handover);
        TRY(eis_json_put(&w, &m->u.eis));
        o->body.handover.eis = bytes_out(w.ptr, w.len);
        o->envelope.handover_euicc = &o->body.handover;
        return STATUS_OK;
    case ES7_AUTHENTICATE_SMSR:
        smsr__v1__authenticate_smsr__init(&o->body.authenticate);
        o->body.authenticate.certificate =
            bytes_out(m->u.authenticate.cert, m->u.authenticate.cert_len);
        o->envelope.authenticate_smsr = &o->body.authenticate;
        return STATUS_OK;
    case ES7_AUTHENTICATE_SMSR_ANSWER:
        smsr__v1__authenticate_smsranswer__init(&o->body.authenticated);
        o->answer = answer_out(&m->u.authenticated.answer);
        o->body.authenticated.answer = &o->answer;
        o->body.authenticated.random_challenge =
            bytes_out(m->u.authenticated.rc.b, m->u.authenticated.rc.len);
        o->envelope.authenticate_smsr_answer = &o->body.authenticated;
        return STATUS_OK;
    case ES7_CREATE_ADDITIONAL_KEY_SET:
        create_out(o, &m->u.create);
        return STATUS_OK;
    case ES7_CREATE_ADDITIONAL_KEY_SET_ANSWER:
        created_out(o, &m->u.created);
        return STATUS_OK;
    default:
        smsr__v1__apdu__init(&o->body.apdu);
        o->body.apdu.bytes = bytes_out(m->u.apdu.b, m->u.apdu.len);
        o->envelope.card_command = &o->body.apdu;
        return STATUS_OK;
    }
}

enum status message_put(struct writer *w, const struct message *m)
{
    struct outgoing o;
    smsr__v1__envelope__init(&o.envelope);
    o.envelope.version = ENVELOPE_VERSION;
    o.envelope.from = wire_parties[m->from];
    o.envelope.to = wire_parties[m->to];
    o.envelope.eid = bytes_out(m->eid, sizeof(m->eid));
    o.envelope.change_id = bytes_out(m->change_id, sizeof(m->change_id));
    o.envelope.attempt = m->attempt;
    o.envelope.reply_to = text_out(m->reply_to);
    o.envelope.body_case = wire_types[m->type];
    TRY(body_out(&o, m));
    size_t len = smsr__v1__envelope__get_packed_size(&o.envelope);
    if (w->overflow || len > w->cap - w->len) {
        w->overflow = true;
        return STATUS_NO_SPACE;
    }
    w->len += smsr__v1__envelope__pack(&o.envelope, w->ptr + w->len);
    return STATUS_OK;
}

/* -- in: every field is checked against the room that it gets -- */

static bool text_in(const char *in, char *out, size_t cap)
{
    size_t len = strlen(in);
    if (len >= cap) {
        return false;
    }
    memcpy(out, in, len + 1);
    return true;
}

static bool fixed_in(ProtobufCBinaryData in, uint8_t *out, size_t len)
{
    if (in.len != len) {
        return false;
    }
    memcpy(out, in.data, len);
    return true;
}

static bool bytes_in(ProtobufCBinaryData in, uint8_t *out, size_t cap, size_t *len)
{
    if (in.len > cap) {
        return false;
    }
    if (in.len != 0) {
        memcpy(out, in.data, in.len);
    }
    *len = in.len;
    return true;
}

static bool octets_in(ProtobufCBinaryData in, struct octets *out)
{
    return bytes_in(in, out->b, sizeof(out->b), &out->len);
}

static bool answer_in(const Smsr__V1__Answer *in, struct es_answer *out)
{
    if (in == NULL || (unsigned)in->result >= ES_RESULTS) {
        return false;
    }
    out->result = (enum es_result)in->result;
    out->step = in->step;
    return text_in(in->subject, out->subject, sizeof(out->subject)) &&
           text_in(in->reason, out->reason, sizeof(out->reason)) &&
           text_in(in->code, out->code, sizeof(out->code)) &&
           text_in(in->text, out->text, sizeof(out->text));
}

static bool change_in(const Smsr__V1__Change *in, struct es_change *out)
{
    out->validity_s = in->validity_s;
    return text_in(in->smsr_id, out->smsr_id, sizeof(out->smsr_id)) &&
           text_in(in->to_operator, out->to_operator, sizeof(out->to_operator));
}

static bool create_in(const Smsr__V1__CreateAdditionalKeySet *in, struct es7_create_key_set *out)
{
    out->kvn = (uint8_t)in->key_version_number;
    out->counter = in->initial_sequence_counter;
    out->ecc_key_length = in->ecc_key_length;
    out->scenario = (uint8_t)in->scenario_parameter;
    return in->key_version_number <= UINT8_MAX && in->scenario_parameter <= UINT8_MAX &&
           octets_in(in->host_id, &out->host_id) &&
           fixed_in(in->ephemeral_public_key, out->epk, sizeof(out->epk)) &&
           fixed_in(in->signature, out->signature, sizeof(out->signature));
}

static bool created_in(const Smsr__V1__CreateAdditionalKeySetAnswer *in,
                       struct es7_create_key_set_answer *out)
{
    out->sw = (uint16_t)in->status_word;
    return in->status_word <= UINT16_MAX && answer_in(in->answer, &out->answer) &&
           octets_in(in->derivation_random, &out->dr) && octets_in(in->receipt, &out->receipt);
}

static bool body_in(const Smsr__V1__Envelope *e, struct message *out)
{
    switch (out->type) {
    case ES4_PREPARE_SMSR_CHANGE:
    case ES4_SMSR_CHANGE:
    case ES4_HANDLE_SMSR_CHANGE_NOTIFICATION:
        return change_in(e->smsr_change, &out->u.change);
    case ES4_PREPARE_SMSR_CHANGE_ANSWER:
    case ES4_SMSR_CHANGE_ANSWER:
    case ES7_HANDOVER_EUICC_ANSWER:
        return answer_in(e->smsr_change_answer, &out->u.answer);
    case ES4_NOTIFICATION_ACKNOWLEDGED:
        return true;
    case ES7_HANDOVER_EUICC:
        return eis_json_parse(span_of(e->handover_euicc->eis.data, e->handover_euicc->eis.len),
                              &out->u.eis, NULL) == STATUS_OK;
    case ES7_AUTHENTICATE_SMSR:
        return bytes_in(e->authenticate_smsr->certificate, out->u.authenticate.cert,
                        sizeof(out->u.authenticate.cert), &out->u.authenticate.cert_len);
    case ES7_AUTHENTICATE_SMSR_ANSWER:
        return answer_in(e->authenticate_smsr_answer->answer, &out->u.authenticated.answer) &&
               octets_in(e->authenticate_smsr_answer->random_challenge, &out->u.authenticated.rc);
    case ES7_CREATE_ADDITIONAL_KEY_SET:
        return create_in(e->create_additional_key_set, &out->u.create);
    case ES7_CREATE_ADDITIONAL_KEY_SET_ANSWER:
        return created_in(e->create_additional_key_set_answer, &out->u.created);
    default:
        return bytes_in(e->card_command->bytes, out->u.apdu.b, sizeof(out->u.apdu.b),
                        &out->u.apdu.len);
    }
}

enum status message_parse(struct span bytes, struct message *out)
{
    memset(out, 0, sizeof(*out));
    Smsr__V1__Envelope *e = smsr__v1__envelope__unpack(NULL, bytes.len, bytes.ptr);
    bool ok = e != NULL && e->version == ENVELOPE_VERSION && type_of(e->body_case, &out->type) &&
              party_of(e->from, &out->from) && party_of(e->to, &out->to) &&
              fixed_in(e->eid, out->eid, sizeof(out->eid)) &&
              fixed_in(e->change_id, out->change_id, sizeof(out->change_id)) &&
              text_in(e->reply_to, out->reply_to, sizeof(out->reply_to)) && body_in(e, out);
    if (ok) {
        out->attempt = e->attempt;
    } else {
        memset(out, 0, sizeof(*out));
    }
    if (e != NULL) {
        smsr__v1__envelope__free_unpacked(e, NULL);
    }
    return ok ? STATUS_OK : STATUS_BAD_REQUEST;
}
