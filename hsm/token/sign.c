/*
 * The uses of the token's keys, each bound to one purpose: raw C_SignInit and C_Sign, and
 * C_WrapKey. Beside kek.c, which tells KEKs apart, there is no other way in this room to reach a
 * private or secret key of the token.
 */
#include <assert.h>
#include <string.h>

#include "hsm/token/keys.h"

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

enum status keys_sign_generic(struct token *t, const struct token_key *key,
                              const uint8_t digest[static SHA256_LEN],
                              uint8_t signature[static EC_SIGNATURE_LEN])
{
    assert(key->purpose == KEY_GENERIC_SIGN);
    return sign_raw(t, key, CKM_ECDSA, span_of(digest, SHA256_LEN), signature, EC_SIGNATURE_LEN);
}

enum status keys_sign_checkpoint(struct token *t, const struct token_key *key,
                                 const uint8_t digest[static SHA256_LEN],
                                 uint8_t signature[static EC_SIGNATURE_LEN])
{
    assert(key->purpose == KEY_CHECKPOINT);
    return sign_raw(t, key, CKM_ECDSA, span_of(digest, SHA256_LEN), signature, EC_SIGNATURE_LEN);
}

/* What is wrapped has to be extractable, and so lives as shortly as possible. */
static enum status make_wrappable(struct token *t, struct span value, CK_OBJECT_HANDLE *out)
{
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_GENERIC_SECRET;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &class, sizeof class}, {CKA_KEY_TYPE, &type, sizeof type},
        {CKA_TOKEN, &no, sizeof no},       {CKA_PRIVATE, &yes, sizeof yes},
        {CKA_SENSITIVE, &yes, sizeof yes}, {CKA_EXTRACTABLE, &yes, sizeof yes},
        {CKA_DERIVE, &no, sizeof no},      {CKA_SIGN, &no, sizeof no},
        {CKA_VERIFY, &no, sizeof no},      {CKA_VALUE, (void *)value.ptr, value.len},
    };
    return token_rv(
        t, "C_CreateObject (to wrap)",
        t->p11->C_CreateObject(t->session, template, sizeof template / sizeof template[0], out));
}

enum status keys_kek_wrap(struct token *t, const struct token_key *kek, struct span value,
                          uint8_t *out, size_t *len)
{
    CK_MECHANISM mechanism = {CKM_AES_KEY_WRAP_PAD, NULL, 0};
    CK_OBJECT_HANDLE object;
    CK_ULONG got = *len;

    assert(kek->purpose == KEY_KEK);
    *len = 0;
    TRY(make_wrappable(t, value, &object));
    enum status st = token_rv(
        t, "C_WrapKey", t->p11->C_WrapKey(t->session, &mechanism, kek->handle, object, out, &got));
    /* An extractable key that stays in the token is a fault of the whole operation. */
    enum status gone = token_rv(t, "C_DestroyObject", t->p11->C_DestroyObject(t->session, object));
    TRY(st);
    TRY(gone);
    *len = got;
    return STATUS_OK;
}

enum status keys_master_cmac(struct token *t, const struct token_key *key, struct span in,
                             uint8_t out[static 16])
{
    assert(key->purpose == KEY_TICKET || key->purpose == KEY_KEYSET);
    return sign_raw(t, key, CKM_AES_CMAC, in, out, 16);
}
