/*
 * The lane `direct`: raw Cryptoki. An operation is what a custodian asks of its token for one item.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/hsm/direct.h"
#include "hsm/token/ec_public.h"
#include "hsm/token/keys.h"

enum {
    CMAC_IN = 48, /* of SP 800-108 with a label and a generation */
    GCM_IN = 256, /* a ticket, about */
    GCM_IV = 12,  /* octets */
    GCM_TAG = 16,
    RANDOM_OUT = 32, /* a scalar */
    AES_KEY_LEN = 32,
};

struct hand { /* of a thread */
    CK_SESSION_HANDLE sessions[SESSIONS_MAX];
    unsigned turn; /* the session of the last operation */
    uint64_t messages;
    uint8_t digest[SHA256_LEN], signature[EC_SIGNATURE_LEN], block[SHA256_LEN];
    uint8_t plain[GCM_IN], out[GCM_IN + GCM_TAG];
};

static const uint8_t x963_suffix[4 + DIRECT_SHARED_INFO] = {0, 0, 0, 1, 0x10, 0x88, 0x10};

#define CALL(d, t, name, ...) DIRECT_CALL(d, (t)->record, name, __VA_ARGS__)
#define TRY_RV(call)                                                                               \
    do {                                                                                           \
        const CK_RV rv_ = (call);                                                                  \
        if (rv_ != CKR_OK) {                                                                       \
            return rv_;                                                                            \
        }                                                                                          \
    } while (0)

/* -- operations -- */

static CK_RV sign_with(struct direct *d, struct worker_thread *t, CK_SESSION_HANDLE s,
                       CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key, CK_ULONG in_len,
                       CK_ULONG out_len)
{
    struct hand *h = t->state;
    CK_MECHANISM mechanism = {type, NULL, 0};
    CK_ULONG len = sizeof h->signature;
    uint8_t *in = type == CKM_ECDSA ? h->digest : h->plain;
    TRY_RV(CALL(d, t, C_SignInit, s, &mechanism, key));
    TRY_RV(CALL(d, t, C_Sign, s, in, in_len, h->signature, &len));
    return len == out_len ? CKR_OK : CKR_FUNCTION_FAILED;
}

static CK_RV derive(struct direct *d, struct worker_thread *t, CK_SESSION_HANDLE s,
                    CK_OBJECT_HANDLE private, CK_OBJECT_HANDLE *z)
{
    CK_ECDH1_DERIVE_PARAMS params = {
        .kdf = CKD_NULL, .ulPublicDataLen = sizeof d->peer, .pPublicData = d->peer};
    CK_MECHANISM mechanism = {CKM_ECDH1_DERIVE, &params, sizeof params};
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_GENERIC_SECRET;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_ULONG len = EC_SCALAR_LEN;
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &class, sizeof class}, {CKA_KEY_TYPE, &type, sizeof type},
        {CKA_TOKEN, &no, sizeof no},       {CKA_PRIVATE, &yes, sizeof yes},
        {CKA_SENSITIVE, &yes, sizeof yes}, {CKA_EXTRACTABLE, &no, sizeof no},
        {CKA_VALUE_LEN, &len, sizeof len},
    };
    return CALL(d, t, C_DeriveKey, s, &mechanism, private, template,
                sizeof template / sizeof template[0], z);
}

static CK_RV destroy(struct direct *d, struct worker_thread *t, CK_SESSION_HANDLE s,
                     CK_OBJECT_HANDLE object)
{
    return CALL(d, t, C_DestroyObject, s, object);
}

static CK_RV ecdh(struct direct *d, struct worker_thread *t, CK_SESSION_HANDLE s)
{
    CK_OBJECT_HANDLE z;
    TRY_RV(derive(d, t, s, d->private, &z));
    return destroy(d, t, s, z);
}

static CK_RV digest_key(struct direct *d, struct worker_thread *t, CK_SESSION_HANDLE s,
                        CK_OBJECT_HANDLE z)
{
    struct hand *h = t->state;
    CK_MECHANISM mechanism = {CKM_SHA256, NULL, 0};
    CK_ULONG len = sizeof h->block;
    TRY_RV(CALL(d, t, C_DigestInit, s, &mechanism));
    CK_RV rv = CALL(d, t, C_DigestKey, s, z);
    if (rv != CKR_OK) {
        (void)d->p11->C_DigestFinal(s, h->block, &len); /* some leave the operation open */
        atomic_store(&t->record->call, "C_DigestKey");
        return rv;
    }
    TRY_RV(CALL(d, t, C_DigestUpdate, s, (CK_BYTE_PTR)(uintptr_t)x963_suffix, sizeof x963_suffix));
    return CALL(d, t, C_DigestFinal, s, h->block, &len);
}

