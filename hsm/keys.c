#include "hsm/keys.h"

#include <stdio.h>
#include <string.h>

#include "hsm/log.h"

enum {
    KEY_ID_VERSION = 1,
    MASTER_LEN = 32,                     /* AES-256 */
    FIND_BATCH = 16,                     /* handles a C_FindObjects call */
    EC_PARAMS_MAX = 16,                  /* our curves' OIDs take 10 and 11 bytes */
    EC_POINT_DER_LEN = 2 + EC_POINT_LEN, /* OCTET STRING (PKCS#11 2.40, 2.3.3) */
};

static const uint8_t id_magic[4] = {'e', 'c', 'k', 'a'};

static const char *const purpose_names[KEY_PURPOSE_COUNT] = {
    [KEY_SR_ESTABLISH] = "sr-establish",
    [KEY_GENERIC_SIGN] = "generic-sign",
    [KEY_TICKET] = "ticket",
    [KEY_KEYSET] = "keyset",
    [KEY_KEK] = "kek",
    [KEY_CHECKPOINT] = "checkpoint",
};

/* CKA_EC_PARAMS: the DER of the curve's object identifier. */
static const struct {
    enum curve curve;
    uint8_t len;
    uint8_t der[EC_PARAMS_MAX];
} curve_params[] = {
    /* 1.2.840.10045.3.1.7 */
    {CURVE_P256, 10, {0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07}},
    /* 1.3.36.3.3.2.8.1.1.7 */
    {CURVE_BRAINPOOLP256R1, 11, {0x06, 0x09, 0x2B, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x07}},
};

enum { CURVE_PARAMS_COUNT = sizeof curve_params / sizeof curve_params[0] };

const char *key_purpose_name(enum key_purpose purpose)
{
    const char *name = (unsigned)purpose < KEY_PURPOSE_COUNT ? purpose_names[purpose] : NULL;
    return name == NULL ? "unknown" : name;
}

void key_label(char out[static KEY_LABEL_MAX], enum key_purpose purpose, uint32_t generation)
{
    snprintf(out, KEY_LABEL_MAX, "eckad %s %u", key_purpose_name(purpose), generation);
}

static void id_put(uint8_t out[static KEY_ID_LEN], enum key_purpose purpose, uint32_t generation)
{
    struct writer w = writer_of(out, KEY_ID_LEN);
    put_bytes(&w, id_magic, sizeof id_magic);
    put_u8(&w, KEY_ID_VERSION);
    put_u8(&w, (uint8_t)purpose);
    put_be(&w, generation, 4);
}

static bool id_is_ours(const uint8_t *id, size_t len)
{
    return len >= sizeof id_magic && memcmp(id, id_magic, sizeof id_magic) == 0;
}

static bool id_parse(const uint8_t id[static KEY_ID_LEN], size_t len, struct token_key *key)
{
    if (len != KEY_ID_LEN || id[4] != KEY_ID_VERSION || id[5] == 0 || id[5] >= KEY_PURPOSE_COUNT) {
        return false;
    }
    key->purpose = (enum key_purpose)id[5];
    key->generation = (uint32_t)load_be(id + 6, 4);
    return true;
}

/* -- finding -- */

/* All objects of a class in the token, at most max. */
static enum status find_objects(struct token *t, CK_ATTRIBUTE *template, CK_ULONG count,
                                CK_OBJECT_HANDLE *out, size_t max, size_t *n)
{
    CK_ULONG got = 0;
    enum status st;

    *n = 0;
    TRY(token_rv(t, "C_FindObjectsInit", t->p11->C_FindObjectsInit(t->session, template, count)));
    do {
        CK_ULONG room = max - *n < FIND_BATCH ? max - *n : FIND_BATCH;
        st = token_rv(t, "C_FindObjects", t->p11->C_FindObjects(t->session, out + *n, room, &got));
        *n += st == STATUS_OK ? got : 0;
    } while (st == STATUS_OK && got != 0 && *n < max);
    (void)t->p11->C_FindObjectsFinal(t->session);
    return st;
}

/* Reads CKA_ID; a length of 0 when the object has none or one longer than ours. */
static size_t read_id(struct token *t, CK_OBJECT_HANDLE object, uint8_t id[static KEY_ID_LEN])
{
    CK_ATTRIBUTE a = {CKA_ID, id, KEY_ID_LEN};
    if (t->p11->C_GetAttributeValue(t->session, object, &a, 1) != CKR_OK ||
        a.ulValueLen > KEY_ID_LEN) {
        return 0;
    }
    return a.ulValueLen;
}

