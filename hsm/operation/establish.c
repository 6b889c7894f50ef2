/*
 * Establish (SGP.02 3.8, steps 14 and 15): ephemeral key, Z, what the card verifies, and a ticket.
 *
 * eckad is believed in nothing: each item's fields are checked here again, and what SK.SR.ECDSA
 * signs is built here from them, for an ISD-R key set and nothing else. At custody memory eSK lives
 * from key generation to key agreement, Z and the key data until the ticket is sealed; at custody
 * token eSK and Z are never here, and the key data until the ticket is sealed.
 */
#include <string.h>

#include "hsm/log.h"
#include "hsm/operation/agreement.h"
#include "hsm/sealed/ticket.h"
#include "providers/core/secret.h"

typedef Ecka__Custody__V1__EstablishItem establish_item;
typedef Ecka__Custody__V1__EstablishedItem established_item;

struct lane { /* a valid item on its way */
    const establish_item *in;
    established_item *out;
    const struct token_key *sr_key;
    struct crt crt;
    bool with_dr;
    uint8_t custody[CUSTODY_BYTES]; /* SK.SR, eSK, Z, key data: for the ticket and the answer */
    size_t z;                       /* at custody memory: where its Z is in the batch's */
    uint8_t Q[EC_POINT_LEN];
};

struct built { /* what the card will get, and what the ticket keeps of it */
    uint8_t crt[CRT_MAX], epk_value[EC_POINT_LEN + 8], signed_bytes[SIGNED_BYTES_MAX];
    uint8_t store_data[STORE_DATA_MAX];
    struct writer crt_w, epk_w, signed_w, store_w;
    uint8_t signed_hash[SHA256_LEN], signature[EC_SIGNATURE_LEN];
};

static enum status check_host_ids(const establish_item *in)
{
    bool with = (in->scenario & CRT_WITH_HOST_ID) != 0;
    const ProtobufCBinaryData *ids[] = {&in->host_id, &in->sin, &in->sdin};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        if ((ids[i]->len != 0) != with || ids[i]->len > CRT_ID_MAX) {
            return STATUS_BAD_HOST_ID;
        }
    }
    return STATUS_OK;
}

/* With DR Z has to be there until Confirm, and no session object outlives its batch. */
static enum status check_custody(const struct custodian *c, const establish_item *in,
                                 struct lane *lane)
{
    uint8_t at;
    enum status st = agreement_custody(c, in->custody, (enum curve)in->curve, &at);
    if (at == CUSTODY_AT_TOKEN && lane->with_dr) {
        return STATUS_CUSTODY_WITH_DR;
    }
    lane->custody[0] = CUSTODY_AT_TOKEN;
    lane->custody[1] = lane->custody[2] = at;
    lane->custody[3] = lane->with_dr ? CUSTODY_NONE : CUSTODY_AT_MEMORY;
    return st;
}

/* Every rule of an item, before anything is computed for it; leaves its CRT and SR key in lane. */
static enum status check_item(const struct custodian *c, uint64_t now, const establish_item *in,
                              struct lane *lane)
{
    if (!gp_eid_valid(span_of_field(&in->eid))) {
        return STATUS_BAD_EID;
    }
    if (in->curve == CURVE_NONE || in->curve >= CURVE_COUNT) {
        return STATUS_BAD_CURVE;
    }
    if (in->pk_ecasd.len != EC_POINT_LEN) {
        return STATUS_BAD_POINT;
    }
    if (in->rc.len != RC_LEN_SHORT && in->rc.len != RC_LEN_LONG) {
        return STATUS_BAD_RC;
    }
    if (in->scenario > UINT8_MAX) {
        return STATUS_BAD_SCENARIO;
    }
    if (in->kvn > UINT8_MAX) {
        return STATUS_BAD_KVN;
    }
    if (in->key_usage != CRT_USAGE_SECURE_CHANNEL) {
        return STATUS_BAD_KEY_USAGE;
    }
    lane->crt = crt_sm_sr_change((uint8_t)in->scenario, (uint8_t)in->kvn, in->counter,
                                 span_of_field(&in->host_id), span_of_field(&in->sdin));
    TRY(crt_check_isdr(&lane->crt));
    TRY(check_host_ids(in));
    if (in->expiry <= now || in->expiry - now > c->config->ticket_lifetime_s) {
        return STATUS_BAD_EXPIRY;
    }
    lane->with_dr = (lane->crt.scenario_params & CRT_WITH_DR) != 0;
    TRY(check_custody(c, in, lane));
    lane->sr_key = sr_key_find(&c->sr, span_of_field(&in->sr_key_id));
    return lane->sr_key == NULL ? STATUS_SR_KEY_UNKNOWN : STATUS_OK;
}

