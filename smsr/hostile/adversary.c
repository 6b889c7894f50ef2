/*
 * The adversary between the parties. He reads everything, and of one message in `rarity` he makes
 * something else; between messages he speaks to the card and forges answers.
 */
#include <stdio.h>

#include "proto/curve.h"
#include "smsr/card/card_sw.h"
#include "smsr/hostile/bout.h"

static const char *const names[ATTACKS] = {
    [ATTACK_DROP] = "drop a message",
    [ATTACK_DELAY] = "delay or reorder",
    [ATTACK_REPEAT] = "repeat",
    [ATTACK_ALTER_BYTE] = "alter a byte",
    [ATTACK_ALTER_FIELD] = "alter a field",
    [ATTACK_SWAP] = "swap two eUICCs",
    [ATTACK_REPLAY] = "replay an old session",
    [ATTACK_CERTIFICATE] = "substitute a certificate",
    [ATTACK_KEY] = "substitute a key",
    [ATTACK_SIGNATURE] = "establish in another's name",
    [ATTACK_RECEIPT] = "substitute a receipt",
    [ATTACK_EIS] = "substitute the EIS",
    [ATTACK_EIS_LIE] = "lie in the EIS",
    [ATTACK_HIDE_SETS] = "leave key sets out of the EIS",
    [ATTACK_PLANT] = "plant by key establishment",
    [ATTACK_PUT_KEY] = "plant by PUT KEY",
    [ATTACK_DELETE] = "delete key sets",
    [ATTACK_SPEND_RC] = "spend the challenge",
    [ATTACK_ANY_COMMAND] = "any command to the card",
    [ATTACK_RESET] = "reset the card",
    [ATTACK_FORGE_ANSWER] = "forge an answer",
    [ATTACK_KNOWN_EUICC] = "hand over an eUICC of his own",
};

const char *attack_name(enum attack attack)
{
    return names[attack];
}

/* -- what he hears -- */

static void hear(struct bout *b, size_t robot, const struct message *m)
{
    uint8_t bytes[MESSAGE_BYTES_MAX];
    struct writer w = writer_of(bytes, sizeof(bytes));
    if (m->type == CARD_COMMAND || m->type == CARD_ANSWER) {
        judge_heard(b, robot, span_of(m->u.apdu.b, m->u.apdu.len));
    } else if (message_put(&w, m) == STATUS_OK) {
        judge_heard(b, robot, writer_span(&w));
    }
    if (m->type == ES7_CREATE_ADDITIONAL_KEY_SET) {
        b->robots[robot].last_create = m->u.create;
        b->robots[robot].has_create = true;
    }
    if (m->type >= ES7_HANDOVER_EUICC) {
        b->archive[b->archive_count++ % ARCHIVE_MAX] = *m;
    }
}

static void bend(struct bout *b, size_t robot, enum attack attack)
{
    b->robots[robot].witness.bent = true;
    b->used |= UINT32_C(1) << attack;
    trace_note(&b->trace, "adversary: %s (eUICC %zu)", names[attack], robot);
}

/* -- alterations -- */

static void flip(struct bout *b, uint8_t *bytes, size_t len)
{
    if (len != 0) {
        bytes[dice_below(&b->dice, len)] ^= (uint8_t)(1U << dice_below(&b->dice, 8));
    }
}

/* Any byte of the message as it travels; what no longer parses is lost. */
static bool alter_byte(struct bout *b, struct message *m)
{
    uint8_t bytes[MESSAGE_BYTES_MAX];
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct message out;
    if (m->type == CARD_COMMAND || m->type == CARD_ANSWER) {
        flip(b, m->u.apdu.b, m->u.apdu.len);
        return true;
    }
    if (message_put(&w, m) != STATUS_OK) {
        return true;
    }
    flip(b, bytes, w.len);
    if (message_parse(writer_span(&w), &out) != STATUS_OK) {
        return false;
    }
    out.to = m->to; /* where it goes is not what it says */
    out.from = m->from;
    memcpy(out.eid, m->eid, sizeof(out.eid));
    *m = out;
    return true;
}

