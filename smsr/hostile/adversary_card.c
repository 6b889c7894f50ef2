/*
 * The adversary at the card: packets under any key set that he knows, key establishments in the
 * name of Gamma, an SM-SR in league with him, and arithmetic with keys that are his.
 */
#include "proto/curve.h"
#include "proto/gp/handover.h"
#include "proto/gp/put_key.h"
#include "providers/core/secret.h"
#include "providers/scp/scp80.h"
#include "smsr/card/card_sw.h"
#include "smsr/hostile/bout.h"

enum { CLA_GP = 0x80, KEY_INFO = 0xE0, STORE_DATA_2_P2 = 0x01, PUT_KEY_P2 = 0x81, KEY_DEK = 2 };

struct reply {
    bool opened; /* a proof of receipt came */
    uint16_t sw;
    size_t len;
    uint8_t data[RAPDU_DATA_MAX];
};

static struct engine *engine_of(const struct bout *b)
{
    return b->ctx->factory.engine;
}

/* Alpha and he use KS1 both: neither repeats a counter of the other's. */
static void next_counter(struct robot_bout *r, struct key_set *set)
{
    bool ks1 = set == &r->opened->known[0] && r->alpha.ks1 != NULL;
    if (ks1 && r->alpha.ks1->counter > set->counter) {
        set->counter = r->alpha.ks1->counter;
    }
    set->counter++;
    if (ks1) {
        r->alpha.ks1->counter = set->counter;
    }
}

static void open_reply(struct bout *b, size_t robot, const struct scp80_keys *keys,
                       struct span packet, struct reply *out)
{
    struct scp80_response response;
    uint8_t plain[RAPDU_DATA_MAX], executed;
    struct writer w = writer_of(plain, sizeof(plain));
    struct span last;
    struct rapdu r;
    if (scp80_unwrap_response(engine_of(b)->sym, keys, packet, &response, &w) != STATUS_OK ||
        response.rsc != SCP80_RSC_OK) {
        return;
    }
    judge_heard(b, robot, writer_span(&w));
    if (expanded_answer_parse(writer_span(&w), &executed, &last) == STATUS_OK &&
        rapdu_parse(last, &r) == STATUS_OK) {
        out->opened = true;
        out->sw = r.sw;
        out->len = r.data.len;
        memcpy(out->data, r.data.ptr, r.data.len);
    }
}

/* One C-APDU under a set of his. */
static void send(struct bout *b, size_t robot, struct key_set *set, struct span capdu,
                 struct reply *out)
{
    struct robot_bout *r = &b->robots[robot];
    uint8_t script[SCP80_DATA_MAX], packet[SCP80_PACKET_MAX], envelope[APDU_MAX];
    uint8_t rapdu[RAPDU_DATA_MAX + 2];
    struct writer sw = writer_of(script, sizeof(script));
    struct writer pw = writer_of(packet, sizeof(packet));
    struct rapdu answer = {.sw = 0};
    memset(out, 0, sizeof(*out));
    next_counter(r, set);
    const struct scp80_keys keys = {set->keys[0], set->keys[1]};
    const struct scp80_header header = scp80_command_header(set->kvn, EUICC_ISDR_TAR, set->counter);
    expanded_commands_put(&sw, &capdu, 1);
    if (writer_check(&sw) != STATUS_OK ||
        scp80_wrap_command(engine_of(b)->sym, &keys, &header, writer_span(&sw), &pw) != STATUS_OK) {
        return;
    }
    for (size_t i = 1; i <= sms_segment_count(pw.len); i++) {
        struct writer ew = writer_of(envelope, sizeof(envelope));
        if (sms_envelope_put(&ew, writer_span(&pw), (uint8_t)set->counter, i) != STATUS_OK) {
            return;
        }
        size_t len = euicc_apdu(r->robot.card, writer_span(&ew), rapdu);
        if (rapdu_parse(span_of(rapdu, len), &answer) != STATUS_OK || answer.sw != SW_OK) {
            return;
        }
    }
    judge_card(b, robot, false);
    open_reply(b, robot, &keys, answer.data, out);
}

static void send_apdu(struct bout *b, size_t robot, struct key_set *set, uint8_t ins, uint8_t p1,
                      uint8_t p2, struct span data, struct reply *out)
{
    uint8_t bytes[APDU_MAX];
    struct writer w = writer_of(bytes, sizeof(bytes));
    const struct apdu apdu = {CLA_GP, ins, p1, p2, data, ins == INS_GET_DATA, 0};
    memset(out, 0, sizeof(*out));
    if (data.len <= APDU_DATA_MAX) {
        apdu_put(&w, &apdu);
        send(b, robot, set, writer_span(&w), out);
    }
}