static bool in_token(const struct lane *lane)
{
    return lane->custody[1] == CUSTODY_AT_TOKEN;
}

/* ePK and Z of the lanes at custody memory, in one batch. */
static void agree_in_memory(struct custodian *c, size_t n,
                            struct lane lanes[static CUSTODY_ITEMS_MAX],
                            enum status st[static CUSTODY_ITEMS_MAX])
{
    struct agreement items[CUSTODY_ITEMS_MAX] = {0};
    enum status agreed[CUSTODY_ITEMS_MAX];
    size_t m = 0;

    for (size_t i = 0; i < n; i++) {
        if (!in_token(&lanes[i])) {
            lanes[i].z = m;
            items[m++] = (struct agreement){.curve = (enum curve)lanes[i].in->curve,
                                            .peer = lanes[i].in->pk_ecasd.data,
                                            .Q = lanes[i].Q};
        }
    }
    agreement_in_memory(c, m, items, agreed);
    for (size_t i = 0; i < n; i++) {
        st[i] = in_token(&lanes[i]) ? STATUS_OK : agreed[lanes[i].z];
    }
}

/* Without DR, SharedInfo is known before the card has said anything. */
static enum status shared_info_of(const struct lane *lane, struct writer *w)
{
    TRY(shared_info_put(w, &lane->crt, span_of(NULL, 0), span_of_field(&lane->in->sin)));
    return writer_check(w);
}

/* ePK and the key data of a lane at custody token. */
static enum status agree_in_token(struct custodian *c, struct lane *lane)
{
    uint8_t info[SHARED_INFO_MAX];
    struct writer w = writer_of(info, sizeof info);

    TRY(shared_info_of(lane, &w));
    return agreement_in_token(c, (enum curve)lane->in->curve, lane->in->pk_ecasd.data,
                              writer_span(&w), lane->Q, c->secrets->agreement.key_data,
                              KEY_DATA_LEN);
}

/* The A6, 7F49, signed bytes, signature and second STORE DATA of one lane. */
static enum status build_signed(struct custodian *c, const struct lane *lane, struct built *b)
{
    *b = (struct built){0};
    b->crt_w = writer_of(b->crt, sizeof b->crt);
    b->epk_w = writer_of(b->epk_value, sizeof b->epk_value);
    b->signed_w = writer_of(b->signed_bytes, sizeof b->signed_bytes);
    b->store_w = writer_of(b->store_data, sizeof b->store_data);

    crt_put(&b->crt_w, &lane->crt);
    TRY(writer_check(&b->crt_w));
    epk_put(&b->epk_w, EPK_FORM, curve_ref((enum curve)lane->in->curve), lane->Q);
    TRY(writer_check(&b->epk_w));
    signed_bytes_put(&b->signed_w, writer_span(&b->crt_w), writer_span(&b->epk_w),
                     span_of_field(&lane->in->rc));
    TRY(writer_check(&b->signed_w));
    TRY(sym_sha256(c->sym, writer_span(&b->signed_w), b->signed_hash));
    TRY(keys_sign_sr(&c->token, lane->sr_key, b->signed_hash, b->signature));
    store_data_2_put(&b->store_w, writer_span(&b->crt_w), writer_span(&b->epk_w),
                     span_of(b->signature, EC_SIGNATURE_LEN));
    return writer_check(&b->store_w);
}

/* With DR the key data need what the card has yet to say: the ticket keeps Z. Else it keeps the key
 * data, and Z ends here, if it was here at all. */
static enum status ticket_secret(struct custodian *c, const struct lane *lane, struct span *secret)
{
    struct agreement_secrets *s = &c->secrets->agreement;
    uint8_t info[SHARED_INFO_MAX];
    struct writer w = writer_of(info, sizeof info);