static void alter_answer(struct bout *b, struct es_answer *answer)
{
    static const char *const codes[] = {"OK", "NO_ANSWER", "ALREADY_MANAGED", "EXPIRED", "SW 6A80"};
    es_answer_set(answer, (enum es_result)dice_below(&b->dice, ES_RESULTS),
                  (unsigned)dice_below(&b->dice, 33),
                  codes[dice_below(&b->dice, sizeof(codes) / sizeof(codes[0]))], "%s", "altered");
}

static void alter_create(struct bout *b, struct es7_create_key_set *c)
{
    switch (dice_below(&b->dice, 6)) {
    case 0:
        c->kvn = (uint8_t)dice_below(&b->dice, CRT_KVN_MAX + 2);
        break;
    case 1:
        c->scenario = (uint8_t)dice_below(&b->dice, 16);
        break;
    case 2:
        c->counter = dice_u64(&b->dice) >> dice_below(&b->dice, 64);
        break;
    case 3:
        flip(b, c->epk, sizeof(c->epk));
        break;
    case 4:
        flip(b, c->signature, sizeof(c->signature));
        break;
    default:
        c->host_id.len = dice_below(&b->dice, sizeof(c->host_id.b));
        break;
    }
}

static void alter_created(struct bout *b, struct es7_create_key_set_answer *a)
{
    static const uint16_t words[] = {0, SW_OK, SW_WRONG_DATA, SW_CONDITIONS, SW_VERIFY_FAILED};
    switch (dice_below(&b->dice, 4)) {
    case 0:
        alter_answer(b, &a->answer);
        break;
    case 1:
        a->sw = words[dice_below(&b->dice, sizeof(words) / sizeof(words[0]))];
        break;
    case 2:
        a->dr.len = dice_one_in(&b->dice, 2) ? DR_LEN : 0;
        flip(b, a->dr.b, a->dr.len);
        break;
    default:
        flip(b, a->receipt.b, a->receipt.len);
        break;
    }
}

static void alter_change(struct bout *b, struct es_change *c)
{
    c->validity_s = (uint32_t)(dice_u64(&b->dice) >> (32 + dice_below(&b->dice, 32)));
    if (dice_one_in(&b->dice, 2)) {
        c->smsr_id[0] = (char)('a' + dice_below(&b->dice, 26));
    }
}

static void alter_field(struct bout *b, struct message *m)
{
    if (dice_one_in(&b->dice, 6)) {
        m->attempt = (uint32_t)dice_below(&b->dice, 4);
        return;
    }
    if (dice_one_in(&b->dice, 10)) {
        flip(b, m->change_id, sizeof(m->change_id));
        return;
    }
    switch (m->type) {
    case ES4_PREPARE_SMSR_CHANGE:
    case ES4_SMSR_CHANGE:
        alter_change(b, &m->u.change);
        return;
    case ES4_PREPARE_SMSR_CHANGE_ANSWER:
    case ES4_SMSR_CHANGE_ANSWER:
    case ES7_HANDOVER_EUICC_ANSWER:
        alter_answer(b, &m->u.answer);
        return;
    case ES7_AUTHENTICATE_SMSR:
        flip(b, m->u.authenticate.cert, m->u.authenticate.cert_len);
        return;
    case ES7_AUTHENTICATE_SMSR_ANSWER:
        if (dice_one_in(&b->dice, 3)) {
            alter_answer(b, &m->u.authenticated.answer);
        } else {
            flip(b, m->u.authenticated.rc.b, m->u.authenticated.rc.len);
        }
        return;
    case ES7_CREATE_ADDITIONAL_KEY_SET:
        alter_create(b, &m->u.create);
        return;
    case ES7_CREATE_ADDITIONAL_KEY_SET_ANSWER:
        alter_created(b, &m->u.created);
        return;
    case CARD_COMMAND:
    case CARD_ANSWER:
        m->u.apdu.len = dice_below(&b->dice, m->u.apdu.len + 1);
        return;
    default:
        return;
    }
}