static bool in_card(const struct robot_bout *r, const struct key_set *set)
{
    const struct key_set *sets = euicc_open_up(r->robot.card);
    for (size_t i = 0; i < ISDR_SETS_MAX; i++) {
        if (sets[i].kvn == set->kvn && memcmp(sets[i].keys, set->keys, sizeof(set->keys)) == 0) {
            return true;
        }
    }
    return false;
}

/* One of his sets that is in the card; NULL: none is left. */
static struct key_set *a_set(struct bout *b, struct robot_bout *r)
{
    size_t start = dice_below(&b->dice, r->known_count);
    for (size_t i = 0; i < r->known_count; i++) {
        struct key_set *set = &r->opened->known[(start + i) % r->known_count];
        if (in_card(r, set)) {
            return set;
        }
    }
    return NULL;
}

bool adversary_opens(struct bout *b, size_t robot, size_t known)
{
    struct reply reply;
    struct key_set *set = &b->robots[robot].opened->known[known];
    set->counter += 1000; /* above whatever the card has seen under it */
    send_apdu(b, robot, set, INS_GET_DATA, 0, KEY_INFO, (struct span){NULL, 0}, &reply);
    return reply.opened;
}

static struct key_set *learn(struct robot_bout *r)
{
    return r->known_count < KNOWN_MAX ? &r->opened->known[r->known_count++] : NULL;
}

/* -- key establishment -- */

struct establishment {
    uint8_t crt[CRT_MAX], epk[EC_POINT_LEN], z[ECDH_Z_LEN];
    size_t crt_len;
};

/* Key set and receipt out of Z for a CRT without DR and HostID, or with what last_create names. */
static bool derive(struct bout *b, const struct establishment *e, struct span sin,
                   struct key_set *set, struct octets *receipt)
{
    uint8_t info[SHARED_INFO_MAX], input[RECEIPT_INPUT_MAX], key_data[KEY_DATA_LEN];
    uint8_t mac[RECEIPT_LEN];
    struct writer iw = writer_of(info, sizeof(info));
    struct writer rw = writer_of(input, sizeof(input));
    struct sym *sym = engine_of(b)->sym;
    struct span crt_a6 = span_of(e->crt, e->crt_len), none = {NULL, 0};
    struct crt crt;
    if (crt_parse(crt_a6, &crt) != STATUS_OK ||
        shared_info_put(&iw, &crt, none, sin) != STATUS_OK ||
        sym_x963(sym, span_of(e->z, sizeof(e->z)), writer_span(&iw), key_data, sizeof(key_data)) !=
            STATUS_OK) {
        return false;
    }
    receipt_input_put(&rw, RECEIPT_DR_FORM, crt_a6, none);
    bool ok =
        sym_cmac(sym, span_of(key_data, SYM_AES128_KEY_LEN), writer_span(&rw), mac) == STATUS_OK &&
        octets_set(receipt, span_of(mac, sizeof(mac))) == STATUS_OK;
    memset(set, 0, sizeof(*set));
    set->kvn = crt.kvn;
    set->present = ISDR_ALL_KEYS;
    memcpy(set->keys, key_data + SYM_AES128_KEY_LEN, sizeof(set->keys));
    secret_wipe(key_data, sizeof(key_data));
    return ok;
}

static bool make_z(struct bout *b, const struct robot_bout *r, struct establishment *e)
{
    uint8_t esk[EC_SCALAR_LEN];
    enum curve curve = b->ctx->factory.curve;
    struct engine *engine = engine_of(b);
    enum status s = STATUS_INTERNAL;
    const struct keygen_item pair = {curve, esk, e->epk};
    provider_keygen(engine->provider, engine->drbg, 1, &pair, &s);
    if (s == STATUS_OK) {
        const struct ecka_item agree = {curve, esk, r->pk_ecasd, e->z};
        provider_ecka(engine->provider, 1, &agree, &s);
    }
    secret_wipe(esk, sizeof(esk));
    return s == STATUS_OK;
}

static bool gamma_challenge(struct bout *b, size_t robot, struct key_set *set,
                            struct octets *challenge)
{
    uint8_t data[STORE_DATA_MAX];
    struct writer w = writer_of(data, sizeof(data));
    struct reply reply;
    struct span rc;
    store_data_1_put(&w, span_of(b->arsenal->gamma_cert, b->arsenal->gamma_cert_len));
    send_apdu(b, robot, set, INS_STORE_DATA, STORE_DATA_1_P1, 0, writer_span(&w), &reply);
    return reply.opened && reply.sw == SW_OK &&
           answer_1_parse(span_of(reply.data, reply.len), &rc) == STATUS_OK &&
           octets_set(challenge, rc) == STATUS_OK;
}

