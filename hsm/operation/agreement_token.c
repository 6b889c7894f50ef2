/*
 * Key agreement inside the token: raw Cryptoki over session objects that are sensitive and not
 * extractable, each destroyed before the call that made it returns.
 *
 * X9.63 (SHA-256(Z || counter || SharedInfo) a block) takes Z by C_DigestKey, so that the token
 * hashes a secret that nobody can read. Run on the custodian's one thread.
 */
#include <stdio.h>
#include <string.h>

#include "hsm/log.h"
#include "hsm/operation/agreement.h"
#include "providers/core/secret.h"

enum {
    /* Batches of key pairs tried for a Z that begins with a zero byte, which a token may drop where
     * X9.63 needs it: one key in 256 has it, and 64 * 48 tries miss it once in 160,000 starts. */
    PROBE_BATCHES_MAX = 64,
    PROBE_LEN = KEY_DATA_LEN,
};

struct objects { /* CK_INVALID_HANDLE: there is none */
    CK_OBJECT_HANDLE public, private, z;
};

static const CK_MECHANISM_TYPE needed[] = {CKM_EC_KEY_PAIR_GEN, CKM_ECDH1_DERIVE, CKM_SHA256};

/* Where destroying fails the object lives until the session ends: a fault, and told as one. */
static enum status destroy(struct token *t, CK_OBJECT_HANDLE *object)
{
    CK_OBJECT_HANDLE gone = *object;
    *object = CK_INVALID_HANDLE;
    return gone == CK_INVALID_HANDLE
               ? STATUS_OK
               : token_rv(t, "C_DestroyObject", t->p11->C_DestroyObject(t->session, gone));
}

/* Destroys all there are; the first fault, if st was none. */
static enum status destroy_all(struct token *t, struct objects *o, enum status st)
{
    const enum status gone[] = {destroy(t, &o->z), destroy(t, &o->private), destroy(t, &o->public)};
    for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++) {
        st = st == STATUS_OK ? gone[i] : st;
    }
    return st;
}

static enum status make_pair(struct token *t, enum curve curve, struct objects *o,
                             uint8_t Q[static EC_POINT_LEN])
{
    CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    struct span params = key_ec_params(curve);
    CK_ATTRIBUTE public_template[] = {
        {CKA_TOKEN, &no, sizeof no},
        {CKA_EC_PARAMS, (void *)params.ptr, params.len},
    };
    CK_ATTRIBUTE private_template[] = {
        {CKA_TOKEN, &no, sizeof no},        {CKA_PRIVATE, &yes, sizeof yes},
        {CKA_SENSITIVE, &yes, sizeof yes},  {CKA_EXTRACTABLE, &no, sizeof no},
        {CKA_DERIVE, &yes, sizeof yes},     {CKA_SIGN, &no, sizeof no},
        {CKA_SIGN_RECOVER, &no, sizeof no}, {CKA_DECRYPT, &no, sizeof no},
        {CKA_UNWRAP, &no, sizeof no},
    };
    TRY(token_rv(t, "C_GenerateKeyPair (session)",
                 t->p11->C_GenerateKeyPair(t->session, &mechanism, public_template,
                                           sizeof public_template / sizeof public_template[0],
                                           private_template,
                                           sizeof private_template / sizeof private_template[0],
                                           &o->public, &o->private)));
    return key_read_point(t, o->public, Q);
}

/* Z of the private key and a peer whose point was checked: not every token checks it. */
static enum status derive_z(struct token *t, struct objects *o,
                            const uint8_t peer[static EC_POINT_LEN])
{
    CK_ECDH1_DERIVE_PARAMS params = {
        .kdf = CKD_NULL, .ulPublicDataLen = EC_POINT_LEN, .pPublicData = (CK_BYTE_PTR)peer};
    CK_MECHANISM mechanism = {CKM_ECDH1_DERIVE, &params, sizeof params};
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_GENERIC_SECRET;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_ULONG len = ECDH_Z_LEN;
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &class, sizeof class}, {CKA_KEY_TYPE, &type, sizeof type},
        {CKA_TOKEN, &no, sizeof no},       {CKA_PRIVATE, &yes, sizeof yes},
        {CKA_SENSITIVE, &yes, sizeof yes}, {CKA_EXTRACTABLE, &no, sizeof no},
        {CKA_DERIVE, &no, sizeof no},      {CKA_VALUE_LEN, &len, sizeof len},
    };
    return token_rv(t, "C_DeriveKey",
                    t->p11->C_DeriveKey(t->session, &mechanism, o->private, template,
                                        sizeof template / sizeof template[0], &o -> z));
}