    *secret = span_of(lane->with_dr ? s->z[lane->z] : s->key_data,
                      lane->with_dr ? (size_t)ECDH_Z_LEN : (size_t)KEY_DATA_LEN);
    if (lane->with_dr || in_token(lane)) {
        return STATUS_OK;
    }
    TRY(shared_info_of(lane, &w));
    return sym_x963(c->sym, span_of(s->z[lane->z], ECDH_Z_LEN), writer_span(&w), s->key_data,
                    sizeof s->key_data);
}

static enum status seal_ticket(struct custodian *c, const struct lane *lane, const struct built *b,
                               uint64_t now, struct writer *out)
{
    const establish_item *in = lane->in;
    struct blob_scratch *scratch = &c->secrets->blob;
    struct writer plain = writer_of(scratch->plain, sizeof scratch->plain);
    struct ticket ticket = {
        .curve = (enum curve)in->curve,
        .sr_key_id = in->sr_key_id.data,
        .signed_hash = b->signed_hash,
        .epk = lane->Q,
        .issued = now,
        .expiry = in->expiry,
        .rc = span_of_field(&in->rc),
        .crt = writer_span(&b->crt_w),
        .sin = span_of_field(&in->sin),
    };
    struct blob_header header = {
        .type = BLOB_TICKET,
        .principal = in->principal,
        .eid = in->eid.data,
        .kvn = lane->crt.kvn,
    };

    memcpy(header.custody, lane->custody, CUSTODY_BYTES);
    TRY(ticket_secret(c, lane, &ticket.secret));
    enum status st = ticket_put(&plain, &ticket);
    if (st == STATUS_OK) {
        st = blob_seal(c->generations, c->sym, scratch, &header, plain.len, out);
    }
    secret_wipe(c->secrets->agreement.key_data, KEY_DATA_LEN);
    return st;
}

static enum status finish_lane(struct custodian *c, struct arena *arena, struct lane *lane,
                               uint64_t now)
{
    struct built b;
    uint8_t ticket[WIRE_TICKET_MAX];
    struct writer ticket_w = writer_of(ticket, sizeof ticket);
    established_item *out = lane->out;

    if (in_token(lane)) {
        TRY(agree_in_token(c, lane));
    }
    TRY(build_signed(c, lane, &b));
    enum status st = seal_ticket(c, lane, &b, now, &ticket_w);
    leaf_of_use(c, AUDIT_OP_ESTABLISH, lane->in->principal, lane->in->eid.data, lane->crt.kvn,
                lane->sr_key, b.signed_hash, st);
    TRY(st);
    TRY(answer_bytes(arena, &out->epk, span_of(lane->Q, EC_POINT_LEN)));
    TRY(answer_bytes(arena, &out->crt, writer_span(&b.crt_w)));
    TRY(answer_bytes(arena, &out->store_data, writer_span(&b.store_w)));
    TRY(answer_bytes(arena, &out->signature, span_of(b.signature, EC_SIGNATURE_LEN)));
    TRY(answer_bytes(arena, &out->ticket, writer_span(&ticket_w)));
    return answer_bytes(arena, &out->custody, span_of(lane->custody, CUSTODY_BYTES));
}

enum status establish_batch(struct custodian *c, struct arena *arena, uint64_t now,
                            const Ecka__Custody__V1__Establish *in,
                            Ecka__Custody__V1__EstablishAnswer *out)
{
    struct lane lanes[CUSTODY_ITEMS_MAX];
    enum status st[CUSTODY_ITEMS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < in->n_items; i++) {
        struct lane lane = {.in = in->items[i], .out = out->items[i]};
        enum status checked = check_item(c, now, lane.in, &lane);
        lane.out->status = (uint32_t)checked;
        if (checked == STATUS_OK) {
            lanes[n++] = lane;
        }
    }
    agree_in_memory(c, n, lanes, st);
    for (size_t i = 0; i < n; i++) {
        if (st[i] == STATUS_OK) {
            st[i] = finish_lane(c, arena, &lanes[i], now);
        }
        if (st[i] != STATUS_OK) {
            *lanes[i].out = (established_item)ECKA__CUSTODY__V1__ESTABLISHED_ITEM__INIT;
            lanes[i].out->status = (uint32_t)st[i];
        }
    }
    return STATUS_OK;
}
