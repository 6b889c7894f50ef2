/*
 * keys-import-kek: a transfer KEK enters, wrapped.
 *
 * --begin makes an RSA-3072 transport key in the token and prints its public half; the other HSM
 * wraps its KEK under it (RSA-OAEP, SHA-1 and MGF1 with SHA-1: what SoftHSM 2.6.1 can). --finish
 * unwraps the KEK and destroys the transport key. There is no way in for a KEK in the clear.
 *
 * Whoever wraps a KEK under the transport key may know its value: that it is the other HSM's is for
 * the two operators to compare by its fingerprint.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hsm/ceremony/stage.h"
#include "hsm/clock_text.h"
#include "hsm/hex.h"
#include "hsm/log.h"
#include "hsm/token/kek.h"
#include "hsm/token/key_rules.h"

enum {
    TRANSPORT_BITS = 3072,
    TRANSPORT_LEN = TRANSPORT_BITS / 8, /* also of what is wrapped under it */
    TRANSPORT_ID_LEN = 4,
};

/* Not an identity that keys_load() takes: a transport key is never a key of the service. */
static uint8_t transport_id[TRANSPORT_ID_LEN] = {'e', 'c', 'k', 't'};
static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
static CK_OBJECT_CLASS secret_class = CKO_SECRET_KEY;
static CK_KEY_TYPE aes_type = CKK_AES;

/* What the transport key may unwrap to, said to the token and again to each C_UnwrapKey. */
#define KEK_ATTRIBUTES                                                                             \
    {CKA_CLASS, &secret_class, sizeof secret_class}, {CKA_KEY_TYPE, &aes_type, sizeof aes_type},   \
        {CKA_TOKEN, &yes, sizeof yes}, {CKA_PRIVATE, &yes, sizeof yes},                            \
        {CKA_SENSITIVE, &yes, sizeof yes}, {CKA_EXTRACTABLE, &no, sizeof no},                      \
        {CKA_WRAP, &yes, sizeof yes}, {CKA_UNWRAP, &no, sizeof no}, {CKA_ENCRYPT, &no, sizeof no}, \
        {CKA_DECRYPT, &no, sizeof no}, {CKA_SIGN, &no, sizeof no}, {CKA_VERIFY, &no, sizeof no},   \
    {                                                                                              \
        CKA_DERIVE, &no, sizeof no                                                                 \
    }

static enum status find_transport(struct token *t, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE *out,
                                  size_t *n)
{
    CK_ATTRIBUTE search[] = {{CKA_CLASS, &class, sizeof class},
                             {CKA_TOKEN, &yes, sizeof yes},
                             {CKA_ID, transport_id, sizeof transport_id}};
    return token_objects(t, search, 3, out, 1, n);
}

static enum status destroy_transport(struct token *t)
{
    static const CK_OBJECT_CLASS classes[] = {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY};
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        CK_OBJECT_HANDLE object;
        size_t n;
        TRY(find_transport(t, classes[i], &object, &n));
        if (n != 0) {
            TRY(token_rv(t, "C_DestroyObject", t->p11->C_DestroyObject(t->session, object)));
        }
    }
    return STATUS_OK;
}

/* The transport key unwraps, and to nothing but a KEK. */
static enum status make_transport(struct token *t, CK_OBJECT_HANDLE *public,
                                  CK_OBJECT_HANDLE *private)
{
    CK_MECHANISM mechanism = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    CK_ULONG bits = TRANSPORT_BITS;
    uint8_t exponent[] = {1, 0, 1};
    char label[] = "eckad transport";
    CK_ATTRIBUTE kek[] = {KEK_ATTRIBUTES};
    CK_ATTRIBUTE public_template[] = {
        {CKA_TOKEN, &yes, sizeof yes},
        {CKA_PRIVATE, &no, sizeof no},
        {CKA_ID, transport_id, sizeof transport_id},
        {CKA_LABEL, label, sizeof label - 1},
        {CKA_MODULUS_BITS, &bits, sizeof bits},
        {CKA_PUBLIC_EXPONENT, exponent, sizeof exponent},
        {CKA_ENCRYPT, &no, sizeof no},
        {CKA_VERIFY, &no, sizeof no},
        {CKA_WRAP, &no, sizeof no},
        {CKA_MODIFIABLE, &no, sizeof no},
    };
    CK_ATTRIBUTE private_template[] = {
        {CKA_UNWRAP_TEMPLATE, kek, sizeof kek}, {CKA_TOKEN, &yes, sizeof yes},
        {CKA_PRIVATE, &yes, sizeof yes},        {CKA_SENSITIVE, &yes, sizeof yes},
        {CKA_EXTRACTABLE, &no, sizeof no},      {CKA_ID, transport_id, sizeof transport_id},
        {CKA_LABEL, label, sizeof label - 1},   {CKA_UNWRAP, &yes, sizeof yes},
        {CKA_DECRYPT, &no, sizeof no},          {CKA_SIGN, &no, sizeof no},
        {CKA_SIGN_RECOVER, &no, sizeof no},     {CKA_DERIVE, &no, sizeof no},
        {CKA_MODIFIABLE, &no, sizeof no},
    };
    const CK_ULONG publics = sizeof public_template / sizeof public_template[0];
    const CK_ULONG privates = sizeof private_template / sizeof private_template[0];
    CK_RV rv = t->p11->C_GenerateKeyPair(t->session, &mechanism, public_template, publics,
                                         private_template, privates, public, private);
    if (rv == CKR_ATTRIBUTE_TYPE_INVALID) { /* a token without CKA_UNWRAP_TEMPLATE */
        rv = t->p11->C_GenerateKeyPair(t->session, &mechanism, public_template, publics,
                                       private_template + 1, privates - 1, public, private);
    }
    TRY(token_rv(t, "C_GenerateKeyPair (transport)", rv));
    bool good = key_attribute_read(t, *private, CKA_SENSITIVE) == ATTRIBUTE_YES &&
                key_attribute_read(t, *private, CKA_EXTRACTABLE) == ATTRIBUTE_NO &&
                key_attribute_read(t, *private, CKA_DECRYPT) != ATTRIBUTE_YES &&
                key_attribute_read(t, *private, CKA_LOCAL) == ATTRIBUTE_YES;
    if (!good) {
        log_line("the transport key came out weaker than asked for and is destroyed");
        (void)t->p11->C_DestroyObject(t->session, *private);
        (void)t->p11->C_DestroyObject(t->session, *public);
    }
    return good ? STATUS_OK : STATUS_TOKEN_ERROR;
}

