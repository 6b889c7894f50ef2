/*
 * Sign: CKM_ECDSA over a digest that the caller brings, with a token key of purpose generic-sign
 * and with no other. A label is looked for among those keys alone, so that one of an SR key, a KEK
 * or a checkpoint key names nothing here.
 */
#include "hsm/custodian.h"

typedef Ecka__Custody__V1__SignItem sign_item;
typedef Ecka__Custody__V1__SignedItem signed_item;

static enum status sign(struct custodian *c, struct arena *arena, const sign_item *in,
                        signed_item *out)
{
    uint8_t signature[EC_SIGNATURE_LEN];
    const struct token_key *key = keys_newest(&c->keys, KEY_GENERIC_SIGN, in->key_label);

    if (key == NULL) {
        return STATUS_KEY_UNKNOWN;
    }
    TRY(keys_sign_generic(&c->token, key, in->digest.data, signature));
    leaf_of_use(c, AUDIT_OP_SIGN, in->principal, NULL, AUDIT_KVN_NONE, key, in->digest.data,
                STATUS_OK);
    return answer_bytes(arena, &out->signature, span_of(signature, sizeof signature));
}

enum status sign_batch(struct custodian *c, struct arena *arena, const Ecka__Custody__V1__Sign *in,
                       Ecka__Custody__V1__SignAnswer *out)
{
    for (size_t i = 0; i < in->n_items; i++) {
        out->items[i]->status = (uint32_t)sign(c, arena, in->items[i], out->items[i]);
    }
    return STATUS_OK;
}
