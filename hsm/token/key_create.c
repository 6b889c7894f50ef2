/*
 * Where keys come into being and end. Templates state every attribute, because tokens differ in
 * what they assume of those left out.
 */
#include <stdio.h>
#include <string.h>

#include "hsm/clock_text.h"
#include "hsm/log.h"
#include "hsm/token/key_rules.h"

enum {
    MASTER_LEN = 32, /* AES-256 */
    DATED_LABEL_MAX = KEY_LABEL_MAX + CLOCK_TEXT_MAX,
    SAME_ID_MAX = 8,
};

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

/* What a key's identity looks like in a template. */
struct identity {
    uint8_t id[KEY_ID_LEN];
    char label[DATED_LABEL_MAX];
};

static struct identity identity_of(const struct key_order *order)
{
    struct identity out;
    char label[KEY_LABEL_MAX], created[CLOCK_TEXT_MAX];
    key_id_put(out.id, order->purpose, order->generation);
    key_label(label, order->purpose, order->generation);
    clock_text(created, order->now);
    snprintf(out.label, sizeof out.label, "%s %s", label, created);
    return out;
}

/* A CKA_COPYABLE stands first in the templates: a token that does not know it gets the rest. */
static bool unknown_attribute(CK_RV rv)
{
    return rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_TEMPLATE_INCONSISTENT;
}

static enum status create_pair(struct token *t, const struct key_order *order,
                               struct token_key *out)
{
    CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_OBJECT_HANDLE public;
    struct identity is = identity_of(order);
    const char *name = order->name != NULL ? order->name : is.label;
    struct span params = key_ec_params(order->curve);

    if (params.len == 0) {
        return STATUS_BAD_CURVE;
    }
    CK_ATTRIBUTE public_template[] = {
        {CKA_COPYABLE, &no, sizeof no},
        {CKA_TOKEN, &yes, sizeof yes},
        {CKA_PRIVATE, &no, sizeof no},
        {CKA_ID, is.id, sizeof is.id},
        {CKA_LABEL, is.label, strlen(is.label)},
        {CKA_EC_PARAMS, (void *)params.ptr, params.len},
        {CKA_VERIFY, &yes, sizeof yes},
        {CKA_ENCRYPT, &no, sizeof no},
        {CKA_WRAP, &no, sizeof no},
        {CKA_MODIFIABLE, &no, sizeof no},
    };
    CK_ATTRIBUTE private_template[] = {
        {CKA_COPYABLE, &no, sizeof no},          {CKA_TOKEN, &yes, sizeof yes},
        {CKA_PRIVATE, &yes, sizeof yes},         {CKA_SENSITIVE, &yes, sizeof yes},
        {CKA_EXTRACTABLE, &no, sizeof no},       {CKA_ID, is.id, sizeof is.id},
        {CKA_LABEL, (void *)name, strlen(name)}, {CKA_SIGN, &yes, sizeof yes},
        {CKA_SIGN_RECOVER, &no, sizeof no},      {CKA_DERIVE, &no, sizeof no},
        {CKA_DECRYPT, &no, sizeof no},           {CKA_UNWRAP, &no, sizeof no},
        {CKA_MODIFIABLE, &no, sizeof no},
    };
    const CK_ULONG publics = sizeof public_template / sizeof public_template[0];
    const CK_ULONG privates = sizeof private_template / sizeof private_template[0];
    CK_RV rv = t->p11->C_GenerateKeyPair(t->session, &mechanism, public_template, publics,
                                         private_template, privates, &public, &out->handle);
    if (unknown_attribute(rv)) {
        rv = t->p11->C_GenerateKeyPair(t->session, &mechanism, public_template + 1, publics - 1,
                                       private_template + 1, privates - 1, &public, &out->handle);
    }
    TRY(token_rv(t, "C_GenerateKeyPair", rv));
    out->curve = order->curve;
    return key_read_point(t, public, out->point);
}