/* A boolean the token cannot give counts as the worse answer. */
static bool read_bool(struct token *t, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, bool worse)
{
    CK_BBOOL value = CK_FALSE;
    CK_ATTRIBUTE a = {type, &value, sizeof value};
    if (t->p11->C_GetAttributeValue(t->session, object, &a, 1) != CKR_OK ||
        a.ulValueLen != sizeof value) {
        return worse;
    }
    return value != CK_FALSE;
}

static enum curve curve_of_params(const uint8_t *der, size_t len)
{
    for (size_t i = 0; i < CURVE_PARAMS_COUNT; i++) {
        if (len == curve_params[i].len && memcmp(der, curve_params[i].der, len) == 0) {
            return curve_params[i].curve;
        }
    }
    return CURVE_NONE;
}

/* The curve and point of the public key object that shares the private key's identity. */
static bool read_public(struct token *t, struct token_key *key)
{
    CK_OBJECT_CLASS class = CKO_PUBLIC_KEY;
    CK_BBOOL yes = CK_TRUE;
    uint8_t id[KEY_ID_LEN], params[EC_PARAMS_MAX], point[EC_POINT_DER_LEN];
    CK_ATTRIBUTE search[] = {
        {CKA_CLASS, &class, sizeof class}, {CKA_TOKEN, &yes, sizeof yes}, {CKA_ID, id, sizeof id}};
    CK_ATTRIBUTE read[] = {{CKA_EC_PARAMS, params, sizeof params},
                           {CKA_EC_POINT, point, sizeof point}};
    CK_OBJECT_HANDLE object;
    size_t n;

    id_put(id, key->purpose, key->generation);
    if (find_objects(t, search, 3, &object, 1, &n) != STATUS_OK || n != 1 ||
        token_rv(t, "C_GetAttributeValue (public key)",
                 t->p11->C_GetAttributeValue(t->session, object, read, 2)) != STATUS_OK) {
        return false;
    }
    /* Some tokens give the point bare. */
    const uint8_t *sec1 = point;
    size_t len = read[1].ulValueLen;
    if (len == EC_POINT_DER_LEN && point[0] == 0x04 && point[1] == EC_POINT_LEN) {
        sec1 += 2;
        len -= 2;
    }
    key->curve = curve_of_params(params, read[0].ulValueLen);
    if (key->curve == CURVE_NONE || len != EC_POINT_LEN || sec1[0] != 0x04) {
        return false;
    }
    memcpy(key->point, sec1, EC_POINT_LEN);
    return true;
}

/* Whether the key may be used: what it is by its identity, and how the token holds it. */
static bool key_acceptable(struct token *t, struct token_key *key, CK_OBJECT_CLASS class)
{
    char label[KEY_LABEL_MAX];
    bool wants_private =
        key->purpose != KEY_TICKET && key->purpose != KEY_KEYSET && key->purpose != KEY_KEK;

    key_label(label, key->purpose, key->generation);
    if (wants_private != (class == CKO_PRIVATE_KEY)) {
        log_line("%s: refused, an object of another class carries its identity", label);
        return false;
    }
    if (!read_bool(t, key->handle, CKA_SENSITIVE, false)) {
        log_line("%s: refused, it is not CKA_SENSITIVE", label);
        return false;
    }
    if (read_bool(t, key->handle, CKA_EXTRACTABLE, true)) {
        log_line("%s: refused, it is CKA_EXTRACTABLE", label);
        return false;
    }
    if (key->purpose == KEY_SR_ESTABLISH && !read_public(t, key)) {
        log_line("%s: refused, its public key object is missing or on no supported curve", label);
        return false;
    }
    if (!read_bool(t, key->handle, CKA_LOCAL, false)) {
        log_line("%s: warning: imported, not made in the token", label);
    }
    return true;
}

static bool identity_taken(const struct key_list *list, const struct token_key *key)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->keys[i].purpose == key->purpose && list->keys[i].generation == key->generation) {
            return true;
        }
    }
    return false;
}

static enum status load_class(struct token *t, CK_OBJECT_CLASS class, struct key_list *out)
{
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE search[] = {{CKA_CLASS, &class, sizeof class}, {CKA_TOKEN, &yes, sizeof yes}};
    CK_OBJECT_HANDLE objects[4 * TOKEN_KEYS_MAX]; /* others may share the token */
    size_t n;

    TRY(find_objects(t, search, 2, objects, sizeof objects / sizeof objects[0], &n));
    for (size_t i = 0; i < n; i++) {
        uint8_t id[KEY_ID_LEN];
        size_t len = read_id(t, objects[i], id);
        struct token_key key = {.handle = objects[i]};
        if (!id_is_ours(id, len)) {
            continue;
        }
        if (!id_parse(id, len, &key)) {
            log_line("a key whose CKA_ID cannot be read is left alone");
        } else if (identity_taken(out, &key)) {
            log_line("%s %u: refused, two keys carry this identity", key_purpose_name(key.purpose),
                     key.generation);
            return STATUS_TOKEN_ERROR;
        } else if (out->n == TOKEN_KEYS_MAX) {
            log_line("the token holds more than %d keys", TOKEN_KEYS_MAX);
            return STATUS_TOKEN_ERROR;
        } else if (key_acceptable(t, &key, class)) {
            out->keys[out->n++] = key;
        }
    }
    return STATUS_OK;
}

