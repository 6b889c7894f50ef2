/*
 * Confirm (SGP.02 3.8, step 23): the receipt decides, and only a true one releases a key set.
 *
 * Needs nothing but the ticket: any custodian with the same masters can do it, and doing it again
 * gives the same key set byte for byte.
 */
#include <string.h>

#include "hsm/custodian.h"
#include "hsm/sealed/keyset.h"
#include "hsm/sealed/ticket.h"
#include "providers/core/secret.h"

typedef Ecka__Custody__V1__ConfirmItem confirm_item;
typedef Ecka__Custody__V1__ConfirmedItem confirmed_item;

enum { KEY_DATA_RECEIPT = 0, KEY_DATA_ENC = 16, KEY_DATA_MAC = 32, KEY_DATA_DEK = 48 };

static enum status check_dr(const struct crt *crt, struct span dr)
{
    bool asked = (crt->scenario_params & CRT_WITH_DR) != 0;
    if (asked && dr.len == 0) {
        return STATUS_DR_MISSING;
    }
    if (!asked && dr.len != 0) {
        return STATUS_DR_UNEXPECTED;
    }
    return dr.len == 0 || dr.len == DR_LEN ? STATUS_OK : STATUS_BAD_LENGTH;
}

/* The key data of this ticket and DR into c->secrets->key_data. */
static enum status take_key_data(struct custodian *c, const struct ticket *ticket,
                                 const struct crt *crt, struct span dr)
{
    uint8_t info[SHARED_INFO_MAX];
    struct writer w = writer_of(info, sizeof info);
    bool with_dr = (crt->scenario_params & CRT_WITH_DR) != 0;

    if (ticket->secret.len != (with_dr ? (size_t)ECDH_Z_LEN : (size_t)KEY_DATA_LEN)) {
        return STATUS_BLOB_MALFORMED;
    }
    if (!with_dr) {
        memcpy(c->secrets->key_data, ticket->secret.ptr, KEY_DATA_LEN);
        return STATUS_OK;
    }
    TRY(shared_info_put(&w, crt, dr, ticket->sin));
    TRY(writer_check(&w));
    return sym_x963(c->sym, ticket->secret, writer_span(&w), c->secrets->key_data, KEY_DATA_LEN);
}

static enum status check_receipt(struct custodian *c, struct span crt_a6, struct span dr,
                                 const ProtobufCBinaryData *receipt)
{
    uint8_t input[RECEIPT_INPUT_MAX];
    struct writer w = writer_of(input, sizeof input);

    if (receipt->len != RECEIPT_LEN) {
        return STATUS_BAD_LENGTH;
    }
    receipt_input_put(&w, RECEIPT_DR_FORM, crt_a6, dr);
    TRY(writer_check(&w));
    TRY(sym_cmac(c->sym, span_of(c->secrets->key_data + KEY_DATA_RECEIPT, SYM_AES128_KEY_LEN),
                 writer_span(&w), c->secrets->receipt));
    return secret_equal(c->secrets->receipt, receipt->data, RECEIPT_LEN) ? STATUS_OK
                                                                         : STATUS_RECEIPT_MISMATCH;
}

/* Opens the ticket and leaves the proven key data in c->secrets->key_data. */
static enum status prove(struct custodian *c, uint64_t now, const confirm_item *in,
                         struct blob_opened *opened, uint64_t *counter)
{
    struct blob_scratch *scratch = &c->secrets->blob;
    struct ticket ticket;
    struct crt crt;
    struct span dr = span_of_field(&in->dr);

    TRY(blob_open_any(c->generations, c->sym, scratch, 1U << BLOB_TICKET, in->principal,
                      in->eid.data, span_of_field(&in->ticket), opened));
    TRY(ticket_parse(span_of(scratch->plain, opened->plain_len), &ticket));
    if (crt_parse(ticket.crt, &crt) != STATUS_OK || crt.kvn != opened->kvn) {
        return STATUS_BLOB_MALFORMED;
    }
    *counter = crt.counter;
    if (now > ticket.expiry) {
        return STATUS_TICKET_EXPIRED;
    }
    TRY(check_dr(&crt, dr));
    TRY(take_key_data(c, &ticket, &crt, dr));
    return check_receipt(c, ticket.crt, dr, &in->receipt);
}

static enum status release(struct custodian *c, struct arena *arena, const confirm_item *in,
                           const struct blob_opened *ticket, uint64_t counter, confirmed_item *out)
{
    const uint8_t *key_data = c->secrets->key_data;
    const struct key_set set = {.counter = counter,
                                .enc = key_data + KEY_DATA_ENC,
                                .mac = key_data + KEY_DATA_MAC,
                                .dek = key_data + KEY_DATA_DEK};
    /* SK.SR, eSK and Z as they were kept at Establish; the key data are here now. */
    const struct blob_header header = {
        .type = BLOB_SCP80,
        .principal = in->principal,
        .eid = in->eid.data,
        .kvn = ticket->kvn,
        .custody = {ticket->custody[0], ticket->custody[1], ticket->custody[2], CUSTODY_AT_MEMORY},
    };
    uint8_t blob[WIRE_KEY_SET_MAX], kcvs[3 * SYM_KCV_LEN];
    struct writer w = writer_of(blob, sizeof blob);
    struct blob_scratch *scratch = &c->secrets->blob;
    struct writer plain = writer_of(scratch->plain, sizeof scratch->plain);

    TRY(sym_kcv(c->sym, set.enc, kcvs));
    TRY(sym_kcv(c->sym, set.mac, kcvs + SYM_KCV_LEN));
    TRY(sym_kcv(c->sym, set.dek, kcvs + 2 * SYM_KCV_LEN));
    TRY(key_set_put(&plain, &set));
    TRY(blob_seal(c->generations, c->sym, scratch, &header, plain.len, &w));
    TRY(leaf_of_blob(c, AUDIT_OP_CONFIRM, in->principal, in->eid.data, ticket->kvn,
                     writer_span(&w)));
    TRY(answer_bytes(arena, &out->key_set, writer_span(&w)));
    TRY(answer_bytes(arena, &out->kcvs, span_of(kcvs, sizeof kcvs)));
    return answer_bytes(arena, &out->custody, span_of(header.custody, CUSTODY_BYTES));
}

static enum status confirm_item_do(struct custodian *c, struct arena *arena, uint64_t now,
                                   const confirm_item *in, confirmed_item *out)
{
    struct blob_opened ticket;
    uint64_t counter;
    enum status st = prove(c, now, in, &ticket, &counter);

    blob_scratch_wipe(&c->secrets->blob);
    if (st == STATUS_OK) {
        st = release(c, arena, in, &ticket, counter, out);
    }
    blob_scratch_wipe(&c->secrets->blob);
    secret_wipe(c->secrets->key_data, sizeof c->secrets->key_data);
    secret_wipe(c->secrets->receipt, sizeof c->secrets->receipt);
    return st;
}

enum status confirm_batch(struct custodian *c, struct arena *arena, uint64_t now,
                          const Ecka__Custody__V1__Confirm *in,
                          Ecka__Custody__V1__ConfirmAnswer *out)
{
    for (size_t i = 0; i < in->n_items; i++) {
        enum status st = confirm_item_do(c, arena, now, in->items[i], out->items[i]);
        if (st != STATUS_OK) {
            *out->items[i] = (confirmed_item)ECKA__CUSTODY__V1__CONFIRMED_ITEM__INIT;
        }
        out->items[i]->status = (uint32_t)st;
    }
    return STATUS_OK;
}
