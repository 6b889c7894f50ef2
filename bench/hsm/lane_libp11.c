/*
 * The lane `libp11`: keys of the token as EVP_PKEYs, through libp11, as a front-end of OpenSSL's
 * uses them. The module is initialised and logged in to as in the lane `direct`, beside libp11, so
 * that keys are session objects here too.
 */
#include <libp11.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/hsm/direct.h"

enum { SIGNATURE_MAX = 128, RANDOM_OUT = 32 };

struct through { /* of a process */
    struct direct direct;
    PKCS11_CTX *ctx;
    PKCS11_SLOT *slots, *slot;
    unsigned slots_n;
    EVP_PKEY *key, *peer;
};

struct hand { /* of a thread */
    EVP_PKEY_CTX *ctx;
    uint8_t digest[SHA256_LEN], out[SIGNATURE_MAX];
    size_t len;
};

/* What libp11 left of the CK_RV, or that it lost it. */
static unsigned long last_error(void)
{
    const unsigned long reason = (unsigned long)ERR_GET_REASON(ERR_peek_error());
    ERR_clear_error();
    return rv_name(reason) != NULL && reason != CKR_OK ? reason : CKR_GENERAL_ERROR;
}

static unsigned long result_of(struct worker_thread *t, const char *call, bool ok)
{
    atomic_store(&t->record->call, call);
    return ok ? 0 : last_error();
}

static unsigned long libp11_once(struct worker_thread *t)
{
    struct through *p = t->w->state;
    struct hand *h = t->state;
    PKCS11_KEY *keys;
    unsigned n;
    h->len = sizeof h->out;
    switch (t->w->load->operation) {
    case OP_ECDSA_SIGN:
        atomic_store(&t->record->call, "EVP_PKEY_sign");
        return result_of(t, "EVP_PKEY_sign",
                         EVP_PKEY_sign(h->ctx, h->out, &h->len, h->digest, sizeof h->digest) == 1);
    case OP_ECDH:
        atomic_store(&t->record->call, "EVP_PKEY_derive");
        return result_of(t, "EVP_PKEY_derive", EVP_PKEY_derive(h->ctx, h->out, &h->len) == 1);
    case OP_RANDOM:
        atomic_store(&t->record->call, "PKCS11_generate_random");
        return result_of(t, "PKCS11_generate_random",
                         PKCS11_generate_random(p->slot, h->out, RANDOM_OUT) == 0);
    case OP_FIND:
        atomic_store(&t->record->call, "PKCS11_enumerate_keys");
        return result_of(t, "PKCS11_enumerate_keys",
                         PKCS11_enumerate_keys(p->slot->token, &keys, &n) == 0);
    default:
        return CKR_FUNCTION_NOT_SUPPORTED;
    }
}

/* The slot that the lane direct found. */
static bool find_slot(struct through *p)
{
    if (PKCS11_enumerate_slots(p->ctx, &p->slots, &p->slots_n) != 0) {
        return false;
    }
    for (unsigned i = 0; i < p->slots_n; i++) {
        if (PKCS11_get_slotid_from_slot(&p->slots[i]) == p->direct.slot) {
            p->slot = &p->slots[i];
        }
    }
    return p->slot != NULL && PKCS11_open_session(p->slot, 0) == 0;
}

static bool find_key(struct through *p)
{
    PKCS11_KEY *keys = NULL;
    unsigned n = 0;
    if (PKCS11_enumerate_keys(p->slot->token, &keys, &n) != 0) {
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        if (keys[i].id_len == sizeof p->direct.id &&
            memcmp(keys[i].id, p->direct.id, sizeof p->direct.id) == 0) {
            p->key = PKCS11_get_private_key(&keys[i]);
        }
    }
    return p->key != NULL;
}

static bool make_peer(struct through *p, enum curve curve)
{
    p->peer = EVP_EC_gen(curve == CURVE_P256 ? "prime256v1" : "brainpoolP256r1");
    return p->peer != NULL;
}

