/*
 * Agree: ECKA-EG with a fresh key pair and X9.63 over the caller's SharedInfo. The derived key
 * leaves as an opaque blob, which no SCP operation takes: whatever it is for, it is no key set.
 *
 * An opaque blob holds version(1) and the key; EID and KVN of its header are zero.
 */
#include <string.h>

#include "hsm/operation/agreement.h"
#include "providers/core/secret.h"

typedef Ecka__Custody__V1__AgreeItem agree_item;
typedef Ecka__Custody__V1__AgreedItem agreed_item;

enum { OPAQUE_VERSION = 1 };

_Static_assert(1 + (int)WIRE_AGREED_MAX <= (int)BLOB_PLAIN_MAX, "the scratch holds a key");
_Static_assert((int)BLOB_OVERHEAD_MAX + 1 + WIRE_AGREED_MAX <= WIRE_KEY_SET_MAX,
               "a key fits the wire");
_Static_assert((int)WIRE_AGREED_MAX <= (int)KEY_DATA_LEN, "the secrets hold a key");
_Static_assert((int)WIRE_SHARED_INFO_MAX <= (int)SHARED_INFO_MAX, "the token takes any of ours");

struct agree_lane { /* a valid item on its way */
    const agree_item *in;
    agreed_item *out;
    uint8_t custody[CUSTODY_BYTES];
    size_t z; /* at custody memory: where its Z is in the batch's */
    uint8_t Q[EC_POINT_LEN];
};

static bool in_token(const struct agree_lane *lane)
{
    return lane->custody[1] == CUSTODY_AT_TOKEN;
}

static enum status check_item(const struct custodian *c, struct agree_lane *lane)
{
    const agree_item *in = lane->in;
    uint8_t at;

    if (in->curve == CURVE_NONE || in->curve >= CURVE_COUNT) {
        return STATUS_BAD_CURVE;
    }
    if (in->length == 0 || in->length > WIRE_AGREED_MAX) {
        return STATUS_BAD_LENGTH;
    }
    TRY(agreement_custody(c, in->custody, (enum curve)in->curve, &at));
    lane->custody[0] = CUSTODY_NONE; /* no SK.SR takes part */
    lane->custody[1] = lane->custody[2] = at;
    lane->custody[3] = CUSTODY_AT_MEMORY;
    return STATUS_OK;
}

static void agree_in_memory(struct custodian *c, size_t n,
                            struct agree_lane lanes[static CUSTODY_ITEMS_MAX],
                            enum status st[static CUSTODY_ITEMS_MAX])
{
    struct agreement items[CUSTODY_ITEMS_MAX] = {0};
    enum status agreed[CUSTODY_ITEMS_MAX];
    size_t m = 0;

    for (size_t i = 0; i < n; i++) {
        if (!in_token(&lanes[i])) {
            lanes[i].z = m;
            items[m++] = (struct agreement){.curve = (enum curve)lanes[i].in->curve,
                                            .peer = lanes[i].in->peer.data,
                                            .Q = lanes[i].Q};
        }
    }
    agreement_in_memory(c, m, items, agreed);
    for (size_t i = 0; i < n; i++) {
        st[i] = in_token(&lanes[i]) ? STATUS_OK : agreed[lanes[i].z];
    }
}

static enum status derive(struct custodian *c, struct agree_lane *lane)
{
    struct agreement_secrets *s = &c->secrets->agreement;
    const struct span shared_info = span_of_field(&lane->in->shared_info);

    return in_token(lane) ? agreement_in_token(c, (enum curve)lane->in->curve, lane->in->peer.data,
                                               shared_info, lane->Q, s->key_data, lane->in->length)
                          : sym_x963(c->sym, span_of(s->z[lane->z], ECDH_Z_LEN), shared_info,
                                     s->key_data, lane->in->length);
}

static enum status seal_key(struct custodian *c, const struct agree_lane *lane, struct writer *out)
{
    static const uint8_t no_eid[GP_EID_LEN];
    struct blob_scratch *scratch = &c->secrets->blob;
    struct writer plain = writer_of(scratch->plain, sizeof scratch->plain);
    struct blob_header header = {
        .type = BLOB_OPAQUE, .principal = lane->in->principal, .eid = no_eid, .kvn = 0};

    memcpy(header.custody, lane->custody, CUSTODY_BYTES);
    put_u8(&plain, OPAQUE_VERSION);
    put_bytes(&plain, c->secrets->agreement.key_data, lane->in->length);
    TRY(writer_check(&plain));
    return blob_seal(c->generations, c->sym, scratch, &header, plain.len, out);
}

static enum status finish_lane(struct custodian *c, struct arena *arena, struct agree_lane *lane)
{
    uint8_t blob[WIRE_KEY_SET_MAX];
    struct writer w = writer_of(blob, sizeof blob);

    enum status st = derive(c, lane);
    if (st == STATUS_OK) {
        st = seal_key(c, lane, &w);
    }
    secret_wipe(c->secrets->agreement.key_data, KEY_DATA_LEN);
    TRY(st);
    TRY(leaf_of_blob(c, AUDIT_OP_AGREE, lane->in->principal, NULL, 0, writer_span(&w)));
    TRY(answer_bytes(arena, &lane->out->epk, span_of(lane->Q, EC_POINT_LEN)));
    TRY(answer_bytes(arena, &lane->out->key_blob, writer_span(&w)));
    return answer_bytes(arena, &lane->out->custody, span_of(lane->custody, CUSTODY_BYTES));
}

enum status agree_batch(struct custodian *c, struct arena *arena,
                        const Ecka__Custody__V1__Agree *in, Ecka__Custody__V1__AgreeAnswer *out)
{
    struct agree_lane lanes[CUSTODY_ITEMS_MAX];
    enum status st[CUSTODY_ITEMS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < in->n_items; i++) {
        struct agree_lane lane = {.in = in->items[i], .out = out->items[i]};
        enum status checked = check_item(c, &lane);
        lane.out->status = (uint32_t)checked;
        if (checked == STATUS_OK) {
            lanes[n++] = lane;
        }
    }
    agree_in_memory(c, n, lanes, st);
    for (size_t i = 0; i < n; i++) {
        if (st[i] == STATUS_OK) {
            st[i] = finish_lane(c, arena, &lanes[i]);
        }
        if (st[i] != STATUS_OK) {
            *lanes[i].out = (agreed_item)ECKA__CUSTODY__V1__AGREED_ITEM__INIT;
            lanes[i].out->status = (uint32_t)st[i];
        }
    }
    return STATUS_OK;
}