static enum status read_modulus(struct token *t, CK_OBJECT_HANDLE public,
                                uint8_t out[static TRANSPORT_LEN])
{
    CK_ATTRIBUTE a = {CKA_MODULUS, out, TRANSPORT_LEN};
    TRY(token_rv(t, "C_GetAttributeValue (modulus)",
                 t->p11->C_GetAttributeValue(t->session, public, &a, 1)));
    return a.ulValueLen == TRANSPORT_LEN ? STATUS_OK : STATUS_TOKEN_ERROR;
}

static enum status print_public(const uint8_t modulus[static TRANSPORT_LEN])
{
    uint8_t little[TRANSPORT_LEN]; /* OSSL_PARAM integers are in the machine's order */
    unsigned long exponent = 65537;
    EVP_PKEY *key = NULL;
    for (size_t i = 0; i < TRANSPORT_LEN; i++) {
        little[i] = modulus[TRANSPORT_LEN - 1 - i];
    }
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, little, sizeof little),
        OSSL_PARAM_construct_ulong(OSSL_PKEY_PARAM_RSA_E, &exponent),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    bool ok = ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
              EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) == 1 &&
              PEM_write_PUBKEY(stdout, key) == 1;
    EVP_PKEY_free(key);
    EVP_PKEY_CTX_free(ctx);
    return ok ? STATUS_OK : STATUS_INTERNAL;
}

static enum status begin(struct stage *s)
{
    CK_OBJECT_HANDLE public, private;
    uint8_t modulus[TRANSPORT_LEN], hash[SHA256_LEN];
    char hash_text[2 * SHA256_LEN + 1];

    if (stage_only_says(s, "make an RSA-%d transport key and print its public half",
                        TRANSPORT_BITS)) {
        return STATUS_OK;
    }
    TRY(destroy_transport(&s->token)); /* one that was never used */
    TRY(make_transport(&s->token, &public, &private));
    TRY(read_modulus(&s->token, public, modulus));
    (void)SHA256(modulus, sizeof modulus, hash);
    hex_put(hash_text, hash, sizeof hash);
    TRY(stage_event(s, "made transport key RSA-%d modulus-sha256=%s", TRANSPORT_BITS, hash_text));
    TRY(print_public(modulus));
    log_line("wrap the KEK under it in the other HSM (AES-256, RSA-OAEP with SHA-1), then eckactl "
             "keys import-kek --name NAME --finish FILE");
    return STATUS_OK;
}

static enum status read_wrapped(const char *path, uint8_t out[static TRANSPORT_LEN])
{
    uint8_t file[TRANSPORT_LEN + 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, file, sizeof file);
    if (fd < 0) {
        log_line("%s cannot be read: %s", path, strerror(errno));
    } else {
        close(fd);
    }
    if (n != TRANSPORT_LEN) {
        log_line(
            "%s holds no key wrapped under the transport key (%d bytes). A KEK in the clear is "
            "not taken: eckactl keys import-kek --begin prints the key to wrap it under",
            path, TRANSPORT_LEN);
        return STATUS_DENIED;
    }
    memcpy(out, file, TRANSPORT_LEN);
    return STATUS_OK;
}