static enum status create_master(struct token *t, const struct key_order *order,
                                 struct token_key *out)
{
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    CK_ULONG len = MASTER_LEN;
    struct identity is = identity_of(order);
    /* A master computes CMACs and does nothing else: neither data nor a key passes through it. */
    CK_ATTRIBUTE template[] = {
        {CKA_COPYABLE, &no, sizeof no},
        {CKA_TOKEN, &yes, sizeof yes},
        {CKA_PRIVATE, &yes, sizeof yes},
        {CKA_SENSITIVE, &yes, sizeof yes},
        {CKA_EXTRACTABLE, &no, sizeof no},
        {CKA_ID, is.id, sizeof is.id},
        {CKA_LABEL, is.label, strlen(is.label)},
        {CKA_VALUE_LEN, &len, sizeof len},
        {CKA_SIGN, &yes, sizeof yes},
        {CKA_VERIFY, &no, sizeof no},
        {CKA_ENCRYPT, &no, sizeof no},
        {CKA_DECRYPT, &no, sizeof no},
        {CKA_WRAP, &no, sizeof no},
        {CKA_UNWRAP, &no, sizeof no},
        {CKA_DERIVE, &no, sizeof no},
        {CKA_MODIFIABLE, &no, sizeof no},
    };
    const CK_ULONG n = sizeof template / sizeof template[0];
    CK_RV rv = t->p11->C_GenerateKey(t->session, &mechanism, template, n, &out->handle);
    if (unknown_attribute(rv)) {
        rv = t->p11->C_GenerateKey(t->session, &mechanism, template + 1, n - 1, &out->handle);
    }
    return token_rv(t, "C_GenerateKey", rv);
}

/* Objects of one class and identity. */
static enum status same_identity(struct token *t, CK_OBJECT_CLASS class, enum key_purpose purpose,
                                 uint32_t generation, CK_OBJECT_HANDLE out[static SAME_ID_MAX],
                                 size_t *n)
{
    uint8_t id[KEY_ID_LEN];
    key_id_put(id, purpose, generation);
    CK_ATTRIBUTE search[] = {
        {CKA_CLASS, &class, sizeof class}, {CKA_TOKEN, &yes, sizeof yes}, {CKA_ID, id, sizeof id}};
    return token_objects(t, search, 3, out, SAME_ID_MAX, n);
}

/* Why the new key cannot stay; NULL when it can. Another host may have used the same token, which
 * no lock of ours tells, and then two keys carry one identity. */
static const char *look_back(struct token *t, const struct token_key *key)
{
    CK_OBJECT_HANDLE objects[SAME_ID_MAX];
    size_t n;
    if (same_identity(t, key_class(key->purpose), key->purpose, key->generation, objects, &n) !=
        STATUS_OK) {
        return "it cannot be found again";
    }
    return n != 1 ? "another key took its identity" : key_weakness(t, key);
}

/* The private or secret object by its handle, since its identity may not be its own; a public one
 * with it when the identity is. */
static void take_back(struct token *t, const struct token_key *key)
{
    CK_OBJECT_HANDLE objects[SAME_ID_MAX];
    size_t n;
    (void)t->p11->C_DestroyObject(t->session, key->handle);
    if (same_identity(t, CKO_PUBLIC_KEY, key->purpose, key->generation, objects, &n) == STATUS_OK) {
        for (size_t i = 0; i < n; i++) {
            uint8_t point[EC_POINT_LEN];
            if (key_read_point(t, objects[i], point) == STATUS_OK &&
                memcmp(point, key->point, sizeof point) == 0) {
                (void)t->p11->C_DestroyObject(t->session, objects[i]);
            }
        }
    }
}

enum status keys_create(struct token *t, const struct key_order *order, struct token_key *out)
{
    char label[KEY_LABEL_MAX];

    *out = (struct token_key){
        .purpose = order->purpose, .generation = order->generation, .created = order->now};
    if (order->name != NULL) {
        snprintf(out->name, sizeof out->name, "%s", order->name);
    }
    TRY(key_purpose_is_ec(order->purpose) ? create_pair(t, order, out)
                                          : create_master(t, order, out));
    const char *weakness = look_back(t, out);
    if (weakness == NULL) {
        return STATUS_OK;
    }
    key_label(label, order->purpose, order->generation);
    log_line("%s: destroyed again, %s", label, weakness);
    take_back(t, out);
    return STATUS_TOKEN_ERROR;
}

static enum status destroy_class(struct token *t, CK_OBJECT_CLASS class, enum key_purpose purpose,
                                 uint32_t generation)
{
    CK_OBJECT_HANDLE objects[SAME_ID_MAX];
    size_t n, left;

    TRY(same_identity(t, class, purpose, generation, objects, &n));
    for (size_t i = 0; i < n; i++) {
        TRY(token_rv(t, "C_DestroyObject", t->p11->C_DestroyObject(t->session, objects[i])));
    }
    TRY(same_identity(t, class, purpose, generation, objects, &left));
    return left == 0 ? STATUS_OK : STATUS_TOKEN_ERROR;
}

enum status keys_destroy(struct token *t, enum key_purpose purpose, uint32_t generation)
{
    static const CK_OBJECT_CLASS classes[] = {CKO_PRIVATE_KEY, CKO_SECRET_KEY, CKO_PUBLIC_KEY};
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        TRY(destroy_class(t, classes[i], purpose, generation));
    }
    return STATUS_OK;
}
