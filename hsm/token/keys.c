#include "hsm/token/keys.h"

#include <stdio.h>
#include <string.h>

#include "hsm/clock_text.h"
#include "hsm/log.h"
#include "hsm/token/kek.h"
#include "hsm/token/key_rules.h"

enum {
    KEY_ID_VERSION = 1,
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

enum key_purpose key_purpose_of(const char *name)
{
    for (unsigned i = 1; i < KEY_PURPOSE_COUNT; i++) {
        if (strcmp(name, purpose_names[i]) == 0) {
            return (enum key_purpose)i;
        }
    }
    return (enum key_purpose)0;
}

bool key_purpose_is_ec(enum key_purpose purpose)
{
    return purpose == KEY_SR_ESTABLISH || purpose == KEY_GENERIC_SIGN || purpose == KEY_CHECKPOINT;
}

bool key_purpose_is_named(enum key_purpose purpose)
{
    return purpose == KEY_GENERIC_SIGN || purpose == KEY_KEK;
}

bool key_purpose_is_master(enum key_purpose purpose)
{
    return purpose == KEY_TICKET || purpose == KEY_KEYSET;
}

bool key_name_valid(const char *name)
{
    size_t len = strlen(name);
    return len >= 1 && len <= KEY_NAME_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

void key_id_put(uint8_t out[static KEY_ID_LEN], enum key_purpose purpose, uint32_t generation)
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

bool key_id_parse(struct span id, struct token_key *key)
{
    if (id.len != KEY_ID_LEN || !id_is_ours(id.ptr, id.len) || id.ptr[4] != KEY_ID_VERSION ||
        id.ptr[5] == 0 || id.ptr[5] >= KEY_PURPOSE_COUNT) {
        return false;
    }
    key->purpose = (enum key_purpose)id.ptr[5];
    key->generation = (uint32_t)load_be(id.ptr + 6, 4);
    return true;
}

struct span key_ec_params(enum curve curve)
{
    for (size_t i = 0; i < CURVE_PARAMS_COUNT; i++) {
        if (curve_params[i].curve == curve) {
            return span_of(curve_params[i].der, curve_params[i].len);
        }
    }
    return span_of(NULL, 0);
}

/* -- finding -- */

enum status token_objects(struct token *t, CK_ATTRIBUTE *template, CK_ULONG count,
                          CK_OBJECT_HANDLE *out, size_t max, size_t *n)
{
    CK_OBJECT_HANDLE more;
    CK_ULONG got = 0;
    enum status st;

    *n = 0;
    TRY(token_rv(t, "C_FindObjectsInit", t->p11->C_FindObjectsInit(t->session, template, count)));
    do {
        CK_ULONG room = max - *n < FIND_BATCH ? max - *n : FIND_BATCH;
        st = token_rv(t, "C_FindObjects", t->p11->C_FindObjects(t->session, out + *n, room, &got));
        *n += st == STATUS_OK ? got : 0;
    } while (st == STATUS_OK && got != 0 && *n < max);
    if (st == STATUS_OK && *n == max) {
        st = token_rv(t, "C_FindObjects", t->p11->C_FindObjects(t->session, &more, 1, &got));
        if (st == STATUS_OK && got != 0) {
            log_line("the token holds more than %zu objects of one kind", max);
            st = STATUS_NO_SPACE;
        }
    }
    (void)t->p11->C_FindObjectsFinal(t->session);
    return st;
}

/* Reads CKA_ID; a length of 0 when the object has none or one longer than ours. */
static size_t read_id(struct token *t, CK_OBJECT_HANDLE object, uint8_t id[static KEY_ID_LEN])
{
    CK_ATTRIBUTE a = {CKA_ID, id, KEY_ID_LEN};
    if (!token_says(t, "C_GetAttributeValue (id)",
                    t->p11->C_GetAttributeValue(t->session, object, &a, 1)) ||
        a.ulValueLen > KEY_ID_LEN) {
        return 0;
    }
    return a.ulValueLen;
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

enum status key_read_point(struct token *t, CK_OBJECT_HANDLE object,
                           uint8_t out[static EC_POINT_LEN])
{
    uint8_t value[EC_POINT_DER_LEN];
    CK_ATTRIBUTE a = {CKA_EC_POINT, value, sizeof value};
    const uint8_t *sec1 = value;

    TRY(token_rv(t, "C_GetAttributeValue (point)",
                 t->p11->C_GetAttributeValue(t->session, object, &a, 1)));
    size_t len = a.ulValueLen;
    if (len == EC_POINT_DER_LEN && value[0] == 0x04 && value[1] == EC_POINT_LEN) {
        sec1 += 2;
        len -= 2;
    }
    if (len != EC_POINT_LEN || sec1[0] != 0x04) {
        return STATUS_TOKEN_ERROR;
    }
    memcpy(out, sec1, EC_POINT_LEN);
    return STATUS_OK;
}

static bool read_label(struct token *t, CK_OBJECT_HANDLE object, char *out, size_t size)
{
    CK_ATTRIBUTE a = {CKA_LABEL, out, size - 1};
    bool ok = token_says(t, "C_GetAttributeValue (label)",
                         t->p11->C_GetAttributeValue(t->session, object, &a, 1)) &&
              a.ulValueLen <= size - 1;
    out[ok ? a.ulValueLen : 0] = '\0';
    return ok;
}

/* A key's label ends in the time when it was created. */
static uint64_t read_created(struct token *t, CK_OBJECT_HANDLE object)
{
    char label[KEY_LABEL_MAX + CLOCK_TEXT_MAX];
    if (!read_label(t, object, label, sizeof label)) {
        return 0;
    }
    const char *last = strrchr(label, ' ');
    return last == NULL ? 0 : clock_of_text(last + 1);
}

/* What the public key object that shares the private key's identity says: curve, point, age. */
static bool read_public(struct token *t, struct token_key *key)
{
    CK_OBJECT_CLASS class = CKO_PUBLIC_KEY;
    CK_BBOOL yes = CK_TRUE;
    uint8_t id[KEY_ID_LEN], params[EC_PARAMS_MAX];
    CK_ATTRIBUTE search[] = {
        {CKA_CLASS, &class, sizeof class}, {CKA_TOKEN, &yes, sizeof yes}, {CKA_ID, id, sizeof id}};
    CK_ATTRIBUTE read = {CKA_EC_PARAMS, params, sizeof params};
    CK_OBJECT_HANDLE object;
    size_t n;

    key_id_put(id, key->purpose, key->generation);
    if (token_objects(t, search, 3, &object, 1, &n) != STATUS_OK || n != 1 ||
        token_rv(t, "C_GetAttributeValue (public key)",
                 t->p11->C_GetAttributeValue(t->session, object, &read, 1)) != STATUS_OK) {
        return false;
    }
    key->created = read_created(t, object);
    key->curve = curve_of_params(params, read.ulValueLen);
    return key->curve != CURVE_NONE && key_read_point(t, object, key->point) == STATUS_OK;
}

const char *key_describe(struct token *t, struct token_key *key)
{
    if (key_purpose_is_named(key->purpose) &&
        (!read_label(t, key->handle, key->name, sizeof key->name) || !key_name_valid(key->name))) {
        return "its label is no name of 1 to 32 of [a-z0-9._-]";
    }
    if (key_purpose_is_ec(key->purpose)) {
        return read_public(t, key) ? NULL
                                   : "its public key object is missing or on no supported curve";
    }
    key->created = key->purpose == KEY_KEK ? kek_created(t, key) : read_created(t, key->handle);
    return NULL;
}

/* Whether the key may be used: what it is by its identity, and how the token holds it. */
static bool key_acceptable(struct token *t, struct token_key *key, CK_OBJECT_CLASS class)
{
    char label[KEY_LABEL_MAX];
    const char *refusal = key_refusal(t, key, class);

    if (refusal == NULL) {
        refusal = key_describe(t, key);
    }
    if (refusal != NULL) {
        key_label(label, key->purpose, key->generation);
        log_line("%s: refused, %s", label, refusal);
    }
    return refusal == NULL;
}

const struct token_key *keys_find(const struct key_list *list, enum key_purpose purpose,
                                  uint32_t generation)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->keys[i].purpose == purpose && list->keys[i].generation == generation) {
            return &list->keys[i];
        }
    }
    return NULL;
}

