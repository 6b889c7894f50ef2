/*
 * The keys of a worker: made in the token for the one operation that it measures.
 */
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>
#include <unistd.h>

#include "bench/hsm/direct.h"
#include "hsm/token/ec_public.h"
#include "hsm/token/keys.h"

enum { TRIES = 3, AES_KEY_LEN = 32, ATTRIBUTES_MAX = 20 };

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
static char label[] = DIRECT_LABEL;

struct attributes {
    CK_ULONG n;
    CK_ATTRIBUTE list[ATTRIBUTES_MAX];
};

static void add(struct attributes *a, CK_ATTRIBUTE_TYPE type, const void *value, CK_ULONG len)
{
    a->list[a->n++] = (CK_ATTRIBUTE){type, (void *)(uintptr_t)value, len};
}

static void add_bool(struct attributes *a, CK_ATTRIBUTE_TYPE type, bool value)
{
    add(a, type, value ? &yes : &no, sizeof yes);
}

/* What all keys have. */
static void add_common(struct attributes *a, struct direct *d, bool in_token)
{
    add_bool(a, CKA_TOKEN, in_token);
    add(a, CKA_LABEL, label, sizeof label - 1);
    add(a, CKA_ID, d->id, sizeof d->id);
}

/* Of a private or a secret key that nobody reads. */
static void add_secret(struct attributes *a, bool extractable)
{
    add_bool(a, CKA_PRIVATE, true);
    add_bool(a, CKA_SENSITIVE, true);
    add_bool(a, CKA_EXTRACTABLE, extractable);
}

static CK_RV generate_pair(struct direct *d, CK_SESSION_HANDLE session,
                           struct thread_record *record, enum curve curve, bool in_token,
                           CK_OBJECT_HANDLE *public, CK_OBJECT_HANDLE *private)
{
    CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    const struct span params = key_ec_params(curve);
    struct attributes pub = {0}, priv = {0};
    add_common(&pub, d, in_token);
    add(&pub, CKA_EC_PARAMS, params.ptr, params.len);
    add_common(&priv, d, in_token);
    add_secret(&priv, false);
    add_bool(&priv, CKA_SIGN, true);
    add_bool(&priv, CKA_DERIVE, true);
    return DIRECT_CALL(d, record, C_GenerateKeyPair, session, &mechanism, pub.list, pub.n,
                       priv.list, priv.n, public, private);
}

CK_RV direct_make_pair(struct direct *d, CK_SESSION_HANDLE session, struct thread_record *record,
                       enum curve curve, CK_OBJECT_HANDLE *public, CK_OBJECT_HANDLE *private)
{
    return generate_pair(d, session, record, curve, d->in_token, public, private);
}

static CK_RV make_pair(struct direct *d, enum curve curve)
{
    return generate_pair(d, d->home, d->record, curve, d->in_token || d->keys_in_token, &d->public,
                         &d->private);
}

static CK_RV make_aes(struct direct *d, CK_ATTRIBUTE_TYPE one, CK_ATTRIBUTE_TYPE other,
                      bool extractable, CK_OBJECT_HANDLE *out)
{
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    const CK_ULONG len = AES_KEY_LEN;
    struct attributes a = {0};
    add_common(&a, d, d->in_token || d->keys_in_token);
    add_secret(&a, extractable);
    add(&a, CKA_VALUE_LEN, &len, sizeof len);
    add_bool(&a, one, true);
    add_bool(&a, other, true);
    return DIRECT_CALL(d, d->record, C_GenerateKey, d->home, &mechanism, a.list, a.n, out);
}

/* -- what is not the token's -- */

/* A peer's pair, and X9.63's first block of the token's pair with it as libcrypto computes it. */
static CK_RV make_peer(struct direct *d, enum curve curve)
{
    static const uint8_t counter[4] = {0, 0, 0, 1}, info[DIRECT_SHARED_INFO] = {0x10, 0x88, 0x10};
    const struct token token = {.p11 = d->p11, .session = d->home};
    struct token_key ours = {.curve = curve};
    uint8_t z[EC_SCALAR_LEN], input[sizeof z + sizeof counter + sizeof info];
    size_t z_len = sizeof z, point_len = 0;
    struct token t = token;
    if (key_read_point(&t, d->public, d->point) != STATUS_OK) {
        return CKR_FUNCTION_FAILED;
    }
    memcpy(ours.point, d->point, sizeof ours.point);
    EVP_PKEY *theirs = EVP_EC_gen(curve == CURVE_P256 ? "prime256v1" : "brainpoolP256r1");
    EVP_PKEY *token_public = ec_public(&ours);
    EVP_PKEY_CTX *ctx = theirs != NULL ? EVP_PKEY_CTX_new(theirs, NULL) : NULL;
    const bool ok =
        ctx != NULL && token_public != NULL &&
        EVP_PKEY_get_octet_string_param(theirs, "pub", d->peer, sizeof d->peer, &point_len) == 1 &&
        point_len == EC_POINT_LEN && EVP_PKEY_derive_init(ctx) == 1 &&
        EVP_PKEY_derive_set_peer(ctx, token_public) == 1 && EVP_PKEY_derive(ctx, z, &z_len) == 1;
    if (ok) {
        memcpy(input, z, sizeof z);
        memcpy(input + sizeof z, counter, sizeof counter);
        memcpy(input + sizeof z + sizeof counter, info, sizeof info);
    }
    const bool hashed =
        ok && EVP_Digest(input, sizeof input, d->block, NULL, EVP_sha256(), NULL) == 1;
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(theirs);
    EVP_PKEY_free(token_public);
    return hashed ? CKR_OK : CKR_FUNCTION_FAILED;
}