/* libp11 closes every session of the process when it opens its first: that comes before ours. */
static bool load_libp11(struct through *p, const struct target *target, struct thread_record *r)
{
    p->ctx = PKCS11_CTX_new();
    atomic_store(&r->call, "PKCS11_CTX_load");
    return p->ctx != NULL && PKCS11_CTX_load(p->ctx, target->module) == 0 && find_slot(p);
}

static bool libp11_open(struct worker *w)
{
    struct through *p = calloc(1, sizeof *p);
    const enum hsm_operation op = w->load->operation;
    w->state = p;
    if (p == NULL) {
        return worker_failed(w, NULL, 0, false, "there is no memory");
    }
    struct thread_record *r = worker_record(w);
    CK_RV rv = direct_open(&p->direct, w->target, r);
    if (rv == CKR_OK && !load_libp11(p, w->target, r)) {
        return worker_failed(w, NULL, 0, false, "libp11 does not find the token");
    }
    rv = rv == CKR_OK ? direct_login(&p->direct, w->target) : rv;
    rv = rv == CKR_OK ? direct_keys(&p->direct, op, w->load->curve) : rv;
    if (rv != CKR_OK) {
        return worker_failed(w, atomic_load(&r->call), rv, direct_lacking(rv), p->direct.text);
    }
    atomic_store(&r->call, "PKCS11_enumerate_keys");
    if ((op == OP_ECDSA_SIGN || op == OP_ECDH) && (!find_key(p) || !make_peer(p, w->load->curve))) {
        return worker_failed(w, NULL, 0, false, "libp11 does not find the key");
    }
    return true;
}

static bool libp11_join(struct worker *w, struct worker_thread *t)
{
    const struct through *p = w->state;
    const enum hsm_operation op = w->load->operation;
    struct hand *h = calloc(1, sizeof *h);
    t->state = h;
    if (h == NULL) {
        return worker_failed(w, NULL, 0, false, "there is no memory");
    }
    memset(h->digest, 1, sizeof h->digest);
    if (op != OP_ECDSA_SIGN && op != OP_ECDH) {
        return true;
    }
    h->ctx = EVP_PKEY_CTX_new(p->key, NULL);
    const bool ok = h->ctx != NULL &&
                    (op == OP_ECDSA_SIGN ? EVP_PKEY_sign_init(h->ctx) == 1
                                         : EVP_PKEY_derive_init(h->ctx) == 1 &&
                                               EVP_PKEY_derive_set_peer(h->ctx, p->peer) == 1);
    return ok || worker_failed(w, NULL, 0, false, "OpenSSL does not take libp11's key");
}

/* A signature that the key's public half verifies. */
static bool libp11_right(struct worker_thread *t)
{
    const struct through *p = t->w->state;
    const struct hand *h = t->state;
    if (t->w->load->operation != OP_ECDSA_SIGN) {
        return true;
    }
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(p->key, NULL);
    const bool ok = ctx != NULL && EVP_PKEY_verify_init(ctx) == 1 &&
                    EVP_PKEY_verify(ctx, h->out, h->len, h->digest, sizeof h->digest) == 1;
    EVP_PKEY_CTX_free(ctx);
    return ok;
}

static void libp11_leave(struct worker_thread *t)
{
    struct hand *h = t->state;
    EVP_PKEY_CTX_free(h->ctx);
}

static void libp11_close(struct worker *w)
{
    struct through *p = w->state;
    if (p == NULL) {
        return;
    }
    EVP_PKEY_free(p->key);
    EVP_PKEY_free(p->peer);
    /* libp11's slots go with the process: it would close our sessions, and the login with them */
    direct_close(&p->direct);
}

const struct lane lane_libp11 = {
    .open = libp11_open,
    .join = libp11_join,
    .once = libp11_once,
    .right = libp11_right,
    .leave = libp11_leave,
    .close = libp11_close,
    .error_name = direct_error_name,
    .lacking = direct_lacking,
};