static CK_RV x963(struct direct *d, struct worker_thread *t, CK_SESSION_HANDLE s,
                  CK_OBJECT_HANDLE private)
{
    CK_OBJECT_HANDLE z;
    TRY_RV(derive(d, t, s, private, &z));
    const CK_RV rv = digest_key(d, t, s, z);
    const char *call = atomic_load(&t->record->call);
    const CK_RV gone = destroy(d, t, s, z);
    if (rv != CKR_OK) {
        atomic_store(&t->record->call, call);
        return rv;
    }
    return gone;
}

static CK_RV pair(struct direct *d, struct worker_thread *t, CK_SESSION_HANDLE s, bool agree)
{
    CK_OBJECT_HANDLE public, private;
    TRY_RV(direct_make_pair(d, s, t->record, t->w->load->curve, &public, &private));
    const CK_RV rv = agree ? x963(d, t, s, private) : CKR_OK;
    const CK_RV gone = destroy(d, t, s, private), public_gone = destroy(d, t, s, public);
    return rv != CKR_OK ? rv : gone != CKR_OK ? gone : public_gone;
}

static CK_RV gcm(struct direct *d, struct worker_thread *t, CK_SESSION_HANDLE s)
{
    struct hand *h = t->state;
    uint8_t iv[GCM_IV] = {0};
    h->messages++;
    memcpy(iv, &h->messages, sizeof h->messages);
    CK_GCM_PARAMS params = {
        .iv_ptr = iv, .iv_len = GCM_IV, .iv_bits = 8 * GCM_IV, .tag_bits = 8 * GCM_TAG};
    CK_MECHANISM mechanism = {CKM_AES_GCM, &params, sizeof params};
    CK_ULONG len = sizeof h->out;
    TRY_RV(CALL(d, t, C_EncryptInit, s, &mechanism, d->aes));
    TRY_RV(CALL(d, t, C_Encrypt, s, h->plain, sizeof h->plain, h->out, &len));
    return len == sizeof h->out ? CKR_OK : CKR_FUNCTION_FAILED;
}

static CK_RV wrap(struct direct *d, struct worker_thread *t, CK_SESSION_HANDLE s)
{
    struct hand *h = t->state;
    CK_MECHANISM mechanism = {d->wrap, NULL, 0};
    CK_ULONG len = sizeof h->out;
    return CALL(d, t, C_WrapKey, s, &mechanism, d->kek, d->wrappable, h->out, &len);
}

static CK_RV unwrap(struct direct *d, struct worker_thread *t, CK_SESSION_HANDLE s)
{
    CK_MECHANISM mechanism = {d->wrap, NULL, 0};
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &class, sizeof class}, {CKA_KEY_TYPE, &type, sizeof type},
        {CKA_TOKEN, &no, sizeof no},       {CKA_PRIVATE, &yes, sizeof yes},
        {CKA_SENSITIVE, &yes, sizeof yes}, {CKA_EXTRACTABLE, &no, sizeof no},
        {CKA_ENCRYPT, &yes, sizeof yes},
    };
    CK_OBJECT_HANDLE key;
    TRY_RV(CALL(d, t, C_UnwrapKey, s, &mechanism, d->kek, d->wrapped, d->wrapped_len, template,
                sizeof template / sizeof template[0], &key));
    return destroy(d, t, s, key);
}

static CK_RV open_session(struct direct *d, struct worker_thread *t)
{
    CK_SESSION_HANDLE s;
    TRY_RV(direct_session(d, t->record, &s));
    return CALL(d, t, C_CloseSession, s);
}

static CK_RV find(struct direct *d, struct worker_thread *t, CK_SESSION_HANDLE s)
{
    CK_ATTRIBUTE id = {CKA_ID, d->id, sizeof d->id};
    CK_OBJECT_HANDLE found[2];
    CK_ULONG n = 0;
    TRY_RV(CALL(d, t, C_FindObjectsInit, s, &id, 1));
    const CK_RV rv = CALL(d, t, C_FindObjects, s, found, 2, &n);
    TRY_RV(CALL(d, t, C_FindObjectsFinal, s));
    return rv != CKR_OK ? rv : n == 1 ? CKR_OK : CKR_FUNCTION_FAILED;
}