static enum status digest(struct token *t, CK_OBJECT_HANDLE z, struct span suffix,
                          uint8_t block[static SHA256_LEN])
{
    CK_ULONG len = SHA256_LEN;
    TRY(token_rv(t, "C_DigestKey", t->p11->C_DigestKey(t->session, z)));
    TRY(token_rv(t, "C_DigestUpdate",
                 t->p11->C_DigestUpdate(t->session, (CK_BYTE_PTR)suffix.ptr, suffix.len)));
    TRY(token_rv(t, "C_DigestFinal", t->p11->C_DigestFinal(t->session, block, &len)));
    return len == SHA256_LEN ? STATUS_OK : STATUS_TOKEN_ERROR;
}

/* SHA-256(Z || counter || SharedInfo), the counter in 4 bytes. */
static enum status x963_block(struct token *t, CK_OBJECT_HANDLE z, uint32_t counter,
                              struct span shared_info, uint8_t block[static SHA256_LEN])
{
    CK_MECHANISM mechanism = {CKM_SHA256, NULL, 0};
    uint8_t suffix[4 + SHARED_INFO_MAX];
    struct writer w = writer_of(suffix, sizeof suffix);

    put_be(&w, counter, 4);
    put_span(&w, shared_info);
    TRY(writer_check(&w));
    TRY(token_rv(t, "C_DigestInit", t->p11->C_DigestInit(t->session, &mechanism)));
    enum status st = digest(t, z, writer_span(&w), block);
    if (st != STATUS_OK) {
        /* A call that fails ends the operation (PKCS#11 2.40, 5.10), but where a token does not
         * know C_DigestKey it may still be there, and be in the next one's way. */
        CK_ULONG len = SHA256_LEN;
        (void)t->p11->C_DigestFinal(t->session, block, &len);
    }
    return st;
}

static enum status x963(struct token *t, CK_OBJECT_HANDLE z, struct span shared_info,
                        uint8_t block[static SHA256_LEN], uint8_t *out, size_t out_len)
{
    for (size_t done = 0; done < out_len; done += SHA256_LEN) {
        size_t n = out_len - done < SHA256_LEN ? out_len - done : SHA256_LEN;
        TRY(x963_block(t, z, (uint32_t)(done / SHA256_LEN + 1), shared_info, block));
        memcpy(out + done, block, n);
    }
    return STATUS_OK;
}

enum status agreement_in_token(struct custodian *c, enum curve curve,
                               const uint8_t peer[static EC_POINT_LEN], struct span shared_info,
                               uint8_t Q[static EC_POINT_LEN], uint8_t *out, size_t out_len)
{
    struct token *t = &c->token;
    struct objects o = {CK_INVALID_HANDLE, CK_INVALID_HANDLE, CK_INVALID_HANDLE};
    uint8_t *block = c->secrets->agreement.block;

    TRY(provider_check_point(c->provider, curve, peer));
    enum status st = make_pair(t, curve, &o, Q);
    if (st == STATUS_OK) {
        st = derive_z(t, &o, peer);
    }
    if (st == STATUS_OK) {
        st = x963(t, o.z, shared_info, block, out, out_len);
    }
    st = destroy_all(t, &o, st);
    secret_wipe(block, SHA256_LEN);
    if (st != STATUS_OK) {
        secret_wipe(out, out_len);
        memset(Q, 0, EC_POINT_LEN);
    }
    return st;
}

/* -- the probe -- */

static bool has_mechanisms(struct token *t)
{
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        CK_MECHANISM_INFO info;
        if (!token_says(t, "C_GetMechanismInfo",
                        t->p11->C_GetMechanismInfo(t->slot, needed[i], &info))) {
            log_line("the token lacks mechanism 0x%lx", (unsigned long)needed[i]);
            return false;
        }
    }
    return true;
}

