/*
 * The two uses of a token key: raw C_SignInit and C_Sign, each bound to its purpose. There is no
 * other way in this room to reach a private or secret key of the token.
 */
#include <assert.h>
#include <string.h>

#include "hsm/keys.h"

static enum status sign_raw(struct token *t, const struct token_key *key, CK_MECHANISM_TYPE type,
                            struct span in, uint8_t *out, CK_ULONG out_len)
{
    CK_MECHANISM mechanism = {type, NULL, 0};
    CK_ULONG len = out_len;
    enum status st =
        token_rv(t, "C_SignInit", t->p11->C_SignInit(t->session, &mechanism, key->handle));
    if (st == STATUS_OK) {
        st = token_rv(t, "C_Sign",
                      t->p11->C_Sign(t->session, (CK_BYTE_PTR)in.ptr, in.len, out, &len));
    }
    if (st == STATUS_OK && len != out_len) {
        st = STATUS_TOKEN_ERROR;
    }
    if (st != STATUS_OK) {
        memset(out, 0, out_len);
    }
    return st;
}

enum status keys_sign_sr(struct token *t, const struct token_key *key,
                         const uint8_t digest[static SHA256_LEN],
                         uint8_t signature[static EC_SIGNATURE_LEN])
{
    assert(key->purpose == KEY_SR_ESTABLISH);
    return sign_raw(t, key, CKM_ECDSA, span_of(digest, SHA256_LEN), signature, EC_SIGNATURE_LEN);
}

enum status keys_master_cmac(struct token *t, const struct token_key *key, struct span in,
                             uint8_t out[static 16])
{
    assert(key->purpose == KEY_TICKET || key->purpose == KEY_KEYSET);
    return sign_raw(t, key, CKM_AES_CMAC, in, out, 16);
}