/* -- by operation -- */

/* The ways to wrap AES-256 under AES-256, the one that a custodian takes first. */
static CK_RV make_wrapped(struct direct *d)
{
    static const CK_MECHANISM_TYPE ways[] = {CKM_AES_KEY_WRAP_PAD, CKM_AES_KEY_WRAP};
    CK_RV rv = make_aes(d, CKA_WRAP, CKA_UNWRAP, false, &d->kek);
    if (rv == CKR_OK) {
        rv = make_aes(d, CKA_ENCRYPT, CKA_DECRYPT, true, &d->wrappable);
    }
    if (rv != CKR_OK) {
        return rv;
    }
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        CK_MECHANISM mechanism = {ways[i], NULL, 0};
        d->wrap = ways[i];
        d->wrapped_len = sizeof d->wrapped;
        rv = DIRECT_CALL(d, d->record, C_WrapKey, d->home, &mechanism, d->kek, d->wrappable,
                         d->wrapped, &d->wrapped_len);
        if (!direct_lacking(rv)) {
            break;
        }
    }
    return rv;
}

static CK_RV make_for(struct direct *d, enum hsm_operation op, enum curve curve)
{
    CK_RV rv;
    switch (op) {
    case OP_ECDSA_SIGN:
    case OP_ECDH:
    case OP_ECDH_X963:
    case OP_AGREE:
        rv = make_pair(d, curve);
        return rv == CKR_OK ? make_peer(d, curve) : rv;
    case OP_KEYGEN: /* one, to see what the token takes */
        return make_pair(d, curve);
    case OP_FIND:
    case OP_AES_CMAC:
        return make_aes(d, CKA_SIGN, CKA_VERIFY, false, &d->aes);
    case OP_AES_GCM:
        return make_aes(d, CKA_ENCRYPT, CKA_DECRYPT, false, &d->aes);
    case OP_WRAP:
    case OP_UNWRAP:
        return make_wrapped(d);
    default:
        return CKR_OK;
    }
}

static CK_RV try_for(struct direct *d, enum hsm_operation op, enum curve curve)
{
    CK_RV rv = CKR_OK;
    for (unsigned i = 0; i < TRIES; i++) {
        rv = make_for(d, op, curve);
        if (rv == CKR_OK || direct_lacking(rv) || rv == CKR_SESSION_READ_ONLY) {
            break;
        }
        thread_error(d->record, rv);
    }
    return rv;
}

/* The session that keys belong to, read-write. The login is the process's, and stays. */
static CK_RV renew_session(struct direct *d)
{
    CK_SESSION_HANDLE old = d->home;
    d->read_write = true;
    const CK_RV rv = direct_session(d, d->record, &d->home);
    if (rv != CKR_OK) {
        d->home = old;
        return rv;
    }
    return DIRECT_CALL(d, d->record, C_CloseSession, old);
}

/* Whether the answer may be about objects of a session, or about a session that is read-only. */
static bool asks_for_more(const struct direct *d, CK_RV rv)
{
    return !d->in_token && (rv == CKR_SESSION_READ_ONLY || rv == CKR_TEMPLATE_INCONSISTENT ||
                            rv == CKR_ATTRIBUTE_VALUE_INVALID);
}

CK_RV direct_keys(struct direct *d, enum hsm_operation op, enum curve curve)
{
    if (RAND_bytes(d->id, sizeof d->id) != 1) {
        return CKR_FUNCTION_FAILED;
    }
    CK_RV rv = d->keys_in_token ? renew_session(d) : CKR_OK;
    rv = rv == CKR_OK ? try_for(d, op, curve) : rv;
    const CK_RV first = rv;
    while (asks_for_more(d, rv)) {
        d->in_token = d->read_write;
        rv = d->read_write ? CKR_OK : renew_session(d);
        rv = rv == CKR_OK ? try_for(d, op, curve) : rv;
    }
    return rv == CKR_OK ? CKR_OK : first;
}