bool adversary_establish(struct bout *b, size_t robot, uint8_t kvn, struct octets *receipt)
{
    struct robot_bout *r = &b->robots[robot];
    struct key_set *set = a_set(b, r);
    struct establishment e = {0};
    struct octets rc;
    uint8_t signed_bytes[SIGNED_BYTES_MAX], data[STORE_DATA_MAX], signature[EC_SIGNATURE_LEN];
    struct writer cw = writer_of(e.crt, sizeof(e.crt));
    struct writer sw = writer_of(signed_bytes, sizeof(signed_bytes));
    struct writer dw = writer_of(data, sizeof(data));
    struct span none = {NULL, 0};
    struct reply reply;
    if (set == NULL || r->known_count == KNOWN_MAX || !gamma_challenge(b, robot, set, &rc) ||
        !make_z(b, r, &e)) {
        return false;
    }
    const struct crt crt = crt_sm_sr_change(CRT_CERT_CHECKED, kvn, 0, none, none);
    crt_put(&cw, &crt);
    e.crt_len = cw.len;
    struct span epk = span_of(e.epk, sizeof(e.epk));
    signed_bytes_put(&sw, writer_span(&cw), epk, octets_span(&rc));
    if (issuer_sign(b->arsenal->gamma_key, writer_span(&sw), signature) != STATUS_OK) {
        return false;
    }
    store_data_2_put(&dw, writer_span(&cw), epk, span_of(signature, sizeof(signature)));
    if (!derive(b, &e, none, learn(r), receipt)) { /* known to the judge before it is in the card */
        return false;
    }
    send_apdu(b, robot, set, INS_STORE_DATA, STORE_DATA_2_P1, STORE_DATA_2_P2, writer_span(&dw),
              &reply);
    return reply.opened && reply.sw == SW_OK;
}

bool adversary_receipt(struct bout *b, size_t robot, struct octets *receipt)
{
    struct robot_bout *r = &b->robots[robot];
    const struct es7_create_key_set *c = &r->last_create;
    struct establishment e = {0};
    struct writer cw = writer_of(e.crt, sizeof(e.crt));
    enum status s = STATUS_INTERNAL;
    if (!r->has_create || (c->scenario & CRT_WITH_DR) != 0 || r->known_count == KNOWN_MAX) {
        return false;
    }
    bool host = (c->scenario & CRT_WITH_HOST_ID) != 0;
    struct span none = {NULL, 0};
    const struct crt crt =
        crt_sm_sr_change(c->scenario, c->kvn, c->counter, octets_span(&c->host_id),
                         host ? octets_span(&r->robot.eis.sdin) : none);
    crt_put(&cw, &crt);
    e.crt_len = cw.len;
    const struct ecka_item agree = {b->ctx->factory.curve, b->arsenal->known_sk, c->epk, e.z};
    provider_ecka(engine_of(b)->provider, 1, &agree, &s);
    return s == STATUS_OK &&
           derive(b, &e, host ? octets_span(&r->robot.eis.sin) : none, learn(r), receipt);
}

/* -- other commands -- */

/* PUT KEY of a set that he chooses, under the DEK of one that he has. */
static bool put_key(struct bout *b, size_t robot)
{
    struct robot_bout *r = &b->robots[robot];
    static const uint8_t iv[SYM_BLOCK];
    struct key_set *set = a_set(b, r);
    uint8_t values[ISDR_KEYS][SYM_AES128_KEY_LEN], kcvs[ISDR_KEYS][SYM_KCV_LEN],
        data[APDU_DATA_MAX];
    struct writer w = writer_of(data, sizeof(data));
    struct put_key in = {.n = ISDR_KEYS};
    struct reply reply;
    if (set == NULL || r->known_count == KNOWN_MAX) {
        return false;
    }
    struct key_set *fresh = learn(r);
    fresh->kvn = in.kvn = (uint8_t)(1 + dice_below(&b->dice, CRT_KVN_MAX));
    fresh->present = ISDR_ALL_KEYS;
    for (size_t k = 0; k < ISDR_KEYS; k++) {
        dice_bytes(&b->dice, fresh->keys[k], SYM_AES128_KEY_LEN);
        if (sym_cbc_encrypt(engine_of(b)->sym, span_of(set->keys[KEY_DEK], SYM_AES128_KEY_LEN), iv,
                            fresh->keys[k], values[k], SYM_AES128_KEY_LEN) != STATUS_OK ||
            sym_kcv(engine_of(b)->sym, fresh->keys[k], kcvs[k]) != STATUS_OK) {
            return false;
        }
        in.blocks[k] =
            (struct put_key_block){.type = PUT_KEY_TYPE_AES, .value = values[k], .kcv = kcvs[k]};
    }
    put_key_put(&w, PUT_KEY_PSK_FORM, &in);
    send_apdu(b, robot, set, INS_PUT_KEY, 0, PUT_KEY_P2, writer_span(&w), &reply);
    return true;
}

