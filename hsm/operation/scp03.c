/*
 * Scp03Open, Scp03Wrap and Scp03Unwrap: SCP03 (GlobalPlatform Amendment D) under a sealed key set.
 * The session's keys are in the clear for one item only; between two uses the front-end holds them
 * sealed. Only the true card cryptogram makes a session. The answer to EXTERNAL AUTHENTICATE has no
 * R-MAC and is not for Scp03Unwrap.
 */
#include "hsm/custodian.h"
#include "hsm/sealed/keyset.h"
#include "hsm/sealed/session.h"
#include "providers/core/secret.h"

typedef Ecka__Custody__V1__Scp03OpenItem open_item;
typedef Ecka__Custody__V1__Scp03OpenedItem opened_item;
typedef Ecka__Custody__V1__Scp03WrapItem wrap_item;
typedef Ecka__Custody__V1__Scp03WrappedItem wrapped_item;
typedef Ecka__Custody__V1__Scp03UnwrapItem unwrap_item;
typedef Ecka__Custody__V1__Scp03UnwrappedItem unwrapped_item;

/* Seals c->secrets->scp03, whatever it has become, and copies it to the answer's field. */
static enum status seal_session(struct custodian *c, struct arena *arena, const char *principal,
                                const ProtobufCBinaryData *eid, uint8_t kvn,
                                ProtobufCBinaryData *out)
{
    struct blob_scratch *scratch = &c->secrets->blob;
    const struct blob_header header = {
        .type = BLOB_SESSION,
        .principal = principal,
        .eid = eid->data,
        .kvn = kvn,
        .custody = {CUSTODY_NONE, CUSTODY_NONE, CUSTODY_NONE, CUSTODY_AT_MEMORY},
    };
    uint8_t blob[WIRE_SESSION_MAX];
    struct writer w = writer_of(blob, sizeof blob);
    struct writer plain = writer_of(scratch->plain, sizeof scratch->plain);

    TRY(session_put(&plain, &c->secrets->scp03));
    TRY(blob_seal(c->generations, c->sym, scratch, &header, plain.len, &w));
    return answer_bytes(arena, out, writer_span(&w));
}

/* Opens a session into c->secrets->scp03. */
static enum status open_session(struct custodian *c, const char *principal,
                                const ProtobufCBinaryData *eid, const ProtobufCBinaryData *blob,
                                uint8_t *kvn)
{
    struct blob_scratch *scratch = &c->secrets->blob;
    size_t len;

    TRY(blob_open(c->generations, c->sym, scratch, BLOB_SESSION, principal, eid->data,
                  span_of_field(blob), kvn, &len));
    enum status st = session_parse(span_of(scratch->plain, len), &c->secrets->scp03);
    blob_scratch_wipe(scratch);
    return st;
}

static void wipe(struct custodian *c)
{
    blob_scratch_wipe(&c->secrets->blob);
    secret_wipe(&c->secrets->scp03, sizeof c->secrets->scp03);
}

/* -- Scp03Open -- */

static enum status open_one(struct custodian *c, struct arena *arena, const open_item *in,
                            opened_item *out)
{
    struct key_set set;
    uint8_t apdu[SCP03_EXTERNAL_AUTHENTICATE_LEN];
    struct writer w = writer_of(apdu, sizeof apdu);
    const struct scp03_challenges challenges = {in->host_challenge.data, in->card_challenge.data};

    if (!scp03_level_valid(in->security_level)) {
        return STATUS_SCP03_LEVEL;
    }
    TRY(key_set_open(c, 1U << BLOB_SCP03, in->principal, &in->eid, &in->key_set, in->kvn, &set));
    const struct scp03_keys keys = {span_of(set.enc, SYM_AES128_KEY_LEN),
                                    span_of(set.mac, SYM_AES128_KEY_LEN)};
    TRY(scp03_open(c->sym, &keys, &challenges, in->card_cryptogram.data,
                   (uint8_t)in->security_level, &c->secrets->scp03, &w));
    blob_scratch_wipe(&c->secrets->blob);
    TRY(seal_session(c, arena, in->principal, &in->eid, (uint8_t)in->kvn, &out->session));
    return answer_bytes(arena, &out->apdu, writer_span(&w));
}

enum status scp03_open_batch(struct custodian *c, struct arena *arena,
                             const Ecka__Custody__V1__Scp03Open *in,
                             Ecka__Custody__V1__Scp03OpenAnswer *out)
{
    for (size_t i = 0; i < in->n_items; i++) {
        enum status st = open_one(c, arena, in->items[i], out->items[i]);
        wipe(c);
        if (st != STATUS_OK) {
            *out->items[i] = (opened_item)ECKA__CUSTODY__V1__SCP03_OPENED_ITEM__INIT;
        }
        out->items[i]->status = (uint32_t)st;
    }
    return STATUS_OK;
}

/* -- Scp03Wrap -- */

static enum status wrap(struct custodian *c, struct arena *arena, const wrap_item *in,
                        wrapped_item *out)
{
    uint8_t apdu[WIRE_APDU_MAX], kvn;
    struct writer w = writer_of(apdu, sizeof apdu);

    TRY(open_session(c, in->principal, &in->eid, &in->session, &kvn));
    TRY(scp03_wrap(c->sym, &c->secrets->scp03, span_of_field(&in->apdu), &w));
    TRY(seal_session(c, arena, in->principal, &in->eid, kvn, &out->session));
    return answer_bytes(arena, &out->apdu, writer_span(&w));
}

enum status scp03_wrap_batch(struct custodian *c, struct arena *arena,
                             const Ecka__Custody__V1__Scp03Wrap *in,
                             Ecka__Custody__V1__Scp03WrapAnswer *out)
{
    for (size_t i = 0; i < in->n_items; i++) {
        enum status st = wrap(c, arena, in->items[i], out->items[i]);
        wipe(c);
        if (st != STATUS_OK) {
            *out->items[i] = (wrapped_item)ECKA__CUSTODY__V1__SCP03_WRAPPED_ITEM__INIT;
        }
        out->items[i]->status = (uint32_t)st;
    }
    return STATUS_OK;
}

/* -- Scp03Unwrap -- */

static enum status unwrap(struct custodian *c, struct arena *arena, const unwrap_item *in,
                          unwrapped_item *out)
{
    uint8_t apdu[WIRE_APDU_MAX], kvn;
    struct writer w = writer_of(apdu, sizeof apdu);

    TRY(open_session(c, in->principal, &in->eid, &in->session, &kvn));
    enum status st = scp03_unwrap(c->sym, &c->secrets->scp03, span_of_field(&in->apdu), &w);
    if (st == STATUS_OK || st == STATUS_SCP03_UNPROTECTED) {
        TRY(seal_session(c, arena, in->principal, &in->eid, kvn, &out->session));
        TRY(answer_bytes(arena, &out->apdu, writer_span(&w)));
    }
    secret_wipe(apdu, sizeof apdu);
    return st;
}

enum status scp03_unwrap_batch(struct custodian *c, struct arena *arena,
                               const Ecka__Custody__V1__Scp03Unwrap *in,
                               Ecka__Custody__V1__Scp03UnwrapAnswer *out)
{
    for (size_t i = 0; i < in->n_items; i++) {
        enum status st = unwrap(c, arena, in->items[i], out->items[i]);
        wipe(c);
        if (st != STATUS_OK && st != STATUS_SCP03_UNPROTECTED) {
            *out->items[i] = (unwrapped_item)ECKA__CUSTODY__V1__SCP03_UNWRAPPED_ITEM__INIT;
        }
        out->items[i]->status = (uint32_t)st;
    }
    return STATUS_OK;
}