/* -- substitutions: false when the message has nothing to substitute -- */

static bool substitute_certificate(struct bout *b, struct message *m)
{
    const struct arsenal *a = b->arsenal;
    const struct span certs[] = {span_of(a->gamma_cert, a->gamma_cert_len),
                                 span_of(a->dp_cert, a->dp_cert_len),
                                 span_of(a->forged_cert, a->forged_cert_len)};
    struct span cert = certs[dice_below(&b->dice, sizeof(certs) / sizeof(certs[0]))];
    if (m->type != ES7_AUTHENTICATE_SMSR) {
        return false;
    }
    memcpy(m->u.authenticate.cert, cert.ptr, cert.len);
    m->u.authenticate.cert_len = cert.len;
    return true;
}

static bool substitute_key(struct bout *b, struct message *m)
{
    if (m->type != ES7_CREATE_ADDITIONAL_KEY_SET) {
        return false;
    }
    memcpy(m->u.create.epk, b->arsenal->known_point, sizeof(m->u.create.epk));
    return true;
}

static void claim_receipt(struct message *m, const struct octets *receipt)
{
    struct es7_create_key_set_answer *a = &m->u.created;
    memset(a, 0, sizeof(*a));
    es_answer_set(&a->answer, ES_EXECUTED_SUCCESS, 0, "OK", "%s", "");
    a->sw = SW_OK;
    a->receipt = *receipt;
}

/* Beta's request never reaches the card; a set of Gamma's does, and its receipt goes to Beta. */
static bool establish_for_gamma(struct bout *b, size_t robot, struct message *m)
{
    struct octets receipt;
    if (m->type != ES7_CREATE_ADDITIONAL_KEY_SET ||
        !adversary_establish(b, robot, m->u.create.kvn, &receipt)) {
        return false;
    }
    m->type = ES7_CREATE_ADDITIONAL_KEY_SET_ANSWER;
    m->from = PARTY_ALPHA;
    m->to = PARTY_BETA;
    claim_receipt(m, &receipt);
    return true;
}

static bool substitute_receipt(struct bout *b, size_t robot, struct message *m)
{
    struct octets receipt = {.len = RECEIPT_LEN};
    if (m->type != ES7_CREATE_ADDITIONAL_KEY_SET_ANSWER) {
        return false;
    }
    if (!dice_one_in(&b->dice, 2) || !adversary_receipt(b, robot, &receipt)) {
        dice_bytes(&b->dice, receipt.b, RECEIPT_LEN);
    }
    claim_receipt(m, &receipt);
    return true;
}

static bool substitute_eis(struct bout *b, size_t robot, struct message *m)
{
    const struct eis *other = &b->robots[1 - robot].robot.eis;
    if (m->type != ES7_HANDOVER_EUICC) {
        return false;
    }
    struct eis own = m->u.eis;
    switch (dice_below(&b->dice, 4)) {
    case 0:
        m->u.eis = *other;
        return true;
    case 1: /* the other one under this EID */
        m->u.eis = *other;
        memcpy(m->u.eis.signed_info.eid, own.signed_info.eid, GP_EID_LEN);
        return true;
    case 2: /* the other one's certificate */
        memcpy(m->u.eis.signed_info.ecasd_cert, other->signed_info.ecasd_cert,
               sizeof(own.signed_info.ecasd_cert));
        m->u.eis.signed_info.ecasd_cert_len = other->signed_info.ecasd_cert_len;
        return true;
    default:
        memcpy(m->u.eis.eum_signature, other->eum_signature, sizeof(own.eum_signature));
        return true;
    }
}