enum status keys_load(struct token *t, struct key_list *out)
{
    out->n = 0;
    TRY(load_class(t, CKO_PRIVATE_KEY, out));
    return load_class(t, CKO_SECRET_KEY, out);
}

/* -- creating -- */

enum status keys_create_sr(struct token *t, enum curve curve, uint32_t generation,
                           struct token_key *out)
{
    CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_OBJECT_HANDLE public;
    uint8_t id[KEY_ID_LEN], params[EC_PARAMS_MAX];
    char label[KEY_LABEL_MAX];
    CK_ULONG params_len = 0;

    *out = (struct token_key){.purpose = KEY_SR_ESTABLISH, .generation = generation};
    id_put(id, KEY_SR_ESTABLISH, generation);
    key_label(label, KEY_SR_ESTABLISH, generation);
    for (size_t i = 0; i < CURVE_PARAMS_COUNT; i++) {
        if (curve_params[i].curve == curve) {
            params_len = curve_params[i].len;
            memcpy(params, curve_params[i].der, params_len);
        }
    }
    if (params_len == 0) {
        return STATUS_BAD_CURVE;
    }
    CK_ATTRIBUTE public_template[] = {
        {CKA_TOKEN, &yes, sizeof yes},    {CKA_PRIVATE, &no, sizeof no},
        {CKA_ID, id, sizeof id},          {CKA_LABEL, label, strlen(label)},
        {CKA_VERIFY, &yes, sizeof yes},   {CKA_EC_PARAMS, params, params_len},
        {CKA_MODIFIABLE, &no, sizeof no}, {CKA_ENCRYPT, &no, sizeof no},
        {CKA_WRAP, &no, sizeof no},
    };
    CK_ATTRIBUTE private_template[] = {
        {CKA_TOKEN, &yes, sizeof yes},     {CKA_PRIVATE, &yes, sizeof yes},
        {CKA_SENSITIVE, &yes, sizeof yes}, {CKA_EXTRACTABLE, &no, sizeof no},
        {CKA_ID, id, sizeof id},           {CKA_LABEL, label, strlen(label)},
        {CKA_SIGN, &yes, sizeof yes},      {CKA_DERIVE, &no, sizeof no},
        {CKA_DECRYPT, &no, sizeof no},     {CKA_UNWRAP, &no, sizeof no},
        {CKA_MODIFIABLE, &no, sizeof no},
    };
    TRY(token_rv(t, "C_GenerateKeyPair",
                 t->p11->C_GenerateKeyPair(
                     t->session, &mechanism, public_template,
                     sizeof public_template / sizeof public_template[0], private_template,
                     sizeof private_template / sizeof private_template[0], &public, &out->handle)));
    return read_public(t, out) ? STATUS_OK : STATUS_TOKEN_ERROR;
}

enum status keys_create_master(struct token *t, enum key_purpose purpose, uint32_t generation,
                               struct token_key *out)
{
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_ULONG len = MASTER_LEN;
    uint8_t id[KEY_ID_LEN];
    char label[KEY_LABEL_MAX];

    *out = (struct token_key){.purpose = purpose, .generation = generation};
    id_put(id, purpose, generation);
    key_label(label, purpose, generation);
    /* A master computes CMACs and does nothing else: neither data nor a key passes through it. */
    CK_ATTRIBUTE template[] = {
        {CKA_TOKEN, &yes, sizeof yes},     {CKA_PRIVATE, &yes, sizeof yes},
        {CKA_SENSITIVE, &yes, sizeof yes}, {CKA_EXTRACTABLE, &no, sizeof no},
        {CKA_ID, id, sizeof id},           {CKA_LABEL, label, strlen(label)},
        {CKA_VALUE_LEN, &len, sizeof len}, {CKA_SIGN, &yes, sizeof yes},
        {CKA_VERIFY, &no, sizeof no},      {CKA_ENCRYPT, &no, sizeof no},
        {CKA_DECRYPT, &no, sizeof no},     {CKA_WRAP, &no, sizeof no},
        {CKA_UNWRAP, &no, sizeof no},      {CKA_DERIVE, &no, sizeof no},
        {CKA_MODIFIABLE, &no, sizeof no},
    };
    return token_rv(t, "C_GenerateKey",
                    t->p11->C_GenerateKey(t->session, &mechanism, template,
                                          sizeof template / sizeof template[0], &out -> handle));
}
