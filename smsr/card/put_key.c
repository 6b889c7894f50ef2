#include "smsr/card/put_key.h"

#include "proto/gp/put_key.h"
#include "providers/core/secret.h"

enum { NEW_SET = 0x00, ALL_FROM_KEY_1 = 0x81, KEY_DEK = 2 };

static bool acceptable(const struct isdr *isdr, const struct put_key *in)
{
    bool ok = in->n == ISDR_KEYS && in->kvn >= CRT_KVN_MIN && in->kvn <= CRT_KVN_MAX &&
              isdr_find(isdr, in->kvn) == NULL;
    for (size_t i = 0; ok && i < in->n; i++) {
        ok = in->blocks[i].type == PUT_KEY_TYPE_AES;
    }
    return ok;
}

/* The keys in the clear, each held against its check value. */
static enum card_sw decipher(struct isdr *isdr, const struct key_set *securing,
                             const struct put_key *in, struct key_set *set)
{
    static const uint8_t iv[SYM_BLOCK];
    uint8_t kcv[SYM_KCV_LEN];
    struct span dek = span_of(securing->keys[KEY_DEK], SYM_AES128_KEY_LEN);
    for (size_t i = 0; i < ISDR_KEYS; i++) {
        if (sym_cbc_decrypt(isdr->engine->sym, dek, iv, in->blocks[i].value, set->keys[i],
                            SYM_AES128_KEY_LEN) != STATUS_OK ||
            sym_kcv(isdr->engine->sym, set->keys[i], kcv) != STATUS_OK) {
            return SW_FAULT;
        }
        if (!secret_equal(kcv, in->blocks[i].kcv, sizeof(kcv))) {
            return SW_WRONG_DATA;
        }
    }
    return SW_OK;
}

enum card_sw isdr_put_key(struct isdr *isdr, uint8_t securing_kvn, const struct apdu *apdu,
                          struct writer *out)
{
    struct put_key in;
    const struct key_set *securing = isdr_find(isdr, securing_kvn);
    if (apdu->p1 != NEW_SET || apdu->p2 != ALL_FROM_KEY_1) {
        return SW_WRONG_P1P2;
    }
    if (put_key_parse(apdu->data, &in) != STATUS_OK || !acceptable(isdr, &in) || securing == NULL) {
        return SW_WRONG_DATA;
    }
    struct key_set *slot = isdr_free_slot(isdr);
    if (slot == NULL) {
        return SW_NO_MEMORY;
    }
    enum card_sw sw = decipher(isdr, securing, &in, slot);
    if (sw != SW_OK) {
        secret_wipe(slot, sizeof(*slot));
        return sw;
    }
    slot->present = ISDR_ALL_KEYS;
    slot->kvn = in.kvn;
    put_u8(out, in.kvn);
    for (size_t i = 0; i < in.n; i++) {
        put_bytes(out, in.blocks[i].kcv, PUT_KEY_KCV_LEN);
    }
    return SW_OK;
}