static enum status unwrap(struct stage *s, CK_OBJECT_HANDLE transport,
                          uint8_t wrapped[static TRANSPORT_LEN], struct token_key *out)
{
    struct token *t = &s->token;
    CK_RSA_PKCS_OAEP_PARAMS oaep = {
        .hashAlg = CKM_SHA_1, .mgf = CKG_MGF1_SHA1, .source = CKZ_DATA_SPECIFIED};
    CK_MECHANISM mechanism = {CKM_RSA_PKCS_OAEP, &oaep, sizeof oaep};
    uint8_t id[KEY_ID_LEN];
    /* Of what a KEK wraps, the token itself makes sure that it is no token key. */
    CK_ATTRIBUTE wraps[] = {{CKA_TOKEN, &no, sizeof no},
                            {CKA_CLASS, &secret_class, sizeof secret_class}};
    CK_ATTRIBUTE template[] = {
        KEK_ATTRIBUTES,
        {CKA_ID, id, sizeof id},
        {CKA_LABEL, out->name, strlen(out->name)},
        {CKA_WRAP_TEMPLATE, wraps, sizeof wraps},
        {CKA_COPYABLE, &no, sizeof no},
        {CKA_MODIFIABLE, &no, sizeof no}, /* after everything else: SoftHSM takes it at its word */
    };
    key_id_put(id, KEY_KEK, out->generation);
    CK_RV rv = t->p11->C_UnwrapKey(t->session, &mechanism, transport, wrapped, TRANSPORT_LEN,
                                   template, sizeof template / sizeof template[0], &out -> handle);
    if (rv != CKR_OK) {
        log_line("C_UnwrapKey: %s; what the file holds was not wrapped under this transport key, "
                 "or not with RSA-OAEP and SHA-1",
                 rv_text(rv));
        return STATUS_DENIED;
    }
    return STATUS_OK;
}

/* Tokens that state the length of an unwrapped key have to state 32 bytes; SoftHSM states 0. */
static const char *kek_weakness(struct token *t, const struct token_key *key)
{
    CK_ULONG len = 0;
    CK_ATTRIBUTE a = {CKA_VALUE_LEN, &len, sizeof len};
    if (token_says(t, "C_GetAttributeValue (value)",
                   t->p11->C_GetAttributeValue(t->session, key->handle, &a, 1)) &&
        len != 0 && len != 32) {
        return "it is not an AES-256 key";
    }
    return key_weakness(t, key);
}

/* The record makes it a KEK; without one, or when it is too weak, it does not stay. */
static enum status keep(struct stage *s, struct token_key *key, CK_OBJECT_HANDLE public)
{
    uint8_t modulus[TRANSPORT_LEN], transport[SHA256_LEN];

    TRY(read_modulus(&s->token, public, modulus));
    (void)SHA256(modulus, sizeof modulus, transport);
    enum status st = kek_record(&s->token, key, s->now, transport);
    const char *weakness = st == STATUS_OK ? kek_weakness(&s->token, key) : "it has no record";
    if (weakness != NULL) {
        bool gone = keys_destroy(&s->token, KEY_KEK, key->generation) == STATUS_OK &&
                    kek_forget(&s->token, key->generation) == STATUS_OK;
        log_line("the KEK is %s: %s", gone ? "destroyed again" : "unusable and still there",
                 weakness);
        return STATUS_DENIED;
    }
    key->created = s->now;
    return STATUS_OK;
}

static enum status tell(struct stage *s, const struct token_key *key)
{
    uint8_t fingerprint[KEK_FINGERPRINT_LEN];
    char text[2 * KEK_FINGERPRINT_LEN + 1];
    TRY(kek_fingerprint(&s->token, key->handle, fingerprint));
    hex_put(text, fingerprint, sizeof fingerprint);
    stage_print_key(key);
    printf("fingerprint %s\n", text);
    log_line("done; compare the fingerprint with the other HSM's: SHA-256 of 32 zero bytes wrapped "
             "with AES-KW. Custodians know the KEK after SIGHUP");
    TRY(stage_event(s, "fingerprint=%s", text));
    return stage_record_key(s, "unwrapped", key);
}

static enum status finish(struct stage *s)
{
    struct token *t = &s->token;
    const struct token_key *newest = keys_newest(&s->keys, KEY_KEK, NULL);
    struct token_key key = {.purpose = KEY_KEK,
                            .generation = newest == NULL ? 1 : newest->generation + 1};
    CK_OBJECT_HANDLE private, public;
    uint8_t wrapped[TRANSPORT_LEN];
    size_t privates, publics;

    snprintf(key.name, sizeof key.name, "%s", s->asked->name);
    TRY(read_wrapped(s->asked->file, wrapped));
    TRY(find_transport(t, CKO_PRIVATE_KEY, &private, &privates));
    TRY(find_transport(t, CKO_PUBLIC_KEY, &public, &publics));
    if (privates == 0 || publics == 0) {
        log_line("the token holds no transport key; begin with eckactl keys import-kek --begin");
        return STATUS_DENIED;
    }
    if (stage_only_says(s, "unwrap %s into kek %" PRIu32 " \"%s\" and destroy the transport key",
                        s->asked->file, key.generation, key.name)) {
        return STATUS_OK;
    }
    TRY(unwrap(s, private, wrapped, &key));
    TRY(keep(s, &key, public));
    TRY(tell(s, &key));
    TRY(destroy_transport(t));
    return stage_event(s, "destroyed the transport key");
}

enum status ceremony_import_kek(struct stage *s)
{
    TRY(stage_second(s));
    return s->asked->begin ? begin(s) : finish(s);
}