const struct token_key *keys_newest(const struct key_list *list, enum key_purpose purpose,
                                    const char *name)
{
    const struct token_key *newest = NULL;
    for (size_t i = 0; i < list->n; i++) {
        const struct token_key *key = &list->keys[i];
        if (key->purpose == purpose && (name == NULL || strcmp(key->name, name) == 0) &&
            (newest == NULL || key->generation > newest->generation)) {
            newest = key;
        }
    }
    return newest;
}

static enum status load_class(struct token *t, CK_OBJECT_CLASS class, struct key_list *out)
{
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE search[] = {{CKA_CLASS, &class, sizeof class}, {CKA_TOKEN, &yes, sizeof yes}};
    CK_OBJECT_HANDLE objects[4 * TOKEN_KEYS_MAX]; /* others may share the token */
    size_t n;

    TRY(token_objects(t, search, 2, objects, sizeof objects / sizeof objects[0], &n));
    for (size_t i = 0; i < n; i++) {
        uint8_t id[KEY_ID_LEN];
        size_t len = read_id(t, objects[i], id);
        struct token_key key = {.handle = objects[i]};
        if (!id_is_ours(id, len)) {
            continue;
        }
        if (!key_id_parse(span_of(id, len), &key)) {
            log_line("a key whose CKA_ID cannot be read is left alone");
        } else if (keys_find(out, key.purpose, key.generation) != NULL) {
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
    const enum rv_action before = t->trouble;
    out->n = 0;
    t->trouble = RV_NONE;
    enum status st = load_class(t, CKO_PRIVATE_KEY, out);
    if (st == STATUS_OK) {
        st = load_class(t, CKO_SECRET_KEY, out);
    }
    if (st == STATUS_OK && t->trouble > RV_ITEM) {
        st = STATUS_TOKEN_ERROR; /* what was left out may only have been out of reach */
    }
    t->trouble = before > t->trouble ? before : t->trouble;
    return st;
}