/* Whether the token gives the value away, whatever its attributes say. */
static bool readable(struct token *t, CK_OBJECT_HANDLE object, uint8_t value[static ECDH_Z_LEN])
{
    CK_ATTRIBUTE a = {CKA_VALUE, value, ECDH_Z_LEN};
    return token_says(t, "C_GetAttributeValue (value)",
                      t->p11->C_GetAttributeValue(t->session, object, &a, 1));
}

/* The token's Z of its pair and this peer, seen through X9.63, against the same computed here. */
static enum status compare_with(struct custodian *c, struct objects *o, size_t i,
                                const uint8_t peer[static EC_POINT_LEN])
{
    static const char info[] = "eckad probe";
    struct agreement_secrets *s = &c->secrets->agreement;
    struct token *t = &c->token;
    const struct span shared_info = span_of(info, sizeof info - 1);
    uint8_t theirs[PROBE_LEN], ours[PROBE_LEN]; /* of keys that nobody uses */

    TRY(derive_z(t, o, peer));
    TRY(x963(t, o->z, shared_info, s->block, theirs, sizeof theirs));
    if (readable(t, o->z, s->block) || readable(t, o->private, s->block)) {
        log_line("the token gives the value of a sensitive session object away");
        return STATUS_TOKEN_ERROR;
    }
    TRY(destroy(t, &o->z));
    TRY(sym_x963(c->sym, span_of(s->z[i], ECDH_Z_LEN), shared_info, ours, sizeof ours));
    if (!secret_equal(ours, theirs, sizeof ours)) {
        log_line("the token derives another secret than this process%s",
                 s->z[i][0] == 0 ? " when Z begins with a zero byte" : "");
        return STATUS_TOKEN_ERROR;
    }
    return STATUS_OK;
}

/* A pair in the token against fresh pairs here: the first, and one whose Z begins with a zero. */
static enum status try_pairs(struct custodian *c, enum curve curve, struct objects *o)
{
    struct agreement_secrets *s = &c->secrets->agreement;
    struct keygen_item keygen[CUSTODY_ITEMS_MAX];
    struct ecka_item ecka[CUSTODY_ITEMS_MAX];
    enum status st[CUSTODY_ITEMS_MAX];
    uint8_t P[EC_POINT_LEN], Q[CUSTODY_ITEMS_MAX][EC_POINT_LEN];

    TRY(make_pair(&c->token, curve, o, P));
    for (size_t i = 0; i < CUSTODY_ITEMS_MAX; i++) {
        keygen[i] = (struct keygen_item){.curve = curve, .k = s->k[i], .Q = Q[i]};
        ecka[i] = (struct ecka_item){.curve = curve, .k = s->k[i], .peer = P, .z = s->z[i]};
    }
    for (size_t batch = 0; batch < PROBE_BATCHES_MAX; batch++) {
        provider_keygen(c->provider, c->drbg, CUSTODY_ITEMS_MAX, keygen, st);
        provider_ecka(c->provider, CUSTODY_ITEMS_MAX, ecka, st);
        for (size_t i = 0; i < CUSTODY_ITEMS_MAX; i++) {
            TRY(st[i]);
            bool zero = s->z[i][0] == 0;
            if (zero || (batch == 0 && i == 0)) {
                TRY(compare_with(c, o, i, Q[i]));
            }
            if (zero) {
                return STATUS_OK;
            }
        }
    }
    log_line("no Z that begins with a zero byte was found to try the token with");
    return STATUS_COULD_NOT_TELL;
}

void agreement_probe(struct custodian *c)
{
    const bool able = has_mechanisms(&c->token);
    for (enum curve curve = CURVE_NONE + 1; curve < CURVE_COUNT; curve++) {
        struct objects o = {CK_INVALID_HANDLE, CK_INVALID_HANDLE, CK_INVALID_HANDLE};
        enum status st = STATUS_BAD_CURVE;
        if (able && key_ec_params(curve).len != 0) {
            st = destroy_all(&c->token, &o, try_pairs(c, curve, &o));
        }
        c->token_agrees[curve] = st == STATUS_OK;
        log_line("custody token on %s: %s", curve_name(curve),
                 st == STATUS_OK          ? "eSK and Z can stay in the token"
                 : st == STATUS_BAD_CURVE ? "refused, the token lacks the curve or a mechanism"
                                          : "refused, the token failed the probe");
    }
    secret_wipe(c->secrets, sizeof *c->secrets);
}