/* A true EUM made it and he has its key: only its EID is another. */
static bool substitute_euicc(struct bout *b, struct message *m)
{
    const struct eis *his = &b->arsenal->known_eis;
    if (m->type != ES7_HANDOVER_EUICC) {
        return false;
    }
    struct eis *eis = &m->u.eis;
    switch (dice_below(&b->dice, 3)) {
    case 0:
        *eis = *his;
        return true;
    case 1:
        eis->signed_info.ecasd_cert_len = his->signed_info.ecasd_cert_len;
        memcpy(eis->signed_info.ecasd_cert, his->signed_info.ecasd_cert,
               sizeof(eis->signed_info.ecasd_cert));
        return true;
    default: { /* his point in this one's certificate */
        struct gp_cert cert;
        struct eis_signed *info = &eis->signed_info;
        if (gp_cert_parse(span_of(info->ecasd_cert, info->ecasd_cert_len), &cert) == STATUS_OK) {
            memcpy(info->ecasd_cert + (cert.point.ptr - info->ecasd_cert), b->arsenal->known_point,
                   EC_POINT_LEN);
        }
        return true;
    }
    }
}

/* What no EUM signed. */
static bool lie_in_eis(struct bout *b, struct message *m)
{
    if (m->type != ES7_HANDOVER_EUICC) {
        return false;
    }
    struct eis *eis = &m->u.eis;
    switch (dice_below(&b->dice, 7)) {
    case 0:
        eis->profile_count = dice_below(&b->dice, eis->profile_count + 1);
        break;
    case 1: /* a false subscription address */
        (void)snprintf(eis->profiles[0].msisdn, sizeof(eis->profiles[0].msisdn), "000000000000");
        break;
    case 2:
        flip(b, eis->isdr_tar, sizeof(eis->isdr_tar));
        break;
    case 3:
        flip(b, eis->sin.b, eis->sin.len);
        flip(b, eis->sdin.b, eis->sdin.len);
        break;
    case 4: /* as if every number but one were taken */
        eis->key_set_count = EIS_KEY_SETS_MAX;
        for (size_t i = 0; i < EIS_KEY_SETS_MAX; i++) {
            eis->key_sets[i].kvn = (uint8_t)(1 + dice_below(&b->dice, CRT_KVN_MAX));
        }
        break;
    case 5:
        eis->remaining_memory = (uint32_t)dice_u64(&b->dice);
        flip(b, eis->isdr_aid, sizeof(eis->isdr_aid));
        break;
    default:
        (void)snprintf(eis->smsr_id, sizeof(eis->smsr_id), "gamma.sm-sr.example");
        break;
    }
    return true;
}

static bool hide_sets(struct bout *b, struct message *m)
{
    if (m->type != ES7_HANDOVER_EUICC) {
        return false;
    }
    m->u.eis.key_set_count = dice_below(&b->dice, m->u.eis.key_set_count + 1);
    return true;
}

/* A message of this type from before, in place of this one, dressed as its answer. */
static bool replay(struct bout *b, struct message *m)
{
    size_t start = dice_below(&b->dice, ARCHIVE_MAX);
    for (size_t i = 0; i < ARCHIVE_MAX; i++) {
        const struct message *old = &b->archive[(start + i) % ARCHIVE_MAX];
        if (old->type == m->type && old->type != ES4_PREPARE_SMSR_CHANGE) {
            m->u = old->u;
            if (dice_one_in(&b->dice, 4)) {
                memcpy(m->change_id, old->change_id, sizeof(m->change_id));
                m->attempt = old->attempt;
            }
            return true;
        }
    }
    return false;
}

/* -- delivery -- */

static void hold(struct bout *b, size_t robot, const struct message *m)
{
    if (b->held_count < HELD_MAX) {
        b->held[b->held_count++] = (struct held){*m, robot};
    }
}

