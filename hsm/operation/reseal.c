/*
 * Reseal: a key set of any generation still in the token, under the newest one. Nothing else of it
 * changes: type, principal, EID, KVN, custody and contents stay, and so, the salt being synthetic,
 * the same set gives the same bytes however often and from whichever generation it comes.
 */
#include <string.h>

#include "hsm/custodian.h"

typedef Ecka__Custody__V1__ResealItem reseal_item;
typedef Ecka__Custody__V1__ResealedItem resealed_item;

static enum status reseal(struct custodian *c, struct arena *arena, const reseal_item *in,
                          resealed_item *out)
{
    struct blob_scratch *scratch = &c->secrets->blob;
    struct blob_opened opened;
    uint8_t blob[WIRE_KEY_SET_MAX];
    struct writer w = writer_of(blob, sizeof blob);

    TRY(blob_open_any(c->generations, c->sym, scratch, BLOB_KEY_SETS, in->principal, in->eid.data,
                      span_of_field(&in->key_set), &opened));
    if (in->kvn != opened.kvn) {
        return STATUS_BLOB_KVN;
    }
    struct blob_header header = {
        .type = opened.type, .principal = in->principal, .eid = in->eid.data, .kvn = opened.kvn};
    memcpy(header.custody, opened.custody, CUSTODY_BYTES);
    TRY(blob_seal(c->generations, c->sym, scratch, &header, opened.plain_len, &w));
    TRY(leaf_of_blob(c, AUDIT_OP_RESEAL, in->principal, in->eid.data, header.kvn, writer_span(&w)));
    return answer_bytes(arena, &out->key_set, writer_span(&w));
}

enum status reseal_batch(struct custodian *c, struct arena *arena,
                         const Ecka__Custody__V1__Reseal *in, Ecka__Custody__V1__ResealAnswer *out)
{
    for (size_t i = 0; i < in->n_items; i++) {
        out->items[i]->status = (uint32_t)reseal(c, arena, in->items[i], out->items[i]);
        blob_scratch_wipe(&c->secrets->blob);
    }
    return STATUS_OK;
}