static CK_RV once(struct direct *d, struct worker_thread *t, CK_SESSION_HANDLE s)
{
    struct hand *h = t->state;
    switch (t->w->load->operation) {
    case OP_ECDSA_SIGN:
        return sign_with(d, t, s, CKM_ECDSA, d->private, sizeof h->digest, EC_SIGNATURE_LEN);
    case OP_ECDH:
        return ecdh(d, t, s);
    case OP_ECDH_X963:
        return x963(d, t, s, d->private);
    case OP_AGREE:
        return pair(d, t, s, true);
    case OP_KEYGEN:
        return pair(d, t, s, false);
    case OP_AES_CMAC:
        return sign_with(d, t, s, CKM_AES_CMAC, d->aes, CMAC_IN, GCM_TAG);
    case OP_AES_GCM:
        return gcm(d, t, s);
    case OP_WRAP:
        return wrap(d, t, s);
    case OP_UNWRAP:
        return unwrap(d, t, s);
    case OP_RANDOM:
        return CALL(d, t, C_GenerateRandom, s, h->out, RANDOM_OUT);
    case OP_SESSION_OPEN:
        return open_session(d, t);
    case OP_FIND:
        return find(d, t, s);
    case OP_COUNT:
        break;
    }
    return CKR_FUNCTION_NOT_SUPPORTED;
}

/* -- the lane -- */

static unsigned long direct_once(struct worker_thread *t)
{
    struct hand *h = t->state;
    h->turn = h->turn + 1 < t->w->load->sessions ? h->turn + 1 : 0;
    return once(t->w->state, t, h->sessions[h->turn]);
}

/* A signature that verifies, key data as libcrypto computes it, a message that is hidden. */
static bool direct_right(struct worker_thread *t)
{
    const struct direct *d = t->w->state;
    const struct hand *h = t->state;
    const enum hsm_operation op = t->w->load->operation;
    if (op == OP_ECDSA_SIGN) {
        struct token_key key = {.curve = t->w->load->curve};
        uint8_t der[ECDSA_DER_MAX];
        memcpy(key.point, d->point, sizeof key.point);
        EVP_PKEY *public = ec_public(&key);
        const size_t len = ecdsa_der(h->signature, der);
        const bool ok = public != NULL && len != 0 && ecdsa_verifies(public, h->digest, der, len);
        EVP_PKEY_free(public);
        return ok;
    }
    return op == OP_ECDH_X963 ? memcmp(h->block, d->block, sizeof h->block) == 0
           : op == OP_AES_GCM ? memcmp(h->out, h->plain, sizeof h->plain) != 0
                              : true;
}

static bool direct_lane_open(struct worker *w)
{
    struct direct *d = calloc(1, sizeof *d);
    if (d == NULL) {
        return worker_failed(w, NULL, 0, false, "there is no memory");
    }
    w->state = d;
    CK_RV rv = direct_open(d, w->target, worker_record(w));
    if (rv == CKR_OK) {
        rv = direct_login(d, w->target);
    }
    if (rv == CKR_OK) {
        rv = direct_keys(d, w->load->operation, w->load->curve);
        if (rv != CKR_OK) {
            return worker_failed(w, atomic_load(&d->record->call), rv, direct_lacking(rv), "");
        }
    }
    return rv == CKR_OK || worker_failed(w, atomic_load(&d->record->call), rv, false, d->text);
}

static bool direct_join(struct worker *w, struct worker_thread *t)
{
    struct direct *d = w->state;
    struct hand *h = calloc(1, sizeof *h);
    t->state = h;
    if (h == NULL) {
        return worker_failed(w, NULL, 0, false, "there is no memory");
    }
    memset(h->digest, 1, sizeof h->digest);
    for (unsigned i = 0; i < w->load->sessions; i++) {
        const CK_RV rv = direct_session(d, t->record, &h->sessions[i]);
        if (rv != CKR_OK) {
            return worker_failed(w, "C_OpenSession", rv, false, "");
        }
    }
    return true;
}

/* A session in which an operation failed may be unusable: another one takes its place. */
static void direct_recover(struct worker_thread *t, unsigned long code)
{
    struct direct *d = t->w->state;
    struct hand *h = t->state;
    CK_SESSION_HANDLE fresh;
    (void)code;
    if (direct_session(d, t->record, &fresh) == CKR_OK) {
        (void)CALL(d, t, C_CloseSession, h->sessions[h->turn]);
        h->sessions[h->turn] = fresh;
    }
}

static void direct_leave(struct worker_thread *t)
{
    struct direct *d = t->w->state;
    struct hand *h = t->state;
    for (unsigned i = 0; i < t->w->load->sessions; i++) {
        (void)CALL(d, t, C_CloseSession, h->sessions[i]);
    }
}

static void direct_lane_close(struct worker *w)
{
    if (w->state != NULL) {
        direct_close(w->state);
    }
}

const struct lane lane_direct = {
    .open = direct_lane_open,
    .join = direct_join,
    .once = direct_once,
    .right = direct_right,
    .recover = direct_recover,
    .leave = direct_leave,
    .close = direct_lane_close,
    .error_name = direct_error_name,
    .lacking = direct_lacking,
};