static void swap(struct bout *b, size_t robot, const struct message *m)
{
    struct message other = *m;
    memcpy(other.eid, b->robots[1 - robot].bus.eid, sizeof(other.eid));
    if (dice_one_in(&b->dice, 2)) { /* as if it belonged there */
        const struct beta *beta = &b->robots[1 - robot].beta;
        memcpy(other.change_id, beta->r.change_id, sizeof(other.change_id));
        other.attempt = beta->r.attempt;
    }
    b->robots[1 - robot].witness.bent = true;
    bout_deliver(b, 1 - robot, &other);
}

/* False: this attack makes nothing of this message. */
static bool attack_message(struct bout *b, size_t robot, enum attack attack, struct message *m)
{
    switch (attack) {
    case ATTACK_DROP:
        return true;
    case ATTACK_DELAY:
        hold(b, robot, m);
        return true;
    case ATTACK_REPEAT:
        bout_deliver(b, robot, m);
        hold(b, robot, m);
        return true;
    case ATTACK_SWAP:
        swap(b, robot, m);
        return true;
    case ATTACK_ALTER_BYTE:
        if (!alter_byte(b, m)) {
            return true;
        }
        break;
    case ATTACK_ALTER_FIELD:
        alter_field(b, m);
        break;
    case ATTACK_REPLAY:
        if (!replay(b, m)) {
            return false;
        }
        break;
    case ATTACK_CERTIFICATE:
        if (!substitute_certificate(b, m)) {
            return false;
        }
        break;
    case ATTACK_KEY:
        if (!substitute_key(b, m)) {
            return false;
        }
        break;
    case ATTACK_SIGNATURE:
        if (!establish_for_gamma(b, robot, m)) {
            return false;
        }
        break;
    case ATTACK_RECEIPT:
        if (!substitute_receipt(b, robot, m)) {
            return false;
        }
        break;
    case ATTACK_EIS:
        if (!substitute_eis(b, robot, m)) {
            return false;
        }
        break;
    case ATTACK_KNOWN_EUICC:
        if (!substitute_euicc(b, m)) {
            return false;
        }
        break;
    case ATTACK_EIS_LIE:
        if (!lie_in_eis(b, m)) {
            return false;
        }
        break;
    case ATTACK_HIDE_SETS:
        if (!hide_sets(b, m)) {
            return false;
        }
        break;
    default:
        return false;
    }
    bout_deliver(b, robot, m);
    return true;
}

/* -- what he says by himself -- */

static void forge(struct bout *b, size_t robot)
{
    const struct beta *beta = &b->robots[robot].beta;
    struct message m = {.from = PARTY_ALPHA, .to = PARTY_BETA, .attempt = beta->r.attempt};
    struct octets receipt = {.len = RECEIPT_LEN};
    memcpy(m.eid, b->robots[robot].bus.eid, sizeof(m.eid));
    memcpy(m.change_id, beta->r.change_id, sizeof(m.change_id));
    switch (dice_below(&b->dice, 7)) {
    case 0:
        m.type = ES7_AUTHENTICATE_SMSR_ANSWER;
        es_answer_set(&m.u.authenticated.answer, ES_EXECUTED_SUCCESS, 0, "OK", "%s", "");
        m.u.authenticated.rc.len = RC_LEN_SHORT;
        dice_bytes(&b->dice, m.u.authenticated.rc.b, RC_LEN_SHORT);
        break;
    case 1:
    case 2: /* also for an attempt that is over */
        m.type = ES7_CREATE_ADDITIONAL_KEY_SET_ANSWER;
        m.attempt -= (uint32_t)dice_below(&b->dice, 2);
        if (!adversary_receipt(b, robot, &receipt)) {
            dice_bytes(&b->dice, receipt.b, RECEIPT_LEN);
        }
        claim_receipt(&m, &receipt);
        break;
    case 3:
        m.type = ES7_HANDOVER_EUICC;
        m.u.eis = b->robots[robot].robot.eis;
        break;
    case 4:
        m.type = ES4_PREPARE_SMSR_CHANGE;
        m.from = PARTY_OPERATOR;
        dice_bytes(&b->dice, m.change_id, sizeof(m.change_id));
        (void)snprintf(m.u.change.smsr_id, sizeof(m.u.change.smsr_id), "%s", ALPHA_SMSR_ID);
        m.u.change.validity_s = BOUT_VALIDITY_S;
        break;
    case 5:
        m.type = ES4_NOTIFICATION_ACKNOWLEDGED;
        m.from = PARTY_OPERATOR;
        m.attempt = (uint32_t)dice_below(&b->dice, 8);
        break;
    default: /* Alpha and the operator may be told anything: they lose nothing but time */
        m.type = dice_one_in(&b->dice, 2) ? ES7_HANDOVER_EUICC_ANSWER : ES4_SMSR_CHANGE_ANSWER;
        m.from = m.type == ES7_HANDOVER_EUICC_ANSWER ? PARTY_BETA : PARTY_ALPHA;
        m.to = m.type == ES7_HANDOVER_EUICC_ANSWER ? PARTY_ALPHA : PARTY_OPERATOR;
        memcpy(m.change_id, b->robots[robot].op.change_id, sizeof(m.change_id));
        alter_answer(b, &m.u.answer);
        break;
    }
    bout_deliver(b, robot, &m);
}