/* Finalise: keeps KS1 and what secures the command, of the others what the dice say, or none. */
static bool delete_sets(struct bout *b, size_t robot, bool all)
{
    struct robot_bout *r = &b->robots[robot];
    const struct key_set *sets = euicc_open_up(r->robot.card);
    struct key_set *securing = all ? &r->opened->known[0] : a_set(b, r);
    struct key_range ranges[ISDR_SETS_MAX];
    uint8_t data[5 * ISDR_SETS_MAX];
    struct writer w = writer_of(data, sizeof(data));
    struct reply reply;
    size_t count = 0;
    if (securing == NULL || !in_card(r, securing)) {
        return false;
    }
    for (size_t i = 0; i < ISDR_SETS_MAX; i++) {
        bool his = sets[i].kvn == securing->kvn || sets[i].kvn == r->opened->known[0].kvn;
        if (sets[i].kvn != 0 && (his || (!all && dice_one_in(&b->dice, 2)))) {
            ranges[count++] = (struct key_range){sets[i].kvn, 1, ISDR_KEYS};
        }
    }
    handover_put(&w, ranges, count);
    send_apdu(b, robot, securing, INS_DELETE, 0, 0, writer_span(&w), &reply);
    return true;
}

void adversary_repent(struct bout *b, size_t robot)
{
    (void)delete_sets(b, robot, true);
}

/* Anything at all: a command of his own, or bytes that are none, or what somebody sent before. */
static bool any_command(struct bout *b, size_t robot)
{
    struct robot_bout *r = &b->robots[robot];
    static const uint8_t instructions[] = {INS_STORE_DATA, INS_DELETE, INS_GET_DATA, INS_PUT_KEY};
    uint8_t bytes[APDU_MAX], rapdu[RAPDU_DATA_MAX + 2];
    size_t len = 4 + dice_below(&b->dice, 40);
    struct key_set *set = a_set(b, r);
    struct reply reply;
    dice_bytes(&b->dice, bytes, len);
    bytes[0] = CLA_GP;
    if (dice_one_in(&b->dice, 2) && set != NULL) {
        bytes[1] = instructions[dice_below(&b->dice, sizeof(instructions))];
        bytes[4] = (uint8_t)(len - 5); /* a length that fits, mostly */
        send(b, robot, set, span_of(bytes, len), &reply);
        return true;
    }
    const struct message *old = &b->archive[dice_below(&b->dice, ARCHIVE_MAX)];
    if (old->type == CARD_COMMAND) {
        (void)euicc_apdu(r->robot.card, span_of(old->u.apdu.b, old->u.apdu.len), rapdu);
    } else {
        (void)euicc_apdu(r->robot.card, span_of(bytes, len), rapdu);
    }
    judge_card(b, robot, false);
    return true;
}

/* A STORE DATA that is nothing: it spends the challenge. */
static bool spend_rc(struct bout *b, size_t robot)
{
    static const uint8_t nothing[] = {0x3A, 0x05, 0x01, 0x00};
    struct key_set *set = a_set(b, &b->robots[robot]);
    struct reply reply;
    if (set != NULL) {
        send_apdu(b, robot, set, INS_STORE_DATA, STORE_DATA_2_P1, STORE_DATA_2_P2,
                  span_of(nothing, sizeof(nothing)), &reply);
    }
    return set != NULL;
}

bool adversary_command(struct bout *b, size_t robot, enum attack attack)
{
    struct octets receipt;
    switch (attack) {
    case ATTACK_PLANT:
        return adversary_establish(b, robot, (uint8_t)(1 + dice_below(&b->dice, CRT_KVN_MAX)),
                                   &receipt);
    case ATTACK_PUT_KEY:
        return put_key(b, robot);
    case ATTACK_DELETE:
        return delete_sets(b, robot, false);
    case ATTACK_SPEND_RC:
        return spend_rc(b, robot);
    case ATTACK_ANY_COMMAND:
        return any_command(b, robot);
    case ATTACK_RESET:
        euicc_reset(b->robots[robot].robot.card);
        return true;
    default:
        return false;
    }
}