static bool has(const struct bout *b, enum attack attack)
{
    return (b->attacks >> attack & 1) != 0;
}

void adversary_act(struct bout *b, size_t robot)
{
    enum attack attack =
        ATTACK_PLANT + (enum attack)dice_below(&b->dice, ATTACK_FORGE_ANSWER - ATTACK_PLANT + 1);
    if (!has(b, attack)) {
        return;
    }
    if (attack == ATTACK_FORGE_ANSWER) {
        bend(b, robot, attack);
        forge(b, robot);
        return;
    }
    b->robots[robot].witness.bent = true; /* also when the card does not do what he wants */
    if (adversary_command(b, robot, attack)) {
        bend(b, robot, attack);
    }
}

/* What can be made of any message, or of this one alone. */
static enum attack choose(struct bout *b, enum message_type type)
{
    static const enum attack on_eis[] = {ATTACK_EIS, ATTACK_EIS_LIE, ATTACK_HIDE_SETS,
                                         ATTACK_KNOWN_EUICC};
    static const enum attack on_create[] = {ATTACK_KEY, ATTACK_SIGNATURE};
    if (dice_one_in(&b->dice, 2)) {
        switch (type) {
        case ES7_HANDOVER_EUICC:
            return on_eis[dice_below(&b->dice, sizeof(on_eis) / sizeof(on_eis[0]))];
        case ES7_AUTHENTICATE_SMSR:
            return ATTACK_CERTIFICATE;
        case ES7_CREATE_ADDITIONAL_KEY_SET:
            return on_create[dice_below(&b->dice, sizeof(on_create) / sizeof(on_create[0]))];
        case ES7_CREATE_ADDITIONAL_KEY_SET_ANSWER:
            return ATTACK_RECEIPT;
        default:
            break;
        }
    }
    return (enum attack)dice_below(&b->dice, ATTACK_REPLAY + 1);
}

void adversary_relay(struct bout *b, size_t robot, const struct message *said)
{
    struct message m = *said;
    hear(b, robot, said);
    if (b->rarity == 0) {
        bout_deliver(b, robot, &m);
        return;
    }
    if (dice_one_in(&b->dice, b->rarity)) {
        adversary_act(b, robot);
    }
    /* A message of which much can be made draws more attention than a C-APDU. */
    size_t rarity = m.type >= CARD_COMMAND ? 2 * b->rarity : b->rarity / 2;
    enum attack attack = choose(b, m.type);
    if (dice_one_in(&b->dice, rarity) && has(b, attack)) {
        b->robots[robot].witness.bent = true;
        if (attack_message(b, robot, attack, &m)) {
            bend(b, robot, attack);
            return;
        }
    }
    bout_deliver(b, robot, &m);
}
